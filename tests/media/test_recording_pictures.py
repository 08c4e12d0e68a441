"""Recordings with pictures, of a test card whose flashes and beeps are where they should be."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame

from jingle.media.base import Frame, Kind
from jingle.media.framing import FRAME_SIZE, SAMPLE_RATE, audio_frame
from jingle.media.planes import black_frame
from jingle.media.recorder import QUEUED_PICTURES, Recorder
from jingle.media.test_card import TestCard, beeps
from jingle.media.timeline import Timeline
from jingle.media.writer import CONTAINERS, PATIENCE, FileWriter
from tests.e2e.pictures import read_clip

from .helpers import read

CARD = TestCard(160, 120, rate=25)
NEAR = 0.045
"""Seconds: a picture, of which there are 25 a second."""


def card(seconds: float, *, begin: float = 0.0, media: str = "av", late: float = 0.0) -> Iterator[tuple[Frame, float]]:
    """Frames of the card and when they come; pictures `late` seconds after the sound that belongs to them."""
    frames: list[tuple[Frame, float]] = []
    if "a" in media:
        positions = range(round(begin * SAMPLE_RATE), round((begin + seconds) * SAMPLE_RATE), FRAME_SIZE)
        frames += [(audio_frame(beeps(each), pts=each), each / SAMPLE_RATE) for each in positions]
    if "v" in media:
        counts = range(round(begin * 25), round((begin + seconds) * 25))
        frames += [(CARD.picture(each / 25), each / 25 + late) for each in counts]
    return iter(sorted(frames, key=lambda each: each[1]))


BOTH: tuple[Kind, ...] = ("audio", "video")


async def record(path: Path, frames: Iterator[tuple[Frame, float]], media: tuple[Kind, ...] = BOTH) -> None:
    now = 0.0
    recorder = Recorder(path, media=media, clock=lambda: now)
    await recorder.open()
    for frame, moment in frames:
        now = moment
        while recorder._pictures_waiting >= QUEUED_PICTURES:  # noqa: ASYNC110  (the thread has no other way to say so)
            await asyncio.sleep(0.005)
        recorder.write(frame)
    await recorder.aclose()
    assert recorder.dropped == 0


@pytest.mark.parametrize(
    ("extension", "codecs"), [("mkv", ("h264", "opus")), ("mp4", ("h264", "aac")), ("webm", ("vp8", "opus"))]
)
async def test_flashes_are_where_the_beeps_are(tmp_path: Path, extension: str, codecs: tuple[str, str]) -> None:
    path = tmp_path / f"call.{extension}"
    await record(path, card(3.5))
    clip = read_clip(path)
    assert (clip.size, clip.codecs) == ((160, 120), codecs)
    assert clip.frame_rate == pytest.approx(25, rel=0.02)
    assert clip.beeps == pytest.approx([1, 2, 3], abs=NEAR)
    assert len(clip.offsets()) == 3
    assert all(abs(offset) < NEAR for offset in clip.offsets())


async def test_what_comes_late_is_put_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "call.mkv"
    await record(path, card(3.5, late=0.4))
    clip = read_clip(path)
    assert len(clip.offsets()) == 3
    assert all(abs(offset) < NEAR for offset in clip.offsets())


async def test_pictures_before_the_first_sound(tmp_path: Path) -> None:
    """They are in it, over silence."""
    path = tmp_path / "call.mkv"
    frames = sorted([*card(3.5, media="v"), *card(2, begin=1.5, media="a")], key=lambda each: each[1])
    await record(path, iter(frames))
    clip = read_clip(path)
    assert clip.times[0] == pytest.approx(0, abs=NEAR)
    assert clip.beeps == pytest.approx([2, 3], abs=NEAR)
    assert clip.flashes == pytest.approx([1, 2, 3], abs=NEAR)


def test_large_pictures_do_not_wait_for_sound_without_end() -> None:
    """They wait for as long as the memory allows, and go into the file then."""
    writer = FileWriter(io.BytesIO(), CONTAINERS[".mkv"], BOTH, Timeline())
    large = black_frame(3840, 2160)
    count = 0
    while writer._held is not None:
        count += 1
        large.pts, large.time_base = count, Fraction(1, 1000)
        writer.write(large, count / 1000)
        assert count * 3840 * 2160 * 3 // 2 < 120_000_000
    writer.abandon()
    assert count > 5


async def test_pictures_that_come_long_after_the_sound(tmp_path: Path) -> None:
    """Until then it is black, and of the usual size."""
    path = tmp_path / "call.mkv"
    late = PATIENCE + 1.5
    frames = sorted(
        [*card(late + 2, media="a"), *card(2, begin=late, media="v")],
        key=lambda each: each[1],
    )
    await record(path, iter(frames))
    clip = read_clip(path)
    assert clip.size == (640, 480)
    assert clip.times[0] == 0
    assert clip.times[1] == pytest.approx(late, abs=NEAR)
    assert clip.flashes == pytest.approx([5, 6], abs=NEAR)
    assert all(abs(offset) < NEAR for offset in clip.offsets())


async def test_a_call_without_pictures_leaves_a_file_without(tmp_path: Path) -> None:
    path = tmp_path / "call.mkv"
    await record(path, card(1, media="a"))
    stream, signal = read(path)
    assert not stream.container.streams.video
    assert len(signal) / SAMPLE_RATE == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("extension", ["mkv", "mp4", "webm"])
@pytest.mark.parametrize("seconds", [0, 1])
async def test_pictures_alone(tmp_path: Path, extension: str, seconds: int) -> None:
    path = tmp_path / f"call.{extension}"
    await record(path, card(seconds, media="v"), ("video",))
    with av.open(str(path)) as container:
        assert not container.streams.audio
        assert len(list(container.decode(video=0))) == max(1, 25 * seconds)


async def test_pictures_of_another_shape_stand_between_bars(tmp_path: Path) -> None:
    """A telephone that is turned: the file keeps its size."""
    path = tmp_path / "call.mkv"
    tall = VideoFrame(120, 160, "yuv420p")
    for plane, value in zip(tall.planes, (200, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    tall.pts, tall.time_base = 4, Fraction(1, 25)
    await record(path, iter([(CARD.picture(0), 0.0), (tall, 0.16)]), ("video",))
    with av.open(str(path)) as container:
        last = list(container.decode(video=0))[-1]
    planes = last.reformat(format="yuv420p").to_ndarray()
    assert planes.shape == (180, 160)
    assert planes[60, 80] > 180
    assert planes[60, 5] < 40
    assert planes[60, 155] < 40


async def test_a_format_without_pictures_records_the_sound(tmp_path: Path) -> None:
    path = tmp_path / "call.ogg"
    await record(path, card(1))
    _, signal = read(path)
    assert len(signal) / SAMPLE_RATE == pytest.approx(1, abs=0.05)


async def test_the_file_is_complete_when_all_parts_are(tmp_path: Path) -> None:
    path = tmp_path / "call.mkv"
    recorder = Recorder(path, media=("audio", "video"))
    sound, pictures = recorder.part("audio"), recorder.part("video")
    assert sound is not None
    assert pictures is not None
    await sound.open()
    await pictures.open()
    for frame, _ in card(0.2):
        (pictures if isinstance(frame, VideoFrame) else sound).write(frame)
    await pictures.aclose()
    for frame, _ in card(0.2, begin=0.2, media="a"):
        sound.write(frame)
    await sound.aclose()
    assert recorder.seconds == pytest.approx(0.4)
    assert Recorder(tmp_path / "call.wav", media=("audio", "video")).part("video") is None
