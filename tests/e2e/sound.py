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

Samples = NDArray[np.float64]


class Comparison(NamedTuple):
    """What `compare` found."""

    correlation: float
    """Normalised cross-correlation where it is highest, over the whole of what was played."""

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


def compare(played: Path, heard: Path) -> Comparison:
    """Align two files by their cross-correlation and compare them."""
    return compare_samples(read(played), read(heard))


def compare_samples(original: Samples, recording: Samples) -> Comparison:
    """See `compare`."""
    size = len(original) + len(recording)
    products = np.fft.irfft(np.fft.rfft(recording, size) * np.conj(np.fft.rfft(original, size)), size)
    offset = int(np.argmax(products[: len(recording)]))
    part = recording[offset : offset + len(original)]
    part = np.pad(part, (0, len(original) - len(part)))  # what is missing at the end counts against it
    norm = float(np.linalg.norm(original) * np.linalg.norm(part))
    correlation = float(original @ part) / norm if norm else 0.0
    return Comparison(correlation, offset / RATE, _longest_gap(original, part))


def _longest_gap(original: Samples, part: Samples) -> float:
    sounding, missing = _loud(original), ~_loud(part)
    longest = run = 0
    for expected, silent in zip(sounding, missing, strict=True):
        run = run + 1 if expected and silent else 0
        longest = max(longest, run)
    return longest * FRAME / RATE


def _loud(samples: Samples) -> NDArray[np.bool_]:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    loudness = np.sqrt((frames**2).mean(axis=1))
    result: NDArray[np.bool_] = loudness > QUIET * np.sqrt((samples**2).mean())
    return result
