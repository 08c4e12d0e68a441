"""RFC 6120 section 3.2: where the server of a domain is, as the login looks for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from slixmpp.xmlstream.resolver import default_resolver, resolve

from ..errors import SignallingError

SERVICES = ["xmpps-client", "xmpp-client"]
TIMEOUT = 10.0


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """One place where the server may listen."""

    host: str
    address: str
    port: int


async def find_server(domain: str) -> tuple[ServerAddress, ...]:
    """The addresses of a domain's server, the one to try first in front.

    Raises:
        SignallingError: The domain has none (`remote-server-not-found`).
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT):
            found = await resolve(
                domain, 5222, loop=loop, services=SERVICES, resolver=default_resolver(loop), use_ipv6=True
            )
    except TimeoutError:
        raise SignallingError(
            "remote-server-not-found", f"nobody says where {domain} is within {TIMEOUT:g} s"
        ) from None
    except (OSError, UnicodeError) as exc:
        raise SignallingError("remote-server-not-found", f"{domain} cannot be looked up: {exc}") from exc
    if not found:
        raise SignallingError("remote-server-not-found", f"{domain} has no address")
    listed = (ServerAddress(host=host, address=str(place), port=int(port)) for _, host, place, port in found)
    return tuple(dict.fromkeys(listed))
