"""Calls and files with stanza.js in Chromium, over a WebSocket to Prosody, and once to ejabberd.

We speak a tone of 440 Hz and the browser one of 1000 Hz, and each is measured at the other's end.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

import jingle
from tests.e2e.commands import Command
from tests.e2e.conftest import World
from tests.e2e.sound import LOUD, NEAR, assert_tone

from .chromium import BrowserClient, Event
from .conftest import THEIRS

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

OURS = 440.0
"""Hz: what `--play tone` is."""

SILENT = 0.001

SPEECH = 1.5
"""Seconds of a call before it is measured: decoders have settled, and FFT windows are full."""

FILE = 5_000_000


# Helpers


async def answering(world: World, *options: str) -> tuple[Command, str]:
    """`jingle answer` as bob, recording, and its full JID."""
    command = await world.answer("--play", "tone", "--record", "heard.wav", *options)
    return command, (await command.event("online"))["jid"]


async def calling(world: World, to: str, *options: str) -> Command:
    """`jingle call` as bob, recording."""
    return await world.call("--play", "tone", "--record", "heard.wav", *options, to=to, as_jid=world.bob)


async def assert_heard_there(client: BrowserClient, *, settling: float = SPEECH) -> Event:
    """Assert that our tone is what is heard in the browser; all that was measured comes back."""
    await client.event("connectionState", state="connected")
    await asyncio.sleep(settling)
    measured = await client.measure()
    assert measured["heard"]["hertz"] == pytest.approx(OURS, abs=NEAR), client
    assert measured["heard"]["loudness"] > LOUD, client
    assert measured["received"]["audio"] > 30, client
    return measured


def assert_heard_here(path: Path, *, least: float = SPEECH - 0.5) -> None:
    """Assert that a recording holds the browser's tone, for so many seconds at least."""
    assert_tone(path, THEIRS, seconds=least)


async def assert_ended(command: Command, client: BrowserClient, reason: str, *, exit: int = 0) -> Event:
    """Assert that both sides tell the same end, and that the command leaves with its status."""
    ended = await command.event("ended")
    assert ended["reason"] == reason, command
    assert (await client.event("terminated"))["reason"] == reason, client
    assert await command.exit() == exit, command
    return ended


async def next_call(peer: jingle.Peer) -> jingle.IncomingCall:
    async with asyncio.timeout(10):
        async for offer in peer.incoming():
            assert isinstance(offer, jingle.IncomingCall)
            return offer
    raise AssertionError


def sent_by_peer(world: World, trace: str, *words: str) -> list[str]:
    """What came in, out of a trace: the stanzas with all these words."""
    stanzas = [line["stanza"] for line in world.trace(trace) if line.get("direction") == "<"]
    return [stanza for stanza in stanzas if all(word in stanza for word in words)]


# Calls from the browser


@pytest.mark.parametrize(
    "world", [("ejabberd",), ("federated_prosody", "ejabberd")], ids=["ejabberd", "federated"], indirect=True
)
async def test_calls_both_ways_over_other_servers(world: World, alice: BrowserClient) -> None:
    command, jid = await answering(world, "--once")
    alice.do("call", to=jid, media=["audio"])
    await assert_heard_there(alice)
    alice.do("end", reason="success")
    await assert_ended(command, alice, "success")
    assert_heard_here(world.folder / "heard.wav")
    (world.folder / "heard.wav").unlink()
    command = await calling(world, world.alice)
    offer = await alice.event("incoming")
    alice.do("accept", sid=offer["sid"], media=["audio"])
    await alice.event("connectionState", sid=offer["sid"], state="connected")
    await assert_heard_there(alice)
    command.interrupt()
    assert (await alice.event("terminated", sid=offer["sid"]))["reason"] == "success"
    assert await command.exit() == 130
    assert_heard_here(world.folder / "heard.wav")


@pytest.mark.parametrize("alice", ["addresses", "names"], indirect=True)
async def test_the_browser_calls_and_hangs_up(
    world: World, alice: BrowserClient, request: pytest.FixtureRequest
) -> None:
    """Its candidates are trickled one by one, with addresses or under names of mDNS."""
    command, jid = await answering(world, "--once", "--trace", "trace")
    alice.do("call", to=jid, media=["audio"])
    await alice.event("ringing")
    await assert_heard_there(alice)
    alice.do("end", reason="success")
    ended = await assert_ended(command, alice, "success")
    assert ended["stats"]["audio"]["packets_received"] > 30
    assert_heard_here(world.folder / "heard.wav")
    trickled = sent_by_peer(world, "trace", "transport-info", "<candidate")
    assert len(trickled) > 1
    assert not sent_by_peer(world, "trace", "session-initiate", "<candidate")
    has_names = "names" in request.node.callspec.id
    assert any(".local" in stanza for stanza in trickled) is has_names


async def test_the_browser_calls_and_we_hang_up(world: World, alice: BrowserClient) -> None:
    command, jid = await answering(world, "--once", "--seconds", "3")
    alice.do("call", to=jid, media=["audio"])
    await assert_heard_there(alice)
    await assert_ended(command, alice, "success")
    assert_heard_here(world.folder / "heard.wav")


async def test_we_decline(alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]) -> None:
    peer, _ = bob
    for reason in ("decline", "busy"):
        alice.do("call", to=peer.jid, media=["audio"])
        offer = await next_call(peer)
        await alice.event("ringing", sid=offer.sid)
        await offer.decline(reason)
        assert (await alice.event("terminated", sid=offer.sid))["reason"] == reason


async def test_the_browser_cancels(alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]) -> None:
    peer, told = bob
    alice.do("call", to=peer.jid, media=["audio"])
    offer = await next_call(peer)
    await alice.event("ringing")
    alice.do("end", reason="cancel")
    async with asyncio.timeout(5):
        assert (await asyncio.shield(offer.gone))[0] == "cancel"
    assert [dict(each.fields)["reason"] for each in told if each.name == "ended"] == ["cancel"]


async def test_a_call_with_pictures(world: World, alice: BrowserClient) -> None:
    """Without --video they are received and none are sent."""
    command, jid = await answering(world, "--once")
    alice.do("call", to=jid, media=["audio", "video"])
    measured = await assert_heard_there(alice)
    assert measured["directions"] == {"audio": "sendrecv", "video": "sendonly"}
    assert measured["sent"]["video"] > 10
    assert (await command.event("incoming"))["media"] == ["audio", "video"]
    assert (await command.event("connected"))["media"] == ["audio", "video"]
    alice.do("end", reason="success")
    ended = await assert_ended(command, alice, "success")
    assert ended["stats"]["video"]["frames_received"] > 10
    assert ended["stats"]["video"]["size_received"] == [320, 240]
    assert_heard_here(world.folder / "heard.wav")


async def test_what_the_browser_says_about_itself(world: World, alice: BrowserClient) -> None:
    command, jid = await answering(world, "--once")
    alice.do("call", to=jid, media=["audio"])
    await alice.event("connectionState", state="connected")
    for what, state in (("mute", "mute"), ("unmute", "unmute"), ("hold", "hold"), ("resume", "active")):
        alice.do(what)
        assert (await command.event("info", state=state))["medium"] == "audio"
    await assert_heard_there(alice)
    alice.do("end", reason="success")
    await assert_ended(command, alice, "success")


@pytest.mark.timeout(150)
async def test_ten_calls_in_a_row(world: World, alice: BrowserClient) -> None:
    command, jid = await answering(world)
    for number in range(1, 11):
        alice.do("call", to=jid, media=["audio"])
        await alice.event("connectionState", state="connected", count=number)
        await assert_heard_there(alice, settling=0.8)
        alice.do("end", reason="success")
        await alice.event("terminated", count=number)
    await command.event("ended", sid=alice.told("terminated")[-1]["sid"])
    ended = command.told("ended")
    assert [each["reason"] for each in ended] == ["success"] * 10
    assert min(each["stats"]["audio"]["packets_received"] for each in ended) > 30
    command.interrupt()
    assert await command.exit() == 130
    assert_heard_here(world.folder / "heard.wav", least=0.5)  # of the tenth: each takes the name anew


# Calls to the browser


@pytest.mark.parametrize(
    ("alice", "whose"), [("addresses", "full"), ("addresses", "bare"), ("names", "full")], indirect=["alice"]
)
async def test_we_call_the_browser(world: World, alice: BrowserClient, whose: str) -> None:
    """It knows no XEP-0353: under its bare JID it is found by its features, and called directly as under the full."""
    command = await calling(world, alice.jid if whose == "full" else world.alice)
    offer = await alice.event("incoming")
    assert (offer["kind"], offer["media"]) == ("call", ["audio"])
    alice.do("ring")
    await command.event("ringing")
    alice.do("accept", media=["audio"])
    await assert_heard_there(alice)
    if whose == "full":
        command.interrupt()
        await assert_ended(command, alice, "success", exit=130)
    else:
        alice.do("end", reason="success")
        await assert_ended(command, alice, "success")
    assert_heard_here(world.folder / "heard.wav")


@pytest.mark.parametrize("reason", ["decline", "busy"])
async def test_the_browser_declines(world: World, alice: BrowserClient, reason: str) -> None:
    command = await calling(world, alice.jid)
    await alice.event("incoming")
    alice.do("end", reason=reason)
    await assert_ended(command, alice, reason, exit=4)


async def test_we_cancel(world: World, alice: BrowserClient) -> None:
    command = await calling(world, alice.jid)
    await alice.event("incoming")
    alice.do("ring")
    await command.event("ringing")
    command.interrupt()
    await assert_ended(command, alice, "cancel", exit=130)


async def test_what_we_say_about_ourselves(alice: BrowserClient, bob: tuple[jingle.Peer, list[jingle.Event]]) -> None:
    """And what we do: while we are muted, or hold her, she hears nothing."""
    peer, _ = bob
    placing = asyncio.ensure_future(peer.call(alice.jid, audio=jingle.Tone(OURS)))
    await alice.event("incoming")
    alice.do("accept", media=["audio"])
    call = await placing
    await assert_heard_there(alice)
    for quieten, loudly, words in (
        (call.mute, call.unmute, ("mute", "unmute")),
        (call.hold, call.unhold, ("hold", "resumed")),
    ):
        quieten()
        await alice.event(words[0])
        await asyncio.sleep(SPEECH)
        assert (await alice.measure())["heard"]["loudness"] < SILENT, alice
        loudly()
        await alice.event(words[1])
        await assert_heard_there(alice)
    assert (await call.hang_up()).reason == "success"
    assert (await alice.event("terminated"))["reason"] == "success"


# Files


def make_file(path: Path) -> str:
    """A file of random bytes; its checksum comes back."""
    content = os.urandom(FILE)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


async def take_file(client: BrowserClient, sha256: str) -> None:
    """Accept the next file in the browser, and assert that it arrives whole."""
    offer = await client.event("incoming", kind="file")
    client.do("accept", sid=offer["sid"])
    received = await client.event("receivedFile", sid=offer["sid"])
    assert (received["size"], received["sha256"]) == (FILE, sha256), client


async def assert_stored(command: Command, client: BrowserClient, path: Path) -> None:
    """Assert that what the browser sends arrives whole."""
    offered = await client.event("sending")
    received = await command.event("received")
    assert received["transport"] == "datachannel"
    assert (received["size"], received["sha256"]) == (FILE, offered["sha256"]), command
    assert hashlib.sha256(path.read_bytes()).hexdigest() == offered["sha256"]


async def test_we_send_a_file(world: World, alice: BrowserClient) -> None:
    sha256 = make_file(world.folder / "report.bin")
    command = await world.start("send", "report.bin", alice.jid, as_jid=world.bob)
    await take_file(alice, sha256)
    sent = await command.event("sent")
    assert (sent["sha256"], sent["transport"]) == (sha256, "datachannel")
    await assert_ended(command, alice, "success")


async def test_the_browser_sends_a_file(world: World, alice: BrowserClient) -> None:
    command = await world.start("receive", "inbox", "--once", as_jid=world.bob)
    jid = (await command.event("online"))["jid"]
    alice.do("send", to=jid, name="report.bin", size=FILE)
    await assert_stored(command, alice, world.folder / "inbox" / "report.bin")
    await assert_ended(command, alice, "success")


async def test_files_both_ways_during_a_call(world: World, alice: BrowserClient) -> None:
    answer, jid = await answering(world, "--once")
    receive = await world.start("receive", "inbox", "--once", as_jid=world.bob)
    inbox = (await receive.event("online"))["jid"]
    alice.do("call", to=jid, media=["audio"])
    await alice.event("connectionState", state="connected")
    call = (await alice.event("calling"))["sid"]
    sha256 = make_file(world.folder / "report.bin")
    send = await world.start("send", "report.bin", alice.jid, as_jid=world.bob)
    alice.do("send", to=inbox, name="other.bin", size=FILE)
    await take_file(alice, sha256)
    await assert_stored(receive, alice, world.folder / "inbox" / "other.bin")
    alice.do("measure", sid=call)
    measured = await alice.event("measured")
    assert measured["heard"]["hertz"] == pytest.approx(OURS, abs=NEAR), alice
    alice.do("end", sid=call, reason="success")
    for command in (answer, receive, send):
        assert (await command.event("ended"))["reason"] == "success", command
        assert await command.exit() == 0, command
    assert_heard_here(world.folder / "heard.wav")
