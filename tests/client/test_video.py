"""Calls with pictures between two peers on the loopback server."""

from __future__ import annotations

import asyncio

import jingle
from tests.client.conftest import World
from tests.client.test_calls import next_offer


async def test_a_call_with_pictures_both_ways(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()

    async def answer() -> jingle.Call:
        offer = await next_offer(bob)
        assert offer.media == ("audio", "video")
        return await offer.accept(audio=jingle.Tone(600), video=jingle.TestCard(320, 240))

    answering = asyncio.ensure_future(answer())
    card = jingle.TestCard(320, 240)
    async with alice.call(bob.jid, audio=card, video=card) as call:
        theirs = await answering
        for end in (call, theirs):
            assert end.media == ("audio", "video")
            seen = 0
            async with asyncio.timeout(10):
                async for frame in end.video:
                    assert (frame.width, frame.height) == (320, 240)
                    seen += 1
                    if seen == 20:
                        break
            counted = end.stats()["video"]
            assert counted.codec == "VP8"
            assert counted.size_received == counted.size_sent == (320, 240)
            assert counted.frames_received >= 20
