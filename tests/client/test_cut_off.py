"""XMPP connections that are lost during a call: the media goes on, and the call ends with it at the latest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import ClassVar

import pytest

import jingle
from jingle.transports.ice_settings import IceSettings
from jingle.transports.ice_udp import IceUdpTransport
from tests.client.conftest import World
from tests.client.test_calls import answering
from tests.servers.line import Line

CONSENT = 3.0
"""Seconds that a peer may be silent here; 30 in life."""


class Impatient(IceUdpTransport):
    settings: ClassVar[IceSettings] = replace(
        IceUdpTransport.settings, consent_interval=0.5, consent_expiry=CONSENT, consent_patience=0.5
    )


@pytest.fixture
async def line(world: World) -> AsyncIterator[Line]:
    """What is between bob and the server."""
    line = Line(world.server)
    await line.start()
    yield line
    await line.aclose()


async def two(world: World, line: Line) -> tuple[jingle.Peer, jingle.Peer]:
    bob = await world.peer("bob", server=("127.0.0.1", line.port), transports=(Impatient,))
    return await world.peer("alice", transports=(Impatient,)), bob


async def eventually(condition: Callable[[], object], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def hears(call: jingle.Call) -> bool:
    """Whether something comes in."""
    before = call.stats()["audio"].packets_received
    await asyncio.sleep(0.3)
    return call.stats()["audio"].packets_received > before + 5


def forget(world: World, name: str) -> None:
    """Let the server give up on a session that waits to be resumed: everybody is told that it is gone."""
    (session,) = world.server._domain.accounts[name].sessions.values()
    world.server._domain.end(session, lost=True)


async def test_the_peer_is_said_to_be_gone_and_is_not(world: World, line: Line) -> None:
    """Cut off until resumption is refused; then bob comes back under his address, and his hang-up arrives."""
    alice, bob = await two(world, line)
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        theirs = await answer
        jid = bob.jid
        line.refuses = True
        line.cut()
        await eventually(lambda: not bob.pump.binding.xmpp.is_connected())
        forget(world, "bob")
        assert await call.wait(1.5) is None
        assert await hears(call)
        assert await hears(theirs)
        line.refuses = False
        await eventually(lambda: world.server._domain.accounts["bob"].sessions)
        await eventually(lambda: bob.pump.dispatcher.local == jid)
        await asyncio.sleep(0.5)
        theirs.mute()
        await eventually(lambda: [each["state"] for each in world.told("alice", "info")] == ["mute"])
        await theirs.hang_up()
        ending = await call.wait(2)
    assert ending is not None
    assert (ending.reason, ending.by_peer) == ("success", True)


async def test_what_we_say_to_nobody_ends_nothing(world: World, line: Line) -> None:
    """The server returns it; the media says that the peer is there."""
    alice, bob = await two(world, line)
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        await answer
        line.refuses = True
        line.cut()
        await eventually(lambda: not bob.pump.binding.xmpp.is_connected())
        forget(world, "bob")
        call.mute()
        assert await call.wait(1.5) is None
        assert await hears(call)
        with pytest.raises(jingle.TransportFailed):
            await call.restart_ice()
        assert await hears(call)
        await call.hang_up()


@pytest.mark.parametrize("how", ["silence", "goodbye"])
async def test_it_ends_with_the_media(world: World, line: Line, how: str) -> None:
    """Nothing can be said any more: when bob's process dies consent tells, when he hangs up the link does."""
    alice, bob = await two(world, line)
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        theirs = await answer
        line.refuses = True
        line.cut()
        await eventually(lambda: not bob.pump.binding.xmpp.is_connected())
        began = time.monotonic()
        if how == "silence":
            for content in theirs._live.contents.values():
                assert isinstance(content.transport, IceUdpTransport)
                await content.transport.shared.agent.aclose()
        else:
            await theirs.hang_up()
        ending = await call.wait(CONSENT + 4)
    assert ending is not None
    assert ending.reason == "connectivity-error"
    assert time.monotonic() - began < CONSENT + 3
    assert world.told("alice", "ended")[0]["text"]


async def test_the_peer_is_said_to_be_gone_and_is(world: World, line: Line) -> None:
    """Its media has stopped too: the call is over without waiting for consent to expire."""
    alice, bob = await two(world, line)
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        theirs = await answer
        line.refuses = True
        line.cut()
        await eventually(lambda: not bob.pump.binding.xmpp.is_connected())
        for content in theirs._live.contents.values():
            assert isinstance(content.transport, IceUdpTransport)
            await content.transport.shared.agent.aclose()
        began = time.monotonic()
        forget(world, "bob")
        ending = await call.wait(2.5)
    assert ending is not None
    assert ending.reason == "gone"
    assert time.monotonic() - began < CONSENT - 0.5


async def test_our_own_address_has_changed(world: World, line: Line) -> None:
    """To alice, bob is somebody else now: nothing that he says would be understood, and nothing of it is said."""
    alice, bob = await two(world, line)
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        theirs = await answer
        bob.pump.moved("bob@localhost/another")
        theirs.mute()
        theirs.unmute()
        assert await call.wait(1.5) is None
        assert await hears(call)
        assert world.told("alice", "info") == []
        await theirs.hang_up()
        ending = await call.wait(4)
    assert ending is not None
    assert ending.reason == "connectivity-error"


async def test_the_server_is_gone(world: World, line: Line) -> None:
    alice, bob = await two(world, line)
    async with answering(bob) as answer:
        call = await alice.call(bob.jid, audio=jingle.Tone())
        theirs = await answer
        await world.server.aclose()
        assert await call.wait(CONSENT + 1) is None
        assert await hears(call)
        assert await hears(theirs)
        began = time.monotonic()
        await call.hang_up()
        assert time.monotonic() - began < 3
        ending = await theirs.wait(4)
    assert ending is not None
    assert ending.reason == "connectivity-error"


async def test_before_the_call_is_accepted_gone_is_gone(world: World, line: Line) -> None:
    alice, bob = await two(world, line)
    bob.listen()
    calling = asyncio.ensure_future(alice.call(bob.jid, audio=jingle.Tone()).__aenter__())
    await eventually(lambda: world.told("bob", "incoming"))
    line.refuses = True
    line.cut()
    await eventually(lambda: not bob.pump.binding.xmpp.is_connected())
    forget(world, "bob")
    with pytest.raises(jingle.SessionEnded) as caught:
        await asyncio.wait_for(calling, 5)
    assert caught.value.reason == "gone"
