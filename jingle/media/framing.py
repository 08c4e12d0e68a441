"""Audio frames of one shape: s16 samples, mono or stereo, 20 ms at 48 kHz unless asked otherwise.

Everything that is heard passes through here once: sources bring any sample rate, format and layout, encoders and
containers each want their own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

SAMPLE_RATE = 48_000
"""Samples per second inside the package; also the RTP clock of Opus (RFC 7587 section 4.1)."""

PTIME = 0.020
"""Seconds in a frame, and in an RTP packet."""

FRAME_SIZE = 960
"""Samples (per channel) in a frame."""

Layout = Literal["mono", "stereo"]
Samples = NDArray[np.int16]


def audio_frame(
    samples: Samples, layout: Layout = "mono", *, rate: int = SAMPLE_RATE, pts: int | None = None
) -> AudioFrame:
    """Return an `av.AudioFrame` holding `samples`, which are interleaved where `layout` is `stereo`.

    The time base of the frame is one sample.
    """
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = rate
    frame.time_base = _sample_period(rate)
    frame.pts = pts
    return frame


@functools.lru_cache(maxsize=64)
def _sample_period(rate: int) -> Fraction:
    return Fraction(1, rate)


def silent_frame(layout: Layout = "mono", *, samples: int = FRAME_SIZE, rate: int = SAMPLE_RATE) -> AudioFrame:
    """Return a frame of silence without a timestamp."""
    return audio_frame(np.zeros(samples * channels(layout), np.int16), layout, rate=rate)


def channels(layout: Layout) -> int:
    """How many samples lie beside each other at each moment."""
    return 1 if layout == "mono" else 2


def samples_of(frame: AudioFrame) -> Samples:
    """The interleaved samples of an s16 frame."""
    # Straight from the plane, which may be longer than the frame: to_ndarray takes three times as long.
    plane: Samples = np.frombuffer(memoryview(frame.planes[0]), np.int16)
    return plane[: frame.samples * frame.layout.nb_channels].copy()


def natural_layout(frame: AudioFrame) -> Layout:
    """Mono stays mono; whatever has more channels becomes stereo."""
    return "mono" if frame.layout.nb_channels == 1 else "stereo"


_NOTHING: Samples = np.zeros(0, np.int16)


class Framer:
    """Turn frames of any rate, format, layout and length into equal s16 frames with timestamps that follow each other.

    What it is fed counts as one uninterrupted signal, whatever its timestamps say; the rate or layout of the input
    may change on the way.

    Attributes:
        position: Samples (per channel) handed out so far; the timestamp of the next frame.
    """

    def __init__(
        self,
        *,
        layout: Layout | None = None,
        rate: int = SAMPLE_RATE,
        size: int = FRAME_SIZE,
        lead_in: float = 0.0,
    ) -> None:
        """Prepare for frames of `size` samples.

        Args:
            layout: The layout to deliver; `None` decides by the first frame: mono for one channel, else stereo.
            rate: Samples per second to deliver.
            size: Samples per channel in each frame.
            lead_in: Seconds of silence put before the first frame. A resampler holds back the last millisecond or
                so, and without a lead-in each frame would wait for the next one to be completed: a delay of this
                many seconds in place of a whole frame.
        """
        self.layout = layout
        self.rate = rate
        self.size = size
        self.position = 0
        self._lead_in = lead_in
        self._resampler: AudioResampler | None = None
        self._shape: tuple[int, str, str] | None = None
        self._rest: Samples = _NOTHING

    def push(self, frame: AudioFrame) -> list[AudioFrame]:
        """Take a frame in and return the frames that it completes; `frame` is left as it is.

        Raises:
            av.FFmpegError: The frame cannot be converted.
        """
        if self.layout is None:
            self.layout = natural_layout(frame)
        shape = (frame.sample_rate, frame.format.name, frame.layout.name)
        if shape != self._shape:
            self._drain()
            self._shape = shape
            lead_in, self._lead_in = self._lead_in, 0.0
            if shape == (self.rate, "s16", self.layout):
                self._resampler = None
            else:
                self._resampler = AudioResampler(format="s16", layout=self.layout, rate=self.rate)
                if lead_in:
                    self._convert(_silence_like(frame, lead_in))
        self._convert(frame)
        return self._cut()

    def push_silence(self, seconds: float, like: AudioFrame) -> Iterator[AudioFrame]:
        """Take silence in, of the shape of the frame that follows it, and return the frames that it completes."""
        while seconds * like.sample_rate >= 1:
            # Second by second: a long silence need not be in memory at once.
            part = min(seconds, 1.0)
            yield from self.push(_silence_like(like, part))
            seconds -= part

    def flush(self) -> list[AudioFrame]:
        """Return what is left, the last frame filled up with silence; then the framer can be used again."""
        self._drain()
        self._shape = None
        if self.layout is not None:
            missing = -len(self._rest) % (self.size * channels(self.layout))
            self._rest = np.concatenate([self._rest, np.zeros(missing, np.int16)])
        return self._cut()

    def _convert(self, frame: AudioFrame) -> None:
        parts = [frame] if self._resampler is None else self._resampler.resample(frame)
        if len(parts) == 1 and not len(self._rest):
            self._rest = samples_of(parts[0])
        else:
            self._rest = np.concatenate([self._rest, *(samples_of(part) for part in parts)])

    def _drain(self) -> None:
        if self._resampler is not None:
            parts = self._resampler.resample(None)
            self._rest = np.concatenate([self._rest, *(samples_of(part) for part in parts)])
            self._resampler = None

    def _cut(self) -> list[AudioFrame]:
        if self.layout is None:
            return []
        step = self.size * channels(self.layout)
        whole = len(self._rest) // step * step
        if whole == len(self._rest) == step:
            # The usual case: what came in is what goes out.
            block, self._rest = self._rest, _NOTHING
            self.position += self.size
            return [audio_frame(block, self.layout, rate=self.rate, pts=self.position - self.size)]
        frames = []
        for start in range(0, whole, step):
            block = self._rest[start : start + step]
            frames.append(audio_frame(block, self.layout, rate=self.rate, pts=self.position))
            self.position += self.size
        self._rest = self._rest[whole:]
        return frames


def _silence_like(frame: AudioFrame, seconds: float) -> AudioFrame:
    silence = AudioFrame(
        format=frame.format.name, layout=frame.layout.name, samples=max(1, round(seconds * frame.sample_rate))
    )
    silence.sample_rate = frame.sample_rate
    # Unsigned 8 bit samples rest in the middle of their range, all others at zero.
    rest = b"\x80" if frame.format.name.startswith("u8") else b"\0"
    for plane in silence.planes:
        plane.update(rest * plane.buffer_size)
    return silence
