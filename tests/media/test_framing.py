from __future__ import annotations

import numpy as np
import pytest
from av.audio.frame import AudioFrame

from jingle.media.framing import Framer, Layout, audio_frame, samples_of, silent_frame

from .helpers import cut, joined, likeness, pitch, sine


def test_frames_of_the_right_shape_pass_unchanged() -> None:
    samples = sine(440, 0.2)
    frames = [part for frame in cut(samples) for part in Framer().push(frame)]
    assert all((f.samples, f.sample_rate, f.format.name, f.layout.name) == (960, 48_000, "s16", "mono") for f in frames)
    assert np.array_equal(joined(frames), samples)


def test_what_is_fed_is_left_as_it_is() -> None:
    frame = audio_frame(sine(440, 0.02), pts=77)
    framer = Framer()
    framer.push(frame)
    parts = framer.push(frame)
    assert frame.pts == 77
    assert parts[0].pts == 960
    assert parts[0] is not frame


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("size", [37, 1024])
def test_any_rate_and_length(rate: int, size: int) -> None:
    framer = Framer()
    fed = cut(sine(440, 1.0, rate=rate), rate=rate, size=size)
    frames = [part for frame in fed for part in framer.push(frame)] + framer.flush()
    assert [frame.pts for frame in frames] == list(range(0, len(frames) * 960, 960))
    assert len(frames) * 0.02 == pytest.approx(len(fed) * size / rate, abs=0.025)
    assert pitch(joined(frames)) == pytest.approx(440, abs=3)


def test_the_shape_may_change_on_the_way() -> None:
    framer = Framer()
    frames = [part for frame in cut(sine(440, 0.5, rate=8_000), rate=8_000, size=160) for part in framer.push(frame)]
    stereo = np.repeat(sine(440, 0.5), 2)
    frames += [part for frame in cut(stereo, layout="stereo") for part in framer.push(frame)]
    frames += framer.flush()
    assert len(frames) == 50
    assert {frame.layout.name for frame in frames} == {"mono"}
    assert pitch(joined(frames)) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(("given", "expected"), [("mono", "mono"), ("stereo", "stereo"), ("5.1", "stereo")])
def test_layouts(given: str, expected: str) -> None:
    frame = AudioFrame(format="s16", layout=given, samples=960)
    frame.sample_rate = 48_000
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    framer = Framer()
    (part, *_) = [*framer.push(frame), *framer.flush()]
    assert part.layout.name == expected


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_lead_in_gives_a_frame_for_each_frame(rate: int) -> None:
    framer = Framer(rate=rate, size=rate // 50, layout="mono", lead_in=0.002)
    speech = np.cumsum(np.random.default_rng(3).normal(0, 200, 48_000)).clip(-9000, 9000).astype(np.int16)
    counts, frames = [], []
    for frame in cut(speech):
        parts = framer.push(frame)
        counts.append(len(parts))
        frames += parts
    assert set(counts) == {1}
    back = Framer()
    again = joined([p for f in frames for p in back.push(f)])
    lag, alike = likeness(speech.astype(float), again)
    assert lag == pytest.approx(0.002, abs=0.0005)
    assert alike > 0.99


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_the_rest_is_filled_up_with_silence(layout: Layout) -> None:
    framer = Framer()
    assert framer.push(silent_frame(layout, samples=100)) == []
    (last,) = framer.flush()
    assert last.samples == 960
    assert framer.flush() == []


def test_silence_of_eight_bit_samples_is_silent() -> None:
    frame = AudioFrame(format="u8", layout="mono", samples=160)
    frame.sample_rate = 8_000
    frame.planes[0].update(b"\x80" * frame.planes[0].buffer_size)
    parts = list(Framer().push_silence(2.5, frame))
    assert len(parts) == pytest.approx(125, abs=2)
    assert all(not samples_of(part).any() for part in parts)
