"""RFC 9260 section 6.2: the receiving half of an association. Pure: chunks in, what to deliver and SACKs out."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from .sctp_packets import MAX_GAPS, TSN_MODULO, distance, sack_chunk

WINDOW = 2 << 20
"""Bytes that we hold for an application that does not read, and that a sender may have under way to us."""

OVERHEAD = 128
"""What a chunk costs beside its bytes: without it a peer could have us hold millions of them within the window."""

MAX_AHEAD = 8192
"""TSNs beyond the first missing one that are taken; further away nothing fits the window in honest use."""

SLACK = 1 << 16
"""Beyond the window for what closes the first gap: what waits behind it is in the window already."""

USUAL_RATIO = 2
MAX_RATIO = 16
"""Packets to a SACK; see `Inbound.mark`."""


@dataclass(frozen=True, slots=True)
class Data:
    """The part of a DATA chunk that matters once its turn has come."""

    stream: int
    flags: int
    protocol: int
    payload: bytes


class Inbound:
    """Puts DATA chunks into order.

    Args:
        initial_tsn: The first that the peer sends.

    Attributes:
        cumulative: The last TSN before the first missing one.
        sack_due: Packets that no SACK has told of yet.
        held: What was received and not released, `OVERHEAD` included.
        sack_now: A SACK must not wait (RFC 9260 section 6.2: gaps and duplicates, RFC 7053: the peer's wish).
    """

    def __init__(self, initial_tsn: int) -> None:
        self.cumulative = (initial_tsn - 1) % TSN_MODULO
        self.sack_due = 0
        self.sack_now = False
        self._ahead: dict[int, Data] = {}
        self._ranges: list[list[int]] = []  # what is ahead, counted without wrapping
        self._count = 0  # `cumulative`, counted without wrapping
        self.held = 0
        self._advertised = WINDOW
        self._ratio = USUAL_RATIO
        self._since_mark = 0

    @property
    def window(self) -> int:
        """Bytes that the peer may send; less than there is room for, since it does not know of the overhead."""
        return max(0, WINDOW - self.held) // 8 * 7

    @property
    def wants_sack(self) -> bool:
        """Whether a SACK has to be sent now; while packets are due and it need not, it may wait for a moment."""
        return self.sack_now or self.sack_due >= self._ratio

    def count_packet(self) -> None:
        """Note that a packet with DATA has come."""
        self.sack_due += 1
        self._since_mark += 1

    def mark(self) -> None:
        """The peer asks for a SACK (RFC 7053).

        A sender that says where it wants one needs no others, so packets between its marks are acknowledged in
        larger groups: half of what lies between two marks. All others get what RFC 9260 recommends, every second.
        """
        self.sack_now = True
        self._ratio = max(USUAL_RATIO, min(MAX_RATIO, self._since_mark // 2))
        self._since_mark = 0

    def takes_next(self, tsn: int, size: int) -> bool:
        """Take `size` bytes where they are what comes next and nothing waits: then they can be delivered."""
        if tsn != (self.cumulative + 1) & 0xFFFFFFFF or self._ahead or self.held > WINDOW:
            return False
        self.held += size + OVERHEAD
        self.cumulative = tsn
        self._count += 1
        self.sack_due += 1
        self._since_mark += 1
        return True

    def receive(self, tsn: int, data: Data) -> list[Data]:
        """Take a chunk and return what can be delivered, in order: none, this one, or all that waited for it."""
        offset = distance(tsn, self.cumulative)
        if offset <= 0 or tsn in self._ahead:
            self.sack_now = True
            return []
        if offset > MAX_AHEAD or self.held > WINDOW + (SLACK if offset == 1 and self._ahead else 0):
            self.sack_now = True  # with the window as it is: a sender that goes on regardless learns of it again
            return []
        if offset == 1 and not self._ahead:
            self.held += len(data.payload) + OVERHEAD
            self.cumulative = tsn
            self._count += 1
            return [data]
        self.sack_now = True
        if not self._note(self._count + offset):
            return []
        self.held += len(data.payload) + OVERHEAD
        self._ahead[tsn] = data
        return self._take_ready() if offset == 1 else []

    def _note(self, number: int) -> bool:
        """Remember that a number is there; `False` if that would be one gap too many to keep account of."""
        ranges = self._ranges
        place = bisect_right(ranges, number, key=lambda block: block[0])
        joins_before = place > 0 and ranges[place - 1][1] == number - 1
        joins_after = place < len(ranges) and ranges[place][0] == number + 1
        if joins_before and joins_after:
            ranges[place - 1][1] = ranges.pop(place)[1]
        elif joins_before:
            ranges[place - 1][1] = number
        elif joins_after:
            ranges[place][0] = number
        elif len(ranges) >= MAX_GAPS and number != self._count + 1:
            return False
        else:
            ranges.insert(place, [number, number])
        return True

    def _take_ready(self) -> list[Data]:
        ready = []
        _, last = self._ranges.pop(0)
        while self._count < last:
            self._count += 1
            self.cumulative = (self.cumulative + 1) % TSN_MODULO
            ready.append(self._ahead.pop(self.cumulative))
        return ready

    def release(self, size: int, chunks: int) -> bool:
        """The application has read that much; whether the peer has to be told, since it may wait for that."""
        self.held -= size + chunks * OVERHEAD
        return self._advertised < WINDOW // 4 and self.window >= WINDOW // 2

    def sack(self) -> bytes:
        """The SACK chunk for what has come so far."""
        self.sack_due, self.sack_now = 0, False
        self._advertised = self.window
        gaps = [(first - self._count, last - self._count) for first, last in self._ranges[:MAX_GAPS]]
        return sack_chunk(self.cumulative, self._advertised, gaps)
