"""RFC 3550 appendix A: what one source of RTP sent, lost and how evenly it came (A.1, A.3, A.8).

Pure arithmetic: arrival times are arguments.
"""

from __future__ import annotations

# RFC 3550 appendix A.1: how far a sequence number may jump and still belong to the same run.
MAX_DROPOUT = 3000
MAX_MISORDER = 100

DISCONTINUITY = 1.0
"""Seconds by which spacing may differ from timestamps and still be jitter; beyond, the peer paused its clock."""

MAX_LOST = 0x7FFFFF
"""`cumulative number of packets lost` is a signed 24 bit field."""


def signed(value: int, bits: int) -> int:
    """The difference of two wrapping counters, as the nearest signed number."""
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half


class SourceStatistics:
    """Reception statistics of one synchronisation source."""

    def __init__(self) -> None:
        self.packets_received = 0
        self.bytes_received = 0
        self.jitter = 0.0
        """In seconds."""

        self.last_arrival = 0.0
        self._base: int | None = None
        self._max = 0
        self._restart: int | None = None
        # A source that restarts its numbering begins a new run; what the runs before it lost stays lost.
        self._expected_before = 0
        self._expected_at_report = 0
        self._received_at_report = 0
        self._last: tuple[int, int, float] | None = None

    @property
    def highest_sequence(self) -> int:
        """Extended by the number of cycles, modulo 2**32, as receiver reports carry it."""
        return self._max & 0xFFFFFFFF

    @property
    def heard_since_report(self) -> bool:
        """Whether a packet came since `fraction_lost` was last asked."""
        return self.packets_received > self._received_at_report

    @property
    def jitter_in_clock_units(self) -> int:
        """As receiver reports carry it."""
        return 0 if self._last is None else min(round(self.jitter * self._last[1]), 0xFFFFFFFF)

    @property
    def packets_expected(self) -> int:
        """How many packets the source sent, judged by its sequence numbers."""
        run = 0 if self._base is None else self._max - self._base + 1
        return self._expected_before + run

    @property
    def packets_lost(self) -> int:
        """Never below 0, although duplicates could make it so."""
        return min(max(0, self.packets_expected - self.packets_received), MAX_LOST)

    def add(self, sequence_number: int, timestamp: int, clock_rate: int, size: int, arrival: float) -> bool:
        """Count a packet of `size` payload bytes; `False` for one that belongs to no run and should be ignored."""
        if not self._follow(sequence_number):
            return False
        self.packets_received += 1
        self.bytes_received += size
        self.last_arrival = arrival
        self._measure(timestamp, clock_rate, arrival)
        return True

    def _follow(self, sequence_number: int) -> bool:
        if self._base is None:
            self._base = self._max = sequence_number
            return True
        delta = (sequence_number - self._max) & 0xFFFF
        if delta < MAX_DROPOUT:
            self._max += delta
        elif delta <= 0x10000 - MAX_MISORDER:
            # One wild number is noise; two in a row are a source that started over.
            if sequence_number != self._restart:
                self._restart = (sequence_number + 1) & 0xFFFF
                return False
            self._expected_before = self.packets_expected
            self._base = self._max = sequence_number
        self._restart = None
        return True

    def _measure(self, timestamp: int, clock_rate: int, arrival: float) -> None:
        if self._last is not None:
            last_timestamp, last_rate, last_arrival = self._last
            # Packets of one frame, and all packets of one key press, share a timestamp and say nothing about spacing.
            if timestamp == last_timestamp:
                return
            if clock_rate == last_rate:
                spacing = signed(timestamp - last_timestamp, 32) / clock_rate
                deviation = abs(arrival - last_arrival - spacing)
                if deviation < DISCONTINUITY:
                    self.jitter += (deviation - self.jitter) / 16
        self._last = (timestamp, clock_rate, arrival)

    def fraction_lost(self) -> int:
        """The loss since this was last asked, in 1/256 (RFC 3550 appendix A.3)."""
        expected = self.packets_expected - self._expected_at_report
        lost = expected - (self.packets_received - self._received_at_report)
        self._expected_at_report = self.packets_expected
        self._received_at_report = self.packets_received
        return min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
