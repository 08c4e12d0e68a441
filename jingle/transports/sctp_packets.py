"""RFC 9260 section 3: SCTP packets and the three kinds of chunks that data moves with.

Everything else about chunks is aiortc's; these are here because a file is a million of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from google_crc32c import extend, value

DATA, INIT, INIT_ACK, SACK, HEARTBEAT, ABORT = 0, 1, 2, 3, 4, 6
SHUTDOWN, ERROR, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE, RECONFIG = 7, 9, 10, 11, 14, 130

LAST, FIRST, UNORDERED = 0x01, 0x02, 0x04
IMMEDIATE = 0x08
"""The sender wants a SACK now (RFC 7053)."""

PACKET_HEADER = 12
DATA_HEADER = 16
DATA_AT = PACKET_HEADER + DATA_HEADER
TSN_MODULO = 1 << 32
_HALF = 1 << 31

MAX_GAPS = 200
"""Gap ack blocks in one SACK: as many as surely fit a packet."""

_PREFIX = struct.Struct("!HHL")
_CHECKSUM = struct.Struct("<L")
_CHUNK = struct.Struct("!BBH")
_DATA = struct.Struct("!BBHLHHL")
_SACK = struct.Struct("!BBHLLHH")
_NO_CHECKSUM = bytes(4)
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Malformed(ValueError):
    """What the peer sent is no SCTP."""


class Envelope:
    """The common header of one direction of an association: the same for every packet, its checksum aside.

    Args:
        source: The sender's port.
        destination: The receiver's port.
        tag: The receiver's verification tag.
    """

    def __init__(self, source: int, destination: int, tag: int) -> None:
        self._prefix = _PREFIX.pack(source, destination, tag)
        self._seed = value(self._prefix + _NO_CHECKSUM)

    def seal(self, chunk: bytes) -> bytes:
        """The packet with one chunk in it."""
        return self._prefix + _CHECKSUM.pack(extend(self._seed, chunk)) + chunk

    def opens(self, packet: bytes) -> bool:
        """Whether the packet belongs to the association, came through undamaged, and has something in it."""
        if len(packet) <= PACKET_HEADER or not packet.startswith(self._prefix):
            return False
        return packet[8:12] == _CHECKSUM.pack(extend(self._seed, packet[12:]))


def is_init(packet: bytes) -> bool:
    """Whether a packet may carry an INIT: those alone have no verification tag (RFC 9260 section 8.5.1)."""
    return len(packet) > PACKET_HEADER and packet[4:8] == bytes(4) and packet[PACKET_HEADER] == INIT


def chunks(packet: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The chunks of a packet: type, flags, where the body begins and where it ends.

    Raises:
        Malformed: A length is impossible.
    """
    position, end = PACKET_HEADER, len(packet)
    while position + 4 <= end:
        kind, flags, length = _CHUNK.unpack_from(packet, position)
        if length < 4 or position + length > end:
            raise Malformed(f"chunk of type {kind} with a length of {length} bytes")
        yield kind, flags, position + 4, position + length
        position += (length + 3) & ~3


def data_chunk(flags: int, tsn: int, stream: int, sequence: int, protocol: int, payload: bytes) -> bytes:
    """A DATA chunk, padded (RFC 9260 section 3.3.1)."""
    size = len(payload)
    return _DATA.pack(DATA, flags, DATA_HEADER + size, tsn, stream, sequence, protocol) + payload + _PADDING[size & 3]


def read_data(packet: bytes) -> tuple[int, int, int, int, int, int, int]:
    """Of the first chunk, which is DATA: type, flags, length, TSN, stream, sequence number and protocol.

    Raises:
        Malformed: It is too short.
    """
    if len(packet) < DATA_AT:
        raise Malformed("a DATA chunk that is too short")
    return _DATA.unpack_from(packet, PACKET_HEADER)


def sack_chunk(cumulative: int, window: int, gaps: list[tuple[int, int]]) -> bytes:
    """A SACK chunk; `gaps` are the first and last TSN of each received block, relative to `cumulative`."""
    length = _SACK.size + 4 * len(gaps)
    flat = [offset for gap in gaps for offset in gap]
    return _SACK.pack(SACK, 0, length, cumulative, window, len(gaps), 0) + struct.pack(f"!{len(flat)}H", *flat)


def read_sack(body: bytes) -> tuple[int, int, list[tuple[int, int]]]:
    """The cumulative TSN, the receiver's window and the gap ack blocks of a SACK chunk's body.

    Raises:
        Malformed: It is too short for what it says it has, or its blocks overlap or go backwards.
    """
    if len(body) < 12:
        raise Malformed("a SACK chunk that is too short")
    cumulative, window, count, duplicates = struct.unpack_from("!LLHH", body)
    if len(body) < 12 + 4 * (count + duplicates):
        raise Malformed("a SACK chunk that is too short")
    flat = struct.unpack_from(f"!{2 * count}H", body, 12)
    gaps, previous = list(zip(flat[::2], flat[1::2], strict=True)), 0
    for first, last in gaps:
        if not previous < first <= last:
            raise Malformed("gap ack blocks out of order")
        previous = last
    return cumulative, window, gaps


def check_parameters(body: bytes, position: int) -> None:
    """Make sure that the parameters from `position` on can be read; aiortc goes round for ever on a length of 0.

    Raises:
        Malformed: A length is impossible.
    """
    while position + 4 <= len(body):
        length = int.from_bytes(body[position + 2 : position + 4], "big")
        if length < 4 or position + length > len(body):
            raise Malformed(f"parameter with a length of {length} bytes")
        position += (length + 3) & ~3


def distance(later: int, earlier: int) -> int:
    """How far one TSN is behind another, in serial number arithmetic (RFC 1982); negative where it is before it."""
    difference = (later - earlier) % TSN_MODULO
    return difference - TSN_MODULO if difference >= _HALF else difference
