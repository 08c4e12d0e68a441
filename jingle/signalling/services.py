"""XEP-0215: External Service Discovery (v1.0.0): the STUN and TURN servers that our XMPP server offers."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable

from ..elements.services import Credentials, Service, Services
from ..errors import JingleError, SignallingError
from ..transports.base import IceServer, StanzaPort

log = logging.getLogger(__name__)

REFRESH_MARGIN = 60.0
"""Seconds before credentials expire in which they are fetched again: a call that starts now may still want them."""

DEFAULT_LIFETIME = 600.0
"""Seconds a list without an expiry is believed, and that there is none."""

RETRY_AFTER = 15.0
"""Seconds before a server that did not answer is asked again: it may have been the connection that was away."""

QUERY_TIMEOUT = 10.0
MAX_SERVERS = 16
DEFAULT_PORTS = {"stun": 3478, "turn": 3478, "turns": 5349}


class ExternalServices:
    """The list of STUN and TURN servers, fetched once and again before its credentials expire."""

    def __init__(
        self,
        port: StanzaPort,
        domain: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask nobody yet.

        Args:
            port: Where to ask.
            domain: The XMPP server.
            clock: Seconds, never jumping.
            wall_clock: Seconds since 1970, which is what expiries are given in.
        """
        self._port = port
        self._domain = domain
        self._clock, self._wall_clock = clock, wall_clock
        self._servers: tuple[IceServer, ...] = ()
        self._good_until: float | None = None
        self._lock = asyncio.Lock()

    async def ice_servers(self) -> tuple[IceServer, ...]:
        """The servers on offer now; empty where the XMPP server knows none or does not answer.

        May take as long as the server takes (two queries, each bounded by `QUERY_TIMEOUT`), so an offer never waits
        for it.
        """
        async with self._lock:
            if self._good_until is None or self._clock() >= self._good_until:
                lifetime = await self._fetch()
                self._good_until = self._clock() + lifetime
            return self._servers

    async def _fetch(self) -> float:
        """Take the list of now; return for how many seconds it is good."""
        try:
            answer = await self._port.request(self._domain, Services(), kind="get", timeout=QUERY_TIMEOUT)
        except JingleError as exc:
            log.info("no external services from %s: %s", self._domain, exc)
            if isinstance(exc, SignallingError) and exc.condition == "timeout":
                return RETRY_AFTER
            self._servers = ()
            return DEFAULT_LIFETIME
        listed = answer.services if isinstance(answer, Services) else ()
        wanted = [service for service in listed if service.type in DEFAULT_PORTS][:MAX_SERVERS]
        filled = await asyncio.gather(*(self._with_credentials(service) for service in wanted))
        self._servers = tuple(server for service in filled if (server := ice_server(service)) is not None)
        now = self._wall_clock()
        lifetimes = [expires - now for service in filled if (expires := service.expires_at) is not None]
        lifetime = min([*lifetimes, DEFAULT_LIFETIME])
        # Half its life where credentials live shorter than the margin, so that they are not fetched without pause.
        return max(lifetime - REFRESH_MARGIN, lifetime / 2, 1.0)

    async def _with_credentials(self, service: Service) -> Service:
        """A TURN service that is listed without credentials has them on request (XEP-0215 section 3.3)."""
        if service.type == "stun" or service.username is not None:
            return service
        bare = Service(host=service.host, port=service.port, type=service.type)
        try:
            answer = await self._port.request(
                self._domain, Credentials(services=(bare,)), kind="get", timeout=QUERY_TIMEOUT
            )
        except JingleError as exc:
            log.info("no credentials for %s %s: %s", service.type, service.host, exc)
            return service
        given = answer.services if isinstance(answer, Credentials) else ()
        for each in given:
            if (each.type, each.host) == (service.type, service.host) and each.port in (None, service.port):
                # The answer need not repeat what the list said about port and transport.
                return dataclasses.replace(
                    service, username=each.username, password=each.password, expires=each.expires
                )
        return service


def ice_server(service: Service) -> IceServer | None:
    """The element as a server to use; `None` where it lacks what it takes."""
    if service.type != "stun" and (service.username is None or service.password is None):
        return None
    transport = "tcp" if service.type == "turns" else (service.transport or "udp").lower()
    if transport not in ("udp", "tcp"):
        return None
    return IceServer(
        scheme=service.type,
        host=service.host,
        port=service.port or DEFAULT_PORTS[service.type],
        transport=transport,
        username=service.username,
        password=service.password,
    )
