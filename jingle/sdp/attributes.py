"""The table of attributes: for each name how its value is read, and how it is written.

`a=rtpmap`, `a=fmtp` and `a=rtcp-fb` of payload types that the `m=` line does not list say nothing, so they are kept as
attributes without a field. The same goes for candidates of a kind nobody has heard of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..elements import rtp
from ..elements.ice_udp import SctpMap, Setup
from ..elements.values import UNSIGNED_BYTE, UNSIGNED_INT, UNSIGNED_LONG, UNSIGNED_SHORT
from .candidates import format_candidate, read_candidate
from .draft import (
    NUMBER,
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
    parameter,
    shown,
    split,
    words,
)
from .model import (
    Connection,
    Direction,
    Fingerprint,
    Group,
    HeaderExtension,
    RemoteCandidate,
    Rid,
    Rtcp,
    Simulcast,
)
from .rules import NAME, TOKEN

Read = Callable[[Draft, str], None]
Write = Callable[[Any, list[str]], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one attribute is read into a draft, and written from a section."""

    name: str
    read: Read
    write: Write
    levels: str = "media"
    """`session`, `media` or `both`."""


def flag(name: str, field: str, levels: str = "media") -> Rule:
    """An attribute without a value."""

    def read(draft: Draft, value: str) -> None:
        draft.values[field] = True

    def write(section: Any, lines: list[str]) -> None:
        if getattr(section, field):
            lines.append(f"a={name}")

    return Rule(name, read, write, levels)


def single(
    name: str, field: str, read_value: Callable[[str], Any], write_value: Callable[[Any], str], levels: str = "media"
) -> Rule:
    """An attribute that a section has once."""

    def read(draft: Draft, value: str) -> None:
        draft.put(field, read_value(value))

    def write(section: Any, lines: list[str]) -> None:
        value = getattr(section, field)
        if value is not None:
            lines.append(f"a={name}:{write_value(value)}")

    return Rule(name, read, write, levels)


def many(
    name: str, field: str, read_value: Callable[[str], Any], write_value: Callable[[Any], str], levels: str = "media"
) -> Rule:
    """An attribute with one line for each of many values."""

    def read(draft: Draft, value: str) -> None:
        draft.add(field, read_value(value))

    def write(section: Any, lines: list[str]) -> None:
        lines.extend([f"a={name}:{write_value(value)}" for value in getattr(section, field)])

    return Rule(name, read, write, levels)


def stripped(parts: list[str]) -> list[str]:
    """Return the parts of a list without the white space around them."""
    return [part.strip(SPACE) for part in parts]


def whole(within: range, what: str) -> Callable[[str], int]:
    """Return a reader of a whole number."""
    return lambda value: number(value.strip(SPACE), within, what)


def word(what: str) -> Callable[[str], str]:
    """Return a reader of one word."""

    def read(value: str) -> str:
        found = split(value)
        if len(found) != 1:
            raise Malformed(f"the {what} {shown(value)} is not one word")
        return found[0]

    return read


# Payload types.


def _payload_type(value: str) -> tuple[int | None, str]:
    """Split off the payload type that a value begins with; `None` is `*`."""
    head, _, rest = value.strip(SPACE).partition(" ")
    return (None if head == "*" else number(head, range(128), "payload type")), rest.strip(SPACE)


def _read_rtpmap(draft: Draft, value: str) -> None:
    id, rest = _payload_type(value)
    if id not in draft.formats or id is None:
        draft.keep("rtpmap", value)
        return
    name, _, rate = word("encoding")(rest).partition("/")
    if not name:
        raise Malformed("the encoding has no name")
    clockrate, _, channels = rate.partition("/")
    draft.rtpmaps[id] = (
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
    id = int(head) if NUMBER.fullmatch(head) else None
    if id is None or id not in draft.formats:
        draft.keep("fmtp", value)
        return
    draft.append(draft.fmtps, id, *[parameter(part) for part in bounded(stripped(rest.split(";"))) if part.strip("=")])


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
    if isinstance(message, rtp.FeedbackInterval):
        if id is None:
            draft.put("feedback_interval", message)
        elif draft.intervals.setdefault(id, message) != message:
            raise Malformed("the payload type has another interval already")
    elif id is None:
        draft.add("feedback", message)
    else:
        draft.append(draft.feedback, id, message)


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


# Security.


def _read_fingerprint(value: str) -> Fingerprint:
    hash, found, *_ = words(value, 2, "the fingerprint")
    return Fingerprint(hash=hash, value=found)


def _read_crypto(value: str) -> rtp.Crypto:
    tag, suite, keys, *session = cut(value, 3, "the key")
    return rtp.Crypto(tag=tag, crypto_suite=suite, key_params=keys, session_params=session[0] if session else None)


def _format_crypto(value: rtp.Crypto) -> str:
    session = f" {value.session_params}" if value.session_params is not None else ""
    return f"{value.tag} {value.crypto_suite} {value.key_params}{session}"


def _read_mid(value: str) -> str:
    found = value.strip(SPACE)
    if not TOKEN.fullmatch(found):
        raise Malformed(f"the mid {shown(value)} is not a token")
    return found


# Groups, addresses, transports.


def _read_group(value: str) -> Group:
    semantics, *mids = words(value, 1, "the group")
    return Group(semantics=semantics, mids=tuple(mids))


def read_connection(value: str) -> Connection:
    """Read the value of a `c=` line."""
    parts = words(value, 3, "the address")
    return Connection(network_type=parts[0], address_type=parts[1], address=parts[2])


def format_connection(value: Connection) -> str:
    """Write the value of a `c=` line."""
    return f"{value.network_type} {value.address_type} {value.address}"


def read_rtcp(value: str) -> Rtcp:
    """Read the value of `a=rtcp`."""
    port, _, rest = value.strip(SPACE).partition(" ")
    return Rtcp(
        port=number(port, UNSIGNED_SHORT, "port"), connection=read_connection(rest) if rest.strip(SPACE) else None
    )


def format_rtcp(value: Rtcp) -> str:
    """Write the value of `a=rtcp`."""
    return f"{value.port} {format_connection(value.connection)}" if value.connection else str(value.port)


def _read_remote_candidates(draft: Draft, value: str) -> None:
    parts = words(value, 3, "the remote candidates")
    if len(parts) % 3:
        raise Malformed("remote candidates come in threes: component, address, port")
    for component, address, port in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        found = RemoteCandidate(
            component=number(component, UNSIGNED_BYTE, "component"),
            address=address,
            port=number(port, UNSIGNED_SHORT, "port"),
        )
        draft.add("remote_candidates", found)


def _write_remote_candidates(section: Any, lines: list[str]) -> None:
    if section.remote_candidates:
        parts = [f"{each.component} {each.address} {each.port}" for each in section.remote_candidates]
        lines.append(f"a=remote-candidates:{' '.join(parts)}")


def _read_candidate(draft: Draft, value: str) -> None:
    found = read_candidate(value)
    if found is None:
        draft.keep("candidate", value)
    else:
        draft.add("candidates", found)


def _write_candidate(section: Any, lines: list[str]) -> None:
    lines.extend([f"a=candidate:{format_candidate(each)}" for each in section.candidates])


def _read_sctpmap(draft: Draft, value: str) -> None:
    port, protocol, *streams = words(value, 2, "the SCTP map")
    made = SctpMap(
        number=number(port, UNSIGNED_SHORT, "SCTP port"),
        protocol=protocol,
        streams=number(streams[0], UNSIGNED_INT, "number of streams") if streams else None,
    )
    draft.put("sctp_map", made)


def _write_sctpmap(section: Any, lines: list[str]) -> None:
    found = section.sctp_map
    if found is not None:
        streams = f" {found.streams}" if found.streams is not None else ""
        lines.append(f"a=sctpmap:{found.number} {found.protocol}{streams}")


def _read_ice_options(draft: Draft, value: str) -> None:
    for option in split(value):
        if option not in draft.values.get("ice_options", ()):
            draft.add("ice_options", option)


def _write_ice_options(section: Any, lines: list[str]) -> None:
    if section.ice_options:
        lines.append(f"a=ice-options:{' '.join(section.ice_options)}")


def _direction(direction: Direction) -> Rule:
    def read(draft: Draft, value: str) -> None:
        draft.put("direction", direction)

    def write(section: Any, lines: list[str]) -> None:
        if section.direction is direction:
            lines.append(f"a={direction.value}")

    return Rule(direction.value, read, write, "both")


RULES: tuple[Rule, ...] = (
    many("group", "groups", _read_group, lambda value: " ".join([value.semantics, *value.mids]), "session"),
    flag("ice-lite", "ice_lite", "session"),
    single("rtcp", "rtcp", read_rtcp, format_rtcp),
    Rule("candidate", _read_candidate, _write_candidate),
    Rule("remote-candidates", _read_remote_candidates, _write_remote_candidates),
    flag("end-of-candidates", "end_of_candidates", "both"),
    single("ice-ufrag", "ice_ufrag", word("ufrag"), str, "both"),
    single("ice-pwd", "ice_pwd", word("password"), str, "both"),
    Rule("ice-options", _read_ice_options, _write_ice_options, "both"),
    many("fingerprint", "fingerprints", _read_fingerprint, lambda value: f"{value.hash} {value.value}", "both"),
    single(
        "setup",
        "setup",
        lambda value: member(Setup, value.strip(SPACE), "setup"),
        lambda value: str(value.value),
        "both",
    ),
    single("mid", "mid", _read_mid, str),
    many("extmap", "header_extensions", _read_extmap, _format_extmap, "both"),
    flag("extmap-allow-mixed", "extmap_allow_mixed", "both"),
    *(_direction(each) for each in Direction),
    many(
        "msid",
        "streams",
        _read_msid,
        lambda value: value.id if value.track is None else f"{value.id} {value.track}",
    ),
    flag("bundle-only", "bundle_only"),
    flag("rtcp-mux", "rtcp_mux"),
    flag("rtcp-rsize", "rtcp_reduced_size"),
    Rule("rtpmap", _read_rtpmap, _write_rtpmap),
    Rule("rtcp-fb", _read_rtcp_fb, _write_rtcp_fb),
    Rule("fmtp", _read_fmtp, _write_fmtp),
    single("ptime", "ptime", whole(UNSIGNED_INT, "packet time"), str),
    single("maxptime", "maxptime", whole(UNSIGNED_INT, "packet time"), str),
    many("crypto", "cryptos", _read_crypto, _format_crypto),
    many("rid", "rids", _read_rid, _format_rid),
    single("simulcast", "simulcast", _read_simulcast, _format_simulcast),
    many(
        "ssrc-group",
        "source_groups",
        _read_ssrc_group,
        lambda value: " ".join([value.semantics, *(str(each.ssrc) for each in value.sources)]),
    ),
    Rule("ssrc", _read_ssrc, _write_ssrc),
    single("sctp-port", "sctp_port", whole(UNSIGNED_SHORT, "SCTP port"), str),
    Rule("sctpmap", _read_sctpmap, _write_sctpmap),
    single("max-message-size", "max_message_size", whole(UNSIGNED_LONG, "message size"), str),
)
"""In the order they are written in, which is that of browsers where it matters to a reader."""
