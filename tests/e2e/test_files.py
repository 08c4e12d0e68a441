"""Files between two processes: every transport, every size, many, folders, several ways at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .conftest import REAL, World, over, over_every_server
from .files import SECURITY, TRANSPORTS, arrived, make_file, progress_is_rare, receive, send, went_well
from .peers import Peers

SIZES = {"nothing.bin": 0, "one.bin": 1, "odd.bin": 100_001}


@over_every_server
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_each_transport(world: World, transport: str) -> None:
    """An empty file, one byte and a few blocks, in one session."""
    files = [make_file(world.folder / name, size) for name, size in SIZES.items()]
    bob = await receive(world, "--once", "--loopback")
    alice = await send(world, "--loopback", "--transport", transport, *SIZES)
    connected = await went_well(alice, bob)
    assert await bob.exit() == 0, bob
    arrived(world, alice, bob, *files)
    assert (connected["transport"], connected["security"]) == (transport, SECURITY[transport])
    assert connected["files"] == [{"name": name, "size": size} for name, size in SIZES.items()]
    assert connected["peer"] == bob.events[0]["jid"]
    (incoming,) = bob.told("incoming")
    assert (incoming["kind"], incoming["peer"], incoming["files"]) == (
        "file",
        alice.events[0]["jid"],
        connected["files"],
    )
    order = [name for name in alice.names() if name != "progress"]
    assert order == ["online", "connected", *["sent"] * 3, "ended"]
    order = [name for name in bob.names() if name != "progress"]
    assert order == ["online", "incoming", "connected", *["received"] * 3, "ended"]


@pytest.mark.parametrize(("transport", "size"), [("s5b", 300_000_000), ("ibb", 4_000_000), ("datachannel", 20_000_000)])
async def test_a_large_file(world: World, transport: str, size: int) -> None:
    if transport not in TRANSPORTS:
        pytest.fail(f"{transport} is not there")
    file = make_file(world.folder / "large.bin", size)
    bob = await receive(world, "--loopback")
    alice = await send(world, "--loopback", "--transport", transport, "large.bin")
    connected = await went_well(alice, bob)
    arrived(world, alice, bob, file)
    assert connected["transport"] == transport
    for side in (alice, bob):
        progress_is_rare(side)
    bob.interrupt()
    assert await bob.exit() == 130
    (world.folder / "inbox" / "large.bin").unlink()
    file.unlink()


async def test_a_folder_of_many_files(world: World) -> None:
    """More than one session takes, with relative names; the same again lands beside it."""
    tree = world.folder / "tree"
    files = {f"tree/{number % 3}/deep/{number}.txt": 10 * number for number in range(40)}
    for name, size in files.items():
        make_file(world.folder / name, size)
    make_file(world.folder / "beside.bin", 5000)
    (tree / "empty").mkdir()
    (tree / "link").symlink_to("/etc", target_is_directory=True)
    bob = await receive(world, "--once", "--loopback")
    alice = await send(world, "--loopback", "tree", "beside.bin")
    await went_well(alice, bob)
    assert await bob.exit() == 0, bob
    inbox = world.folder / "inbox"
    found = {str(path.relative_to(inbox)): path for path in inbox.rglob("*") if path.is_file()}
    assert set(found) == {*files, "beside.bin"}
    for name in found:
        assert found[name].read_bytes() == (world.folder / name).read_bytes()
        (sent,) = alice.told("sent", name=name)
        assert (await bob.event("received", name=name))["sha256"] == sent["sha256"]
    assert sorted(path.name for path in inbox.iterdir()) == ["beside.bin", "tree"]


async def test_no_file_is_overwritten(on_loopback: World) -> None:
    world = on_loopback
    kept = make_file(world.folder / "inbox" / "a.tar.gz", 10).read_bytes()
    files = [make_file(world.folder / "a.tar.gz", 1000), make_file(world.folder / "x" / "a.tar.gz", 2000)]
    bob = await receive(world, "--once", "--loopback")
    await went_well(await send(world, "--loopback", "a.tar.gz", "x/a.tar.gz"), bob)
    assert await bob.exit() == 0
    assert (world.folder / "inbox" / "a.tar.gz").read_bytes() == kept
    found = {path.name: path.read_bytes() for path in (world.folder / "inbox").iterdir()}
    assert set(found) == {"a.tar.gz", "a (2).tar.gz", "a (3).tar.gz"}
    assert {found["a (2).tar.gz"], found["a (3).tar.gz"]} == {file.read_bytes() for file in files}


@over("loopback", *REAL[:3])
async def test_both_send_at_once(world: World) -> None:
    """Each has a device that receives and one that sends; what only sends is not what files are sent to."""
    names = {"alice": world.alice, "bob": world.bob}
    files = {name: make_file(world.folder / f"from-{name}.bin", 3_000_000) for name in names}
    inboxes = {name: await receive(world, "--loopback", as_jid=jid) for name, jid in names.items()}
    sending = [
        await send(world, "--loopback", files["alice"].name, to=world.bob, as_jid=world.alice),
        await send(world, "--loopback", files["bob"].name, to=world.alice, as_jid=world.bob),
    ]
    await went_well(sending[0], inboxes["bob"])
    await went_well(sending[1], inboxes["alice"])
    for command, name, to in ((sending[0], "alice", "bob"), (sending[1], "bob", "alice")):
        arrived(world, command, inboxes[to], files[name])


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_both_send_at_once_between_the_same_two(world: World, transport: str) -> None:
    """Two peers of the API each send and receive."""
    async with Peers(world) as peers:
        alice = await peers.start("alice", transports=(transport,))
        bob = await peers.start("bob", transports=(transport,))
        files = {each: make_file(world.folder / f"{name}.bin", 500_000) for each, name in ((alice, "a"), (bob, "b"))}
        inboxes = {each: peers.take(each, world.folder / f"inbox-{name}") for each, name in ((alice, "a"), (bob, "b"))}
        there = await alice.send_file(bob.jid, files[alice])
        back = await bob.send_file(alice.jid, files[bob])
        await asyncio.gather(there.result(), back.result())
        for to, origin in ((bob, alice), (alice, bob)):
            (result,) = await inboxes[to].results(1)
            assert result.path is not None
            assert Path(result.path).read_bytes() == files[origin].read_bytes()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_ten_transfers_at_once(world: World, transport: str) -> None:
    """Ten sessions of one peer with one receiving process."""
    files = [make_file(world.folder / f"{number}.bin", 200_000 + number) for number in range(10)]
    bob = await receive(world, "--loopback")
    async with Peers(world) as peers:
        alice = await peers.start("alice", transports=(transport,))
        transfers = await asyncio.gather(*(alice.send_file(world.bob, file) for file in files))
        sent = await asyncio.gather(*(transfer.result() for transfer in transfers))
    for file, result in zip(files, sent, strict=True):
        received = await bob.event("received", name=file.name)
        assert received["sha256"] == result.sha256
        assert (world.folder / received["path"]).read_bytes() == file.read_bytes()
    assert len({event["sid"] for event in bob.told("connected")}) == 10
    assert {event["transport"] for event in bob.told("connected")} == {transport}
