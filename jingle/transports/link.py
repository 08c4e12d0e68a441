"""The link: ICE with DTLS on it, on aiortc's ORTC objects (RFC 8445, RFC 8842, RFC 5763).

With `rtp_stream`, the only file that touches private parts of aiortc:

- `RTCDtlsTransport` asks its ICE transport for `role`, `_recv` and `_send` and nothing else; ours are the agent's, so
  ICE may restart beneath a running association;
- `_set_role`: the role follows from `setup` in offer and answer; aiortc sets it within its `RTCPeerConnection` only;
- `_validate_peer_identity`: RFC 8122 section 5 wants one fingerprint of the strongest known hash to match, aiortc all;
- `_task`: it goes on after `stop()`, so whoever closes must wait for it;
- `RTCCertificate._create_ssl_context`: where the cipher suites are chosen.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, cast

from aioice.candidate import Candidate
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, RTCIceTransport
from aiortc.rtcdtlstransport import SRTPProtectionProfile, State, certificate_digest
from OpenSSL import SSL

from ..errors import TransportFailed
from .base import AddressMonitor, Path, PathChange, RtpFeedback, RtpPacket, RtpParameters, RtpStream, Security
from .dtls import BatchingDtls
from .ice_agent import IceAgent
from .ice_restart import Restarts
from .ice_settings import Credentials, IceSettings, ServerSource
from .rtp_stream import RtpDtlsTransport

log = logging.getLogger(__name__)

HASHES = ("sha-512", "sha-384", "sha-256")
"""Hash functions of fingerprints that are good enough, strongest first."""

FINGERPRINT_TIMEOUT = 5.0
"""Seconds after the first selected pair for which a fingerprint may still come: gateways send it late."""


class DtlsRole(enum.Enum):
    """Who starts the handshake (RFC 5763 section 5); the values are aiortc's words."""

    CLIENT = "client"
    SERVER = "server"


class Announcer(Protocol):
    """Who tells the peer about our candidates and credentials."""

    def announce(self, local: Credentials, candidate: Candidate) -> None:
        """Tell the peer, now or with the description that is still to come."""
        ...

    def flush(self) -> None:
        """Tell the peer about the candidates that could not be told yet."""
        ...

    def announce_restart(self, *, answering: bool) -> None:
        """Tell the peer our new credentials."""
        ...


class _AgentAsTransport:
    """What `RTCDtlsTransport` needs of an `RTCIceTransport`."""

    def __init__(self, agent: IceAgent) -> None:
        self._agent = agent
        self._recv, self._send = agent.receive, agent.send
        self.receive_many, self.send_many = agent.receive_many, agent.send_many

    @property
    def role(self) -> str:
        return self._agent.role


SUITES = b":".join(
    b"ECDHE-%b-%b" % (key, cipher)
    for cipher in (b"AES128-GCM-SHA256", b"CHACHA20-POLY1305", b"AES128-SHA", b"AES256-SHA")
    for key in (b"ECDSA", b"RSA")
)
"""What RFC 8827 section 6.5 demands and what aiortc has beside it, each for both kinds of keys."""


class _Certificate(RTCCertificate):
    """Shakes hands with an RSA certificate too, as GStreamer and FreeSWITCH have them; aiortc only with ECDSA's."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(SUITES)
        return context


class _Dtls(BatchingDtls, RtpDtlsTransport):
    """aiortc's DTLS with RFC 8122's rule about fingerprints."""

    refusal: str | None = None

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:
        assert self._ssl is not None
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        announced = remoteParameters.fingerprints
        strongest = next((name for name in HASHES if any(f.algorithm == name for f in announced)), None)
        accepted = {f.value for f in announced if f.algorithm == strongest}
        if certificate is None or strongest is None or certificate_digest(certificate, strongest) not in accepted:
            self.refusal = "the peer's certificate does not match the fingerprint it announced"
            self._set_state(State.FAILED)


class IceDtlsLink:
    """A connected link: RTP streams are opened on it, and SCTP sits on `dtls`.

    Attributes:
        security: Always `DTLS`.
    """

    security = Security.DTLS

    def __init__(self, agent: IceAgent, dtls: _Dtls) -> None:
        self._agent, self._dtls = agent, dtls
        self._ended: asyncio.Future[TransportFailed | None] = asyncio.get_running_loop().create_future()
        self._closing = False
        dtls.on("statechange", self._changed)

    @property
    def dtls(self) -> RTCDtlsTransport:
        """The connected association."""
        return self._dtls

    @property
    def batching_dtls(self) -> BatchingDtls:
        """The same, for whoever moves many packets at once."""
        return self._dtls

    @property
    def path(self) -> Path | None:
        """The selected pair; it may change during the session."""
        return self._agent.path

    @property
    def bytes_sent(self) -> int:
        """Bytes of all datagrams sent, STUN aside."""
        return self._agent.bytes_sent

    @property
    def bytes_received(self) -> int:
        """Bytes of all datagrams received, STUN aside."""
        return self._agent.bytes_received

    @property
    def round_trip_time(self) -> float | None:
        """Seconds the last consent check took there and back; `None` before the first."""
        return self._agent.round_trip_time

    def rtp_stream(
        self,
        parameters: RtpParameters,
        on_packet: Callable[[RtpPacket], None],
        on_feedback: Callable[[RtpFeedback], None] | None = None,
    ) -> RtpStream:
        """Open the RTP stream of one content (see `DatagramLink.rtp_stream`)."""
        return self._dtls.rtp.open(parameters, on_packet, on_feedback)

    async def responds(self, patience: float) -> bool:
        """Whether the peer answers on the link within so many seconds, so that it is there whatever its server says."""
        return not self._ended.done() and await self._agent.responds(patience)

    async def ended(self) -> TransportFailed | None:
        """Wait until the link is over: the cause comes back, or `None` if it was us who closed it.

        The peer closed its end, or has not answered for `IceSettings.consent_expiry` seconds.
        """
        return await asyncio.shield(self._ended)

    def _changed(self) -> None:
        if self._dtls.state == "closed" and not self._ended.done():
            gone = self._agent.lost or TransportFailed("the peer closed the DTLS association")
            self._ended.set_result(None if self._closing else gone)

    async def aclose(self) -> None:
        """Say goodbye to the peer and end the association."""
        self._closing = True
        await _stop(self._dtls)
        if not self._ended.done():
            self._ended.set_result(None)


class IceDtls:
    """Builds a link to one peer; bundled contents share one (RFC 9143).

    Args:
        controlling: Whether we nominate (the session's initiator, XEP-0176 section 5.6).
        settings: How to gather and when to give up.
        servers: Where STUN and TURN servers are learnt.
        addresses: Tells when the addresses of this machine change.
        report: Told about restarts.
        like: A link whose credentials and certificate to use again, for a content that had been announced as
            bundled on it and turned out not to be. Otherwise they are fresh ones for this link alone.
    """

    def __init__(
        self,
        *,
        controlling: bool,
        settings: IceSettings,
        servers: tuple[ServerSource, ...],
        addresses: AddressMonitor | None = None,
        report: Callable[[PathChange], None] = lambda change: None,
        like: IceDtls | None = None,
    ) -> None:
        self.agent: IceAgent = IceAgent(
            controlling=controlling,
            settings=settings,
            servers=servers,
            on_candidate=self._found,
            local=like.agent.local if like else None,
        )
        self.certificate: RTCCertificate = like.certificate if like else _Certificate.generateCertificate()
        self.role: DtlsRole | None = None
        """Who starts the handshake, once offer and answer have settled it."""
        self.users: list[Announcer] = []
        """Transports that share the link: the first announces its candidates, the last to leave closes it."""
        self.is_held = False
        """Whether candidates have to wait: those of new credentials must not overtake what announces these."""
        self._turn = asyncio.Lock()
        self.restarts = Restarts(self.agent, self.offer_restart, report, addresses)
        self._expected: tuple[RTCDtlsFingerprint, ...] = ()
        self._ready = asyncio.Event()
        self._connecting: asyncio.Task[IceDtlsLink] | None = None
        self._link: IceDtlsLink | None = None
        self._closed = False

    @property
    def fingerprint(self) -> str:
        """Our certificate's SHA-256 fingerprint, the one hash that every client knows."""
        return next(f.value for f in self.certificate.getFingerprints() if f.algorithm == "sha-256")

    @property
    def is_expecting(self) -> bool:
        """Whether the peer's fingerprint is known."""
        return bool(self._expected)

    def settle(self, role: DtlsRole) -> None:
        """Take who starts the handshake; once it runs, nothing changes that (RFC 8842 section 5.5)."""
        if self._connecting is None or self.role is None:
            self.role = role

    def expect(self, fingerprints: tuple[RTCDtlsFingerprint, ...]) -> None:
        """Take the peer's fingerprints, of which the certificate has to match one.

        Raises:
            TransportFailed: None has a hash that is good enough, or they differ from the ones already known:
                the peer must not be swapped for another during a session.
        """
        usable = tuple(
            RTCDtlsFingerprint(algorithm=f.algorithm.lower(), value="".join(f.value.split()).upper())
            for f in fingerprints
            if f.algorithm.lower() in HASHES
        )
        if not usable:
            offered = ", ".join(sorted({f.algorithm for f in fingerprints}))
            raise TransportFailed(f"no DTLS fingerprint with a usable hash ({offered})", reason="security-error")
        if self._expected and not _overlap(self._expected, usable):
            raise TransportFailed("the peer's DTLS fingerprint changed", reason="security-error")
        self._expected = self._expected or usable
        self._ready.set()

    async def take_credentials(self, credentials: Credentials) -> None:
        """Take the peer's credentials; where it restarts with them, ours follow."""
        async with self._holding():
            if await self.agent.set_remote(credentials):
                self.restarts.begun_by_peer()
                for user in self.users:
                    user.announce_restart(answering=True)

    async def offer_restart(self) -> None:
        """Restart ICE beside the path in use, and tell the peer."""
        async with self._holding():
            await self.agent.restart()
            for user in self.users if self.agent.is_restarting else ():
                user.announce_restart(answering=False)

    @asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        async with self._turn:  # theirs may come while ours begins
            self.is_held = True
            try:
                yield
            finally:
                self.is_held = False
                for user in self.users[:1]:
                    user.flush()

    async def connect(self) -> IceDtlsLink:
        """Return the connected link, the same one to everybody who asks.

        Raises:
            TransportFailed: No pair worked, the peer announced no fingerprint or another certificate than it has
                (reason `security-error`), or the handshake did not end in time.

        Cancelling leaves the connecting itself to the others who share it.
        """
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
            self._connecting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> IceDtlsLink:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.agent.connect_timeout
        await self.agent.connect()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + FINGERPRINT_TIMEOUT)):
                await self._ready.wait()
        except TimeoutError:
            raise TransportFailed(
                "the peer announced no DTLS fingerprint: media would not be encrypted", reason="security-error"
            ) from None
        self._check_open()
        dtls = _Dtls(cast(RTCIceTransport, _AgentAsTransport(self.agent)), [self.certificate])
        dtls._set_role((self.role or DtlsRole.CLIENT).value)
        try:
            async with asyncio.timeout_at(deadline):
                await dtls.start(RTCDtlsParameters(fingerprints=list(self._expected)))
        except TimeoutError:
            raise TransportFailed(
                f"ICE connected ({self.agent.path}), the DTLS handshake did not end in time"
            ) from None
        self._check_open()
        if dtls.state != "connected":
            raise self.agent.lost or TransportFailed(
                dtls.refusal or "the DTLS handshake failed", reason="security-error"
            )
        self._link = IceDtlsLink(self.agent, dtls)
        return self._link

    def _check_open(self) -> None:
        if self._closed:
            raise TransportFailed("the transport was closed while connecting")

    def _found(self, local: Credentials, candidate: Candidate) -> None:
        if self.users:
            self.users[0].announce(local, candidate)

    async def leave(self, user: Announcer) -> None:
        """`user` needs the link no more; with the last one everything is freed."""
        if user in self.users:
            self.users.remove(user)
        if self.users or self._closed:
            return
        self._closed = True
        self._ready.set()
        self.restarts.close()
        if self._link:
            await self._link.aclose()
        await self.agent.aclose()
        if self._connecting:
            await asyncio.wait((self._connecting,))


async def _stop(dtls: RTCDtlsTransport) -> None:
    task = dtls._task
    await dtls.stop()
    if task:
        await asyncio.gather(task, return_exceptions=True)


def _overlap(known: tuple[RTCDtlsFingerprint, ...], announced: tuple[RTCDtlsFingerprint, ...]) -> bool:
    """Whether both name the same certificate; only values of the same hash can be compared."""
    shared = {f.algorithm for f in known} & {f.algorithm for f in announced}
    return all(
        {f.value for f in known if f.algorithm == name} & {f.value for f in announced if f.algorithm == name}
        for name in shared
    ) and bool(shared)
