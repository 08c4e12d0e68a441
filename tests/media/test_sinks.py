from __future__ import annotations

import asyncio

import pytest
from aiortc.mediastreams import MediaStreamTrack

from jingle.errors import MediaError
from jingle.media.base import Frame, Sink
from jingle.media.framing import audio_frame, silent_frame
from jingle.media.sinks import Fanout, FrameSink, Nothing
from jingle.media.sources import Frames
from jingle.media.synthetic import Silence, Tone

from .helpers import at_once, run_virtual, sine


class Noting(Sink):
    def __init__(self, failure: MediaError | None = None) -> None:
        self.failure = failure
        self.frames: list[Frame] = []
        self.opened = self.closed = 0

    async def open(self) -> None:
        if self.failure:
            raise self.failure
        self.opened += 1

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)

    async def aclose(self) -> None:
        self.closed += 1


class BadAtClosing(Noting):
    async def aclose(self) -> None:
        raise RuntimeError("no")


def filled(count: int) -> tuple[Frames, MediaStreamTrack]:
    source = Frames(maxsize=count)
    source.push_nowait(audio_frame(sine(440, 0.02 * count)))
    source.end()
    return source, source.track(pacer=at_once())


def test_several_sinks_come_and_go() -> None:
    async def main() -> None:
        fanout = Fanout(Tone().track())
        one, other = Noting(), Noting()
        await fanout.add(one)
        await fanout.add(one)
        await asyncio.sleep(0.99)
        await fanout.add(other)
        assert fanout.sinks == (one, other)
        await asyncio.sleep(1)
        await fanout.remove(one)
        await fanout.remove(one)
        await asyncio.sleep(1)
        assert (len(one.frames), len(other.frames)) == (100, 100)
        assert one.frames[50:] == other.frames[:50]
        assert (one.opened, one.closed, other.closed) == (2, 1, 0)
        await fanout.aclose()
        await fanout.aclose()
        assert other.closed == 1

    run_virtual(main())


def test_the_track_is_read_without_sinks() -> None:
    async def main() -> None:
        fanout = Fanout(Silence().track())
        await asyncio.sleep(10.01)
        assert fanout.frames == 501
        await fanout.add(Nothing())
        await asyncio.sleep(1)
        assert fanout.frames == 551
        await fanout.aclose()

    run_virtual(main())


async def test_the_end_of_the_track_closes_the_sinks(caplog: pytest.LogCaptureFixture) -> None:
    _, track = filled(5)
    fanout = Fanout(track)
    sinks = [Noting(), BadAtClosing(), Noting()]
    for sink in sinks:
        await fanout.add(sink)
    await asyncio.wait_for(fanout.ended(), 1)
    assert [len(sink.frames) for sink in sinks] == [5, 5, 5]
    assert [sinks[0].closed, sinks[2].closed] == [1, 1]
    assert "could not be closed" in caplog.text
    late = Noting()
    await fanout.add(late)
    assert (late.opened, late.closed) == (1, 1)
    assert fanout.sinks == ()


async def test_a_sink_that_cannot_be_opened_is_not_added() -> None:
    fanout = Fanout(Silence().track())
    with pytest.raises(MediaError, match="full"):
        await fanout.add(Noting(MediaError("full")))
    assert fanout.sinks == ()
    await fanout.aclose()


async def test_frames_are_read_in_order_until_the_end() -> None:
    _, track = filled(20)
    fanout = Fanout(track)
    sink = FrameSink()
    await fanout.add(sink)
    assert [frame.pts async for frame in sink] == list(range(0, 20 * 960, 960))
    assert sink.dropped == 0
    assert [frame async for frame in sink] == []


async def test_a_slow_reader_loses_the_oldest() -> None:
    sink = FrameSink(maxsize=3)
    frames = [silent_frame() for _ in range(5)]
    for frame in frames:
        sink.write(frame)
    await sink.aclose()
    sink.write(silent_frame())
    assert [frame async for frame in sink] == frames[2:]
    assert sink.dropped == 2


async def test_a_reader_that_waits_is_woken() -> None:
    sink = FrameSink()
    reading = asyncio.create_task(anext(sink))
    await asyncio.sleep(0)
    frame = silent_frame()
    sink.write(frame)
    assert await reading is frame
    reading = asyncio.create_task(anext(sink))
    await asyncio.sleep(0)
    await sink.aclose()
    with pytest.raises(StopAsyncIteration):
        await reading
