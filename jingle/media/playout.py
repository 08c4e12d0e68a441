"""What waits between a call and a loudspeaker: little, even, and never for long. Pure; the sound card keeps the time.

Sound comes in bursts, as networks deliver it, and leaves at the pace of the card, whose clock is not the sender's. So
some is kept back; how much follows from what it takes: more after the buffer ran dry, less when it was deeper than it
had to be for a while. What is too much is taken out a little at a time, under a cross-fade that nobody hears.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

START = 0.06
"""Seconds that are collected before playing begins: what the jitter of a usual network needs."""

MOST_DEPTH = 0.25
"""Seconds beyond which nothing more is kept back: a conversation suffers more from the delay than from a gap."""

DEEPER = 0.02
"""Seconds that are kept back in addition after the buffer ran dry."""

LIMIT = 0.4
"""Seconds that wait at most; more has come in one burst, after the network or this machine stood still."""

WINDOW = 1.0
"""Seconds over which the least that waits is looked for: what waits all that time waits for nothing."""

PATIENCE = 30.0
"""Seconds without running dry after which less is kept back again."""

CUT = 0.02
"""Seconds that are taken out at once, or half of what is too much where that is more."""

FADE = 0.005
"""Seconds of a cross-fade, and of the fade before a silence and after it."""


class PlayoutBuffer:
    """Takes sound as it comes and gives it as it is asked for, mono.

    Args:
        rate: Samples a second.

    Attributes:
        depth: Seconds that are kept back at the moment.
        dropped: Seconds that were left out.
        dried: How often it ran dry while sound was playing.
    """

    def __init__(self, rate: int) -> None:
        self.depth = START
        self.dropped = 0.0
        self.dried = 0
        self._rate = rate
        self._waiting: Samples = np.empty(0, np.int16)
        self._is_playing = False
        self._last: Samples = np.empty(0, np.int16)
        self._least = len(self._waiting)
        self._looked_at = 0
        self._since_dry = 0

    @property
    def waiting(self) -> float:
        """Seconds that wait."""
        return len(self._waiting) / self._rate

    def push(self, samples: Samples) -> None:
        """Take sound."""
        self._waiting = np.concatenate((self._waiting, samples))
        if len(self._waiting) > self._samples(LIMIT):
            # One cut is heard less than many.
            self._cut(len(self._waiting) - self._samples(self.depth))

    def pull(self, count: int) -> Samples:
        """Give so many samples; silence where there are not enough."""
        if not self._is_playing:
            if len(self._waiting) < max(count, self._samples(self.depth)):
                return np.zeros(count, np.int16)
            self._is_playing = True
            length = self._samples(FADE)
            rising = (self._waiting[:length] * np.linspace(0.0, 1.0, length)).astype(np.int16)
            self._waiting = np.concatenate((rising, self._waiting[length:]))
            self._look_anew()
        if len(self._waiting) < count:
            return self._run_dry(count)
        given, self._waiting = self._waiting[:count], self._waiting[count:]
        self._last = given[-self._samples(FADE) :]
        self._look(count)
        return given

    def _run_dry(self, count: int) -> Samples:
        # What was heard last, backwards and fading: an edge would be heard as a click.
        heard = np.concatenate((self._last, self._waiting))[-self._samples(FADE) :]
        echo = (heard[::-1] * np.linspace(1.0, 0.0, len(heard))).astype(np.int16)
        rest = np.concatenate((self._waiting, echo))[:count]
        self._waiting = np.empty(0, np.int16)
        self._is_playing = False
        self.dried += 1
        self.depth = min(MOST_DEPTH, self.depth + DEEPER)
        self._since_dry = 0
        return np.concatenate((rest, np.zeros(count - len(rest), np.int16)))

    def _look(self, count: int) -> None:
        """Follow how deep the buffer is, and take out what nothing needs."""
        self._least = min(self._least, len(self._waiting))
        self._looked_at += count
        self._since_dry += count
        if self._since_dry >= self._samples(PATIENCE):
            self.depth = max(START, self.depth - DEEPER)
            self._since_dry = 0
        if self._looked_at < self._samples(WINDOW):
            return
        # `depth` is what waits right after a frame has come; just before the next one there is a frame less.
        surplus = self._least - self._samples(self.depth)
        if surplus > 0:
            self._cut(max(self._samples(CUT), surplus // 2))
        self._look_anew()

    def _look_anew(self) -> None:
        self._least, self._looked_at = len(self._waiting), 0

    def _cut(self, count: int) -> None:
        """Leave out the oldest samples, with a cross-fade over the edge."""
        length = min(self._samples(FADE), len(self._waiting) - count)
        falling = np.linspace(1.0, 0.0, length)
        edge = self._waiting[:length] * falling + self._waiting[count : count + length] * (1.0 - falling)
        self._waiting = np.concatenate((edge.astype(np.int16), self._waiting[count + length :]))
        self.dropped += count / self._rate

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate)
