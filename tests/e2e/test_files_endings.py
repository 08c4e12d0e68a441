"""How a transfer ends that does not end well: who says what, and what stays on the disk."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.conftest import require_program
from tests.servers.namespace import small_disk
from tests.servers.process import is_root

from .commands import Command
from .conftest import World
from .files import arrived, make_file, only, receive, send, went_well
from .peers import Peers

LONG = 60_000_000
"""Bytes that an in-band stream carries for so long that it can be interrupted at leisure."""


def over(command: Command) -> tuple[str, str | None]:
    """Reason and text of the one end that a command told."""
    (event,) = command.told("ended")
    return event["reason"], event["text"]


async def until_under_way(receiver: Command) -> None:
    """Wait until some of a file has come, and been told."""
    while not (told := receiver.told("progress")) or told[-1]["bytes"] == 0:  # noqa: ASYNC110 - events that come are no condition to wait for
        await asyncio.sleep(0.05)


async def under_way(world: World, *, size: int = LONG) -> tuple[Command, Command]:
    """A sender and a receiver in the middle of a file."""
    make_file(world.folder / "long.bin", size)
    bob = await receive(world)
    alice = await send(world, *only("ibb"), "long.bin")
    await until_under_way(bob)
    return alice, bob


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("side", ["sender", "receiver"])
async def test_interrupted(world: World, side: str, number: int) -> None:
    """The peer is told at once, and what has come stays for the next time."""
    if number is signal.SIGTERM and world.server.proxy_port is not None:
        return  # it is the same as SIGINT but for its number, which one server shows as well as two
    alice, bob = await under_way(world)
    first, other = (alice, bob) if side == "sender" else (bob, alice)
    since = first.interrupt(number)
    assert await first.exit() == 130, first
    event = await other.event("ended")
    assert event["reason"] == "cancel", other
    assert event["time"] - since < 2
    if side == "sender":
        bob.interrupt()
        assert await bob.exit() == 130
    else:
        assert await alice.exit() == 4, alice
        assert alice.told("error")[0]["condition"] == "cancel"
    for command in (alice, bob):
        assert len(command.told("ended")) == 1
        assert not command.told("sent") + command.told("received")
    part = world.folder / "inbox" / "long.bin.part"
    assert 0 < part.stat().st_size < LONG
    assert not (world.folder / "inbox" / "long.bin").exists()


async def test_interrupted_before_it_is_accepted(on_loopback: World) -> None:
    """The peer's device is there, and nobody looks at what it is offered."""
    world = on_loopback
    make_file(world.folder / "report.bin", 1000)
    async with Peers(world) as peers:
        bob = await peers.start("bob")
        bob.listen()
        alice = await send(world, "report.bin")
        offer = await asyncio.wait_for(anext(bob.incoming()), 30)
        alice.interrupt()
        assert await alice.exit() == 130
        assert (await asyncio.wait_for(offer.gone, 5))[0] == "cancel"
    assert over(alice)[0] == "cancel"


async def test_nobody_accepts(on_loopback: World) -> None:
    world = on_loopback
    make_file(world.folder / "report.bin", 1000)
    async with Peers(world) as peers:
        (await peers.start("bob")).listen()
        alice = await send(world, "report.bin", "--accept-timeout", "1")
        assert await alice.exit() == 4, alice
    assert over(alice) == ("timeout", "no answer")


async def test_declined(world: World) -> None:
    make_file(world.folder / "report.bin", 1000)
    async with Peers(world) as peers:
        bob = await peers.start("bob")
        bob.listen()
        alice = await send(world, "report.bin")
        offer = await asyncio.wait_for(anext(bob.incoming()), 30)
        await offer.decline("decline", "not today")
        assert await alice.exit() == 4, alice
    assert over(alice) == ("decline", "not today")
    (error,) = alice.told("error")
    assert error["condition"] == "decline"
    assert error["advice"]


async def test_too_large(world: World) -> None:
    """Both sides are told, and nothing of it is on the disk; what is small enough is taken."""
    large, small = make_file(world.folder / "large.bin", 10_001), make_file(world.folder / "small.bin", 10_000)
    bob = await receive(world, "--max-size", "10kB", "--loopback")
    alice = await send(world, "--loopback", "large.bin")
    assert await alice.exit() == 6, alice
    reason, text = over(alice)
    assert reason == "media-error"
    assert "10000" in (text or "")
    assert (await bob.event("error"))["condition"] == "media-error"
    assert not any((world.folder / "inbox").iterdir())
    both = await send(world, "--loopback", "large.bin", "small.bin")
    assert await both.exit() == 4, both
    assert both.told("error")[0]["condition"] == "decline"
    assert [event["name"] for event in both.told("sent")] == ["small.bin"]
    assert (world.folder / "inbox" / "small.bin").read_bytes() == small.read_bytes()
    assert [path.name for path in (world.folder / "inbox").iterdir()] == ["small.bin"]
    bob.interrupt()
    assert await bob.exit() == 130
    assert large.exists()


async def test_once_takes_what_one_offer_has(on_loopback: World) -> None:
    world = on_loopback
    files = [make_file(world.folder / f"{number}.bin", 1000 + number) for number in range(3)]
    bob = await receive(world, "--once", "--loopback")
    alice = await send(world, "--loopback", *(file.name for file in files))
    await went_well(alice, bob)
    assert await bob.exit() == 0
    arrived(world, alice, bob, *files)


async def test_once_with_a_file_that_is_refused(on_loopback: World) -> None:
    world = on_loopback
    make_file(world.folder / "large.bin", 2000)
    bob = await receive(world, "--once", "--max-size", "1k")
    alice = await send(world, "large.bin")
    assert await alice.exit() == 6, alice
    assert await bob.exit() == 6, bob
    assert bob.told("error")[0]["condition"] == "media-error"


async def test_timeout(world: World) -> None:
    """It counts from the last file."""
    make_file(world.folder / "report.bin", 1000)
    bob = await receive(world, "--timeout", "3", "--loopback")
    alice = await send(world, "--loopback", "report.bin")
    await went_well(alice, bob)
    ended = bob.told("ended")[0]["time"]
    assert await bob.exit() == 0
    assert bob.ended_at is not None
    assert 2.5 < bob.ended_at - ended < 8


async def test_timeout_without_a_file(on_loopback: World) -> None:
    bob = await receive(on_loopback, "--timeout", "0.2")
    assert await bob.exit() == 4
    assert bob.names() == ["online"]


async def test_what_cannot_be_sent(on_loopback: World) -> None:
    """Found before going online."""
    (on_loopback.folder / "empty").mkdir()
    for what in ("missing.bin", "empty", "/dev/null"):
        alice = await send(on_loopback, what)
        assert await alice.exit() == 2, alice
        assert not alice.told("online")
        assert "Traceback" not in alice.talk


async def test_nobody_there(world: World) -> None:
    make_file(world.folder / "report.bin", 1000)
    alice = await send(world, "report.bin")
    assert await alice.exit() == 4, alice
    assert over(alice)[0] == "gone"


@pytest.mark.parametrize("made_by", ["file", "user"])
async def test_a_folder_that_takes_nothing(on_loopback: World, made_by: str) -> None:
    """Where the disk says no, the sender is told no more than that."""
    world = on_loopback
    make_file(world.folder / "report.bin", 1000)
    if made_by == "file":
        (world.folder / "inbox").write_text("")
        bob = await world.start("receive", "inbox", as_jid=world.bob)
        assert await bob.exit() == 2, bob
        return
    inbox = world.folder / "inbox"
    inbox.mkdir(mode=0o500)
    # Root may write everywhere, unless it has given up that right.
    without = [require_program("setpriv"), "--bounding-set", "-dac_override,-dac_read_search"] if is_root() else []
    bob = await receive(world, "--once", "--loopback", prefix=without)
    alice = await send(world, "--loopback", "report.bin")
    assert await alice.exit() == 6, alice
    assert await bob.exit() == 6, bob
    assert str(world.folder) not in (over(alice)[1] or "")
    assert not any(inbox.iterdir())


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 20)):
            pass


async def test_a_full_disk(on_loopback: World) -> None:
    """It is full when the file begins, and it becomes full on the way."""
    world = on_loopback
    prefix = small_disk(world.folder / "inbox", "40m")
    bob = await receive(world, "--loopback", *only("ibb"), prefix=prefix)
    inbox = Path(f"/proc/{bob.pid}/root") / (world.folder / "inbox").relative_to("/")
    make_file(world.folder / "large.bin", 50_000_000)
    alice = await send(world, "--loopback", *only("ibb"), "large.bin")
    assert await alice.exit() == 6, alice
    assert over(alice)[0] == "media-error"
    assert not any(inbox.iterdir())

    make_file(world.folder / "fits.bin", 36_000_000)
    alice = await send(world, "--loopback", *only("ibb"), "fits.bin")
    await until_under_way(bob)
    with pytest.raises(OSError, match="No space"):
        await asyncio.to_thread(fill, inbox / "filler")
    assert await alice.exit() == 6, alice
    assert over(alice)[0] == "media-error"
    assert "no space left" in alice.told("error")[0]["text"]
    assert not (inbox / "fits.bin").exists()
    assert (inbox / "fits.bin.part").exists()
    assert len(bob.told("error")) == 2

    (inbox / "filler").unlink()
    alice = await send(world, "--loopback", *only("ibb"), "fits.bin")
    assert await alice.exit() == 0, alice
    assert (inbox / "fits.bin").read_bytes() == (world.folder / "fits.bin").read_bytes()
    bob.interrupt()
    assert await bob.exit() == 130
