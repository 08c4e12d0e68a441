"""A file in the stream itself, through a server that lets clients send no more than most servers do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.prosody import Prosody, prosody

from .commands import Commands
from .conftest import World
from .files import arrived, make_file, only, receive, send, went_well

RATE = 10_000
"""Bytes a second that Prosody lets a client send."""

SIZE = 100_000


@pytest.fixture
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    with prosody(tmp_path_factory.mktemp("limited"), is_limited=True) as server:
        yield server


@pytest.mark.server
@pytest.mark.timeout(120)
async def test_a_pace_that_servers_limits_survive(limited: Prosody, run: Commands) -> None:
    """It takes its time, nobody is cut off, and what else the two have to say gets through meanwhile."""
    world = World(limited, run)
    file = make_file(world.folder / "file.bin", SIZE)
    bob = await receive(world, "--loopback")
    alice = await send(world, "--loopback", *only("ibb"), "--trace", "alice", file.name)
    connected = await alice.event("connected", timeout=30)
    assert connected["transport"] == "ibb"
    await went_well(alice, bob, timeout=90)
    arrived(world, alice, bob, file)
    (sent,) = alice.told("sent")
    # Base64 makes four bytes of three; what was let through at once at first is a few seconds' worth.
    assert sent["seconds"] > SIZE * 4 / 3 / RATE - 6, "it was not limited at all"
    states = [line["connection"] for line in world.trace("alice") if "connection" in line]
    assert states[0] == "online"
    assert not {"interrupted", "resumed", "restarted"} & set(states)
    bob.interrupt()
    assert await bob.exit() == 130
