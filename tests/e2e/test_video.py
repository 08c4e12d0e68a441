"""Calls with pictures between two processes."""

from __future__ import annotations

from .conftest import World
from .endings import ended_well


async def test_a_test_card_is_seen_at_the_other_end(world: World) -> None:
    bob = await world.answer("--once")
    alice = await world.call("--video", "test", "--seconds", "2")
    for command in (alice, bob):
        connected = await command.event("connected")
        assert connected["media"] == ["audio", "video"]
    await ended_well(alice, bob)
    sent, received = (command.told("ended")[0]["stats"]["video"] for command in (alice, bob))
    assert received["frames_received"] > 20
    assert received["size_received"] == sent["size_sent"] == [640, 480]
    assert sent["packets_received"] == received["packets_sent"] == 0
