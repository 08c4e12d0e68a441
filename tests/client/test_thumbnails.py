"""Thumbnails of files (XEP-0264): offered, asked for in stanzas (XEP-0231), and kept from everybody else."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

import jingle
from jingle.applications.file_transfer.source import OutgoingFile
from jingle.client.thumbnails import offered_thumbnail
from jingle.elements.bob import BobData
from jingle.elements.file_transfer import Thumbnail
from jingle.errors import RemoteProtocolError, SignallingError
from tests.client.conftest import World
from tests.media.test_thumbnail import decode, encode, picture


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photograph.png"
    path.write_bytes(encode(picture(640, 320), "png", "rgb24"))
    return path


async def next_file(peer: jingle.Peer) -> jingle.IncomingFile:
    async with asyncio.timeout(10):
        async for offer in peer.incoming():
            assert isinstance(offer, jingle.IncomingFile)
            return offer
    raise AssertionError("nothing came")


async def test_a_picture_is_seen_before_it_is_taken(world: World, photograph: Path) -> None:
    alice, bob, carol = [await world.peer(name) for name in ("alice", "bob", "carol")]
    bob.listen()
    sending = asyncio.ensure_future(_awaited(alice.send_file("bob@localhost", photograph, thumbnails=True)))
    offer = await next_file(bob)
    assert offer.thumbnail is not None
    assert (offer.thumbnail.media_type, offer.thumbnail.width, offer.thumbnail.height) == ("image/jpeg", 128, 64)
    seen = await offer.thumbnail.fetch()
    assert decode(seen).shape == (64, 128, 3)
    cid = f"sha1+{hashlib.sha1(seen).hexdigest()}@bob.xmpp.org"
    with pytest.raises(SignallingError, match="item-not-found"):
        await carol.pump.binding.request(alice.jid, BobData(cid=cid, data=b""), kind="get")
    with pytest.raises(SignallingError, match="item-not-found"):
        await bob.pump.binding.request(alice.jid, BobData(cid=f"sha1+{'0' * 40}@bob.xmpp.org", data=b""), kind="get")
    await offer.decline()
    with pytest.raises(jingle.SessionEnded):
        await sending
    with pytest.raises(SignallingError):  # it is not offered any more
        await offer.thumbnail.fetch()


async def _awaited(opening: jingle.Opening[jingle.Transfer]) -> jingle.Transfer:
    return await opening


async def test_nothing_is_shown_unasked(world: World, photograph: Path, tmp_path: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()
    for path, thumbnails in ((photograph, False), (tmp_path / "note.txt", True)):
        if path != photograph:
            path.write_bytes(b"no picture")
        sending = asyncio.ensure_future(_awaited(alice.send_file("bob@localhost", path, thumbnails=thumbnails)))
        offer = await next_file(bob)
        assert offer.thumbnail is None
        await offer.decline()
        await asyncio.wait([sending])
        assert isinstance(sending.exception(), jingle.SessionEnded)


@pytest.mark.parametrize("lie", ["other bytes", "another name", "too much"])
async def test_a_thumbnail_that_is_another_one(world: World, photograph: Path, lie: str) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    data = b"x" * (80_000 if lie == "too much" else 1000)
    cid = f"sha1+{hashlib.sha1(data).hexdigest()}@bob.xmpp.org"

    async def answer(sender: str, wish: object) -> BobData:
        assert isinstance(wish, BobData)
        if lie == "too much":
            return BobData(cid=cid, data=data)
        return BobData(cid=cid if lie == "other bytes" else "other", data=data[:-1] + b"y")

    alice.pump.binding.on_request("urn:xmpp:bob", answer, kind="get")
    bob.listen()
    file = OutgoingFile.from_path(photograph)
    shown = (Thumbnail(uri=f"cid:{cid}", media_type="image/png", width=65535),)
    file = replace(file, metadata=replace(file.metadata, thumbnails=shown))
    sending = asyncio.ensure_future(alice.send_files("bob@localhost", [file])._start())
    offer = await next_file(bob)
    assert offer.thumbnail is not None
    assert (offer.thumbnail.width, offer.thumbnail.height) == (512, None)
    with pytest.raises(RemoteProtocolError):
        await offer.thumbnail.fetch()
    await offer.decline()
    await asyncio.wait([sending])
    assert isinstance(sending.exception(), jingle.SessionEnded)


async def test_which_of_several(world: World) -> None:
    bob = await world.peer("bob")
    good = f"cid:sha-256+{'ab' * 32}@bob.xmpp.org"
    useless = [
        *("https://example.org/a.png", "data:image/png;base64,AAAA", "cid:", "cid:sha1+ab@bob.xmpp.org"),
        *(f"cid:sha1+{'ab' * 32}@bob.xmpp.org", f"cid:md5+{'ab' * 16}@bob.xmpp.org", f"cid:sha1+{'ab' * 20}@evil"),
    ]
    described = [Thumbnail(uri=uri) for uri in useless]
    assert offered_thumbnail(bob.pump.binding, "alice@localhost/a", described) is None
    assert offered_thumbnail(bob.pump.binding, "alice@localhost/a", [*described, Thumbnail(uri=good)]) is not None
    many = [*described * 2, Thumbnail(uri=good)]
    assert offered_thumbnail(bob.pump.binding, "alice@localhost/a", many) is None
