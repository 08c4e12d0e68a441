from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame

from jingle.media.framing import audio_frame
from jingle.media.sources import Frames
from jingle.media.switch import SLACK, SwitchTrack
from jingle.media.synthetic import Silence, Tone

from .helpers import joined, pitch, play, run_virtual, sine, virtual


class Scripted(MediaStreamTrack):
    """Delivers frames at given times; then waits for ever, or ends."""

    kind = "audio"

    def __init__(self, times: list[float], *, ends: bool = False, rate: int = 48_000) -> None:
        super().__init__()
        self.times, self.ends, self.rate = times, ends, rate

    async def recv(self) -> AudioFrame:
        if not self.times:
            if self.ends:
                raise MediaStreamError
            await asyncio.Event().wait()
        wait = self.times[0] - virtual().time()
        if wait > 0:
            await asyncio.sleep(wait)
        self.times.pop(0)
        return audio_frame(np.full(self.rate // 50, 1000, np.int16), rate=self.rate, pts=12345)


async def heard(track: SwitchTrack, count: int) -> list[tuple[float, bool]]:
    """When each frame came, and whether there was sound in it; each follows the one before without a jump."""
    result, expected = [], None
    for _ in range(count):
        frame = await track.recv()
        assert frame.samples == 960
        assert expected is None or frame.pts == expected
        expected = (frame.pts or 0) + 960
        result.append((virtual().time(), bool(joined([frame]).any())))
    return result


def test_replacing_leaves_no_gap() -> None:
    async def main() -> None:
        low, high = Tone(440).track(), Tone(1000).track()
        switch = SwitchTrack(low)
        frames = await play(switch, 50)
        assert switch.replace(high) is low
        frames += await play(switch, 50)
        assert [frame.pts for frame in frames] == list(range(0, 96_000, 960))
        assert virtual().time() == pytest.approx(1.98, abs=0.021)
        assert pitch(joined(frames[:50])) == pytest.approx(440, abs=2)
        assert pitch(joined(frames[50:])) == pytest.approx(1000, abs=2)
        assert low.readyState == "live"
        switch.stop()
        assert high.readyState == "ended"
        with pytest.raises(MediaStreamError):
            await switch.recv()

    run_virtual(main())


def test_nothing_to_send_is_silence_in_time() -> None:
    async def main() -> None:
        switch = SwitchTrack()
        assert switch.upstream is None
        frames = await heard(switch, 51)
        assert frames[-1][0] == pytest.approx(1.0)
        assert not any(sound for _, sound in frames)
        switch.replace(Tone().track())
        assert all(sound for _, sound in await heard(switch, 10))
        switch.replace(None)
        assert not any(sound for _, sound in await heard(switch, 10))
        assert virtual().time() == pytest.approx(1.4, abs=0.021)

    run_virtual(main())


def test_muting_reads_on() -> None:
    async def main() -> None:
        source = Frames()
        switch = SwitchTrack(source.track())
        await source.push(audio_frame(sine(440, 0.4)))
        assert all(sound for _, sound in await heard(switch, 5))
        switch.is_muted = True
        assert not any(sound for _, sound in await heard(switch, 5))
        switch.is_muted = False
        assert [sound for _, sound in await heard(switch, 15)].count(True) == 10

    run_virtual(main())


def test_a_late_upstream_is_covered_by_silence_and_its_delay_does_not_stay() -> None:
    async def main() -> None:
        # Half a second is held up on the way and then comes at once, as from a network that hung.
        times = [n * 0.02 for n in range(25)] + [1.0] * 25 + [n * 0.02 for n in range(50, 150)]
        switch = SwitchTrack(Scripted(times))
        frames = await heard(switch, 150)
        assert frames[-1][0] == pytest.approx(3.0, abs=SLACK + 0.02)
        assert all(then <= n * 0.02 + SLACK + 0.001 for n, (then, _) in enumerate(frames))
        assert 15 <= sum(not sound for _, sound in frames) <= 27

    run_virtual(main())


def test_an_upstream_that_says_nothing_for_a_while_is_not_cut_afterwards() -> None:
    async def main() -> None:
        times = [n * 0.02 for n in range(25)] + [n * 0.02 for n in range(50, 100)]
        switch = SwitchTrack(Scripted(times))
        frames = await heard(switch, 100)
        assert sum(sound for _, sound in frames) == pytest.approx(75, abs=2)

    run_virtual(main())


def test_an_upstream_that_keeps_no_time_is_slowed_down() -> None:
    async def main() -> None:
        switch = SwitchTrack(Scripted([0.0] * 1000))
        frames = await heard(switch, 500)
        assert frames[-1][0] == pytest.approx(10, abs=0.1)
        assert all(sound for _, sound in frames)

    run_virtual(main())


@pytest.mark.parametrize("drift", [-1e-3, 1e-3])
def test_a_sound_card_with_a_clock_of_its_own(drift: float) -> None:
    async def main() -> None:
        switch = SwitchTrack(Scripted([n * 0.02 * (1 + drift) for n in range(4_000)]))
        frames = await heard(switch, 3_000)
        assert sum(not sound for _, sound in frames) <= 5
        assert frames[-1][0] == pytest.approx(60, abs=0.2)

    run_virtual(main())


def test_the_end_is_told_and_silence_follows() -> None:
    async def main() -> None:
        ended: list[MediaStreamTrack] = []
        upstream = Scripted([n * 0.02 for n in range(10)], ends=True, rate=16_000)
        switch = SwitchTrack(upstream, on_ended=ended.append)
        frames = await heard(switch, 30)
        # 16 kHz has to be resampled, which holds a part of a frame back until the end.
        assert [sound for _, sound in frames] == [True] * 10 + [False] * 20
        assert ended == [upstream]
        assert switch.readyState == "live"

    run_virtual(main())


@pytest.mark.parametrize("replacement", [lambda: Tone().track(), lambda: None])
def test_whoever_waits_is_woken_by_a_replacement(replacement: Callable[[], MediaStreamTrack | None]) -> None:
    async def main() -> None:
        stuck = Frames()
        switch = SwitchTrack(stuck.track())
        reading = asyncio.create_task(heard(switch, 1))
        await asyncio.sleep(0.01)
        assert not reading.done()
        switch.replace(replacement())
        await asyncio.wait_for(reading, 0.03)

    run_virtual(main())


def test_cancelling_recv_loses_nothing() -> None:
    async def main() -> None:
        source = Frames()
        for value in range(1, 11):
            await source.push(audio_frame(np.full(960, value, np.int16)))
        switch = SwitchTrack(source.track())
        values: list[float] = []
        while len(values) < 10:
            try:
                async with asyncio.timeout(0.005):
                    values.append(joined([await switch.recv()])[0])
            except TimeoutError:
                continue
        assert values == list(range(1, 11))

    run_virtual(main())


def test_silence_and_stereo_pass_through_the_same_switch() -> None:
    async def main() -> None:
        source = Frames()
        await source.push(audio_frame(np.repeat(sine(440, 0.2), 2), "stereo"))
        switch = SwitchTrack(source.track())
        assert {(await switch.recv()).layout.name for _ in range(10)} == {"stereo"}
        switch.replace(Silence().track())
        assert (await switch.recv()).layout.name == "mono"

    run_virtual(main())


def test_what_is_no_sound_is_left() -> None:
    class Pictures(Scripted):
        async def recv(self) -> AudioFrame:
            return object()  # type: ignore[return-value]

    async def main() -> None:
        ended: list[MediaStreamTrack] = []
        upstream = Pictures([])
        switch = SwitchTrack(upstream, on_ended=ended.append)
        assert not any(sound for _, sound in await heard(switch, 3))
        assert ended == [upstream]

    run_virtual(main())


@pytest.mark.parametrize("stall", [0.05, 0.09, 0.3, 2.0])
def test_a_process_that_stood_still_puts_no_silence_into_its_source(stall: float) -> None:
    """Both the source and the timer that waits for it are late then; what is played goes on where it was."""

    async def main() -> None:
        switch = SwitchTrack(Tone(440).track())
        for moment in (0.505, 1.0, 1.5):
            virtual().call_later(moment, virtual().stall, stall)
        frames = await play(switch, 150)
        assert [frame.pts for frame in frames] == list(range(0, 960 * 150, 960))
        assert np.array_equal(joined(frames), joined(await play(Tone(440).track(), 150)))
        switch.stop()

    run_virtual(main())


def test_a_source_that_is_late_after_a_stall_is_silence_soon() -> None:
    async def main() -> None:
        switch = SwitchTrack(Scripted([0.02 * n for n in range(10)]))
        virtual().call_later(0.25, virtual().stall, 0.5)
        frames = await heard(switch, 12)
        assert [sound for _, sound in frames] == [True] * 10 + [False] * 2
        assert frames[10][0] == pytest.approx(0.75 + 0.02, abs=0.01)
        switch.stop()

    run_virtual(main())
