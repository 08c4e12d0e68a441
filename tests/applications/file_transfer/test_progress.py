from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from jingle.applications.file_transfer.progress import INTERVAL, Progress, ProgressMeter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_arithmetic() -> None:
    progress = Progress(done=25, total=100, rate=15.0)
    assert progress.fraction == 0.25
    assert progress.time_left == 5.0
    assert Progress(done=0, total=0, rate=0.0).fraction == 1.0
    unknown = Progress(done=5, total=None, rate=1.0)
    assert unknown.fraction is unknown.time_left is None
    assert Progress(done=5, total=10, rate=0.0).time_left is None


def test_reports_come_at_most_ten_times_a_second_and_the_last_always() -> None:
    clock, seen = Clock(), list[tuple[float, Progress]]()
    meter = ProgressMeter(lambda progress: seen.append((clock.now, progress)), clock=clock)
    meter.begin(0, 1000)
    for _ in range(999):
        clock.now += 0.001
        meter.add(1)
    meter.add(1)
    meter.end()
    meter.end()
    times = [time for time, _ in seen]
    assert 9 <= len(seen) <= 12
    assert all(later - earlier >= INTERVAL * 0.99 for earlier, later in pairwise(times[:-1]))
    assert seen[0][1] == Progress(done=0, total=1000, rate=0.0)
    assert seen[-1][1].done == 1000
    assert seen[-1][1].rate == pytest.approx(1000, rel=0.02)


def test_the_rate_follows_a_change_within_seconds_and_not_at_once() -> None:
    clock = Clock()
    meter = ProgressMeter(clock=clock)
    meter.begin(500, None)
    rates = []
    for rate in (1000, 100):
        for _ in range(100):  # 12.5 s
            clock.now += 0.125
            meter.add(rate // 8)
            rates.append(meter.now.rate)
    assert rates[0] == pytest.approx(1000)
    assert rates[99] == pytest.approx(1000)
    assert 800 < rates[101] < 1000
    assert rates[199] == pytest.approx(100, rel=0.2)
    assert meter.now.done == 500 + 12500 + 1200


def test_no_time_is_no_rate() -> None:
    meter = ProgressMeter(clock=Clock())
    meter.begin(0, 10)
    meter.add(10)
    meter.end()
    assert meter.now == Progress(done=10, total=10, rate=0.0)


async def test_who_iterates_sees_the_newest_and_the_end() -> None:
    clock = Clock()
    meter = ProgressMeter(clock=clock)

    async def collect(pause: float) -> list[int]:
        seen = []
        async for progress in meter:
            seen.append(progress.done)
            await asyncio.sleep(pause)
        return seen

    quick, slow = asyncio.create_task(collect(0)), asyncio.create_task(collect(0.03))
    meter.begin(0, 50)
    for _ in range(50):
        clock.now += 1
        meter.add(1)
        await asyncio.sleep(0.001)
    meter.end()
    assert (await quick)[-1] == (await slow)[-1] == 50
    assert len(await quick) > len(await slow) >= 2
    assert await collect(0) == [50]
