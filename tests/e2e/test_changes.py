"""Changes during a call between two processes: a program that makes them, and a command, or another program."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import jingle
from tests.client.test_calls import next_offer
from tests.servers.loopback import Loopback

from .commands import Command
from .conftest import World
from .peers import Peers

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def peers(world: World) -> AsyncIterator[Peers]:
    async with Peers(world) as peers:
        yield peers


def card() -> jingle.TestCard:
    return jingle.TestCard(160, 120)


async def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def sees(call: jingle.Call) -> None:
    """Wait until pictures come in."""
    async with asyncio.timeout(10):
        async for _ in call.video:
            return
    raise AssertionError("the pictures ended")


async def hears(call: jingle.Call) -> None:
    before = call.stats()["audio"].packets_received
    await eventually(lambda: call.stats()["audio"].packets_received > before + 10)


async def received_pictures(command: Command) -> int:
    """What the next `stats` of a command say about pictures; as many as it says."""
    seen = len(command.told("stats"))
    await eventually(lambda: len(command.told("stats")) > seen)
    counted: dict[str, Any] = command.told("stats")[-1]
    return int(counted.get("video", {}).get("frames_received", 0))


async def test_pictures_come_and_go_in_a_call_with_a_command(world: World, peers: Peers) -> None:
    """A command decides nothing: it receives, and the call goes on when the pictures are gone.

    It is called over the loopback server, and calls over the other.
    """
    if isinstance(world.server, Loopback):
        command = await world.answer("--once", "--play", "tone")
        alice = await peers.start("alice")  # after bob, whose presence the server has then
        call = await alice.call(world.bob, audio=jingle.Tone())
    else:
        alice = await peers.start("alice")
        alice.listen()
        command = await world.call("--play", "tone", to=alice.jid, as_jid=world.bob)
        call = await (await next_offer(alice)).accept(audio=jingle.Tone())
    await call.add_video(card())
    added = await command.event("media", state="added")
    assert (added["medium"], added["sends"], added["receives"]) == ("video", False, True)
    assert await received_pictures(command) > 5
    await call.set_direction("video", send=False, receive=False)
    changed = await command.event("media", state="changed")
    assert (changed["sends"], changed["receives"]) == (False, False)
    await call.set_direction("video", send=True, receive=False)
    await call.remove_video()
    await command.event("media", state="removed")
    await hears(call)
    call.hold()
    await command.event("info", state="hold")
    call.active()
    await command.event("info", state="active")
    await hears(call)
    await call.hang_up()
    assert (await command.event("ended"))["reason"] == "success"
    assert await command.exit() == 0


async def test_both_add_and_remove_at_the_same_moment(world: World, peers: Peers) -> None:
    alice, bob = await peers.start("alice"), await peers.start("bob")
    bob.listen()
    calling = asyncio.ensure_future(alice.call(bob.jid, audio=jingle.Tone()).__aenter__())
    theirs = await (await next_offer(bob)).accept(audio=jingle.Tone())
    ours = await calling
    for _ in range(3):
        await asyncio.gather(ours.add_video(card()), theirs.add_video(card()))
        await asyncio.gather(sees(ours), sees(theirs))
        assert ours.media == theirs.media == ("audio", "video")
        await asyncio.gather(ours.remove_video(), theirs.remove_video())
        await eventually(lambda: len(ours.media) == len(theirs.media) == 1)
    await asyncio.gather(hears(ours), hears(theirs))
    await ours.hang_up()
    ending = await theirs.wait(5)
    assert ending is not None
    assert ending.reason == "success"


async def test_an_added_picture_is_refused_and_the_call_goes_on(world: World, peers: Peers) -> None:
    alice, bob = await peers.start("alice"), await peers.start("bob")
    bob.listen()
    calling = asyncio.ensure_future(alice.call(bob.jid, audio=jingle.Tone()).__aenter__())
    theirs = await (await next_offer(bob)).accept(audio=jingle.Tone())
    ours = await calling
    theirs.on_added = lambda added: added.decline()
    for call in (ours, theirs):
        ours.on_added = theirs.on_added
        with pytest.raises(jingle.ApplicationFailed) as caught:
            await call.add_video(card())
        assert caught.value.reason == "decline"
    await asyncio.gather(hears(ours), hears(theirs))
    await ours.hang_up()
