"""How an encoded picture is cut into RTP payloads and put together again: VP8 (RFC 7741), H.264 (RFC 6184). Pure."""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

PAYLOAD = 1180
"""Bytes of a payload at most. With the headers of RTP, its extensions, SRTP, TURN, UDP and IPv6 that fits into 1280,
which every path carries."""

MAX_SETS = 4096
"""Characters of parameter sets that are read; they have a few dozen."""

START = b"\0\0\0\1"
SLICE_IDR, SPS, PPS, AUD, STAP_A, FU_A = 5, 7, 8, 9, 24, 28
FIRST, LAST, UNIT_TYPE, IMPORTANCE = 0x80, 0x40, 0x1F, 0x60


@dataclass(frozen=True, slots=True)
class Picture:
    """One encoded picture."""

    data: bytes
    is_key: bool
    """Whether it builds on no other, so that decoding can begin with it."""


class PayloadFormat(Protocol):
    """One direction of one stream."""

    def split(self, data: bytes) -> list[bytes]:
        """The payloads of a picture, in order."""
        ...

    def join(self, payloads: Sequence[bytes]) -> Picture | None:
        """The picture whose payloads these are, complete as far as the numbers tell; `None` where it is damaged."""
        ...


class Vp8Payloads:
    """RFC 7741, with pictures numbered (section 4.2)."""

    def __init__(self) -> None:
        self._number = random.randrange(1 << 15)

    def split(self, data: bytes) -> list[bytes]:
        """Cut a picture; the pieces are as long as each other, so that none is lost for a few bytes."""
        # X, the picture's number in 15 bits; S on the first payload only.
        first, later = (struct.pack("!BBH", flags, 0x80, 0x8000 | self._number) for flags in (0x90, 0x80))
        self._number = (self._number + 1) & 0x7FFF
        pieces = even(data, PAYLOAD - len(first))
        return [(later if index else first) + piece for index, piece in enumerate(pieces)]

    def join(self, payloads: Sequence[bytes]) -> Picture | None:
        """Put a picture together."""
        parts = []
        for index, payload in enumerate(payloads):
            begins = vp8_payload_begins(payload)
            if begins is None or (index == 0) is not is_first_of_vp8(payload):
                return None
            parts.append(payload[begins:])
        data = b"".join(parts)
        return Picture(data, is_key=not data[0] & 1) if data else None


def is_first_of_vp8(payload: bytes) -> bool:
    """Whether a picture begins here: S is set, and the partition is the first (section 4.2)."""
    return payload[0] & 0x1F == 0x10


def vp8_payload_begins(payload: bytes) -> int | None:
    """Where the descriptor ends (section 4.2); `None` where it does not."""
    if not payload:
        return None
    position = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            return None
        flags = payload[1]
        position = 2
        if flags & 0x80:
            position += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
        position += bool(flags & 0x40) + bool(flags & 0x30)
    return position if position < len(payload) else None


class H264Payloads:
    """RFC 6184, the non-interleaved mode: single units, STAP-A and FU-A (section 6.3).

    Args:
        parameters: What the peer says of what it sends: where `sprop-parameter-sets` has the parameter sets (section
            8.1), they need not be in the stream.
    """

    def __init__(self, parameters: Mapping[str, str] | None = None) -> None:
        sets = _parameter_sets((parameters or {}).get("sprop-parameter-sets", ""))
        self._sets = b"".join(START + unit for unit in sets)
        self._has_sets = any(unit[0] & UNIT_TYPE == SPS for unit in sets)

    def split(self, data: bytes) -> list[bytes]:
        """Cut a picture; parameter sets travel together, as they are needed together."""
        payloads: list[bytes] = []
        small: list[bytes] = []
        for unit in units(data):
            if unit[0] & UNIT_TYPE in (SPS, PPS, AUD) and len(unit) < PAYLOAD // 4:
                small.append(unit)
                continue
            payloads += _aggregate(small)
            small = []
            payloads += [unit] if len(unit) <= PAYLOAD else _fragments(unit)
        return payloads + _aggregate(small)

    def join(self, payloads: Sequence[bytes]) -> Picture | None:
        """Put a picture together, in the form with start codes."""
        data = bytearray()
        found: set[int] = set()
        is_open = False
        for payload in payloads:
            if len(payload) < 2:
                return None
            kind = payload[0] & UNIT_TYPE
            if kind == FU_A:
                if bool(payload[1] & FIRST) is is_open or len(payload) < 3:
                    return None
                if payload[1] & FIRST:
                    data += START + bytes([payload[0] & ~UNIT_TYPE | payload[1] & UNIT_TYPE])
                    found.add(payload[1] & UNIT_TYPE)
                data += payload[2:]
                is_open = not payload[1] & LAST
                continue
            parts = _aggregated(payload) if kind == STAP_A else [payload] if kind < STAP_A else None
            if is_open or not parts:
                return None
            for unit in parts:
                data += START + unit
                found.add(unit[0] & UNIT_TYPE)
        if is_open or not data:
            return None
        if SLICE_IDR in found and SPS not in found and self._has_sets:
            return Picture(self._sets + bytes(data), is_key=True)
        return Picture(bytes(data), is_key=SLICE_IDR in found and SPS in found)


def _parameter_sets(text: str) -> list[bytes]:
    """The units in base64, parted by commas; none where one is nonsense."""
    try:
        return [unit for each in text[:MAX_SETS].split(",") if (unit := base64.b64decode(each, validate=True))]
    except ValueError:
        return []


def units(data: bytes) -> Iterator[bytes]:
    """The units between the start codes (ITU-T H.264 annex B)."""
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        unit = data[start + 3 : end if end >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        start = end


def even(data: bytes, most: int) -> list[bytes]:
    """Cut into pieces of about the same length, none longer than `most`."""
    count = max(1, -(-len(data) // most))
    edges = [index * len(data) // count for index in range(count + 1)]
    return [data[begin:end] for begin, end in zip(edges, edges[1:], strict=False)]


def _aggregate(small: Sequence[bytes]) -> list[bytes]:
    if len(small) < 2:
        return list(small)
    importance = max(unit[0] & IMPORTANCE for unit in small)
    return [bytes([importance | STAP_A]) + b"".join(struct.pack("!H", len(unit)) + unit for unit in small)]


def _aggregated(payload: bytes) -> list[bytes] | None:
    """The units in a STAP-A (section 5.7.1); `None` where it is damaged."""
    parts, position = [], 1
    while position + 2 < len(payload):
        (size,) = struct.unpack_from("!H", payload, position)
        position += 2 + size
        if not size or position > len(payload):
            return None
        parts.append(payload[position - size : position])
    return parts


def _fragments(unit: bytes) -> list[bytes]:
    """The FU-A payloads of a unit (section 5.8)."""
    indicator, kind = unit[0] & ~UNIT_TYPE | FU_A, unit[0] & UNIT_TYPE
    pieces = even(unit[1:], PAYLOAD - 2)
    last = len(pieces) - 1
    return [
        bytes([indicator, kind | FIRST * (index == 0) | LAST * (index == last)]) + piece
        for index, piece in enumerate(pieces)
    ]


def payload_format(name: str, parameters: Mapping[str, str] | None = None) -> PayloadFormat:
    """The payload format of a codec.

    Args:
        name: `VP8` or `H264`, in upper or lower case.
        parameters: What the peer says of what it sends.
    """
    return Vp8Payloads() if name.lower() == "vp8" else H264Payloads(parameters)
