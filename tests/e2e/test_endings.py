"""Every way a call can end: the reason on both sides within two seconds, exit statuses, recordings that play."""

from __future__ import annotations

import asyncio
import signal
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.servers.accounts import HIBERNATION

from .conftest import REAL, World, over, over_every_server
from .endings import both_connected, ended, now, playable

LONG = "60"
"""Seconds that no test waits for."""


@pytest.fixture
def short(world: World) -> Path:
    """A file of half a second."""
    path = world.folder / "short.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
        file.writeframes(tone.astype("<i2").tobytes())
    return path


@over_every_server
async def test_the_caller_hangs_up(world: World) -> None:
    bob = await world.answer("--once", "--record", "bob.wav")
    alice = await world.call("--seconds", "1", "--play", "tone", "--record", "alice.ogg")
    connected, _ = await both_connected(alice, bob)
    hung_up = connected["time"] + 1
    event = await ended(alice, "success", since=hung_up, exit=0)
    assert 0.9 < event["seconds"] < 2
    assert event["stats"]["audio"]["packets_sent"] > 40
    await ended(bob, "success", since=hung_up, exit=0)
    playable(world.folder / "bob.wav", least=0.8)
    playable(world.folder / "alice.ogg", least=0.8)


@over_every_server
async def test_the_callee_hangs_up(world: World) -> None:
    bob = await world.answer("--once", "--seconds", "1", "--record", "bob.webm")
    alice = await world.call("--record", "alice.wav", "--play", "tone")
    _, connected = await both_connected(alice, bob)
    hung_up = connected["time"] + 1
    await ended(alice, "success", since=hung_up, exit=0)
    await ended(bob, "success", since=hung_up, exit=0)
    playable(world.folder / "bob.webm", least=0.8)
    playable(world.folder / "alice.wav", least=0.8)


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_a_file_has_been_played(world: World, short: Path, who: str) -> None:
    source = ("--play", str(short))
    bob = await world.answer("--once", "--record", "bob.wav", *(source if who == "callee" else ()))
    alice = await world.call("--record", "alice.wav", *(source if who == "caller" else ()))
    played = max(event["time"] for event in await both_connected(alice, bob)) + 0.5
    await ended(alice, "success", since=played, exit=0)
    await ended(bob, "success", since=played, exit=0)
    playable(world.folder / ("bob.wav" if who == "caller" else "alice.wav"), least=0.45)


@over_every_server
async def test_declined(world: World) -> None:
    bob = await world.answer("--decline", "--once")
    alice = await world.call("--record", "never.wav")
    rang = (await bob.event("incoming"))["time"]
    await ended(alice, "decline", since=rang, exit=4)
    await ended(bob, "decline", since=rang, exit=0)
    (error,) = alice.told("error")
    assert error["condition"] == "decline"
    assert error["advice"]
    playable(world.folder / "never.wav", least=0)


async def test_a_call_goes_on_from_another_device(world: World) -> None:
    """Whoever is talked to calls again from elsewhere: it is taken at once, and is the same call (XEP-0353 4.2)."""
    bob = await world.answer("--once")
    desk = await world.call()
    await both_connected(desk, bob)
    phone = await world.call()
    online = await phone.event("online")
    await phone.event("connected")
    talked = await bob.event("connected", peer=online["jid"])
    await ended(desk, "success", since=talked["time"], exit=0)
    await ended(phone, "success", since=phone.interrupt(), exit=130)
    assert await bob.exit() == 0


async def test_busy(world: World) -> None:
    """A third party calls while a call runs, which goes on undisturbed."""
    bob = await world.answer("--once", "--from", world.carol)
    alice = await world.call()
    await both_connected(alice, bob)
    carol = await world.call(as_jid=world.carol)
    online = await carol.event("online")
    incoming = await bob.event("incoming", peer=online["jid"])
    await ended(carol, "busy", since=incoming["time"], exit=4)
    assert (await bob.event("ended", sid=incoming["sid"]))["reason"] == "busy"
    assert alice.told("ended") == []
    stopped = alice.interrupt()
    await ended(alice, "success", since=stopped, exit=130)
    talked = await bob.event("ended", peer=alice.events[0]["jid"])
    assert talked["reason"] == "success"
    assert await bob.exit() == 0


@over_every_server
@pytest.mark.parametrize("direct", [False, True], ids=["all-devices", "one-device"])
async def test_the_caller_gives_up(world: World, direct: bool) -> None:
    bob = await world.answer("--ring", LONG, "--once")
    to = bob.events[0]["jid"] if direct else world.bob
    alice = await world.call("--record", "alice.wav", to=to)
    await alice.event("ringing")
    await bob.event("incoming")
    stopped = alice.interrupt()
    await ended(alice, "cancel", since=stopped, exit=130)
    gone = await bob.event("ended")
    assert gone["reason"] == "cancel"
    assert gone["time"] - stopped < 2
    bob.interrupt()
    assert await bob.exit() == 130


@pytest.mark.parametrize("direct", [False, True], ids=["all-devices", "one-device"])
async def test_nobody_answers(world: World, direct: bool) -> None:
    bob = await world.answer("--ring", LONG, "--once")
    alice = await world.call("--ring-timeout", "1", to=bob.events[0]["jid"] if direct else world.bob)
    rang = (await bob.event("incoming"))["time"]
    await ended(alice, "timeout", since=rang + 1, exit=4)
    gone = await bob.event("ended")
    assert gone["reason"] == ("timeout" if direct else "cancel")
    assert gone["time"] - rang < 3
    bob.interrupt()
    assert await bob.exit() == 130


@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_interrupted_while_talking(world: World, who: str, number: signal.Signals) -> None:
    """The peer is told at once, and both recordings are complete."""
    bob = await world.answer("--once", "--record", "bob.mkv", "--play", "tone")
    alice = await world.call("--record", "alice.mp4", "--play", "tone")
    await both_connected(alice, bob)
    await asyncio.sleep(0.7)
    interrupted, other = (alice, bob) if who == "caller" else (bob, alice)
    stopped = interrupted.interrupt(number)
    await ended(interrupted, "success", since=stopped, exit=130)
    await ended(other, "success", since=stopped, exit=0)
    playable(world.folder / "bob.mkv", least=0.5)
    playable(world.folder / "alice.mp4", least=0.5)


@over_every_server
async def test_nobody_is_there(world: World) -> None:
    for to in (f"{world.bob}/nowhere", f"nobody@{world.server.domain}"):
        alice = await world.call(to=to)
        online = await alice.event("online")
        await ended(alice, "gone", since=online["time"], exit=4)
        assert alice.told("ringing") == []
        assert alice.told("error")[0]["condition"] == "gone"


async def test_a_contact_is_offline(on_loopback: World) -> None:
    alice = await on_loopback.call()
    online = await alice.event("online")
    # A contact's presence is waited for, in case it is on its way.
    await ended(alice, "gone", since=online["time"] + 1, exit=4)
    assert alice.told("ringing") == []


@over(*REAL)
async def test_a_contact_comes_online_while_we_call(world: World) -> None:
    """Where the server keeps messages, the proposal waits for the callee (XEP-0353 section 3.1, `<store/>`)."""
    alice = await world.call("--seconds", "0.3")
    await alice.event("online")
    await asyncio.sleep(1.5)
    assert alice.names() == ["online"]
    bob = await world.answer("--once")
    since = (await both_connected(alice, bob))[0]["time"] + 0.3
    await ended(alice, "success", since=since, exit=0)
    await ended(bob, "success", since=since, exit=0)


async def test_nobody_calls(world: World) -> None:
    bob = await world.answer("--timeout", "0.5", as_json=True)
    started = bob.events[0]["time"]
    assert await bob.exit() == 4
    assert bob.ended_at is not None
    assert bob.ended_at - started < 4
    assert bob.names() == ["online"]


async def test_without_once_the_next_call_is_answered_too(world: World) -> None:
    bob = await world.answer("--timeout", LONG)
    for _ in range(2):
        alice = await world.call("--seconds", "0.2")
        assert await alice.exit() == 0
        await bob.event("ended", sid=alice.told("connected")[0]["sid"])
    bob.interrupt()
    assert await bob.exit() == 130
    assert [event["reason"] for event in bob.told("ended")] == ["success", "success"]


@over(*REAL[:2])
@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_the_peer_dies_and_the_server_says_so(world: World, who: str) -> None:
    """A killed process says nothing; its presence goes once the server has given up on resumption (XEP-0198)."""
    bob = await world.answer("--once", "--record", "bob.wav")
    alice = await world.call("--record", "alice.wav")
    await both_connected(alice, bob)
    await asyncio.sleep(0.5)  # a recording begins with the first sound
    killed, other = (alice, bob) if who == "caller" else (bob, alice)
    died = now()
    await killed.kill()
    await ended(other, "gone", since=died + HIBERNATION, exit=4, within=3)
    playable(world.folder / ("bob.wav" if who == "caller" else "alice.wav"), least=HIBERNATION - 2)


@pytest.mark.timeout(90)
async def test_the_peer_dies_and_the_server_does_not_notice(on_loopback: World) -> None:
    """The loopback server keeps a lost session for a minute; consent is lost before (RFC 7675: 30 s)."""
    bob = await on_loopback.answer("--once")
    alice = await on_loopback.call("--record", "alice.wav")
    await both_connected(alice, bob)
    died = now()
    await bob.kill()
    event = await ended(alice, "connectivity-error", since=died + 30, exit=5, within=5)
    assert event["text"]
