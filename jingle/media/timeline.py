"""Where each frame belongs in a recording. Pure: the clock on the wall is an argument."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE = 0.005
"""Seconds that a timestamp may be off before it counts: rounding between clocks is no gap."""

SLACK = 5.0
"""Seconds that timestamps may stray from the clock on the wall before they are not believed: they come from the peer,
and a jump of one hour must not write an hour of silence."""


@dataclass
class Timeline:
    """Where each frame belongs in the file, by its timestamp as far as that can be believed.

    All times are seconds; zero is the first frame.
    """

    written: float = 0.0
    """How much is in the file."""

    _expected: float = 0.0
    """The timestamp that would follow without a gap."""

    _began: float | None = None
    """When the first frame came, by the clock on the wall."""

    def place(self, timestamp: float | None, duration: float, now: float) -> tuple[float, bool]:
        """Say how much silence goes before the frame, and whether it is written at all.

        Args:
            timestamp: The frame's own time; `None` where it has none, and then it simply follows.
            duration: How long the frame is.
            now: When it came, by the clock on the wall.
        """
        if self._began is None:
            self._began, self._expected = now, timestamp or 0.0
        elapsed = now - self._began
        gap = 0.0 if timestamp is None else timestamp - self._expected
        if abs(gap) < TOLERANCE:
            gap = 0.0
        elif -1.0 < gap < 0:
            # A frame for a time that is in the file already: a duplicate, or late.
            return 0.0, False
        if (gap and abs(self.written + gap - elapsed) > SLACK) or elapsed - self.written > SLACK:
            gap = max(0.0, elapsed - self.written)
        gap = max(0.0, gap)
        self._expected = (self._expected if timestamp is None else timestamp) + duration
        self.written += gap + duration
        return gap, True

    def begin(self, timestamp: float, now: float) -> None:
        """Let the file begin at this time of the frames, although the first sound may come later."""
        self._began, self._expected = now, timestamp

    def place_picture(self, timestamp: float | None, now: float) -> float:
        """Say where a picture goes: beside the sound whose timestamp it has, as far as that can be believed.

        Args:
            timestamp: The picture's own time; `None` where it has none.
            now: When it came, by the clock on the wall.
        """
        if self._began is None:
            self.begin(timestamp or 0.0, now)
        assert self._began is not None
        elapsed = now - self._began
        place = elapsed if timestamp is None else timestamp + self.written - self._expected
        return max(0.0, place if abs(place - elapsed) <= SLACK else elapsed)
