"""XEP-0167: Jingle RTP Sessions (v1.2.3): which codecs, with XEP-0294 header extensions and XEP-0339 sources. Pure.

Who wrote a description is not known here, so what deployed clients get wrong is told by the description itself:

- names in another case (QXmpp `OPUS`): compared without regard to it, echoed as they came;
- Opus with one channel or without a number of channels (Gajim, QXmpp): it is the same Opus (RFC 7587 section 7);
- a static payload type without name or clock rate: what RFC 3551 says of its id;
- an id twice (QXmpp): the first counts;
- an order that cannot be a preference (Monal): ours is taken;
- `_` in the names of parameters and `true` for `1` (Monal): read as meant;
- an answer with ids of its own: used for sending, as SDP would have it, where they mean only one thing;
- SDES keys beside DTLS (Dino): neither read nor echoed, a peer whose keys are echoed encrypts twice.

What helps against loss (XEP-0293 feedback, RFC 4588 repetition) is in `repair`. `ptime` is a wish (RFC 4566 section 6)
that we do not follow: packets of ours hold 20 ms, which everybody takes, and those of the peer may hold what they like.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...elements.core import Senders
from ...elements.rtp import (
    Bandwidth,
    Direction,
    HeaderExtension,
    Parameter,
    PayloadType,
    RtpDescription,
    Source,
    SourceGroup,
    SourceParameter,
)
from ...errors import ApplicationFailed
from .capabilities import Codec
from .repair import FID, common_feedback, feedback_of, repair_sources, repair_type, repair_types

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
HEADER_EXTENSIONS: Mapping[str, Mapping[str, int]] = {
    "audio": {AUDIO_LEVEL: 1, MID: 2},
    "video": {MID: 2, ABS_SEND_TIME: 3},
}
"""By medium, what we can send and read (RFC 6464, RFC 8843 section 9.1), and the ids we offer it with: contents that
share a transport must give the same id the same meaning (RFC 8843 section 9.1)."""

ONE_BYTE_IDS = range(1, 15)
"""Larger ids need two-byte headers, which a peer may only be sent where both sides said so (RFC 8285 section 4.1.2)."""

NEVER_WITH_RTCP = range(64, 96)
"""Payload types whose packets look like RTCP on a shared port (RFC 5761 section 4)."""

BANDWIDTHS = {"AS": 1000, "TIAS": 1}
"""Bits per second in a unit of each kind; what AS counts as well, the headers, is left aside."""

MAX_SOURCES = 32
WORDS = {"true": "1", "false": "0"}
PROFILE = "profile-level-id"


@dataclass(frozen=True, kw_only=True)
class LocalSource:
    """What we send from, as the peer is told (XEP-0339)."""

    ssrc: int
    cname: str
    stream: str
    """Tracks of one stream are played in step (RFC 8830)."""

    track: str
    repair_ssrc: int | None = None
    """What lost packets are repeated from, where that is agreed on."""

    def elements(self, *, repairs: bool) -> tuple[Source, ...]:
        """The `<source/>` elements, that of the repeated packets included where there are any."""
        said = (("cname", self.cname), ("msid", f"{self.stream} {self.track}"))
        parameters = tuple(SourceParameter(name=name, value=value) for name, value in said)
        return tuple(Source(ssrc=ssrc, parameters=parameters) for ssrc in self._ssrcs(repairs))

    def groups(self, *, repairs: bool) -> tuple[SourceGroup, ...]:
        """The `<ssrc-group/>` that ties the two together, where there are two."""
        ssrcs = self._ssrcs(repairs)
        if len(ssrcs) < 2:
            return ()
        return (SourceGroup(semantics=FID, sources=tuple(Source(ssrc=ssrc) for ssrc in ssrcs)),)

    def _ssrcs(self, repairs: bool) -> tuple[int, ...]:
        return (self.ssrc,) if self.repair_ssrc is None or not repairs else (self.ssrc, self.repair_ssrc)


@dataclass(frozen=True, kw_only=True)
class Format:
    """A codec as both sides agreed on it."""

    codec: Codec
    payload_type: int
    """The id that we send with."""

    parameters: Mapping[str, str]
    """What the peer wants of what we send."""

    feedback: frozenset[str] = frozenset()
    """The RTCP feedback that both sides understand."""

    repair: int | None = None
    """The id that we repeat its lost packets with."""


@dataclass(frozen=True, kw_only=True)
class Negotiated:
    """What a session goes on with."""

    medium: str
    formats: tuple[Format, ...]
    """For sound or pictures, the preferred one first; never empty."""

    events: tuple[Format, ...]
    """For key presses."""

    receiving: Mapping[int, Codec]
    """By payload type, what the peer may send."""

    remote_ssrcs: frozenset[int]
    header_extensions: Mapping[str, int]
    repairs: Mapping[int, int] = field(default_factory=dict)
    """By payload type in which the peer repeats lost packets, that of what it repeats."""

    remote_repair_ssrcs: Mapping[int, int] = field(default_factory=dict)
    """By source of repeated packets, the one that it repeats."""

    bit_rate: int | None = None
    """Bits per second that the peer wants to receive at most; `None` where it did not say."""


def offer(
    medium: str,
    codecs: Sequence[Codec],
    source: LocalSource,
    *,
    is_bundled: bool = False,
) -> RtpDescription:
    """Describe what we can send and receive.

    Args:
        medium: `audio` or `video`.
        codecs: What `capabilities.select` gave, the best first.
        source: What we will send from.
        is_bundled: Whether several contents will share the transport (RFC 8843).

    Raises:
        ApplicationFailed: We do nothing of that medium.
    """
    _require_medium(medium, codecs)
    extensions = HEADER_EXTENSIONS.get(medium, {})
    return RtpDescription(
        media=medium,
        ssrc=source.ssrc,
        payload_types=tuple(each for codec in codecs for each in _offered(codec)),
        rtcp_mux=True,
        header_extensions=tuple(
            HeaderExtension(id=number, uri=uri) for uri, number in extensions.items() if is_bundled or uri != MID
        ),
        source_groups=source.groups(repairs=any(codec.repair is not None for codec in codecs)),
        sources=source.elements(repairs=any(codec.repair is not None for codec in codecs)),
    )


def answer(
    remote: RtpDescription,
    codecs: Sequence[Codec],
    source: LocalSource,
    *,
    own_order: bool = False,
) -> tuple[RtpDescription, Negotiated]:
    """Answer an offer with all of it that we can do; ids, names and numbers of channels are echoed as they came.

    Args:
        remote: The offer.
        codecs: What `capabilities.select` gave, the best first.
        source: What we will send from.
        own_order: Prefer in the order of `codecs`; otherwise in that of the offer, where it has one.

    Raises:
        ApplicationFailed: We do nothing of that medium (`unsupported-applications`), there is no common codec
            (`failed-application`, XEP-0167 section 5), or RTP and RTCP cannot share a port (`incompatible-parameters`).
    """
    _require_medium(remote.media, codecs)
    _require_mux(remote)
    common: dict[Codec, PayloadType] = {}
    for wanted in _distinct(remote.payload_types):
        codec = _identify(wanted, codecs)
        if codec is not None and (codec not in common or _fitness(codec, wanted) > _fitness(codec, common[codec])):
            common[codec] = wanted
    order = _ranked(common, codecs, own_order or _is_arbitrary(remote))
    formats = [_format(codec, common[codec], remote) for codec in order]
    extensions = _common_extensions(remote)
    repairs = {found.repair: found.payload_type for found in formats if found.repair is not None}
    description = RtpDescription(
        media=remote.media,
        ssrc=source.ssrc,
        payload_types=tuple(each for found in formats for each in _answered(found, common[found.codec])),
        rtcp_mux=True,
        header_extensions=extensions,
        source_groups=source.groups(repairs=bool(repairs)),
        sources=source.elements(repairs=bool(repairs)),
    )
    receiving = {found.payload_type: found.codec for found in formats}
    return description, _negotiated(remote, formats, receiving, extensions, repairs)


def inactive(remote: RtpDescription) -> RtpDescription:
    """Answer an offer of which we do nothing: its first codec, in a content that is to say that nobody sends.

    Conversations takes an answer only if it has all that was offered, and in SDP, as which browsers see it, nothing can
    be left out either.
    """
    return RtpDescription(
        media=remote.media,
        payload_types=tuple(
            dataclasses.replace(first, feedback=(), feedback_interval=None) for first in remote.payload_types[:1]
        ),
        rtcp_mux=remote.rtcp_mux,
    )


def accepted(local: RtpDescription, remote: RtpDescription, codecs: Sequence[Codec]) -> Negotiated:
    """Read the answer to our offer.

    Args:
        local: The offer.
        remote: The answer. What we did not offer is passed over.
        codecs: What the offer was made from.

    Raises:
        ApplicationFailed: It is about another medium or has no rtcp-mux (`incompatible-parameters`), or none of its
            codecs was offered (`failed-application`).
    """
    if remote.media != local.media:
        raise ApplicationFailed(
            f"the answer is about {remote.media[:20]!r}, not {local.media}", reason="incompatible-parameters"
        )
    _require_mux(remote)
    receiving = {codec.payload_type: codec for codec in codecs}
    common: dict[Codec, PayloadType] = {}
    for chosen in _distinct(remote.payload_types):
        named, meant = _identify(chosen, codecs), receiving.get(chosen.id)
        if chosen.name is None and meant is not None:
            named = meant
        # An id of ours with the name of another codec of ours could be a mistake in either.
        if named is not None and meant in (None, named):
            common.setdefault(named, chosen)
    order = _ranked(common, codecs, _is_arbitrary(remote))
    formats = [_format(codec, common[codec], remote) for codec in order]
    offered = {extension.uri: extension.id for extension in local.header_extensions}
    extensions = tuple(each for each in _common_extensions(remote) if offered.get(each.uri) == each.id)
    # Whatever was offered may come, also before the answer does (RFC 3264 section 5.1).
    receiving |= {found.payload_type: found.codec for found in formats}
    repairs = {codec.repair: codec.payload_type for codec in codecs if codec.repair is not None}
    repairs |= {found.repair: found.payload_type for found in formats if found.repair is not None}
    return _negotiated(remote, formats, receiving, extensions, repairs)


def _require_medium(medium: str, codecs: Sequence[Codec]) -> None:
    if not codecs:
        raise ApplicationFailed(f"no {medium[:20]!r} here", reason="unsupported-applications")


def _require_mux(remote: RtpDescription) -> None:
    if not remote.rtcp_mux:
        raise ApplicationFailed(
            "the peer wants RTP and RTCP on separate ports, and only both on one is done here",
            reason="incompatible-parameters",
        )


def _distinct(payload_types: Iterable[PayloadType]) -> Iterable[PayloadType]:
    by_id: dict[int, PayloadType] = {}
    for each in payload_types:
        if each.id not in NEVER_WITH_RTCP:
            by_id.setdefault(each.id, each)
    return by_id.values()


def _identify(described: PayloadType, codecs: Sequence[Codec]) -> Codec | None:
    """The codec of ours that is meant."""
    for codec in codecs:
        is_static = codec.payload_type == described.id < min(NEVER_WITH_RTCP)
        if described.name is None:
            if is_static:
                return codec
        elif described.name.lower() == codec.name.lower():
            # The clock of a static id is fixed, whatever is written (XEP-0167's own example gives PCMU 16000).
            rate_fits = is_static or described.clockrate in (None, codec.clock_rate)
            channels_fit = codec.any_channels or described.effective_channels == codec.channels
            if rate_fits and channels_fit and _fitness(codec, described):
                return codec
    return None


def _fitness(codec: Codec, described: PayloadType) -> int:
    return codec.fitness(parameters_of(described))


def _is_arbitrary(remote: RtpDescription) -> bool:
    """Whether the order of the codecs cannot be meant: nobody prefers key presses or silence to sound."""
    aside = [(each.name or "").lower() in ("telephone-event", "cn") for each in remote.payload_types]
    return aside != sorted(aside)


def _ranked(common: Mapping[Codec, PayloadType], codecs: Sequence[Codec], own_order: bool) -> list[Codec]:
    order = sorted(common, key=codecs.index) if own_order else list(common)
    order.sort(key=lambda codec: codec.is_event)
    if not order or order[0].is_event:
        raise ApplicationFailed(
            f"no common codec; there are {', '.join(codec.name for codec in codecs if not codec.is_event)} here",
            reason="failed-application",
        )
    return order


def _offered(codec: Codec) -> Iterable[PayloadType]:
    yield PayloadType(
        id=codec.payload_type,
        name=codec.name,
        clockrate=codec.clock_rate,
        channels=codec.channels if codec.channels > 1 else None,
        parameters=tuple(Parameter(name=name, value=value) for name, value in codec.parameters),
        feedback=feedback_of(codec.feedback),
    )
    if codec.repair is not None:
        yield repair_type(codec.repair, codec.payload_type, codec.clock_rate)


def _answered(found: Format, echoing: PayloadType) -> Iterable[PayloadType]:
    parameters = dict(found.codec.parameters)
    if PROFILE in parameters and PROFILE in found.parameters:
        # An answer may change the level only (RFC 6184 section 8.2.2).
        parameters[PROFILE] = found.parameters[PROFILE][:4] + parameters[PROFILE][4:]
    yield PayloadType(
        id=echoing.id,
        name=echoing.name,
        clockrate=echoing.clockrate,
        channels=echoing.channels,
        parameters=tuple(Parameter(name=name, value=value) for name, value in parameters.items()),
        feedback=feedback_of(name for name in found.codec.feedback if name in found.feedback),
    )
    if found.repair is not None:
        yield repair_type(found.repair, echoing.id, found.codec.clock_rate)


def parameters_of(described: PayloadType) -> dict[str, str]:
    """The parameters of a codec, with the spellings of some clients put right."""
    return {
        each.name.replace("_", "-"): WORDS.get((each.value or "").lower(), each.value or "")
        for each in described.parameters
        if each.name is not None
    }


def _format(codec: Codec, described: PayloadType, description: RtpDescription) -> Format:
    # Whoever does not take retransmissions in a stream of their own gets them as the packets were.
    repair = repair_types(description).get(described.id) if codec.repair is not None else None
    return Format(
        codec=codec,
        payload_type=described.id,
        parameters=parameters_of(described),
        feedback=common_feedback(codec.feedback, described, description),
        repair=repair,
    )


def _common_extensions(remote: RtpDescription) -> tuple[HeaderExtension, ...]:
    """Those of the peer's that we can do, as they came: an answer may only leave some out (XEP-0294 section 4)."""
    known = HEADER_EXTENSIONS.get(remote.media, {})
    by_uri: dict[str, HeaderExtension] = {}
    for each in remote.header_extensions:
        is_both_ways = each.effective_senders is Senders.BOTH and each.direction in (None, Direction.SENDRECV)
        fits = is_both_ways and each.uri in known and each.id in ONE_BYTE_IDS
        if fits and all(taken.id != each.id for taken in by_uri.values()):
            by_uri.setdefault(each.uri, each)
    return tuple(by_uri.values())


def _negotiated(
    remote: RtpDescription,
    formats: Sequence[Format],
    receiving: Mapping[int, Codec],
    extensions: Sequence[HeaderExtension],
    repairs: Mapping[int, int],
) -> Negotiated:
    repair_ssrcs = repair_sources(remote.source_groups[:MAX_SOURCES])
    ssrcs = [each.ssrc for each in remote.sources[:MAX_SOURCES]]
    if remote.ssrc is not None:
        ssrcs.append(remote.ssrc)
    return Negotiated(
        medium=remote.media,
        formats=tuple(each for each in formats if not each.codec.is_event),
        events=tuple(each for each in formats if each.codec.is_event),
        receiving=receiving,
        remote_ssrcs=frozenset(ssrcs) - repair_ssrcs.keys(),
        header_extensions={each.uri: each.id for each in extensions},
        repairs=repairs,
        remote_repair_ssrcs=repair_ssrcs,
        bit_rate=bit_rate_of(remote.bandwidth),
    )


def bit_rate_of(bandwidth: Bandwidth | None) -> int | None:
    """What `<bandwidth/>` allows (RFC 4566 section 5.8, RFC 3890); kinds that are not known mean nothing."""
    factor = BANDWIDTHS.get(bandwidth.type.upper()) if bandwidth is not None else None
    value = bandwidth.value.strip() if bandwidth is not None else ""
    return int(value) * factor if factor and value.isascii() and value.isdigit() and len(value) < 12 else None
