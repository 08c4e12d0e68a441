"""What a loudspeaker plays of sound that comes unevenly, from a sender whose clock is another."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.media.playout import LIMIT, MOST_DEPTH, START, PlayoutBuffer, Samples

from .helpers import pitch, sine

RATE, FRAME = 48_000, 960


def run(
    arrivals: list[float], signal: Samples, *, seconds: float, card: float = 1.0
) -> tuple[Samples, PlayoutBuffer, list[float]]:
    """Play frames that arrive at these times on a card whose clock runs `card` times as fast as ours."""
    buffer, played, waited = PlayoutBuffer(RATE), [], []
    queue = sorted(zip(arrivals, range(len(arrivals)), strict=True))
    moment, step = 0.0, FRAME / RATE / card
    while moment < seconds:
        while queue and queue[0][0] <= moment:
            _, number = queue.pop(0)
            buffer.push(signal[number * FRAME : (number + 1) * FRAME])
        played.append(buffer.pull(FRAME))
        waited.append(buffer.waiting)
        moment += step
    return np.concatenate(played), buffer, waited


def frames_of(seconds: float) -> tuple[Samples, list[float]]:
    signal = sine(440, seconds)
    return signal, [number * FRAME / RATE for number in range(len(signal) // FRAME)]


def held_up(times: list[float]) -> list[float]:
    """In order: what comes behind a frame that is late comes with it."""
    return list(itertools.accumulate(times, max))


def gaps(played: Samples, at_least: int = 48) -> int:
    """Silences between sound, of a millisecond at least."""
    sounding = np.flatnonzero(np.abs(played) > 0)
    return int(np.count_nonzero(np.diff(sounding) > at_least))


def jumps(played: Samples) -> float:
    """The steepest step from sample to sample, against that of the tone itself."""
    return float(np.abs(np.diff(played.astype(float))).max() / np.abs(np.diff(sine(440, 1).astype(float))).max())


def test_even_sound_comes_out_whole() -> None:
    signal, arrivals = frames_of(5)
    played, buffer, waited = run(arrivals, signal, seconds=5)
    begins = int(np.flatnonzero(played)[0])
    assert begins / RATE <= START
    whole = played[begins + 480 : begins + 4 * RATE]
    found = signal[480 + 1 : 480 + 1 + len(whole)]
    assert np.array_equal(whole, found) or np.array_equal(whole, signal[480 : 480 + len(whole)])
    assert (buffer.dried, buffer.dropped) == (0, 0)
    assert max(waited) <= START


def test_jitter_is_not_heard() -> None:
    signal, arrivals = frames_of(20)
    chance = random.Random(1)
    late = held_up([at + chance.uniform(0, 0.03) for at in arrivals])
    played, buffer, _ = run(late, signal, seconds=20)
    assert buffer.dried <= 1
    assert gaps(played[RATE:]) == buffer.dried
    assert pitch(played[RATE : 10 * RATE].astype(float)) == pytest.approx(440, abs=2)


def test_more_jitter_is_learnt() -> None:
    """After a few gaps so much is kept back that there are none; when it is quiet again, less."""
    signal, arrivals = frames_of(160)
    late = held_up([at + (0.13 if number % 50 == 25 and at < 60 else 0) for number, at in enumerate(arrivals)])
    played, buffer, waited = run(late, signal, seconds=159)
    assert 1 <= buffer.dried <= 8
    assert gaps(played[20 * RATE : 60 * RATE]) <= 1
    assert START <= buffer.depth < max(START + 0.02 * buffer.dried, START + 0.01)
    assert np.mean(waited[-50:]) < np.mean(waited[1000:3000])
    assert jumps(played) < 1.5


@pytest.mark.parametrize("card", [0.999, 1.001])
def test_a_card_with_another_clock(card: float) -> None:
    """A part in a thousand: a fifth of a second in three minutes, which neither piles up nor is missed loudly."""
    signal, arrivals = frames_of(180)
    played, buffer, waited = run(arrivals, signal, seconds=180, card=card)
    if card < 1:
        assert buffer.dried == 0
        assert buffer.dropped == pytest.approx(0.18, abs=0.06)
    else:
        assert 1 <= buffer.dried <= 4
    assert max(waited[500:]) < 0.15
    assert gaps(played[RATE:]) == buffer.dried
    assert jumps(played) < 1.5


def test_a_burst_after_a_standstill_is_cut_at_once() -> None:
    signal, arrivals = frames_of(10)
    late = [at if not 3 < at < 5 else 5.0 for at in arrivals]
    played, buffer, waited = run(late, signal, seconds=10)
    assert buffer.dried == 1
    assert buffer.dropped > 1
    assert max(waited) <= LIMIT
    assert waited[-100] <= START + 0.08
    assert gaps(played[RATE:]) == 1
    assert jumps(played) < 1.5


@given(st.lists(st.one_of(st.integers(0, 3000), st.none()), max_size=60), st.integers(1, 2000))
def test_whatever_comes_and_is_asked_for(steps: list[int | None], count: int) -> None:
    buffer = PlayoutBuffer(RATE)
    for step in steps:
        if step is None:
            pulled = buffer.pull(count)
            assert pulled.dtype == np.int16
            assert len(pulled) == count
        else:
            buffer.push(np.full(step, 1000, np.int16))
        assert buffer.waiting <= LIMIT
        assert START <= buffer.depth <= MOST_DEPTH
