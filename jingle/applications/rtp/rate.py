"""How many bits a second to send: what the peer says its path carries, and what is lost on the way. Pure.

Below 2 % of loss there is room for more, above 10 % there is too much of ours on the path, as in section 6 of
draft-ietf-rmcat-gcc-02; the bounds are the user's.
"""

from __future__ import annotations

from ...transports.base import BandwidthEstimated, LossReported

FEW, MANY = 0.02, 0.10
GROWTH = 1.08
"""In a second."""

INTERVAL = 1.0
"""Seconds between two steps; some peers report more often."""


class RateController:
    """The bit rate of one stream.

    Args:
        start: Bits per second to begin with.
        least: What is not gone below, whatever gets lost.
        most: What is not exceeded, whatever there is room for.
    """

    def __init__(self, *, start: int, least: int, most: int) -> None:
        self._least, self._most = least, max(least, most)
        self._wanted = float(min(max(start, least), self._most))
        self._carried: int | None = None
        self._stepped = float("-inf")

    @property
    def bit_rate(self) -> int:
        """What to send, in bits per second."""
        carried = self._most if self._carried is None else self._carried
        return round(max(self._least, min(self._wanted, carried, self._most)))

    def limit(self, most: int) -> None:
        """Exceed so many bits per second no more, and go up to there again where it was less."""
        self._most = max(self._least, most)

    def take(self, feedback: LossReported | BandwidthEstimated, now: float) -> None:
        """Follow what the peer says."""
        if isinstance(feedback, BandwidthEstimated):
            self._carried = feedback.bit_rate
        elif now - self._stepped >= INTERVAL and not FEW <= feedback.fraction <= MANY:
            self._stepped = now
            if feedback.fraction > MANY:
                self._wanted = max(self._least, self.bit_rate * (1 - feedback.fraction / 2))
            else:
                self._wanted = min(self._most, max(self._wanted, self._least) * GROWTH)
