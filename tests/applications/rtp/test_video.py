"""Two ends of a call with pictures over DTLS in one process, with real codecs; encoding takes no time there."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import numpy as np
import pytest
from aiortc.rtp import is_rtcp
from av.video.frame import VideoFrame

from jingle.applications.rtp.call import RtpApplication
from jingle.applications.rtp.options import MediaOptions, SessionIdentity
from jingle.applications.rtp.video_receiving import BACKLOG
from jingle.elements.core import Role, Senders
from jingle.elements.rtp import RtpDescription
from jingle.media.base import Frame, Sink, Source
from jingle.media.sources import Frames
from jingle.media.test_card import TestCard
from jingle.media.video_codecs import Thread, Worker
from jingle.transports.base import RtpPacket
from tests.transports.dtls_pair import PairedLink, connected_links, eventually
from tests.virtual_time import in_virtual_time

P = ParamSpec("P")
R = TypeVar("R")

CARD = TestCard(160, 120, rate=25)
SIMILAR = 12.0
"""Mean difference of brightness, of 255: a coded picture and its original; one of another second is further off."""


class Inline:
    """A `Worker` on the loop; each piece of work takes some seconds of virtual time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        await asyncio.sleep(self.seconds)
        return work(*args, **kwargs)

    def close(self) -> None:
        return


class Eye(Sink):
    """Keeps what it sees, and when."""

    def __init__(self) -> None:
        self.frames: list[VideoFrame] = []
        self.moments: list[float] = []

    def write(self, frame: Frame) -> None:
        assert isinstance(frame, VideoFrame)
        self.frames.append(frame)
        self.moments.append(asyncio.get_running_loop().time())

    @property
    def times(self) -> list[int]:
        """The timestamps of the frames."""
        return [frame.pts for frame in self.frames if frame.pts is not None]

    def longest_still(self) -> float:
        return max((b - a for a, b in zip(self.moments, self.moments[1:], strict=False)), default=0.0)


def brightness(frame: VideoFrame) -> np.ndarray:
    planes = frame.reformat(format="yuv420p").to_ndarray()
    return planes[: frame.height].astype(np.int16)


def difference(one: VideoFrame, other: VideoFrame) -> float:
    return float(np.abs(brightness(one) - brightness(other)).mean())


@dataclass
class Side:
    app: RtpApplication
    link: PairedLink
    eye: Eye = field(default_factory=Eye)


Change = Callable[[RtpDescription], RtpDescription]


@contextlib.asynccontextmanager
async def call(
    caller: Source | None = None,
    callee: Source | None = None,
    *,
    options: MediaOptions = MediaOptions(),  # noqa: B008  (frozen)
    change: Change = lambda description: description,
    make_worker: Callable[[], Worker] = Inline,
) -> AsyncIterator[tuple[Side, Side]]:
    """`change` is made to the offer and to the answer, as if the other side were a client that can do less."""
    async with connected_links() as links:
        sides = [
            Side(
                RtpApplication(
                    "video", role=role, name="picture", source=source, options=options, make_worker=make_worker
                ),
                link,
            )
            for role, source, link in zip((Role.INITIATOR, Role.RESPONDER), (caller, callee), links, strict=True)
        ]
        a, b = sides
        offered = a.app.describe()
        assert isinstance(offered, RtpDescription)
        answered = b.app.answer(change(offered))
        assert isinstance(answered, RtpDescription)
        a.app.accepted(change(answered))
        for side in sides:
            await side.app.received.add(side.eye)
        try:
            await asyncio.gather(a.app.start(a.link), b.app.start(b.link))
            yield a, b
        finally:
            await asyncio.gather(a.app.stop(), b.app.stop())


def without(*names: str) -> Change:
    """Leave out kinds of feedback, or `rtx`."""

    def change(description: RtpDescription) -> RtpDescription:
        kept = [
            dataclasses.replace(
                each,
                feedback=tuple(
                    fb for fb in each.feedback if (f"{fb.type} {fb.subtype}" if fb.subtype else fb.type) not in names
                ),
            )
            for each in description.payload_types
            if each.name not in names
        ]
        return dataclasses.replace(description, payload_types=tuple(kept))

    return change


def losing(percent: float, seed: int = 1) -> Callable[[bytes], Sequence[float]]:
    chance = random.Random(seed)
    return lambda data: () if not is_rtcp(data) and chance.random() * 100 < percent else (0.0,)


def assert_right(eye: Eye) -> None:
    """Assert that each picture is one that the card showed just before it was seen, and not half of one."""
    for frame, moment in zip(eye.frames, eye.moments, strict=True):
        shown = [difference(frame, CARD.picture(max(0, count) / 25)) for count in candidates(moment)]
        assert min(shown) < SIMILAR, (moment, shown)


def candidates(moment: float) -> range:
    """What may have been on its way; half a second is what a lost packet is waited for."""
    last = int((moment - BEGAN[0]) * 25) + 1
    return range(last - 20, last + 1)


BEGAN = [0.0]
"""When the card that is shown began, on the loop's clock."""


async def seen(side: Side, count: int, seconds: float = 10) -> None:
    await eventually(lambda: len(side.eye.frames) >= count, seconds)


# What comes through


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@in_virtual_time
async def test_pictures_arrive_as_they_were_sent(codec: str) -> None:
    async with call(CARD, CARD, options=MediaOptions(video_codecs=(codec,))) as (a, b):
        BEGAN[0] = asyncio.get_running_loop().time()
        await asyncio.gather(seen(a, 50), seen(b, 50))
        for side in (a, b):
            assert side.app.stats().codec == codec
            assert side.app.stats().size_received == side.app.stats().size_sent == (160, 120)
            assert side.app.stats().frames_dropped == 0
            assert side.eye.longest_still() < 0.045
            assert_right(side.eye)
            times = side.eye.times
            steps = {after - before for before, after in zip(times, times[1:], strict=False)}
            assert steps == {3600}  # 40 ms


@in_virtual_time
async def test_a_large_picture_is_made_smaller_and_an_odd_one_even() -> None:
    for size, sent in (((1920, 1080), (1280, 720)), ((720, 1600), (576, 1280)), ((161, 121), (160, 120))):
        source = Frames("video")
        async with call(source) as (_, b):
            for _ in range(3):
                frame = VideoFrame(*size, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                await source.push(frame)
                await asyncio.sleep(0.04)
            await seen(b, 1)
            assert (b.eye.frames[0].width, b.eye.frames[0].height) == sent


# Loss


@pytest.mark.parametrize("lacking", [(), ("rtx",)], ids=["repeated apart", "repeated as they were"])
@in_virtual_time
async def test_what_is_lost_is_repeated(lacking: tuple[str, ...]) -> None:
    async with call(CARD, change=without(*lacking)) as (a, b):
        BEGAN[0] = asyncio.get_running_loop().time()
        a.link.wire.impair = losing(10)
        await asyncio.sleep(4)
        a.link.wire.impair = lambda data: (0.0,)
        await asyncio.sleep(0.7)
        sent, received = a.app.stats(), b.app.stats()
        assert sent.packets_repeated > 5
        assert received.frames_received >= sent.frames_sent - 2
        assert b.eye.longest_still() < 0.2
        if lacking:
            assert received.packets_repaired == 0
        else:
            assert received.packets_repaired > 5
            assert received.packets_lost > 5  # of what was sent, whatever was repeated (RFC 4588 section 4)
        assert_right(b.eye)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize(
    "lacking", [("nack", "rtx"), ("nack", "rtx", "nack pli")], ids=["picture loss is told", "a whole one is demanded"]
)
@in_virtual_time
async def test_where_nothing_is_repeated_a_whole_picture_is_asked_for(codec: str, lacking: tuple[str, ...]) -> None:
    async with call(CARD, options=MediaOptions(video_codecs=(codec,)), change=without(*lacking)) as (a, b):
        BEGAN[0] = asyncio.get_running_loop().time()
        await seen(b, 10)
        a.link.wire.impair = losing(5)
        await asyncio.sleep(4)
        a.link.wire.impair = lambda data: (0.0,)
        count = len(b.eye.frames)
        await seen(b, count + 25)
        assert a.app.stats().packets_repeated == 0
        assert b.app.stats().packets_lost > 0
        assert_right(b.eye)


@in_virtual_time
async def test_a_path_that_is_gone_for_a_second_is_survived() -> None:
    async with call(CARD) as (a, b):
        BEGAN[0] = asyncio.get_running_loop().time()
        await seen(b, 25)
        a.link.wire.impair = lambda data: ()
        await asyncio.sleep(1)
        a.link.wire.impair = lambda data: (0.0,)
        back = asyncio.get_running_loop().time()
        count = len(b.eye.frames)
        await seen(b, count + 25)
        assert b.eye.moments[count] - back < 0.7
        assert_right(b.eye)


@in_virtual_time
async def test_a_rough_path_mixes_nothing_up() -> None:
    chance = random.Random(5)

    def impair(data: bytes) -> Sequence[float]:
        late = chance.choice((0.0, 0.0, 0.0, 0.01, 0.06))
        return () if chance.random() < 0.03 else (late, late + 0.02) if chance.random() < 0.1 else (late,)

    async with call(CARD, CARD) as (a, b):
        BEGAN[0] = asyncio.get_running_loop().time()
        a.link.wire.impair = b.link.wire.impair = impair
        await asyncio.sleep(5)
        for side in (a, b):
            assert side.app.stats().frames_received > 100
            assert_right(side.eye)
            assert side.eye.times == sorted(set(side.eye.times))


# The rate


@in_virtual_time
async def test_less_is_sent_where_the_path_carries_less() -> None:
    """A path of 300 kbit/s with a queue of a second; the receiver's estimate and the loss bring the sender down."""
    rate, free = 300_000, [0.0]

    def impair(data: bytes) -> Sequence[float]:
        now = asyncio.get_running_loop().time()
        begins = max(now, free[0])
        if begins - now > 1.0:
            return ()
        free[0] = begins + len(data) * 8 / rate
        return (free[0] - now,)

    source = Noise()
    async with call(source, options=MediaOptions(video_bit_rate=2_000_000)) as (a, b):
        await seen(b, 10)
        wide = await sent_in(a, 5)
        assert wide > 1.5 * rate
        a.link.wire.impair = impair
        await asyncio.sleep(12)
        assert await sent_in(a, 5) < 1.15 * rate
        count = len(b.eye.frames)
        await asyncio.sleep(3)
        assert len(b.eye.frames) > count + 10
        a.link.wire.impair = lambda data: (0.0,)
        await asyncio.sleep(40)  # the estimator that we have from aiortc is careful after a congestion
        assert await sent_in(a, 5) > 1.3 * rate


async def sent_in(side: Side, seconds: float) -> float:
    """Bits per second of what is sent, repetitions aside."""
    before = side.app.stats().bytes_sent
    await asyncio.sleep(seconds)
    return (side.app.stats().bytes_sent - before) * 8 / seconds


class Noise(TestCard):
    """A picture that takes many bits."""

    def __init__(self) -> None:
        super().__init__(160, 120, rate=15)
        self._chance = np.random.default_rng(1)

    def picture(self, seconds: float) -> VideoFrame:
        frame = super().picture(seconds)
        planes = frame.to_ndarray()
        planes[30:70] = self._chance.integers(0, 255, (40, 160), np.uint8)
        noisy = VideoFrame.from_ndarray(planes, format="yuv420p")
        noisy.pts, noisy.time_base = frame.pts, frame.time_base
        return noisy


@in_virtual_time
async def test_a_slow_machine_sends_fewer_pictures_and_none_late() -> None:
    async with call(CARD, make_worker=lambda: Inline(0.1)) as (a, b):
        await seen(b, 20, 20)
        stats = a.app.stats()
        assert stats.frames_dropped > stats.frames_sent
        ages = [moment - (frame.time or 0.0) for frame, moment in zip(b.eye.frames, b.eye.moments, strict=True)]
        assert max(ages) - min(ages) < 0.05


@in_virtual_time
async def test_a_machine_that_decodes_too_slowly_leaves_pictures_out() -> None:
    workers = iter((Inline(), Inline(), Inline(), Inline(0.2)))
    async with call(CARD, make_worker=lambda: next(workers)) as (_, b):
        await asyncio.sleep(8)
        assert b.app.stats().frames_dropped > 10
        count = len(b.eye.frames)
        assert count > 15
        ages = [moment - (frame.time or 0.0) for frame, moment in zip(b.eye.frames, b.eye.moments, strict=True)]
        assert max(ages) - min(ages) < (BACKLOG + 2) * 0.2


# What people do


@in_virtual_time
async def test_muting_shows_black_and_holding_nothing() -> None:
    async with call(CARD) as (a, b):
        await seen(b, 10)
        b.app.info(a.app.mute())
        await asyncio.sleep(0.3)
        assert brightness(b.eye.frames[-1]).max() < 40
        count = len(b.eye.frames)
        await asyncio.sleep(3)
        assert 2 <= len(b.eye.frames) - count <= 4  # so that nobody takes it for a broken path
        b.app.info(a.app.unmute())
        await asyncio.sleep(0.2)
        assert brightness(b.eye.frames[-1]).max() > 180
        a.app.info(b.app.hold())
        await asyncio.sleep(0.2)
        count = len(b.eye.frames)
        sent = a.app.stats().packets_sent
        await asyncio.sleep(1)
        assert (len(b.eye.frames), a.app.stats().packets_sent) == (count, sent)
        a.app.info(b.app.unhold())
        await seen(b, count + 10, 1)


@in_virtual_time
async def test_senders_decide_who_shows() -> None:
    async with call(CARD, CARD) as (a, b):
        for side in (a, b):
            side.app.set_senders(Senders.INITIATOR)
        await asyncio.sleep(0.2)
        count = len(a.eye.frames)
        await asyncio.sleep(1)
        assert len(a.eye.frames) == count
        for side in (a, b):
            side.app.set_senders(Senders.BOTH)
        await seen(a, count + 10, 2)


@in_virtual_time
async def test_the_source_can_be_exchanged_and_left_out() -> None:
    async with call(None) as (a, b):
        await asyncio.sleep(0.5)
        assert a.app.stats().packets_sent == 0
        await a.app.replace(TestCard(320, 240))
        await seen(b, 10)
        assert b.eye.frames[-1].width == 320
        await a.app.replace(CARD)
        await eventually(lambda: b.eye.frames[-1].width == 160)
        await a.app.replace(None)
        await asyncio.sleep(0.2)
        count = len(b.eye.frames)
        await asyncio.sleep(1)
        assert len(b.eye.frames) == count


@in_virtual_time
async def test_whatever_comes_in_nothing_breaks() -> None:
    chance = random.Random(9)
    async with call(CARD) as (_, b):
        await seen(b, 5)
        medium = b.app._medium
        receiver = medium._receiver  # type: ignore[attr-defined]
        for number in range(3000):
            payload = chance.randbytes(chance.randrange(40))
            packet = RtpPacket(
                chance.choice((96, 102, 97, 5)),
                chance.random() < 0.3,
                (number + chance.randrange(3)) & 0xFFFF,
                chance.getrandbits(32) if chance.random() < 0.5 else number // 3,
                7,
                payload,
                asyncio.get_running_loop().time() + 1,
                chance.choice((None, 1e300, -1e300, float(number))),
            )
            receiver.receive(packet)
        count = len(b.eye.frames)
        await asyncio.sleep(3)
        assert len(b.eye.frames) > count


async def test_nothing_is_left_behind() -> None:
    """In real time, with real threads."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with call(CARD, CARD, make_worker=Thread) as (a, b):
        await asyncio.gather(seen(a, 5), seen(b, 5))
        await asyncio.gather(a.app.stop(), a.app.stop("success"))
    assert asyncio.all_tasks() == tasks
    await eventually(lambda: set(threading.enumerate()) <= threads)


@in_virtual_time
async def test_an_identity_is_shared() -> None:
    identity = SessionIdentity()
    apps = [
        RtpApplication(medium, role=Role.INITIATOR, name=medium, identity=identity) for medium in ("audio", "video")
    ]
    described = [app.describe() for app in apps]
    cnames = {
        each.value
        for description in described
        if isinstance(description, RtpDescription)
        for source in description.sources
        for each in source.parameters
        if each.name == "cname"
    }
    assert cnames == {identity.cname}
    await asyncio.gather(*(app.stop() for app in apps))
