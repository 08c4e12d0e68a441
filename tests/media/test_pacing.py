from __future__ import annotations

import asyncio

import pytest

from jingle.media.pacing import MAX_BURST, Pacer

from .helpers import run_virtual, virtual


async def schedule(pacer: Pacer, count: int, *, work: float = 0.0) -> list[float]:
    times = []
    for _ in range(count):
        await pacer.wait()
        times.append(virtual().time())
        virtual().stall(work)
    return times


def test_frames_keep_to_the_clock_for_minutes() -> None:
    times = run_virtual(schedule(Pacer(), 120 * 50 + 1, work=0.003))
    assert times[-1] - times[0] == pytest.approx(120, abs=0.001)


def test_a_late_loop_catches_up_with_a_short_burst() -> None:
    async def main() -> None:
        pacer = Pacer()
        start = (await schedule(pacer, 10))[0]
        virtual().stall(0.05)
        times = await schedule(pacer, 10)
        assert times[-1] == pytest.approx(start + 19 * 0.02)

    run_virtual(main())


def test_what_is_later_shifts_the_schedule() -> None:
    async def main() -> None:
        pacer = Pacer()
        await schedule(pacer, 10)
        virtual().stall(5)
        now = virtual().time()
        times = await schedule(pacer, 10)
        assert sum(time == now for time in times) <= MAX_BURST + 1
        assert pacer.ahead == pytest.approx(0.02, abs=0.001)

    run_virtual(main())


def test_a_cancelled_wait_counts_nothing() -> None:
    async def main() -> None:
        pacer = Pacer()
        await pacer.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await pacer.wait()
        await pacer.wait()
        assert virtual().time() == pytest.approx(0.02)

    run_virtual(main())


def test_after_a_pause_nothing_is_made_up_for() -> None:
    async def main() -> None:
        pacer = Pacer()
        await schedule(pacer, 3)
        await asyncio.sleep(1)
        pacer.resume()
        first, second, *_ = await schedule(pacer, 2)
        assert second - first == pytest.approx(0.02)

    run_virtual(main())
