"""Calls that change while they run: pictures come and go, from each side, at the same moment, refused, in dialects."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

import jingle
from jingle.elements.core import Action, Jingle
from jingle.elements.ice_options import Renomination
from jingle.elements.ice_udp import IceUdpTransport
from jingle.peer.content import LiveContent
from jingle.peer.live import LiveSession
from tests.client.conftest import World
from tests.client.test_calls import answering

pytestmark = pytest.mark.timeout(60)

SIDES = pytest.mark.parametrize("who", ["caller", "callee"])


class Side(NamedTuple):
    """One end of a call, and its name."""

    call: jingle.Call
    name: str

    @property
    def live(self) -> LiveSession:
        return self.call._live


class Both(NamedTuple):
    """A voice call between alice and bob; `us` is who changes something."""

    us: Side
    them: Side
    world: World

    def told(self, side: Side) -> list[tuple[str, str, bool, bool]]:
        fields = self.world.told(side.name, "media")
        return [(each["state"], each["medium"], each["sends"], each["receives"]) for each in fields]


@asynccontextmanager
async def talking(world: World, who: str) -> AsyncIterator[Both]:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call(bob.jid, audio=jingle.Tone()) as call:
            sides = Side(call, "alice"), Side(await answer, "bob")
            us, them = sides if who == "caller" else sides[::-1]
            yield Both(us, them, world)
            for side in sides:
                assert side.call.ending is None
                assert await hears(side.call)
        assert (await sides[1].call.wait(3)) is not None


def card() -> jingle.TestCard:
    return jingle.TestCard(160, 120)


async def hears(call: jingle.Call) -> bool:
    """Whether sound comes in."""
    before = call.stats()["audio"].packets_received
    await asyncio.sleep(0.2)
    return call.stats()["audio"].packets_received > before + 2


async def sees(call: jingle.Call, count: int = 3) -> None:
    """Wait until pictures come in."""
    seen = 0
    async with asyncio.timeout(10):
        async for frame in call.video:
            assert (frame.width, frame.height) == (160, 120)
            seen += 1
            if seen == count:
                return
    raise AssertionError("the pictures ended")


async def eventually(condition: Callable[[], object], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def sent(side: Side) -> list[Jingle]:
    """Everything Jingle that a side sends from now on."""
    found: list[Jingle] = []
    pump: Any = side.live._host
    request = pump.binding.send_request

    def watched(to: str, payload: Jingle, *args: Any, **kwargs: Any) -> None:
        found.append(payload)
        request(to, payload, *args, **kwargs)

    pump.binding.send_request = watched
    return found


# Pictures come and go


@SIDES
async def test_pictures_are_added_and_removed_again(world: World, who: str) -> None:
    """Whoever says nothing about it receives them, and the link is shared."""
    async with talking(world, who) as both:
        stanzas = sent(both.us)
        await both.us.call.add_video(card())
        await sees(both.them.call)
        (added,) = [each for each in stanzas if each.action is Action.CONTENT_ADD]
        assert added.groups[0].names == ("audio", added.contents[0].name)
        for side in (both.us, both.them):
            assert side.call.media == ("audio", "video")
        assert len({id(each.transport.shared) for each in both.us.live.contents.values()}) == 1  # type: ignore[attr-defined]
        await both.us.call.remove_video()
        await eventually(lambda: len(both.them.call.media) == 1)
        assert both.us.call.media == ("audio",)
        assert both.told(both.us) == [("added", "video", True, False), ("removed", "video", False, False)]
        assert both.told(both.them) == [("added", "video", False, True), ("removed", "video", False, False)]


async def test_pictures_are_added_again_under_another_name(world: World) -> None:
    async with talking(world, "caller") as both:
        for name in ("video", "video-2"):
            await both.us.call.add_video(card())
            assert name in both.us.live.contents
            await sees(both.them.call)
            await both.us.call.remove_video()
            await eventually(lambda: len(both.them.call.media) == 1)


@SIDES
async def test_the_other_side_shows_something_too(world: World, who: str) -> None:
    async with talking(world, who) as both:
        asked = []

        async def decide(added: jingle.AddedMedia) -> None:
            asked.append((added.medium, added.peer))
            await asyncio.sleep(0.2)
            added.accept(card())

        both.them.call.on_added = decide
        await both.us.call.add_video(card())
        await asyncio.gather(sees(both.us.call), sees(both.them.call))
        assert asked == [("video", both.us.live.session.local)]


@SIDES
async def test_the_other_side_removes_them(world: World, who: str) -> None:
    async with talking(world, who) as both:
        await both.us.call.add_video(card())
        await sees(both.them.call)
        await both.them.call.remove_video()
        await eventually(lambda: len(both.us.call.media) == 1)


@pytest.mark.parametrize("reason", ["decline", "busy"])
@SIDES
async def test_they_are_refused_politely(world: World, who: str, reason: str) -> None:
    async with talking(world, who) as both:
        both.them.call.on_added = lambda added: added.decline(reason)
        with pytest.raises(jingle.ApplicationFailed) as caught:
            await both.us.call.add_video(card())
        assert caught.value.reason == reason
        assert both.us.call.media == both.them.call.media == ("audio",)
        assert both.told(both.us) == both.told(both.them) == []


async def test_a_program_that_fails_to_decide_declines(world: World) -> None:
    def fail(added: jingle.AddedMedia) -> None:
        raise ZeroDivisionError

    async with talking(world, "caller") as both:
        both.them.call.on_added = fail
        with pytest.raises(jingle.ApplicationFailed) as caught:
            await both.us.call.add_video(card())
        assert caught.value.reason == "decline"


@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_nobody_decides(world: World, how: str) -> None:
    """What is withdrawn is gone at both ends, whatever is decided later, and can be added again."""
    async with talking(world, "caller") as both:
        late = asyncio.Event()

        async def decide(added: jingle.AddedMedia) -> None:
            await late.wait()

        both.them.call.on_added = decide
        adding = asyncio.ensure_future(both.us.call.add_video(card(), timeout=0.3 if how == "timeout" else None))
        await eventually(lambda: both.them.live.proposed)
        if how == "cancel":
            adding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await adding
        else:
            with pytest.raises(jingle.ApplicationFailed, match="in time"):
                await adding
        await eventually(lambda: not both.them.live.proposed)
        late.set()
        assert both.us.call.media == both.them.call.media == ("audio",)
        await both.us.call.add_video(card())
        await sees(both.them.call)


async def test_the_call_ends_while_it_is_decided(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        theirs = await answer
        theirs.on_added = lambda added: asyncio.sleep(30)
        adding = asyncio.ensure_future(call.add_video(card()))
        await eventually(lambda: theirs._live.proposed)
        await theirs.hang_up()
        with pytest.raises(jingle.SessionEnded):
            await adding
    with pytest.raises(jingle.SessionEnded):
        await call.add_video(card())


async def test_what_cannot_be(world: World) -> None:
    async with talking(world, "caller") as both:
        with pytest.raises(jingle.LocalProtocolError, match="no video"):
            await both.us.call.remove_video()
        with pytest.raises(jingle.LocalProtocolError, match="no video"):
            await both.us.call.set_direction("video", send=True, receive=True)
        with pytest.raises(jingle.LocalProtocolError, match="hang up"):
            await both.us.call._changes.remove("audio")
        both.them.call.on_added = lambda added: asyncio.sleep(0.3)
        adding = asyncio.ensure_future(both.us.call.add_video(card()))
        await eventually(lambda: both.them.live.proposed)
        with pytest.raises(jingle.LocalProtocolError, match="being added"):
            await both.us.call.add_video(card())
        await adding


# At the same moment


async def test_both_add_pictures(world: World) -> None:
    """One content comes of it, the initiator's (XEP-0166 section 7.2.16), and both send in it."""
    async with talking(world, "caller") as both:
        await asyncio.gather(both.us.call.add_video(card()), both.them.call.add_video(card()))
        await asyncio.gather(sees(both.us.call), sees(both.them.call))
        for side in (both.us, both.them):
            assert side.call.media == ("audio", "video")
            assert [each.id.creator.value for each in side.live.contents.values()] == ["initiator", "initiator"]


async def test_theirs_comes_to_nothing_before_ours_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is not waited for."""
    async with talking(world, "callee") as both:
        changes: Any = both.us.call._changes

        async def refused(content: LiveContent, *, timeout: float | None) -> None:
            changes._adding["video"].rival = content  # as one that was proposed, and is gone
            await content.stop(None)
            raise jingle.ApplicationFailed("tie-break", reason="decline")

        monkeypatch.setattr(both.us.live.additions, "propose", refused)
        with pytest.raises(jingle.ApplicationFailed, match="tie-break"):
            await asyncio.wait_for(both.us.call.add_video(card()), 5)


async def test_both_remove_them(world: World) -> None:
    async with talking(world, "caller") as both:
        await both.us.call.add_video(card())
        await sees(both.them.call)
        await asyncio.gather(both.us.call.remove_video(), both.them.call.remove_video())
        for side in (both.us, both.them):
            assert side.call.media == ("audio",)
            assert both.told(side)[-1][0] == "removed"


async def test_one_adds_and_the_other_hangs_up(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        theirs = await answer
        results = await asyncio.gather(call.add_video(card()), theirs.hang_up(), return_exceptions=True)
    assert isinstance(results[0], jingle.SessionEnded)


async def test_both_change_the_direction(world: World) -> None:
    """The initiator's change stands; the other hears that, and both agree."""
    async with talking(world, "caller") as both:
        both.them.call.on_added = lambda added: added.accept(card())
        await both.us.call.add_video(card())
        results = await asyncio.gather(
            both.us.call.set_direction("video", send=True, receive=False),
            both.them.call.set_direction("video", send=True, receive=False),
            return_exceptions=True,
        )
        assert results[0] is None
        assert isinstance(results[1], jingle.ApplicationFailed)
        records = [side.live.session.contents.require("video").senders for side in (both.us, both.them)]
        assert [each.value for each in records] == ["initiator", "initiator"]
        await sees(both.them.call)


# Who sends


@SIDES
async def test_a_direction_changes_and_changes_back(world: World, who: str) -> None:
    async with talking(world, who) as both:
        both.them.call.on_added = lambda added: added.accept(card())
        await both.us.call.add_video(card())
        await asyncio.gather(sees(both.us.call), sees(both.them.call))
        await both.us.call.set_direction("video", send=True, receive=False)
        await eventually(lambda: both.told(both.them)[-1] == ("changed", "video", False, True))
        await asyncio.sleep(0.3)  # what is on its way
        shown = both.us.call.stats()["video"].packets_received
        await asyncio.sleep(0.3)
        assert both.us.call.stats()["video"].packets_received == shown
        await sees(both.them.call)
        await both.them.call.set_direction("video", send=True, receive=True)
        await asyncio.gather(sees(both.us.call), sees(both.them.call))


async def test_whoever_only_received_shows_something_later(world: World) -> None:
    """No content is added for that: the one that is there is opened in the other direction."""
    async with talking(world, "caller") as both:
        await both.us.call.add_video(card())
        await sees(both.them.call)
        await both.them.call.add_video(card())
        await asyncio.gather(sees(both.us.call), sees(both.them.call))
        assert list(both.us.live.contents) == ["audio", "video"]


async def test_taking_part_again(world: World) -> None:
    async with talking(world, "caller") as both:
        both.us.call.hold()
        both.us.call.mute()
        both.us.call.active()
        await eventually(lambda: len(world.told(both.them.name, "info")) == 3)
        assert [each["state"] for each in world.told(both.them.name, "info")] == ["hold", "mute", "active"]
        before = both.them.call.stats()["audio"].packets_received
        await eventually(lambda: both.them.call.stats()["audio"].packets_received > before + 5)


async def test_the_source_changes_without_a_word(world: World) -> None:
    async with talking(world, "caller") as both:
        await both.us.call.add_video(card())
        await sees(both.them.call)
        stanzas = sent(both.us)
        await both.us.call.show(jingle.TestCard(320, 240))
        async with asyncio.timeout(10):
            async for frame in both.them.call.video:
                if (frame.width, frame.height) == (320, 240):
                    break
        await both.us.call.play(jingle.Tone(880))
        assert stanzas == []


# Dialects


def rewrite(side: Side, change: Callable[[Jingle], Jingle]) -> None:
    """Let a side say things in its own way."""
    pump: Any = side.live._host
    request = pump.binding.send_request

    def rewritten(to: str, payload: Jingle, *args: Any, **kwargs: Any) -> None:
        request(to, change(payload), *args, **kwargs)

    pump.binding.send_request = rewritten


def without_transports(stanza: Jingle) -> Jingle:
    if stanza.action not in (Action.CONTENT_ADD, Action.CONTENT_ACCEPT):
        return stanza
    bare = tuple(dataclasses.replace(content, transport=IceUdpTransport()) for content in stanza.contents)
    return dataclasses.replace(stanza, groups=(), contents=bare)


@pytest.mark.parametrize("adds", ["they", "we"])
async def test_conversations_describes_no_transport(world: World, adds: str) -> None:
    """And wants to hear the `senders` that it said, though we only receive."""
    async with talking(world, "caller") as both:
        rewrite(both.them, without_transports)
        stanzas = sent(both.us)
        us, them = (both.us, both.them) if adds == "we" else (both.them, both.us)
        await us.call.add_video(card())
        await sees(them.call)
        if adds == "they":
            (accepted,) = [each for each in stanzas if each.action is Action.CONTENT_ACCEPT]
            assert accepted.contents[0].effective_senders.value == "both"


async def test_conversations_ends_calls_over_removals(world: World) -> None:
    """So nothing is removed: nobody sends in it any more, and it can be taken up again."""
    async with talking(world, "caller") as both:

        def with_option(stanza: Jingle) -> Jingle:
            if stanza.action is not Action.CONTENT_ACCEPT:
                return stanza
            (content,) = stanza.contents
            assert isinstance(content.transport, IceUdpTransport)
            optional = dataclasses.replace(content.transport, extra=(Renomination(),))
            return dataclasses.replace(stanza, contents=(dataclasses.replace(content, transport=optional),))

        rewrite(both.them, with_option)
        stanzas = sent(both.us)
        await both.us.call.add_video(card())
        await sees(both.them.call)
        await both.us.call.remove_video()
        await eventually(lambda: len(both.them.call.media) == 1)
        assert both.us.call.media == ("audio",)
        assert Action.CONTENT_REMOVE not in [each.action for each in stanzas]
        await both.us.call.add_video(card())
        await sees(both.them.call)
        assert [each.action for each in stanzas].count(Action.CONTENT_ADD) == 1


async def test_movim_answers_with_a_session_accept(world: World) -> None:
    async with talking(world, "caller") as both:

        def as_session_accept(stanza: Jingle) -> Jingle:
            is_answer = stanza.action is Action.CONTENT_ACCEPT
            return dataclasses.replace(stanza, action=Action.SESSION_ACCEPT) if is_answer else stanza

        rewrite(both.them, as_session_accept)
        await both.us.call.add_video(card())
        await sees(both.them.call)


@SIDES
async def test_dino_shares_no_link(world: World, who: str) -> None:
    """Then an added content has ICE and DTLS of its own, and its end is not that of the call."""
    async with talking(world, who) as both:
        both.us.live.shares_links = both.them.live.shares_links = False
        stanzas = sent(both.us)
        await both.us.call.add_video(card())
        await sees(both.them.call)
        (added,) = [each for each in stanzas if each.action is Action.CONTENT_ADD]
        assert added.groups == ()
        links = [each.transport.shared for each in both.us.live.contents.values()]  # type: ignore[attr-defined]
        assert len(set(map(id, links))) == 2
        await links[1].leave(list(both.us.live.contents.values())[1].transport)
        await eventually(lambda: len(both.us.call.media) == len(both.them.call.media) == 1)


async def test_a_peer_that_does_not_share_after_all(world: World) -> None:
    """It answers our group with a transport of its own: so do we."""
    async with talking(world, "caller") as both:
        both.them.live.shares_links = False
        await both.us.call.add_video(card())
        await sees(both.them.call)
        links = [each.transport.shared for each in both.us.live.contents.values()]  # type: ignore[attr-defined]
        assert len(set(map(id, links))) == 2


# Advice


async def test_the_peer_is_asked_to_send_less(world: World) -> None:
    """Opus is encoded anew, in the middle of what is said, with no sample lost."""
    async with talking(world, "caller") as both:
        await hears(both.us.call)

        async def rate() -> float:
            before = both.us.call.stats()["audio"]
            await asyncio.sleep(0.7)
            after = both.us.call.stats()["audio"]
            packets = after.packets_received - before.packets_received
            return (after.bytes_received - before.bytes_received) / packets * 50 * 8

        usual = await rate()
        both.us.call.limit("audio", 8000)
        await asyncio.sleep(0.3)
        assert await rate() < usual * 0.6
        both.us.call.limit("audio", 64000)
        await asyncio.sleep(0.3)
        assert await rate() > usual * 0.8
        assert both.us.call.stats()["audio"].packets_lost == 0


async def test_the_peer_is_asked_to_show_less(world: World) -> None:
    async with talking(world, "caller") as both:
        await both.us.call.add_video(card())
        await sees(both.them.call)
        both.them.call.limit("video", 120_000)
        pictures: Any = both.us.live.contents["video"].application
        await eventually(lambda: pictures._medium._rate.bit_rate <= 120_000)
        with pytest.raises(jingle.LocalProtocolError, match="no smell"):
            both.us.call.limit("smell", 1000)
