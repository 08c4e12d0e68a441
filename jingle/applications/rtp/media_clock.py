"""RFC 3550 section 6.4.1: one time line for all that is received in a session, so that lips move with the words. Pure.

Sound sets the pace: it leaves without a jump, whatever its timestamps say, and where it stands is told here packet by
packet. A picture belongs beside the sound that was captured with it, which the reports of the peer tell; until both
streams have been reported on, beside the sound that came in with it.
"""

from __future__ import annotations

from fractions import Fraction

PLAUSIBLE = 5.0
"""Seconds that a report may place a picture off the sound that came with it; one that says more is not believed."""


class MediaClock:
    """The time line of one session. Positions on it are seconds; 0 is the first that was heard or seen."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._by_arrival: float | None = None
        self._by_report: float | None = None

    def begin(self, arrival: float) -> float:
        """Where something stands that begins now."""
        if self._began is None:
            self._began = arrival
        return max(0.0, arrival - self._began)

    def heard(self, position: Fraction, sent: float | None, arrival: float) -> None:
        """Take note that sound which came at `arrival`, and was captured at `sent`, is put at `position`."""
        self._by_arrival = arrival - float(position)
        self._by_report = None if sent is None else sent - float(position)

    def place(self, sent: float | None, arrival: float) -> float:
        """Where a picture belongs that came at `arrival` and was captured at `sent`; never before the beginning."""
        if self._by_arrival is None:
            return self.begin(arrival)
        by_arrival = arrival - self._by_arrival
        if sent is not None and self._by_report is not None:
            by_report = sent - self._by_report
            if abs(by_report - by_arrival) < PLAUSIBLE:
                return max(0.0, by_report)
        return max(0.0, by_arrival)
