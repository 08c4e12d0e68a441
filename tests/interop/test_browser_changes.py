"""What changes during calls with stanza.js in Chromium: another path by either side."""

from __future__ import annotations

import asyncio

import pytest

import jingle
from tests.e2e.conftest import World
from tests.e2e.sound import LOUD

from .chromium import BrowserClient
from .test_browser import (
    answering,
    assert_ended,
    assert_heard_here,
    assert_heard_there,
    next_call,
)

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]


def told_network(events: list[jingle.Event]) -> list[tuple[str, str]]:
    fields = [dict(each.fields) for each in events if each.name == "network"]
    return [(each["state"], each["cause"]) for each in fields]


async def told_of_it(events: list[jingle.Event], count: int) -> list[tuple[str, str]]:
    """What a peer was told about its paths, once that is so much."""
    async with asyncio.timeout(10):
        while len(told_network(events)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return told_network(events)


async def called(peer: jingle.Peer, client: BrowserClient, video: jingle.Source | None = None) -> jingle.Call:
    """A call of ours to the browser, with our tone and these pictures."""
    calling = asyncio.ensure_future(peer.call(client.jid, audio=jingle.Tone(440), video=video).__aenter__())
    await client.event("incoming")
    client.do("accept", media=["audio"] if video is None else ["audio", "video"])
    return await calling


async def test_the_browser_restarts(world: World, alice: BrowserClient) -> None:
    """Only initiators do: new credentials and no candidates, these follow one by one; Chromium has to check first."""
    command, jid = await answering(world, "--once", "--trace", "trace")
    alice.do("call", to=jid, media=["audio"])
    await assert_heard_there(alice)
    alice.do("restart")
    assert (await command.event("network", state="restarting"))["cause"] == "peer"
    await command.event("network", state="restarted")
    await assert_heard_there(alice)
    alice.do("end", reason="success")
    ended = await assert_ended(command, alice, "success")
    assert ended["stats"]["audio"]["packets_received"] > 100
    assert_heard_here(world.folder / "heard.wav", least=3)


async def test_we_restart(world: World, alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]) -> None:
    peer, told = bob
    call = await called(peer, alice)
    await assert_heard_there(alice)
    await call.restart_ice()
    assert await told_of_it(told, 2) == [("restarting", "asked"), ("restarted", "asked")]
    received = call.stats()["audio"].packets_received
    await assert_heard_there(alice)
    assert call.stats()["audio"].packets_received > received + 30
    await call.hang_up()
    assert (await alice.event("terminated"))["reason"] == "success"


async def test_we_restart_what_sound_and_pictures_share(
    alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]
) -> None:
    """One restart, told in one stanza for both contents: the browser looks at the first of a stanza only."""
    peer, told = bob
    call = await called(peer, alice, jingle.TestCard(320, 240))
    before = await assert_heard_there(alice)
    await call.restart_ice()
    assert await told_of_it(told, 2) == [("restarting", "asked"), ("restarted", "asked")]
    after = await assert_heard_there(alice)
    assert after["received"]["video"] > before["received"]["video"] + 10
    shown = call.stats()["video"].frames_received
    await asyncio.sleep(1)
    assert (call.stats()["video"].frames_received or 0) > (shown or 0) + 5
    await call.hang_up()
    assert (await alice.event("terminated"))["reason"] == "success"


async def test_called_by_the_browser_we_do_not(
    alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]
) -> None:
    """It would end the call: a restart is the initiator's, and the call goes on without one."""
    peer, told = bob
    alice.do("call", to=peer.jid, media=["audio"])
    call = await (await next_call(peer)).accept(audio=jingle.Tone(440))
    await assert_heard_there(alice)
    with pytest.raises(jingle.TransportFailed, match="initiator only"):
        await call.restart_ice()
    await assert_heard_there(alice)
    assert told_network(told) == []
    await call.hang_up()
    assert (await alice.event("terminated"))["reason"] == "success"


@pytest.mark.refuses
async def test_the_browser_takes_no_pictures_later(
    alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]
) -> None:
    """It acknowledges a content-add and rejects it, refuses a content-modify, and the call goes on."""
    peer, told = bob
    call = await called(peer, alice)
    await assert_heard_there(alice)
    with pytest.raises(jingle.ApplicationFailed):
        await call.add_video(jingle.TestCard(160, 120))
    with pytest.raises(jingle.ApplicationFailed, match="direction"):
        await call.set_direction("audio", send=True, receive=False)
    assert call.media == ("audio",)
    await assert_heard_there(alice)
    assert [each for each in told if each.name == "media"] == []
    await call.hang_up()
    assert (await alice.event("terminated"))["reason"] == "success"


@pytest.mark.refuses
async def test_pictures_that_the_browser_did_not_ask_for_are_removed_from_our_side_alone(
    alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]
) -> None:
    """It refuses a content-remove; what it still sends is dropped, and the sound goes on."""
    peer, _ = bob
    alice.do("call", to=peer.jid, media=["audio", "video"])
    call = await (await next_call(peer)).accept(audio=jingle.Tone(440))
    await assert_heard_there(alice)
    assert call.media == ("audio", "video")
    await call.remove_video()
    assert "video" not in call.media
    measured = await assert_heard_there(alice)
    assert measured["heard"]["loudness"] > LOUD
    before = call.stats()["audio"].packets_received
    await asyncio.sleep(0.5)
    assert call.stats()["audio"].packets_received > before + 10
    await call.hang_up()
    assert (await alice.event("terminated"))["reason"] == "success"
