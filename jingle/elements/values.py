"""What is written in an attribute or a text, and the value it stands for: one `Codec` per kind of value.

Readers raise `ValueError` whose text completes a sentence ("... is not a whole number"), `declare.parse` puts the
element and the attribute in front.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import bounds

SPACE = " \t\r\n"
"""White space as XML knows it (XML 1.0 section 2.3); Python's `str.strip` takes more."""

UNSIGNED_BYTE = range(2**8)
UNSIGNED_SHORT = range(2**16)
UNSIGNED_INT = range(2**32)
UNSIGNED_LONG = range(2**64)
POSITIVE = range(1, 2**64)
"""XML Schema's positiveInteger has no end; 64 bits are one."""

SIGNED = re.compile(rf"[+-]?[0-9]{{1,{bounds.DIGITS}}}")
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of value is read, checked and written.

    `read` and `check` raise `ValueError`. Where `exact` holds, every value has one spelling only, so nothing has to be
    remembered to write back what came in.
    """

    read: Callable[[str], Any]
    check: Callable[[Any], object]
    write: Callable[[Any], str]
    exact: bool


def clean(text: str) -> str:
    """Return `text` if XML can carry it, else raise `ValueError`: one such character would end the XMPP stream."""
    if not text.isprintable() and (found := FORBIDDEN.search(text)):
        raise ValueError(f"contains the character {found.group()!a}, which XML cannot carry")
    return text


def strings(longest: int, shortest: int = 0) -> Codec:
    """Text between two lengths."""

    def read(raw: str) -> str:
        if not shortest <= len(raw) <= longest:
            raise ValueError("is empty" if not raw else f"is longer than {longest} characters")
        return raw

    return Codec(read, read, clean, exact=True)


def whole_numbers(within: range) -> Codec:
    """A whole number, in the spellings that XML Schema allows: white space around, a sign, leading zeros."""
    low, high = within.start, within.stop - 1

    def check(value: int) -> None:
        if value not in within:
            raise ValueError(f"is not between {low} and {high}")

    def read(raw: str) -> int:
        # What everybody writes is plain digits; asking that first halves the time.
        if not (raw.isdecimal() and raw.isascii() and len(raw) <= bounds.DIGITS):
            if not SIGNED.fullmatch(raw.strip(SPACE)):
                raise ValueError("is not a whole number")
        value = int(raw)
        if not low <= value <= high:
            raise ValueError(f"is not between {low} and {high}")
        return value

    return Codec(read, check, str, exact=False)


def members(kind: type[enum.Enum]) -> Codec:
    """A member of an enumeration, by its value."""
    by_value = {str(member.value): member for member in kind}
    spelling = {member: value for value, member in by_value.items()}

    def read(raw: str) -> enum.Enum:
        member = by_value.get(raw)
        if member is None:
            raise ValueError(f"is not one of {', '.join(by_value)}")
        return member

    return Codec(read, _anything, spelling.__getitem__, exact=True)


def _anything(value: Any) -> None:
    """Nothing to check: the type says it all."""


def _read_boolean(raw: str) -> bool:
    value = {"true": True, "1": True, "false": False, "0": False}.get(raw.strip(SPACE))
    if value is None:
        raise ValueError("is neither true nor false")
    return value


def _read_base64(raw: str) -> bytes:
    if len(raw) > bounds.TEXT:
        raise ValueError(f"is longer than {bounds.TEXT} characters")
    try:
        # White space is removed here: XEP-0300 forbids it and is not obeyed, XEP-0047 lets it be.
        return base64.b64decode("".join(raw.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None


def _write_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


BOOLEANS = Codec(_read_boolean, _anything, {True: "true", False: "false"}.__getitem__, exact=False)
BASE64 = Codec(_read_base64, _anything, _write_base64, exact=False)

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?)?(?:[+-]00:00)?(?:Z|([+-])(\d\d):(\d\d))?", re.ASCII
)


def timestamp(text: str) -> float | None:
    """Return an XEP-0082 date or time as seconds since 1970 in UTC, or `None` where it cannot be read.

    A bare date is its midnight. Gajim's `2026-11-23T20:00:00+00:00Z` is understood.
    """
    found = _TIMESTAMP.fullmatch(text.strip(SPACE))
    if found is None:
        return None
    numbers = [int(part or 0) for part in found.groups()[:6]]
    year, month, day, hour, minute, second = numbers
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    seconds = calendar.timegm((year, month, day, hour, minute, second)) + float(found[7] or 0)
    ahead = int(found[9] or 0) * 3600 + int(found[10] or 0) * 60
    return seconds - ahead if found[8] == "+" else seconds + ahead
