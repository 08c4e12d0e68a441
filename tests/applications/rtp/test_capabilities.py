from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.capabilities import (
    CODECS,
    G722,
    MAX_OPUS_PACKET,
    OPUS,
    PCMA,
    PCMU,
    opus_duration,
    select,
)
from jingle.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        (b"\x00", 10),  # SILK narrow band
        (b"\x18", 60),
        (b"\x60", 10),  # hybrid
        (b"\x68", 20),
        (b"\x80", 2.5),  # CELT
        (b"\xf8", 20),
        (b"\xf9", 40),  # two of the same size
        (b"\xfa", 40),  # two of different sizes
        (b"\xfb\x03", 60),  # three
        (b"\xfb\x06", 120),
        (b"\xfb\x07", 0),  # 140 ms: not allowed
        (b"\xfb", 0),
        (b"", 0),
    ],
)
def test_opus_packets_tell_how_long_they_are(payload: bytes, milliseconds: float) -> None:
    assert opus_duration(payload) == milliseconds * 48


@given(st.binary(max_size=3))
def test_no_opus_packet_is_longer_than_allowed(payload: bytes) -> None:
    assert 0 <= opus_duration(payload) <= MAX_OPUS_PACKET


def test_codecs_of_64_kbit_have_a_unit_for_each_byte() -> None:
    assert {codec.duration(bytes(160)) for codec in (G722, PCMU, PCMA)} == {160}


def test_no_id_is_used_twice() -> None:
    for codecs in CODECS.values():
        ids = [codec.payload_type for codec in codecs]
        assert len(set(ids)) == len(ids)


def test_the_user_chooses_and_ranks() -> None:
    names = [codec.name for codec in select("audio", ["pcma", "OPUS", "pcma"])]
    assert names == ["PCMA", "opus", "telephone-event", "telephone-event"]


def test_dtx_is_asked_of_the_peer() -> None:
    assert ("usedtx", "1") in select("audio", dtx=True)[0].parameters
    assert select("audio")[0] is OPUS


@pytest.mark.parametrize("names", [["speex"], ["telephone-event"], []])
def test_an_unknown_codec_is_said_to_be(names: list[str]) -> None:
    with pytest.raises(LocalProtocolError, match="there are opus, g722, pcmu, pcma"):
        select("audio", names)


def test_a_medium_we_do_not_do_has_no_codecs() -> None:
    assert select("smell") == ()
