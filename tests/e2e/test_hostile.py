"""What a contact may do to a running `jingle answer`: it answers, forgets, and goes on taking calls of others."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from slixmpp import ClientXMPP
from slixmpp.stanza import Iq

from tests.dialects.stanzas import FINGERPRINT, HOST, content, description, file, ibb, jingle, offer, propose, transport
from tests.elements.cases import CASES, known_elements
from tests.servers.plain_client import plain_client

from .commands import Command
from .conftest import World

PATIENCE = 30.0
"""Seconds for all answers to a flood."""

MOST = 64 << 20
"""Bytes that a flood may cost, the allocator's slack included; one of those floods is several times as large."""

IN_BAND = "http://jabber.org/protocol/ibb"
DISCO = "http://jabber.org/protocol/disco"
NAMES = (
    "sid",
    "name",
    "creator",
    "senders",
    "ufrag",
    "pwd",
    "id",
    "ip",
    "port",
    "priority",
    "component",
    "setup",
    "seq",
)
VALUES = (
    "",
    " ",
    "-1",
    "0",
    "65536",
    "99999999999999999999",
    "NaN",
    "true",
    "initiator",
    "\u0663",
    "\u202e",
    "a" * 5000,
)


class Attacker:
    """A contact that says what it likes, and counts the answers."""

    def __init__(self, xmpp: ClientXMPP, victim: str) -> None:
        self.answers: dict[str, Iq] = {}
        self.victim = victim
        self._xmpp = xmpp
        self._ids = itertools.count()
        self._news = asyncio.Event()
        xmpp.add_filter("in", self._see)

    def _see(self, stanza: Any) -> Any:
        if isinstance(stanza, Iq) and stanza["type"] in ("result", "error") and stanza["id"].startswith("attack"):
            assert stanza["id"] not in self.answers, "answered twice"
            self.answers[stanza["id"]] = stanza
            self._news.set()
        return stanza

    async def fire(self, payloads: Iterable[str]) -> list[Iq]:
        """Send IQ-sets, and wait until each has its answer."""
        sent = {f"attack{next(self._ids)}": payload for payload in payloads}
        for id, payload in sent.items():
            self._xmpp.send_raw(f"<iq type='set' to='{self.victim}' id='{id}'>{payload}</iq>")
        try:
            async with asyncio.timeout(PATIENCE):
                while not self.answers.keys() >= sent.keys():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            silent = [payload[:500] for id, payload in sent.items() if id not in self.answers]
            raise AssertionError(f"{len(silent)} were not answered, the first is {silent[0]}") from None
        return [self.answers[id] for id in sent]

    def shout(self, payloads: Iterable[str]) -> None:
        """Send messages, which have no answers."""
        account = self.victim.partition("/")[0]
        for payload in payloads:
            self._xmpp.send_raw(
                f"<message type='chat' to='{account}'>{payload}<store xmlns='urn:xmpp:hints'/></message>"
            )


@contextlib.asynccontextmanager
async def attacked(world: World) -> AsyncIterator[tuple[Command, Attacker]]:
    """Bob takes calls, and alice is no friend; afterwards carol can call him, and he has not grown."""
    bob = await world.answer()
    device = (await bob.event("online"))["jid"]
    async with plain_client(world.server, world.alice) as xmpp:
        attacker = Attacker(xmpp, device)
        await attacker.fire([jingle("session-terminate", sid="none")])
        before = resident(bob)
        yield bob, attacker
        grown = resident(bob) - before
    carol = await world.call("--seconds", "0.3", to=device, as_jid=world.carol)
    assert await carol.exit() == 0, carol
    bob.interrupt()
    assert await bob.exit() == 130
    assert grown < MOST, f"{grown >> 20} MiB"


def resident(command: Command) -> int:
    """Bytes of memory of a command."""
    return int(Path(f"/proc/{command.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def conditions(answers: list[Iq]) -> set[str]:
    """The conditions of those that are errors."""
    return {answer["error"]["condition"] for answer in answers if answer["type"] == "error"}


def garbage(count: int) -> list[str]:
    """Stanzas of the XEPs and of deployed clients, each spoilt in a few places; the same ones each time.

    But for those that slixmpp takes and does not answer: a disco#info that is to be set.
    """
    dice = random.Random(3)
    whole = [xml for path in sorted(CASES.rglob("*.xml")) for xml in known_elements(path) if DISCO not in xml.tag]
    found: list[str] = []
    while len(found) < count:
        root = ET.fromstring(ET.tostring(dice.choice(whole)))
        for _ in range(dice.randint(0, 4)):
            part = dice.choice(list(root.iter()))
            match dice.randrange(5):
                case 0:
                    part.set(dice.choice([*part.attrib, *NAMES]), dice.choice(VALUES))
                case 1:
                    part.attrib.pop(dice.choice([*part.attrib, "sid"]), None)
                case 2:
                    part.text = dice.choice(VALUES)
                case 3:
                    part.append(ET.fromstring(ET.tostring(dice.choice(whole))))
                case _:
                    part.tag = dice.choice(list(root.iter())).tag
        if root.tag.startswith("{urn:xmpp:jingle:1}"):
            root.set("sid", dice.choice(["s1", "s2", root.get("sid", "")]))
        found.append(ET.tostring(root, encoding="unicode"))
    return found


async def test_garbage(on_loopback: World) -> None:
    """Whatever it is, it gets one answer, in the midst of sessions."""
    async with attacked(on_loopback) as (_, attacker):
        spoilt = garbage(1200)
        for start in range(0, len(spoilt), 100):
            answers = await attacker.fire([offer(sid="s1"), offer(file(), sid="s2"), *spoilt[start : start + 100]])
            assert {answer["type"] for answer in answers} <= {"result", "error"}


async def test_a_flood_of_calls(on_loopback: World) -> None:
    async with attacked(on_loopback) as (bob, attacker):
        answers = await attacker.fire(offer(sid=f"flood{number}") for number in range(1000))
        assert conditions(answers) <= {"resource-constraint"}
        assert len(bob.told("incoming")) < 1000


async def test_a_call_goes_on_meanwhile(on_loopback: World) -> None:
    """Somebody else's, which was there before."""
    bob = await on_loopback.answer("--play", "tone", "--once")
    device = (await bob.event("online"))["jid"]
    carol = await on_loopback.call("--play", "tone", "--seconds", "5", to=device, as_jid=on_loopback.carol)
    await carol.event("connected")
    async with plain_client(on_loopback.server, on_loopback.alice) as xmpp:
        attacker = Attacker(xmpp, device)
        for number in range(3):
            calls = [offer(sid=f"flood{number}-{each}") for each in range(100)]
            answers = await attacker.fire([*calls, *garbage(100)])
            assert len(answers) == 200
    assert await carol.exit() == 0, carol
    assert await bob.exit() == 0, bob
    heard = (await carol.event("ended"))["stats"]["audio"]
    assert heard["packets_received"] > 50, heard


async def test_a_flood_of_calls_that_are_never_answered(on_loopback: World) -> None:
    """Sessions are bounded for each contact, and what is refused costs nothing."""
    bob = await on_loopback.answer("--ring", "60")
    device = (await bob.event("online"))["jid"]
    async with plain_client(on_loopback.server, on_loopback.alice) as xmpp:
        attacker = Attacker(xmpp, device)
        answers = await attacker.fire(offer(sid=f"flood{number}") for number in range(500))
        assert sum(answer["type"] == "result" for answer in answers) < 50
        assert conditions(answers) == {"resource-constraint"}
    bob.interrupt()
    assert await bob.exit() == 130


async def test_a_flood_of_candidates(on_loopback: World) -> None:
    """Ten thousand in one stanza after the other."""
    many = "".join(
        f"<candidate {HOST.replace('40000', str(1024 + number)).replace('127.0.0.1', f'127.0.{number % 250}.1')}/>"
        for number in range(1000)
    )
    async with attacked(on_loopback) as (_, attacker):
        [taken] = await attacker.fire([offer(description(), transport(FINGERPRINT + many))])
        assert taken["type"] == "result"
        info = jingle("transport-info", content(transport(many)))
        answers = await attacker.fire([info] * 20)
        assert conditions(answers) <= {"item-not-found"}  # where the call has ended meanwhile


async def test_a_flood_of_infos(on_loopback: World) -> None:
    infos = [
        jingle("transport-info", content(transport(f"<candidate {HOST.replace('40000', str(1024 + number))}/>")))
        for number in range(1000)
    ]
    about = "<{}mute xmlns='urn:xmpp:jingle:apps:rtp:info:1' name='audio'/>"
    mutes = [jingle("session-info", about.format(("", "un")[number % 2])) for number in range(1000)]
    async with attacked(on_loopback) as (_, attacker):
        answers = await attacker.fire(
            [offer(), *infos, *mutes, *[jingle("description-info", content(description()))] * 500]
        )
        assert conditions(answers) <= {"item-not-found"}


async def test_a_flood_of_contents(on_loopback: World) -> None:
    """In one offer, and added to a session one by one."""
    async with attacked(on_loopback) as (_, attacker):
        crowd = "".join(content(description(), transport(), name=f"content{number}") for number in range(500))
        [answer] = await attacker.fire([jingle("session-initiate", crowd, sid="crowd")])
        assert answer["type"] == "error"
        added = [
            jingle("content-add", content(description(), transport(), name=f"content{number}")) for number in range(500)
        ]
        answers = await attacker.fire([offer(), *added])
        assert sum(answer["type"] == "result" for answer in answers) < 100


async def test_a_flood_of_proposals(on_loopback: World) -> None:
    async with attacked(on_loopback) as (_, attacker):
        attacker.shout(propose(f"flood{number}") for number in range(1000))
        await attacker.fire([jingle("session-info", sid="none")])


async def test_a_flood_of_files_and_blocks(on_loopback: World) -> None:
    """Offers without a byte behind them, streams that nobody agreed on, and blocks for none; then a file of carol's."""
    bob = await on_loopback.start("receive", "inbox", as_jid=on_loopback.bob)
    device = (await bob.event("online"))["jid"]
    opens = [f"<open xmlns='{IN_BAND}' sid='stream{number}' block-size='65535'/>" for number in range(200)]
    block = f"<data xmlns='{IN_BAND}' sid='stream1' seq='0'>{'A' * 80000}</data>"
    async with plain_client(on_loopback.server, on_loopback.alice) as xmpp:
        attacker = Attacker(xmpp, device)
        await attacker.fire([jingle("session-terminate", sid="none")])
        before = resident(bob)
        offers = [offer(file(), ibb(f"agreed{number}", 65535), sid=f"file{number}") for number in range(300)]
        answers = await attacker.fire([*offers, *opens, *[block] * 100])
        assert "resource-constraint" in conditions(answers)
        # The last is what stands once no stream is left: in-band data is then for whoever else is in the program.
        assert conditions(answers[300:]) <= {"item-not-found", "not-acceptable", "feature-not-implemented"}
        assert resident(bob) - before < MOST
    (on_loopback.folder / "report.txt").write_text("worth reading")
    carol = await on_loopback.start("send", "report.txt", device, as_jid=on_loopback.carol)
    assert await carol.exit() == 0, carol
    assert (await bob.event("received"))["name"] == "report.txt"
    assert (on_loopback.folder / "inbox" / "report.txt").read_text() == "worth reading"
    bob.interrupt()
    assert await bob.exit() == 130


@pytest.mark.parametrize("depth", [40, 60])
async def test_elements_within_elements(on_loopback: World, depth: int) -> None:
    async with attacked(on_loopback) as (_, attacker):
        nested = "<a>" * depth + "</a>" * depth
        [answer] = await attacker.fire([jingle("session-initiate", content(nested))])
        assert answer["type"] == "error"
