"""When what is sent was captured: the times of the frames, which the delays of a busy machine do not touch. Pure.

A frame comes at its time or, where the loop is busy, later, and never earlier: the least delay of the last moments is
what lies between the clock of the frames and that of the loop. Reports made of the moments of sending would move sound
and pictures against each other by whatever the loop was late with each.
"""

from __future__ import annotations

from collections import deque

WINDOW = 2.0
"""Seconds that are looked back."""

JUMP = 0.25
"""Seconds: so much more delay is another source, or a schedule that was shifted, and what was before counts no more."""


class CaptureClock:
    """Maps the times of the frames of one track to the loop's clock."""

    def __init__(self) -> None:
        self._delays: deque[tuple[float, float]] = deque()
        """When each was looked at, and the delay; rising, so that the first is the least of those in the window."""

        self._last = float("-inf")

    def captured(self, time: float, now: float) -> float:
        """When a frame was there that has this time of its own and has come `now`."""
        delay = now - time
        if time < self._last or (self._delays and delay - self._delays[0][1] > JUMP):
            self._delays.clear()
        self._last = time
        while self._delays and self._delays[-1][1] >= delay:
            self._delays.pop()
        self._delays.append((now, delay))
        while now - self._delays[0][0] > WINDOW:
            self._delays.popleft()
        return time + self._delays[0][1]
