"""Calls that cross, break off half-way, or meet a peer that does not do its part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import jingle
from jingle.client import call as call_module
from jingle.client import incoming as incoming_module
from jingle.client import peer as peer_module
from jingle.elements import ice_udp as elements
from jingle.elements.core import Reason, ReasonCondition
from jingle.elements.declare import Element
from jingle.elements.initiation import NS as NS_INITIATION
from jingle.elements.initiation import Finish, Reject
from jingle.elements.rtp import NS as NS_RTP
from jingle.errors import TransportFailed
from jingle.peer import negotiation
from jingle.signalling.messages import ReceivedMessage
from jingle.transports.ice_udp import IceUdpTransport
from tests.client.conftest import World
from tests.client.test_calls import answering, next_offer
from tests.demo.clients import Client
from tests.servers.line import Line


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.01)


async def reason_of(calling: Awaitable[Any]) -> str:
    """Why there is no call."""
    with pytest.raises(jingle.SessionEnded) as caught:
        await asyncio.wait_for(calling, 5)
    return caught.value.reason


async def reasons(world: World, *names: str) -> list[list[str]]:
    """What each was told about the end."""
    return [[each["reason"] for each in await world.ended(name)] for name in names]


class Slow(IceUdpTransport):
    """Takes its time to describe itself."""

    async def describe(self) -> Element:
        await asyncio.sleep(0.3)
        return await super().describe()


class Hanging(IceUdpTransport):
    """Never describes itself."""

    async def describe(self) -> Element:
        await asyncio.Event().wait()
        raise AssertionError


class Unconnected(IceUdpTransport):
    """Never connects."""

    async def connect(self) -> Any:
        await asyncio.Event().wait()


class Failing(IceUdpTransport):
    """Finds no way."""

    async def connect(self) -> Any:
        raise TransportFailed("no pair worked", tried=("here to there",))


class Impostor(IceUdpTransport):
    """Announces another certificate than it has."""

    def _element(self, *arguments: Any, **more: Any) -> elements.IceUdpTransport:
        element = super()._element(*arguments, **more)
        forged = tuple(
            elements.Fingerprint(hash=each.hash, setup=each.setup, value=":".join(["00"] * 32))
            for each in element.fingerprints
        )
        return elements.IceUdpTransport(
            ufrag=element.ufrag, pwd=element.pwd, fingerprints=forged, candidates=element.candidates
        )


class Plain(IceUdpTransport):
    """Announces no certificate at all."""

    def _element(self, *arguments: Any, **more: Any) -> elements.IceUdpTransport:
        element = super()._element(*arguments, **more)
        return elements.IceUdpTransport(ufrag=element.ufrag, pwd=element.pwd, candidates=element.candidates)


# Addresses


async def test_what_is_no_address(world: World) -> None:
    alice = await world.peer("alice")
    for to in ("", "a b@localhost", "@localhost"):
        with pytest.raises(jingle.LocalProtocolError):
            alice.call(to)
    with pytest.raises(jingle.LocalProtocolError):
        await world.peer("bob", allow=["not a jid"])


async def test_an_address_in_another_spelling(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer, alice.call("BOB@LocalHost", audio=jingle.Tone()) as call:
        assert (await answer).sid == call.sid


async def test_our_other_device(world: World) -> None:
    desk, phone = await world.peer("alice", resource="desk"), await world.peer("alice", resource="phone")
    async with answering(phone) as answer, desk.call("alice@localhost", audio=jingle.Tone()) as call:
        assert (await answer).peer == desk.jid
        assert call.peer == phone.jid


# What their devices can do


def forget(peer: jingle.Peer, *features: str) -> None:
    """Let a peer's disco#info say less."""
    for feature in features:
        peer.pump.discovery.xmpp.plugin["xep_0030"].del_feature(feature=feature)


async def test_somebody_without_message_initiation_is_called_directly(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    forget(bob, NS_INITIATION)
    seen: list[str] = []
    world.server.stanzas = lambda direction, jid, xml, when: seen.append(xml)
    async with answering(bob) as answer, alice.call("bob@localhost", audio=jingle.Tone()):
        await answer
    assert not any("<propose" in xml for xml in seen)


async def test_devices_that_take_no_calls(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    forget(bob, NS_INITIATION, NS_RTP)
    assert await reason_of(_wait(alice.call("bob@localhost"))) == "unsupported-applications"


async def test_clients_without_jingle(world: World) -> None:
    alice = await world.peer("alice")
    client = await Client(world.server, "bob@localhost").go_online()
    assert await reason_of(_wait(alice.call("bob@localhost"))) == "unsupported-applications"
    assert await reason_of(_wait(alice.call(str(client.boundjid)))) in ("gone", "unsupported-applications")
    await client.hang_up()


async def _wait(opening: jingle.Opening[Any]) -> Any:
    return await opening


# Calls that cross


async def test_both_call_directly(world: World) -> None:
    """The lower sid stands (XEP-0166 section 7.2.16), and both programs get the call they asked for."""
    alice, bob = await world.peer("alice"), await world.peer("bob")
    ours, theirs = await asyncio.wait_for(
        asyncio.gather(alice.call(bob.jid, audio=jingle.Tone()), bob.call(alice.jid, audio=jingle.Tone())), 10
    )
    assert ours.sid == theirs.sid
    assert await ours.wait(0.1) is None
    await ours.hang_up()
    assert (await theirs.wait(2)) is not None


async def test_their_proposal_comes_behind_their_rejection(world: World) -> None:
    """The loser of a tie (XEP-0353 section 4.1) goes on with the call that stands, whatever comes first."""
    alice, bob = await world.peer("alice"), await world.peer("bob")
    ours = asyncio.ensure_future(_wait(alice.call("bob@localhost", audio=jingle.Tone())))
    await eventually(lambda: any(alice.pump.initiations.state(id) for id in alice.outgoing))
    rejection = Reject(id=next(iter(alice.outgoing)), reason=None, tie_break=True)
    alice.pump.proposals.receive(
        ReceivedMessage(sender=bob.jid, recipient=alice.jid, id="m", type="chat", payloads=(rejection,))
    )
    theirs = await bob.call("alice@localhost", audio=jingle.Tone())
    assert (await ours).sid == theirs.sid
    await theirs.hang_up()


@pytest.mark.parametrize("proceeded", [True, False])
async def test_the_peer_says_that_it_has_finished(
    world: World, monkeypatch: pytest.MonkeyPatch, proceeded: bool
) -> None:
    """A finish without a session-terminate, as from a device that lost its session (XEP-0353 section 3.7)."""
    monkeypatch.setattr(peer_module, "FINISH_GRACE", 0.1)
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost", audio=jingle.Tone())))
    offer = await next_offer(bob)
    call = await offer.accept() if proceeded else None
    finish = Finish(id=offer.sid, reason=Reason(condition=ReasonCondition.CONNECTIVITY_ERROR), migrated=None)
    bob.pump.proposals.receive(
        ReceivedMessage(sender=alice.jid, recipient=bob.jid, id="m", type="chat", payloads=(finish,))
    )
    assert await reasons(world, "bob") == [["connectivity-error"]]
    assert not offer.is_open
    assert call is None or call.ending is not None
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)


async def test_two_devices_take_the_call_at_once(world: World) -> None:
    alice = await world.peer("alice")
    devices = [await world.peer("bob", resource=name) for name in ("desk", "phone")]
    for device in devices:
        device.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost", audio=jingle.Tone())))
    offers = [await next_offer(device) for device in devices]
    answers = await asyncio.gather(*(_wait(offer.accept()) for offer in offers), return_exceptions=True)
    call = await calling
    (lost,) = [each for each in answers if isinstance(each, jingle.SessionEnded)]
    (taken,) = [each for each in answers if isinstance(each, jingle.Call)]
    assert lost.reason == "cancel"
    assert taken.sid == call.sid
    await call.hang_up()


# Breaking off


async def test_the_caller_breaks_off_between_proceed_and_initiate(world: World) -> None:
    alice, bob = await world.peer("alice", transports=(Slow,)), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
    answering = asyncio.ensure_future(_wait((await next_offer(bob)).accept()))
    await asyncio.sleep(0.15)
    calling.cancel()
    assert await reason_of(answering) == "cancel"
    assert await reasons(world, "alice", "bob") == [["cancel"], ["cancel"]]


async def test_the_callee_breaks_off_between_proceed_and_initiate(world: World) -> None:
    alice, bob = await world.peer("alice", transports=(Slow,)), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
    answering = asyncio.ensure_future(_wait((await next_offer(bob)).accept()))
    await asyncio.sleep(0.15)
    answering.cancel()
    assert await reason_of(calling) == "cancel"
    assert await reasons(world, "alice", "bob") == [["cancel"], ["cancel"]]
    assert bob.pump.sessions == {}


async def test_the_caller_retracts_while_the_callee_proceeds(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
    offer = await next_offer(bob)
    answering = asyncio.ensure_future(_wait(offer.accept()))
    calling.cancel()
    assert await reason_of(answering) == "cancel"
    assert await reasons(world, "alice", "bob") == [["cancel"], ["cancel"]]


async def test_a_caller_that_never_begins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming_module, "ANSWER_TIMEOUT", 0.2)
    alice, bob = await world.peer("alice", transports=(Hanging,)), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
    assert await reason_of(_wait((await next_offer(bob)).accept())) == "timeout"
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)


async def test_the_caller_breaks_off_while_connecting(world: World) -> None:
    alice, bob = await world.peer("alice", transports=(Unconnected,)), await world.peer("bob")
    async with answering(bob) as answer:
        calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
        await eventually(lambda: any(live.accepted.done() for live in alice.pump.sessions.values()))
        calling.cancel()
        assert await reason_of(answer) == "cancel"
    assert await reasons(world, "alice", "bob") == [["cancel"], ["cancel"]]


async def test_the_callee_breaks_off_while_connecting(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob", transports=(Unconnected,))
    async with answering(bob) as answer:
        calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
        await eventually(lambda: any(live.accepted.done() for live in bob.pump.sessions.values()))
        answer.cancel()
        assert await reason_of(calling) == "cancel"


async def test_going_offline_takes_everything_back(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
    offer = await next_offer(bob)
    await alice.aclose()
    assert await reason_of(calling) == "cancel"
    assert (await asyncio.wait_for(offer.gone, 2))[0] in ("cancel", "gone")
    for to in ("bob@localhost", bob.jid):
        with pytest.raises(jingle.LocalProtocolError):
            await alice.call(to)


async def test_going_offline_while_it_rings(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
    await next_offer(bob)
    await bob.aclose()
    assert await reason_of(calling) == "busy"


# Connections that come to nothing


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_no_way_is_found(world: World, who: str) -> None:
    broken = {who: (Failing,)}
    alice, bob = [await world.peer(name, **_transports(broken.get(name))) for name in ("alice", "bob")]
    async with answering(bob) as answer:
        calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
        outcomes = await asyncio.wait_for(asyncio.gather(calling, answer, return_exceptions=True), 15)
    ours, other = outcomes if who == "alice" else reversed(outcomes)
    assert isinstance(ours, jingle.TransportFailed)
    assert ours.tried == ("here to there",)
    assert isinstance(other, jingle.SessionEnded)
    assert other.reason == "connectivity-error"


def _transports(transports: tuple[type[IceUdpTransport], ...] | None) -> dict[str, Any]:
    return {} if transports is None else {"transports": transports}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiation, "REPLACE_GRACE", 0.1)


async def test_a_connection_that_takes_too_long(world: World) -> None:
    alice, bob = await world.peer("alice", transports=(Unconnected,)), await world.peer("bob")
    async with answering(bob) as answer:
        with pytest.raises(jingle.TransportFailed):
            await alice.call("bob@localhost", connect_timeout=0.3)
        assert await reason_of(answer) == "connectivity-error"


@pytest.mark.parametrize("who", ["alice", "bob"])
async def test_another_certificate_than_announced(world: World, who: str) -> None:
    broken = {who: (Impostor,)}
    alice, bob = [await world.peer(name, **_transports(broken.get(name))) for name in ("alice", "bob")]
    async with answering(bob) as answer:
        calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
        outcomes = await asyncio.wait_for(asyncio.gather(calling, answer, return_exceptions=True), 10)
    honest = outcomes[1 if who == "alice" else 0]
    assert isinstance(honest, jingle.TransportFailed)
    assert honest.reason == "security-error"
    # The impostor's handshake went well, so it may have a call for the moment until it hears.
    assert await reasons(world, "alice", "bob") == [["security-error"]] * 2


@pytest.mark.parametrize("direct", [True, False])
async def test_no_certificate_in_the_offer(world: World, direct: bool) -> None:
    alice, bob = await world.peer("alice", transports=(Plain,)), await world.peer("bob")
    async with answering(bob):
        assert await reason_of(_wait(alice.call(bob.jid if direct else "bob@localhost"))) == "security-error"
    assert "connected" not in world.names("bob")


# Offers


async def test_an_offer_is_answered_once(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost", audio=jingle.Tone())))
    offer = await next_offer(bob)
    with pytest.raises(jingle.LocalProtocolError):
        await offer.decline("tired")
    assert offer.is_open
    with pytest.raises(jingle.MediaError):
        await offer.accept(audio=jingle.File("/no/such/file"))
    assert offer.is_open
    async with offer.accept() as call:
        with pytest.raises(jingle.LocalProtocolError):
            await offer.accept()
        await offer.decline()
        assert call.ending is None
        await calling


async def test_more_offers_than_fit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "MAX_OFFERS", 1)
    alice, carol, bob = await world.peer("alice"), await world.peer("carol"), await world.peer("bob", allow=["*"])
    bob.listen()
    calling = asyncio.ensure_future(_wait(alice.call(bob.jid)))
    await eventually(lambda: "incoming" in world.names("bob"))
    assert await reason_of(_wait(carol.call(bob.jid))) == "busy"
    calling.cancel()
    await eventually(lambda: len(world.told("bob", "ended")) == 2)
    again = asyncio.ensure_future(_wait(carol.call(bob.jid)))
    offer = await next_offer(bob)
    assert offer.peer == carol.jid, "a call that was missed takes no room"
    await offer.decline()
    assert await reason_of(again) == "decline"


async def test_nobody_answers_a_direct_call_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "MAX_RINGING", 0.2)
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    assert await reason_of(_wait(alice.call(bob.jid, ring_timeout=None))) == "timeout"


# While it runs


async def test_stats_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "STATS_INTERVAL", 0.1)
    monkeypatch.setattr(call_module, "SAMPLE_INTERVAL", 0.05)
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer, alice.call("bob@localhost", audio=jingle.Tone()) as call:
        await answer
        await call.wait(0.35)
    told = world.told("alice", "stats")
    assert len(told) >= 2
    assert {"packets_sent", "packets_received", "packets_lost", "jitter", "rtt", "bytes_sent", "bytes_received"} <= set(
        told[-1]["audio"]
    )
    assert told[-1]["audio"]["packets_sent"] > told[0]["audio"]["packets_sent"] > 0


async def test_the_same_file_in_two_calls(world: World, tmp_path: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        async with alice.call("bob@localhost", audio=jingle.Tone(), record=tmp_path / "half.wav") as call:
            await answer
            await call.wait(0.6)
    file = jingle.File(tmp_path / "half.wav")
    for _ in range(2):
        async with answering(bob):
            call = await alice.call("bob@localhost", audio=file)
            ending = await call.wait(5)
        assert ending is not None
        assert ending.seconds > 0.4, "it was played to its end, and not broken off"


async def test_after_the_end_nothing_is_played(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        call = await alice.call("bob@localhost", audio=jingle.Tone())
        await answer
        with pytest.raises(jingle.LocalProtocolError):
            await call.hang_up("tired")
        await call.hang_up()
        with pytest.raises(jingle.SessionEnded):
            await call.play(jingle.Tone())
        call.mute()
        assert await call.hang_up() == call.ending


async def test_what_they_say_in_two_recordings_and_what_we_play(world: World, tmp_path: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer, alice.call("bob@localhost") as call:
        theirs = await answer
        assert await call.first_sound() is not None
        await call.play(jingle.Tone(300))
        await call.play(None)
        with pytest.raises(jingle.MediaError):
            await call.play(jingle.File(tmp_path / "missing"))
        assert theirs.ending is None


# The XMPP connection


@asynccontextmanager
async def lined(world: World) -> AsyncIterator[Line]:
    line = Line(world.server)
    await line.start()
    try:
        yield line
    finally:
        await line.aclose()


async def test_a_call_outlives_its_connection(world: World) -> None:
    async with lined(world) as line:
        alice, bob = await world.peer("alice", server=("127.0.0.1", line.port)), await world.peer("bob")
        async with answering(bob) as answer, alice.call("bob@localhost", audio=jingle.Tone()) as call:
            theirs = await answer
            line.refuses = True
            line.cut()
            assert await call.wait(0.3) is None
            call.mute()
            before = theirs.stats()["audio"].packets_received
            line.refuses = False
            await eventually(lambda: bool(world.told("bob", "info")))
            assert theirs.ending is None
            await asyncio.sleep(0.1)
            assert theirs.stats()["audio"].packets_received > before
        ending = await theirs.wait(2)
        assert ending is not None
        assert ending.reason == "success"
        await alice.aclose()


async def test_a_connection_that_is_lost_for_good(world: World) -> None:
    alice = await world.peer("alice")
    waiting = asyncio.ensure_future(next_offer(alice))
    await asyncio.sleep(0.05)
    (session,) = world.server._domain.accounts["alice"].sessions.values()
    assert session.wire is not None
    session.wire.close("conflict")
    with pytest.raises(jingle.SignallingError) as caught:
        await waiting
    assert caught.value.condition == "conflict"
    with pytest.raises(jingle.SignallingError):
        await next_offer(alice)
    assert [each["condition"] for each in world.told("alice", "error")] == ["conflict"]


async def test_an_offer_is_not_lost_with_whoever_waited_for_it(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    waiting = asyncio.ensure_future(next_offer(bob))
    await asyncio.sleep(0.05)
    calling = asyncio.ensure_future(_wait(alice.call("bob@localhost")))
    await eventually(lambda: bob._offers.qsize() > 0 or waiting.done() or "incoming" in world.names("bob"))
    waiting.cancel()
    offers = await asyncio.gather(waiting, return_exceptions=True)
    offer = offers[0] if isinstance(offers[0], jingle.IncomingCall) else await next_offer(bob)
    await offer.decline()
    assert await reason_of(calling) == "decline"


# Privacy


async def test_strangers_see_us_while_we_talk(world: World) -> None:
    bob, carol = await world.peer("bob", allow=["*"]), await world.peer("carol", allow=["*"])
    seen: list[tuple[str, str]] = []
    world.server.stanzas = lambda direction, jid, xml, when: seen.append((f"{direction} {jid}", xml))
    async with answering(bob) as answer, carol.call("bob@localhost", audio=jingle.Tone()) as call:
        theirs = await answer
        await call.hang_up()
        await theirs.wait(2)

    def presences(who: str) -> list[bool]:
        return [
            "unavailable" not in xml
            for where, xml in seen
            if where == f"received {who}" and xml.startswith("<presence") and " to=" in xml
        ]

    await eventually(lambda: presences(bob.jid) == presences(carol.jid) == [True, False])


async def test_a_stranger_who_shows_himself_is_not_asked_anything(world: World) -> None:
    bob, carol = await world.peer("bob"), await world.peer("carol")
    seen: list[str] = []
    world.server.stanzas = lambda direction, jid, xml, when: seen.append(f"{direction} {jid} {xml}")
    carol.pump.binding.send_presence("bob@localhost")
    await eventually(lambda: any(line.startswith(f"delivered {bob.jid}") for line in seen))
    await asyncio.sleep(0.1)
    assert not any(line.startswith(f"received {bob.jid}") for line in seen)
