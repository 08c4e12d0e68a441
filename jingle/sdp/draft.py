"""What parsing collects until a section is complete, and the small readers that every attribute is read with."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from ..elements import bounds, rtp
from ..elements.model import unchecked
from ..elements.values import UNSIGNED_INT
from .model import Attribute

T = TypeVar("T")

SPACE = " \t"
SPACES = re.compile("[ \t]+")
NUMBER = re.compile(rf"[0-9]{{1,{bounds.DIGITS}}}")


LINE_ORDER = "iuepcbtrzk"
"""The order of the lines between `s=` and the attributes (RFC 8866 section 5)."""


class Malformed(ValueError):
    """Something is wrong with the value of a line; `text.parse` adds which line it was."""


def number(raw: str, within: range, what: str) -> int:
    """Read a whole number.

    Raises:
        Malformed: It is none, or outside of the range.
    """
    if not (raw.isdecimal() and raw.isascii() and len(raw) <= bounds.DIGITS):
        raise Malformed(f"the {what} {shown(raw)} is not a whole number")
    value = int(raw)
    if value not in within:
        raise Malformed(f"the {what} {raw} is not between {within.start} and {within.stop - 1}")
    return value


def split(value: str) -> list[str]:
    """Split at spaces and tabs, which are SDP's white space; `str.split` knows more."""
    return [part for part in value.replace("\t", " ").split(" ") if part]


def words(value: str, least: int, what: str) -> list[str]:
    """Split at white space.

    Raises:
        Malformed: There are fewer words than `least`.
    """
    found = split(value)
    if len(found) < least:
        raise Malformed(f"{what} has {len(found)} of at least {least} parts")
    return found


def bounded(parts: list[str]) -> list[str]:
    """Return the parts of a line, unless they are more than an element may have children.

    Raises:
        Malformed: They are.
    """
    if len(parts) > bounds.CHILDREN:
        raise Malformed(f"the line has more than {bounds.CHILDREN} parts")
    return parts


def cut(value: str, least: int, what: str) -> list[str]:
    """Split off as many words, and leave the rest as it is.

    Raises:
        Malformed: There are fewer words than `least`.
    """
    found = SPACES.split(value.strip(SPACE), least)
    if len(found) < least or not found[0]:
        raise Malformed(f"{what} has {len(found)} of at least {least} parts")
    return found


def member(kind: Any, raw: str, what: str) -> Any:
    """Read a member of an enumeration by its value.

    Raises:
        Malformed: There is none.
    """
    try:
        return kind(raw)
    except ValueError:
        raise Malformed(f"the {what} {shown(raw)} is not one of {', '.join(each.value for each in kind)}") from None


def shown(raw: str) -> str:
    """Return a text of the input as it may appear in a message."""
    return repr(raw if len(raw) <= 40 else f"{raw[:40]}...")


def shared(read: Callable[[str], T]) -> Callable[[str], T]:
    """Make a reader read each short text once.

    Descriptions are made of the same few dozen codecs, feedback messages and parameters; frozen values can be shared.
    """
    remembered = lru_cache(maxsize=bounds.WORDS)(read)
    return lambda raw: remembered(raw) if len(raw) <= bounds.WORD else read(raw)


@shared
def feedback(raw: str) -> rtp.Feedback | rtp.FeedbackInterval:
    """Read what `a=rtcp-fb` says behind the payload type.

    Raises:
        Malformed: It is nothing, or no number where one is needed.
    """
    type, *more = words(raw, 1, "the feedback")
    if type == "trr-int" and len(more) == 1:
        return rtp.FeedbackInterval(value=number(more[0], UNSIGNED_INT, "interval"))
    parts = tuple([rtp.FeedbackParameter(name=name, value=value) for name, value in pairs(more[1:])])
    return rtp.Feedback(type=type, subtype=more[0] if more else None, parameters=parts)


@shared
def parameters(raw: str) -> tuple[rtp.Parameter, ...]:
    """Return the elements of the format parameters that `a=fmtp` lists behind the payload type.

    Raises:
        Malformed: There are more than an element may have children.
    """
    found = [pair(part) for part in bounded([part.strip(SPACE) for part in raw.split(";")]) if part.strip("=")]
    return tuple([rtp.Parameter(name=name.strip(SPACE), value=value and value.strip(SPACE)) for name, value in found])


def pair(raw: str) -> tuple[str, str | None]:
    """Split `name=value`; a bare name has the value `None`."""
    name, found, value = raw.lstrip("=").partition("=")
    return name, value if found else None


def pairs(parts: list[str]) -> list[tuple[str, str | None]]:
    """Split several `name=value`, leaving out what says nothing.

    Raises:
        Malformed: There are more than an element may have children.
    """
    return [pair(part) for part in bounded(parts) if part.strip("=")]


def joined(name: str | None, value: str | None, separator: str = "=") -> str:
    """Put a name and a value together, the reverse of `pair`; either may be missing.

    Some clients write a bare value without a name, others a name without a value: in SDP they are the same.
    """
    if not name:
        return value or ""
    return name if value is None else f"{name}{separator}{value}"


class Draft:
    """A section under construction: values of fields, and what is assembled into payload types and sources."""

    __slots__ = ("feedback", "formats", "fmtps", "intervals", "rtpmaps", "sources", "values")

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.formats: dict[int, None] = {}
        """The payload types of the `m=` line, in order."""

        self.rtpmaps: dict[int, tuple[str, int | None, int | None]] = {}
        self.fmtps: dict[int, list[rtp.Parameter]] = {}
        self.feedback: dict[int, list[rtp.Feedback]] = {}
        self.intervals: dict[int, rtp.FeedbackInterval] = {}
        self.sources: dict[int, list[rtp.SourceParameter]] = {}

    def put(self, field: str, value: Any) -> None:
        """Set a field that a section has once; saying the same twice is harmless.

        Raises:
            Malformed: It has another value already.
        """
        if self.values.setdefault(field, value) != value:
            raise Malformed("the section has said otherwise before")

    def add(self, field: str, value: Any) -> None:
        """Append to a field that holds many.

        Raises:
            Malformed: There are more than any element may have.
        """
        self.append(self.values, field, value)

    @staticmethod
    def append(lists: dict[Any, Any], key: Any, *values: Any) -> None:
        """Append to one of several lists.

        Raises:
            Malformed: It, or their number, grows beyond what an element may have.
        """
        found: list[Any] | None = lists.get(key)
        if found is None:
            found = lists[key] = []
        found += values
        if len(found) > bounds.CHILDREN or len(lists) > bounds.CHILDREN:
            raise Malformed(f"there are more than {bounds.CHILDREN} of these in one section")

    def keep(self, name: str, value: str | None) -> None:
        """Keep an attribute that has no field."""
        self.add("attributes", Attribute(name=name, value=value))

    def finished(self) -> dict[str, Any]:
        """Return the fields of the section."""
        values = {name: tuple(value) if type(value) is list else value for name, value in self.values.items()}
        if "lines" in values:
            values["lines"] = tuple(sorted(values["lines"], key=lambda line: LINE_ORDER.find(line[0])))
        if self.formats:
            values["payload_types"] = tuple([self._payload_type(number) for number in self.formats])
        if self.sources:
            values["sources"] = tuple(
                [rtp.Source(ssrc=ssrc, parameters=tuple(found)) for ssrc, found in self.sources.items()]
            )
        return values

    def _payload_type(self, number: int) -> rtp.PayloadType:
        name, clockrate, channels = completed(number, *self.rtpmaps.get(number, (None, None, None)))
        return unchecked(
            rtp.PayloadType,
            id=number,
            name=name,
            clockrate=clockrate,
            channels=channels,
            parameters=tuple(self.fmtps[number]) if number in self.fmtps else (),
            feedback=tuple(self.feedback[number]) if number in self.feedback else (),
            feedback_interval=self.intervals.get(number),
        )


def completed(
    number: int, name: str | None, clockrate: int | None, channels: int | None
) -> tuple[str | None, int | None, int | None]:
    """Return what an `a=rtpmap` can say: what goes without saying filled in, what has no place left out."""
    known = STATIC.get(number)
    if name is None:
        name, clockrate, channels = known or (None, None, None)
    elif known is not None and clockrate is None and name.upper() == known[0].upper():
        clockrate, channels = known[1], channels or known[2]
    return name, clockrate, channels if channels != 1 and clockrate is not None else None


STATIC: dict[int, tuple[str, int, int | None]] = {
    0: ("PCMU", 8000, None),
    3: ("GSM", 8000, None),
    4: ("G723", 8000, None),
    5: ("DVI4", 8000, None),
    6: ("DVI4", 16000, None),
    7: ("LPC", 8000, None),
    8: ("PCMA", 8000, None),
    9: ("G722", 8000, None),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, None),
    12: ("QCELP", 8000, None),
    13: ("CN", 8000, None),
    14: ("MPA", 90000, None),
    15: ("G728", 8000, None),
    16: ("DVI4", 11025, None),
    17: ("DVI4", 22050, None),
    18: ("G729", 8000, None),
    25: ("CelB", 90000, None),
    26: ("JPEG", 90000, None),
    28: ("nv", 90000, None),
    31: ("H261", 90000, None),
    32: ("MPV", 90000, None),
    33: ("MP2T", 90000, None),
    34: ("H263", 90000, None),
}
"""The static payload types (RFC 3551 section 6): name, clock rate, channels. They need no `a=rtpmap`."""
