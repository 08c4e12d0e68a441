"""The oracle itself: it must see what it is there to see."""

from __future__ import annotations

import numpy as np
import pytest

from .commands import SPEECH
from .sound import GAP, LIKENESS, RATE, Samples, compare_samples, read


@pytest.fixture(scope="module")
def speech() -> Samples:
    return read(SPEECH)


def test_the_same_later_and_softer(speech: Samples) -> None:
    found = compare_samples(speech, np.pad(speech, (RATE // 3, RATE)) / 2)
    assert found.correlation > 0.999
    assert found.gap == 0
    assert found.offset == pytest.approx(1 / 3, abs=1e-3)


def test_a_slip_of_one_frame_is_forgiven(speech: Samples) -> None:
    late = np.insert(speech, 4 * RATE, np.zeros(RATE // 50))
    found = compare_samples(speech, late)
    assert found.correlation > LIKENESS
    assert found.gap <= GAP


@pytest.mark.parametrize("seconds", [0.08, 0.2, 1.0])
def test_a_gap_is_found(speech: Samples, seconds: float) -> None:
    loudest = int(np.argmax(np.convolve(speech**2, np.ones(RATE // 5), "same")))
    damaged = speech.copy()
    damaged[loudest - round(seconds * RATE / 2) : loudest + round(seconds * RATE / 2)] = 0
    assert compare_samples(speech, damaged).gap > GAP


@pytest.mark.parametrize("seconds", [0.08, 0.3])
@pytest.mark.parametrize("at", [4.0, 4.5])
def test_an_inserted_gap_is_found(speech: Samples, seconds: float, at: float) -> None:
    late = np.insert(speech, round(at * RATE), np.zeros(round(seconds * RATE)))
    assert compare_samples(speech, late).gap > GAP


def test_another_sound_or_none_or_half_is_not_alike(speech: Samples) -> None:
    noise = np.random.default_rng(1).normal(size=len(speech)) * speech.std()
    for other in (noise, np.zeros(len(speech)), speech[::-1], np.pad(speech[: len(speech) // 2], (0, RATE))):
        assert compare_samples(speech, other).correlation < LIKENESS


def test_wrong_speed_is_not_alike(speech: Samples) -> None:
    positions = np.arange(0, len(speech) - 1, 1.01)
    assert compare_samples(speech, np.interp(positions, np.arange(len(speech)), speech)).correlation < LIKENESS
