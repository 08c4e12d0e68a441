"""Calls on difficult ground: dead STUN servers, machines with few addresses, XMPP connections that break."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.accounts import HIBERNATION
from tests.servers.loopback import loopback
from tests.servers.namespace import network
from tests.servers.prosody import prosody

from .commands import SPEECH, Command, Commands, clean_environment
from .conftest import REAL, World, over
from .endings import both_connected, ended, ended_well, now
from .proxy import Proxy, proxy
from .sound import assert_heard, longest_silence

GAP = 0.2
"""Seconds of silence that nobody minds; nothing should be lost here, but a busy machine may be late."""

HANG_UP = 5.0
"""Seconds until a hang-up is heard where only the end of the media tells of it."""


@pytest.fixture
def swallowing() -> Iterator[int]:
    """A UDP port that takes everything and answers nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield server.getsockname()[1]


def at(lines: list[dict[str, Any]], direction: str, *words: str) -> float:
    """When the first stanza with these words went this way."""
    for line in lines:
        if line.get("direction") == direction and all(word in line["stanza"] for word in words):
            return float(line["time"])
    raise AssertionError(f"no {words} {direction}")


@pytest.mark.parametrize("kind", ["stun", "turn"])
async def test_a_dead_server_delays_nothing(world: World, swallowing: int, kind: str) -> None:
    dead = {
        "stun": ("--stun", f"127.0.0.1:{swallowing}"),
        "turn": ("--turn", f"turn:user:pass@127.0.0.1:{swallowing}"),
    }[kind]
    bob = await world.answer("--once", "--trace", "bob", *dead)
    alice = await world.call("--seconds", "0.3", "--trace", "alice", *dead)
    connected = await both_connected(alice, bob)
    assert max(event["setup"] for event in connected) < 1
    await ended_well(alice, bob)
    lines = world.trace("alice")
    assert at(lines, ">", "session-initiate") - at(lines, "<", "<proceed") < 0.3
    lines = world.trace("bob")
    assert at(lines, ">", "session-accept") - at(lines, "<", "session-initiate") < 0.3


# The machine's addresses


@pytest.fixture
def alone(run: Commands, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[World, list[str]]]:
    """A world in a network with loopback and the addresses of the test's parameter."""
    with network(*getattr(request, "param", ())) as prefix, loopback(tmp_path, prefix=prefix) as server:
        yield World(server, run), prefix


async def call_in(world: World, prefix: list[str], *options: str) -> list[dict[str, Any]]:
    """A short call; the stanzas that the caller sent and got come back."""
    bob = await world.answer("--once", prefix=prefix)
    alice = await world.call("--seconds", "0.3", "--trace", "alice", *options, prefix=prefix)
    for event in await both_connected(alice, bob):
        assert (event["local_candidate"], event["remote_candidate"]) == ("host", "host")
    await ended_well(alice, bob)
    return world.trace("alice")


def offered(lines: list[dict[str, Any]]) -> str:
    """The session-initiate."""
    return next(str(line["stanza"]) for line in lines if "session-initiate" in line.get("stanza", ""))


async def test_a_machine_with_loopback_only(alone: tuple[World, list[str]]) -> None:
    offer = offered(await call_in(*alone))
    assert "127.0.0.1" in offer
    assert "::1" in offer


@pytest.mark.parametrize("alone", [("192.0.2.77/32",)], indirect=True)
async def test_a_machine_with_ipv4_only(alone: tuple[World, list[str]]) -> None:
    offer = offered(await call_in(*alone))
    assert "192.0.2.77" in offer
    assert "127.0.0.1" not in offer


@pytest.mark.parametrize("alone", [("2001:db8::77/128",)], indirect=True)
async def test_a_machine_with_ipv6_only(alone: tuple[World, list[str]]) -> None:
    offer = offered(await call_in(*alone))
    assert "2001:db8::77" in offer
    assert "127.0.0.1" not in offer


@pytest.mark.parametrize("alone", [("192.0.2.77/32", "2001:db8::77/128")], indirect=True)
async def test_a_machine_with_both_and_loopback_on_demand(alone: tuple[World, list[str]]) -> None:
    offer = offered(await call_in(*alone, "--loopback"))
    for address in ("192.0.2.77", "2001:db8::77", "127.0.0.1", "::1"):
        assert f'ip="{address}"' in offer.replace("'", '"')


@pytest.mark.timeout(120)
async def test_the_demo_on_a_machine_with_loopback_only(tmp_path: Path) -> None:
    with network() as prefix:
        command = [*prefix, sys.executable, "-m", "jingle", "demo", "--out", str(tmp_path / "demo")]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path, env=clean_environment()
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert "Traceback" not in output.decode()
    assert list((tmp_path / "demo").iterdir())


# The XMPP connection


@pytest.fixture
async def line(world: World) -> AsyncIterator[Proxy]:
    """What is between alice and her server."""
    async with proxy(world.server.port) as carrier:
        yield carrier


async def call_over(world: World, line: Proxy, *options: str) -> Command:
    """Alice calls by way of the proxy."""
    account = ("--jid", world.alice, "--password", "secret", "--ca-file", str(world.server.ca_file))
    server = ("--server", f"127.0.0.1:{line.port}")
    return await world.run("call", world.bob, *options, *account, *server)


async def test_media_goes_on_while_the_connection_is_lost(world: World, line: Proxy) -> None:
    """Cut in the middle of the speech, the stream is resumed (XEP-0198), and the hang-up at its end arrives."""
    bob = await world.answer("--once", "--record", "heard.wav")
    alice = await call_over(world, line, "--play", str(SPEECH), "--trace", "alice")
    await both_connected(alice, bob)
    await asyncio.sleep(2)
    line.cut()
    await asyncio.sleep(2)
    line.mend()
    await ended_well(alice, bob)
    assert line.accepted >= 2
    assert [each["connection"] for each in world.trace("alice") if "connection" in each][:3] == [
        "online",
        "interrupted",
        "resumed",
    ]
    event = bob.told("ended")[0]
    assert event["stats"]["audio"]["packets_received"] > 480
    assert event["stats"]["audio"]["packets_lost"] == 0
    assert_heard(world.folder / "heard.wav", SPEECH)


@pytest.mark.server
async def test_a_connection_is_lost_for_longer_than_the_server_waits(on_prosody: World) -> None:
    """Bob is told that alice is gone and hears that she is not; she comes back under her address, and hangs up."""
    world = on_prosody
    async with proxy(world.server.port) as line:
        bob = await world.answer("--once", "--play", "tone", "--record", "bob.wav")
        alice = await call_over(world, line, "--play", "tone", "--record", "alice.wav", "--trace", "trace")
        await both_connected(alice, bob)
        await asyncio.sleep(0.5)
        line.cut()
        await asyncio.sleep(HIBERNATION + 2)
        line.mend()
        await connection(world, "trace", "restarted")
        await hang_up(alice, bob)
    for name in ("alice.wav", "bob.wav"):
        assert longest_silence(world.folder / name) <= GAP


@pytest.mark.server
async def test_a_server_dies_and_comes_back(run: Commands, tmp_path: Path) -> None:
    """It has forgotten both streams; the call has not, and can be hung up as if nothing had been."""
    with prosody(tmp_path / "prosody") as server:
        world = World(server, run)
        bob = await world.answer("--once", "--play", "tone", "--record", "bob.wav", "--trace", "bob")
        alice = await world.call("--play", "tone", "--record", "alice.wav", "--trace", "alice")
        await both_connected(alice, bob)
        await asyncio.sleep(0.5)
        server.process.kill()
        server.process.wait()
        await asyncio.sleep(2)
        server.start()
        for name in ("alice", "bob"):
            await connection(world, name, "restarted")
        await hang_up(alice, bob)
    for name in ("alice.wav", "bob.wav"):
        assert longest_silence(world.folder / name) <= GAP


@pytest.mark.server
async def test_a_server_dies_for_good(run: Commands, tmp_path: Path) -> None:
    """Nothing can be said any more: a hang-up is heard by the end of the media, at once."""
    with prosody(tmp_path / "prosody") as server:
        world = World(server, run)
        bob = await world.answer("--once", "--play", "tone")
        alice = await world.call("--play", "tone")
        await both_connected(alice, bob)
        server.process.kill()
        server.process.wait()
        await asyncio.sleep(2)
        assert not alice.told("ended") + bob.told("ended")
        since = alice.interrupt()
        assert (await alice.event("ended"))["reason"] == "success"
        await ended(bob, "connectivity-error", since=since, exit=5, within=HANG_UP)
        assert await alice.exit() == 130


async def connection(world: World, trace: str, state: str) -> None:
    """Wait until the trace tells this of the connection."""
    async with asyncio.timeout(20):
        while state not in [each.get("connection") for each in world.trace(trace)]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def hang_up(alice: Command, bob: Command) -> None:
    """Alice does; both call it a success."""
    alice.interrupt()
    for side, status in ((alice, 130), (bob, 0)):
        assert (await side.event("ended"))["reason"] == "success", side
        assert await side.exit() == status, side


@over("loopback", *REAL[:2])
async def test_a_hang_up_while_the_connection_is_lost_arrives_later(world: World, line: Proxy) -> None:
    bob = await world.answer("--once")
    alice = await call_over(world, line, "--play", "silence", "--seconds", "1.5")
    _, connected = await both_connected(alice, bob)
    line.cut()
    await asyncio.sleep(max(0.0, connected["time"] + 1.2 - now()))
    line.mend()
    await ended(bob, "success", since=connected["time"] + 1.5, exit=0, within=3)
    assert await alice.exit() == 0
    assert alice.told("ended")[0]["reason"] == "success"
