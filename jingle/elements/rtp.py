"""XEP-0167: Jingle RTP Sessions (v1.2.3), with what others put into its `<description/>`.

XEP-0293: RTP Feedback (v1.0.2), XEP-0294: RTP Header Extensions (v1.1.2), XEP-0339: Source-Specific Media Attributes
(v1.0.1); and XEP-0181: Jingle DTMF (v0.12), which is informed about in the same way as holding and muting.

Deviations, each because deployed clients need it:

- The `name` and the `value` of a parameter may be absent: `telephone-event` has `0-15` with no name, browsers write
  RED's parameter as a name without value.
- `creator` of `<mute/>` may be absent (clients leave out both it and `name`).
- `<rtcp-reduced-size/>` is known (`a=rtcp-rsize`, RFC 5506), which stanza sends and no XEP defines.
- `<stream/>` is known (`a=msid`), which stanza sends and no XEP defines: without it, two audio contents confuse it.
- The `id` of a header extension may have a direction behind it, as in SDP: Conversations does not part the two.
- The minimum interval of feedback may be 0, as XEP-0293's own section 3 has it, though its schema says positive.
"""

from __future__ import annotations

import enum

from .core import Role, Senders
from .declare import Element, attr, child, children, element, flag, shape, text
from .values import UNSIGNED_BYTE, UNSIGNED_SHORT

NS = "urn:xmpp:jingle:apps:rtp:1"
NS_INFO = "urn:xmpp:jingle:apps:rtp:info:1"
NS_ERRORS = "urn:xmpp:jingle:apps:rtp:errors:1"
NS_FEEDBACK = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
NS_HEADER_EXTENSIONS = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
NS_SOURCES = "urn:xmpp:jingle:apps:rtp:ssma:0"
NS_STREAMS = "urn:xmpp:jingle:apps:rtp:msid:0"
NS_DTMF = "urn:xmpp:jingle:dtmf:0"
FEATURE_AUDIO = "urn:xmpp:jingle:apps:rtp:audio"
FEATURE_VIDEO = "urn:xmpp:jingle:apps:rtp:video"
FEATURE_SOURCES = "urn:ietf:rfc:5576"


class Direction(enum.Enum):
    """Who sends, as seen by the writer (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@shape
class AnyParameter(Element):
    """A name and a value; the four `<parameter/>` elements differ in their namespace only."""

    name: str | None = attr(default=None)
    value: str | None = attr(default=None)


@element(NS, "parameter", is_vocabulary=True)
class Parameter(AnyParameter):
    """A format parameter of a payload type (`a=fmtp`)."""


@element(NS_FEEDBACK, "parameter", is_vocabulary=True)
class FeedbackParameter(AnyParameter):
    """A parameter of a feedback message."""


@element(NS_HEADER_EXTENSIONS, "parameter", is_vocabulary=True)
class HeaderExtensionParameter(AnyParameter):
    """An extension attribute of a header extension."""


@element(NS_SOURCES, "parameter")
class SourceParameter(AnyParameter):
    """An attribute of a source, such as `cname` or `msid`."""


@element(NS_FEEDBACK, "rtcp-fb", is_vocabulary=True)
class Feedback(Element):
    """A feedback message that may be sent (`a=rtcp-fb`, RFC 4585)."""

    type: str = attr()
    """`nack`, `ccm`, `goog-remb`, ..."""

    subtype: str | None = attr(default=None)
    """`pli`, `fir`, ..."""

    parameters: tuple[FeedbackParameter, ...] = children(default=())


@element(NS_FEEDBACK, "rtcp-fb-trr-int")
class FeedbackInterval(Element):
    """The least time between two regular RTCP packets."""

    value: int = attr()
    """Milliseconds."""


@element(NS, "payload-type")
class PayloadType(Element):
    """A codec and the number that marks its packets; in order of the sender's preference."""

    id: int = attr(within=range(128))
    name: str | None = attr(default=None)
    """The encoding name; compare it without regard to case. Absent for some static payload types (RFC 3551)."""

    clockrate: int | None = attr(default=None)
    """Hertz."""

    channels: int | None = attr(default=None, within=UNSIGNED_BYTE)
    ptime: int | None = attr(default=None)
    """Milliseconds of media in a packet."""

    maxptime: int | None = attr(default=None)
    parameters: tuple[Parameter, ...] = children(default=())
    feedback: tuple[Feedback, ...] = children(default=())
    feedback_interval: FeedbackInterval | None = child(default=None)

    @property
    def effective_channels(self) -> int:
        """`channels`, or what its absence means (XEP-0167 section 4)."""
        return self.channels if self.channels is not None else 1


@element(NS_HEADER_EXTENSIONS, "rtp-hdrext", is_vocabulary=True)
class HeaderExtension(Element):
    """An RTP header extension (`a=extmap`, RFC 8285)."""

    id: int = attr(within=UNSIGNED_SHORT)
    direction: Direction | None = attr("id", behind="/", default=None)
    """Who sends, as Conversations says it: it writes `id='1/sendonly'`."""

    uri: str = attr()
    senders: Senders | None = attr(default=None)
    parameters: tuple[HeaderExtensionParameter, ...] = children(default=())

    @property
    def effective_senders(self) -> Senders:
        """`senders`, or what its absence means (XEP-0294 section 3)."""
        return self.senders or Senders.BOTH


@element(NS_SOURCES, "source")
class Source(Element):
    """A synchronization source and what is known about it (`a=ssrc`, RFC 5576)."""

    ssrc: int = attr()
    parameters: tuple[SourceParameter, ...] = children(default=())


@element(NS_SOURCES, "ssrc-group")
class SourceGroup(Element):
    """Sources that belong together, such as a stream and its retransmissions (`a=ssrc-group`)."""

    semantics: str = attr()
    """`FID`, `SIM`, `FEC-FR`, ..."""

    sources: tuple[Source, ...] = children(default=())


@element(NS_STREAMS, "stream")
class MediaStream(Element):
    """The media stream and track that browsers show this content as (`a=msid`, RFC 8830)."""

    id: str = attr()
    track: str | None = attr(default=None)


@element(NS, "crypto")
class Crypto(Element):
    """An SDES key offer (RFC 4568)."""

    crypto_suite: str = attr()
    key_params: str = attr(secret=True)
    session_params: str | None = attr(default=None)
    tag: str = attr()


@element(NS, "encryption")
class Encryption(Element):
    """The SDES keys to choose from (XEP-0167 section 7)."""

    required: bool | None = attr(default=None)
    cryptos: tuple[Crypto, ...] = children(default=())


@element(NS, "bandwidth")
class Bandwidth(Element):
    """How much the sender is willing to receive (`b=`)."""

    type: str = attr()
    """`AS` (kilobits a second), `TIAS` (bits a second), ..."""

    value: str = text()


@element(NS, "description")
class RtpDescription(Element):
    """What is sent and received in one RTP content; in a propose (XEP-0353), its `media` alone."""

    media: str = attr()
    """`audio` or `video`."""

    ssrc: int | None = attr(default=None)
    payload_types: tuple[PayloadType, ...] = children(default=())
    rtcp_mux: bool = flag(default=False)
    rtcp_reduced_size: bool = flag(default=False)
    encryption: Encryption | None = child(default=None)
    bandwidth: Bandwidth | None = child(default=None)
    feedback: tuple[Feedback, ...] = children(default=())
    """Feedback for every payload type."""

    feedback_interval: FeedbackInterval | None = child(default=None)
    header_extensions: tuple[HeaderExtension, ...] = children(default=())
    extmap_allow_mixed: bool = flag(default=False, namespace=NS_HEADER_EXTENSIONS)
    streams: tuple[MediaStream, ...] = children(default=())
    source_groups: tuple[SourceGroup, ...] = children(default=())
    sources: tuple[Source, ...] = children(default=())


@element(NS_ERRORS, "crypto-required")
class CryptoRequired(Element):
    """The content was refused because it offers no keys (XEP-0167 section 7)."""


@element(NS_ERRORS, "invalid-crypto")
class InvalidCrypto(Element):
    """The keys offered cannot be used (XEP-0167 section 7)."""


@element(NS_INFO, "active")
class Active(Element):
    """The sender takes part in the call; ends holding."""


@element(NS_INFO, "hold")
class Hold(Element):
    """The sender has put the call aside: it will not send, and keeps playing what comes."""


@element(NS_INFO, "unhold")
class Unhold(Element):
    """The sender has taken the call up again."""


@element(NS_INFO, "ringing")
class Ringing(Element):
    """The sender's device is ringing."""


@shape
class Muting(Element):
    """Which content `<mute/>` and `<unmute/>` are about."""

    creator: Role | None = attr(default=None)
    name: str | None = attr(default=None)
    """The content; `None` is about all of them."""


@element(NS_INFO, "mute")
class Mute(Muting):
    """The sender has stopped sending a media type."""


@element(NS_INFO, "unmute")
class Unmute(Muting):
    """The sender sends that media type again."""


@element(NS_DTMF, "dtmf")
class Dtmf(Element):
    """A key pressed; where RTP can carry it as `telephone-event` that is to be preferred (XEP-0167 section 12.1)."""

    code: str = attr(longest=1)
    """One of `0` to `9`, `*`, `#`, `A` to `D`."""

    duration: int | None = attr(default=None, within=range(1 << 31))
    """Milliseconds."""

    volume: int | None = attr(default=None, within=range(64))
    """Decibels below the reference level."""

    @property
    def effective_duration(self) -> int:
        """`duration`, or what its absence means (XEP-0181 section 3)."""
        return self.duration if self.duration is not None else 100
