"""Either side is killed at random points of a file; the next attempt goes on where it stopped."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from .commands import Command
from .conftest import World
from .files import arrived, make_file, only, receive, send, went_well

SIZES = {"s5b": 120_000_000, "ibb": 6_000_000}
"""Bytes that take long enough to be interrupted on the way, mostly."""

BUFFERED = 4_000_000
"""More than a receiver that lives on can still hold in memory."""

POINTS = {("loopback", "s5b"): 4, ("loopback", "ibb"): 2, ("prosody", "s5b"): 2, ("prosody", "ibb"): 2}
"""On each server, for each transport, with each side as the victim; and 8 in one file after another: 28 in all."""

FLUSH = 1.2
"""Seconds; more than those that a receiver keeps bytes to itself."""

TRIES = 5
"""A file may be there before the blow falls; then it is sent again."""


class Attempt:
    """Sends a file of which a part has to arrive and not all.

    Args:
        world: Where.
        transport: What carries it.
        size: Bytes of the file.
    """

    def __init__(self, world: World, transport: str, size: int) -> None:
        self.world = world
        self.file = make_file(world.folder / "file.bin", size)
        self.whole = world.folder / "inbox" / "file.bin"
        self.part = self.whole.with_name("file.bin.part")
        self._transport = transport
        self.options = ["--loopback", *only(transport)]
        self.bob: Command

    async def receive(self) -> None:
        """Start the receiver, always under the same name, so that the server does not keep a dead one beside it."""
        self.bob = await receive(self.world, "--loopback", as_jid=f"{self.world.bob}/desk")

    async def kill(self, victim: str, share: float, *options: str) -> int:
        """Send the file and kill a side once so much of it is there; return the bytes that are left of it."""
        before = self.part.read_bytes() if self.part.exists() else None
        sidecar = self.part.with_name("file.bin.part.json")
        known = sidecar.read_bytes() if before is not None else b""
        for _ in range(TRIES):
            alice = await send(self.world, *self.options, *options, self.file.name)
            await self.grown(int(self.file.stat().st_size * share), alice)
            if victim == "sender":
                await alice.kill()
                await asyncio.sleep(FLUSH)
            else:
                await self.bob.kill()
                await self._leave(alice)
                await self.receive()
            if not self.whole.exists():
                return self.part.stat().st_size
            self.whole.unlink()
            if before is not None:
                self.part.write_bytes(before)
                sidecar.write_bytes(known)
        raise AssertionError("it was always too fast to be interrupted")

    async def grown(self, least: int, alice: Command) -> None:
        """Wait until so many bytes of the unfinished file are there, or all of it."""
        async with asyncio.timeout(60):
            while not self.whole.exists() and (not self.part.exists() or self.part.stat().st_size < least):
                assert not alice.told("error"), alice
                await asyncio.sleep(0.001)

    async def _leave(self, alice: Command) -> None:
        """End a sender whose receiver has died: by IBB nothing need tell it so for long.

        A server keeps the connection of a dead client for whoever wants to resume it (XEP-0198).
        """
        expected = {0, 4, 5, 6} if self.whole.exists() else {4, 5, 6}
        if self._transport == "ibb":
            alice.interrupt()
            expected.add(130)
        assert await alice.exit() in expected, alice


def offset_asked_for(world: World, trace: str) -> int:
    """Where the receiver's answer in a sender's trace wants the file to begin."""
    (accept,) = [
        line["stanza"]
        for line in world.trace(trace)
        if line.get("direction") == "<" and "session-accept" in line.get("stanza", "")
    ]
    found = re.search(r"<(?:\w+:)?range[^>]*offset=['\"](\d+)", accept)
    return int(found[1]) if found else 0


@pytest.mark.timeout(150)
@pytest.mark.parametrize("victim", ["sender", "receiver"])
@pytest.mark.parametrize("transport", sorted(SIZES))
async def test_killed(world: World, transport: str, victim: str) -> None:
    server = "prosody" if world.server.proxy_port is not None else "loopback"
    chance = random.Random(f"{server} {transport} {victim}")
    attempt = Attempt(world, transport, SIZES[transport])
    await attempt.receive()
    for _ in range(POINTS[server, transport]):
        begun = await attempt.kill(victim, chance.uniform(0.01, 0.7))
        assert 0 < begun < SIZES[transport]
        again = await send(world, *attempt.options, "--trace", "again", attempt.file.name)
        await went_well(again, attempt.bob)
        arrived(world, again, attempt.bob, attempt.file)
        # A receiver that lives has stored what it still held in memory by the time it answers.
        asked_for = offset_asked_for(world, "again")
        assert begun <= asked_for < SIZES[transport] if victim == "sender" else asked_for == begun
        assert again.told("progress")[0]["bytes"] >= begun
        assert sorted(path.name for path in attempt.whole.parent.iterdir()) == ["file.bin"]
        attempt.whole.unlink()
        (world.folder / "again").unlink()
    attempt.bob.interrupt()
    assert await attempt.bob.exit() == 130


@pytest.mark.timeout(150)
@pytest.mark.parametrize("transport", sorted(SIZES))
async def test_killed_again_and_again(on_loopback: World, transport: str) -> None:
    """One file in five attempts, of which the sender and the receiver die in turn."""
    world = on_loopback
    attempt = Attempt(world, transport, SIZES[transport])
    await attempt.receive()
    begun = 0
    for number in range(1, 5):
        share = begun / SIZES[transport] + 0.12
        now = await attempt.kill("sender" if number % 2 else "receiver", share, "--trace", f"attempt{number}")
        assert begun <= offset_asked_for(world, f"attempt{number}") < begun + BUFFERED
        begun = now
    last = await send(world, *attempt.options, "--trace", "last", attempt.file.name)
    await went_well(last, attempt.bob)
    assert begun <= offset_asked_for(world, "last") < begun + BUFFERED
    arrived(world, last, attempt.bob, attempt.file)
    attempt.bob.interrupt()
    assert await attempt.bob.exit() == 130


@pytest.mark.timeout(90)
@pytest.mark.parametrize("first", ["sender", "receiver"])
async def test_interrupted_and_continued(on_loopback: World, first: str) -> None:
    """After Ctrl-C on either side the next attempt goes on, too; and by another transport."""
    world = on_loopback
    attempt = Attempt(world, "ibb", 12_000_000)
    await attempt.receive()
    alice = await send(world, *attempt.options, attempt.file.name)
    await attempt.grown(1_000_000, alice)
    interrupted, other = (alice, attempt.bob) if first == "sender" else (attempt.bob, alice)
    interrupted.interrupt()
    assert await interrupted.exit() == 130
    await other.event("ended")
    if first == "receiver":
        assert await alice.exit() == 4
        await attempt.receive()
    begun = attempt.part.stat().st_size
    again = await send(world, "--loopback", "--trace", "again", *only("s5b"), attempt.file.name)
    await went_well(again, attempt.bob)
    assert begun <= offset_asked_for(world, "again") < begun + BUFFERED
    arrived(world, again, attempt.bob, attempt.file)
    attempt.bob.interrupt()
    assert await attempt.bob.exit() == 130


async def test_a_changed_file_begins_anew(on_loopback: World) -> None:
    """What is there of the old one is not touched."""
    world = on_loopback
    attempt = Attempt(world, "ibb", 12_000_000)
    await attempt.receive()
    alice = await send(world, *attempt.options, attempt.file.name)
    await attempt.grown(1_000_000, alice)
    alice.interrupt()
    assert await alice.exit() == 130
    await attempt.bob.event("ended")
    begun = attempt.part.read_bytes()
    new = make_file(attempt.file, 11_000_000)
    again = await send(world, "--loopback", "--trace", "again", attempt.file.name)
    await went_well(again, attempt.bob)
    assert offset_asked_for(world, "again") == 0
    assert attempt.whole.read_bytes() == new.read_bytes()
    assert attempt.part.read_bytes() == begun
