"""Our own candidates of one generation of ICE, told one by one as they are found (RFC 8838).

What is changed of `aioice.Connection` here, and why: host candidates are known at once, those of servers follow while
checks run; several servers, IPv6, loopback, TURN over TLS with the name verified. aioice waits up to 5 s for one STUN
and one TURN server.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

import aioice
from aioice.candidate import Candidate
from aioice.ice import StunProtocol, TransportPolicy

from .base import IceServer
from .ice_gathering import (
    GATHERING_ERRORS,
    MAX_ADDRESSES,
    IceSocket,
    RelaySocket,
    allocate,
    ask_reflexive,
    local_addresses,
    open_host,
    resolve,
    system_trust,
)
from .ice_settings import Credentials, IceSettings, ServerSource

log = logging.getLogger(__name__)

MAX_SERVERS = 4
"""STUN servers, and as many TURN servers, that are asked."""


class TricklingConnection(aioice.Connection):
    """The sockets and the candidates of our side.

    Args:
        controlling: Whether we nominate (the session's initiator, XEP-0176 section 5.6).
        settings: How to gather.
        on_candidate: Called with each local candidate, host candidates from within `open()`.
        local: Our credentials; fresh ones if `None`.

    Attributes:
        gathered: Set once no more candidates follow, unless addresses are added.
        problems: What servers gave nothing, a line each.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        settings: IceSettings,
        on_candidate: Callable[[Candidate], None],
        local: Credentials | None = None,
    ) -> None:
        self.local = local or Credentials.generate()
        super().__init__(
            ice_controlling=controlling,
            local_username=self.local.ufrag,
            local_password=self.local.pwd,
            # Makes aioice leave the peer's .local names alone, which a lookup would reveal us by.
            transport_policy=TransportPolicy.RELAY if settings.relay_only else TransportPolicy.ALL,
        )
        self.gathered = asyncio.Event()
        self.problems: list[str] = []
        self._settings = settings
        self._on_candidate = on_candidate
        self._servers: set[IceServer] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._adding = asyncio.Lock()

    async def open(self, sources: tuple[ServerSource, ...]) -> None:
        """Open the host sockets, and return while the servers that `sources` name are still being asked."""
        self._local_candidates_start = True
        addresses = [] if self._settings.relay_only else local_addresses(loopback=self._settings.loopback)
        for rank, address in enumerate(addresses):
            try:
                protocol = await open_host(lambda: IceSocket(self), address, rank=rank)
            except OSError as error:
                log.debug("no candidate on %s: %s", address, error)
                continue
            self._protocols.append(protocol)
            if self._closing:
                await protocol.close()
                return
            self._add_local(protocol.local_candidate)
        self._local_candidates_end = True  # what connect() asks for; later candidates are paired as they come
        if not self._closing:
            self._spawn(self._ask_servers(sources))

    async def add_hosts(self, addresses: Iterable[str]) -> None:
        """Gather on addresses that this machine has got since; more than `MAX_ADDRESSES` in all are not used."""
        async with self._adding:
            for address in addresses if not self._settings.relay_only else ():
                if self._closing or len(self._protocols) >= MAX_ADDRESSES:
                    return
                try:
                    protocol = await open_host(lambda: IceSocket(self), address, rank=len(self._protocols))
                except OSError as error:
                    log.debug("no candidate on %s: %s", address, error)
                    continue
                self._protocols.append(protocol)
                if self._closing:
                    await protocol.close()
                elif self._add_local(protocol.local_candidate):
                    self._pair_known()

    async def _ask_servers(self, sources: tuple[ServerSource, ...]) -> None:
        try:
            await asyncio.gather(*(self._ask_source(source) for source in sources))
        finally:
            self.gathered.set()

    async def _ask_source(self, source: ServerSource) -> None:
        try:
            async with asyncio.timeout(self._settings.gather_timeout):
                servers = await source()
        except Exception as error:  # the source is the caller's code; no failure of it may end the call
            self.problems.append(f"STUN and TURN servers could not be asked for: {error!r}")
            log.warning("STUN and TURN servers could not be asked for: %r", error)
            return
        async with asyncio.TaskGroup() as group:
            for server in servers:
                relay = server.scheme in ("turn", "turns")
                known = sum((other.scheme != "stun") == relay for other in self._servers)
                if server in self._servers or known >= MAX_SERVERS:
                    continue
                if relay:
                    self._servers.add(server)
                    group.create_task(self._gather_relayed(server, known))
                elif server.scheme == "stun" and server.transport == "udp" and not self._settings.relay_only:
                    self._servers.add(server)
                    group.create_task(self._gather_reflexive(server, known))

    async def _gather_reflexive(self, server: IceServer, rank: int) -> None:
        try:
            async with asyncio.timeout(self._settings.gather_timeout):
                addresses = await resolve(server.host, server.port)
        except GATHERING_ERRORS as error:
            return self._note(server, error)
        asked = []
        for protocol in list(self._protocols):
            if isinstance(protocol, RelaySocket):
                continue
            base = ipaddress.ip_address(protocol.local_candidate.host)
            for address in addresses:
                there = ipaddress.ip_address(address[0])
                if there.version == base.version and (there.is_loopback or not base.is_loopback):
                    asked.append(self._ask_one(protocol, server, address, rank))
                    break
        await asyncio.gather(*asked)

    async def _ask_one(self, protocol: StunProtocol, server: IceServer, address: tuple[str, int], rank: int) -> None:
        try:
            async with asyncio.timeout(self._settings.gather_timeout):
                found = await ask_reflexive(protocol, address, rank=rank)
        except GATHERING_ERRORS as error:
            return self._note(server, error)
        if found is not None and self._add_local(found):
            self._spawn(self._keep_mapping(protocol, address, rank))

    async def _keep_mapping(self, protocol: StunProtocol, address: tuple[str, int], rank: int) -> None:
        """While it rings, no check goes through the NAT and it would forget us (RFC 8445 section 5.1.1.4)."""
        while not self._nominated:
            await asyncio.sleep(self._settings.refresh_interval)
            with suppress(*GATHERING_ERRORS):
                async with asyncio.timeout(self._settings.gather_timeout):
                    if found := await ask_reflexive(protocol, address, rank=rank):
                        self._add_local(found)

    async def _gather_relayed(self, server: IceServer, rank: int) -> None:
        # A relay reached over TCP or TLS costs the call delay, so those over UDP are wanted more.
        rank += 0 if server.transport == "udp" and server.scheme == "turn" else MAX_SERVERS
        try:
            async with asyncio.timeout(self._settings.gather_timeout):
                protocol = await allocate(
                    lambda: RelaySocket(self),
                    server,
                    tls=self._settings.turn_tls or (system_trust() if server.scheme == "turns" else None),
                    rank=rank,
                    hide_related=self._settings.relay_only,
                )
        except GATHERING_ERRORS as error:
            return self._note(server, error)
        self._protocols.append(protocol)
        if self._add_local(protocol.local_candidate):
            self._pair_known()

    def _pair_known(self) -> None:
        """Pair a new base with what is known of the peer; connect() may be running (RFC 8838 section 10)."""
        for remote in self._remote_candidates:
            self._pair_remote_candidate(remote)
        self.sort_check_list()

    def _add_local(self, candidate: Candidate) -> bool:
        address = (candidate.host, candidate.port)
        if self._closing or any((other.host, other.port) == address for other in self._local_candidates):
            return False  # redundant (RFC 8445 section 5.1.3)
        self._local_candidates.append(candidate)
        self._on_candidate(candidate)
        return True

    def _note(self, server: IceServer, error: Exception) -> None:
        text = f"{server.scheme}:{server.host}:{server.port} ({server.transport}): {error or type(error).__name__}"
        self.problems.append(text)
        log.info("no candidate from %s", text)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
