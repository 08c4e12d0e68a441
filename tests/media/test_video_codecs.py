from __future__ import annotations

import random

import numpy as np
import pytest
from av.video.frame import PictureType, VideoFrame

from jingle.errors import MediaError
from jingle.media.planes import black_frame
from jingle.media.test_card import TestCard
from jingle.media.video_codecs import (
    MAX_DECODED,
    Encoded,
    VideoEncoder,
    fitting,
    make_video_decoder,
    make_video_encoder,
)

CODECS = ["VP8", "h264"]
CARD = TestCard(320, 240)


def is_key(codec: str, encoded: Encoded) -> bool:
    """RFC 6386 section 9.1: the lowest bit is 0; ITU-T H.264 table 7-1: a unit of type 5."""
    if codec == "VP8":
        return not encoded.data[0] & 1
    return any(unit and unit[0] & 0x1F == 5 for unit in encoded.data.split(b"\0\0\1"))


def encode(encoder: VideoEncoder, count: int, *, begin: int = 0, keys: tuple[int, ...] = ()) -> list[Encoded]:
    encoded = [
        encoder.encode(CARD.picture(number / 25), number / 25, keyframe=number in keys)
        for number in range(begin, begin + count)
    ]
    assert all(encoded)
    return [each for each in encoded if each is not None]


@pytest.mark.parametrize("codec", CODECS)
def test_each_picture_comes_out_at_once_and_looks_the_same(codec: str) -> None:
    encoder, decoder = make_video_encoder(codec), make_video_decoder(codec)
    for number, encoded in enumerate(encode(encoder, 20)):
        (frame,) = decoder.decode(encoded.data, number * 3600)
        assert (frame.width, frame.height) == (encoded.width, encoded.height) == (320, 240)
        assert frame.time == pytest.approx(number / 25)
        assert CARD.likeness(frame) > 0.95


@pytest.mark.parametrize("codec", CODECS)
def test_whole_pictures_come_first_and_on_demand(codec: str) -> None:
    keys = [is_key(codec, each) for each in encode(make_video_encoder(codec), 12, keys=(7,))]
    assert [number for number, key in enumerate(keys) if key] == [0, 7]


@pytest.mark.parametrize("codec", CODECS)
def test_decoding_can_begin_with_any_whole_picture(codec: str) -> None:
    encoded = encode(make_video_encoder(codec), 12, keys=(7,))
    decoder = make_video_decoder(codec)
    assert [len(decoder.decode(each.data, number)) for number, each in enumerate(encoded[7:])] == [1] * 5


def test_h264_is_constrained_baseline() -> None:
    """ITU-T H.264 annex A.2.1.1: profile_idc 66, constraint_set1_flag; at most level 3.1 (RFC 7742 section 6.2)."""
    (encoded,) = encode(make_video_encoder("H264"), 1)
    sps = next(unit for unit in encoded.data.split(b"\0\0\1") if unit and unit[0] & 0x1F == 7)
    assert sps[1] == 66
    assert sps[2] & 0x40
    assert sps[3] <= 31


@pytest.mark.parametrize("codec", CODECS)
def test_the_bit_rate_is_followed(codec: str) -> None:
    encoder, chance = make_video_encoder(codec), np.random.default_rng(1)
    sizes = {}
    moment = 0
    for bit_rate in (1_000_000, 300_000):
        encoder.bit_rate = bit_rate
        total = 0
        for _ in range(75):
            moment += 1
            planes = CARD.picture(moment / 25).to_ndarray()
            planes[60:120] = np.clip(planes[60:120].astype(int) + chance.integers(-20, 20, (60, 320)), 0, 255)
            frame = VideoFrame.from_ndarray(planes.astype(np.uint8), format="yuv420p")
            encoded = encoder.encode(frame, moment / 25)
            total += len(encoded.data) if encoded is not None else 0
        sizes[bit_rate] = total * 8 / 3
    assert sizes[1_000_000] > 1.5 * sizes[300_000]
    assert sizes[300_000] < 450_000


@pytest.mark.parametrize("codec", CODECS)
def test_a_small_change_of_the_rate_begins_nothing_anew(codec: str) -> None:
    encoder = make_video_encoder(codec)
    encoder.bit_rate = 1_000_000
    first = encode(encoder, 3)
    encoder.bit_rate = 1_100_000
    same = encode(encoder, 3, begin=3)
    encoder.bit_rate = 500_000
    other = encode(encoder, 3, begin=6)
    assert [is_key(codec, each) for each in first + same + other] == [True, *[False] * 5, True, False, False]


@pytest.mark.parametrize("codec", CODECS)
def test_how_a_file_had_coded_it_does_not_matter(codec: str) -> None:
    encoder, encoded = make_video_encoder(codec), []
    for number in range(4):
        frame = CARD.picture(number / 25)
        frame.pict_type = PictureType.I
        encoded.append(encoder.encode(frame, number / 25))
        assert (frame.pict_type, frame.pts) == (PictureType.I, number * 3600)  # it is left as it is
    assert [each is not None and is_key(codec, each) for each in encoded] == [True, False, False, False]


@pytest.mark.parametrize("codec", CODECS)
def test_time_that_stands_still_or_goes_back(codec: str) -> None:
    encoder, decoder = make_video_encoder(codec), make_video_decoder(codec)
    for number, moment in enumerate((5.0, 5.0, 4.0, 5.1)):
        encoded = encoder.encode(CARD.picture(number / 25), moment)
        assert encoded is not None
        assert len(decoder.decode(encoded.data, number)) == 1


@pytest.mark.parametrize("codec", CODECS)
def test_a_picture_of_another_size(codec: str) -> None:
    encoder, decoder = make_video_encoder(codec), make_video_decoder(codec)
    for number, card in enumerate((CARD, TestCard(640, 360), CARD)):
        encoded = encoder.encode(card.picture(0), number / 25)
        assert encoded is not None
        assert is_key(codec, encoded)
        (frame,) = decoder.decode(encoded.data, number)
        assert (frame.width, frame.height) == (card.width, card.height)


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((640, 480), (640, 480)),
        ((1920, 1080), (1280, 720)),
        ((1080, 1920), (720, 1280)),
        ((2560, 1080), (1280, 540)),
        ((161, 121), (160, 120)),
        ((1, 1), (2, 2)),
        ((10_000, 10), (1280, 2)),
    ],
)
def test_sizes(size: tuple[int, int], sent: tuple[int, int]) -> None:
    assert fitting(*size) == sent


@pytest.mark.parametrize("format", ["rgb24", "nv12", "yuv422p", "gray"])
def test_any_format_of_pixels(format: str) -> None:
    encoded = make_video_encoder("VP8").encode(CARD.picture(0).reformat(format=format), 0)
    assert encoded is not None
    (frame,) = make_video_decoder("VP8").decode(encoded.data, 0)
    if format != "gray":
        assert CARD.likeness(frame) > 0.9


@pytest.mark.parametrize("codec", CODECS)
def test_whatever_comes_in_is_a_picture_or_an_error(codec: str) -> None:
    chance, decoder = random.Random(1), make_video_decoder(codec)
    good = encode(make_video_encoder(codec), 30)
    outcomes = set()
    for number, encoded in enumerate(good * 3):
        data = bytearray(encoded.data)
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            outcomes.add(len(decoder.decode(bytes(data[: chance.randrange(1, len(data) + 1)]), number)))
        except MediaError:
            outcomes.add(-1)
    assert outcomes <= {-1, 0, 1}
    assert len(outcomes) > 1


def test_a_picture_that_would_fill_the_memory_is_refused() -> None:
    """RFC 6386 section 9.1: width and height are 14 bits each in a whole picture."""
    (encoded,) = encode(make_video_encoder("VP8"), 1)
    huge = bytearray(encoded.data)
    huge[6:10] = (16383).to_bytes(2, "little") * 2
    assert 16383 * 16383 > MAX_DECODED
    with pytest.raises(MediaError):
        make_video_decoder("VP8").decode(bytes(huge), 0)


@pytest.mark.parametrize("make", [make_video_encoder, make_video_decoder])
def test_unknown_codecs(make: object) -> None:
    assert callable(make)
    with pytest.raises(MediaError, match="for VP9"):
        make("VP9")


def test_black_is_black() -> None:
    pixels = black_frame(64, 48).reformat(format="rgb24").to_ndarray()
    assert pixels.max() <= 2
