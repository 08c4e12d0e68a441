"""What STUN and TURN servers do for this machine, and what kind of NAT it is behind (RFC 5389, RFC 8656, RFC 5780)."""

from __future__ import annotations

import enum
import time
from collections.abc import Sequence
from dataclasses import dataclass

from aioice import Candidate

from ..errors import TransportFailed
from .base import IceServer
from .ice import IceConnection
from .ice_settings import IceSettings


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What a server gave us."""

    address: str | None
    """How a STUN server sees us, where that is another address than our own; or the relayed one of a TURN server."""

    seconds: float
    """Until it answered."""


class NatMapping(enum.Enum):
    """What becomes of our address on the way out (RFC 4787 section 4.1)."""

    NONE = "none"
    """Nothing is translated."""

    INDEPENDENT = "endpoint-independent"
    """Everybody sees the same address: peers behind such NATs reach each other."""

    DEPENDENT = "address-dependent"
    """Each sees another one ("symmetric"): what a STUN server saw is of no use to a peer."""

    UNKNOWN = "unknown"
    """It is translated, and only one server could be asked."""


async def try_server(server: IceServer, settings: IceSettings) -> Reached:
    """Ask one server for what it is there for.

    Raises:
        TransportFailed: It did not answer, or refused.
    """
    started = time.monotonic()
    wanted = "srflx" if server.scheme == "stun" else "relay"
    found, problems = await _gather((server,), settings)
    seconds = time.monotonic() - started
    address = next((f"{each.host}:{each.port}" for each in found if each.type == wanted), None)
    if address is None and (problems or wanted == "relay"):
        raise TransportFailed(problems[0].partition(": ")[2] if problems else "it gave no relayed address")
    return Reached(address=address, seconds=seconds)


async def find_mapping(servers: Sequence[IceServer], settings: IceSettings) -> NatMapping:
    """Ask several STUN servers (a TURN server is one too) from one socket for each address of this machine.

    Raises:
        TransportFailed: Not one answered.
    """
    asked = tuple(dict.fromkeys(IceServer(scheme="stun", host=each.host, port=each.port) for each in servers))
    found, problems = await _gather(asked, settings)
    answered = len(asked) - len({problem.partition(" ")[0] for problem in problems})
    reflexive = [each for each in found if each.type == "srflx"]
    if not reflexive:
        if answered <= 0:
            raise TransportFailed("no STUN server answered")
        return NatMapping.NONE
    seen: dict[tuple[str | None, int | None], int] = {}
    for each in reflexive:
        base = each.related_address, each.related_port
        seen[base] = seen.get(base, 0) + 1
    if max(seen.values()) > 1:
        return NatMapping.DEPENDENT
    return NatMapping.INDEPENDENT if answered > 1 else NatMapping.UNKNOWN


async def _gather(servers: tuple[IceServer, ...], settings: IceSettings) -> tuple[list[Candidate], list[str]]:
    async def source() -> tuple[IceServer, ...]:
        return servers

    connection = IceConnection(
        controlling=True,
        settings=settings,
        on_candidate=lambda candidate: None,
        on_datagrams=lambda datagrams: None,
        on_lost=lambda connection, text: None,
        on_failing=lambda connection: None,
    )
    try:
        await connection.open((source,))
        await connection.gathered.wait()  # to look a name up and to ask may take `gather_timeout` each, and no more
        return list(connection.local_candidates), list(connection.problems)
    finally:
        await connection.close()
