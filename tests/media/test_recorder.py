from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import wave
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from jingle.errors import MediaError
from jingle.media.framing import Layout, audio_frame
from jingle.media.recorder import QUEUE_SIZE, Recorder
from jingle.media.timeline import Timeline

from .helpers import cut, pitch, read, sine

CONTAINERS = ["wav", "ogg", "webm", "mkv", "mp4"]


async def record(path: Path, frames: Iterable[AudioFrame], *, clock: list[float] | None = None) -> Recorder:
    """Record frames that come in real time by a clock of their own, or at the times given."""
    now = 0.0
    recorder = Recorder(path, clock=lambda: now)
    await recorder.open()
    for number, frame in enumerate(frames):
        now = clock[number] if clock else float((frame.pts or 0) / frame.sample_rate)
        recorder.write(frame)
    await recorder.aclose()
    assert recorder.dropped == 0
    return recorder


def loudness(signal: np.ndarray, begin: float, end: float) -> float:
    return float(np.abs(signal[round(begin * 48_000) : round(end * 48_000)]).mean())


@pytest.mark.parametrize("extension", CONTAINERS)
@pytest.mark.parametrize(("rate", "layout"), [(48_000, "mono"), (48_000, "stereo"), (8_000, "mono"), (16_000, "mono")])
async def test_any_container_can_be_read_again(tmp_path: Path, extension: str, rate: int, layout: Layout) -> None:
    path = tmp_path / f"call.{extension.upper() if rate == 16_000 else extension}"
    samples = np.repeat(sine(440, 2, rate=rate), 2 if layout == "stereo" else 1)
    frames = cut(samples, rate=rate, size=rate // 50, layout=layout, start=rate * 7)
    recorder = await record(path, frames)
    assert recorder.seconds == pytest.approx(2)
    stream, signal = read(path)
    assert (stream.rate, stream.layout.nb_channels) == (48_000, 2 if layout == "stereo" else 1)
    assert len(signal) / 48_000 == pytest.approx(2, abs=0.05)
    assert pitch(signal[4800:-4800]) == pytest.approx(440, abs=1)
    assert loudness(signal, 0.1, 1.9) == pytest.approx(0.3 * 32767 * 2 / np.pi, rel=0.1)


@pytest.mark.parametrize("extension", CONTAINERS)
async def test_missing_frames_are_silence_in_the_right_place(tmp_path: Path, extension: str) -> None:
    frames = cut(sine(440, 4, rate=16_000), rate=16_000, size=320)
    path = tmp_path / f"call.{extension}"
    await record(path, frames[:50] + frames[75:100] + frames[103:])
    _, signal = read(path)
    assert len(signal) / 48_000 == pytest.approx(4, abs=0.05)
    for begin, end, sounds in ((0.1, 0.95, 1), (1.05, 1.45, 0), (1.55, 1.95, 1), (2.02, 2.04, 0), (2.1, 3.9, 1)):
        assert (loudness(signal, begin, end) > 1000) is bool(sounds), (begin, end)


async def test_a_wav_has_a_valid_header(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    await record(path, cut(sine(440, 1)))
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        assert file.getnframes() == 48_000
        assert np.array_equal(np.frombuffer(file.readframes(48_000), np.int16), sine(440, 1))


@pytest.mark.parametrize("extension", CONTAINERS)
async def test_a_call_without_sound_leaves_a_valid_file(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"call.{extension}"
    recorder = Recorder(path)
    await recorder.open()
    await recorder.open()
    recorder.write(VideoFrame(64, 48, "yuv420p"))
    await recorder.aclose()
    await recorder.aclose()
    recorder.write(audio_frame(sine(440, 0.02)))
    _, signal = read(path)
    assert len(signal) <= 2048


async def test_no_thread_is_left(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.ogg")
    await recorder.open()
    assert "jingle-recorder" in {thread.name for thread in threading.enumerate()}
    recorder.write(audio_frame(sine(440, 0.02)))
    await recorder.aclose()
    assert "jingle-recorder" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("name", ["call.txt", "call", "call.mp3"])
def test_unknown_extensions(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match=r"\.wav, \.ogg, \.webm, \.mkv, \.mp4"):
        Recorder(tmp_path / name)


async def test_what_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    for path in (tmp_path / "nowhere" / "call.wav", tmp_path / "folder.wav"):
        recorder = Recorder(path)
        with pytest.raises(MediaError, match="cannot record"):
            await recorder.open()
        await recorder.aclose()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("extension", CONTAINERS)
async def test_a_full_disk_is_told_and_kills_nothing(
    tmp_path: Path, extension: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"call.{extension}"
    path.symlink_to("/dev/full")
    failures: asyncio.Queue[MediaError] = asyncio.Queue()
    recorder = Recorder(path, on_error=failures.put_nowait)
    await recorder.open()
    noise = np.random.default_rng(1).integers(-9000, 9000, 96_000).astype(np.int16)
    for frame in cut(noise):
        recorder.write(frame)
    await recorder.aclose()
    failure = await asyncio.wait_for(failures.get(), 2)
    assert "No space left" in str(failure)
    assert str(path) in str(failure)
    for frame in cut(noise):
        recorder.write(frame)
    await recorder.aclose()
    assert failures.empty()
    assert "PyAV" not in "".join(capfd.readouterr())  # which prints what it has nobody to raise at
    assert "jingle-recorder" not in {thread.name for thread in threading.enumerate()}


async def test_a_slow_disk_costs_frames_and_not_memory(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "call.wav", clock=lambda: 0.0)
    await recorder.open()
    frames = cut(sine(440, 20))
    for frame in frames:
        # No await between: as if the thread got no turn.
        recorder.write(frame)
    await recorder.aclose()
    assert recorder.dropped <= len(frames) - QUEUE_SIZE
    _, signal = read(tmp_path / "call.wav")
    assert len(signal) / 48_000 >= QUEUE_SIZE * 0.02


def test_a_program_that_forgets_to_close_leaves_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "call.mp4"
    program = f"""
import asyncio, numpy as np
from jingle.media.framing import audio_frame
from jingle.media.recorder import Recorder

async def main():
    recorder = Recorder({str(path)!r})
    await recorder.open()
    for n in range(50):
        recorder.write(audio_frame(np.full(960, 100, np.int16), pts=n * 960))

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    _, signal = read(path)
    assert len(signal) / 48_000 == pytest.approx(1, abs=0.05)


def place_all(timeline: Timeline, frames: Iterable[tuple[float | None, float]]) -> list[tuple[float, bool]]:
    return [timeline.place(timestamp, 0.02, now) for timestamp, now in frames]


def test_the_timeline_believes_small_gaps() -> None:
    timeline = Timeline()
    placed = place_all(timeline, [(5.0, 0.0), (5.0201, 0.02), (5.06, 0.06), (5.08, 0.09)])
    assert placed == [(0, True), (0, True), (pytest.approx(0.02, abs=1e-3), True), (0, True)]
    assert timeline.written == pytest.approx(0.1, abs=1e-3)


def test_a_duplicate_is_left_out() -> None:
    timeline = Timeline()
    assert place_all(timeline, [(0.0, 0.0), (0.02, 0.02), (0.02, 0.02), (0.04, 0.04)])[2] == (0, False)
    assert timeline.written == pytest.approx(0.06)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 1e9, -1e9])
def test_an_hour_that_did_not_pass_is_not_written(jump: float) -> None:
    timeline = Timeline()
    frames: list[tuple[float | None, float]] = [(n * 0.02, n * 0.02) for n in range(50)]
    frames += [(jump + n * 0.02, 0.1 + n * 0.02) for n in range(50, 100)]
    place_all(timeline, frames)
    assert timeline.written == pytest.approx(2.0, abs=0.11)


def test_a_hold_is_as_long_as_it_was() -> None:
    timeline = Timeline()
    # The peer's timestamps stood still for a minute.
    place_all(timeline, [(0.0, 0.0), (0.02, 0.02), (0.04, 60.04), (0.06, 60.06)])
    assert timeline.written == pytest.approx(60.08)


def test_a_stall_of_the_network_adds_nothing() -> None:
    timeline = Timeline()
    place_all(timeline, [(n * 0.02, n * 0.02 if n < 50 else max(3.0, n * 0.02)) for n in range(200)])
    assert timeline.written == pytest.approx(4.0)


def test_frames_without_timestamps_follow_each_other() -> None:
    timeline = Timeline()
    assert place_all(timeline, [(None, 0.0), (None, 1.0), (None, 2.0)]) == [(0, True)] * 3


def test_peers_that_jump_again_and_again_do_not_fill_the_disk() -> None:
    timeline = Timeline()
    place_all(timeline, [(n * 4.0, n * 0.02) for n in range(500)])
    assert timeline.written < 10 + 500 * 0.02 + 5
