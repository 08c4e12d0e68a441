from __future__ import annotations

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from jingle.errors import MediaError
from jingle.media.synthetic import Silence, Tone

from .helpers import at_once, joined, pitch, play, run_virtual, virtual


@pytest.mark.parametrize("hertz", [50, 440, 1234.5, 12_000])
async def test_a_tone_has_its_pitch_and_level(hertz: float) -> None:
    source = Tone(hertz, level=0.5)
    heard = joined(await play(source.track(pacer=at_once()), 100))
    assert pitch(heard) == pytest.approx(hertz, abs=0.5)
    assert np.abs(heard).max() == pytest.approx(0.5 * 32767, rel=0.01)
    # No click where frames meet: no step is steeper than the sine itself.
    assert np.abs(np.diff(heard)).max() <= 0.5 * 32767 * 2 * np.pi * hertz / 48_000 + 2
    await source.aclose()


async def test_silence_is_silent() -> None:
    frames = await play(Silence().track(pacer=at_once()), 5)
    assert not joined(frames).any()
    assert [frame.pts for frame in frames] == [0, 960, 1920, 2880, 3840]


def test_frames_come_when_they_are_due() -> None:
    async def main() -> None:
        await play(Tone().track(), 51)
        assert virtual().time() == pytest.approx(1.0)

    run_virtual(main())


async def test_tracks_are_independent_and_stop_with_the_source() -> None:
    source = Tone()
    one, other = source.track(pacer=at_once()), source.track(pacer=at_once())
    await play(one, 3)
    assert (await other.recv()).pts == 0
    one.stop()
    with pytest.raises(MediaStreamError):
        await one.recv()
    await source.aclose()
    assert other.readyState == "ended"
    assert not other.played_out


@pytest.mark.parametrize(("hertz", "level"), [(0, 0.5), (30_000, 0.5), (440, 1.5), (440, -1), (float("nan"), 0.5)])
def test_impossible_tones(hertz: float, level: float) -> None:
    with pytest.raises(MediaError):
        Tone(hertz, level=level)
