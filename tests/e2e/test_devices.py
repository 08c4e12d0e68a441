"""Several devices of two accounts: what rings stops on all, and what nobody took was missed, with its time."""

from __future__ import annotations

import asyncio
import time

import pytest

from .conftest import REAL, World, over
from .endings import both_connected, ended

LONG = "60"


@over("loopback", *REAL[:3])
async def test_declined_on_one_device(world: World) -> None:
    """Of three devices one declines, and the other two stop (XEP-0353 section 3.5)."""
    rings = {"desk": LONG, "tablet": LONG, "phone": "0.3"}
    desk, tablet, phone = [
        await world.answer("--ring", seconds, "--decline", as_jid=f"{world.bob}/{name}")
        for name, seconds in rings.items()
    ]
    alice = await world.call()
    declined = await phone.event("ended", reason="decline")
    await ended(alice, "decline", since=declined["time"], exit=4)
    assert len(alice.told("ringing")) == 3
    for device in (desk, tablet):
        over = await device.event("ended")
        assert (over["reason"], over["text"]) == ("cancel", "declined on another device")
        assert abs(over["time"] - declined["time"]) < 2
    for device in (desk, tablet, phone):
        device.interrupt()
        assert await device.exit() == 130
        assert device.names() == ["online", "incoming", "ended"]


@over("loopback", *REAL[:3])
async def test_missed_on_every_device(world: World) -> None:
    """The caller, who has two devices as well, gives up."""
    other = await world.answer("--once", as_jid=f"{world.alice}/other")
    devices = [await world.answer("--ring", LONG, as_jid=f"{world.bob}/{name}") for name in ("desk", "tablet", "phone")]
    alice = await world.call(as_jid=f"{world.alice}/caller")
    came = [await device.event("incoming") for device in devices]
    stopped = alice.interrupt()
    await ended(alice, "cancel", since=stopped, exit=130)
    for device, incoming in zip(devices, came, strict=True):
        missed = await device.event("missed", sid=incoming["sid"])
        assert (missed["kind"], missed["peer"], missed["media"]) == ("call", f"{world.alice}/caller", ["audio"])
        assert missed["called_at"] == pytest.approx(incoming["time"], abs=1)
        assert device.names() == ["online", "incoming", "ended", "missed"]
    other.interrupt()
    assert await other.exit() == 130
    assert other.names() == ["online"]


@over("loopback", *REAL[:3])
async def test_the_other_devices_of_both_hear_of_a_call_and_nothing_else(world: World) -> None:
    """Three devices of bob's and two of alice's: one call, and nobody missed it."""
    bobs = {
        name: await world.answer("--ring", LONG if name != "phone" else "0.3", as_jid=f"{world.bob}/{name}")
        for name in ("desk", "tablet", "phone")
    }
    other = await world.answer("--once", as_jid=f"{world.alice}/other")
    alice = await world.call("--seconds", "0.5", as_jid=f"{world.alice}/caller")
    connected, theirs = await both_connected(alice, bobs["phone"])
    assert (connected["peer"], theirs["peer"]) == (f"{world.bob}/phone", f"{world.alice}/caller")
    await ended(alice, "success", since=connected["time"] + 0.5, exit=0)
    for name in ("desk", "tablet"):
        assert (await bobs[name].event("ended"))["text"] == "answered on another device"
    await bobs["phone"].event("ended", reason="success")
    for device in (*bobs.values(), other):
        device.interrupt()
        assert await device.exit() == 130
        assert "missed" not in device.names()
    assert other.names() == ["online"]


@over(*REAL[:3])
async def test_a_call_while_nobody_was_online(world: World) -> None:
    """The server keeps the proposal and what took it back: it does not ring when they come, and was missed."""
    began = time.time()
    alice = await world.call("--ring-timeout", "1.5")
    await ended(alice, "timeout", since=(await alice.event("online"))["time"] + 1.5, exit=4, within=5)
    await asyncio.sleep(1)
    bob = await world.answer()
    missed = await bob.event("missed")
    assert missed["peer"] == alice.events[0]["jid"]
    assert began - 1 < missed["called_at"] < alice.told("ended")[0]["time"]
    bob.interrupt()
    assert await bob.exit() == 130
    assert bob.names() == ["online", "missed"]
