"""What a transport is: the shapes that applications, signalling and the pump meet in (XEP-0166 section 12.2).

A transport knows how to describe itself in a `<transport/>` element, takes the peer's, and connects. An application
never sees a stanza, a transport never sees a `<description/>`.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from ..elements.core import Role
from ..elements.declare import Element
from ..elements.s5b import Streamhost


class Kind(enum.Enum):
    """What a transport offers and an application needs (XEP-0166 section 12.1, item 4)."""

    DATAGRAM = "datagram"
    STREAMING = "streaming"


class Security(enum.Enum):
    """What protects the bits on a connected transport; the value is what the `connected` event says."""

    NONE = "none"
    TLS = "tls"
    DTLS = "dtls"


class ByteStream(Protocol):
    """A connected STREAMING transport: bytes in order, both ways."""

    @property
    def security(self) -> Security:
        """What protects the bytes."""
        ...

    async def receive_into(self, buffer: memoryview) -> int:
        """Fill part of `buffer` and return how many bytes; 0 once the peer has ended its side.

        Raises:
            TransportFailed: The stream broke.
        """
        ...

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; returns once there is room for more (back-pressure).

        Raises:
            TransportFailed: The stream broke.
        """
        ...

    async def send_eof(self) -> None:
        """Say that nothing more follows; receiving goes on."""
        ...

    async def aclose(self) -> None:
        """Close both directions and free everything; safe to call twice."""
        ...


@dataclass(frozen=True, kw_only=True)
class CandidateSummary:
    """One end of the selected path, for events and reports."""

    type: str
    """`host`, `srflx`, `prflx` or `relay`; for streaming transports their own words (`direct`, `proxy`, `in-band`)."""

    address: str
    """`address:port` as text."""

    protocol: str = "udp"


@dataclass(frozen=True, kw_only=True)
class Path:
    """Where the bits of a connected transport go."""

    local: CandidateSummary
    remote: CandidateSummary


@dataclass(frozen=True, kw_only=True)
class PathChange:
    """What becomes of the way that the bits of a connected transport take."""

    state: str
    """`restarting`, then `restarted` with the new path or `failed` with the old one, which is used as before."""

    cause: str
    """`addresses` of this machine changed, `consent` is not given any more, `peer` or `asked`: somebody wants it."""

    seconds: float = 0.0
    """Since it began."""

    text: str | None = None
    """Why it failed."""

    path: Path | None = None
    """The path in use at the end."""


class AddressMonitor(Protocol):
    """Knows when the addresses of this machine change."""

    def subscribe(self, changed: Callable[[frozenset[str], frozenset[str]], None]) -> Callable[[], None]:
        """Call `changed(gone, new)` after every change; the function that comes back ends that."""
        ...


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet that came in (RFC 3550 section 5.1), decrypted and routed to its stream."""

    payload_type: int
    marker: bool
    sequence_number: int
    """16 bit, as on the wire: it wraps."""

    timestamp: int
    """32 bit, as on the wire, in units of the payload type's clock: it wraps."""

    ssrc: int
    payload: bytes
    arrival: float
    """When it came in, on the event loop's clock, in seconds."""

    sent: float | None = None
    """When what it holds was captured, in seconds on the sender's own clock, which is the same one for all its streams;
    `None` until a report of the sender has told (RFC 3550 section 6.4.1)."""


@dataclass(frozen=True, slots=True)
class KeyframeWanted:
    """The peer cannot go on without a picture that builds on no other (PLI of RFC 4585, FIR of RFC 5104)."""


@dataclass(frozen=True, slots=True)
class BandwidthEstimated:
    """How much the peer thinks the path to it carries (REMB)."""

    bit_rate: int
    """Bits per second, for all that is sent on the transport."""


@dataclass(frozen=True, slots=True)
class LossReported:
    """A report of the peer about what we send (RFC 3550 section 6.4.1)."""

    fraction: float
    """How much of it was lost since the report before, 0 to 1."""


RtpFeedback = KeyframeWanted | BandwidthEstimated | LossReported
"""What a peer says about what we send."""


@dataclass(frozen=True, kw_only=True)
class RtpParameters:
    """What both sides agreed on for the RTP of one content."""

    clock_rates: Mapping[int, int]
    """Every payload type that may come in or go out, and its RTP clock in Hz."""

    ssrc: int
    """The one we send with."""

    cname: str
    """Our canonical name (RFC 7022); the same in every stream of a session, so that they can be synchronised."""

    mid: str | None = None
    """The content's name where several share the link (BUNDLE, RFC 8843), else `None`."""

    remote_ssrcs: frozenset[int] = frozenset()
    """The sources that the peer announced (XEP-0339); others are taken by their payload type."""

    header_extensions: Mapping[str, int] = field(default_factory=dict)
    """The agreed header extensions (XEP-0294): URI and id."""

    feedback: frozenset[str] = frozenset()
    """The RTCP feedback that both sides understand (XEP-0293): `nack`, `nack pli`, `ccm fir`, `goog-remb`."""

    repairs: Mapping[int, int] = field(default_factory=dict)
    """Payload types in which the peer repeats lost packets (RFC 4588), each with that of what it repeats."""

    repair_with: Mapping[int, int] = field(default_factory=dict)
    """Payload types that we send, each with the one to repeat its lost packets in; others are repeated as they are."""

    repair_ssrc: int | None = None
    """The source of our repeated packets, where they have one of their own."""

    remote_repair_ssrcs: Mapping[int, int] = field(default_factory=dict)
    """The peer's sources of repeated packets, each with the source that it repeats (`FID`, XEP-0339)."""


@dataclass(frozen=True, kw_only=True)
class RtpStatistics:
    """Counters of one RTP stream since it was opened; times in seconds."""

    packets_sent: int
    bytes_sent: int
    """Payload only, without headers and padding (RFC 3550 section 6.4.1)."""

    packets_received: int
    bytes_received: int
    packets_lost: int
    """What the sequence numbers say is missing of the peer's packets."""

    jitter: float
    """Interarrival jitter of the peer's packets (RFC 3550 section 6.4.1)."""

    rtt: float | None
    """Smoothed round trip, or `None` until the peer has answered one of our reports."""

    remote_packets_lost: int
    """What the peer misses of our packets, as of its last report."""

    packets_repeated: int = 0
    """Packets that we sent once more because the peer missed them; they do not count as sent."""

    packets_repaired: int = 0
    """Packets that the peer sent once more in a stream of their own; they do not count as received."""


class RtpStream(Protocol):
    """The RTP and RTCP of one content on a link, both directions."""

    @property
    def statistics(self) -> RtpStatistics:
        """The counters as of now."""
        ...

    @property
    def sequence_number(self) -> int:
        """The number that the next packet gets; 16 bit."""
        ...

    async def send(
        self,
        payload: bytes,
        *,
        payload_type: int,
        timestamp: int,
        marker: bool = False,
        audio_level: int | None = None,
        captured: float | None = None,
        sequence_number: int | None = None,
    ) -> None:
        """Send one packet; like any datagram it may get lost, and a link that is down loses it silently.

        Where that was agreed on, packets that the peer misses are sent once more.

        Args:
            payload: What the payload format of the codec says.
            payload_type: One of `RtpParameters.clock_rates`.
            timestamp: In units of that clock; taken modulo 2**32.
            marker: For audio, the first packet after a silence (RFC 3551 section 4.1); for video, the last of a frame.
            audio_level: Loudness in -dBov, 0 (loudest) to 127 (RFC 6464); sent where that was negotiated.
            captured: When what it holds was there, on the loop's clock; `None` for now. Streams are put in step by it.
            sequence_number: Another number than the next one, near it: what is passed on from somewhere else has gaps
                and comes out of order.
        """
        ...

    def request_keyframe(self, ssrc: int) -> None:
        """Ask the peer for a picture that builds on no other; nothing happens where it takes no such wish."""
        ...

    def limit(self, bit_rate: int | None) -> None:
        """Ask the peer to send no more than so many bits per second, whatever its path carries; `None`: as it wants.

        Nothing happens where it takes no such wish (REMB).
        """
        ...

    async def aclose(self) -> None:
        """Say goodbye (RTCP BYE) and stop; safe to call twice."""
        ...


class DatagramLink(Protocol):
    """A connected ICE-UDP transport with DTLS: RTP and RTCP under SRTP keys, and SCTP."""

    @property
    def security(self) -> Security:
        """Always `DTLS` for calls."""
        ...

    async def responds(self, patience: float) -> bool:
        """Whether the peer answers on the link within so many seconds, so that it is there whatever its server says."""
        ...

    @property
    def dtls(self) -> Any:
        """The `aiortc.RTCDtlsTransport` that RTP and SCTP sit on."""
        ...

    def rtp_stream(
        self,
        parameters: RtpParameters,
        on_packet: Callable[[RtpPacket], None],
        on_feedback: Callable[[RtpFeedback], None] | None = None,
    ) -> RtpStream:
        """Open the RTP stream of one content; packets that came in just before are handed over first.

        `on_packet` is called on the event loop, in order of arrival, until the stream is closed; so is `on_feedback`.
        """
        ...


class StanzaPort(Protocol):
    """What a transport may ask of the XMPP connection: IBB sends its bytes through it, S5B asks proxies."""

    async def request(self, to: str, payload: Element, *, kind: str = "set", timeout: float = 30) -> Element | None:
        """Send an IQ and return the payload of its result (`None` where it is empty).

        IQs leave in the order in which their calls began to run, however many wait for their results.

        Raises:
            SignallingError: An error came back, or nothing did in time.
        """
        ...

    def on_request(
        self, namespace: str, handler: Callable[[str, Element], Awaitable[Element | None]]
    ) -> Callable[[], None]:
        """Hand every IQ-set whose payload is in `namespace` to `handler(sender, payload)`.

        The handler returns the payload of the result or raises a `RemoteProtocolError`, which becomes the error.
        Handlers start in the order the IQs came, each without waiting for the end of those before: IBB answers a
        block once it has been taken, and one slow stream must not hold up the others.
        The function that comes back takes the handler off again.
        """
        ...

    async def find_proxies(self) -> Sequence[Streamhost]:
        """The `<streamhost/>` elements of the SOCKS5 proxies that our server offers (XEP-0065 section 6)."""
        ...


@dataclass(frozen=True, kw_only=True)
class IceServer:
    """A STUN or TURN server (XEP-0215, `--stun`, `--turn`)."""

    scheme: str
    """`stun`, `turn` or `turns`."""

    host: str
    port: int
    transport: str = "udp"
    """`udp` or `tcp`; `turns` is always TLS over `tcp`."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class TransportOptions:
    """What the user decided about how bits may move."""

    relay_only: bool = False
    """Never reveal an address of this machine: only relayed candidates are gathered and offered."""

    loopback: bool = False
    """Gather loopback addresses too (they are used anyway when the machine has no other)."""

    ice_servers: tuple[IceServer, ...] = ()
    """Configured servers, used beside those that the XMPP server offers."""

    proxies: tuple[Streamhost, ...] = ()
    """Configured SOCKS5 proxies (XEP-0065), used beside those that the XMPP server offers."""


@dataclass(kw_only=True)
class TransportContext:
    """What a transport of one content of one session may know and use."""

    role: Role
    """Our role in the session; the initiator is the ICE controlling side (XEP-0176 section 5.6)."""

    local: str
    """Our full JID."""

    remote: str
    """The peer's full JID."""

    sid: str
    """The session's id."""

    port: StanzaPort
    options: TransportOptions
    send_info: Callable[[Element], None]
    """Send a `<transport/>` in a transport-info; may be called before the session is acknowledged (it is queued)."""

    ice_servers: Callable[[], Awaitable[tuple[IceServer, ...]]]
    """STUN and TURN servers that the XMPP server offers just now; may take long, so never wait for it with an offer."""

    features: frozenset[str] = frozenset()
    """What the peer's disco#info says, where it is known."""

    addresses: AddressMonitor | None = None
    """Tells when the addresses of this machine change, so that another path is looked for."""

    report: Callable[[PathChange], None] = lambda change: None
    """Told when another path is looked for, and what comes of it."""


class Transport(Protocol):
    """One transport of one content: describe, accept the peer's, connect. One object for one try."""

    namespace: ClassVar[str]
    kind: ClassVar[Kind]
    name: ClassVar[str]
    """The word the command line uses (`--transport NAME`)."""

    priority: ClassVar[int]
    """Where several would do, the highest is tried first."""

    features: ClassVar[tuple[str, ...]]
    """What to announce in disco#info."""

    security: ClassVar[Security]
    """What protects the bytes without any precondition."""

    def __init__(self, context: TransportContext) -> None: ...

    async def describe(self) -> Element:
        """Our `<transport/>` for session-initiate, session-accept, content-add or transport-replace."""
        ...

    async def accept(self, remote: Element) -> None:
        """Take the peer's `<transport/>`, from an offer or an answer.

        Raises:
            RemoteProtocolError: It cannot be understood or used.
            TransportFailed: It asks for something we refuse, such as no encryption.
        """
        ...

    async def info(self, remote: Element) -> None:
        """Take a `<transport/>` of a transport-info."""
        ...

    async def connect(self) -> Any:
        """Return the connected `ByteStream` or `DatagramLink`; called once both sides have described themselves.

        Raises:
            TransportFailed: Nothing worked; `tried` lists what was tried.
        """
        ...

    @property
    def path(self) -> Path | None:
        """The selected path once connected."""
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call at any time, and twice."""
        ...


@runtime_checkable
class Restarting(Protocol):
    """A `Transport` that finds another path while the one in use goes on (XEP-0176 section 5.9)."""

    async def restart(self) -> None:
        """Look for another path, and return once it is in use; transports that share a link share that.

        Raises:
            TransportFailed: There is none, or the peer knows no restarts; the old one is used as before.
        """
        ...

    def crosses(self, remote: Element) -> bool:
        """Whether this transport-info is a restart of the peer's that crosses ours, and ours stands (XEP-0371)."""
        ...

    async def refused(self, text: str) -> None:
        """Take it that the peer answered a transport-info of ours with an error."""
        ...


@runtime_checkable
class Bundling(Protocol):
    """A `Transport` whose link several contents of a session can share (XEP-0338, RFC 9143)."""

    @property
    def is_bundled(self) -> bool:
        """Whether it uses the link of another transport."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether several use its link, whosever it is."""
        ...

    def shares_with(self, other: Any) -> bool:
        """Whether it uses the same link as `other`, a transport of any class."""
        ...

    def is_bare(self, remote: Element) -> bool:
        """Whether the peer describes nothing of its own in this `<transport/>`."""
        ...

    def is_meant_by(self, remote: Element) -> bool:
        """Whether the peer describes this link again, which is in use, or nothing of its own."""
        ...

    async def bundle_with(self, other: Any) -> None:
        """Share the link of `other`, a transport of the same class; call it before `accept()`."""
        ...

    async def unbundle(self) -> None:
        """Use a link of its own after all; call it before `accept()`."""
        ...


@runtime_checkable
class Hiding(Protocol):
    """A `Transport` that would reveal addresses of this machine, and can do without.

    One that is not `Hiding` must have nothing to reveal, as the one that goes through the XMPP servers.
    """

    def hide(self) -> None:
        """Reveal no address of this machine, as `TransportOptions.relay_only` says; call it before `describe()`."""
        ...


class SecurityPrecondition(Protocol):
    """What has to stand before the bytes of one content flow (the `<security/>` of a content).

    It describes itself, takes the peer's, and wraps a connected byte stream; it outlives a transport-replace. XTLS is
    one, JET (XEP-0391) would be another.
    """

    namespace: ClassVar[str]
    security: ClassVar[Security]
    """What a wrapped stream says of itself."""

    features: ClassVar[tuple[str, ...]]
    """What to announce in disco#info; offer it only to peers that announce it too."""

    def __init__(self, role: Role) -> None: ...

    def another(self) -> SecurityPrecondition:
        """The same for another content of the session: we prove to be the same one."""
        ...

    def describe(self) -> Element:
        """Our `<security/>` for session-initiate, session-accept or content-add."""
        ...

    def accept(self, remote: Element) -> None:
        """Take the peer's `<security/>`, from an offer, an answer or a security-info.

        Raises:
            TransportFailed: It asks for something we refuse (reason `security-error`).
        """
        ...

    async def protect(self, stream: ByteStream) -> ByteStream:
        """Return a stream whose bytes travel over `stream` under protection; closing it closes `stream`.

        Comes back only when the peer has proved to be the one that it described. Where that fails, `stream` is closed
        and nothing of the application's has left.

        Raises:
            TransportFailed: The peer is another one, or never described itself (reason `security-error`), or the
                stream broke.
        """
        ...
