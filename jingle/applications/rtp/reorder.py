"""Putting the packets of one RTP source back in order, and deciding when a missing one is lost. Pure.

Packets leave as soon as they are next in line, so an even path adds no delay. Behind a missing one they wait for a
while, which grows when packets turn out to have been late rather than lost, and shrinks again.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...transports.base import RtpPacket

CAPACITY = 100
"""Packets held behind a missing one at most; two seconds of ordinary audio."""

MAX_JUMP = 3000
"""A larger step of the sequence number is a source that started over (RFC 3550 appendix A.1)."""

MIN_WAIT, MAX_WAIT = 0.060, 0.240
"""Seconds to wait for a missing packet."""

LATE_PENALTY = 0.020
ON_TIME_REWARD = 0.0001


class ReorderBuffer:
    """The packets of one source that are not next in line yet.

    Args:
        capacity: Packets held behind a missing one at most.
        waits: Seconds to wait for a missing packet, at least and at most.
    """

    def __init__(self, *, capacity: int = CAPACITY, waits: tuple[float, float] = (MIN_WAIT, MAX_WAIT)) -> None:
        self._capacity = capacity
        self._waits = waits
        self.wait = waits[0]
        self._next: int | None = None
        self._held: dict[int, RtpPacket] = {}

    @property
    def deadline(self) -> float | None:
        """When to call `take` again although no packet came, or `None`."""
        if not self._held:
            return None
        return min(packet.arrival for packet in self._held.values()) + self.wait

    def add(self, packet: RtpPacket) -> None:
        """Take a packet in; a late or repeated one is dropped."""
        if self._next is None:
            self._next = packet.sequence_number
        ahead = self._ahead(packet.sequence_number)
        if abs(ahead) > MAX_JUMP:
            self._held.clear()
            self._next = packet.sequence_number
        elif ahead < 0:
            self.wait = min(self._waits[1], self.wait + LATE_PENALTY)
            return
        self._held.setdefault(packet.sequence_number, packet)

    def take(self, now: float) -> Iterator[tuple[RtpPacket, int]]:
        """The packets whose turn has come, each with the number of lost ones right before it."""
        while self._held and self._next is not None:
            packet, lost = self._held.pop(self._next, None), 0
            if packet is None:
                deadline = self.deadline
                if len(self._held) < self._capacity and deadline is not None and now < deadline:
                    return
                first = min(self._held, key=self._ahead)
                packet, lost = self._held.pop(first), self._ahead(first)
            self.wait = max(self._waits[0], self.wait - ON_TIME_REWARD)
            self._next = (packet.sequence_number + 1) & 0xFFFF
            yield packet, lost

    def _ahead(self, sequence_number: int) -> int:
        assert self._next is not None
        return (sequence_number - self._next + 0x8000) % 0x10000 - 0x8000
