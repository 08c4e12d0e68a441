"""What can be seen before a file is taken, files that are asked for, and several of which each is decided on."""

from __future__ import annotations

import asyncio

import pytest

import jingle
from tests.media.test_thumbnail import decode, encode, picture

from .conftest import World
from .files import TRANSPORTS, digest, make_file, receive, send
from .peers import Peers


async def next_offer(peer: jingle.Peer) -> jingle.Offer:
    async with asyncio.timeout(30):
        return await anext(aiter(peer.incoming()))


async def test_a_picture_in_small(world: World) -> None:
    (world.folder / "sea.png").write_bytes(encode(picture(640, 320), "png", "rgb24"))
    async with Peers(world) as peers:
        bob = await peers.start("bob")
        bob.listen()
        alice = await send(world, "--loopback", "--thumbnails", "sea.png")
        offer = await next_offer(bob)
        assert isinstance(offer, jingle.IncomingFile)
        assert offer.thumbnail is not None
        assert decode(await offer.thumbnail.fetch()).shape == (64, 128, 3)
        (world.folder / "inbox").mkdir()
        result = await (await offer.accept(world.folder / "inbox")).result()
        assert result.path is not None
        assert digest(result.path) == digest(world.folder / "sea.png")
        assert await alice.exit() == 0, alice


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_file_is_asked_for(world: World, transport: str) -> None:
    """XEP-0234 section 6.2: whoever answers sends."""
    there = make_file(world.folder / "there" / "report.bin", 700_000)
    here = world.folder / "here"
    here.mkdir()
    async with Peers(world) as peers:
        alice = await peers.start("alice", transports=(transport,))
        bob = await peers.start("bob", transports=(transport,))
        bob.listen()
        asking = asyncio.ensure_future(_opened(alice.request_file(world.bob, "report.bin", here)))
        wish = await next_offer(bob)
        assert isinstance(wish, jingle.IncomingRequest)
        assert wish.name == "report.bin"
        sent = await wish.accept(there)
        received = await (await asking).result()
        assert (await sent.result()).sha256 == received.sha256 == digest(there)
        assert received.path == here / "report.bin"
        assert digest(here / "report.bin") == digest(there)
        for name in ("alice", "bob"):
            (connected,) = peers.told(name, "connected")
            assert connected["transport"] == transport


async def _opened(opening: jingle.Opening[jingle.Transfer]) -> jingle.Transfer:
    return await opening


async def test_each_is_decided_on(world: World) -> None:
    """One of three is not wanted; the others arrive, and the sender hears which."""
    names = ("first.bin", "second.bin", "third.bin")
    for name in names:
        make_file(world.folder / name, 50_000)
    async with Peers(world) as peers:
        bob = await peers.start("bob")
        bob.listen()
        alice = await send(world, "--loopback", *names)
        (world.folder / "inbox").mkdir()
        transfers = []
        for _ in names:
            offer = await next_offer(bob)
            assert isinstance(offer, jingle.IncomingFile)
            if offer.name == "second.bin":
                await offer.decline()
            else:
                transfers.append(await offer.accept(world.folder / "inbox"))
        for transfer in transfers:
            await transfer.result()
        assert await alice.exit() == 4, alice
        assert sorted(event["name"] for event in alice.told("sent")) == ["first.bin", "third.bin"]
    assert sorted(path.name for path in (world.folder / "inbox").iterdir()) == ["first.bin", "third.bin"]


async def test_a_receiver_has_nothing_to_give(on_loopback: World) -> None:
    """`jingle receive` takes files and gives none."""
    world = on_loopback
    bob = await receive(world, "--loopback")
    async with Peers(world) as peers:
        alice = await peers.start("alice")
        with pytest.raises(jingle.SessionEnded):
            await alice.request_file(world.bob, "passwd", world.folder)
    bob.interrupt()
    assert await bob.exit() == 130
