"""XEP-0260: Jingle SOCKS5 Bytestreams Transport Method (v1.0.3), with the proxies of XEP-0065 (v1.8.2).

Both sides listen and offer, both connect to what the other offers, and each says what it reached; the better one is
used. A proxy is used where nothing direct works: whoever offered it connects too, and activates it.

Deviations, each because deployed clients need it:

- A refused destination is asked for under the other hashes in use (`s5b_candidates.names_to_ask_for`).
- A peer that never says what it reached is taken to have reached nothing: Gajim is silent after a refusal.
- `mode` is never sent; its absence means TCP, and Conversations never sends it either.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import ipaddress
import logging
import secrets
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from ..elements.declare import Element
from ..elements.s5b import (
    NS,
    Activated,
    BytestreamsQuery,
    CandidateUsed,
    Mode,
    Socks5Transport,
    Streamhost,
    StreamhostCandidate,
    StreamhostType,
)
from ..errors import RemoteProtocolError, SignallingError, TransportFailed
from . import socks5
from .base import CandidateSummary, Kind, Path, Security, TransportContext
from .ice_gathering import local_addresses
from .s5b_candidates import (
    is_direct,
    names_to_accept,
    names_to_ask_for,
    nominate,
    offerable,
    priority_of,
    worth_trying,
)
from .socket_stream import SocketStream, broken

log = logging.getLogger(__name__)

STAGGER = 0.2
"""Seconds between two attempts, unless one fails earlier (section 4)."""

PROXY_STAGGER = 0.6
"""Seconds before a proxy is tried while direct attempts still run (section 4)."""

ATTEMPT_TIMEOUT = 5.0
"""Seconds for one candidate: connecting and the SOCKS5 handshake."""

OUTCOME_TIMEOUT = 15.0
"""Seconds after we have said what we reached within which the peer has to say it."""

ARRIVAL_TIMEOUT = 5.0
"""Seconds for a connection that the peer says it has made to arrive here."""

ACTIVATION_TIMEOUT = 20.0
"""Seconds for the peer to activate its proxy, or for the proxy to answer us."""

ADDRESSES_FOR = 1.0
"""Seconds for which the addresses of this machine are remembered."""

PROXY_SEARCH = 3.0
"""Seconds that an offer waits for the server to name its proxies."""


class S5bTransport:
    """A SOCKS5 bytestream; see `Transport`."""

    namespace: ClassVar[str] = NS
    kind: ClassVar[Kind] = Kind.STREAMING
    name: ClassVar[str] = "s5b"
    priority: ClassVar[int] = 300
    features: ClassVar[tuple[str, ...]] = (NS,)
    security: ClassVar[Security] = Security.NONE

    def __init__(self, context: TransportContext) -> None:
        self._context = context
        self._sid: str | None = None
        self._description: Socks5Transport | None = None
        self._offered: dict[str, StreamhostCandidate] = {}
        self._listeners: list[socks5.Listener] = []
        self._known_proxies: tuple[Streamhost, ...] = ()
        self._remote: Socks5Transport | None = None
        self._attempts: dict[asyncio.Task[SocketStream], StreamhostCandidate] = {}
        self._arrived: dict[str, SocketStream] = {}
        self._arrival = asyncio.Event()
        self._floor = 0
        self._outcome: asyncio.Future[StreamhostCandidate | None] = asyncio.get_running_loop().create_future()
        self._activated: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._streams: list[SocketStream] = []
        self._releasing: list[asyncio.Future[None]] = []
        self._tried: list[str] = []
        self._path: Path | None = None

    @property
    def path(self) -> Path | None:
        """The selected path once connected."""
        return self._path

    def hide(self) -> None:
        """Reveal no address of this machine; call it before `describe()`."""
        self._context.options = dataclasses.replace(self._context.options, relay_only=True)

    # Describing ourselves, and taking the peer's description.

    async def describe(self) -> Element:
        """Our candidates; listens on their addresses from now on."""
        if self._description is None:
            self._description = await self._describe()
        return self._description

    async def _describe(self) -> Socks5Transport:
        if self._sid is None:
            self._sid = secrets.token_hex(8)
        context = self._context
        self._known_proxies = await self._find_proxies()
        theirs = self._remote.candidates if self._remote else ()
        taken = {candidate.priority for candidate in theirs}
        if not context.options.relay_only:
            self._listen(self._sid, taken)
        offered = {(candidate.host, candidate.effective_port) for candidate in theirs}
        for rank, proxy in enumerate(offerable(self._known_proxies, offered)):
            self._offer(
                secrets.token_hex(8), StreamhostType.PROXY, proxy, priority_of(StreamhostType.PROXY, rank, taken)
            )
        dstaddr = socks5.destination(self._sid, context.local, context.remote)
        return Socks5Transport(sid=self._sid, dstaddr=dstaddr, candidates=tuple(self._offered.values()))

    async def accept(self, remote: Element) -> None:
        """Take the peer's candidates; see `Transport.accept`."""
        if not isinstance(remote, Socks5Transport):
            raise RemoteProtocolError("this is no SOCKS5 transport")
        if remote.effective_mode is not Mode.TCP:
            raise TransportFailed("SOCKS5 over UDP is not supported", reason="failed-transport")
        self._check_sid(remote)
        self._sid = remote.sid
        self._remote = remote

    async def info(self, remote: Element) -> None:
        """Take what the peer reached, or the news about a proxy; see `Transport.info`."""
        if not isinstance(remote, Socks5Transport):
            raise RemoteProtocolError("this is no SOCKS5 transport")
        self._check_sid(remote)
        if remote.candidate_used is not None:
            used = self._offered.get(remote.candidate_used.cid)
            if used is None:
                raise RemoteProtocolError("no candidate of that cid was offered", condition="item-not-found")
            self._peer_reached(used)
        elif remote.candidate_error:
            self._peer_reached(None)
        if (remote.activated is not None or remote.proxy_error) and not self._activated.done():
            self._activated.set_result(not remote.proxy_error)

    def _check_sid(self, remote: Socks5Transport) -> None:
        if self._sid is not None and remote.sid != self._sid:
            raise RemoteProtocolError("this is the sid of another stream", condition="item-not-found")

    async def _find_proxies(self) -> tuple[Streamhost, ...]:
        found: Sequence[Streamhost] = ()
        try:
            async with asyncio.timeout(PROXY_SEARCH):
                found = await self._context.port.find_proxies()
        except (TimeoutError, SignallingError) as exc:
            log.info("%s no SOCKS5 proxies of the server: %r", self._context.sid, exc)
        return (*self._context.options.proxies, *found)

    def _listen(self, sid: str, taken: set[int]) -> None:
        context = self._context
        names = names_to_accept(sid, context.sid, context.local, context.remote)
        for rank, address in enumerate(_addresses(loopback=context.options.loopback)):
            cid = secrets.token_hex(8)
            listener = socks5.Listener(names, functools.partial(self._arrive, cid), owner=context.local)
            try:
                port = listener.listen(address)
            except OSError as exc:  # an address of an interface that is just going away, IPv6 that is switched off
                log.info("%s cannot listen on %s: %s", context.sid, address, exc)
                continue
            self._listeners.append(listener)
            host = Streamhost(jid=context.local, host=address, port=port)
            self._offer(cid, StreamhostType.DIRECT, host, priority_of(StreamhostType.DIRECT, rank, taken))

    def _offer(self, cid: str, kind: StreamhostType, host: Streamhost, priority: int) -> None:
        self._offered[cid] = StreamhostCandidate(
            cid=cid, host=host.host, jid=host.jid, port=host.effective_port, priority=priority, type=kind
        )

    def _arrive(self, cid: str, stream: SocketStream) -> None:
        # Of several connections to one candidate the last is the one that the peer has not given up.
        self._streams.append(stream)
        self._arrived[cid] = stream
        self._arrival.set()

    def _peer_reached(self, candidate: StreamhostCandidate | None) -> None:
        if self._outcome.done():
            return
        self._outcome.set_result(candidate)
        if candidate is not None:
            # What we still try below that priority could not be used any more (section 2.3).
            self._floor = candidate.priority
            for task, tried in self._attempts.items():
                if tried.priority < self._floor:
                    task.cancel()

    # Connecting.

    async def connect(self) -> SocketStream:
        """Return the stream over the best candidate that works; see `Transport.connect`."""
        if self._remote is None or self._sid is None:
            raise TransportFailed("the peer has not described its SOCKS5 transport")
        try:
            used, stream = await self._try_candidates(self._remote)
            if used is None:
                self._say(candidate_error=True)
            else:
                self._say(candidate_used=CandidateUsed(cid=used.cid))
            by_peer = await self._peer_outcome()
            nominated = nominate(self._context.role, used, by_peer)
            if nominated is None:
                raise self._failed("neither side reached a SOCKS5 candidate of the other")
            if nominated is used and stream is not None:
                chosen = await self._their_candidate(nominated, stream)
            else:
                chosen = await self._our_candidate(nominated)
            self._path = _path_of(chosen, nominated)
        except BaseException:
            await self.aclose()
            raise
        await self._release(keep=chosen)
        log.info("%s SOCKS5 connected: %s", self._context.sid, self._path)
        return chosen

    async def _try_candidates(self, remote: Socks5Transport) -> tuple[StreamhostCandidate | None, SocketStream | None]:
        """Connect to the peer's candidates, staggered by priority; return the first that answers."""
        context = self._context
        names = names_to_ask_for(remote.sid, context.sid, context.local, context.remote, context.role, remote.dstaddr)
        waiting = deque(self._worth_trying(remote))
        try:
            while True:
                if waiting and waiting[0].priority >= self._floor:
                    candidate = waiting.popleft()
                    self._attempts[asyncio.ensure_future(self._attempt(candidate, names))] = candidate
                else:
                    waiting.clear()  # they are sorted: the rest is lower still
                if not self._attempts:
                    return None, None
                pause = (STAGGER if is_direct(waiting[0]) else PROXY_STAGGER) if waiting else None
                await asyncio.wait(self._attempts, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                reached = self._collect()
                if reached is not None:
                    return reached
        finally:
            for task in self._attempts:
                task.cancel()
            await asyncio.gather(*self._attempts, return_exceptions=True)
            self._attempts.clear()

    def _worth_trying(self, remote: Socks5Transport) -> list[StreamhostCandidate]:
        options = self._context.options
        known = {(proxy.host, proxy.effective_port) for proxy in self._known_proxies}
        return worth_trying(
            remote.candidates,
            loopback=options.loopback or _is_alone(),
            proxies_only=known if options.relay_only else None,
        )

    def _collect(self) -> tuple[StreamhostCandidate, SocketStream] | None:
        """Take the attempts that ended; of several successes the one with the highest priority."""
        reached: list[tuple[StreamhostCandidate, SocketStream]] = []
        for task in [task for task in self._attempts if task.done()]:
            candidate = self._attempts.pop(task)
            error = None if task.cancelled() else task.exception()
            if task.cancelled():
                self._tried.append(f"{_name(candidate)}: given up, the peer reached a better one")
            elif isinstance(error, TransportFailed):
                self._tried.append(f"{_name(candidate)}: {error}")
            elif error is not None:
                raise error
            else:
                reached.append((candidate, task.result()))
        return max(reached, key=lambda pair: pair[0].priority, default=None)

    async def _attempt(self, candidate: StreamhostCandidate, names: list[str]) -> SocketStream:
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                stream = await _connect_to(candidate, names)
        except TimeoutError as exc:
            raise TransportFailed(f"no answer within {ATTEMPT_TIMEOUT:g} s", last_error=exc) from exc
        self._streams.append(stream)
        return stream

    async def _peer_outcome(self) -> StreamhostCandidate | None:
        try:
            async with asyncio.timeout(OUTCOME_TIMEOUT):
                return await asyncio.shield(self._outcome)
        except TimeoutError:
            self._tried.append(f"the peer did not say within {OUTCOME_TIMEOUT:g} s what it reached")
            return None

    async def _their_candidate(self, nominated: StreamhostCandidate, stream: SocketStream) -> SocketStream:
        if is_direct(nominated):
            return stream
        try:
            async with asyncio.timeout(ACTIVATION_TIMEOUT):
                if await asyncio.shield(self._activated):
                    return stream
        except TimeoutError:
            raise self._failed(f"the peer did not activate its proxy {nominated.jid} in time") from None
        raise self._failed(f"the peer cannot use its proxy {nominated.jid}")

    async def _our_candidate(self, nominated: StreamhostCandidate) -> SocketStream:
        if not is_direct(nominated):
            return await self._activate(nominated)
        try:
            async with asyncio.timeout(ARRIVAL_TIMEOUT):
                while nominated.cid not in self._arrived:
                    self._arrival.clear()
                    await self._arrival.wait()
        except TimeoutError:
            raise self._failed(f"the peer says that it reached {_name(nominated)}, and it did not") from None
        return self._arrived[nominated.cid]

    async def _activate(self, nominated: StreamhostCandidate) -> SocketStream:
        """Connect to the proxy that we offered, have it activated, and tell the peer (section 2.4)."""
        context, sid = self._context, self._sid
        name = socks5.destination(sid or "", context.local, context.remote)
        try:
            stream = await self._attempt(nominated, [name])
            query = BytestreamsQuery(sid=sid, activate=context.remote)
            await context.port.request(nominated.jid, query, timeout=ACTIVATION_TIMEOUT)
        except (TransportFailed, SignallingError) as exc:
            self._say(proxy_error=True)
            self._tried.append(f"{_name(nominated)}: {exc}")
            raise self._failed(f"our proxy {nominated.jid} cannot be used", exc) from exc
        self._say(activated=Activated(cid=nominated.cid))
        return stream

    def _say(self, **outcome: Any) -> None:
        self._context.send_info(Socks5Transport(sid=self._sid or "", **outcome))

    def _failed(self, text: str, error: BaseException | None = None) -> TransportFailed:
        return TransportFailed(text, tried=tuple(self._tried), last_error=error)

    # The end.

    async def _release(self, keep: SocketStream | None = None) -> None:
        unused: list[socks5.Listener | SocketStream] = [*self._listeners]
        unused += [stream for stream in self._streams if stream is not keep]
        self._listeners = []
        self._streams = [keep] if keep is not None else []
        if unused:
            self._releasing.append(asyncio.ensure_future(_close(unused)))
        # Whoever waits here may be cancelled, because another transport has taken the place of this one.
        for releasing in self._releasing:
            await asyncio.shield(releasing)
        self._releasing.clear()

    async def aclose(self) -> None:
        """Stop listening and close every connection, the one that `connect` returned included."""
        for task in self._attempts:
            task.cancel()
        await self._release()


async def _connect_to(candidate: StreamhostCandidate, names: list[str]) -> SocketStream:
    refused: socks5.Refused | None = None
    for name in names:
        try:
            return await socks5.connect(candidate.host, candidate.effective_port, name)
        except socks5.Refused as exc:
            refused = refused or exc
    raise refused or TransportFailed("no destination to ask for")


async def _close(unused: Sequence[socks5.Listener | SocketStream]) -> None:
    for each in unused:
        await each.aclose()


def _is_alone() -> bool:
    """Whether this machine has no address but loopback, so that its peer must be on it too."""
    return all(ipaddress.ip_address(address).is_loopback for address in _addresses(loopback=False))


def _addresses(*, loopback: bool) -> list[str]:
    """The addresses of this machine, asked for once for files that go together."""
    loop = asyncio.get_running_loop()
    known, now = _known_addresses.setdefault(loop, {}), loop.time()
    if loopback not in known or known[loopback][0] < now - ADDRESSES_FOR:
        known[loopback] = now, local_addresses(loopback=loopback)
    return known[loopback][1]


_known_addresses: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[bool, tuple[float, list[str]]]] = (
    WeakKeyDictionary()
)


def _name(candidate: StreamhostCandidate) -> str:
    return f"{candidate.effective_type.value} {_address(candidate.host, candidate.effective_port)}"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _path_of(stream: SocketStream, candidate: StreamhostCandidate) -> Path:
    kind = candidate.effective_type.value
    try:
        local, remote = stream.socket.getsockname(), stream.socket.getpeername()
    except OSError as exc:
        raise broken(exc) from exc
    here = CandidateSummary(type=kind, address=_address(*local[:2]), protocol="tcp")
    there = CandidateSummary(type=kind, address=_address(*remote[:2]), protocol="tcp")
    return Path(local=here, remote=there)
