"""--relay-only through a real coturn: whoever asks for it shows no address of his own to anybody."""

from __future__ import annotations

import ipaddress
import re
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from aioice.ice import get_host_addresses

from tests.servers.coturn import RELAY, Coturn
from tests.servers.doorway import doorways
from tests.servers.namespace import network

from .commands import SPEECH
from .conftest import REAL, World, over
from .endings import both_connected, ended_well, playable
from .sound import assert_heard

pytestmark = pytest.mark.server

_TYPES = re.compile(r"""type=["'](host|srflx|prflx|relay)["']""")
_WORDS = re.compile(r"""[\s"'<>=]+""")


def addresses_in(lines: list[dict[str, Any]]) -> set[str]:
    """Every IP address in what was sent."""
    found = set()
    for line in lines:
        if line.get("direction") == ">":
            for word in _WORDS.split(line["stanza"]):
                try:
                    found.add(str(ipaddress.ip_address(word)))
                except ValueError:
                    continue
    return found


def assert_shows_the_relay_alone(lines: list[dict[str, Any]]) -> None:
    sent = "".join(line["stanza"] for line in lines if line.get("direction") == ">")
    assert set(_TYPES.findall(sent)) == {"relay"}
    shown = addresses_in(lines)
    assert RELAY in shown
    assert shown <= {RELAY, "0.0.0.0"}  # in place of the related address (RFC 8839 section 5.1)
    assert not shown & {*get_host_addresses(True, True), "127.0.0.1", "::1"}


@pytest.mark.parametrize("who", ["caller", "callee"])
async def test_the_whole_speech_through_a_relay(world: World, turn_server: Coturn, who: str) -> None:
    """Prosody hands out the relay (XEP-0215); on the other server it is named by option."""
    named = () if world.server.offers_relay else ("--turn", turn_server.url())
    relayed = ("--relay-only", "--trace", "trace", *named)
    bob = await world.answer("--once", "--record", "heard.wav", *(relayed if who == "callee" else ()))
    alice = await world.call("--play", str(SPEECH), *(relayed if who == "caller" else ()))
    ours, theirs = await both_connected(*((alice, bob) if who == "caller" else (bob, alice)))
    assert ours["local_candidate"] == "relay"
    # The other side sees the relay too, before or after it was told of it.
    assert theirs["remote_candidate"] in ("relay", "prflx")
    assert theirs["local_candidate"] != "relay"
    await ended_well(alice, bob)
    assert_shows_the_relay_alone(world.trace("trace"))
    assert_heard(world.folder / "heard.wav", SPEECH)


@over(*REAL)
async def test_both_through_relays(world: World) -> None:
    """Each has it from the own server."""
    bob = await world.answer("--once", "--relay-only", "--trace", "bob")
    alice = await world.call("--seconds", "0.5", "--relay-only", "--trace", "alice")
    for event in await both_connected(alice, bob):
        assert event["local_candidate"] == "relay"
    await ended_well(alice, bob)
    for name in ("alice", "bob"):
        assert_shows_the_relay_alone(world.trace(name))


@over(*REAL[:3])
async def test_apart(world: World, turn_server: Coturn) -> None:
    """Two networks between which nothing goes but through the servers and the relay that they hand out.

    Each learns by STUN (XEP-0215 too) how it is seen from outside, which leads nowhere: the translation lets in only
    what was asked for. They have no address but loopback: coturn 4.6 falls silent for good once it was asked to send
    from its own to another one.
    """
    ports = [each.port for each in world.servers]
    with ExitStack() as networks:
        places = [networks.enter_context(network()) for _ in range(2)]
        async with AsyncExitStack() as doors:
            for place in places:
                await doors.enter_async_context(doorways(place, *ports, udp=[turn_server.port]))
            bob = await world.answer(
                "--once", "--play", "tone", "--record", "bob.wav", "--trace", "bob", prefix=places[1]
            )
            alice = await world.call(
                *("--play", "tone", "--seconds", "1.5", "--record", "alice.wav", "--trace", "alice"), prefix=places[0]
            )
            for event in await both_connected(alice, bob):
                assert "relay" in (event["local_candidate"], event["remote_candidate"])
            await ended_well(alice, bob)
    for name in ("alice", "bob"):
        sent = "".join(line["stanza"] for line in world.trace(name) if line.get("direction") == ">")
        assert set(_TYPES.findall(sent)) == {"host", "srflx", "relay"}
        assert RELAY in addresses_in(world.trace(name))
        playable(world.folder / f"{name}.wav", least=1)


async def test_without_a_relay_there_is_no_call(on_loopback: World) -> None:
    """No way is a better answer than an address."""
    bob = await on_loopback.answer("--once")
    alice = await on_loopback.call("--relay-only", "--trace", "trace")
    assert await alice.exit() == 5
    assert alice.told("connected") == []
    (error,) = alice.told("error")
    assert "--turn" in error["advice"]
    assert addresses_in(on_loopback.trace("trace")) == set()
    assert await bob.exit() == 5
    assert bob.told("ended")[0]["reason"] in ("connectivity-error", "failed-transport")


def test_the_oracle_finds_addresses(tmp_path: Path) -> None:
    lines = [{"direction": ">", "stanza": "<a ip='192.0.2.1'><b>fd00::1</b></a>"}, {"direction": "<", "stanza": "::2"}]
    assert addresses_in(lines) == {"192.0.2.1", "fd00::1"}
