"""When a frame is due: an absolute schedule on the loop's clock, so that a long call does not drift."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .framing import PTIME
from .playhead import Playhead

MAX_BURST = 3
"""Frames sent at once to catch up after the loop was late. Receivers hold some 60 ms; a longer burst is thrown away
there, so what is later than that shifts the schedule instead."""


class Pacer:
    """A metronome: `wait` returns once for each period.

    Args:
        period: Seconds between two frames.
        clock: The present in seconds; `None` is the running loop's clock.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        period: float = PTIME,
        *,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.period = period
        self._clock = clock
        self._sleep = sleep
        self._start: float | None = None
        self._count = 0

    def join(self) -> int:
        """Return how many frames to leave out before the first, because others play already what goes with it."""
        return 0

    def now(self) -> float:
        """The present on this pacer's clock, in seconds."""
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    @property
    def due(self) -> float:
        """When the next frame is due; the first is due at once."""
        return self.now() if self._start is None else self._start + self._count * self.period

    @property
    def ahead(self) -> float:
        """Seconds that the frames so far have run ahead of the clock (negative: behind)."""
        return self.due - self.now()

    def tick(self) -> None:
        """Count a frame that came by itself, and shift the schedule where it is too late to catch up."""
        if self._start is None:
            self._start = self.now()
        self._count += 1
        late = -self.ahead - MAX_BURST * self.period
        if late > 0:
            self._start += late
            self.shifted(late)

    def shifted(self, seconds: float) -> None:
        """Take note that from now on every frame is due so much later."""

    def resume(self) -> None:
        """Let the next frame be due now at the earliest: what was late while there was nothing to send is forgotten."""
        late = -self.ahead
        if late > 0 and self._start is not None:
            self._start += late

    async def sleep(self, early: float = 0.0) -> None:
        """Sleep until `early` seconds before the next frame is due, without counting it."""
        ahead = self.ahead - early
        if ahead > 0:
            await self._sleep(ahead)

    async def wait(self) -> None:
        """Sleep until the next frame is due, and count it.

        Cancelling is safe: a frame that was waited for in vain is not counted.
        """
        await self.sleep()
        self.tick()


class InStepPacer(Pacer):
    """A metronome for one of several tracks that are played in step."""

    def __init__(self, playhead: Playhead) -> None:
        super().__init__()
        self._playhead = playhead

    def join(self) -> int:
        """Return how many frames the others are ahead."""
        return round(self._playhead.position() / self.period)

    def shifted(self, seconds: float) -> None:
        """Let the others be later too."""
        self._playhead.delay(seconds)
