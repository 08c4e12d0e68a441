"""Likeness of two recordings: sure of what is the same, sure of what is not, and exact about gaps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from jingle.demo.likeness import likeness

RATE = 16_000


def speech(seconds: float = 4, seed: int = 1) -> NDArray[np.float64]:
    """Noise that comes and goes in syllables, with pauses between."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    envelope = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) * (np.sin(2 * np.pi * 0.4 * time + 1) > -0.8)
    wave: NDArray[np.float64] = np.convolve(rng.normal(size=len(time)), np.ones(8) / 8, "same") * envelope
    return wave


def test_itself() -> None:
    found = likeness(speech(), speech(), RATE)
    assert found.correlation == pytest.approx(1)
    assert found.offset_seconds == 0
    assert found.longest_gap_seconds == 0


@pytest.mark.parametrize("gain", [0.01, 0.5, -3])
@pytest.mark.parametrize("delay", [-1.5, -0.01, 0.02, 2.5])
def test_louder_softer_earlier_later(gain: float, delay: float) -> None:
    wave, shift = speech(), round(delay * RATE)
    heard = wave[-shift:] * gain if shift < 0 else np.concatenate((np.zeros(shift), wave * gain))
    found = likeness(wave, heard, RATE)
    assert found.correlation > 0.999
    assert found.offset_seconds == pytest.approx(delay)


def test_sixteen_bits_and_stereo() -> None:
    wave = (speech() * 8000).astype(np.int16)
    assert likeness(wave, np.stack((wave, wave), axis=1), RATE).correlation > 0.999


@pytest.mark.parametrize("parts_per_million", [50, 300, -300])
def test_another_clock(parts_per_million: float) -> None:
    wave = speech(20)
    factor = 1 + parts_per_million / 1e6
    heard = np.interp(np.arange(int(len(wave) * factor)) / factor, np.arange(len(wave)), wave)
    assert likeness(wave, heard, RATE).correlation > 0.9


def test_noise_on_the_line_costs_some() -> None:
    wave = speech()
    noise = np.random.default_rng(2).normal(size=len(wave)) * wave.std()
    assert 0.6 < likeness(wave, wave + noise, RATE).correlation < 0.85


def test_something_else() -> None:
    assert likeness(speech(seed=1), speech(seed=2), RATE).correlation < 0.3


def test_a_gap_is_measured() -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)
    heard = np.concatenate((np.zeros(1000), wave)) * 0.3
    heard[RATE : RATE + 4000] = 0
    found = likeness(wave, heard, RATE)
    assert found.longest_gap_seconds == pytest.approx(0.25, abs=0.01)
    assert found.correlation == pytest.approx(1 - 0.25 / 3, abs=0.05)


def test_pauses_of_the_original_are_no_gaps() -> None:
    wave = speech()
    wave[RATE : 2 * RATE] = 0
    assert likeness(wave, wave * 0.5, RATE).longest_gap_seconds == 0


def test_a_pause_inside_a_gap_neither_ends_it_nor_counts() -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)
    wave[RATE + 1600 : RATE + 3200] = 0
    heard = wave.copy()
    heard[RATE : RATE + 4800] = 0
    assert likeness(wave, heard, RATE).longest_gap_seconds == pytest.approx(0.2, abs=0.01)


def test_silence() -> None:
    wave, silence = np.sin(np.arange(RATE) / 5), np.zeros(RATE)
    assert likeness(wave, silence, RATE).correlation == 0
    assert likeness(wave, silence, RATE).longest_gap_seconds == pytest.approx(1, abs=0.02)
    assert likeness(silence, wave, RATE) == (0, 0, 0)
    assert likeness(wave, np.zeros(0), RATE).correlation == 0
    assert likeness(np.zeros(0), np.zeros(0), RATE) == (0, 0, 0)
