"""How often something may be done: a few times at once, and then again and again in intervals."""

from __future__ import annotations

import asyncio


class Allowance:
    """Counts what was done, on the event loop's clock.

    Args:
        burst: How often at once.
        interval: Seconds until one more is allowed.
    """

    def __init__(self, burst: int, interval: float) -> None:
        self._burst, self._interval = burst, interval
        self._left = float(burst)
        self._counted = asyncio.get_running_loop().time()

    def take(self) -> bool:
        """Whether it may be done now; then it counts."""
        if self.pause > 0:
            return False
        self._left -= 1
        return True

    async def wait(self) -> None:
        """Wait until it may be done; then it counts."""
        while not self.take():  # noqa: ASYNC110  (nobody but the clock brings that about)
            await asyncio.sleep(self.pause)

    @property
    def pause(self) -> float:
        """Seconds until it may be done; 0 for now."""
        now = asyncio.get_running_loop().time()
        self._left = min(self._burst, self._left + (now - self._counted) / self._interval)
        self._counted = now
        return max(0.0, (1 - self._left) * self._interval)
