"""Cutting pictures and putting them together, against RFC 7741 and RFC 6184."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.payload_formats import PAYLOAD, H264Payloads, PayloadFormat, Picture, Vp8Payloads

KEY, DELTA = b"\x10", b"\x11"
"""RFC 6386 section 9.1: the lowest bit of a frame is 0 in one that builds on no other."""

SPS, PPS, IDR, SLICE = b"\x67\x42\xe0\x1f", b"\x68\xce\x06\xe2", b"\x65", b"\x41"


def annex_b(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def noise(size: int) -> bytes:
    """No start code in it."""
    return bytes(random.Random(size).choices(range(1, 256), k=size))


# VP8


@pytest.mark.parametrize("size", [1, 100, PAYLOAD, 5 * PAYLOAD, 40_000])
def test_a_vp8_picture_comes_out_as_it_went_in(size: int) -> None:
    data = KEY + noise(size)
    payloads = Vp8Payloads().split(data)
    assert all(len(payload) <= PAYLOAD for payload in payloads)
    assert Vp8Payloads().join(payloads) == Picture(data, is_key=True)


def test_vp8_descriptors_are_those_of_the_rfc() -> None:
    """Section 4.2: X set, S on the first only, partition 0; I set, and a picture id of 15 bits that counts up."""
    sender = Vp8Payloads()
    first, second = (sender.split(DELTA + noise(3000)) for _ in range(2))
    assert [payload[0] for payload in first] == [0x90] + [0x80] * (len(first) - 1)
    assert {payload[1] for payload in first} == {0x80}
    numbers = [{int.from_bytes(payload[2:4], "big") for payload in payloads} for payloads in (first, second)]
    assert all(len(each) == 1 for each in numbers)
    (one,), (other,) = numbers
    assert one & 0x8000
    assert (one & 0x7FFF) + 1 & 0x7FFF == other & 0x7FFF


@pytest.mark.parametrize(
    "descriptor",
    [
        b"\x10",
        b"\x90\x80\x05",  # a picture id of 7 bits
        b"\x90\x80\x81\x05",  # of 15 bits
        b"\x90\x40\x07",  # TL0PICIDX
        b"\x90\x20\x40",  # TID
        b"\x90\x10\x03",  # KEYIDX
        b"\x90\xf0\x81\x05\x07\x43",  # all of them
        b"\xb0\x80\x05",  # a picture that no other builds on
    ],
)
def test_every_vp8_descriptor_is_read(descriptor: bytes) -> None:
    assert Vp8Payloads().join([descriptor + DELTA + b"rest"]) == Picture(DELTA + b"rest", is_key=False)


@pytest.mark.parametrize(
    "payloads",
    [
        pytest.param([b""], id="nothing"),
        pytest.param([b"\x10"], id="only a descriptor"),
        pytest.param([b"\x90\x80\x81"], id="a descriptor that breaks off"),
        pytest.param([b"\x00" + KEY], id="the beginning is missing"),
        pytest.param([b"\x11" + KEY], id="the second partition comes first"),
        pytest.param([b"\x10" + KEY, b"\x10" + KEY], id="two beginnings"),
    ],
)
def test_a_damaged_vp8_picture_is_none(payloads: list[bytes]) -> None:
    assert Vp8Payloads().join(payloads) is None


# H.264


def test_an_h264_picture_is_cut_as_the_rfc_has_it() -> None:
    """Parameter sets in a STAP-A (section 5.7.1), a large slice in FU-A (5.8), a small one as it is (5.6)."""
    large, small = IDR + noise(3000), SLICE + noise(50)
    payloads = H264Payloads().split(annex_b(SPS, PPS, large, small))
    assert payloads[0] == b"\x78" + b"\0\x04" + SPS + b"\0\x04" + PPS
    assert payloads[-1] == small
    fragments = payloads[1:-1]
    assert len(fragments) == 3
    assert [payload[0] for payload in fragments] == [0x60 | 28] * 3
    assert [payload[1] for payload in fragments] == [0x80 | 5, 5, 0x40 | 5]
    assert b"".join(payload[2:] for payload in fragments) == large[1:]


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6))
def test_an_h264_picture_comes_out_as_it_went_in(sizes: list[int]) -> None:
    data = annex_b(SPS, PPS, *(IDR + noise(size) for size in sizes))
    payloads = H264Payloads().split(data)
    assert all(len(payload) <= PAYLOAD for payload in payloads)
    assert H264Payloads().join(payloads) == Picture(data, is_key=True)


def test_short_start_codes_are_start_codes() -> None:
    """Annex B allows three bytes as well as four."""
    assert H264Payloads().split(b"\0\0\1" + SLICE + b"\x05\0\0\1" + SLICE + b"\x06") == [
        SLICE + b"\x05",
        SLICE + b"\x06",
    ]


def test_a_picture_without_parameter_sets_cannot_be_begun_with() -> None:
    for units, is_key in (((SPS, PPS, IDR + b"\1"), True), ((IDR + b"\1",), False), ((SLICE + b"\1",), False)):
        picture = H264Payloads().join(list(units))
        assert picture is not None
        assert picture.is_key is is_key


def test_parameter_sets_may_come_with_the_description() -> None:
    """RFC 6184 section 8.1: then a stream need not hold them."""
    sets = ",".join(base64.b64encode(unit).decode() for unit in (SPS, PPS))
    told, untold = H264Payloads({"sprop-parameter-sets": sets}), H264Payloads({"sprop-parameter-sets": "!"})
    alone, whole = [IDR + b"\1"], [SPS, PPS, IDR + b"\1"]
    assert told.join(alone) == Picture(annex_b(*whole), is_key=True)
    assert told.join(whole) == untold.join(whole) == Picture(annex_b(*whole), is_key=True)
    assert untold.join(alone) == Picture(annex_b(*alone), is_key=False)
    assert told.join([SLICE + b"\1"]) == Picture(annex_b(SLICE + b"\1"), is_key=False)


@pytest.mark.parametrize(
    "payloads",
    [
        pytest.param([b"\x41"], id="too short"),
        pytest.param([b"\x7c\x05ab"], id="FU-A without a beginning"),
        pytest.param([b"\x7c\x85ab"], id="FU-A without an end"),
        pytest.param([b"\x7c\x85ab", b"\x41ab"], id="FU-A that breaks off"),
        pytest.param([b"\x7c\x85ab", b"\x7c\x85ab"], id="FU-A that begins twice"),
        pytest.param([b"\x78\0\x09ab"], id="STAP-A that breaks off"),
        pytest.param([b"\x78\0\0ab"], id="STAP-A with an empty unit"),
        pytest.param([b"\x79\0\x02ab"], id="STAP-B, which needs another mode"),
    ],
)
def test_a_damaged_h264_picture_is_none(payloads: list[bytes]) -> None:
    assert H264Payloads().join(payloads) is None


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_nothing_that_comes_breaks_anything(payloads: list[bytes]) -> None:
    formats: tuple[PayloadFormat, ...] = (Vp8Payloads(), H264Payloads())
    for each in formats:
        picture = each.join(payloads)
        assert picture is None or picture.data
