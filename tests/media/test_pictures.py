"""The pictures of files and test cards, and playing them in step with their sound."""

from __future__ import annotations

import asyncio
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from jingle.errors import MediaError
from jingle.media.base import Frame, Source, SourceTrack
from jingle.media.files import File
from jingle.media.framing import FRAME_SIZE, SAMPLE_RATE, samples_of
from jingle.media.recorder import Recorder
from jingle.media.sources import Frames
from jingle.media.synthetic import Tone
from jingle.media.test_card import TestCard, beeps, is_flashing
from jingle.media.video_switch import VideoSwitchTrack
from tests.virtual_time import VirtualTimeLoop, in_virtual_time, stall

from .helpers import read

CARD = TestCard(160, 120, rate=25)
LOUD, BRIGHT = 1500, 125

NEAR = 0.15
"""Seconds: what is out of step is so by what it began apart; a busy machine delays one of two timers."""


async def make_clip(path: Path, seconds: float, *, sound: bool = True, rate: int = 25) -> None:
    """A clip of the card."""
    recorder = Recorder(path, media=("audio", "video") if sound else ("video",), clock=lambda: moment)
    moment = 0.0
    await recorder.open()
    for position in range(0, round(seconds * SAMPLE_RATE), FRAME_SIZE):
        moment = position / SAMPLE_RATE
        frame = AudioFrame.from_ndarray(beeps(position).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, position, Fraction(1, SAMPLE_RATE)
        recorder.write(frame)
        if position % (SAMPLE_RATE // rate) < FRAME_SIZE:
            while recorder._pictures_waiting > 5:  # noqa: ASYNC110  (the thread has no other way to say so)
                await asyncio.sleep(0.002)
            recorder.write(CARD.picture(moment))
    await recorder.aclose()
    assert recorder.dropped == 0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "card.mkv"
    asyncio.run(make_clip(path, 3.5))
    return path


@pytest.fixture(scope="module")
def silent_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "silent.mp4"
    asyncio.run(make_clip(path, 1, sound=False))
    return path


def is_on(frame: Frame) -> bool:
    """Whether it flashes, or beeps."""
    if isinstance(frame, AudioFrame):
        return bool(np.abs(samples_of(frame)).max() > LOUD)
    planes = frame.reformat(format="yuv420p").to_ndarray()
    return bool(planes[frame.height * 7 // 16, frame.width // 2] > BRIGHT)


async def played(track: SourceTrack, until: float = 1e9) -> list[tuple[float, Frame]]:
    """When each frame came, until the end."""
    loop, frames = asyncio.get_running_loop(), []
    try:
        while loop.time() < until:
            frame = await track.recv()
            frames.append((loop.time(), frame))
    except MediaStreamError:
        pass
    track.stop()
    return frames


def onsets(frames: list[tuple[float, Frame]]) -> list[float]:
    states = [(moment, is_on(frame)) for moment, frame in frames]
    return [now[0] for before, now in zip(states, states[1:], strict=False) if now[1] and not before[1]]


async def in_step(source: Source, *, apart: float = 0.0, until: float = 1e9) -> tuple[list[float], list[float]]:
    """When the beeps and the flashes began; the pictures begin `apart` seconds after the sound."""
    sound, pictures = source.part("audio", "call"), source.part("video", "call")
    await sound.open()
    await pictures.open()
    hearing = asyncio.ensure_future(played(sound.track(), until))
    await asyncio.sleep(apart)
    seen = await played(pictures.track(), until)
    return onsets(await hearing), onsets(seen)


# In real time, for files are decoded in threads, which know no other.


async def test_a_file_plays_in_step(clip: Path) -> None:
    heard, seen = await in_step(File(clip))
    assert len(heard) == len(seen) == 3
    assert all(abs(flash - beep) < NEAR for beep, flash in zip(heard, seen, strict=True))


async def test_what_begins_later_joins_in_step(clip: Path) -> None:
    heard, seen = await in_step(File(clip), apart=0.6)
    assert len(heard) == len(seen) == 3
    assert all(abs(flash - beep) < NEAR for beep, flash in zip(heard, seen, strict=True))


async def test_a_file_has_ended_when_both_have(clip: Path) -> None:
    source = File(clip)
    sound, pictures = (source.part(kind, "call") for kind in ("audio", "video"))
    await sound.open()
    first, second = sound.track(), pictures.track()
    first.stop()
    ended = asyncio.ensure_future(sound.ended())
    frames = await played(second)
    assert len(frames) == pytest.approx(88, abs=2)
    await asyncio.wait_for(ended, 1)


async def test_pictures_of_a_file_without_sound(silent_clip: Path) -> None:
    source = File(silent_clip)
    with pytest.raises(MediaError, match="no sound"):
        await source.part("audio").open()
    pictures = source.part("video")
    await pictures.open()
    frames = await played(pictures.track())
    assert len(frames) == 25
    assert all(isinstance(frame, VideoFrame) and CARD.likeness(frame) > 0.9 for _, frame in frames)
    spread = frames[-1][0] - frames[0][0]
    assert spread == pytest.approx(0.96, abs=0.1)


async def test_a_loop_goes_on(silent_clip: Path) -> None:
    track = File(silent_clip, loop=True).part("video").track()
    frames = [await track.recv() for _ in range(60)]
    track.stop()
    times = [frame.time for frame in frames if frame.time is not None]
    assert times == sorted(times)
    assert times[-1] > 2


async def test_what_has_no_pictures_is_said_to_have_none(tmp_path: Path, clip: Path) -> None:
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    for path, said in (
        (sound, "no pictures in it"),
        (tmp_path / "nowhere.mp4", "no such file"),
        (tmp_path, "is a folder"),
        (Path(__file__), "not a media file"),
    ):
        with pytest.raises(MediaError, match=said):
            await File(path).part("video").open()
    _, signal = read(clip)
    assert len(signal) / SAMPLE_RATE == pytest.approx(3.5, abs=0.1)


async def test_a_file_that_breaks_off_ends(clip: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.mkv"
    torn.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    frames = await played(File(torn).part("video").track())
    assert 5 < len(frames) < 80


async def test_more_pictures_than_anybody_needs_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "fast.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=100)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(100):
            frame = VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert 20 <= len(await played(File(path).part("video").track())) <= 31


# The card, in virtual time


@in_virtual_time
async def test_the_card_flashes_when_it_beeps() -> None:
    heard, seen = await in_step(TestCard(160, 120), until=3.5)
    assert heard == pytest.approx([1, 2, 3], abs=0.021)
    assert seen == pytest.approx([1, 2, 3], abs=0.001)


@in_virtual_time
async def test_after_a_stall_it_still_does() -> None:
    """The whole process stands still; what was late is sent late, and stays in step."""
    asyncio.get_running_loop().call_at(1.3, stall, 0.5)
    heard, seen = await in_step(TestCard(160, 120), until=4.9)
    assert len(heard) == len(seen)
    assert all(abs(flash - beep) < 0.09 for beep, flash in zip(heard[1:], seen[1:], strict=True))
    assert isinstance(asyncio.get_running_loop(), VirtualTimeLoop)


@in_virtual_time
async def test_two_calls_have_a_card_of_their_own_time() -> None:
    card = TestCard(160, 120)
    first = card.part("video", "one").track()
    await asyncio.sleep(0.7)
    second = card.part("video", "two").track()
    frames = [await track.recv() for track in (first, second)]
    times = [frame.time for frame in frames]
    assert times == [0.0, 0.0]


def test_what_the_card_shows() -> None:
    assert [is_flashing(moment) for moment in (0.0, 0.05, 0.99, 1.0, 1.09, 1.1, 2.0)] == [
        *(False, False, False, True, True, False, True)
    ]
    card = TestCard()
    pixels = card.picture(12.34).reformat(format="rgb24").to_ndarray()
    colours = [tuple(int(part) > 128 for part in pixels[20, round((index + 0.5) * 640 / 7)]) for index in range(7)]
    assert colours == [
        (True, True, True),
        (True, True, False),
        (False, True, True),
        (False, True, False),
        (True, False, True),
        (True, False, False),
        (False, False, True),
    ]
    assert (card.picture(0.5).to_ndarray() != card.picture(0.54).to_ndarray()).any()
    assert card.likeness(card.picture(7)) == 1
    assert card.likeness(TestCard(320, 240).picture(7)) > 0.95


@pytest.mark.parametrize("wrong", [(159, 120, 25), (160, 119, 25), (8000, 120, 25), (160, 120, 0), (160, 120, 31)])
def test_cards_that_cannot_be_drawn(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(MediaError):
        TestCard(wrong[0], wrong[1], rate=wrong[2])


async def test_a_source_gives_its_own_medium_only() -> None:
    tone, frames = Tone(440), Frames("video")
    assert tone.part("audio", "call") is tone
    assert frames.part("video") is frames
    with pytest.raises(MediaError, match="a Tone gives audio and no video"):
        tone.part("video")
    with pytest.raises(MediaError, match="a Frames gives video and no audio"):
        frames.part("audio")


# The switch


@in_virtual_time
async def test_the_switch_changes_and_covers() -> None:
    switch = VideoSwitchTrack()
    waiting = asyncio.ensure_future(switch.recv())
    await asyncio.sleep(1)
    assert not waiting.done()
    assert switch.replace(CARD.part("video").track()) is None
    assert CARD.likeness(await waiting) == 1
    switch.is_muted = True
    black = [await switch.recv() for _ in range(3)]
    assert all(frame.to_ndarray()[:120].max() == 16 for frame in black)
    moments = [frame.time for frame in black if frame.time is not None]
    assert moments[-1] - moments[0] == pytest.approx(2, abs=0.1)
    switch.is_muted = False
    assert CARD.likeness(await switch.recv()) == 1
    old = switch.replace(TestCard(320, 240).track())
    assert old is not None
    assert old.readyState == "live"
    assert (await switch.recv()).width == 320
    old.stop()
    switch.stop()
    with pytest.raises(MediaStreamError):
        await switch.recv()


@in_virtual_time
async def test_the_switch_survives_what_ends_and_what_is_no_picture() -> None:
    switch = VideoSwitchTrack()
    ended = CARD.part("video").track()
    ended.stop()
    for upstream in (ended, Tone(440).track()):
        switch.replace(upstream)
        waiting = asyncio.ensure_future(switch.recv())
        await asyncio.sleep(0.5)
        assert switch.upstream is None
        switch.replace(CARD.part("video").track())
        assert (await waiting).width == 160
    waiting = asyncio.ensure_future(switch.recv())
    await asyncio.sleep(0)
    switch.stop()
    with pytest.raises(MediaStreamError):
        await waiting
