"""Our ICE agent: generations of ICE connections, of which one carries the data (RFC 8445 section 2.4 for restarts).

A restart gathers and checks a second connection beside the first and swaps it in: whoever sends and receives through
the agent, such as DTLS, does not notice. The agent never waits for the peer's end of candidates: it connects or times
out.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from aioice.candidate import Candidate

from ..errors import TransportFailed
from .allowance import Allowance
from .base import Path
from .ice import IceConnection
from .ice_settings import Credentials, IceSettings, ServerSource

log = logging.getLogger(__name__)

MAX_DATAGRAMS = 1000
"""Received datagrams that wait for DTLS; more are dropped, as on any network. About 10 s of a call."""

MAX_EARLY = 100
"""Candidates of the peer that wait for the credentials they belong to."""

MAX_KNOWN = 16
"""Credentials of the peer that are remembered: what comes late is told from a restart by them."""

RESTARTS, RESTART_INTERVAL = 5, 5.0
"""Restarts that a peer gets at once, and seconds until it gets another one; each costs sockets and checks."""

_COURTESY = 0.5
"""Seconds that a peer which restarts has for the first check. Where ours comes before it has read our answer, Chromium
takes us for a worse candidate than the one in use on the same network, and never looks at that pair again."""

_LINGER = 1.0  # seconds for which packets that are still under way on the old path are heard after a restart


class IceAgent:
    """Gathers, checks and keeps alive a path to one peer.

    Args:
        controlling: Whether we nominate (the session's initiator, XEP-0176 section 5.6).
        settings: How to gather and when to give up.
        servers: Where STUN and TURN servers are learnt; asked beside each other, each may take long or hang.
        on_candidate: Called with our credentials and each local candidate as it is found.
        local: Our first credentials; fresh ones if `None`.

    Attributes:
        on_failing: Called whenever the peer does not answer on the path in use.
        on_restarted: Called when a restart has come to its end: with `None` where a new path is in use, otherwise with
            a sentence that says why the old one still is.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        settings: IceSettings,
        servers: tuple[ServerSource, ...],
        on_candidate: Callable[[Credentials, Candidate], None],
        local: Credentials | None = None,
    ) -> None:
        self._controlling, self._settings, self._servers = controlling, settings, servers
        self._on_candidate = on_candidate
        self._datagrams: deque[bytes] = deque()
        self._arrival = asyncio.Event()
        self._ended = False
        self._selected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._current: IceConnection | None = None
        self._connections: list[IceConnection] = []
        self._newest = self._connection(local)
        self._generation = 0
        self._opened = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._early: list[tuple[str | None, Candidate]] = []
        self._known: deque[Credentials] = deque(maxlen=MAX_KNOWN)
        self._allowance = Allowance(RESTARTS, RESTART_INTERVAL)
        self.on_failing: Callable[[], None] = lambda: None
        self.on_restarted: Callable[[str | None], None] = lambda failure: None
        self.lost: TransportFailed | None = None
        """Why an established path ended, once it has."""
        self.bytes_sent = self.bytes_received = 0

    @property
    def local(self) -> Credentials:
        """Our newest credentials."""
        return self._newest.local

    @property
    def remote(self) -> Credentials | None:
        """The peer's newest credentials."""
        return self._newest.remote

    @property
    def connect_timeout(self) -> float:
        """Seconds that connecting may take, the DTLS handshake included."""
        return self._settings.connect_timeout

    @property
    def generation(self) -> int:
        """How often ICE was restarted (the `generation` of our candidates)."""
        return self._generation

    @property
    def role(self) -> str:
        """`controlling` or `controlled`; a role conflict may have turned it round."""
        return "controlling" if (self._current or self._newest).ice_controlling else "controlled"

    @property
    def is_restarting(self) -> bool:
        """Whether a restart is under way, whoever began it."""
        return self._current is not None and self._newest is not self._current

    @property
    def has_ended(self) -> bool:
        """Whether nothing is sent or received any more."""
        return self._ended

    @property
    def is_waiting(self) -> bool:
        """Whether the peer has not answered a restart of ours yet."""
        return self.is_restarting and self._newest.remote is None

    def knows(self, ufrag: str) -> bool:
        """Whether the peer has told these credentials before."""
        return any(known.ufrag == ufrag for known in self._known)

    @property
    def base(self) -> str | None:
        """The address of this machine that data is sent from; `None` where a relay hides it, or nothing is sent yet."""
        return self._current.base if self._current else None

    async def responds(self, patience: float) -> bool:
        """Whether the peer answers on the path in use within so many seconds."""
        return self._current is not None and not self.lost and await self._current.responds(patience)

    @property
    def path(self) -> Path | None:
        """The selected pair, once there is one."""
        return self._current.path if self._current else None

    @property
    def round_trip_time(self) -> float | None:
        """Seconds the last consent check took there and back."""
        return self._current.round_trip_time if self._current else None

    async def gather(self) -> None:
        """Start gathering; returns once the host candidates are known, while servers are still being asked.

        Only the first call does anything.
        """
        if not self._opened:
            self._opened = True
            await self._newest.open(self._servers)
            await self._add_early()

    def hide(self) -> None:
        """Gather relayed candidates only; call it before `gather()`.

        Raises:
            RuntimeError: Gathering has begun, and our addresses may be known to the peer.
        """
        if self._opened:
            raise RuntimeError("gathering has begun")
        self._settings = dataclasses.replace(self._settings, relay_only=True)
        shown = self._newest
        self._connections.remove(shown)
        self._newest = self._connection(shown.local)
        if shown.remote is not None:
            self._newest.set_remote(shown.remote)

    def gather_on(self, addresses: Iterable[str]) -> None:
        """Use addresses that this machine has got since it gathered, while nothing is connected yet."""
        if self._opened and self._current is None and not self._closed:
            self._spawn(self._newest.add_hosts(addresses))

    async def set_remote(self, credentials: Credentials) -> bool:
        """Take the peer's credentials; new ones answer our restart, or restart ICE once we gather (RFC 8445 section 9).

        Known ones, which many clients repeat with every candidate, change nothing. Nor do those of a peer that restarts
        more often than any network changes.

        Returns:
            Whether the peer restarts: then `local` is new, and has to be told to the peer.
        """
        if credentials in self._known or self._closed:
            return False
        # Before we gather, a peer whose call rings here could make us tell our addresses.
        if asked := self._newest.remote is not None and self._opened:
            if not self._allowance.take():
                log.warning("the peer restarts ICE too often: it goes on as it is")
                return False
            await self.restart(asked=True)
        self._known.append(credentials)
        self._newest.set_remote(credentials)
        if self._opened:
            await self._add_early()
        return asked

    async def add_remote(self, candidate: Candidate, ufrag: str | None = None) -> None:
        """Take a candidate of the peer; without `ufrag` it belongs to the newest credentials.

        One that comes before its credentials waits for them, up to `MAX_EARLY` of them; so does one that comes before
        we gather, for a name in it would be looked up.
        """
        if self._opened:
            for connection in filter(None, (self._newest, self._current)):
                if connection.remote and ufrag in (None, connection.remote.ufrag):
                    return await connection.add_remote(candidate)
            if ufrag is not None and self.knows(ufrag):
                return log.debug("candidate %s dropped: it comes too late", candidate.host)
        if len(self._early) < MAX_EARLY:
            return self._early.append((ufrag, candidate))
        return log.debug("candidate %s dropped: too many came before their credentials", candidate.host)

    async def _add_early(self) -> None:
        early, self._early = self._early, []
        for ufrag, candidate in early:
            await self.add_remote(candidate, ufrag)

    async def connect(self) -> None:
        """Check pairs until one is selected; call once both sides' credentials may be known.

        Raises:
            TransportFailed: No pair worked within `connect_timeout`; `tried` lists them.
        """
        self._spawn(self._check(self._newest))
        hopeless = asyncio.ensure_future(self._hopeless(self._newest))
        try:
            done, _ = await asyncio.wait(
                (self._selected, hopeless),
                timeout=self._settings.connect_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            hopeless.cancel()
        tried = tuple(self._newest.tried())
        if self._closed:
            raise TransportFailed("the transport was closed while connecting", tried=tried)
        if hopeless in done and self._selected not in done:
            why = "no relay could be used" if self._settings.relay_only else "this machine has no usable address"
            raise TransportFailed(f"no candidate of ours: {why}", tried=tried)
        if self._selected not in done:
            what = "no candidate pair worked" if self.remote else "the peer sent no ICE credentials"
            raise TransportFailed(f"{what} within {self._settings.connect_timeout:g} s", tried=tried)

    async def restart(self, *, asked: bool = False) -> None:
        """Gather anew beside the path in use; it is swapped in once the peer has sent its new credentials.

        Args:
            asked: Whether the peer restarts.

        Afterwards `local` is new and has to be told to the peer, unless the agent was closed. A restart that fails
        leaves the old path in use.
        """
        if self._closed:
            return
        if self._newest is not self._current:
            self._spawn(self._drop(self._newest))
        self._newest = self._connection(None)
        self._generation += 1
        await self._newest.open(self._servers)
        if not self._closed:
            self._spawn(self._check(self._newest, courtesy=_COURTESY if asked else 0))

    async def _hopeless(self, connection: IceConnection) -> None:
        """Return once it is certain that we shall have no candidate."""
        await connection.gathered.wait()
        if connection.local_candidates or connection is not self._newest:
            await asyncio.Event().wait()

    async def _check(self, connection: IceConnection, *, courtesy: float = 0) -> None:
        """Connect one generation, and make it the one that carries the data."""
        is_restart = self._selected.done()
        try:
            await self._answered(connection, self._settings.answer_timeout if is_restart else None)
            with suppress(TimeoutError):
                async with asyncio.timeout(courtesy):
                    await connection.asked.wait()
            async with asyncio.timeout(self._settings.connect_timeout if is_restart else None):
                await connection.connect()
        except (ConnectionError, TimeoutError) as error:
            return await self._abandon(connection, str(error) or "no new path works")
        old, self._current, self.lost = self._current, connection, None
        if not self._selected.done():
            self._selected.set_result(None)
        if old:
            log.info("ICE restarted: %s", connection.path)
            self.on_restarted(None)
            await asyncio.sleep(_LINGER)
            await self._drop(old)

    async def _answered(self, connection: IceConnection, timeout: float | None) -> None:
        """Wait for the peer's credentials of this generation.

        Raises:
            ConnectionError: It gave none within `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                await connection.remote_known.wait()
        except TimeoutError:
            raise ConnectionError("the peer takes no part in it") from None

    async def forgo(self, why: str) -> None:
        """Give up a restart that the peer has not answered, and never will."""
        if self.is_waiting:
            await self._abandon(self._newest, why)

    async def _abandon(self, connection: IceConnection, why: str) -> None:
        if self._closed or connection is not self._newest or not self._current:
            return
        log.warning("ICE restart failed: %s; tried: %s", why, "; ".join(connection.tried()))
        self._newest = self._current
        if self.lost:
            self._end()
        self.on_restarted(why)
        await self._drop(connection)

    async def _drop(self, connection: IceConnection) -> None:
        await connection.close()
        self._connections.remove(connection)

    def _connection(self, local: Credentials | None) -> IceConnection:
        def found(candidate: Candidate) -> None:
            self._on_candidate(connection.local, candidate)

        connection = IceConnection(
            controlling=self._controlling,
            settings=self._settings,
            on_candidate=found,
            on_datagrams=self._receive,
            on_failing=self._fail,
            on_lost=self._lose,
            local=local,
        )
        self._connections.append(connection)
        return connection

    def _fail(self, connection: IceConnection) -> None:
        if connection is self._current and not self._closed:
            self.on_failing()

    def _lose(self, connection: IceConnection, text: str) -> None:
        if connection is not self._current or self._closed:
            return
        self.lost = TransportFailed(f"connection lost: {text}", tried=tuple(connection.tried()))
        # A restart may still save it, unless the peer has not even answered: nobody knows then whether it is there.
        if not self.is_restarting or self.is_waiting:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._arrival.set()

    # What DTLS sends and receives through

    def _receive(self, datagrams: list[bytes]) -> None:
        self.bytes_received += sum(map(len, datagrams))
        if len(self._datagrams) < MAX_DATAGRAMS:
            self._datagrams += datagrams
            self._arrival.set()

    async def receive(self) -> bytes:
        """The next datagram of the peer, whichever generation it comes by.

        Raises:
            ConnectionError: The path is lost, or the agent was closed.
        """
        await self._arrived()
        return self._datagrams.popleft()

    async def receive_many(self) -> list[bytes]:
        """All datagrams of the peer that have come since, at least one; otherwise like `receive`."""
        await self._arrived()
        datagrams = list(self._datagrams)
        self._datagrams.clear()
        return datagrams

    async def _arrived(self) -> None:
        while not self._datagrams:
            if self._ended:
                raise ConnectionError("the ICE connection has ended")
            self._arrival.clear()
            await self._arrival.wait()

    def send_many(self, data: bytes, size: int) -> None:
        """Send `data` on the selected pair, as datagrams of `size` bytes each, the last one possibly shorter.

        Args:
            data: At most 64 KiB.
            size: Bytes of one datagram.

        Raises:
            ConnectionError: There is none.
        """
        if not self._current:
            raise ConnectionError("no candidate pair is selected")
        if not self.lost:
            self._current.send_many(data, size)
            self.bytes_sent += len(data)

    async def send(self, data: bytes) -> None:
        """Send a datagram on the selected pair.

        Raises:
            ConnectionError: There is none.
        """
        if not self._current:
            raise ConnectionError("no candidate pair is selected")
        if not self.lost:  # no consent, no packets (RFC 7675 section 5.1); a restart may be about to bring it back
            await self._current.send(data)
            self.bytes_sent += len(data)

    async def aclose(self) -> None:
        """Stop everything and free every socket; safe at any time, and twice."""
        if self._closed:
            return
        self._closed = True
        self._end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._selected.done():
            self._selected.set_result(None)  # wakes connect(), which then sees that we were closed
        await asyncio.gather(*(connection.close() for connection in self._connections))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
