"""What others learn of us: nothing before we accept, no address where we hide, not even that we are there."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import jingle
from jingle.elements import ice_udp as elements
from jingle.peer import negotiation
from jingle.transports.base import Transport
from jingle.transports.datachannel import DataChannelTransport
from jingle.transports.ice import IceConnection
from jingle.transports.s5b import S5bTransport
from tests.client.conftest import World
from tests.client.test_calls import answering, next_offer
from tests.client.test_edges import eventually
from tests.demo.clients import Client

WORDS = re.compile(r"""[\s"'<>=]+""")


class Sent:
    """Every stanza that clients send from now on."""

    def __init__(self, world: World) -> None:
        self._lines: list[tuple[str, str]] = []
        world.server.stanzas = self._note

    def _note(self, direction: str, jid: str, xml: str, when: float) -> None:
        if direction == "received":
            self._lines.append((jid, xml))

    def by(self, jid: str) -> list[str]:
        return [xml for sender, xml in self._lines if sender == jid]

    def addresses(self, jid: str) -> set[str]:
        """Every IP address that was told by this client."""
        found = set()
        for word in WORDS.split(" ".join(self.by(jid))):
            try:
                found.add(str(ipaddress.ip_address(word)))
            except ValueError:
                continue
        return found


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who gathered, by the ufrag he had."""
    seen: list[str] = []
    original = IceConnection.open

    async def note(self: IceConnection, *arguments: Any) -> None:
        seen.append(self.local.ufrag)
        await original(self, *arguments)

    monkeypatch.setattr(IceConnection, "open", note)
    return seen


# Before we accept


def transport(ufrag: str, *hosts: str) -> elements.IceUdpTransport:
    return elements.IceUdpTransport(
        ufrag=ufrag,
        pwd="x" * 24,
        candidates=tuple(
            elements.Candidate(
                component=1, foundation="1", generation=0, id=f"c{number}", ip=host, network=0, port=9, priority=1,
                protocol="udp", type=elements.CandidateType.HOST,
            )
            for number, host in enumerate(hosts)
        ),
    )  # fmt: skip


async def test_a_call_that_rings_reveals_nothing(
    world: World, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a caller tries while it rings: new credentials, a name to look up, another transport."""
    looked_up: list[str] = []

    async def look_up(self: IceConnection, candidate: Any) -> None:
        looked_up.append(candidate.host)

    monkeypatch.setattr(IceConnection, "_resolve_remote", look_up)
    bob, carol = await world.peer("bob", allow=["*"]), await world.peer("carol")
    bob.listen()
    calling = asyncio.ensure_future(_place(carol, bob.jid))
    offer = await next_offer(bob)
    sent, before = Sent(world), len(opened)
    (live,) = carol.pump.sessions.values()
    (content,) = live.contents.values()
    live.act(lambda session: session.transport_infos([(content.id, transport("second", "spy.local", "192.0.2.1"))]))
    live.act(lambda session: session.transport_infos([(content.id, transport("third"))]))
    live.act(lambda session: session.replace_transport(content.id, transport("fourth")))
    await eventually(lambda: any("transport-reject" in xml for xml in sent.by(bob.jid)))
    await asyncio.sleep(0.1)
    said = "".join(sent.by(bob.jid))
    assert not re.search("transport-(info|accept)|<presence|<candidate", said)
    assert sent.addresses(bob.jid) == set()
    assert len(opened) == before
    assert looked_up == []
    await offer.decline()
    with pytest.raises(jingle.SessionEnded):
        await calling
    assert sent.addresses(bob.jid) == set()
    assert len(opened) == before


async def _place(peer: jingle.Peer, to: str, **options: Any) -> jingle.Call:
    return await peer.call(to, audio=jingle.Silence(), **options)


async def test_a_proposal_that_rings_shows_no_presence(world: World) -> None:
    bob, carol = await world.peer("bob", allow=["*"]), await world.peer("carol")
    bob.listen()
    calling = asyncio.ensure_future(_place(carol, "bob@localhost"))
    sent = Sent(world)
    offer = await next_offer(bob)
    await asyncio.sleep(0.1)
    assert not any("<presence" in xml or "candidate" in xml for xml in sent.by(bob.jid))
    await offer.decline()
    with pytest.raises(jingle.SessionEnded):
        await calling
    assert not any("<presence" in xml or "candidate" in xml for xml in sent.by(bob.jid))


async def test_a_file_that_is_offered_reveals_nothing(world: World, opened: list[str], tmp_path: Path) -> None:
    bob, carol = await world.peer("bob", allow=["*"]), await world.peer("carol")
    bob.listen()
    (tmp_path / "a").write_bytes(b"x" * 100)
    sent = Sent(world)
    sending = asyncio.ensure_future(_send(carol, bob.jid, tmp_path / "a"))
    async for offer in bob.incoming():
        assert isinstance(offer, jingle.IncomingFile)
        break
    await asyncio.sleep(0.1)
    assert sent.addresses(bob.jid) == set()
    assert opened == []
    await offer.decline()
    with pytest.raises(jingle.SessionEnded):
        await sending
    assert sent.addresses(bob.jid) == set()


async def _send(peer: jingle.Peer, to: str, path: Path, **options: Any) -> jingle.Transfer:
    return await peer.send_file(to, path, **options)


# No address


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is given time to explain a failure."""
    for grace in ("REPLACE_GRACE", "HANGUP_GRACE"):
        monkeypatch.setattr(negotiation, grace, 0.2)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("how", ["this call", "strangers", "all"])
@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_without_a_relay_a_hidden_call_fails(world: World, how: str, who: str) -> None:
    """There is no way, and none is shown; the other side shows its own as ever."""
    hidden: dict[str, Any] = {"this call": {}, "strangers": {"relay_only": "strangers"}, "all": {"relay_only": True}}
    alone = how == "this call"
    bob = await world.peer("bob", allow=["*"], **(hidden[how] if who == "callee" else {}))
    carol = await world.peer("carol", **(hidden[how] if who == "caller" else {}))
    bob.listen()
    sent = Sent(world)
    calling = asyncio.ensure_future(_place(carol, "bob@localhost", relay_only=alone and who == "caller"))
    offer = await next_offer(bob)
    with pytest.raises((jingle.TransportFailed, jingle.SessionEnded)):
        await offer.accept(relay_only=alone and who == "callee")
    with pytest.raises((jingle.TransportFailed, jingle.SessionEnded)):
        await calling
    us, them = (carol, bob) if who == "caller" else (bob, carol)
    assert sent.addresses(us.jid) == set()
    assert sent.addresses(them.jid) != set() or who == "caller"  # who calls may fail before he answers


async def test_contacts_are_no_strangers(world: World) -> None:
    alice, bob = await world.peer("alice", relay_only="strangers"), await world.peer("bob", relay_only="strangers")
    async with answering(bob) as answer, alice.call("bob@localhost"):
        assert (await answer).ending is None
    assert {each["local_candidate"] for each in world.told("bob", "connected")} == {"host"}


@pytest.mark.usefixtures("hasty")
async def test_one_hidden_call_hides_no_other(world: World) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    calling = asyncio.ensure_future(_place(alice, "bob@localhost", relay_only=True))
    offer = await next_offer(bob)
    with pytest.raises((jingle.TransportFailed, jingle.SessionEnded)):
        await offer.accept()
    with pytest.raises(jingle.TransportFailed):
        await calling
    async with answering(bob) as answer, alice.call("bob@localhost"):
        assert (await answer).ending is None


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("transport", [S5bTransport, DataChannelTransport])
@pytest.mark.parametrize("who", ["sender", "receiver"])
async def test_a_hidden_file_goes_by_another_way(
    world: World, tmp_path: Path, transport: type[Transport], who: str
) -> None:
    """Over the server itself, where there is no relay."""
    transports = [transport, *(each for each in jingle.DEFAULT_TRANSPORTS if each.name == "ibb")]
    bob, carol = [await world.peer(name, allow=["*"], transports=transports) for name in ("bob", "carol")]
    bob.listen()
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "inbox").mkdir()
    sent = Sent(world)
    sending = asyncio.ensure_future(_send(carol, bob.jid, tmp_path / "a", relay_only=who == "sender"))
    async for offer in bob.incoming():
        assert isinstance(offer, jingle.IncomingFile)
        transfer = await offer.accept(tmp_path / "inbox", relay_only=who == "receiver")
        break
    await asyncio.wait_for((await sending).result(), 30)
    await asyncio.wait_for(transfer.result(), 30)
    (received,) = world.told("bob", "received")
    assert received["transport"] == "ibb"
    us, them = (carol, bob) if who == "sender" else (bob, carol)
    assert sent.addresses(us.jid) == set()
    assert sent.addresses(them.jid) != set()


async def test_a_wish_that_cannot_be_understood(world: World) -> None:
    for wish in (1, "all", "True", None):
        with pytest.raises(jingle.LocalProtocolError, match="relay_only"):
            await world.peer("alice", relay_only=wish)


# Not even that we are there

QUESTIONS = {
    "disco": "<iq type='get' {}><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    "disco node": "<iq type='get' {}><query xmlns='http://jabber.org/protocol/disco#info' node='a#b'/></iq>",
    "items": "<iq type='get' {}><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
    "ping": "<iq type='get' {}><ping xmlns='urn:xmpp:ping'/></iq>",
    "what nobody knows": "<iq type='set' {}><x xmlns='urn:example:x'/></iq>",
    "jingle": "<iq type='set' {}><jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='x'/></iq>",
    "malformed jingle": "<iq type='set' {}><jingle xmlns='urn:xmpp:jingle:1' action='nonsense'/></iq>",
    "in-band bytes": "<iq type='set' {}><open xmlns='http://jabber.org/protocol/ibb' sid='x' block-size='4096'/></iq>",
    "socks": "<iq type='set' {}><query xmlns='http://jabber.org/protocol/bytestreams' sid='x'/></iq>",
}


@asynccontextmanager
async def stranger(world: World) -> AsyncIterator[Client]:
    client = await Client(world.server, "carol@localhost/spy").go_online()
    try:
        yield client
    finally:
        await client.hang_up()


async def answer_to(client: Client, question: str, to: str) -> str:
    iq = client.Iq(xml=ET.fromstring(question.format(f"xmlns='jabber:client' to='{to}'")))
    iq["id"] = client.new_id()
    reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    iq.send(callback=reply.set_result, timeout=5).add_done_callback(lambda done: done.exception())
    xml = (await asyncio.wait_for(reply, 5)).xml
    for name in ("id", "from"):
        xml.attrib.pop(name, None)
    return ET.canonicalize(ET.tostring(xml, encoding="unicode"))


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_stranger_hears_what_the_server_says_of_nobody(world: World, question: str) -> None:
    bob = await world.peer("bob")
    async with stranger(world) as carol:
        ours = await answer_to(carol, QUESTIONS[question], bob.jid)
        nobodys = await answer_to(carol, QUESTIONS[question], "bob@localhost/nobody")
    assert "service-unavailable" in ours
    assert "text" not in ours
    assert _errors(ours) == _errors(nobodys)


def _errors(xml: str) -> list[str]:
    """The error as everybody reads it: its type and its conditions. Each server has words of its own beside them."""
    error = ET.fromstring(xml).find("{jabber:client}error")
    assert error is not None
    return [error.get("type", ""), *(child.tag for child in error if not child.tag.endswith("}text"))]


async def test_those_who_may_reach_us_are_answered(world: World) -> None:
    """Contacts, those we let in by name, those we call, and our own account."""
    bob = await world.peer("bob", allow=["carol@localhost"])
    async with stranger(world) as carol:
        assert "urn:xmpp:jingle:1" in await answer_to(carol, QUESTIONS["disco"], bob.jid)
        assert 'type="result"' in await answer_to(carol, QUESTIONS["ping"], bob.jid)
    alice, other = await world.peer("alice"), await world.peer("bob", resource="other")
    for peer in (alice, other):
        assert "urn:xmpp:jingle:1" in await peer.pump.discovery.features_of(bob.jid)


async def test_whoever_we_call_may_ask_who_calls(world: World) -> None:
    bob = await world.peer("bob")
    async with stranger(world) as carol:
        calling = asyncio.ensure_future(_place(bob, "carol@localhost", ring_timeout=0.5))
        await eventually(lambda: "carol@localhost" in bob.pump._shown)
        assert "urn:xmpp:jingle:1" in await answer_to(carol, QUESTIONS["disco"], bob.jid)
        with pytest.raises(jingle.SessionEnded):
            await calling
        assert "service-unavailable" in await answer_to(carol, QUESTIONS["disco"], bob.jid)


async def test_nobody_gets_into_the_roster_by_asking(world: World) -> None:
    bob = await world.peer("bob")
    sent = Sent(world)
    async with stranger(world) as carol:
        carol.send_presence_subscription("bob@localhost", ptype="subscribe")
        carol.send_presence(pto=bob.jid, ptype="probe")
        await asyncio.sleep(0.3)
    assert not any(" to=" in xml or "subscribed" in xml for xml in sent.by(bob.jid))
    assert not bob.pump.binding.is_contact("carol@localhost")


async def test_strangers_who_show_themselves_take_no_room(world: World) -> None:
    """Whoever runs a server can have as many addresses as he likes."""
    bob = await world.peer("bob")
    xmpp = bob.pump.binding.xmpp
    known = len(xmpp.client_roster.keys())
    for number in range(500):
        presence = f"<presence xmlns='jabber:client' from='spy{number}@elsewhere.example/{number}'/>"
        xmpp._spawn_event(ET.fromstring(presence))
    await asyncio.sleep(0.1)
    assert len(xmpp.client_roster.keys()) == known
    assert not any("elsewhere" in jid for jid in bob.pump.discovery._online)
    alice = await world.peer("alice")
    await eventually(lambda: alice.jid in bob.pump.discovery._online)


async def test_the_trace_shows_strangers_too(world: World, tmp_path: Path) -> None:
    bob = await world.peer("bob", trace=tmp_path / "trace")
    async with stranger(world) as carol:
        await answer_to(carol, QUESTIONS["ping"], bob.jid)
    await bob.aclose()
    assert "urn:xmpp:ping" in (tmp_path / "trace").read_text()
