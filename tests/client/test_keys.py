"""Keys pressed in a call: in RTP, in the signalling where that is all the peer takes, and whatever comes as one."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

import jingle
from jingle.applications.rtp.call import RtpApplication
from jingle.applications.rtp.dtmf import KEYS_A_SECOND, KEYS_AT_ONCE
from jingle.elements.declare import Element, Unknown
from tests.client.conftest import World
from tests.client.test_calls import answering
from tests.client.test_edges import eventually, forget

NS = "urn:xmpp:jingle:dtmf:0"


def key(**attributes: object) -> Element:
    """As a peer writes it, not as we would."""
    written = " ".join(f"{name}='{value}'" for name, value in attributes.items())
    return Unknown(namespace=NS, name="dtmf", source=f"<dtmf xmlns='{NS}' {written}/>")


def without_telephone_events(call: jingle.Call) -> None:
    """Let it be as if the peer's answer had named none."""
    application = call._application("audio")
    assert isinstance(application, RtpApplication)
    assert application.takes_keys
    assert application._negotiated is not None
    application._negotiated = dataclasses.replace(application._negotiated, events=())
    assert not application.takes_keys


def digits(world: World, name: str) -> str:
    return "".join(event["digit"] for event in world.told(name, "dtmf"))


async def test_in_the_signalling(world: World) -> None:
    """XEP-0181, at the pace of a person; two who press at once are heard one after the other."""
    alice, bob = await world.peer("alice"), await world.peer("bob")
    said: list[str] = []
    world.server.stanzas = lambda direction, jid, xml, when: said.append(xml) if direction == "received" else None
    async with answering(bob) as answer, alice.call("bob@localhost", audio=jingle.Tone()) as call:
        await answer
        without_telephone_events(call)
        started = asyncio.get_running_loop().time()
        await asyncio.gather(call.send_dtmf("19"), call.send_dtmf("#d"))
        assert asyncio.get_running_loop().time() - started > 4 * 0.16
        assert call.ending is None
    assert digits(world, "bob") == "19#D"
    told = [xml for xml in said if "<dtmf" in xml]
    assert len(told) == 4
    for xml, digit in zip(told, "19#D", strict=True):
        assert 'action="session-info"' in xml
        assert f'<dtmf xmlns="{NS}" code="{digit}" duration="100"' in xml


async def test_a_peer_that_takes_none_at_all(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    forget(bob, NS)
    async with answering(bob) as answer, alice.call("bob@localhost") as call:
        await answer
        without_telephone_events(call)
        with pytest.raises(jingle.LocalProtocolError, match="takes no key presses"):
            await call.send_dtmf("1")
        with pytest.raises(jingle.LocalProtocolError, match="not a key"):
            await call.send_dtmf("1x")
        assert call.ending is None
    assert digits(world, "bob") == ""


async def test_a_peer_that_refuses(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer, alice.call("bob@localhost") as call:
        await answer
        without_telephone_events(call)
        monkeypatch.setattr(RtpApplication, "understands", lambda self, payload: False)
        with pytest.raises(jingle.SignallingError, match="feature-not-implemented"):
            await call.send_dtmf("1")
        assert call.ending is None


async def test_the_call_ends_while_keys_are_pressed(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer:
        call = await alice.call("bob@localhost")
        without_telephone_events(call)
        pressing = asyncio.ensure_future(call.send_dtmf("123456789"))
        await eventually(lambda: "1" in digits(world, "bob"))
        await (await answer).hang_up()
        with pytest.raises(jingle.SessionEnded):
            await asyncio.wait_for(pressing, 5)


@pytest.mark.parametrize(
    ("attributes", "heard", "condition"),
    [
        ({"code": "7"}, "7", None),
        ({"code": "*", "duration": 400, "volume": 42}, "*", None),
        ({"code": "7", "duration": 0}, "", None),  # section 2: the receiver SHOULD ignore it
        ({"code": "E"}, "", "feature-not-implemented"),  # section 2: MUST, where the code is not understood
        ({"code": ""}, "", "feature-not-implemented"),
        ({"code": "12"}, "", "bad-request"),
        ({}, "", "bad-request"),
        ({"code": "7", "duration": -1}, "", "bad-request"),
        ({"code": "7", "duration": 1 << 40}, "", "bad-request"),
        ({"code": "7", "volume": 64}, "", "bad-request"),
    ],
)
async def test_what_comes_as_a_key(
    world: World, attributes: dict[str, object], heard: str, condition: str | None
) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer, alice.call("bob@localhost") as call:
        theirs = await answer
        asking = alice_asks(call, key(**attributes))
        if condition is None:
            await asking
        else:
            with pytest.raises(jingle.SignallingError, match=condition):
                await asking
        assert (call.ending, theirs.ending) == (None, None)
    assert digits(world, "bob") == heard


async def alice_asks(call: jingle.Call, payload: Any) -> None:
    await call._live.ask(lambda session: session.info(payload))


async def test_a_flood_of_keys(world: World) -> None:
    """Whoever presses faster than any machine dials is heard in part, and the call goes on."""
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with answering(bob) as answer, alice.call("bob@localhost") as call:
        theirs = await answer
        started = asyncio.get_running_loop().time()
        for _ in range(300):
            call._live.inform(key(code="1"))
        await call._live.ask(lambda session: session.info(key(code="1", duration=0)))
        took = asyncio.get_running_loop().time() - started
        assert KEYS_AT_ONCE <= len(digits(world, "bob")) <= KEYS_AT_ONCE + KEYS_A_SECOND * took + 1
        assert (call.ending, theirs.ending) == (None, None)
