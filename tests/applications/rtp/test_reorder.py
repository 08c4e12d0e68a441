from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.reorder import CAPACITY, MAX_WAIT, MIN_WAIT, ReorderBuffer
from jingle.transports.base import RtpPacket


def packet(number: int, arrival: float = 0.0) -> RtpPacket:
    return RtpPacket(0, False, number & 0xFFFF, 0, 1, b"", arrival)


def numbers(buffer: ReorderBuffer, now: float) -> list[tuple[int, int]]:
    return [(packet.sequence_number, lost) for packet, lost in buffer.take(now)]


def test_packets_in_order_leave_at_once() -> None:
    buffer = ReorderBuffer()
    for number in (65534, 65535, 65536, 65537):
        buffer.add(packet(number))
        assert numbers(buffer, 0.0) == [(number & 0xFFFF, 0)]
    assert buffer.deadline is None


def test_behind_a_missing_one_they_wait() -> None:
    buffer = ReorderBuffer()
    buffer.add(packet(1))
    assert numbers(buffer, 0.0) == [(1, 0)]
    buffer.add(packet(3, 1.0))
    buffer.add(packet(4, 1.02))
    assert numbers(buffer, 1.02) == []
    assert buffer.deadline == 1.0 + MIN_WAIT
    buffer.add(packet(2, 1.03))
    assert numbers(buffer, 1.03) == [(2, 0), (3, 0), (4, 0)]


def test_after_a_while_it_is_lost() -> None:
    buffer = ReorderBuffer()
    buffer.add(packet(1))
    numbers(buffer, 0.0)
    buffer.add(packet(4, 1.0))
    assert numbers(buffer, 1.0 + MIN_WAIT) == [(4, 2)]


def test_late_ones_are_dropped_and_make_it_wait_longer() -> None:
    buffer = ReorderBuffer()
    buffer.add(packet(1))
    buffer.add(packet(3))
    assert numbers(buffer, 1.0) == [(1, 0), (3, 1)]
    for _ in range(100):
        buffer.add(packet(2))
    assert numbers(buffer, 1.0) == []
    assert buffer.wait == MAX_WAIT
    for number in range(4, 3000):
        buffer.add(packet(number))
        numbers(buffer, 1.0)
    assert buffer.wait == MIN_WAIT


def test_what_waits_is_bounded() -> None:
    buffer = ReorderBuffer()
    buffer.add(packet(1))
    numbers(buffer, 0.0)
    most = 0
    for number in range(3, 3 + 10 * CAPACITY, 2):
        buffer.add(packet(number))
        numbers(buffer, 0.0)
        most = max(most, len(buffer._held))
    assert most < CAPACITY


def test_a_source_that_starts_over_is_followed() -> None:
    buffer = ReorderBuffer()
    buffer.add(packet(1))
    numbers(buffer, 0.0)
    buffer.add(packet(30_000))
    assert numbers(buffer, 0.0) == [(30_000, 0)]


@given(st.integers(0, 0xFFFF), st.lists(st.integers(0, 4), min_size=1, max_size=60), st.sets(st.integers(1, 59)))
def test_whatever_the_path_does_order_is_kept(first: int, delays: list[int], lost: set[int]) -> None:
    """Packets displaced by less than the wait come out complete and in order."""
    arrivals = sorted(
        (0.02 * (index + delay), index)
        for index, delay in enumerate(delays)
        if index not in lost and (index or not delay)
    )
    buffer = ReorderBuffer()
    buffer.add(packet(first, 0.0))
    seen = [first for first, _ in numbers(buffer, 0.0)]
    buffer.wait = MAX_WAIT
    for arrival, index in arrivals:
        if index:
            buffer.wait = MAX_WAIT
            buffer.add(packet(first + index, arrival))
            seen += [number for number, _ in numbers(buffer, arrival)]
    seen += [number for number, _ in numbers(buffer, float("inf"))]
    assert seen == [(first + index) & 0xFFFF for index in sorted({0} | {index for _, index in arrivals})]
