"""Sound to test with: made by arithmetic, measured by Fourier, and a clock that need not be waited for."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from jingle.media.base import Frame
from jingle.media.framing import Layout, Samples, audio_frame
from jingle.media.pacing import Pacer

T = TypeVar("T")
Signal = NDArray[np.float64]

HELLO = Path(__file__).parents[2] / "jingle" / "demo" / "hello.ogg"


def sine(hertz: float, seconds: float, *, rate: int = 48_000, level: float = 0.3) -> Samples:
    wave = np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return cast(Samples, (wave * level * 32767).astype(np.int16))


def cut(
    samples: Samples, *, size: int = 960, rate: int = 48_000, layout: Layout = "mono", start: int = 0
) -> list[AudioFrame]:
    """Frames of `size` samples, with timestamps, of interleaved samples."""
    step = size * (1 if layout == "mono" else 2)
    return [
        audio_frame(samples[at : at + step], layout, rate=rate, pts=start + at * size // step)
        for at in range(0, len(samples) - step + 1, step)
    ]


def joined(frames: Iterable[Frame], *, channel: int = 0) -> Signal:
    """One channel of frames that lie after each other."""
    parts = [np.zeros(0)]
    for frame in frames:
        assert isinstance(frame, AudioFrame)
        parts.append(frame.to_ndarray().reshape(-1, frame.layout.nb_channels)[:, channel].astype(float))
    return np.concatenate(parts)


def pitch(signal: Signal, rate: int = 48_000) -> float:
    """The loudest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return float(np.argmax(spectrum)) * rate / len(signal)


async def until_heard(frames: AsyncIterable[Frame], hertz: float) -> None:
    """Wait until this frequency is the loudest for a fifth of a second; the frames have to follow each other."""
    waiting: list[Frame] = []
    async for frame in frames:
        assert isinstance(frame, AudioFrame)
        waiting.append(frame)
        signal, size = joined(waiting), frame.sample_rate // 5
        if len(signal) < size:
            continue
        waiting.pop(0)
        if np.abs(signal).mean() > 100 and abs(pitch(signal, frame.sample_rate) - hertz) <= 10:
            return
    raise AssertionError(f"{hertz} Hz were not heard until the end")


def likeness(sent: Signal, heard: Signal) -> tuple[float, float]:
    """By how many seconds (of 48 kHz) `heard` lags behind `sent`, and how well they then agree (1: exactly)."""
    size = 1 << (len(sent) + len(heard)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
    lag = int(np.argmax(product))
    lag = lag - size if lag > size // 2 else lag
    one, other = sent[max(0, -lag) :], heard[max(0, lag) :]
    length = min(len(one), len(other))
    return lag / 48_000, float(np.corrcoef(one[:length], other[:length])[0, 1])


def read(path: Path) -> tuple[AudioStream, Signal]:
    """The audio stream of a file, and its first channel at 48 kHz as any player hears it."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = AudioResampler(format="s16", layout=stream.layout.name, rate=48_000)
        frames = [part for frame in container.decode(stream) for part in resampler.resample(frame)]
        return stream, joined([*frames, *resampler.resample(None)])


def write(path: Path, samples: Samples, *, codec: str, form: str, rate: int, layout: str = "mono") -> Path:
    """Encode samples, of which each channel gets the same."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        container.start_encoding()
        resampler = AudioResampler(
            format=form, layout=layout, rate=rate, frame_size=stream.codec_context.frame_size or 1024
        )
        whole = audio_frame(samples, rate=rate, pts=0)
        for frame in (*resampler.resample(whole), *resampler.resample(None)):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


async def play(track: MediaStreamTrack, frames: int | None = None) -> list[Frame]:
    """So many frames of a track; all of them by default."""
    heard: list[Frame] = []
    try:
        while frames is None or len(heard) < frames:
            frame = await track.recv()
            assert not isinstance(frame, av.Packet)
            heard.append(cast(Frame, frame))
    except MediaStreamError:
        assert frames is None
    return heard


def at_once() -> Pacer:
    """A pacer whose clock goes as fast as frames are asked for."""
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    return Pacer(clock=lambda: now, sleep=sleep)


class _Jump(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps to the next timer whenever there is nothing to do (do not use threads in it)."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now

    def stall(self, seconds: float) -> None:
        """As if something had blocked the loop for so long."""
        self._jump.now += seconds


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
