"""Who sees an address of ours, on a real server with a real relay and proxy: every stanza that was sent is read."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import jingle
from tests.servers.coturn import RELAY
from tests.servers.plain_client import plain_client

from .conftest import World
from .endings import both_connected, ended_well
from .files import make_file
from .peers import Peers
from .test_relay import addresses_in, assert_shows_the_relay_alone

pytestmark = pytest.mark.server

PROXY = "127.0.0.1"
"""Where the server's SOCKS5 proxy is; a candidate of our own there would be a direct one."""


async def test_relayed_for_strangers_and_direct_for_friends(on_prosody: World) -> None:
    """Bob knows alice; carol he does not."""
    options = ("--relay-strangers", "--from", "*", "--once")
    stranger = await on_prosody.answer(*options, "--trace", "stranger")
    carol = await on_prosody.call("--seconds", "0.3", as_jid=on_prosody.carol)
    theirs, ours = await both_connected(carol, stranger)
    assert (ours["local_candidate"], theirs["local_candidate"] != "relay") == ("relay", True)
    await ended_well(carol, stranger)
    assert_shows_the_relay_alone(on_prosody.trace("stranger"))

    friend = await on_prosody.answer(*options)
    alice = await on_prosody.call("--seconds", "0.3")
    _, ours = await both_connected(alice, friend)
    assert ours["local_candidate"] == "host"
    await ended_well(alice, friend)


def sent_about(trace: Path, sid: str) -> list[dict[str, Any]]:
    """What was sent about one session."""
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    return [line for line in lines if line.get("direction") == ">" and sid in line["stanza"]]


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_one_call_of_several(on_prosody: World, tmp_path: Path, who: str) -> None:
    """The same two people: once hidden, once not."""
    async with Peers(on_prosody) as peers:
        alice = await peers.start("alice", trace=tmp_path / "alice")
        bob = await peers.start("bob", trace=tmp_path / "bob")
        bob.listen()
        sids = []
        for relay_only in (True, False):
            calling = asyncio.ensure_future(_place(alice, on_prosody.bob, relay_only and who == "caller"))
            async for offer in bob.incoming():
                assert isinstance(offer, jingle.IncomingCall)
                async with offer.accept(relay_only=relay_only and who == "callee"):
                    sids.append((await calling).sid)
                break
        us = "alice" if who == "caller" else "bob"
        kinds = [event["local_candidate"] for event in peers.told(us, "connected")]
        assert kinds == ["relay", "host"]
    assert_shows_the_relay_alone(sent_about(tmp_path / us, sids[0]))
    assert addresses_in(sent_about(tmp_path / us, sids[1])) - {RELAY}


async def _place(peer: jingle.Peer, to: str, relay_only: bool) -> jingle.Call:
    return await peer.call(to, relay_only=relay_only)


@pytest.mark.parametrize(
    ("transports", "used", "shown"),
    [
        (("s5b",), ("s5b", "proxy"), {PROXY}),
        (("datachannel",), ("datachannel", "relay"), {RELAY, "0.0.0.0"}),
        ((), ("s5b", "proxy"), {PROXY, RELAY, "0.0.0.0"}),
    ],
    ids=["s5b", "datachannel", "all"],
)
@pytest.mark.parametrize("who", ["sender", "receiver"])
async def test_a_hidden_file(
    on_prosody: World, tmp_path: Path, transports: tuple[str, ...], used: tuple[str, str], shown: set[str], who: str
) -> None:
    file = make_file(tmp_path / "report.bin", 100_000)
    async with AsyncExitStack() as stack:
        peers = await stack.enter_async_context(Peers(on_prosody))
        alice = await peers.start("alice", trace=tmp_path / "alice", transports=transports)
        bob = await peers.start("bob", trace=tmp_path / "bob", transports=transports)
        (tmp_path / "inbox").mkdir()
        bob.listen()
        sending = asyncio.ensure_future(_send(alice, bob.jid, file, who == "sender"))
        async for offer in bob.incoming():
            assert isinstance(offer, jingle.IncomingFile)
            transfer = await offer.accept(tmp_path / "inbox", relay_only=who == "receiver")
            break
        await asyncio.wait_for((await sending).result(), 30)
        await asyncio.wait_for(transfer.result(), 30)
        us = "alice" if who == "sender" else "bob"
        (connected,) = peers.told(us, "connected")
        assert (connected["transport"], connected["local_candidate"]) == used
    lines = [json.loads(line) for line in (tmp_path / us).read_text().splitlines()]
    assert addresses_in(lines) <= shown
    sent = "".join(line["stanza"] for line in lines if line.get("direction") == ">")
    assert not re.search("type=.(direct|host|srflx)", sent)


async def _send(peer: jingle.Peer, to: str, path: Path, relay_only: bool) -> jingle.Transfer:
    return await peer.send_file(to, path, relay_only=relay_only)


async def test_a_stranger_asks_whether_we_are_there(on_prosody: World) -> None:
    """What comes back from us is what comes back where nobody is, whichever question it was."""
    async with Peers(on_prosody) as peers, plain_client(on_prosody.server, on_prosody.carol) as carol:
        bob = await peers.start("bob")
        questions = (
            ("get", "http://jabber.org/protocol/disco#info", "query"),
            ("get", "urn:xmpp:ping", "ping"),
            ("set", "urn:example:unknown", "x"),
        )
        for kind, namespace, name in questions:
            answers = []
            for to in (bob.jid, f"{on_prosody.bob}/nobody"):
                iq = carol.make_iq(ito=to, itype=kind)  # type: ignore[arg-type]
                iq.append(ET.Element(f"{{{namespace}}}{name}"))
                reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                iq.send(callback=reply.set_result, timeout=5).add_done_callback(lambda done: done.exception())
                error = (await asyncio.wait_for(reply, 5)).xml.find("{jabber:client}error")
                answers.append((error.get("type"), [child.tag for child in error]))
            assert answers[0] == answers[1]
            assert answers[0][0] == "cancel"
