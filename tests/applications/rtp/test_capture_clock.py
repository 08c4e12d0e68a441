from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.capture_clock import JUMP, WINDOW, CaptureClock


def test_the_delays_of_a_busy_machine_do_not_count() -> None:
    clock, chance = CaptureClock(), random.Random(1)
    for number in range(500):
        time = number * 0.02
        late = 0.0 if number % 10 == 0 else chance.uniform(0, 0.06)
        assert clock.captured(time, 100 + time + late) == pytest.approx(100 + time)


def test_the_first_frame_counts_until_a_better_one_comes() -> None:
    clock = CaptureClock()
    assert clock.captured(0, 100.05) == pytest.approx(100.05)
    assert clock.captured(0.02, 100.02) == pytest.approx(100.02)
    assert clock.captured(0.04, 100.09) == pytest.approx(100.04)


def test_a_schedule_that_was_shifted_is_followed_after_a_while() -> None:
    clock = CaptureClock()
    clock.captured(0, 100)
    at = 0.0
    while at < WINDOW + 0.1:
        at += 0.02
        captured = clock.captured(at, 100.1 + at)
    assert captured == pytest.approx(100.1 + at)


@pytest.mark.parametrize(("time", "now"), [(0.0, 110.0), (5.0, 105 + JUMP + 0.1)])
def test_another_source_begins_anew(time: float, now: float) -> None:
    """Its times go back, or it is much later."""
    clock = CaptureClock()
    for number in range(100):
        clock.captured(number / 20, 100 + number / 20)
    assert clock.captured(time, now) == now


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 10))))
def test_nothing_was_captured_later_than_it_came(frames: list[tuple[float, float]]) -> None:
    clock, now = CaptureClock(), 0.0
    for time, pause in frames:
        now += pause
        assert clock.captured(time, now) <= now + 1e-6
    assert len(clock._delays) <= len(frames)
