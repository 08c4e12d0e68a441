"""Calls between two peers of this process over the loopback server: every way they begin and end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from av.audio.frame import AudioFrame

import jingle
from jingle.media.base import Frame
from tests.client.conftest import World


async def next_offer(peer: jingle.Peer) -> jingle.IncomingCall:
    async with asyncio.timeout(5):
        async for offer in peer.incoming():
            assert isinstance(offer, jingle.IncomingCall)
            return offer
    raise AssertionError


@asynccontextmanager
async def answering(peer: jingle.Peer) -> AsyncIterator[asyncio.Task[jingle.Call]]:
    """Answers the next call with a tone."""

    async def answer() -> jingle.Call:
        offer = await next_offer(peer)
        return await offer.accept(audio=jingle.Tone(600))

    peer.listen()
    task = asyncio.create_task(answer())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_call_from_ringing_to_the_end(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call("bob@localhost", audio=jingle.Tone(440)) as call:
            theirs = await answer
            assert call.media == theirs.media == ("audio",)
            assert call.sid == theirs.sid
            assert (call.peer, theirs.peer) == (bob.jid, alice.jid)
            assert await call.wait(0.3) is None
        ending = await theirs.wait(2)
    assert ending is not None
    assert (ending.reason, ending.by_peer) == ("success", True)
    assert world.names("alice") == ["online", "ringing", "connected", "ended"]
    assert world.names("bob") == ["online", "incoming", "connected", "ended"]
    (connected,) = world.told("alice", "connected")
    assert connected["transport"] == "ice-udp"
    assert connected["security"] == "dtls"
    assert connected["local_candidate"] == "host"
    assert 0 <= connected["setup"] < 5
    (ended,) = world.told("bob", "ended")
    assert ended["reason"] == "success"
    assert ended["stats"]["audio"]["packets_received"] > 5
    assert ended["stats"]["audio"]["codec"] == "opus"


async def test_a_full_jid_is_called_directly(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call(bob.jid, audio=jingle.Tone()) as call:
            assert (await answer).sid == call.sid
    assert world.names("alice") == ["online", "ringing", "connected", "ended"]


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("reason", ["decline", "busy"])
async def test_declined(world: World, direct: bool, reason: str) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_place(alice, bob.jid if direct else "bob@localhost"))
    await (await next_offer(bob)).decline(reason)
    with pytest.raises(jingle.SessionEnded) as caught:
        await calling
    assert caught.value.reason == reason
    assert [each["reason"] for each in world.told("alice", "ended")] == [reason]
    await asyncio.sleep(0.05)
    assert [each["reason"] for each in world.told("bob", "ended")] == [reason]


async def _place(peer: jingle.Peer, to: str) -> jingle.Call:
    return await peer.call(to, audio=jingle.Silence())


@pytest.mark.parametrize("direct", [True, False])
async def test_the_caller_gives_up(world: World, direct: bool) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_place(alice, bob.jid if direct else "bob@localhost"))
    offer = await next_offer(bob)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert (await asyncio.wait_for(offer.gone, 2))[0] == "cancel"
    with pytest.raises(jingle.SessionEnded):
        await offer.accept()
    assert [each["reason"] for each in world.told("bob", "ended")] == ["cancel"]
    assert [each["reason"] for each in world.told("alice", "ended")] == ["cancel"]


@pytest.mark.parametrize("direct", [True, False])
async def test_nobody_answers(world: World, direct: bool) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    with pytest.raises(jingle.SessionEnded) as caught:
        await alice.call(bob.jid if direct else "bob@localhost", ring_timeout=0.5)
    assert caught.value.reason == "timeout"


async def test_nobody_is_there(world: World) -> None:
    alice = await world.peer("alice")
    for to in ("bob@localhost", "nobody@localhost", "bob@localhost/nowhere"):
        with pytest.raises(jingle.SessionEnded) as caught:
            await alice.call(to, ring_timeout=5)
        assert caught.value.reason == "gone"


async def test_a_stranger_learns_nothing(world: World) -> None:
    """Bob and carol share no roster: carol's proposal meets silence, her session the answer of no client at all."""
    bob, carol = await world.peer("bob"), await world.peer("carol")
    bob.listen()
    with pytest.raises(jingle.SessionEnded) as caught:
        await carol.call(bob.jid, ring_timeout=5)
    assert caught.value.reason == "gone"
    with pytest.raises(jingle.SessionEnded) as caught:
        await carol.call("bob@localhost", ring_timeout=0.5)
    assert caught.value.reason == "timeout"
    assert world.names("bob") == ["online", "refused", "refused"]
    assert "ringing" not in world.names("carol")


async def test_strangers_are_let_in_by_name(world: World) -> None:
    bob, carol = await world.peer("bob", allow=["carol@localhost"]), await world.peer("carol")
    async with answering(bob) as answer:
        async with carol.call("bob@localhost"):
            await answer


async def test_both_call_each_other(world: World) -> None:
    """The lower id stands (XEP-0353 section 4.1), and both programs get the call they asked for."""
    alice, bob = await world.peer("alice"), await world.peer("bob")
    alice.listen()
    bob.listen()
    ours, theirs = await asyncio.gather(
        alice.call("bob@localhost", audio=jingle.Tone()), bob.call("alice@localhost", audio=jingle.Tone())
    )
    assert ours.sid == theirs.sid
    await ours.hang_up()
    assert (await theirs.wait(2)) is not None


async def test_answered_on_another_device(world: World) -> None:
    alice = await world.peer("alice")
    desk, phone = await world.peer("bob", resource="desk"), await world.peer("bob", resource="phone")
    desk.listen()
    async with answering(phone) as answer:
        calling = asyncio.ensure_future(_place(alice, "bob@localhost"))
        offer = await next_offer(desk)
        await answer
        call = await calling
        assert call.peer == "bob@localhost/phone"
        reason, text = await asyncio.wait_for(offer.gone, 2)
        assert reason == "cancel"
        assert text == "answered on another device"
        await call.hang_up()


async def test_the_peer_goes_offline(world: World) -> None:
    """No stanza reaches bob any more, but our media does: the call goes on as long as that."""
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        call = await alice.call("bob@localhost", audio=jingle.Tone())
        await answer
        bob.pump.binding.xmpp.send_presence(ptype="unavailable")
        assert await call.wait(2) is None
        await call.hang_up()
        assert (await (await answer).wait(5)) is not None


async def test_a_program_that_does_not_listen_is_busy(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    with pytest.raises(jingle.SessionEnded) as caught:
        await alice.call(bob.jid)
    assert caught.value.reason == "busy"


async def test_hold_and_mute_are_heard_of(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call("bob@localhost", audio=jingle.Tone()) as call:
            await answer
            for change in (call.mute, call.unmute, call.hold, call.unhold):
                change()
            await asyncio.sleep(0.3)
    assert [each["state"] for each in world.told("bob", "info")] == ["mute", "unmute", "hold", "unhold"]


async def test_keys_are_heard_of(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call("bob@localhost", audio=jingle.Tone()) as call:
            await answer
            await call.send_dtmf("1#")
            await asyncio.sleep(0.3)
    assert [each["digit"] for each in world.told("bob", "dtmf")] == ["1", "#"]


async def test_frames_and_recordings(world: World, tmp_path: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call("bob@localhost", audio=jingle.Tone(), record=tmp_path / "all.wav") as call:
            await answer
            frames = [frame async for _, frame in _first(call, 5)]
            assert all(isinstance(frame, AudioFrame) and frame.sample_rate == 48000 for frame in frames)
            await call.record(tmp_path / "part.wav", seconds=0.3)
            with pytest.raises(jingle.MediaError):
                await call.record(tmp_path / "part.xyz")
    whole, part = (tmp_path / name for name in ("all.wav", "part.wav"))
    assert whole.stat().st_size > part.stat().st_size > 0.2 * 96000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_a_full_disk_is_told_and_the_call_goes_on(world: World, tmp_path: Path) -> None:
    (tmp_path / "all.wav").symlink_to("/dev/full")
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call("bob@localhost", audio=jingle.Tone(), record=tmp_path / "all.wav") as call:
            await answer
            assert await call.first_sound() is not None
            ending = await call.hang_up()
    assert ending.reason == "success"
    (error,) = world.told("alice", "error")
    assert error["condition"] == "media-error"
    assert "No space left" in error["text"]


async def _first(call: jingle.Call, count: int) -> AsyncIterator[tuple[int, Frame]]:
    number = 0
    async for frame in call.audio:
        yield number, frame
        number += 1
        if number == count:
            return


async def test_what_cannot_be_played_or_written_rings_nobody(world: World, tmp_path: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    with pytest.raises(jingle.MediaError):
        await alice.call("bob@localhost", audio=jingle.File(tmp_path / "missing.ogg"))
    with pytest.raises(jingle.MediaError):
        await alice.call("bob@localhost", record=tmp_path / "nowhere" / "x.wav")
    assert world.names("bob") == ["online"]


async def test_the_end_of_a_file_ends_the_call(world: World, tmp_path: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call("bob@localhost", audio=jingle.Tone(), record=tmp_path / "half.wav") as call:
            await answer
            await call.wait(0.6)
    async with answering(bob) as answer:
        call = await alice.call("bob@localhost", audio=jingle.File(tmp_path / "half.wav"))
        ending = await call.wait(5)
    assert ending is not None
    assert ending.reason == "success"
    assert 0.3 < ending.seconds < 3


async def test_nothing_is_left_behind(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")

    async def once() -> None:
        async with answering(bob) as answer:
            async with alice.call("bob@localhost", audio=jingle.Tone()) as call:
                theirs = await answer
                await call.wait(0.1)
            await theirs.wait(2)

    await once()
    await asyncio.sleep(0.1)
    before = len(asyncio.all_tasks())
    for _ in range(3):
        await once()
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) <= before
    assert alice.pump.sessions == {}
    assert bob.pump.sessions == {}
