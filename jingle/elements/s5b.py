"""XEP-0260: Jingle SOCKS5 Bytestreams Transport Method (v1.0.3) and XEP-0065: SOCKS5 Bytestreams (v1.8.2).

Deviations, each because deployed clients and servers need it:

- `sid` of XEP-0065's `<query/>` may be absent: a proxy that is asked for its address has none to name.
- `port` of `<streamhost/>` is a number, not any string, and may be absent.
"""

from __future__ import annotations

import enum

from .declare import Element, attr, child, children, element, flag, key, text
from .values import POSITIVE, UNSIGNED_SHORT

NS = "urn:xmpp:jingle:transports:s5b:1"
NS_BYTESTREAMS = "http://jabber.org/protocol/bytestreams"
DEFAULT_PORT = 1080
"""Where no port is given (XEP-0065 section 4.1)."""


class Mode(enum.Enum):
    """What SOCKS5 carries."""

    TCP = "tcp"
    UDP = "udp"


class StreamhostType(enum.Enum):
    """How a candidate's address was found (XEP-0260 section 2.2)."""

    ASSISTED = "assisted"
    DIRECT = "direct"
    PROXY = "proxy"
    TUNNEL = "tunnel"


@element(NS, "candidate")
class StreamhostCandidate(Element):
    """A SOCKS5 server that the other side may try."""

    cid: str = key()
    host: str = attr()
    jid: str = attr()
    """The owner, whom to ask for activation where it is a proxy."""

    port: int | None = attr(default=None, within=UNSIGNED_SHORT)
    priority: int = attr(within=POSITIVE)
    type: StreamhostType | None = attr(default=None)

    @property
    def effective_port(self) -> int:
        """`port`, or what its absence means."""
        return self.port if self.port is not None else DEFAULT_PORT

    @property
    def effective_type(self) -> StreamhostType:
        """`type`, or what its absence means (section 2.2)."""
        return self.type or StreamhostType.DIRECT


@element(NS, "candidate-used")
class CandidateUsed(Element):
    """The sender reached this candidate of the recipient."""

    cid: str = key()


@element(NS, "activated")
class Activated(Element):
    """The proxy behind this candidate has been activated."""

    cid: str = key()


@element(NS, "transport")
class Socks5Transport(Element):
    """Candidates, or the outcome of trying them."""

    dstaddr: str | None = attr(default=None)
    """The destination address to ask a SOCKS5 server for: SHA-1 of the `sid` and two JIDs (section 2.2)."""

    mode: Mode | None = attr(default=None)
    sid: str = key()
    candidates: tuple[StreamhostCandidate, ...] = children(default=())
    candidate_used: CandidateUsed | None = child(default=None)
    candidate_error: bool = flag(default=False)
    """None of the recipient's candidates was reached."""

    activated: Activated | None = child(default=None)
    proxy_error: bool = flag(default=False)
    """The sender could not reach or activate its own proxy."""

    @property
    def effective_mode(self) -> Mode:
        """`mode`, or what its absence means (section 2.2)."""
        return self.mode or Mode.TCP


@element(NS_BYTESTREAMS, "streamhost")
class Streamhost(Element):
    """The address of a proxy."""

    jid: str = attr()
    host: str = attr()
    port: int | None = attr(default=None, within=UNSIGNED_SHORT)

    @property
    def effective_port(self) -> int:
        """`port`, or what its absence means."""
        return self.port if self.port is not None else DEFAULT_PORT


@element(NS_BYTESTREAMS, "streamhost-used")
class StreamhostUsed(Element):
    """The proxy that was connected to."""

    jid: str = attr()


@element(NS_BYTESTREAMS, "query")
class BytestreamsQuery(Element):
    """A question for a proxy's address, its answer, or the request to activate a stream."""

    dstaddr: str | None = attr(default=None)
    mode: Mode | None = attr(default=None)
    sid: str | None = key(default=None)
    streamhosts: tuple[Streamhost, ...] = children(default=())
    streamhost_used: StreamhostUsed | None = child(default=None)
    activate: str | None = text("activate", default=None)
    """The JID at the other end of the stream to activate."""


@element(NS_BYTESTREAMS, "udpsuccess")
class UdpSuccess(Element):
    """A UDP association stands (XEP-0065 section 9)."""

    dstaddr: str = attr()
