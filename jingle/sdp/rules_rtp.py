"""The rules of RTP: a media section and the `<description/>` of XEP-0167, with XEP-0293, XEP-0294 and XEP-0339."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ..elements import rtp
from ..elements.core import Role
from ..elements.rtp import Direction
from ..errors import RemoteProtocolError
from .draft import SPACE, completed, joined, pair
from .model import HeaderExtension, MediaDescription
from .rules import Fields, MappingRule, direction_of, line, same, senders_of, word

PTIMES = "jingle-ptime"
MAXPTIMES = "jingle-maxptime"
"""Attributes that tell the packet times of each payload type where they differ: SDP has one for all of them."""

_NOT_IN_NAME = re.compile("[=;\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_NOT_IN_VALUE = re.compile("[;\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")


_vocabulary = lru_cache(maxsize=512)(word)
"""For names of codecs and feedback, of which there are few."""


def says_nothing(parameter: rtp.Parameter) -> bool:
    """Whether a format parameter has neither name nor value; SDP has no way to write it."""
    return not (parameter.name or parameter.value or "").strip(SPACE)


def _parameter(found: rtp.Parameter) -> rtp.Parameter | None:
    """Return a format parameter as SDP says it: trimmed, a bare value as a name; `None` for an empty one."""
    name, value = found.name, found.value
    if not name:
        # `<parameter value='0-15'/>`, as lib-jitsi-meet writes what others write as a name.
        name, value = value or "", None
    if _NOT_IN_NAME.search(name) or (value is not None and _NOT_IN_VALUE.search(value)):
        raise RemoteProtocolError(f"the parameter {name[:40]!a} cannot be written as SDP")
    name, value = name.strip(SPACE), value and value.strip(SPACE)
    if not name:
        return None
    if name is found.name and value is found.value and not found.extra and not found.extra_attributes:
        return found
    return rtp.Parameter(name=name, value=value)


def _messages(found: tuple[rtp.Feedback, ...]) -> tuple[rtp.Feedback, ...]:
    return tuple([_message(each) for each in found])


def _message(found: rtp.Feedback) -> rtp.Feedback:
    _vocabulary(found.type if found.subtype is None else f"{found.type or ' '}{found.subtype or ' '}", "feedback")
    if not found.parameters:
        return found
    if found.subtype is None:
        raise RemoteProtocolError("feedback has a parameter in the place of its subtype")
    parameters = tuple([rtp.FeedbackParameter(name=name, value=value) for name, value in _words(found.parameters)])
    return rtp.Feedback(type=found.type, subtype=found.subtype, parameters=parameters)


def _words(parts: Sequence[rtp.AnyParameter]) -> Iterator[tuple[str, str | None]]:
    """Yield parameters that are one of several words each, as the text of an SDP would give them back."""
    for part in parts:
        if part.name and "=" in part.name:
            raise RemoteProtocolError(f"the parameter {part.name[:40]!a} cannot be written as SDP")
        yield pair(word(joined(part.name, part.value), "parameter"))


def _payload_type(kind: rtp.PayloadType) -> rtp.PayloadType:
    """Return a payload type as the text of an SDP would give it back."""
    parameters, feedback = kind.parameters, kind.feedback
    if parameters:
        parameters = tuple([each for each in map(_parameter, parameters) if each is not None])
    if feedback:
        feedback = _messages(feedback)
    if kind.name is not None and "/" in _vocabulary(kind.name, "encoding"):
        raise RemoteProtocolError(f"the encoding {kind.name[:40]!a} cannot be written as SDP")
    name, clockrate, channels = completed(kind.id, kind.name, kind.clockrate, kind.channels)
    made = (name, clockrate, channels, None, None, parameters, feedback)
    if made == (kind.name, kind.clockrate, kind.channels, kind.ptime, kind.maxptime, kind.parameters, kind.feedback):
        return kind
    return rtp.PayloadType(
        id=kind.id,
        name=name,
        clockrate=clockrate,
        channels=channels,
        parameters=parameters,
        feedback=feedback,
        feedback_interval=kind.feedback_interval,
    )


def _payload_types_to_element(media: MediaDescription, role: Role) -> Fields:
    ptimes, maxptimes = _listed(media, PTIMES), _listed(media, MAXPTIMES)
    kinds = media.payload_types
    if ptimes or maxptimes or media.ptime is not None or media.maxptime is not None:
        kinds = tuple(
            [
                replace(
                    kind,
                    ptime=ptimes.get(kind.id) if ptimes else media.ptime,
                    maxptime=maxptimes.get(kind.id) if maxptimes else media.maxptime,
                )
                for kind in kinds
            ]
        )
    return {"payload_types": kinds}


def _listed(media: MediaDescription, name: str) -> dict[int, int]:
    listed = media.attribute(name) if media.attributes else None
    found = re.findall(r"\b([0-9]{1,3})=([0-9]{1,10})\b", listed or "")
    return {int(id): int(time) for id, time in found}


def _payload_types_to_media(description: rtp.RtpDescription, role: Role) -> Fields:
    kinds = {kind.id: _payload_type(kind) for kind in reversed(description.payload_types)}
    return {
        "payload_types": tuple([kinds[id] for id in dict.fromkeys(kind.id for kind in description.payload_types)]),
        "ptime": next((kind.ptime for kind in description.payload_types if kind.ptime is not None), None),
        "maxptime": next((kind.maxptime for kind in description.payload_types if kind.maxptime is not None), None),
    }


def uneven(description: rtp.RtpDescription) -> list[tuple[str, str]]:
    """Return the attributes for packet times that are not those of every payload type."""
    found = []
    for name, field in ((PTIMES, "ptime"), (MAXPTIMES, "maxptime")):
        times = {kind.id: getattr(kind, field) for kind in description.payload_types}
        if len(set(times.values())) > 1:
            found.append((name, " ".join([f"{id}={time}" for id, time in times.items() if time is not None])))
    return found


def _extensions_to_element(media: MediaDescription, role: Role) -> Fields:
    return {"header_extensions": tuple([_extension_to_element(each, role) for each in media.header_extensions])}


@lru_cache(maxsize=512)
def _extension_to_element(each: HeaderExtension, role: Role) -> rtp.HeaderExtension:
    senders = senders_of(each.direction, role) if each.direction is not None else None
    return rtp.HeaderExtension(id=each.id, uri=each.uri, senders=senders, parameters=each.attributes)


def _extensions_to_media(description: rtp.RtpDescription, role: Role) -> Fields:
    return {"header_extensions": tuple([_extension_to_media(each, role) for each in description.header_extensions])}


def _extension_to_media(each: rtp.HeaderExtension, role: Role) -> HeaderExtension:
    direction = each.direction
    if each.senders is not None:
        direction = direction_of(each.senders, role)
        if each.direction not in (None, direction):
            raise RemoteProtocolError(f"the header extension {each.id} has two directions")
    return _extension(each.id, each.uri, direction, tuple(_words(each.parameters)))


@lru_cache(maxsize=512)
def _extension(
    id: int, uri: str, direction: Direction | None, attributes: tuple[tuple[str, str | None], ...]
) -> HeaderExtension:
    return HeaderExtension(
        id=id,
        uri=word(uri, "header extension"),
        direction=direction,
        attributes=tuple([rtp.HeaderExtensionParameter(name=name, value=value) for name, value in attributes]),
    )


def _sources(found: tuple[rtp.Source, ...]) -> tuple[rtp.Source, ...]:
    for source in found:
        for part in source.parameters:
            line(part.value or "", "attribute of a source")
            if ":" in word(part.name or "", "attribute of a source"):
                raise RemoteProtocolError(f"a source cannot have the attribute {part.name!a} in SDP")
    return sources_said(found)


def sources_said(found: tuple[rtp.Source, ...]) -> tuple[rtp.Source, ...]:
    """Return the sources that SDP can tell: it has no line for one with nothing to say, nor two of one number."""
    by_ssrc: dict[int, rtp.Source] = {}
    for source in found:
        if source.parameters:
            by_ssrc.setdefault(source.ssrc, source)
    return tuple(by_ssrc.values())


def _groups(found: tuple[rtp.SourceGroup, ...]) -> tuple[rtp.SourceGroup, ...]:
    for group in found:
        word(group.semantics, "group of sources")
    return found


def _streams(found: tuple[rtp.MediaStream, ...]) -> tuple[rtp.MediaStream, ...]:
    for stream in found:
        word(stream.id, "stream")
        if stream.track is not None and line(stream.track, "track") != stream.track.strip(SPACE):
            raise RemoteProtocolError(f"the track {stream.track[:40]!a} cannot be written as SDP")
    # A track without a name is none in SDP.
    return tuple([stream if stream.track != "" else rtp.MediaStream(id=stream.id) for stream in found])


def _cryptos_to_media(description: rtp.RtpDescription, role: Role) -> Fields:
    cryptos = description.encryption.cryptos if description.encryption is not None else ()
    for each in cryptos:
        word(each.tag, "tag")
        word(each.crypto_suite, "crypto suite")
        if not (each.key_params.isprintable() and " " not in each.key_params and each.key_params):
            raise RemoteProtocolError("a key cannot be written as SDP")  # and is not to be told to a log
        line(each.session_params or "", "session parameters")
    return {"cryptos": cryptos}


def _bandwidths_to_element(media: MediaDescription, role: Role) -> Fields:
    # XEP-0167 has one; the others stand beside it.
    first = media.bandwidths[0] if media.bandwidths else None
    return {"bandwidth": first, "extra": media.bandwidths[1:]}


def _bandwidths_to_media(description: rtp.RtpDescription, role: Role) -> Fields:
    others = [each for each in description.extra if isinstance(each, rtp.Bandwidth)]
    found = ([description.bandwidth] if description.bandwidth is not None else []) + others
    kept = []
    for each in found:
        if ":" in word(each.type, "bandwidth"):
            raise RemoteProtocolError(f"the bandwidth {each.type[:40]!a} cannot be written as SDP")
        kept.append(rtp.Bandwidth(type=each.type, value=line(each.value.strip(), "bandwidth")))
    return {"bandwidths": tuple(kept)}


def ssrc_of(sources: tuple[rtp.Source, ...]) -> int | None:
    """Return what `ssrc` of the description says where nothing else is known, which stanza needs."""
    return sources[0].ssrc if sources else None


def _media_to_media(description: rtp.RtpDescription, role: Role) -> Fields:
    return {"media": word(description.media, "media type")}


RTP_RULES: tuple[MappingRule, ...] = (
    MappingRule((), lambda media, role: {"media": media.media}, _media_to_media),
    MappingRule(("rtpmap", "fmtp", "ptime", "maxptime"), _payload_types_to_element, _payload_types_to_media),
    same("rtcp-fb", "feedback", _messages),
    same("rtcp-fb", "feedback_interval"),
    same("rtcp-mux", "rtcp_mux"),
    same("rtcp-rsize", "rtcp_reduced_size"),
    MappingRule(("extmap",), _extensions_to_element, _extensions_to_media),
    same("extmap-allow-mixed", "extmap_allow_mixed"),
    same("msid", "streams", _streams),
    same("ssrc-group", "source_groups", _groups),
    same("ssrc", "sources", _sources),
    MappingRule(("ssrc",), lambda media, role: {"ssrc": ssrc_of(media.sources)}, lambda element, role: {}),
    MappingRule(
        ("crypto",),
        lambda media, role: {"encryption": rtp.Encryption(cryptos=media.cryptos) if media.cryptos else None},
        _cryptos_to_media,
    ),
    MappingRule((), _bandwidths_to_element, _bandwidths_to_media),
)


def describe(media: MediaDescription, role: Role) -> rtp.RtpDescription:
    """Return the `<description/>` of a media section."""
    fields: dict[str, Any] = {}
    for rule in RTP_RULES:
        fields.update(rule.to_element(media, role))
    return rtp.RtpDescription(**fields)


def read_description(description: rtp.RtpDescription, role: Role) -> dict[str, Any]:
    """Return the fields of a media section that a `<description/>` tells.

    Raises:
        RemoteProtocolError: It holds what SDP cannot carry.
    """
    fields: dict[str, Any] = {}
    for rule in RTP_RULES:
        fields.update(rule.to_media(description, role))
    return fields
