"""Session descriptions as text: `parse` and `format` (RFC 8866)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..elements import bounds, rtp
from ..elements.values import UNSIGNED_SHORT
from ..errors import LocalProtocolError, SdpError
from .attribute_kinds import Rule
from .attributes import RULES, format_connection, read_connection
from .draft import LINE_ORDER, NUMBER, SPACE, Draft, Malformed, number, shown, split, words
from .model import MediaDescription, Origin, Section, SessionDescription
from .rules import NAME

LONGEST = 2**20
"""Characters of a description. Conferences of hundreds of sources stay below a tenth of it."""

FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufffe\uffff]|\r(?!\n|\\Z)")
"""What ends a line for somebody, or cannot travel in XML."""

JINGLE_ONLY = "jingle-"
"""How the attributes begin that carry what Jingle says and SDP has no word for."""

ATTRIBUTES: dict[str, dict[str, Rule]] = {
    level: {rule.name: rule for rule in RULES if rule.levels in (level, "both")} for level in ("session", "media")
}


def parse(text: str) -> SessionDescription:
    """Read a description; lines may end with CRLF, as the RFC has it, or with LF.

    Attributes without a meaning to us, and those that stand where they have none, are kept as they are.

    Raises:
        SdpError: Something in it is malformed, contradicts itself or is beyond a bound; it tells the line and why.
    """
    if len(text) > LONGEST:
        raise SdpError(1, f"the description is longer than {LONGEST} characters")
    found = forbidden(text)
    if found:
        raise SdpError(text.count("\n", 0, found.start()) + 1, f"there is the character {found.group()!a}")
    lines = text.replace("\r", "").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    parser = _Parser()
    try:
        parser.read(lines)
    except Malformed as exc:
        raise SdpError(parser.position, str(exc)) from None
    return parser.finished()


def forbidden(text: str) -> re.Match[str] | None:
    """Find the first character that no description may hold, or `None`."""
    # What everybody writes is printable between its line ends; asking that takes a tenth of the time.
    return None if text.replace("\r\n", "").replace("\n", "").isprintable() else FORBIDDEN.search(text)


def format(description: SessionDescription) -> str:
    """Write a description, its lines ending with CRLF.

    Raises:
        LocalProtocolError: Something in it holds a character that would end the line.
    """
    lines = ["v=0", f"o={format_origin(description.origin)}", f"s={description.name}", *session_lines(description)]
    for media in description.media:
        count = f"/{media.port_count}" if media.port_count is not None else ""
        formats = [*(str(each.id) for each in media.payload_types), *media.formats]
        lines.append(" ".join([f"m={media.media} {media.port}{count} {media.profile}", *formats]))
        _write_section(media, ATTRIBUTES["media"], lines, [])
    text = "\r\n".join([*lines, ""])
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or forbidden(text):
        raise LocalProtocolError("a value of the description holds a character that SDP cannot carry")
    return text


def session_lines(description: SessionDescription) -> list[str]:
    """Write what a description says before its first media section, without `v=`, `o=`, `s=`."""
    lines: list[str] = []
    timing = [f"{kind}={value}" for kind, value in description.timing]
    _write_section(description, ATTRIBUTES["session"], lines, timing)
    return lines


def read_lines(lines: Iterable[str], level: str, formats: Iterable[int] = ()) -> dict[str, Any]:
    """Read lines that were carried by themselves, as the fields of a section with these payload types.

    Raises:
        Malformed: One of them cannot be read.
    """
    lines = [*lines]
    for line in lines:
        if line[:1] in "vm":
            raise Malformed(f"there is no line {shown(line[:2])} here")
    parser = _Parser()
    parser.begun = True
    parser.rules = ATTRIBUTES[level]
    parser.current = draft = parser.session if level == "session" else Draft()
    draft.formats = dict.fromkeys(formats)
    if level == "media":
        draft.values["connection"] = None  # told elsewhere; what comes by itself are further ones
    parser.read(lines)
    if level == "media":
        del draft.values["connection"]
    draft.formats = {}
    return draft.finished()


def _write_section(section: Section, rules: dict[str, Rule], lines: list[str], timing: list[str]) -> None:
    first = [*timing]
    if section.connection is not None:
        first.append(f"c={format_connection(section.connection)}")
    first += [f"{kind}={value}" for kind, value in section.lines]
    first += [f"b={each.type}:{each.value}" for each in section.bandwidths]
    lines += sorted(first, key=_rank)
    for rule in rules.values():
        rule.write(section, lines)
    lines += [f"a={kept.name}" if kept.value is None else f"a={kept.name}:{kept.value}" for kept in section.attributes]


def _rank(line: str) -> int:
    # What repeats and adjusts the times follows them, in the order it was given.
    return LINE_ORDER.find("t" if line[0] in "rz" else line[0])


class _Parser:
    """Reads line after line into the drafts of the session and of each media section."""

    def __init__(self) -> None:
        self.session = Draft()
        self.sections: list[Draft] = []
        self.current = self.session
        self.rules = ATTRIBUTES["session"]
        self.mids: set[str] = set()
        self.begun = False
        self.position = 0
        """The number of the line that is being read, or was the last."""

    def read(self, lines: list[str]) -> None:
        for line in lines:
            self.position += 1
            if not line.startswith("a=") or not self.begun:
                self._line(line)
                continue
            name, _, value = line[2:].partition(":")
            rule = self.rules.get(name)
            if rule is None or len(line) - 2 > bounds.ATTRIBUTE:
                self._other_attribute(name, line[2:])
            else:
                rule.read(self.current, value)
                if name == "mid":
                    self._mid(self.current.values["mid"])

    def _line(self, line: str) -> None:
        kind, value = line[:2], line[2:]
        if not self.begun:
            if line.strip(SPACE) != "v=0":
                raise Malformed("a description begins with v=0")
            self.begun = True
        elif kind[1:] != "=":
            raise Malformed(f"{shown(line)} is not of the form x=...")
        elif len(value) > bounds.ATTRIBUTE:
            raise Malformed(f"the line is longer than {bounds.ATTRIBUTE} characters")
        elif kind == "m=":
            self._media(value)
        elif not self._session_line(kind[0], value):
            self._common_line(kind[0], value)

    def _other_attribute(self, name: str, line: str) -> None:
        """Keep an attribute that no rule reads; refuse one that is too long."""
        if len(line) > bounds.ATTRIBUTE and not (name.startswith(JINGLE_ONLY) and len(line) <= bounds.TEXT):
            raise Malformed(f"the line is longer than {bounds.ATTRIBUTE} characters")
        if not NAME.fullmatch(name):
            raise Malformed(f"{shown(name)} is no name of an attribute")
        self.current.keep(name, line[len(name) + 1 :] if len(line) > len(name) else None)

    def _mid(self, mid: str) -> None:
        if mid in self.mids:
            raise Malformed(f"the mid {shown(mid)} is used twice")
        self.mids.add(mid)

    def _media(self, value: str) -> None:
        media, raw_port, profile, *formats = words(value, 3, "the media section")
        port, slash, count = raw_port.partition("/")
        draft = Draft()
        draft.values |= {"media": media, "port": number(port, UNSIGNED_SHORT, "port"), "profile": profile}
        if slash:
            draft.values["port_count"] = number(count, UNSIGNED_SHORT, "number of ports")
        if "RTP" in profile.split("/"):
            draft.formats = {number(each, range(128), "payload type"): None for each in formats}
            if len(draft.formats) != len(formats):
                raise Malformed("a payload type is listed twice")
        else:
            draft.values["formats"] = tuple(formats)
        self.sections.append(draft)
        if len(self.sections) > bounds.CHILDREN:
            raise Malformed(f"there are more than {bounds.CHILDREN} media sections")
        self.current, self.rules = draft, ATTRIBUTES["media"]

    def _session_line(self, kind: str, value: str) -> bool:
        """Read a line that stands before the media sections only; return whether it was one."""
        if self.current is not self.session:
            return False
        if kind == "o":
            self.session.put("origin", _read_origin(value))
        elif kind == "s":
            self.session.put("name", value)
        elif kind in ("t", "r", "z"):
            self.session.add("timing", (kind, value))
        elif kind in ("u", "e", "p"):
            self.session.add("lines", (kind, value))
        else:
            return False
        return True

    def _common_line(self, kind: str, value: str) -> None:
        if kind == "c" and "connection" not in self.current.values:
            self.current.values["connection"] = read_connection(value)
        elif kind == "c" and self.current is self.session:
            raise Malformed("a session has one address")
        elif kind == "b":
            name, colon, rest = value.partition(":")
            if not name or not colon:
                raise Malformed(f"the bandwidth {shown(value)} is not of the form type:value")
            self.current.add("bandwidths", rtp.Bandwidth(type=name, value=rest.strip(SPACE)))
        elif kind in ("i", "k", "c"):
            self.current.add("lines", (kind, value))
        else:
            raise Malformed(f"there is no line {shown(kind + '=')} here")

    def finished(self) -> SessionDescription:
        for field, name in (("origin", "o="), ("name", "s=")):
            if field not in self.session.values:
                raise SdpError(1, f"the line {name} is missing")
        media = tuple([MediaDescription(**section.finished()) for section in self.sections])
        return SessionDescription(**self.session.finished(), media=media)


def format_origin(origin: Origin) -> str:
    """Write the value of `o=`."""
    return (
        f"{origin.username} {origin.session_id} {origin.version} "
        f"{origin.network_type} {origin.address_type} {origin.address}"
    )


def _read_origin(value: str) -> Origin:
    parts = split(value)
    if len(parts) != 6:
        raise Malformed(f"the origin has {len(parts)} parts instead of six")
    username, session_id, version, network, kind, address = parts
    for each in (session_id, version):
        if not NUMBER.fullmatch(each):
            raise Malformed(f"the number {shown(each)} of the origin is not one")
    return Origin(
        username=username,
        session_id=session_id,
        version=version,
        network_type=network,
        address_type=kind,
        address=address,
    )
