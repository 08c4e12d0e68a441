"""What a recording of the test card shows: the pictures, and how far its flashes are from its beeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from numpy.typing import NDArray

RATE = 48_000
MILLISECOND = RATE // 1000
BRIGHT, LOUD = 125, 1500
"""Halfway between black and white, and between silence and the beep, whose amplitude is 8000."""

Brightness = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """A recording, decoded."""

    times: list[float]
    """Of the pictures, in seconds."""

    size: tuple[int, int]
    flashes: list[float]
    """When each was first seen."""

    before: list[float]
    """When it was last seen not to be there, which is long before where pictures were left out."""

    beeps: list[float]
    codecs: tuple[str, str]
    """Of the pictures, and of the sound."""

    @property
    def frame_rate(self) -> float:
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])

    def offsets(self) -> list[float]:
        """By how many seconds each flash is later than its beep; those at the edges may have none.

        The clip tells of each flash that it began between two pictures: what is counted is how far the beep is from
        that while. On a busy machine pictures are left out, and those before and after still have to be in step.
        """
        found = []
        for before, flash in zip(self.before, self.flashes, strict=True):
            found += [
                max(before - beep, 0.0) + min(flash - beep, 0.0) for beep in self.beeps if abs(flash - beep) < 0.5
            ]
        return found


def read_clip(path: Path) -> Clip:
    """Decode a recording of a test card of any size."""
    times, fields, size = [], [], (0, 0)
    samples: list[NDArray[np.int16]] = []
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        began = float((audio.start_time or 0) * (audio.time_base or 0))
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        for frame in container.decode(video, audio):
            if isinstance(frame, VideoFrame):
                assert frame.time is not None
                times.append(frame.time)
                size = (frame.width, frame.height)
                fields.append(field(frame))
            elif isinstance(frame, AudioFrame):
                samples += [each.to_ndarray().reshape(-1).astype(np.int16) for each in resampler.resample(frame)]
        codecs = (video.codec_context.name, audio.codec_context.name)
    is_on = [each > BRIGHT for each in fields]
    return Clip(times, size, starts(times, is_on), ends_of(times, is_on), beeps(samples, began), codecs)


def field(frame: VideoFrame) -> float:
    """How bright the field in the middle is that flashes."""
    planes = frame.reformat(format="yuv420p").to_ndarray()
    height, width = frame.height, frame.width
    return float(planes[height * 6 // 16 : height * 8 // 16, width * 3 // 8 : width * 5 // 8].mean())


def beeps(samples: list[NDArray[np.int16]], began: float) -> list[float]:
    """When each beep began, to a millisecond."""
    signal = np.abs(np.concatenate(samples).astype(np.int32))
    blocks = signal[: len(signal) // MILLISECOND * MILLISECOND].reshape(-1, MILLISECOND).max(axis=1) > LOUD
    # A tone goes through zero: what is silent for less than 20 ms is still the same beep.
    loud = np.convolve(blocks, np.ones(20), "full")[: len(blocks)] > 0
    return starts([began + index / 1000 for index in range(len(loud))], list(loud))


def starts(times: list[float], is_on: list[bool]) -> list[float]:
    """When something went on that was off before."""
    return [time for time, before, now in zip(times[1:], is_on, is_on[1:], strict=False) if now and not before]


def ends_of(times: list[float], is_on: list[bool]) -> list[float]:
    """When something was last seen off before it went on."""
    return [time for time, before, now in zip(times, is_on, is_on[1:], strict=False) if now and not before]
