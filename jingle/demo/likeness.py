"""How much two recordings of the same sound are alike: what was played into a call and what was heard of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.floating] | NDArray[np.integer]

_WINDOW = 0.2  # seconds compared at a time
_SLACK = 0.02  # seconds by which clocks and jitter buffers may have moved a window away from the whole
_FRAME = 0.005  # seconds; the grain in which silence is looked for
_SILENCE = 0.05  # of a recording's own loudness, -26 dB


class Likeness(NamedTuple):
    """What `likeness` found."""

    correlation: float
    """1 for the same sound however loud, 0 for another one or none; about 0.9 and more through a codec."""
    offset_seconds: float
    """Where in `heard` the original begins; negative where its beginning was not heard."""
    longest_gap_seconds: float
    """The longest silence in `heard` where the original is not silent."""


def likeness(original: Samples, heard: Samples, rate: int) -> Likeness:
    """Compare a recording with its original.

    The two are aligned as a whole, then compared in windows of 0.2 s, each of which may sit up to 20 ms away
    from there: two machines' clocks differ, and a jitter buffer stretches and shrinks. Loudness does not
    matter. Only the time that both cover counts, and of that only what is not silent in the original.

    Args:
        original: What was played: samples, or samples by channels.
        heard: What arrived, at the same rate.
        rate: Samples per second.
    """
    played, received = _mono(original), _mono(heard)
    if not played.any() or not received.any():
        return Likeness(0.0, 0.0, _active_frames(played, rate).sum() * _FRAME if played.any() else 0.0)
    offset = _offset(played, received)
    begin, end = max(0, -offset), min(len(played), len(received) - offset)
    played, received = played[begin:end], received[begin + offset : end + offset]
    return Likeness(_correlation(played, received, rate), offset / rate, _longest_gap(played, received, rate))


def _mono(samples: Samples) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    values = values.mean(axis=1) if values.ndim == 2 else values
    return values - values.mean() if len(values) else values


def _correlate(long: NDArray[np.float64], short: NDArray[np.float64]) -> NDArray[np.float64]:
    """Circular cross-correlation, long enough that nothing wraps into what is used."""
    size = 1 << (len(long) + len(short) - 1).bit_length()
    spectrum = np.fft.rfft(long, size) * np.conj(np.fft.rfft(short, size))
    return np.fft.irfft(spectrum, size)


def _offset(played: NDArray[np.float64], received: NDArray[np.float64]) -> int:
    # The sign does not matter either: a sound card may turn the wave upside down.
    correlation = np.abs(_correlate(received, played))
    best = int(correlation.argmax())
    return best if best < len(received) else best - len(correlation)


def _correlation(played: NDArray[np.float64], received: NDArray[np.float64], rate: int) -> float:
    """The windows' normalised correlations, weighed by how loud the original is in each."""
    size, slack = min(int(_WINDOW * rate), len(played)), int(_SLACK * rate)
    padded = np.pad(received, slack)
    energies = np.concatenate(([0.0], np.cumsum(padded**2)))
    total = weight = 0.0
    for start in range(0, len(played) - size + 1, size):
        window = played[start : start + size]
        energy = float(window @ window)
        candidates = np.abs(_correlate(padded[start : start + size + 2 * slack], window)[: 2 * slack + 1])
        around = energies[start + size : start + size + 2 * slack + 1] - energies[start : start + 2 * slack + 1]
        # A window of rounding errors must not look like the original.
        quiet = around <= energies[-1] * 1e-9
        scores = np.where(quiet, 0.0, candidates / np.sqrt(np.where(quiet, 1.0, around) * max(energy, 1e-300)))
        total += energy * min(1.0, float(scores.max()))
        weight += energy
    return total / weight if weight else 0.0


def _loudness(samples: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    size = max(1, int(_FRAME * rate))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    loudness: NDArray[np.float64] = np.sqrt((frames**2).mean(axis=1))
    return loudness


def _active_frames(samples: NDArray[np.float64], rate: int) -> NDArray[np.bool_]:
    loudness = _loudness(samples, rate)
    active: NDArray[np.bool_] = loudness > _SILENCE * np.sqrt((samples**2).mean())
    return active


def _longest_gap(played: NDArray[np.float64], received: NDArray[np.float64], rate: int) -> float:
    """A pause of the original inside a gap neither ends it nor counts."""
    longest = run = 0
    for expected, there in zip(_active_frames(played, rate), _active_frames(received, rate), strict=True):
        run = 0 if there else run + int(expected)
        longest = max(longest, run)
    return longest * _FRAME
