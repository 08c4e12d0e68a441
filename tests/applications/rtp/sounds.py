"""Known sound to send, and how alike what was heard is."""

from __future__ import annotations

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from jingle.media.base import Frame, Sink, Source, SourceTrack
from jingle.media.framing import FRAME_SIZE, SAMPLE_RATE, Framer, Samples, audio_frame, samples_of
from jingle.media.pacing import Pacer

Signal = NDArray[np.float64]


def voice(seconds: float, seed: int = 1) -> Samples:
    """Something like speech: a gliding pitch under two moving formants, some breath, four syllables a second."""
    generator = np.random.default_rng(seed)
    moments = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    points = np.arange(0, seconds + 0.3, 0.12)
    phase = 2 * np.pi * np.cumsum(np.interp(moments, points, generator.uniform(100, 220, len(points)))) / SAMPLE_RATE
    formants = [
        np.interp(moments, points, generator.uniform(*span, len(points))) for span in ((300, 900), (1000, 2500))
    ]
    signal = np.zeros_like(moments)
    for harmonic in range(1, 20):
        frequency = np.gradient(phase) * SAMPLE_RATE / (2 * np.pi) * harmonic
        loudness = sum(np.exp(-(((frequency - formant) / 250) ** 2)) for formant in formants)
        signal += (loudness + 0.05) * np.sin(harmonic * phase)
    signal += 0.1 * generator.standard_normal(len(moments))
    return (3000 * signal * (0.6 - 0.4 * np.cos(2 * np.pi * 4 * moments))).astype(np.int16)


def beep(seconds: float, frequency: float = 440) -> Samples:
    moments = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (8000 * np.sin(2 * np.pi * frequency * moments)).astype(np.int16)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.int16)


def cut(samples: Samples) -> list[AudioFrame]:
    return [
        audio_frame(samples[start : start + FRAME_SIZE], pts=start)
        for start in range(0, len(samples) - FRAME_SIZE + 1, FRAME_SIZE)
    ]


class Known(Source):
    """Plays samples and then ends."""

    def __init__(self, samples: Samples) -> None:
        super().__init__()
        self.samples = samples

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        return _KnownTrack(self, pacer or Pacer())


class _KnownTrack(SourceTrack):
    def __init__(self, source: Known, pacer: Pacer) -> None:
        super().__init__(source)
        self._frames = iter(cut(source.samples))
        self._pacer = pacer

    async def _next(self) -> Frame | None:
        await self._pacer.wait()
        return next(self._frames, None)


class Ear(Sink):
    """Keeps what it hears, at 48 kHz in mono, and checks that time never jumps."""

    def __init__(self) -> None:
        self._framer = Framer(layout="mono")
        self._parts: list[Samples] = []
        self.times: list[tuple[float, float]] = []
        """Beginning and end of each frame, in seconds."""

    def write(self, frame: Frame) -> None:
        assert isinstance(frame, AudioFrame)
        assert frame.time is not None
        self.times.append((frame.time, frame.time + frame.samples / frame.sample_rate))
        self._parts += [samples_of(part) for part in self._framer.push(frame)]

    def finish(self) -> None:
        """Take in what the resampler still holds."""
        self._parts += [samples_of(part) for part in self._framer.flush()]

    @property
    def samples(self) -> Samples:
        return np.concatenate([np.zeros(0, np.int16), *self._parts])

    @property
    def seconds(self) -> float:
        return self.times[-1][1] if self.times else 0.0

    def jumps(self) -> float:
        """The largest step between the end of a frame and the beginning of the next."""
        return max((abs(b[0] - a[1]) for a, b in zip(self.times, self.times[1:], strict=False)), default=0.0)


def likeness(sent: Samples, heard: Samples) -> tuple[float, float]:
    """How alike the two are at the best shift (1 is the same), and by how many seconds `heard` is later."""
    a, b = sent.astype(float), heard.astype(float)
    size = 1 << (len(a) + len(b) - 1).bit_length()
    correlation = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    shift = int(np.argmax(correlation))
    shift = shift if shift <= size // 2 else shift - size
    b = b[shift:] if shift >= 0 else np.concatenate([np.zeros(-shift), b])
    b = np.concatenate([b, np.zeros(max(0, len(a) - len(b)))])[: len(a)]
    return float(np.dot(a, b) / max(1.0, np.sqrt(np.dot(a, a) * np.dot(b, b)))), shift / SAMPLE_RATE


def same_sound(sent: Samples, heard: Samples) -> float:
    """How alike the spectra are, 20 ms by 20 ms: for codecs that restore how something sounds, not each sample."""
    _, delay = likeness(sent, heard)
    start = max(0, round(delay * SAMPLE_RATE))
    length = min(len(sent), len(heard) - start) // FRAME_SIZE * FRAME_SIZE
    spectra = [
        np.abs(np.fft.rfft(each[:length].reshape(-1, FRAME_SIZE) * np.hanning(FRAME_SIZE))[:, :100]).ravel()
        for each in (sent, heard[start:])
    ]
    return float(np.corrcoef(spectra[0], spectra[1])[0, 1])


def quiet_spells(samples: Samples, threshold: int = 500) -> list[tuple[float, float]]:
    """Beginning and length, in seconds, of each stretch of 5 ms and more without sound."""
    block = SAMPLE_RATE // 200
    loud = [np.abs(samples[start : start + block]).max() > threshold for start in range(0, len(samples), block)]
    spells, began = [], None
    for index, is_loud in enumerate([*loud, True]):
        if not is_loud and began is None:
            began = index
        elif is_loud and began is not None:
            spells.append((began / 200, (index - began) / 200))
            began = None
    return spells
