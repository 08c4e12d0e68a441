"""Calls with pictures in codecs that we do not do: they stay in the session, and nobody sends in them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import jingle
from jingle.applications.rtp.call import RtpApplication
from jingle.client.session import bundle
from jingle.elements.core import Role, Senders
from jingle.elements.declare import Element
from jingle.elements.rtp import PayloadType, RtpDescription
from jingle.peer.content import LiveContent
from jingle.peer.live import LiveSession
from jingle.session.events import ContentId
from jingle.transports.base import Kind
from jingle.transports.ice_udp import IceUdpTransport
from tests.client.conftest import World
from tests.client.test_calls import next_offer


class Video(RtpApplication):
    """Offers pictures, and keeps the answer."""

    answered: RtpDescription | None = None

    def describe(self) -> Element:
        codecs = (PayloadType(id=96, name="AV1", clockrate=90_000), PayloadType(id=98, name="VP9", clockrate=90_000))
        return RtpDescription(media="video", payload_types=codecs, rtcp_mux=True)

    def accepted(self, remote: Element | None) -> None:
        assert isinstance(remote, RtpDescription)
        self.answered = remote

    async def start(self, connection: Any) -> None:
        pass


class Caller:
    """A client that offers audio and video in one session."""

    def __init__(self, me: jingle.Peer, callee: str) -> None:
        self.pump, self.callee = me.pump, callee
        self.contents: list[LiveContent] = []

    def offer(self, medium: str) -> LiveContent:
        make = Video if medium == "video" else RtpApplication
        selection = self.pump.select(Kind.DATAGRAM, None, None)
        choice = selection.next()
        assert choice is not None
        content = LiveContent(
            id=ContentId(Role.INITIATOR, medium),
            application=make(
                medium, role=Role.INITIATOR, name=medium, source=jingle.Tone(440) if medium == "audio" else None
            ),
            choice=choice,
            selection=selection,
            make_transport=self.pump.transports_of(Role.INITIATOR, self.callee, "s1", medium),
        )
        self.contents.append(content)
        return content

    async def call(self, *media: str, bundled: bool) -> LiveSession:
        contents = [self.offer(medium) for medium in media]
        if bundled:
            for content in contents[1:]:
                await content.bundle_with(contents[0])
        return await self.pump.initiate(self.callee, "s1", contents, groups=(bundle(media),) if bundled else ())


@pytest.mark.parametrize("media", [("audio", "video"), ("video", "audio")])
@pytest.mark.parametrize("bundled", [True, False])
async def test_the_sound_of_a_call_with_pictures(world: World, media: tuple[str, ...], bundled: bool) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    live = await Caller(alice, bob.jid).call(*media, bundled=bundled)
    offer = await next_offer(bob)
    assert offer.media == media
    async with offer.accept(audio=jingle.Tone(600)) as call:
        # On the caller's side pictures are connected too.
        await asyncio.wait_for(asyncio.shield(live.connected), 5)
        assert await call.first_sound() is not None
        assert call.media == ("audio",)
        assert list(call.stats()) == ["audio"]
        answers = {record.id.name: record for record in live.session.contents}
        assert answers["audio"].senders is Senders.BOTH
        assert answers["video"].senders is Senders.NONE
        transports = [content.transport for content in live.contents.values()]
        assert all(isinstance(each, IceUdpTransport) for each in transports)
        assert (live.contents["audio"].connection is live.contents["video"].connection) is bundled
    ending = await live.close()
    assert ending.reason == "success"
    assert world.told("bob", "connected")[0]["media"] == ["audio"]


async def test_the_answer_holds_one_codec_as_it_came(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    live = await Caller(alice, bob.jid).call("audio", "video", bundled=True)
    async with (await next_offer(bob)).accept():
        await asyncio.wait_for(asyncio.shield(live.connected), 5)
        video = live.contents["video"].application
        assert isinstance(video, Video)
        assert video.answered == RtpDescription(
            media="video", payload_types=(PayloadType(id=96, name="AV1", clockrate=90_000),), rtcp_mux=True
        )
    await live.close()


async def test_pictures_alone_are_declined(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    live = await Caller(alice, bob.jid).call("video", bundled=False)
    ending = await asyncio.wait_for(live.ended, 5)
    assert (ending.reason, ending.by_peer) == ("failed-application", True)
    assert "incoming" not in world.names("bob")


async def test_when_the_sound_is_removed_nothing_remains(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    live = await Caller(alice, bob.jid).call("audio", "video", bundled=False)
    call = await (await next_offer(bob)).accept()
    await asyncio.wait_for(asyncio.shield(live.connected), 5)
    audio = live.contents["audio"].id
    live.act(lambda session: session.remove_content(audio))
    ending = await call.wait(5)
    assert ending is not None
    assert (ending.reason, ending.by_peer) == ("success", False)
