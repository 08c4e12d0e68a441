"""Calls with pictures between two peers on the loopback server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import av
import pytest

import jingle
from jingle.client import incoming, outgoing
from jingle.client.session import bundle
from jingle.elements.core import Group
from jingle.errors import LocalProtocolError, MediaError
from jingle.peer.content import LiveContent
from jingle.peer.negotiation import Negotiation
from tests.client.conftest import World
from tests.client.test_calls import next_offer

SMALL = (320, 240)


def card() -> jingle.TestCard:
    return jingle.TestCard(*SMALL)


@contextlib.asynccontextmanager
async def both(
    world: World, call: dict[str, Any], answer: dict[str, Any], **options: Any
) -> AsyncIterator[tuple[jingle.Call, jingle.Call]]:
    """A call from alice to bob: her end, and his."""
    alice, bob = await world.peer("alice", **options), await world.peer("bob")
    bob.listen()

    async def accept() -> jingle.Call:
        return await (await next_offer(bob)).accept(**answer)

    accepting = asyncio.ensure_future(accept())
    async with alice.call(bob.jid, **call) as ours:
        yield ours, await accepting


async def sees(call: jingle.Call, count: int = 10) -> None:
    """Wait until so many pictures of the card were seen."""
    seen = 0
    async with asyncio.timeout(10):
        async for frame in call.video:
            assert (frame.width, frame.height) == SMALL
            seen += 1
            if seen == count:
                assert jingle.TestCard(*SMALL).likeness(frame) > 0.9
                return
    raise AssertionError("the call ended")


async def sees_nothing(call: jingle.Call) -> None:
    before = call.stats()["video"].frames_received
    await asyncio.sleep(0.5)
    assert call.stats()["video"].frames_received == before == 0


def shares_a_link(call: jingle.Call) -> bool:
    contents = call._live.contents.values()
    assert len(contents) == 2
    return len({id(content.connection) for content in contents}) == 1


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_call_with_pictures_both_ways(world: World, codec: str) -> None:
    ours = card()
    sent = {"audio": ours, "video": ours}
    async with both(world, sent, {"audio": jingle.Tone(600), "video": card()}, video_codecs=[codec]) as ends:
        await asyncio.gather(*(sees(end, 20) for end in ends))
        for end in ends:
            assert end.media == ("audio", "video")
            assert shares_a_link(end)
            counted = end.stats()["video"]
            assert counted.codec == codec
            assert counted.size_received == counted.size_sent == SMALL
            assert counted.frames_received >= 20
    assert world.told("alice", "connected")[0]["media"] == ["audio", "video"]
    assert world.told("bob", "incoming")[0]["media"] == ["audio", "video"]


async def ignored(*arguments: object) -> None:
    """What a client does that knows no groups."""


@pytest.mark.parametrize("whose", ["offer", "answer"])
async def test_without_a_shared_transport(world: World, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    """Dino knows no groups: neither does it offer one, nor answer ours; then each content has a link of its own."""
    if whose == "offer":
        monkeypatch.setattr(outgoing, "bundle", lambda names: Group.of("LS", tuple(names)))
        monkeypatch.setattr(LiveContent, "bundle_with", ignored)
    else:
        monkeypatch.setattr(incoming, "common_groups", lambda offered, accepted: ())
        monkeypatch.setattr(Negotiation, "_bundle", ignored)
    async with both(world, {"video": card()}, {"video": card()}) as ends:
        await asyncio.gather(*(sees(end) for end in ends))
        assert await ends[0].first_sound() is not None
        assert [shares_a_link(end) for end in ends] == [False, False]


async def test_a_group_that_leaves_the_pictures_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "common_groups", lambda offered, accepted: (bundle(["audio"]),))
    monkeypatch.setattr(Negotiation, "_bundle", ignored)
    async with both(world, {"video": card()}, {"video": card()}) as ends:
        await asyncio.gather(*(sees(end) for end in ends))
        assert not shares_a_link(ends[0])


@pytest.mark.parametrize("sends", ["caller", "callee"])
async def test_pictures_one_way(world: World, sends: str) -> None:
    shows, looks = {"video": card()}, {"media": ("audio", "video")}
    async with both(world, *((shows, looks) if sends == "caller" else (looks, shows))) as ends:
        looking, showing = ends[::-1] if sends == "caller" else ends
        assert looking.media == showing.media == ("audio", "video")
        await sees(looking)
        await sees_nothing(showing)
        assert looking.stats()["video"].packets_sent == 0


async def test_pictures_alone(world: World) -> None:
    async with both(world, {"video": card(), "media": ["video"]}, {"video": card()}) as ends:
        await asyncio.gather(*(sees(end) for end in ends))
        for end in ends:
            assert end.media == ("video",)
            assert list(end.stats()) == ["video"]
            with pytest.raises(LocalProtocolError, match="no audio"):
                end.audio  # noqa: B018  (it raises)
            end.mute()
            end.hold()


async def test_pictures_are_answered_with_sound_alone(world: World) -> None:
    """Both contents are accepted, as Conversations needs it; nobody sends in the one of the pictures."""
    async with both(world, {"video": card()}, {"audio": jingle.Tone(600), "media": ["audio"]}) as ends:
        for end in ends:
            assert end.media == ("audio",)
            assert list(end.stats()) == ["audio"]
            assert await end.first_sound() is not None
            with pytest.raises(LocalProtocolError, match="no video"):
                end.video  # noqa: B018  (it raises)
        assert set(ends[0]._live.contents) == {"audio", "video"}


async def test_nobody_shows_anything(world: World) -> None:
    """Pictures are offered to be received, and the other side has none."""
    async with both(world, {"media": ["audio", "video"]}, {}) as ends:
        assert [end.media for end in ends] == [("audio",), ("audio",)]


async def test_sources_that_change_and_end(world: World) -> None:
    async with both(world, {"video": card()}, {}) as (ours, theirs):
        await sees(theirs)
        await ours.show(jingle.TestCard(160, 120))
        async with asyncio.timeout(5):
            async for frame in theirs.video:
                if frame.width == 160:
                    break
        await ours.show(None)
        with pytest.raises(MediaError, match="gives audio and no video"):
            await ours.show(jingle.Tone(440))


async def test_a_picture_is_kept(world: World, tmp_path: Path) -> None:
    path = tmp_path / "seen.png"
    async with both(world, {"video": card()}, {}) as (_, theirs):
        kept = await theirs.video.snapshot(path)
        with pytest.raises(MediaError, match="cannot write"):
            await theirs.video.snapshot(tmp_path / "nowhere" / "seen.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with av.open(str(path)) as container:
        read = next(container.decode(video=0))
    assert (read.width, read.height) == (kept.width, kept.height) == SMALL
    assert card().likeness(read) > 0.9


async def test_without_a_picture_none_is_kept(world: World, tmp_path: Path) -> None:
    async with both(world, {"media": ["audio", "video"]}, {"video": jingle.Frames("video")}) as (ours, theirs):
        waiting = asyncio.ensure_future(ours.video.snapshot(tmp_path / "seen.png"))
        await asyncio.sleep(0.1)
        await theirs.hang_up()
        with pytest.raises(jingle.SessionEnded):
            await waiting


async def test_frames_of_the_program(world: World) -> None:
    source = jingle.Frames("video")

    async def push() -> None:
        for number in range(1000):
            await source.push(card().picture(number / 25))
            await asyncio.sleep(0.04)

    pushing = asyncio.ensure_future(push())
    async with both(world, {"video": source}, {}) as (_, theirs):
        await sees(theirs)
    pushing.cancel()
    await asyncio.gather(pushing, return_exceptions=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"media": []}, "not nothing"),
        ({"media": ["smell"]}, "not smell"),
        ({"media": ["audio"], "video": jingle.TestCard(160, 120)}, "source of video"),
    ],
)
async def test_what_makes_no_sense_is_said_to(world: World, options: dict[str, Any], said: str) -> None:
    alice = await world.peer("alice")
    with pytest.raises(LocalProtocolError, match=said):
        await alice.call("bob@localhost", **options)


async def test_an_answer_that_takes_nothing(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling: Awaitable[jingle.Call] = asyncio.ensure_future(_called(alice, bob.jid))
    offer = await next_offer(bob)
    with pytest.raises(LocalProtocolError, match="nothing that the caller offers"):
        await offer.accept(media=["video"])
    with pytest.raises(jingle.SessionEnded):
        await calling


async def _called(peer: jingle.Peer, to: str) -> jingle.Call:
    return await peer.call(to)
