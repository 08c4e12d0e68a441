"""Counters over time: rates, and what is kept of a call however long it lasts."""

from __future__ import annotations

import pytest

from jingle.applications.rtp.history import MAX_SAMPLES, RATE_WINDOW, StatsHistory, with_rates
from jingle.applications.rtp.stats import MediaStats

BEGAN = 1000.0


def counted(seconds: float, *, bytes_a_second: int = 5000, frames_a_second: int = 0) -> dict[str, MediaStats]:
    bytes_sent = round(bytes_a_second * seconds)
    return {
        "audio": MediaStats(
            bytes_sent=bytes_sent, bytes_received=2 * bytes_sent, frames_sent=round(frames_a_second * seconds)
        )
    }


def test_rates_are_those_of_the_last_seconds() -> None:
    history = StatsHistory(BEGAN)
    for second in range(1, 11):
        # As much again as before, but only in the first five seconds.
        rate = with_extra(second)
        told = history.add({"audio": rate}, BEGAN + second)["audio"]
    assert (told.bit_rate_sent, told.bit_rate_received) == (8 * 5000, 0)
    assert told.frame_rate_sent is None
    first, *_, last = history.samples
    assert first.at == 1
    assert first.media["audio"].bit_rate_sent == 8 * 10_000
    assert last.at == 10
    assert len(history.samples) == 10


def with_extra(second: int) -> MediaStats:
    return MediaStats(bytes_sent=5000 * second + 5000 * min(second, 5), bytes_received=100 * min(second, 5))


def test_rates_between_two_samples() -> None:
    history = StatsHistory(BEGAN)
    history.add(counted(3, frames_a_second=25), BEGAN + 3)
    told = history.rated(counted(3.5, frames_a_second=25), BEGAN + 3.5)["audio"]
    assert told.bit_rate_sent == pytest.approx(40_000, rel=0.01)
    assert told.frame_rate_sent == pytest.approx(25, rel=0.02)
    assert history.samples[-1].at == 3
    assert history.rated(counted(0), BEGAN)["audio"].bit_rate_sent is None


def test_a_medium_that_is_added_later() -> None:
    history = StatsHistory(BEGAN)
    history.add(counted(1), BEGAN + 1)
    later = {**counted(4), "video": MediaStats(bytes_sent=3000, frames_received=30)}
    told = history.add(later, BEGAN + 4)["video"]
    assert (told.bit_rate_sent, told.frame_rate_received) == (8 * 3000 / 4, 7.5)


def test_a_call_that_lasts_a_day() -> None:
    history = StatsHistory(BEGAN)
    for second in range(1, 86_401):
        history.add(counted(second), BEGAN + second)
    samples = history.samples
    assert MAX_SAMPLES / 2 <= len(samples) <= MAX_SAMPLES + 1
    assert len(history._recent) <= RATE_WINDOW + 2
    times = [sample.at for sample in samples]
    assert times == sorted(times)
    assert times[-1] == 86_400
    steps = {round(b - a) for a, b in zip(times[:-2], times[1:-1], strict=True)}
    assert len(steps) == 1
    assert {sample.media["audio"].bit_rate_sent for sample in samples} == {40_000}


def test_no_samples_yet() -> None:
    assert StatsHistory(BEGAN).samples == ()
    assert with_rates(MediaStats(bytes_sent=5), MediaStats(), 0) == MediaStats(bytes_sent=5)
