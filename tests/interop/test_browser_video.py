"""Pictures both ways with stanza.js in Chromium: the colour that is sent is the colour that is seen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
import pytest
from av.video.frame import VideoFrame

import jingle
from tests.e2e.conftest import World
from tests.servers.accounts import PASSWORD
from tests.servers.prosody import Prosody

from .chromium import BrowserClient, Event
from .test_browser import assert_heard_there, next_call

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

Colour = tuple[int, int, int]
OURS: Colour = (200, 40, 60)
THEIRS: Colour = (30, 90, 200)
BLACK: Colour = (0, 0, 0)
NEAR = 25
"""Of 255 by which each part of a colour may be off: it was coded, and counted in another way."""

SIZE = (320, 240)
RATE = 15


class Plain:
    """A source of pictures of one colour, which is told how many were taken."""

    def __init__(self, colour: Colour) -> None:
        self.source = jingle.Frames("video", maxsize=2)
        self.colour = colour
        self._task = asyncio.ensure_future(self._paint())

    async def _paint(self) -> None:
        while True:
            pixels = np.full((SIZE[1], SIZE[0], 3), self.colour, np.uint8)
            await self.source.push(VideoFrame.from_ndarray(pixels, format="rgb24"))
            await asyncio.sleep(1 / RATE)

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def plain() -> AsyncIterator[Plain]:
    painting = Plain(OURS)
    yield painting
    await painting.aclose()


@contextlib.asynccontextmanager
async def online(world: World, prosody: Prosody, codec: str) -> AsyncIterator[jingle.Peer]:
    async with jingle.connect(
        world.bob,
        PASSWORD,
        server=("127.0.0.1", prosody.port),
        ca_file=prosody.ca_file,
        video_codecs=[codec],
    ) as peer:
        peer.listen()
        yield peer


def near(one: Colour, other: Colour) -> bool:
    return all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


async def seen_here(call: jingle.Call) -> Colour:
    """The colour in the middle of the next picture."""
    async for frame in call.video:
        pixels = frame.reformat(format="rgb24").to_ndarray()
        middle = pixels[frame.height // 2, frame.width // 2]
        return (int(middle[0]), int(middle[1]), int(middle[2]))
    raise AssertionError("the call ended")


async def shows_here(call: jingle.Call, colour: Colour) -> None:
    """Assert that a colour is seen here, now or soon."""
    seen: list[Colour] = []
    async with asyncio.timeout(10):
        while not (seen and near(seen[-1], colour)):
            seen.append(await seen_here(call))
            assert len(seen) < 100, seen


async def shows_there(client: BrowserClient, colour: Colour) -> Event:
    """Assert that a colour is seen in the browser, now or soon; what was measured comes back."""
    for _ in range(20):
        measured = await client.measure()
        there = measured["seen"]["colour"]
        if there is not None and near(tuple(there), colour):
            return measured
        await asyncio.sleep(0.2)
    raise AssertionError(f"it shows {there}, not {colour}")


async def assert_frames_are_counted(client: BrowserClient, call: jingle.Call) -> None:
    """Assert that what one side sends is what the other decodes, but for what is on its way.

    Over two seconds of several: a machine that is busy with something else leaves pictures out.
    """
    before = await frames(client, call)
    for _ in range(5):
        await asyncio.sleep(2)
        now = await frames(client, call)
        ours, there, theirs, here = (late - early for late, early in zip(now, before, strict=True))
        if min(there, here) > RATE and abs(ours - there) <= RATE and abs(theirs - here) <= RATE:
            return
        before = now
    raise AssertionError(f"we sent {ours}, {there} were decoded there; it sent {theirs}, {here} were decoded here")


async def frames(client: BrowserClient, call: jingle.Call) -> tuple[int, int, int, int]:
    """Sent by us, decoded there, sent from there, decoded here."""
    there = (await client.measure())["frames"]
    ours = call.stats()["video"]
    return ours.frames_sent, there["decoded"], there["sent"], ours.frames_received


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_the_browser_calls_with_pictures(
    world: World, prosody_server: Prosody, alice: BrowserClient, plain: Plain, codec: str
) -> None:
    async with online(world, prosody_server, codec) as bob:
        alice.do("paint", colour=THEIRS)
        alice.do("call", to=bob.jid, media=["audio", "video"])
        offer = await next_call(bob)
        assert offer.media == ("audio", "video")
        async with offer.accept(audio=jingle.Tone(440), video=plain.source) as call:
            assert call.media == ("audio", "video")
            await asyncio.gather(shows_here(call, THEIRS), shows_there(alice, OURS))
            measured = await assert_heard_there(alice)
            assert measured["directions"] == {"audio": "sendrecv", "video": "sendrecv"}
            assert measured["seen"]["size"] == list(SIZE)
            assert measured["transports"] == 1  # BUNDLE
            assert measured["codec"] == f"video/{codec}"
            assert call.stats()["video"].codec == codec
            await assert_frames_are_counted(alice, call)
        assert (await alice.event("terminated"))["reason"] == "success"


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_we_call_the_browser_with_pictures(
    world: World, prosody_server: Prosody, alice: BrowserClient, plain: Plain, codec: str
) -> None:
    async with online(world, prosody_server, codec) as bob:
        alice.do("paint", colour=THEIRS)
        calling = asyncio.ensure_future(bob.call(alice.jid, audio=jingle.Tone(440), video=plain.source).__aenter__())
        assert (await alice.event("incoming"))["media"] == ["audio", "video"]
        alice.do("accept", media=["audio", "video"])
        call = await calling
        assert call.media == ("audio", "video")
        await asyncio.gather(shows_here(call, THEIRS), shows_there(alice, OURS))
        measured = await assert_heard_there(alice)
        assert measured["transports"] == 1
        assert measured["codec"] == f"video/{codec}"
        await assert_frames_are_counted(alice, call)
        await call.hang_up()
        assert (await alice.event("terminated"))["reason"] == "success"


async def test_pictures_alone(world: World, prosody_server: Prosody, alice: BrowserClient, plain: Plain) -> None:
    async with online(world, prosody_server, "VP8") as bob:
        alice.do("paint", colour=THEIRS)
        alice.do("call", to=bob.jid, media=["video"])
        offer = await next_call(bob)
        assert offer.media == ("video",)
        async with offer.accept(video=plain.source) as call:
            assert call.media == ("video",)
            await asyncio.gather(shows_here(call, THEIRS), shows_there(alice, OURS))


async def test_we_answer_pictures_with_sound_alone(world: World, prosody_server: Prosody, alice: BrowserClient) -> None:
    """The content stays, for the browser's sake, and nobody sends in it."""
    async with online(world, prosody_server, "VP8") as bob:
        alice.do("call", to=bob.jid, media=["audio", "video"])
        async with (await next_call(bob)).accept(audio=jingle.Tone(440), media=["audio"]) as call:
            measured = await assert_heard_there(alice)
            assert measured["directions"] == {"audio": "sendrecv", "video": "inactive"}
            assert measured["sent"]["video"] == 0
            assert call.media == ("audio",)


async def test_the_browser_answers_pictures_with_sound_alone(
    world: World, prosody_server: Prosody, alice: BrowserClient, plain: Plain
) -> None:
    """It looks, and shows nothing."""
    async with online(world, prosody_server, "VP8") as bob:
        calling = asyncio.ensure_future(bob.call(alice.jid, audio=jingle.Tone(440), video=plain.source).__aenter__())
        await alice.event("incoming")
        alice.do("accept", media=["audio"])
        call = await calling
        measured = await shows_there(alice, OURS)
        assert measured["directions"] == {"audio": "sendrecv", "video": "recvonly"}
        assert call.stats()["video"].packets_received == 0
        await assert_heard_there(alice)
        await call.hang_up()


async def test_we_only_look(world: World, prosody_server: Prosody, alice: BrowserClient) -> None:
    async with online(world, prosody_server, "VP8") as bob:
        alice.do("paint", colour=THEIRS)
        calling = asyncio.ensure_future(bob.call(alice.jid, media=["audio", "video"]).__aenter__())
        await alice.event("incoming")
        alice.do("accept", media=["audio", "video"])
        call = await calling
        await shows_here(call, THEIRS)
        measured = await alice.measure()
        assert measured["directions"] == {"audio": "sendrecv", "video": "sendonly"}
        assert call.stats()["video"].packets_sent == 0
        await call.hang_up()


async def test_holding_and_muting_both_ways(
    world: World, alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]], plain: Plain
) -> None:
    peer, told = bob
    alice.do("paint", colour=THEIRS)
    alice.do("call", to=peer.jid, media=["audio", "video"])
    async with (await next_call(peer)).accept(audio=jingle.Tone(440), video=plain.source) as call:
        await asyncio.gather(shows_here(call, THEIRS), shows_there(alice, OURS))
        call.mute()
        await alice.event("mute", count=2)
        await shows_there(alice, BLACK)
        call.unmute()
        await alice.event("unmute", count=2)
        await shows_there(alice, OURS)

        call.hold()
        await alice.event("hold")
        await asyncio.sleep(0.3)
        received = call.stats()["video"].frames_received
        call.unhold()
        await alice.event("resumed")
        await asyncio.gather(shows_here(call, THEIRS), shows_there(alice, OURS))
        assert call.stats()["video"].frames_received > received

        alice.do("hold")
        await eventually_told(told, "hold")
        await asyncio.sleep(0.5)
        before = call.stats()
        await asyncio.sleep(1)
        # Whoever is put on hold is quiet, and shows nothing.
        assert call.stats()["video"].packets_sent == before["video"].packets_sent
        assert call.stats()["audio"].packets_sent == before["audio"].packets_sent
        alice.do("resume")
        await eventually_told(told, "active")
        await shows_there(alice, OURS)
        alice.do("mute")
        await eventually_told(told, "mute")


async def eventually_told(told: list[jingle.Event], state: str) -> None:
    async with asyncio.timeout(10):
        while not any(each.name == "info" and each.fields["state"] == state for each in told):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
