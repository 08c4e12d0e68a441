from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from jingle.media.concealment import FADE, HOLD, Concealer, audio_level
from jingle.media.framing import Layout, Samples, audio_frame, samples_of, silent_frame


def tone(rate: int, seconds: float = 1.0, *, frequency: float = 230, loudness: float = 10_000) -> Samples:
    moments = np.arange(round(rate * seconds)) / rate
    return (loudness * np.sin(2 * np.pi * frequency * moments)).astype(np.int16)


def frames(signal: Samples, rate: int, layout: Layout = "mono") -> list[Samples]:
    step = rate // 50 * (2 if layout == "stereo" else 1)
    return [signal[start : start + step] for start in range(0, len(signal), step)]


@pytest.mark.parametrize("rate", [8000, 16_000, 48_000])
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_voice_goes_on_through_a_gap(rate: int, layout: Layout) -> None:
    concealer = Concealer()
    signal = np.repeat(tone(rate), 2) if layout == "stereo" else tone(rate)
    sent = frames(signal, rate, layout)
    for part in sent[:5]:
        concealer.heard(audio_frame(part, layout, rate=rate))
    filled = concealer.conceal(0.02)
    assert filled is not None
    assert (filled.sample_rate, filled.layout.name, filled.samples) == (rate, layout, rate // 50)
    assert np.corrcoef(samples_of(filled), sent[5])[0, 1] > 0.97


def test_neither_end_of_a_gap_clicks() -> None:
    concealer, rate = Concealer(), 48_000
    sent = frames(tone(rate), rate)
    heard = [samples_of(concealer.heard(audio_frame(part, rate=rate))) for part in sent[:5]]
    for _ in range(3):
        filled = concealer.conceal(0.02)
        assert filled is not None
        heard.append(samples_of(filled))
    heard += [samples_of(concealer.heard(audio_frame(part, rate=rate))) for part in sent[8:12]]
    step = max(abs(int(b) - int(a)) for a, b in pairwise(np.concatenate(sent)))
    assert max(abs(int(b) - int(a)) for a, b in pairwise(np.concatenate(heard))) < 2 * step


def test_long_gaps_become_silence() -> None:
    concealer, rate = Concealer(), 8000
    for part in frames(tone(rate, 0.1), rate):
        concealer.heard(audio_frame(part, rate=rate))
    filled = concealer.conceal(0.5)
    assert filled is not None
    samples = samples_of(filled)
    assert not samples[round((HOLD + FADE) * rate) + 1 :].any()
    assert samples[: round(HOLD * rate)].any()


def test_what_follows_a_gap_is_itself_after_the_joint_and_keeps_its_time() -> None:
    concealer, rate = Concealer(), 8000
    concealer.heard(audio_frame(tone(rate, 0.02), rate=rate))
    concealer.conceal(0.02)
    frame = audio_frame(tone(rate, 0.02), rate=rate, pts=77)
    joined = concealer.heard(frame)
    assert joined.pts == 77
    assert (samples_of(joined)[50:] == samples_of(frame)[50:]).all()
    again = audio_frame(tone(rate, 0.02), rate=rate)
    assert concealer.heard(again) is again


def test_nothing_can_be_made_of_nothing() -> None:
    concealer = Concealer()
    assert concealer.conceal(0.02) is None
    concealer.heard(audio_frame(tone(8000, 0.001), rate=8000))
    filled = concealer.conceal(0.02)
    assert filled is not None
    assert not samples_of(filled).any()


def test_another_rate_begins_anew() -> None:
    concealer = Concealer()
    concealer.heard(audio_frame(tone(8000, 0.1), rate=8000))
    concealer.conceal(0.02)
    frame = silent_frame("stereo")
    assert concealer.heard(frame) is frame
    filled = concealer.conceal(0.02)
    assert filled is not None
    assert (filled.sample_rate, filled.layout.name) == (48_000, "stereo")


@pytest.mark.parametrize(("loudness", "level"), [(0, 127), (32_767, 3), (3277, 23), (1, 93)])
def test_levels_are_below_full_scale(loudness: float, level: int) -> None:
    # A sine is 3 dB below a square wave of its peak, which is what full scale means (RFC 6465 appendix A).
    samples = tone(48_000, 0.02, loudness=loudness, frequency=1000)
    if loudness == 1:
        samples = np.resize(np.array([1, 0, -1, 0], np.int16), 960)
    assert audio_level(audio_frame(samples)) == pytest.approx(level, abs=1)
