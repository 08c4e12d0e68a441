"""How far a transfer is, how fast it goes and how long it will take."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

INTERVAL = 0.1
"""Seconds between two reports; an eye sees no more, and a loop has other work."""

SMOOTHING = 3.0
"""Seconds after which an old rate counts a third in the average."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a transfer at one moment."""

    done: int
    """Bytes that are there, those of an earlier attempt included."""

    total: int | None
    """Bytes to be there at the end; `None` where the sender did not say."""

    rate: float
    """Bytes per second, averaged over the last few seconds; 0 until there is something to say."""

    @property
    def fraction(self) -> float | None:
        """How much is done, from 0 to 1; `None` where the total is not known."""
        if self.total is None:
            return None
        return self.done / self.total if self.total else 1.0

    @property
    def time_left(self) -> float | None:
        """Seconds until the end at this rate; `None` where that cannot be said."""
        if self.total is None or not self.rate:
            return None
        return (self.total - self.done) / self.rate


class ProgressMeter:
    """Counts bytes, tells an observer at most every `INTERVAL`, and can be iterated over.

    `async for progress in meter` gives the newest state whenever there is one, the last one included, and ends with the
    transfer. Who is slow misses states in between, never the end. Any number may iterate.

    Args:
        on_progress: Called with each state.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now = Progress(done=0, total=None, rate=0.0)
        self._on_progress, self._clock = on_progress, clock
        self._done, self._counted = 0, 0
        self._last_time = self._started = clock()
        self._rate = 0.0
        self._ended = False
        self._changed: asyncio.Event | None = None

    def begin(self, done: int, total: int | None) -> None:
        """Start at `done` bytes of `total`."""
        self._done = self._counted = done
        self._started = self._last_time = self._clock()
        self._tell(total)

    def add(self, count: int) -> None:
        """Count more bytes."""
        self._done += count
        if self._clock() - self._last_time >= INTERVAL:
            self._measure()
            self._tell(self.now.total)

    def end(self) -> None:
        """Tell the last state and end all iterations; safe to call twice."""
        if not self._ended:
            if self.now.done != self._done:
                self._measure()
                self._tell(self.now.total)
            self._ended = True
            self._wake()

    async def __aiter__(self) -> AsyncIterator[Progress]:
        shown: Progress | None = None
        while True:
            if self.now is not shown:
                shown = self.now
                yield shown
            elif self._ended:
                return
            else:
                self._changed = self._changed or asyncio.Event()
                await self._changed.wait()

    def _measure(self) -> None:
        now = self._clock()
        seconds = now - self._last_time
        if seconds <= 0:
            return
        rate = (self._done - self._counted) / seconds
        # An average that begins at 0 would promise far too long a wait, so the first measurement counts whole.
        weight = 1 - math.exp(-seconds / SMOOTHING) if self._rate else 1.0
        self._rate += weight * (rate - self._rate)
        self._last_time, self._counted = now, self._done

    def _tell(self, total: int | None) -> None:
        self.now = Progress(done=self._done, total=total, rate=self._rate)
        self._wake()
        self._on_progress(self.now)

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
