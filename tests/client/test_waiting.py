"""Calls that come while another one runs, calls that nobody took, and whichever of several devices has them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import jingle
from jingle.elements.initiation import Propose, Retract
from jingle.elements.rtp import RtpDescription
from jingle.peer import proposing
from jingle.session import catch_up
from jingle.signalling.messages import ReceivedMessage
from tests.client.conftest import World
from tests.client.test_calls import answering, next_offer
from tests.client.test_edges import eventually, reason_of


def received(call: jingle.Call) -> int:
    return call.stats()["audio"].packets_received


async def hears(call: jingle.Call) -> None:
    """Wait until something new is heard."""
    before = received(call)
    await eventually(lambda: received(call) > before + 5)


async def test_a_second_call_is_offered_while_one_runs(world: World) -> None:
    """Bob puts alice aside, talks with carol, and comes back: both calls live all the time."""
    alice, bob, carol = await world.peer("alice"), await world.peer("bob"), await world.peer("carol")
    for one, other in (("bob", "carol"), ("carol", "bob")):
        world.server.subscribe(one, other)
    async with answering(bob) as answer, alice.call("bob@localhost", audio=jingle.Tone(440)) as first:
        with_alice = await answer
        calling = asyncio.ensure_future(_call(carol))
        waiting = await next_offer(bob)
        assert (waiting.peer, waiting.is_open) == (carol.jid, True)
        await hears(with_alice)
        with_alice.hold()
        async with waiting.accept(audio=jingle.Tone(600)) as with_carol:
            second = await calling
            await asyncio.gather(hears(with_carol), hears(second))
            assert (first.ending, with_alice.ending) == (None, None)
        assert (await second.wait(5)) is not None
        with_alice.unhold()
        await asyncio.gather(hears(with_alice), hears(first))
    assert world.told("bob", "missed") == []


@pytest.mark.parametrize("direct", [False, True])
async def test_a_second_call_that_is_not_wanted(world: World, direct: bool) -> None:
    alice, bob, carol = await world.peer("alice"), await world.peer("bob", allow=["*"]), await world.peer("carol")
    async with answering(bob) as answer, alice.call("bob@localhost", audio=jingle.Tone(440)) as first:
        await answer
        calling = asyncio.ensure_future(_call(carol, bob.jid if direct else "bob@localhost"))
        await (await next_offer(bob)).decline("busy")
        assert await reason_of(calling) == "busy"
        await hears(first)
    assert world.told("bob", "missed") == []


async def _call(peer: jingle.Peer, to: str = "bob@localhost") -> jingle.Call:
    return await peer.call(to, audio=jingle.Silence())


async def missed(world: World, name: str) -> dict[str, Any]:
    await eventually(lambda: "missed" in world.names(name))
    (event,) = world.told(name, "missed")
    return event


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("how", ["gives up", "goes offline"])
async def test_a_call_that_nobody_took(world: World, direct: bool, how: str) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    since = time.time()
    calling = asyncio.ensure_future(_call(alice, bob.jid if direct else "bob@localhost"))
    offer = await next_offer(bob)
    rang = time.time()
    if how == "gives up":
        calling.cancel()
    else:
        alice.pump.binding.xmpp.send_presence(ptype="unavailable")
    event = await missed(world, "bob")
    assert (event["kind"], event["peer"], event["sid"], event["media"]) == ("call", alice.jid, offer.sid, ["audio"])
    assert since - 0.001 <= event["called_at"] <= rang + 0.001
    assert offer.called_at == pytest.approx(event["called_at"], abs=0.001)
    assert world.names("bob") == ["online", "incoming", "ended", "missed"]
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    assert "missed" not in world.names("alice")


@pytest.mark.parametrize("what", ["answered", "declined"])
async def test_what_another_device_took_was_not_missed(world: World, what: str) -> None:
    alice = await world.peer("alice")
    desk, phone = await world.peer("bob", resource="desk"), await world.peer("bob", resource="phone")
    for device in (desk, phone):
        device.listen()
    calling = asyncio.ensure_future(_call(alice))
    here, there = await next_offer(desk), await next_offer(phone)
    if what == "answered":
        async with there.accept() as call:
            assert (await calling).sid == call.sid
    else:
        await there.decline()
        assert await reason_of(calling) == "decline"
    reason, text = await asyncio.wait_for(here.gone, 5)
    assert (reason, text) == ("cancel", f"{what} on another device")
    await asyncio.sleep(0.1)
    assert "missed" not in world.names("bob/desk") + world.names("bob/phone")


async def test_a_device_that_has_gone(world: World) -> None:
    """What alice knew of bob's devices is not what there is: the call to the one fails, that to all goes on."""
    alice = await world.peer("alice")
    desk, phone = await world.peer("bob", resource="desk"), await world.peer("bob", resource="phone")
    for device in (desk, phone):
        device.listen()
    async with answering(phone) as answer, alice.call("bob@localhost"):
        await answer
    await phone.aclose()
    assert await reason_of(_call(alice, "bob@localhost/phone")) == "gone"
    async with answering(desk) as answer, alice.call("bob@localhost") as call:
        assert (await answer).sid == call.sid
        assert call.peer == desk.jid


async def test_a_device_that_takes_the_call_and_is_gone(world: World) -> None:
    alice = await world.peer("alice")
    phone = await world.peer("bob", resource="phone")
    phone.listen()
    calling = asyncio.ensure_future(_call(alice))
    offer = await next_offer(phone)
    phone.forget(offer)
    phone.pump.act(lambda machine: machine.proceed(offer.sid, time.monotonic()))
    assert phone._connection is not None
    await phone._connection.aclose()
    assert await reason_of(calling) == "gone"


# History


def stored(peer: jingle.Peer, element: Any, sender: str, **how: Any) -> None:
    peer.pump.proposals.receive(
        ReceivedMessage(sender=sender, recipient="bob@localhost", id="m1", type="chat", payloads=(element,), **how)
    )


@pytest.mark.parametrize("how", [{"age": 7200.0}, {"age": 7200.0, "is_archived": True}])
async def test_a_call_of_two_hours_ago(world: World, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]) -> None:
    for module in (proposing, catch_up):
        monkeypatch.setattr(module, "CATCH_UP", 0.05)
    bob = await world.peer("bob")
    bob.listen()
    stored(bob, Propose(id="a1", descriptions=(RtpDescription(media="audio"),)), "alice@localhost/x", **how)
    stored(bob, Propose(id="a2", descriptions=(RtpDescription(media="audio"),)), "alice@localhost/x", **how)
    stored(bob, Retract(id="a2"), "alice@localhost/x", **how)
    await eventually(lambda: len(world.told("bob", "missed")) == 2)
    for event in world.told("bob", "missed"):
        assert event["called_at"] == pytest.approx(time.time() - 7200, abs=5)
    assert world.names("bob") == ["online", "missed", "missed"]
