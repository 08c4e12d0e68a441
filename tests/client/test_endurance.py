"""Eight hours online with nothing to do, on a clock that jumps: what has to be renewed is, and nothing piles up."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import jingle
from jingle.demo import LoopbackServer
from jingle.elements.initiation import Propose
from jingle.elements.rtp import RtpDescription
from jingle.signalling.connection import KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT
from jingle.signalling.discovery import MAX_KNOWN_DEVICES
from jingle.signalling.messages import ReceivedMessage
from jingle.signalling.services import DEFAULT_LIFETIME
from tests.client.test_calls import next_offer
from tests.servers.line import Line
from tests.virtual_time import VirtualTimeLoop

HOUR = 3600.0
HOURS = 8
CREDENTIALS = 1200.0
"""Seconds that the server's relay credentials are good for."""

BEGIN = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


class Relays:
    """What the server offers: credentials that are good for a while, each time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __iter__(self) -> Iterator[dict[str, object]]:
        self.asked += 1
        expires = datetime.fromtimestamp(time.time() + CREDENTIALS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield {
            "type": "turn",
            "host": "127.0.0.1",
            "port": 3478,
            "username": expires,
            "password": "x",
            "expires": expires,
        }


class Night:
    """Bob, who waits for calls, behind a line that breaks; and alice, who looks whether he can be reached."""

    def __init__(self, server: LoopbackServer, line: Line) -> None:
        self.told: list[jingle.Event] = []
        self.pings = 0
        self.relays = Relays()
        self.line = line
        self._server = server
        server.services = self.relays  # type: ignore[assignment]
        server.stanzas = self._note

    def _note(self, direction: str, jid: str, xml: str, when: float) -> None:
        self.pings += direction == "received" and jid.startswith("bob@") and "urn:xmpp:ping" in xml

    def online(self, name: str, port: int) -> jingle.Opening[jingle.Peer]:
        return jingle.connect(
            f"{name}@localhost/desk",
            "secret",
            server=(self._server.host, port),
            ca_file=self._server.ca_file,
            on_event=self.told.append,
        )

    async def reach(self, alice: jingle.Peer, bob: jingle.Peer) -> None:
        """A call that bob does not want."""
        calling = asyncio.ensure_future(_place(alice))
        offer = await next_offer(bob)
        await offer.decline()
        with pytest.raises(jingle.SessionEnded, match="decline"):
            await calling


async def _place(alice: jingle.Peer) -> jingle.Call:
    return await alice.call("bob@localhost")


def test_eight_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.get_loop()
        monkeypatch.setattr(time, "monotonic", loop.time)
        monkeypatch.setattr(time, "time", lambda: BEGIN + loop.time())
        runner.run(eight_hours())


async def eight_hours() -> None:
    async with LoopbackServer(users={"alice": "secret", "bob": "secret"}, contacts="all") as server:
        line = Line(server)
        await line.start()
        night = Night(server, line)
        async with night.online("bob", line.port) as bob, night.online("alice", server.port) as alice:
            bob.listen()
            # These were taken before the clock was.
            bob.pump.services._clock, bob.pump.services._wall_clock = time.monotonic, time.time
            await an_hour_passes(night, alice, bob, 0)
            known = classes()
            for hour, trouble in enumerate((nothing, a_cut, silence, an_outage, nothing, a_cut, nothing), 1):
                await trouble(line)
                await an_hour_passes(night, alice, bob, hour)
        await line.aclose()
    growth = {name: count for name, count in (classes() - known).items() if count > HOURS}
    assert growth == {}


async def nothing(line: Line) -> None:
    """Nothing happens."""


async def a_cut(line: Line) -> None:
    """The network is away for three seconds; the server waits for a minute (XEP-0198)."""
    line.refuses = True
    line.cut()
    await asyncio.sleep(3)
    line.refuses = False
    await asyncio.sleep(5)


async def silence(line: Line) -> None:
    """The network swallows everything without a word, which only a ping that nobody answers can tell."""
    line.is_stuck = True
    dialled = line.dialled
    await asyncio.sleep(KEEPALIVE_INTERVAL + KEEPALIVE_TIMEOUT + 1)
    line.is_stuck = False
    line.cut()
    await asyncio.sleep(30)
    assert line.dialled > dialled


async def an_outage(line: Line) -> None:
    """Ten minutes without a network: the server has given us up, and we log in anew."""
    line.refuses = True
    line.cut()
    await asyncio.sleep(600)
    line.refuses = False
    await asyncio.sleep(30)


async def an_hour_passes(night: Night, alice: jingle.Peer, bob: jingle.Peer, number: int) -> None:
    """Nobody calls but once; relays are wanted every two minutes, and others come and go."""
    pings, asked = night.pings, night.relays.asked
    for minute in range(0, 60, 2):
        (relay,) = await bob.pump.services.ice_servers()
        assert relay.username is not None
        assert datetime.fromisoformat(relay.username).timestamp() > time.time() + 30
        others(bob, f"{number}-{minute}")
        await asyncio.sleep(120)
    assert (night.pings - pings) in range(50, 62)
    assert night.relays.asked - asked <= HOUR / (min(DEFAULT_LIFETIME, CREDENTIALS) - 60) + 1
    assert len(bob.pump.discovery._online) <= MAX_KNOWN_DEVICES
    await night.reach(alice, bob)
    assert bob.pump.sessions == {}
    assert {event.name for event in night.told} <= {"online", "missed", "incoming", "ringing", "ended"}
    night.told.clear()


def others(bob: jingle.Peer, number: str) -> None:
    """What comes of others in two minutes: devices that come and never go, and calls of long ago."""
    for device in range(MAX_KNOWN_DEVICES // 25):
        presence = bob.pump.binding.xmpp.make_presence(pfrom=f"carol@elsewhere.example/{number}-{device}")
        bob.pump.discovery._take_presence(presence)
    for call in range(5):
        propose = Propose(id=f"{number}-{call}", descriptions=(RtpDescription(media="audio"),))
        bob.pump.proposals.receive(
            ReceivedMessage(
                sender="alice@localhost/x",
                recipient="bob@localhost",
                id="m",
                type="chat",
                payloads=(propose,),
                age=HOUR,
            )
        )


def classes() -> Counter[str]:
    """How many objects there are of each class of ours and of slixmpp."""
    gc.collect()
    found = (type(each) for each in gc.get_objects())
    return Counter(each.__qualname__ for each in found if str(each.__module__).startswith(("jingle", "slixmpp")))
