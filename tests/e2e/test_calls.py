"""A call between two processes: what one plays is what the other hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .commands import SPEECH, Commands, commands
from .conftest import REAL, World, over
from .endings import ended_well
from .sound import assert_heard


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Commands]:
    """Here every command is started as a user starts it."""
    async with commands(tmp_path) as started:
        yield started


@over("loopback", *REAL[:3])
async def test_the_callee_hears_what_the_caller_plays(world: World) -> None:
    bob = await world.answer("--once", "--record", "heard.wav")
    alice = await world.call("--play", str(SPEECH))
    connected = await alice.event("connected")
    assert connected["kind"] == "call"
    assert connected["media"] == ["audio"]
    assert connected["transport"] == "ice-udp"
    assert connected["security"] == "dtls"
    assert 0 <= connected["setup"] < 2
    await ended_well(alice, bob)
    assert alice.names() == ["online", "ringing", "connected", "ended"]
    assert bob.names() == ["online", "incoming", "connected", "ended"]
    assert len(alice.told("stats")) == 2  # 10 s, one every 5 s
    assert_heard(world.folder / "heard.wav", SPEECH)


async def test_the_caller_hears_what_the_callee_plays(world: World) -> None:
    bob = await world.answer("--once", "--play", str(SPEECH))
    alice = await world.call("--record", "heard.ogg")
    await ended_well(alice, bob)
    assert_heard(world.folder / "heard.ogg", SPEECH)


async def test_keys_are_pressed_before_anything_else(on_loopback: World) -> None:
    bob = await on_loopback.answer("--once")
    alice = await on_loopback.call("--dtmf", "19#D", "--seconds", "0.3")
    await ended_well(alice, bob)
    assert [event["digit"] for event in bob.told("dtmf")] == ["1", "9", "#", "D"]
