"""One generation of ICE (RFC 8445, RFC 7675): checks, consent, and data on the selected pair.

With `ice_trickling`, all that touches private parts of `aioice.Connection`. What is changed of it here, and why:

- consent: a response may take as long as consent lasts; aioice counts one that takes longer than 0.5 s as lost;
- bounds: candidates, pairs, role switches and unreadable packets, all of which a peer could make up without end;
- checks cut short by a success may be made again when the peer nominates another pair.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable

from aioice import stun
from aioice.candidate import Candidate
from aioice.ice import CandidatePair, StunProtocol

from .base import CandidateSummary, Path
from .ice_consent import Consent, ConsentCheck
from .ice_gathering import COMPONENT, IceSocket, RelaySocket
from .ice_settings import Credentials, IceSettings
from .ice_trickling import TricklingConnection

log = logging.getLogger(__name__)

MAX_REMOTE_CANDIDATES = 100
MAX_PAIRS = 100
"""The check list's limit (RFC 8445 section 6.1.2.5)."""

_MAX_NAMES = 8
"""Names of the peer's host candidates that are being resolved by multicast DNS at the same time."""

_MAX_ROLE_SWITCHES = 8


class IceConnection(TricklingConnection):
    """Our side of one generation: what it gathers, its checks, the data on its path.

    Args:
        controlling: Whether we nominate (the session's initiator, XEP-0176 section 5.6).
        settings: How to gather and when to give up.
        on_candidate: Called with each local candidate, host candidates from within `open()`.
        on_datagrams: Called with datagrams that are not STUN, in the order they came.
        on_failing: Called whenever the peer does not answer consent checks (see `IceSettings.consent_patience`).
        on_lost: Called once, with a sentence, when an established connection is gone.
        local: Our credentials; fresh ones if `None`.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        settings: IceSettings,
        on_candidate: Callable[[Candidate], None],
        on_datagrams: Callable[[list[bytes]], None],
        on_failing: Callable[[IceConnection], None],
        on_lost: Callable[[IceConnection, str], None],
        local: Credentials | None = None,
    ) -> None:
        super().__init__(controlling=controlling, settings=settings, on_candidate=on_candidate, local=local)
        self.remote: Credentials | None = None
        self.remote_known = asyncio.Event()
        self.asked = asyncio.Event()
        self._consent = Consent(
            interval=settings.consent_interval,
            expiry=settings.consent_expiry,
            patience=settings.consent_patience,
            check=self._check_consent,
            on_failing=lambda: on_failing(self),
        )
        self._on_datagrams, self._on_lost = on_datagrams, on_lost
        self._resolving = 0
        self._established = False
        self._requests: dict[CandidatePair, stun.Message] = {}
        self._switches = 0

    # The peer

    def set_remote(self, credentials: Credentials) -> None:
        """Take the peer's credentials of this generation; checks can start."""
        self.remote = credentials
        self.remote_username, self.remote_password = credentials.ufrag, credentials.pwd
        self.remote_known.set()

    async def add_remote(self, candidate: Candidate) -> None:
        """Take a candidate of the peer; one with a `.local` name once multicast DNS has found its address.

        More than `MAX_REMOTE_CANDIDATES` are dropped.
        """
        if self._closing or len(self._remote_candidates) >= MAX_REMOTE_CANDIDATES:
            return log.debug("candidate %s dropped", candidate.host)
        if candidate.host.endswith(".local"):
            if self._resolving < _MAX_NAMES and not self._settings.relay_only:
                self._resolving += 1
                self._spawn(self._resolve_remote(candidate))
            return None
        return await self.add_remote_candidate(candidate)

    async def _resolve_remote(self, candidate: Candidate) -> None:
        try:
            await self.add_remote_candidate(candidate)
        except OSError as error:  # port 5353 is taken, or there is no multicast
            log.info("%s cannot be resolved: %s", candidate.host, error)
        finally:
            self._resolving -= 1

    def _pair_remote_candidate(self, remote_candidate: Candidate) -> None:
        """Pair a candidate, a loopback address with our own loopback only.

        Else a peer could have us knock at the services of our own machine. A pair that its own check made before the
        candidate was signalled stays: it came from there, and may be the one that works.
        """
        made = list(self._check_list)
        super()._pair_remote_candidate(remote_candidate)
        if ipaddress.ip_address(remote_candidate._network_host).is_loopback:
            for pair in [pair for pair in self._check_list if pair not in made]:
                if not ipaddress.ip_address(pair.local_candidate.host).is_loopback:
                    self._check_list.remove(pair)

    # Checks

    async def connect(self) -> None:
        """Check pairs until one is nominated, then keep consent fresh; ends by `close()` or cancelling otherwise.

        Raises:
            ConnectionError: The connection was closed meanwhile.
        """
        await super().connect()
        self._established = True
        for pair in self._check_list:
            # aioice cancelled these checks, yet leaves the pairs as if they were still going on: the peer could
            # never have us move to one of them.
            if pair.state is CandidatePair.State.IN_PROGRESS:
                pair.task, pair.state = None, CandidatePair.State.FROZEN

    def build_request(self, pair: CandidatePair, nominate: bool) -> stun.Message:
        """Keep the request of a check, to be able to repeat it."""
        request = super().build_request(pair, nominate)
        self._requests[pair] = request
        return request

    def request_received(self, message: stun.Message, addr: tuple[str, int], protocol: StunProtocol) -> None:
        """Note that the peer has begun to check."""
        super().request_received(message, addr, protocol)
        if self._early_checks:
            self.asked.set()

    def check_incoming(self, message: stun.Message, addr: tuple[str, int], protocol: StunProtocol) -> None:
        """Let the peer's check trigger ours, within bounds (RFC 8445 section 7.3.1)."""
        known = next((c for c in self._remote_candidates if (c._network_host, c.port) == addr), None)
        if known is None and (
            "PRIORITY" not in message.attributes or len(self._remote_candidates) >= MAX_REMOTE_CANDIDATES
        ):
            return
        super().check_incoming(message, addr, protocol)
        pair = known and self._find_pair(protocol, known)
        if pair and pair.state is CandidatePair.State.IN_PROGRESS and pair in self._requests:
            # The way is open now; aioice would wait for its next retransmission, which can be seconds away.
            protocol.send_stun(self._requests[pair], pair.remote_addr)

    async def check_start(self, pair: CandidatePair) -> None:
        """Check a pair, giving up on a peer that never agrees on a role."""
        if self._switches > _MAX_ROLE_SWITCHES:
            self.check_state(pair, CandidatePair.State.FAILED)
            return self.check_complete(pair)
        return await super().check_start(pair)

    def switch_role(self, ice_controlling: bool) -> None:
        """Repair a role conflict (RFC 8445 section 7.3.1.1)."""
        self._switches += 1
        super().switch_role(ice_controlling)

    def sort_check_list(self) -> None:
        """Sort by priority, and forget the least wanted pairs beyond the limit (RFC 8445 section 6.1.2.5)."""
        super().sort_check_list()
        surplus = len(self._check_list) - MAX_PAIRS
        for pair in self._check_list[::-1] if surplus > 0 else ():
            if surplus > 0 and pair.state is CandidatePair.State.FROZEN:
                self._check_list.remove(pair)
                surplus -= 1

    async def query_consent(self) -> None:
        """Ask the peer again and again whether it still wants packets (RFC 7675 section 5.1)."""
        await self._consent.keep()
        self._lose(f"the peer has not answered for {self._settings.consent_expiry:.0f} s")

    async def responds(self, patience: float) -> bool:
        """Whether the peer answers on the selected pair within so many seconds."""
        return not self._closing and await self._consent.is_answered(patience)

    def _check_consent(self, grant: Callable[[float], None]) -> ConsentCheck | None:
        pair = self._nominated.get(COMPONENT)
        if pair is None:
            return None
        assert self.remote_password is not None
        return ConsentCheck(pair, self.build_request(pair, nominate=False), self.remote_password, grant)

    # Data and the end

    def data_received(self, data: bytes, component: int) -> None:
        """Hand a datagram up at once; aioice would queue without bound."""
        self._on_datagrams([data])

    def datagrams_received(self, datagrams: list[bytes]) -> None:
        """The same for several."""
        self._on_datagrams(datagrams)

    def send_many(self, data: bytes, size: int) -> None:
        """Send `data` on the selected pair, as datagrams of `size` bytes each; at most 64 KiB."""
        pair = self._nominated.get(COMPONENT)
        if pair is None:
            raise ConnectionError("no candidate pair is selected")
        assert isinstance(pair.protocol, IceSocket)  # as all of ours are
        pair.protocol.send_many(data, size, pair.remote_addr)

    def protocol_lost(self, protocol: StunProtocol) -> None:
        """A socket is gone; that matters if it carries the selected pair."""
        if not self._closing and any(pair.protocol is protocol for pair in self._nominated.values()):
            self._lose("the socket or relay of the selected pair is gone")

    def _lose(self, text: str) -> None:
        if not self._closing:
            self._on_lost(self, text)

    @property
    def round_trip_time(self) -> float | None:
        """Seconds the last consent check took there and back; `None` before the first."""
        return self._consent.round_trip_time

    @property
    def base(self) -> str | None:
        """The address of this machine that the selected pair sends from; `None` where a relay hides it."""
        pair = self._nominated.get(COMPONENT)
        if pair is None or isinstance(pair.protocol, RelaySocket):
            return None
        return pair.protocol.local_candidate.host

    @property
    def path(self) -> Path | None:
        """The selected pair."""
        pair = self._nominated.get(COMPONENT)
        if pair is None:
            return None
        return Path(local=_summary(pair.local_candidate), remote=_summary(pair.remote_candidate))

    def tried(self) -> list[str]:
        """What has been tried, one line each: pairs with their state, then servers that gave nothing."""
        pairs = [
            f"{pair.local_candidate.type} {_hostport(*pair.local_addr)} -> "
            f"{pair.remote_candidate.type} {_hostport(*pair.remote_addr)}: {pair.state.name.lower()}"
            for pair in self._check_list
        ]
        return pairs + self.problems

    async def close(self) -> None:
        """Stop everything and free every socket, within about a quarter of a second."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        relays = [protocol for protocol in self._protocols if isinstance(protocol, RelaySocket)]
        if self._query_consent_task:
            self._query_consent_task.cancel()
        await asyncio.gather(*(relay.close() for relay in relays))
        self._protocols = [protocol for protocol in self._protocols if protocol not in relays]
        self._requests.clear()
        await super().close()


def _summary(candidate: Candidate) -> CandidateSummary:
    return CandidateSummary(type=candidate.type, address=_hostport(candidate.host, candidate.port))


def _hostport(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
