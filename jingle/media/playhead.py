"""Sources of sound and pictures that are played in step: where position 0 lies on the loop's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary


class Playhead:
    """One playing of something that has sound and pictures; each track of it waits until its next frame is due.

    It starts with the first of its tracks that begins; one that begins later joins where the others are.
    """

    def __init__(self) -> None:
        self._start: float | None = None

    def position(self) -> float:
        """Seconds since the start."""
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now
        return now - self._start

    def delay(self, seconds: float) -> None:
        """Let everything be due later: one of the tracks cannot keep up, and the others must not run away from it."""
        if self._start is not None:
            self._start += seconds


class Playheads:
    """The playings of one source, one for each call that it feeds."""

    def __init__(self) -> None:
        self._by_group: WeakValueDictionary[Hashable, Playhead] = WeakValueDictionary()

    def of(self, group: Hashable) -> Playhead:
        """The playhead that tracks of this group share; without a group, one of its own."""
        if group is None:
            return Playhead()
        found = self._by_group.get(group)
        if found is None:
            found = self._by_group[group] = Playhead()
        return found
