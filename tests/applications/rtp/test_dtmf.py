from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.applications.rtp.dtmf import (
    DIGITS,
    END_PACKETS,
    INTERVAL,
    KEYS_A_SECOND,
    KEYS_AT_ONCE,
    TONE,
    KeyLimit,
    KeyReceiver,
    check_digits,
    press,
)
from jingle.errors import LocalProtocolError


def test_a_press_is_reported_while_it_lasts_and_ended_three_times() -> None:
    packets = list(press("5", 8000))
    assert [packet.payload.hex() for packet in packets] == [
        "050a00a0",
        "050a0140",
        "050a01e0",
        "050a0280",
        "058a0320",
        "058a0320",
        "058a0320",
    ]
    assert [packet.first for packet in packets] == [True, *[False] * 6]
    assert [packet.at for packet in packets] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1])


def test_durations_follow_the_clock() -> None:
    assert list(press("#", 48_000))[-1].payload.hex() == "0b8a12c0"


@pytest.mark.parametrize("digits", ["1e", "12 3", "+49", "٣"])
def test_what_is_no_key_is_refused(digits: str) -> None:
    with pytest.raises(LocalProtocolError, match="not a key"):
        check_digits(digits)


def test_letters_may_be_small() -> None:
    assert check_digits("1a#*") == "1A#*"


@settings(max_examples=40)
@given(st.text(DIGITS, max_size=8), st.sampled_from([8000, 48_000]), st.sets(st.integers(0, 6), max_size=6), st.data())
def test_every_press_is_heard_once_whatever_is_lost_or_repeated(
    digits: str, clock_rate: int, lost: set[int], data: st.DataObject
) -> None:
    receiver, heard = KeyReceiver(), ""
    timestamp = data.draw(st.integers(0, 2**32 - 1))
    for digit in digits:
        for index, packet in enumerate(press(digit, clock_rate)):
            if index not in lost:
                for _ in range(data.draw(st.integers(1, 2))):
                    heard += receiver.receive(timestamp, packet.payload) or ""
        timestamp = (timestamp + round(0.17 * clock_rate)) & 0xFFFFFFFF
    assert heard == digits


def test_a_press_too_long_for_its_field_is_one_press() -> None:
    receiver = KeyReceiver()
    heard = [receiver.receive(1000, b"\x01\x0a\xff\xff")]
    heard += [receiver.receive((1000 + 0xFFFF) & 0xFFFFFFFF, b"\x01\x0a\x10\x00")]
    heard += [receiver.receive((1000 + 0xFFFF) & 0xFFFFFFFF, b"\x01\x8a\x20\x00")]
    assert heard == ["1", None, None]


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x0a\x00", b"\x10\x0a\x00\xa0", b"\xff\x8a\xff\xff"])
def test_nonsense_and_other_events_are_no_keys(payload: bytes) -> None:
    assert KeyReceiver().receive(0, payload) is None


def test_there_is_one_end_packet_for_each_time_it_may_get_lost() -> None:
    assert sum(packet.at == TONE for packet in press("1", 8000)) == END_PACKETS
    assert TONE / INTERVAL == 5


def test_how_fast_keys_are_heard() -> None:
    limit = KeyLimit()
    assert sum(limit.allows(5.0) for _ in range(1000)) == KEYS_AT_ONCE
    assert sum(limit.allows(6.0) for _ in range(1000)) == KEYS_A_SECOND
    assert sum(limit.allows(1000.0) for _ in range(1000)) == KEYS_AT_ONCE
    dialled = KeyLimit()
    assert all(dialled.allows(number * 0.08) for number in range(10_000))
