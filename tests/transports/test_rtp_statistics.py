from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from jingle.transports.rtp_statistics import SourceStatistics

RATE = 8000
STEP = 160


def run(numbers: list[int], *, statistics: SourceStatistics | None = None) -> SourceStatistics:
    statistics = statistics or SourceStatistics()
    for index, number in enumerate(numbers):
        statistics.add(number & 0xFFFF, number * STEP & 0xFFFFFFFF, RATE, 160, index * 0.02)
    return statistics


def test_an_even_source_loses_nothing_and_has_no_jitter() -> None:
    statistics = run(list(range(100)))
    assert (statistics.packets_received, statistics.packets_expected, statistics.packets_lost) == (100, 100, 0)
    assert statistics.bytes_received == 16_000
    assert statistics.jitter < 1e-9


def test_loss_is_what_the_numbers_miss() -> None:
    statistics = run([0, 1, 2, 5, 6, 9])
    assert statistics.packets_lost == 4
    assert statistics.highest_sequence == 9


def test_numbers_wrap_and_are_extended() -> None:
    statistics = run(list(range(65530, 65546)))
    assert statistics.packets_lost == 0
    assert statistics.highest_sequence == 65545


def test_reordering_across_the_wrap_is_no_loss() -> None:
    assert run([65534, 0 + 65536, 65535, 1 + 65536]).packets_lost == 0


def test_one_wild_number_is_ignored() -> None:
    statistics = run([1, 2, 3])
    assert not statistics.add(30_000, 0, RATE, 1, 1.0)
    assert statistics.add(4, 4 * STEP, RATE, 1, 1.1)
    assert (statistics.packets_received, statistics.packets_lost) == (4, 0)


def test_a_source_that_starts_over_is_followed_and_keeps_its_losses() -> None:
    statistics = run([1, 2, 4])
    assert not statistics.add(30_000, 0, RATE, 1, 1.0)
    assert statistics.add(30_001, STEP, RATE, 1, 1.02)
    assert statistics.add(30_002, 2 * STEP, RATE, 1, 1.04)
    assert statistics.packets_lost == 1


def test_duplicates_never_make_loss_negative() -> None:
    statistics = run([1, 1, 1, 2])
    assert statistics.packets_lost == 0
    assert statistics.fraction_lost() == 0


def test_fraction_lost_is_about_the_time_since_the_last_report() -> None:
    statistics = run([0, 1, 2, 3])
    assert statistics.fraction_lost() == 0
    run([4, 6, 7, 9], statistics=statistics)  # 4 of 6 came
    assert statistics.fraction_lost() == 2 * 256 // 6
    assert not statistics.heard_since_report
    assert statistics.fraction_lost() == 0


def test_jitter_is_in_seconds_and_settles_at_the_mean_deviation() -> None:
    statistics = SourceStatistics()
    generator = random.Random(1)
    for number in range(3000):
        statistics.add(number & 0xFFFF, number * STEP, RATE, 160, number * 0.02 + generator.uniform(0, 0.012))
    # The mean difference of two numbers drawn evenly from an interval is a third of it.
    assert 0.002 < statistics.jitter < 0.006
    assert statistics.jitter_in_clock_units == round(statistics.jitter * RATE)


def test_silence_suppression_is_no_jitter() -> None:
    statistics = SourceStatistics()
    moment = 0.0
    for number in range(50):
        moment += 0.4
        statistics.add(number, round(moment * RATE), RATE, 10, moment)
    assert statistics.jitter < 0.0002


def test_a_clock_that_was_paused_is_no_jitter() -> None:
    statistics = run(list(range(10)))
    statistics.add(10, 10 * STEP, RATE, 160, 500.0)
    assert statistics.jitter < 0.001


def test_packets_of_one_timestamp_say_nothing_about_spacing() -> None:
    statistics = run([0])
    for number in range(1, 8):
        statistics.add(number, 0, RATE, 4, number * 0.02)
    assert statistics.jitter == 0


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.floats(0, 1e6)), max_size=60))
def test_whatever_comes_the_report_fits_its_fields(packets: list[tuple[int, int, float]]) -> None:
    statistics = SourceStatistics()
    for number, timestamp, arrival in packets:
        statistics.add(number, timestamp, RATE, 1, arrival)
    assert 0 <= statistics.packets_lost < 1 << 23
    assert 0 <= statistics.highest_sequence < 1 << 32
    assert 0 <= statistics.jitter_in_clock_units < 1 << 32
    assert 0 <= statistics.fraction_lost() < 256
