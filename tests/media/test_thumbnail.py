"""Pictures in small: which there are, how large, and which way up."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from jingle.media import thumbnail
from jingle.media.thumbnail import LARGEST, make_thumbnail
from jingle.media.video_codecs import TICK

RED, BLUE = (220, 30, 30), (30, 30, 220)


def picture(width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Red on the left, blue on the right."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    return pixels


def encode(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], codec: str, format: str) -> bytes:
    frame = VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=format)
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = frame.width, frame.height, format, TICK
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def turned(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG file with what cameras write about how they were held (Exif 2.3 section 4.6.4, tag 0x0112)."""
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0" + b"MM\0\x2a\0\0\0\x08" + struct.pack(">H", 1) + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def decode(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with av.open(io.BytesIO(data), mode="r", format="mjpeg") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(np.uint8)


def is_like(pixel: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], colour: tuple[int, int, int]) -> bool:
    return all(abs(int(a) - b) < 40 for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize(("codec", "format"), [("png", "rgb24"), ("mjpeg", "yuvj420p"), ("bmp", "bgr24")])
@pytest.mark.parametrize(
    ("size", "expected"),
    [((1000, 500), (128, 64)), ((300, 600), (64, 128)), ((60, 40), (60, 40)), ((4000, 2), (128, 1))],
)
def test_a_picture_in_small(
    tmp_path: Path, codec: str, format: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encode(picture(*size), codec, format))
    small = make_thumbnail(path)
    assert small is not None
    assert (small.width, small.height) == expected
    assert len(small.data) <= LARGEST
    pixels = decode(small.data)
    assert pixels.shape[:2] == (small.height, small.width)
    assert is_like(pixels[small.height // 2, small.width // 8], RED)
    assert is_like(pixels[small.height // 2, -small.width // 8], BLUE)


@pytest.mark.parametrize(
    ("orientation", "size", "red"),
    [(1, (128, 64), (32, 5)), (3, (128, 64), (32, -5)), (6, (64, 128), (5, 32)), (8, (64, 128), (-5, 32))],
)
def test_a_picture_of_a_camera_that_was_turned(
    tmp_path: Path, orientation: int, size: tuple[int, int], red: tuple[int, int]
) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(turned(encode(picture(600, 300), "mjpeg", "yuvj420p"), orientation))
    small = make_thumbnail(path)
    assert small is not None
    assert (small.width, small.height) == size
    row, column = red
    pixels = decode(small.data)
    assert is_like(pixels[row, column], RED)
    assert is_like(pixels[-row - 1, -column - 1], BLUE)


def test_a_picture_that_nothing_makes_small_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.frombuffer(os.urandom(200 * 200 * 3), np.uint8).reshape(200, 200, 3)
    path = tmp_path / "noise.png"
    path.write_bytes(encode(noise, "png", "rgb24"))
    found = make_thumbnail(path)
    assert found is None or len(found.data) <= LARGEST
    monkeypatch.setattr(thumbnail, "LARGEST", 500)
    assert make_thumbnail(path) is None


def test_what_is_no_picture_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (
        ("empty.png", b""),
        ("text.jpg", b"a letter" * 100),
        ("cut.png", encode(picture(99, 99), "png", "rgb24")[:60]),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert make_thumbnail(path) is None
    assert make_thumbnail(tmp_path / "missing.png") is None
    assert make_thumbnail(tmp_path) is None
    path = tmp_path / "large.png"
    path.write_bytes(encode(picture(100, 100), "png", "rgb24"))
    monkeypatch.setattr(thumbnail, "MOST_PIXELS", 9999)
    assert make_thumbnail(path) is None
