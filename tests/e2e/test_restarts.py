"""Networks that change during a call: two machines with a cable between them, whose addresses come and go."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from tests.servers.accounts import PASSWORD
from tests.servers.doorway import doorways
from tests.servers.namespace import change_address, linked_networks, run

from .commands import Command, Event
from .conftest import World
from .endings import both_connected, now
from .sound import longest_silence

pytestmark = pytest.mark.timeout(90)

GAP = 0.2
"""Seconds of silence at most where the old path works until the new one does."""

RECONNECTED = 3.0
"""Seconds from when there is a new path until it is in use, where the old one works no more."""

SETTLED = 1.0
"""Seconds of sound before anything happens to it."""


class Machines(NamedTuple):
    """What goes before a command to run it on either."""

    alice: list[str]
    bob: list[str]


@pytest.fixture
def machines() -> Iterator[Machines]:
    """Two machines on one network, each with an address of both families."""
    first, second = ("192.0.2.1/24", "2001:db8::1/64"), ("192.0.2.2/24", "2001:db8::2/64")
    with linked_networks(first, second) as (one, other):
        yield Machines(one, other)


async def changed(command: Command, state: str, *, after: float) -> Event:
    """The first `network` event with this state after a moment."""
    async with asyncio.timeout(20):
        while not (found := [each for each in command.told("network", state=state) if each["time"] > after]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found[0]


async def in_call(world: World, machines: Machines) -> tuple[Command, Command]:
    """Alice and bob talk, each hears a tone and records it."""
    bob = await world.answer("--once", "--play", "tone", "--record", "bob.wav", prefix=machines.bob)
    alice = await world.call("--play", "tone", "--record", "alice.wav", prefix=machines.alice)
    await both_connected(alice, bob)
    await asyncio.sleep(SETTLED)
    return alice, bob


async def hang_up(alice: Command, bob: Command) -> None:
    await asyncio.sleep(SETTLED)
    alice.interrupt()
    for side, status in ((alice, 130), (bob, 0)):
        assert (await side.event("ended"))["reason"] == "success", side
        assert await side.exit() == status, side


ALLOWED = {
    "caller": [{"caller": "addresses", "callee": "peer"}],
    "callee": [{"caller": "peer", "callee": "addresses"}],
}
ALLOWED["both"] = [*ALLOWED["caller"], *ALLOWED["callee"], {"caller": "addresses", "callee": "addresses"}]


@pytest.mark.parametrize("who", sorted(ALLOWED))
async def test_another_address_comes(on_loopback: World, machines: Machines, who: str) -> None:
    """The call moves over without anybody hearing it."""
    world = on_loopback
    async with doorways(machines.alice, world.server.port), doorways(machines.bob, world.server.port):
        alice, bob = await in_call(world, machines)
        began = now()
        if who != "callee":
            change_address(machines.alice, "add", "192.0.2.77/24")
        if who != "caller":
            change_address(machines.bob, "add", "192.0.2.78/24")
        calls = {"caller": alice, "callee": bob}
        causes = {name: (await changed(side, "restarting", after=began))["cause"] for name, side in calls.items()}
        # Where both have one, the first to begin may be heard of by the other before it begins itself.
        assert causes in ALLOWED[who]
        for side in (alice, bob):
            assert (await changed(side, "restarted", after=began))["seconds"] < RECONNECTED, side
        await hang_up(alice, bob)
    for name in ("alice.wav", "bob.wav"):
        assert longest_silence(world.folder / name) <= GAP


async def test_all_addresses_go_and_another_comes(world: World, machines: Machines) -> None:
    """As on the way from one network into another: for a moment there is none."""
    async with doorways(machines.alice, world.server.port), doorways(machines.bob, world.server.port):
        alice, bob = await in_call(world, machines)
        for address in ("192.0.2.1/24", "2001:db8::1/64"):
            change_address(machines.alice, "del", address)
        await asyncio.sleep(1)
        began = now()
        change_address(machines.alice, "add", "192.0.2.77/24")
        for side in (alice, bob):
            restarted = await changed(side, "restarted", after=began)
            assert restarted["time"] - began < RECONNECTED
        await hang_up(alice, bob)
    for name in ("alice.wav", "bob.wav"):
        assert 1 - GAP < longest_silence(world.folder / name) < 1 + RECONNECTED


async def test_the_way_to_the_server_goes_too(world: World, machines: Machines) -> None:
    """Alice reaches the server by the address that she loses: the stream is resumed from the next one, and then the
    media find each other again."""
    port = world.server.port
    async with doorways(machines.bob, port), doorways(machines.bob, port, host="192.0.2.2"):
        bob = await world.answer("--once", "--play", "tone", prefix=machines.bob)
        account = ("--jid", world.alice, "--password", PASSWORD, "--ca-file", str(world.server.ca_file))
        way = ("--server", f"192.0.2.2:{port}")
        alice = await world.run(
            "call", world.bob, "--play", "tone", "--trace", "alice", *account, *way, prefix=machines.alice
        )
        await both_connected(alice, bob)
        await asyncio.sleep(SETTLED)
        for address in ("192.0.2.1/24", "2001:db8::1/64"):
            change_address(machines.alice, "del", address)
        await asyncio.sleep(0.5)
        began = now()
        change_address(machines.alice, "add", "192.0.2.77/24")
        for side in (alice, bob):
            assert (await changed(side, "restarted", after=began))["time"] - began < RECONNECTED, side
        await hang_up(alice, bob)
    states = [each["connection"] for each in world.trace("alice") if "connection" in each]
    assert states[:3] == ["online", "interrupted", "resumed"]


def ipv6_datagrams(prefix: Sequence[str]) -> int:
    """UDP datagrams that a machine has sent over IPv6 so far."""
    command = [*prefix, "cat", "/proc/net/snmp6"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Udp6OutDatagrams"))


async def test_a_way_that_breaks_without_a_word(on_loopback: World, machines: Machines) -> None:
    """The addresses stay, and nothing gets through: consent finds out, and the other family's way is taken."""
    world = on_loopback
    async with doorways(machines.alice, world.server.port), doorways(machines.bob, world.server.port):
        alice, bob = await in_call(world, machines)
        before = ipv6_datagrams(machines.alice)
        await asyncio.sleep(0.5)
        is_ipv6 = ipv6_datagrams(machines.alice) - before > 10
        began = now()
        ways = [(machines.alice, "2001:db8::2", "192.0.2.2"), (machines.bob, "2001:db8::1", "192.0.2.1")]
        for prefix, ipv6, ipv4 in ways:
            run(prefix, "ip", "route", "add", "blackhole", ipv6 if is_ipv6 else ipv4)
        restarted = await changed(alice, "restarted", after=began)
        assert restarted["cause"] in ("consent", "peer")
        assert (await changed(bob, "restarted", after=began))["cause"] in ("consent", "peer")
        await hang_up(alice, bob)
