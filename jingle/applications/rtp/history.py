"""What the counters of a call were over time, and the rates that follow from that. Pure; time is an argument."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from .stats import MediaStats

RATE_WINDOW = 5.0
"""Seconds over which rates are taken: long enough that a packet more or less in it says nothing."""

MAX_SAMPLES = 1200
"""Samples of one call, twenty minutes of one a second; of a longer call every second one is kept, and so on."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The counters at one moment."""

    at: float
    """Seconds since the call was connected."""

    media: Mapping[str, MediaStats]


class StatsHistory:
    """The samples of one call, taken about once a second."""

    def __init__(self, began: float) -> None:
        """Begin without samples; all counters were zero at `began`, on the clock that the other times are of."""
        self._began = began
        self._recent: deque[Sample] = deque([Sample(at=0.0, media={})])
        self._kept: list[Sample] = []
        self._newest: Sample | None = None
        self._step, self._passed_over = 1, 0

    @property
    def samples(self) -> tuple[Sample, ...]:
        """From the beginning on, evenly spaced; the last is the newest there is."""
        newest = self._newest
        return (*self._kept, *([newest] if newest is not None and self._kept[-1:] != [newest] else []))

    def rated(self, media: Mapping[str, MediaStats], now: float) -> dict[str, MediaStats]:
        """The counters as of now, with the rates of the last `RATE_WINDOW` seconds."""
        at = now - self._began
        old = next((sample for sample in reversed(self._recent) if at - sample.at >= RATE_WINDOW), self._recent[0])
        return {
            name: with_rates(stats, old.media.get(name, MediaStats()), at - old.at) for name, stats in media.items()
        }

    def add(self, media: Mapping[str, MediaStats], now: float) -> dict[str, MediaStats]:
        """Keep the counters as of now, and return them with their rates."""
        rated = self.rated(media, now)
        sample = self._newest = Sample(at=now - self._began, media=rated)
        self._recent.append(sample)
        while len(self._recent) > 1 and sample.at - self._recent[1].at >= RATE_WINDOW:
            self._recent.popleft()
        self._keep(sample)
        return rated

    def _keep(self, sample: Sample) -> None:
        self._passed_over += 1
        if self._passed_over < self._step:
            return
        self._passed_over = 0
        self._kept.append(sample)
        if len(self._kept) >= MAX_SAMPLES:
            del self._kept[::2]
            self._step *= 2


def with_rates(stats: MediaStats, before: MediaStats, seconds: float) -> MediaStats:
    """The counters with the rates since others, which were `seconds` ago; without any where that is no time."""
    if seconds <= 0:
        return stats
    return dataclasses.replace(
        stats,
        bit_rate_sent=round(8 * (stats.bytes_sent - before.bytes_sent) / seconds),
        bit_rate_received=round(8 * (stats.bytes_received - before.bytes_received) / seconds),
        frame_rate_sent=_frame_rate(stats.frames_sent, before.frames_sent, seconds),
        frame_rate_received=_frame_rate(stats.frames_received, before.frames_received, seconds),
    )


def _frame_rate(now: int, before: int, seconds: float) -> float | None:
    return round((now - before) / seconds, 2) if now else None
