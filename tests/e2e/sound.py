"""What was heard against what was played: alignment, likeness and gaps, on 8 kHz mono."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 80
"""Samples in 10 ms, the grain of gaps."""

QUIET = 0.05
"""Of the whole recording's loudness: what is below is a pause."""

LIKENESS = 0.9
GAP = 0.06

SECTION = RATE
"""Samples that are compared at a time."""

SLIP = RATE * 2 // 5
"""Samples by which a section may lie off the whole: where a process stood still, what follows is heard later."""

BESIDE = RATE // 2
"""Samples at both ends of a recording that `longest_silence` leaves aside: a tone begins and ends there."""

NEAR = 5.0
"""Hz that a tone may be off."""

LOUD = 0.05
"""Of full scale, the least loudness of a tone that was heard; silence is below 0.001."""

Samples = NDArray[np.float64]


class Heard(NamedTuple):
    """What `measure` found."""

    hertz: float
    """Of the strongest tone."""

    loudness: float
    """RMS, of full scale."""

    def is_tone(self, hertz: float) -> bool:
        """Whether it is this tone, and nothing much else."""
        return self.loudness > LOUD and abs(self.hertz - hertz) < NEAR


class Comparison(NamedTuple):
    """What `compare` found."""

    correlation: float
    """Normalised cross-correlation over the whole of what was played, once its sections are aligned."""

    offset: float
    """Seconds into the recording at which what was played begins."""

    gap: float
    """Seconds of the longest silence in what was heard while something was played."""


def read(path: Path) -> Samples:
    """The sound of a file."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.float64)
    result: Samples = samples - samples.mean()
    return result


def measure(samples: NDArray[np.generic], rate: int = RATE, *, least: float = 0.2) -> Heard:
    """Find the strongest tone in a sound of 16 bits; none where that lasts for less than so many seconds."""
    signal = samples.astype(np.float64) / 32768
    if len(signal) < least * rate:
        return Heard(0, 0)
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    return Heard(float(np.argmax(spectrum)) * rate / len(signal), float(np.sqrt((signal**2).mean())))


def assert_tone(path: Path, hertz: float, *, seconds: float = 1.0) -> None:
    """Assert that a recording holds a tone, for so many seconds at least."""
    samples = read(path)
    assert len(samples) > seconds * RATE
    heard = measure(samples[len(samples) // 4 : len(samples) * 3 // 4])
    assert heard.is_tone(hertz), heard


def compare(played: Path, heard: Path) -> Comparison:
    """Align two files by their cross-correlation and compare them."""
    return compare_samples(read(played), read(heard))


def assert_heard(path: Path, played: Path) -> None:
    """Assert that a recording holds what was played, from its beginning to its end, without a gap."""
    found = compare(played, path)
    assert found.correlation > LIKENESS, found
    assert found.gap <= GAP, found


def compare_samples(original: Samples, recording: Samples) -> Comparison:
    """See `compare`."""
    offset = _lag(recording, original, len(recording) - 1)
    # What is missing at the end counts against it.
    heard = np.pad(recording, (SLIP, len(original) + 2 * SLIP))
    sections, lags = [], []
    for start in range(0, len(original), SECTION):
        section = original[start : start + SECTION]
        around = heard[offset + start : offset + start + len(section) + 2 * SLIP]
        lags.append(_lag(around, section, 2 * SLIP))
        sections.append(around[lags[-1] : lags[-1] + len(section)])
    aligned = np.concatenate(sections)
    norm = float(np.linalg.norm(original) * np.linalg.norm(aligned))
    correlation = float(original @ aligned) / norm if norm else 0.0
    # A gap between two sections is aligned away, and seen in how far they lie apart.
    between = float(np.max(np.diff(lags), initial=0)) / RATE
    return Comparison(correlation, offset / RATE, max(between, _longest_gap(original, aligned)))


def _lag(long: Samples, short: Samples, most: int) -> int:
    """Where in `long` `short` fits best."""
    size = len(long) + len(short)
    products = np.fft.irfft(np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size)), size)
    return int(np.argmax(products[: most + 1]))


def _longest_gap(original: Samples, part: Samples) -> float:
    sounding, missing = _loud(original), ~_loud(part)
    longest = run = 0
    for expected, silent in zip(sounding, missing, strict=True):
        run = run + 1 if expected and silent else 0
        longest = max(longest, run)
    return longest * FRAME / RATE


def longest_silence(path: Path) -> float:
    """Seconds of the longest silence in the recording of a tone, its beginning and its end aside."""
    samples = read(path)[BESIDE:-BESIDE]
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    loudness = np.sqrt((frames**2).mean(axis=1))
    longest = run = 0
    for is_silent in loudness < loudness.max() / 4:
        run = run + 1 if is_silent else 0
        longest = max(longest, run)
    return longest * FRAME / RATE


def _loud(samples: Samples) -> NDArray[np.bool_]:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    loudness = np.sqrt((frames**2).mean(axis=1))
    result: NDArray[np.bool_] = loudness > QUIET * np.sqrt((samples**2).mean())
    return result
