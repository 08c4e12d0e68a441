"""The attributes of payload types, header extensions, sources, streams and simulcasts, one reader and writer each.

`a=rtpmap`, `a=fmtp` and `a=rtcp-fb` of payload types that the `m=` line does not list say nothing, so they are kept as
attributes without a field.
"""

from __future__ import annotations

from typing import Any

from ..elements import rtp
from ..elements.rtp import Direction
from ..elements.values import UNSIGNED_BYTE, UNSIGNED_INT, UNSIGNED_SHORT
from .attribute_kinds import Rule, many, single, stripped, whole, word
from .draft import (
    SPACE,
    Draft,
    Malformed,
    bounded,
    cut,
    feedback,
    joined,
    member,
    number,
    pairs,
    parameters,
    shared,
    shown,
    split,
    words,
)
from .model import HeaderExtension, Rid, Simulcast
from .rules import NAME

# Payload types.


PAYLOAD_TYPES = {str(id): id for id in range(128)}


def _payload_type(value: str) -> tuple[int | None, str]:
    """Split off the payload type that a value begins with; `None` is `*`."""
    head, _, rest = value.partition(" ")
    id = PAYLOAD_TYPES.get(head)
    if id is None and head != "*":
        head, *parts = cut(value, 1, "the attribute")
        id = number(head, range(128), "payload type")
        return id, "".join(parts)
    return id, rest


def _read_rtpmap(draft: Draft, value: str) -> None:
    id, rest = _payload_type(value)
    if id in draft.formats:
        draft.rtpmaps[id] = _encoding(rest)
    else:
        draft.keep("rtpmap", value)


@shared
def _encoding(raw: str) -> tuple[str, int | None, int | None]:
    """Read a codec: name, clock rate, channels."""
    name, _, rate = word("encoding")(raw).partition("/")
    if not name:
        raise Malformed("the encoding has no name")
    clockrate, _, channels = rate.partition("/")
    return (
        name,
        number(clockrate, UNSIGNED_INT, "clock rate") if clockrate else None,
        number(channels, UNSIGNED_BYTE, "number of channels") if channels else None,
    )


def _write_rtpmap(section: Any, lines: list[str]) -> None:
    for kind in section.payload_types:
        if kind.name is not None:
            rate = f"/{kind.clockrate}" if kind.clockrate is not None else ""
            channels = f"/{kind.channels}" if kind.channels is not None and rate else ""
            lines.append(f"a=rtpmap:{kind.id} {kind.name}{rate}{channels}")


def _read_fmtp(draft: Draft, value: str) -> None:
    head, _, rest = value.strip(SPACE).partition(" ")
    id = PAYLOAD_TYPES.get(head)
    if id in draft.formats:
        draft.append(draft.fmtps, id, *parameters(rest))
    else:
        draft.keep("fmtp", value)


def _write_fmtp(section: Any, lines: list[str]) -> None:
    for kind in section.payload_types:
        if kind.parameters:
            values = ";".join([joined(each.name, each.value) for each in kind.parameters])
            lines.append(f"a=fmtp:{kind.id} {values}")


def _read_rtcp_fb(draft: Draft, value: str) -> None:
    id, rest = _payload_type(value)
    if id is not None and id not in draft.formats:
        draft.keep("rtcp-fb", value)
        return
    message = feedback(rest)
    if isinstance(message, rtp.Feedback):
        if id is None:
            draft.add("feedback", message)
        else:
            draft.append(draft.feedback, id, message)
    elif id is None:
        draft.put("feedback_interval", message)
    elif draft.intervals.setdefault(id, message) != message:
        raise Malformed("the payload type has another interval already")


def _feedback_lines(head: str, messages: Any, interval: rtp.FeedbackInterval | None, lines: list[str]) -> None:
    for each in messages:
        line = f"{head} {each.type} {each.subtype}" if each.subtype is not None else f"{head} {each.type}"
        if each.parameters:
            line = " ".join([line, *(joined(part.name, part.value) for part in each.parameters)])
        lines.append(line)
    if interval is not None:
        lines.append(f"{head} trr-int {interval.value}")


def _write_rtcp_fb(section: Any, lines: list[str]) -> None:
    _feedback_lines("a=rtcp-fb:*", section.feedback, section.feedback_interval, lines)
    for kind in section.payload_types:
        _feedback_lines(f"a=rtcp-fb:{kind.id}", kind.feedback, kind.feedback_interval, lines)


@shared
def _read_extmap(value: str) -> HeaderExtension:
    head, uri, *rest = cut(value, 2, "the header extension")
    id, slash, direction = head.partition("/")
    attributes = pairs(split(rest[0])) if rest else []
    return HeaderExtension(
        id=number(id, UNSIGNED_SHORT, "header extension's number"),
        uri=uri,
        direction=member(Direction, direction, "direction") if slash else None,
        attributes=tuple(rtp.HeaderExtensionParameter(name=name, value=found) for name, found in attributes),
    )


def _format_extmap(value: HeaderExtension) -> str:
    direction = f"/{value.direction.value}" if value.direction else ""
    return " ".join(
        [f"{value.id}{direction}", value.uri, *(joined(each.name, each.value) for each in value.attributes)]
    )


# Sources and streams.


def _read_ssrc(draft: Draft, value: str) -> None:
    ssrc, _, rest = value.strip(SPACE).partition(" ")
    name, colon, said = rest.partition(":")
    if not NAME.fullmatch(name):
        raise Malformed(f"a source needs an attribute, and {shown(name)} is none")
    draft.append(
        draft.sources,
        number(ssrc, UNSIGNED_INT, "source"),
        rtp.SourceParameter(name=name, value=said if colon else None),
    )


def _write_ssrc(section: Any, lines: list[str]) -> None:
    for source in section.sources:
        head = f"a=ssrc:{source.ssrc}"
        lines.extend([f"{head} {joined(each.name, each.value, ':')}" for each in source.parameters])


def _read_ssrc_group(value: str) -> rtp.SourceGroup:
    semantics, *numbers = words(value, 1, "the group of sources")
    return rtp.SourceGroup(
        semantics=semantics,
        sources=tuple([rtp.Source(ssrc=number(each, UNSIGNED_INT, "source")) for each in bounded(numbers)]),
    )


def _read_msid(value: str) -> rtp.MediaStream:
    id, *track = cut(value, 1, "the stream")
    return rtp.MediaStream(id=id, track=track[0] if track else None)


def _read_rid(value: str) -> Rid:
    id, direction, *rest = cut(value, 2, "the rid")
    if direction not in ("send", "recv"):
        raise Malformed(f"the direction {shown(direction)} of a rid is neither send nor recv")
    restrictions = pairs(stripped(rest[0].split(";"))) if rest else []
    return Rid(id=id, direction=direction, restrictions=tuple(restrictions))


def _format_rid(value: Rid) -> str:
    restrictions = ";".join([joined(*each) for each in value.restrictions])
    return f"{value.id} {value.direction} {restrictions}" if restrictions else f"{value.id} {value.direction}"


def _read_simulcast(value: str) -> Simulcast:
    parts = words(value, 2, "the simulcast")
    found = dict(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) not in (2, 4) or len(found) * 2 != len(parts) or not found.keys() <= {"send", "recv"}:
        raise Malformed(f"the simulcast {shown(value)} is not send and recv with a list each")
    streams = {name: tuple([tuple(each.split(",")) for each in raw.split(";")]) for name, raw in found.items()}
    return Simulcast(send=streams.get("send", ()), receive=streams.get("recv", ()))


def _format_simulcast(value: Simulcast) -> str:
    lists = (("send", value.send), ("recv", value.receive))
    return " ".join([f"{name} {';'.join([','.join(each) for each in streams])}" for name, streams in lists if streams])


CODEC_RULES: tuple[Rule, ...] = (
    Rule("rtpmap", _read_rtpmap, _write_rtpmap),
    Rule("rtcp-fb", _read_rtcp_fb, _write_rtcp_fb),
    Rule("fmtp", _read_fmtp, _write_fmtp),
    single("ptime", "ptime", whole(UNSIGNED_INT, "packet time"), str),
    single("maxptime", "maxptime", whole(UNSIGNED_INT, "packet time"), str),
)

EXTENSION_RULES: tuple[Rule, ...] = (many("extmap", "header_extensions", _read_extmap, _format_extmap, "both"),)

STREAM_RULES: tuple[Rule, ...] = (
    many(
        "msid",
        "streams",
        _read_msid,
        lambda value: value.id if value.track is None else f"{value.id} {value.track}",
    ),
)

SOURCE_RULES: tuple[Rule, ...] = (
    many("rid", "rids", _read_rid, _format_rid),
    single("simulcast", "simulcast", _read_simulcast, _format_simulcast),
    many(
        "ssrc-group",
        "source_groups",
        _read_ssrc_group,
        lambda value: " ".join([value.semantics, *(str(each.ssrc) for each in value.sources)]),
    ),
    Rule("ssrc", _read_ssrc, _write_ssrc),
)
