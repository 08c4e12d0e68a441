"""What both ends of a call count, in two processes: what one sent the other received, within two parts in a hundred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from .conftest import World
from .endings import both_connected, ended_well

AGREE = 0.02
TALK = "6"
"""Seconds: rates are those of five, and packets on their way at the end are few among so many."""


def assert_agree(sender: Mapping[str, Any], receiver: Mapping[str, Any], *, frames: bool = False) -> None:
    """What was sent is what was received, in packets, bytes and rates."""
    assert sender["packets_sent"] > 100
    assert receiver["packets_received"] == pytest.approx(sender["packets_sent"], rel=AGREE)
    assert receiver["bytes_received"] == pytest.approx(sender["bytes_sent"], rel=AGREE)
    assert receiver["bit_rate_received"] == pytest.approx(sender["bit_rate_sent"], rel=AGREE)
    assert sender["bit_rate_sent"] > 1000
    lost = receiver["packets_lost"], sender["packets_lost_by_peer"]
    assert max(lost) <= AGREE * sender["packets_sent"]
    assert abs(lost[0] - lost[1]) <= AGREE * sender["packets_sent"]
    assert 0 <= receiver["jitter"] < 0.1
    assert 0 <= receiver["rtt"] < 0.5
    if frames:
        assert receiver["frames_received"] == pytest.approx(sender["frames_sent"], rel=AGREE, abs=2)
        assert receiver["frame_rate_received"] == pytest.approx(sender["frame_rate_sent"], rel=AGREE, abs=0.5)
        assert receiver["size_received"] == sender["size_sent"]
        assert min(sender["size_sent"]) > 100


async def test_both_ends_count_the_same(on_loopback: World) -> None:
    bob = await on_loopback.answer("--once", "--play", "tone", "--report", "bob.html")
    alice = await on_loopback.call("--seconds", TALK, "--play", "tone", "--report", "alice.html")
    await both_connected(alice, bob)
    await ended_well(alice, bob)
    for side, other in ((alice, bob), (bob, alice)):
        page = (on_loopback.folder / f"{'alice' if side is alice else 'bob'}.html").read_text()
        assert f"Call with {other.events[0]['jid']}" in page
        assert page.count("<svg") == 4
        assert page.count("<polyline") >= 6
    ours, theirs = (side.told("ended")[0]["stats"]["audio"] for side in (alice, bob))
    assert_agree(ours, theirs)
    assert_agree(theirs, ours)
    for side in (alice, bob):
        told = side.told("stats")
        assert told, side
        assert {"bit_rate_sent", "bit_rate_received", "jitter", "rtt", "packets_lost_by_peer"} <= set(told[0]["audio"])


async def test_a_report_of_a_call_that_is_interrupted(on_loopback: World) -> None:
    bob = await on_loopback.answer("--once")
    alice = await on_loopback.call("--report", "report.html")
    await both_connected(alice, bob)
    alice.interrupt()
    assert await alice.exit() == 130
    assert await bob.exit() == 0
    assert "success" in (on_loopback.folder / "report.html").read_text()


async def test_a_report_that_cannot_be_written_rings_nobody(on_loopback: World) -> None:
    bob = await on_loopback.answer("--once")
    alice = await on_loopback.call("--report", "nowhere/report.html")
    assert await alice.exit() == 2
    (error,) = alice.told("error")
    assert "nowhere/report.html" in error["text"]
    assert bob.names() == ["online"]


async def test_pictures_too(on_loopback: World) -> None:
    bob = await on_loopback.answer("--once", "--video", "test")
    alice = await on_loopback.call("--seconds", TALK, "--video", "test")
    await both_connected(alice, bob)
    await ended_well(alice, bob)
    ours, theirs = (side.told("ended")[0]["stats"] for side in (alice, bob))
    for medium in ("audio", "video"):
        assert_agree(ours[medium], theirs[medium], frames=medium == "video")
        assert_agree(theirs[medium], ours[medium], frames=medium == "video")
