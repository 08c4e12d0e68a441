"""Alice and Carol talk to each other through Bob, who has a call with each."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

import jingle

from ..media.helpers import until_heard
from .conftest import World


class Three:
    """Bob's two calls, and what his callers have of theirs."""

    def __init__(self, bob: list[jingle.Call], others: list[jingle.Call]) -> None:
        self.left, self.right = bob
        self.alice, self.carol = others


async def three(world: World, stack: AsyncExitStack, codecs: Any = (None, None), *, has_video: bool = False) -> Three:
    """Both have called Bob, who plays nothing and shows nothing."""
    bob = await world.peer("bob", allow=["*"])
    bob.listen()
    mine, theirs = [], []
    for name, codec, hertz in (("alice", codecs[0], 440), ("carol", codecs[1], 880)):
        peer = await world.peer(name, allow=["*"], codecs=codec)
        video = jingle.TestCard() if has_video else None
        opening = peer.call(bob.jid, audio=jingle.Tone(hertz), video=video)
        calling = asyncio.ensure_future(stack.enter_async_context(opening))
        offer = await anext(bob.incoming())
        assert isinstance(offer, jingle.IncomingCall)
        nothing = jingle.Frames("video") if has_video else None
        mine.append(await stack.enter_async_context(offer.accept(audio=jingle.Silence(), video=nothing)))
        theirs.append(await calling)
    return Three(mine, theirs)


async def both_heard(it: Three) -> None:
    """Wait until each hears the tone of the other."""
    async with asyncio.timeout(20):
        await asyncio.gather(until_heard(it.carol.audio, 440), until_heard(it.alice.audio, 880))


def frames_of(call: jingle.Call, medium: str) -> int:
    return call._application(medium).received.frames


@pytest.mark.network
async def test_packets_pass_through_as_they_are(world: World) -> None:
    async with AsyncExitStack() as stack:
        it = await three(world, stack)
        async with it.left.bridge(it.right) as bridge:
            before = frames_of(it.left, "audio"), frames_of(it.right, "audio")
            await both_heard(it)
            assert bridge.media == ("audio",)
            assert bridge.packets > 10
            assert bridge.encoded == frozenset()
            after = frames_of(it.left, "audio"), frames_of(it.right, "audio")
        # Bob decoded what had come before the two were put together, and nothing since.
        assert sum(after) - sum(before) <= 2
        packets = bridge.packets
        await asyncio.sleep(0.2)
        assert bridge.packets == packets, "parted is parted"
        assert it.left.ending is None


@pytest.mark.network
async def test_what_the_other_does_not_take_is_encoded_again(world: World) -> None:
    async with AsyncExitStack() as stack:
        it = await three(world, stack, codecs=(["opus"], ["PCMU"]))
        async with it.left.bridge(it.right) as bridge:
            await both_heard(it)
            assert bridge.encoded == {"audio"}
            assert bridge.packets == 0
        assert it.right.stats()["audio"].packets_sent > 0


@pytest.mark.network
async def test_keys_go_through_and_are_told_and_a_recording_hears_both(world: World, tmp_path: Any) -> None:
    async with AsyncExitStack() as stack:
        it = await three(world, stack)
        async with it.left.bridge(it.right):
            recording = asyncio.ensure_future(it.left.record(tmp_path / "alice.wav", seconds=0.5))
            await it.alice.send_dtmf("5")
            await recording
            await asyncio.sleep(0.1)
        assert [each["digit"] for each in world.told("bob", "dtmf")] == ["5"]
        assert [each["digit"] for each in world.told("carol", "dtmf")] == ["5"]
        assert (tmp_path / "alice.wav").stat().st_size > 20_000


@pytest.mark.network
async def test_pictures_pass_through(world: World) -> None:
    async with AsyncExitStack() as stack:
        it = await three(world, stack, has_video=True)
        async with it.left.bridge(it.right) as bridge:
            assert bridge.media == ("audio", "video")

            async def seen(call: jingle.Call) -> int:
                async for frame in call.video:
                    return frame.width
                return 0

            widths = await asyncio.wait_for(asyncio.gather(seen(it.carol), seen(it.alice)), 20)
            assert list(widths) == [640, 640]
            assert bridge.encoded == frozenset()


@pytest.mark.network
async def test_a_call_is_bridged_once_and_an_end_is_no_trouble(world: World) -> None:
    async with AsyncExitStack() as stack:
        it = await three(world, stack)
        async with it.left.bridge(it.right):
            with pytest.raises(jingle.LocalProtocolError, match="one call at a time"):
                async with it.right.bridge(it.left):
                    pass
            await it.alice.hang_up()
            await it.left.wait(5)
            assert it.left.ending is not None
            await asyncio.sleep(0.1)
        assert it.right.ending is None
