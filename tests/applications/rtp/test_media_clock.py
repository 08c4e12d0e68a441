"""One time line for all that is received in a session (RFC 3550 section 6.4.1)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.media_clock import MediaClock

CAPTURED = 3_900_000_000.0
"""Seconds on the peer's clock at which the first sound was captured."""


def test_what_begins_first_begins_at_nothing() -> None:
    clock = MediaClock()
    assert clock.begin(100.0) == 0
    assert clock.begin(100.5) == 0.5
    assert clock.begin(99.0) == 0


def test_without_sound_pictures_stand_where_they_come_in() -> None:
    clock = MediaClock()
    assert [clock.place(None, moment) for moment in (7.0, 7.5, 8.0)] == [0, 0.5, 1]


def test_a_picture_belongs_beside_the_sound_that_came_with_it() -> None:
    clock = MediaClock()
    clock.begin(100.0)
    clock.heard(Fraction(3), None, 103.25)  # a quarter of a second was filled in, say
    assert clock.place(None, 103.25) == pytest.approx(3)
    assert clock.place(None, 104.0) == pytest.approx(3.75)


def test_reports_say_it_better() -> None:
    """The picture came 0.2 s after the sound that was captured with it."""
    clock = MediaClock()
    clock.heard(Fraction(3), CAPTURED + 3, 103.0)
    assert clock.place(CAPTURED + 3, 103.2) == pytest.approx(3)
    assert clock.place(CAPTURED + 3.04, 103.24) == pytest.approx(3.04)
    assert clock.place(None, 103.2) == pytest.approx(3.2)


def test_sound_that_is_filled_in_moves_the_pictures_too() -> None:
    clock = MediaClock()
    clock.heard(Fraction(1), CAPTURED + 1, 101.0)
    clock.heard(Fraction(3), CAPTURED + 2, 102.0)  # a second of silence was put in that was not captured
    assert clock.place(CAPTURED + 2, 102.1) == pytest.approx(3)


@pytest.mark.parametrize("nonsense", [0.0, 1e300, -1e300, CAPTURED + 3600])
def test_a_report_that_cannot_be_is_not_believed(nonsense: float) -> None:
    clock = MediaClock()
    clock.heard(Fraction(3), CAPTURED + 3, 103.0)
    assert clock.place(nonsense, 103.2) == pytest.approx(3.2)


@given(st.lists(st.tuples(st.none() | st.floats(allow_nan=False), st.floats(0, 1e6), st.booleans())))
def test_nothing_stands_before_the_beginning(heard: list[tuple[float | None, float, bool]]) -> None:
    clock = MediaClock()
    for sent, arrival, is_sound in heard:
        if is_sound:
            clock.heard(Fraction(arrival).limit_denominator(48_000), sent, arrival)
        assert clock.place(sent, arrival) >= 0
