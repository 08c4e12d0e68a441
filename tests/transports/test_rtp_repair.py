"""Which packets are asked for, and which are sent once more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.transports.rtp_repair import (
    AT_ONCE,
    GIVE_UP,
    HISTORY,
    MAX_ASKED,
    MAX_MISSING,
    MAX_REPEATED,
    MIN_PAUSE,
    PATIENCE,
    REPEAT,
    History,
    Missing,
)


def missing_after(*numbers: int, at: float = 0.0) -> Missing:
    missing = Missing()
    for number in numbers:
        missing.arrived(number, at)
    return missing


def test_a_gap_is_asked_for_once_it_is_clear_that_nothing_was_overtaken() -> None:
    missing = missing_after(10, 13)
    assert missing.wake == PATIENCE
    assert missing.due(PATIENCE / 2) == []
    assert missing.due(PATIENCE) == [11, 12]


def test_what_comes_late_is_not_asked_for() -> None:
    missing = missing_after(10, 13, 12)
    assert missing.due(1e-9 + PATIENCE) == [11]
    missing.repaired(11)
    assert missing.due(PATIENCE + 1) == []
    assert missing.wake is None


def test_numbers_wrap() -> None:
    assert missing_after(65534, 1).due(PATIENCE) == [65535, 0]


def test_it_asks_again_after_a_round_trip_and_not_for_ever() -> None:
    missing = missing_after(10, 12)
    missing.rtt = 0.100
    asked, now = [], 0.0
    while now < 2 * GIVE_UP:
        if missing.due(now):
            asked.append(now)
        now += 0.001
    assert 3 <= len(asked) <= MAX_ASKED
    assert all(0.1 <= later - before < 0.13 for before, later in zip(asked, asked[1:], strict=False))
    assert asked[-1] <= GIVE_UP
    assert missing.wake is None


def test_without_a_round_trip_it_does_not_flood() -> None:
    missing = missing_after(10, 12)
    assert missing.due(PATIENCE) == [11]
    assert missing.due(PATIENCE + REPEAT / 2) == []
    assert missing.due(PATIENCE + REPEAT) == [11]


def test_a_long_gap_is_not_asked_for() -> None:
    assert missing_after(10, 10 + MAX_MISSING + 1).due(1) == []


@given(st.lists(st.integers(0, 65535), max_size=300))
def test_it_never_remembers_more_than_it_should(numbers: list[int]) -> None:
    missing = missing_after(*numbers)
    assert len(missing.due(PATIENCE)) <= MAX_MISSING


def test_history_repeats_what_it_has() -> None:
    history: History[str] = History()
    for number in range(HISTORY + 10):
        history.keep(number, f"packet {number}")
    assert history.repeat(9, 0) is None
    assert history.repeat(10, 0) == "packet 10"
    assert history.repeat(HISTORY + 9, 0) == f"packet {HISTORY + 9}"
    assert history.repeat(HISTORY + 10, 0) is None


@pytest.mark.parametrize(("pause", "times"), [(MIN_PAUSE * 0.6, 5), (MIN_PAUSE * 1.01, MAX_REPEATED)])
def test_whoever_asks_too_often_gets_no_more(pause: float, times: int) -> None:
    history: History[str] = History()
    history.keep(7, "packet")
    got = [history.repeat(7, asked * pause) for asked in range(4 * MAX_REPEATED)]
    assert 1 < sum(packet is not None for packet in got) <= MAX_REPEATED
    assert sum(packet is not None for packet in got[:10]) == min(times, 10)


def test_repetitions_take_their_share_and_no_more() -> None:
    """A path that is full already must not be filled with what it lost."""
    history: History[str] = History()
    sent = [1000] * 400
    for number, size in enumerate(sent):
        history.keep(number, "packet", size)
    repeated = sum(sent[number] for number in range(400) if history.repeat(number, 0) is not None)
    assert repeated == AT_ONCE
    for number in range(400, 420):
        history.keep(number, "packet", 1000)
    assert sum(history.repeat(number, 1) is not None for number in range(400, 420)) == 10
