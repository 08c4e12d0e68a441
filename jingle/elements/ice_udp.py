"""XEP-0176: Jingle ICE-UDP Transport Method (v1.1.1), and all that travels in its `<transport/>`.

XEP-0320: Use of DTLS-SRTP in Jingle Sessions (v1.0.0), XEP-0343: Signaling WebRTC datachannels in Jingle (v0.3.1),
and XEP-0371: Jingle ICE Transport Method (v0.3.1), whose elements are the same under another namespace.

Deviations, each because deployed clients need it:

- `id`, `generation` and `network` of a candidate may be absent (stanza), `network` may be any 32-bit number (browsers
  give network ids and costs), TCP candidates with `tcptype` may stand in ice-udp (stanza).
- `<gathering-complete/>` of XEP-0371 is known in ice-udp too, in ice-udp's own namespace (stanza).
- `setup` of a fingerprint may be absent (Movim), and `required` may be there (lib-jitsi-meet).
- `number` of `<sctpmap/>` is a port: the schema's unsignedByte could not hold the XEP's own 5000.
- Monal writes `rel_port`: it stays in `extra_attributes`, and `Candidate.related_port` reads both.
"""

from __future__ import annotations

import enum

from .declare import Element, attr, child, children, element, flag, shape, text
from .values import POSITIVE, UNSIGNED_BYTE, UNSIGNED_INT, UNSIGNED_SHORT

NS = "urn:xmpp:jingle:transports:ice-udp:1"
NS_ICE = "urn:xmpp:jingle:transports:ice:0"
NS_DTLS = "urn:xmpp:jingle:apps:dtls:0"
NS_SCTP = "urn:xmpp:jingle:transports:dtls-sctp:1"
NS_CHANNEL = "urn:xmpp:jingle:transports:webrtc-datachannel:0"
NS_DATACHANNEL = "urn:xmpp:jingle:transports:webrtc-datachannel:1"
FEATURE_CANDIDATES_IN_OFFER = "urn:ietf:rfc:3264"
"""Announced by whom does not want candidates trickled (XEP-0176 section 7.2)."""


class CandidateType(enum.Enum):
    """How a candidate's address was found (RFC 8445 section 4)."""

    HOST = "host"
    PRFLX = "prflx"
    RELAY = "relay"
    SRFLX = "srflx"


class TcpType(enum.Enum):
    """Who opens the connection of a TCP candidate (RFC 6544 section 4.5)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    SO = "so"


class Setup(enum.Enum):
    """Who begins the DTLS handshake (RFC 8842)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


@element(NS_DTLS, "fingerprint")
class Fingerprint(Element):
    """The hash of the certificate that DTLS will show."""

    hash: str = attr()
    """`sha-256`, ..."""

    setup: Setup | None = attr(default=None)
    required: bool | None = attr(default=None)
    value: str = text()

    @property
    def digest(self) -> str:
        """`value` in capitals and without white space, which means nothing (XEP-0320 section 2)."""
        return "".join(self.value.split()).upper()


@element(NS_SCTP, "sctpmap")
class SctpMap(Element):
    """The SCTP association of data channels."""

    number: int = attr(within=UNSIGNED_SHORT)
    """The SCTP port."""

    protocol: str = attr()
    """`webrtc-datachannel`."""

    streams: int | None = attr(default=None)


@element(NS_CHANNEL, "channel")
class Channel(Element):
    """A data channel that is opened or agreed on (RFC 8831, RFC 8832)."""

    id: int | None = attr(default=None, within=UNSIGNED_SHORT)
    max_packet_life_time: int | None = attr("maxPacketLifeTime", default=None, within=UNSIGNED_SHORT)
    """Milliseconds."""

    max_retransmits: int | None = attr("maxRetransmits", default=None, within=UNSIGNED_SHORT)
    negotiated: bool | None = attr(default=None)
    ordered: bool | None = attr(default=None)
    protocol: str | None = attr(default=None)


@shape
class AnyCandidate(Element):
    """An address that may be reachable; the same in both ICE namespaces."""

    component: int = attr(within=UNSIGNED_BYTE)
    """1 for RTP and anything else, 2 for RTCP of its own."""

    foundation: str = attr()
    generation: int | None = attr(default=None, within=UNSIGNED_BYTE)
    id: str | None = attr(default=None)
    ip: str = attr()
    """An address, or an mDNS name ending in `.local`."""

    network: int | None = attr(default=None, within=UNSIGNED_INT)
    port: int = attr(within=UNSIGNED_SHORT)
    priority: int = attr(within=POSITIVE)
    protocol: str = attr()
    """`udp` or `tcp`."""

    rel_addr: str | None = attr(default=None)
    rel_port: int | None = attr(default=None, within=UNSIGNED_SHORT)
    tcptype: TcpType | None = attr(default=None)
    type: CandidateType = attr()

    @property
    def effective_generation(self) -> int:
        """`generation`, or 0 where the sender leaves it out."""
        return self.generation or 0

    @property
    def related_port(self) -> int | None:
        """The port that goes with `rel_addr`, under either spelling; `None` where there is none to read."""
        if self.rel_port is not None:
            return self.rel_port
        raw = self.extra_attribute("rel_port") or ""
        port = int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= 5 else None
        return port if port in UNSIGNED_SHORT else None


@shape
class AnyRemoteCandidate(Element):
    """A candidate of the other side that the controlling agent has selected (RFC 8839 section 5.2)."""

    component: int = attr(within=UNSIGNED_BYTE)
    ip: str = attr()
    port: int = attr(within=UNSIGNED_SHORT)


@element(NS, "candidate")
class Candidate(AnyCandidate):
    """A candidate in ice-udp."""


@element(NS, "remote-candidate")
class RemoteCandidate(AnyRemoteCandidate):
    """A selected candidate in ice-udp."""


@element(NS_ICE, "candidate")
class IceCandidate(AnyCandidate):
    """A candidate in XEP-0371's namespace."""


@element(NS_ICE, "remote-candidate")
class IceRemoteCandidate(AnyRemoteCandidate):
    """A selected candidate in XEP-0371's namespace."""


@shape
class AnyIceTransport(Element):
    """Credentials, candidates and certificates of one content; the same in both ICE namespaces."""

    pwd: str | None = attr(default=None, secret=True)
    ufrag: str | None = attr(default=None)
    fingerprints: tuple[Fingerprint, ...] = children(default=())
    sctp_map: SctpMap | None = child(default=None)
    channels: tuple[Channel, ...] = children(default=())
    candidates: tuple[AnyCandidate, ...] = children(default=())
    remote_candidates: tuple[AnyRemoteCandidate, ...] = children(default=())
    gathering_complete: bool = flag(default=False)
    """No more candidates will follow (XEP-0371 section 5.7)."""


@element(NS, "transport")
class IceUdpTransport(AnyIceTransport):
    """The transport of XEP-0176, which deployed clients use."""

    candidates: tuple[Candidate, ...] = children(default=())
    remote_candidates: tuple[RemoteCandidate, ...] = children(default=())


@element(NS_ICE, "transport")
class IceTransport(AnyIceTransport):
    """The transport of XEP-0371, the only one that Psi speaks."""

    ice2: bool | None = attr(default=None)
    """The sender follows RFC 8445, not RFC 5245."""

    candidates: tuple[IceCandidate, ...] = children(default=())
    remote_candidates: tuple[IceRemoteCandidate, ...] = children(default=())


@element(NS_DATACHANNEL, "transport")
class DataChannelTransport(Element):
    """Data channels as a transport of their own, as Conversations 2.13 and later speak them; in no XEP."""

    sctp_port: int = attr(within=UNSIGNED_SHORT)
    max_message_size: int = attr(within=UNSIGNED_INT)
    """Bytes."""

    transport: IceUdpTransport | None = child(default=None)
