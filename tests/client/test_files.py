"""Files between two peers of this process over the loopback server."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import jingle
from jingle.client.connect import DEFAULT_TRANSPORTS
from tests.client.conftest import World

BY_NAME = {transport.name: transport for transport in DEFAULT_TRANSPORTS}
PROTECTED_BY = {"s5b": "tls", "ibb": "tls", "datachannel": "dtls"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "report.bin"
    path.write_bytes(os.urandom(300_000))
    return path


async def test_a_file_goes_on_over_another_path(world: World, tmp_path: Path) -> None:
    """ICE is restarted under a data channel again and again; not a byte is lost."""
    transports = (BY_NAME["datachannel"],)
    alice, bob = await world.peer("alice", transports=transports), await world.peer("bob")
    big = tmp_path / "big.bin"
    content = os.urandom(100_000_000)  # there must be plenty left when the second restart is over
    big.write_bytes(content)
    restarts = 0
    async with taking(bob, tmp_path / "inbox"):
        transfer = await alice.send_file("bob@localhost", big)
        async for progress in transfer:
            if restarts < 2 and (progress.fraction or 0) > (restarts + 1) / 10:
                restarts += 1
                (live,) = alice.pump.sessions.values()
                await live.paths.restart()
        sent = await transfer.result()
    assert sent.sha256 == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "inbox" / "big.bin").read_bytes() == content
    assert restarts == 2
    assert [each["state"] for each in world.told("alice", "network")] == ["restarting", "restarted"] * 2


@asynccontextmanager
async def taking(peer: jingle.Peer, folder: Path, **options: Any) -> AsyncIterator[list[jingle.FileResult]]:
    """Takes whatever comes, and collects the results."""
    results: list[jingle.FileResult] = []
    running: list[asyncio.Task[None]] = []

    async def take(transfer: jingle.Transfer) -> None:
        results.append(await transfer.result())

    async def serve() -> None:
        async for offer in peer.incoming():
            assert isinstance(offer, jingle.IncomingFile)
            running.append(asyncio.create_task(take(await offer.accept(folder, **options))))

    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    peer.listen()
    serving = asyncio.create_task(serve())
    try:
        yield results
        await asyncio.wait_for(asyncio.gather(*running), 5)
    finally:
        serving.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(serving, *running, return_exceptions=True)


@pytest.mark.parametrize("names", [("s5b",), ("ibb",), ("datachannel",), ("ibb", "s5b"), ("s5b", "ibb")])
async def test_a_file_over_each_transport(world: World, tmp_path: Path, file: Path, names: tuple[str, ...]) -> None:
    transports = tuple(BY_NAME[name] for name in names)
    alice, bob = await world.peer("alice", transports=transports), await world.peer("bob")
    async with taking(bob, tmp_path / "inbox") as results:
        transfer = await alice.send_file("bob@localhost", file)
        steps = [progress async for progress in transfer]
        assert steps[-1].fraction == 1.0
        sent = await transfer.result()
    assert (tmp_path / "inbox" / "report.bin").read_bytes() == file.read_bytes()
    assert sent.sha256 == results[0].sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    for name in ("alice", "bob"):
        (connected,) = world.told(name, "connected")
        assert (connected["kind"], connected["transport"], connected["security"]) == (
            "file",
            names[0],
            PROTECTED_BY[names[0]],
        )
        assert connected["files"] == [{"name": "report.bin", "size": 300_000}]
        assert [each["reason"] for each in await world.ended(name)] == ["success"]
    assert world.told("alice", "sent")[0]["sha256"] == sent.sha256
    assert world.told("bob", "received")[0]["path"] == str(tmp_path / "inbox" / "report.bin")


async def test_falls_back_when_nobody_can_be_reached(
    world: World, tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both sides' SOCKS5 candidates lead nowhere, so the initiator replaces the transport."""
    monkeypatch.setattr("jingle.transports.s5b.local_addresses", lambda **_: [])
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with taking(bob, tmp_path / "inbox") as results:
        transfer = await alice.send_file("bob@localhost", file)
        await transfer.result()
    assert results[0].size == 300_000
    assert world.told("alice", "connected")[0]["transport"] != "s5b"


async def test_a_folder_and_an_empty_file(world: World, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "one.txt").write_text("one")
    (tree / "none.txt").write_bytes(b"")
    alice, bob = await world.peer("alice"), await world.peer("bob")
    async with taking(bob, tmp_path / "inbox") as results:
        transfers = await alice.send_files("bob@localhost", [tree])
        await transfers.results()
    assert len(results) == 2
    assert (tmp_path / "inbox" / "tree" / "deep" / "one.txt").read_text() == "one"
    assert (tmp_path / "inbox" / "tree" / "none.txt").read_bytes() == b""


async def test_one_of_two_files_is_declined(world: World, tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"other")
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()

    async def choose() -> jingle.FileResult:
        transfer = None
        async for offer in bob.incoming():
            assert isinstance(offer, jingle.IncomingFile)
            if offer.name == "other.bin":
                await offer.decline()
                break
            transfer = await offer.accept(tmp_path / "kept.bin")
        assert transfer is not None
        return await transfer.result()

    choosing = asyncio.ensure_future(choose())
    kept, declined = await alice.send_files("bob@localhost", [file, other])
    assert (await kept.result()).size == 300_000
    with pytest.raises(jingle.SessionEnded):
        await declined.result()
    assert (await choosing).path == tmp_path / "kept.bin"
    assert not (tmp_path / "other (2).bin").exists()


async def test_declined(world: World, file: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()

    async def decline() -> None:
        async for offer in bob.incoming():
            await offer.decline()
            return

    declining = asyncio.ensure_future(decline())
    with pytest.raises(jingle.SessionEnded) as caught:
        await alice.send_file("bob@localhost", file)
    assert caught.value.reason == "decline"
    await declining


async def test_too_large_is_told(world: World, tmp_path: Path, file: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()

    async def take() -> None:
        async for offer in bob.incoming():
            assert isinstance(offer, jingle.IncomingFile)
            with pytest.raises(jingle.ApplicationFailed):
                await offer.accept(tmp_path / "x", max_size=1000)
            await offer.decline()
            return

    task = asyncio.ensure_future(take())
    with pytest.raises(jingle.SessionEnded):
        await alice.send_file("bob@localhost", file)
    await task


async def test_the_sender_cancels_and_goes_on_later(world: World, tmp_path: Path) -> None:
    file = tmp_path / "long.bin"
    file.write_bytes(os.urandom(3_000_000))
    alice, bob = await world.peer("alice", transports=(BY_NAME["ibb"],)), await world.peer("bob")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    bob.listen()

    async def take() -> jingle.FileResult:
        async for offer in bob.incoming():
            assert isinstance(offer, jingle.IncomingFile)
            return await (await offer.accept(inbox)).result()
        raise AssertionError

    first = asyncio.ensure_future(take())
    transfer = await alice.send_file("bob@localhost", file)
    async for progress in transfer:
        if progress.done > 1_000_000:
            await transfer.cancel()
            break
    with pytest.raises(jingle.JingleError):
        await first
    part = inbox / "long.bin.part"
    begun = part.stat().st_size
    assert begun > 500_000
    second = asyncio.ensure_future(take())
    again = await alice.send_file("bob@localhost", file)
    steps = [progress.done async for progress in again]
    assert steps[0] >= begun or steps[1] >= begun
    result = await second
    assert result.path is not None
    assert result.path.read_bytes() == file.read_bytes()
    assert not part.exists()


async def test_a_file_is_asked_for(world: World, tmp_path: Path, file: Path) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    bob.listen()

    async def serve() -> jingle.FileResult:
        async for offer in bob.incoming():
            assert isinstance(offer, jingle.IncomingRequest)
            assert offer.name == "minutes.bin"
            return await (await offer.accept(file)).result()
        raise AssertionError

    serving = asyncio.ensure_future(serve())
    transfer = await alice.request_file("bob@localhost", "minutes.bin", tmp_path / "got.bin")
    result = await transfer.result()
    assert result.path == tmp_path / "got.bin"
    assert (tmp_path / "got.bin").read_bytes() == file.read_bytes()
    assert (await serving).size == 300_000


async def test_encryption_can_be_required(world: World, tmp_path: Path, file: Path) -> None:
    """A peer that knows no TLS on the stream gets no file at all."""
    alice = await world.peer("alice", require_encryption=True, transports=(BY_NAME["s5b"], BY_NAME["ibb"]))
    bob = await world.peer("bob")
    bob.pump.preconditions = ()
    for feature in ("urn:xmpp:jingle:security:xtls:0",):
        bob.pump.binding.xmpp.plugin["xep_0030"].del_feature(feature=feature)
    with pytest.raises(jingle.TransportFailed):
        await alice.send_file(bob.jid, file)


async def test_strangers_and_missing_files(world: World, tmp_path: Path, file: Path) -> None:
    bob, carol = await world.peer("bob"), await world.peer("carol")
    bob.listen()
    with pytest.raises(jingle.SessionEnded) as caught:
        await carol.send_file(bob.jid, file)
    assert caught.value.reason == "gone"
    with pytest.raises(jingle.SessionEnded):
        await carol.send_file("bob@localhost", file)
    with pytest.raises(jingle.MediaError):
        await bob.send_file(carol.jid, tmp_path / "missing")
