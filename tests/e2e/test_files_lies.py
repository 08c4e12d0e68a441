"""Peers that lie, in this process, against the real commands: nothing they do costs more than their own file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import jingle
from jingle.applications.file_transfer import sender as sending
from jingle.applications.file_transfer.digests import Digester
from jingle.applications.file_transfer.source import OutgoingFile
from jingle.client import MAX_FILES
from jingle.elements.bounds import KEY
from jingle.elements.security import CertificateFingerprint, XtlsSecurity
from jingle.transports.base import ByteStream, Security
from jingle.transports.tls import XtlsPrecondition
from tests.applications.file_transfer.test_names import HOSTILE

from .commands import Command
from .conftest import World
from .files import TRANSPORTS, make_file, only, receive, send
from .peers import Peers

SIZE = 200_000
TLS_TRANSPORTS = ("s5b", "ibb")


async def lie(world: World, peers: Peers, file: OutgoingFile | Path, transport: str = "s5b") -> jingle.JingleError:
    """Send as alice to bob, and return what came of it."""
    alice = await peers.start("alice", transports=(transport,))
    try:
        (transfer,) = await alice.send_files(world.bob, [file])
        await transfer.result()
    except jingle.JingleError as exc:
        return exc
    raise AssertionError("it was believed")


async def refused(bob: Command, reason: str, exit: int) -> None:
    """Assert that the receiver ended it, and for what."""
    assert (await bob.event("ended"))["reason"] == reason, bob
    assert (await bob.event("error"))["condition"] == reason, bob
    assert await bob.exit() == exit, bob
    assert not bob.told("received")


def inbox(world: World) -> list[str]:
    """What is there."""
    folder = world.folder / "inbox"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_wrong_digest(on_loopback: World, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """The file is kept apart, and never continued."""
    world = on_loopback
    file = make_file(world.folder / "report.bin", SIZE)

    class Wrong(Digester):
        def digests(self) -> dict[str, bytes]:
            return {name: bytes(value[:-1]) + bytes([value[-1] ^ 1]) for name, value in super().digests().items()}

    bob = await receive(world, "--once", "--loopback")
    with monkeypatch.context() as patch:
        patch.setattr(sending, "Digester", Wrong)
        async with Peers(world) as peers:
            failure = await lie(world, peers, file, transport)
    assert isinstance(failure, jingle.SessionEnded)
    assert failure.reason == "media-error"
    await refused(bob, "media-error", 6)
    assert inbox(world) == ["report.bin.part", "report.bin.part.json"]
    assert (world.folder / "inbox" / "report.bin.part").read_bytes() == file.read_bytes()
    bob = await receive(world, "--once", "--loopback")
    alice = await send(world, "--loopback", "report.bin")
    assert await alice.exit() == 0, alice
    assert await bob.exit() == 0, str(bob)
    assert "report.bin" in inbox(world)
    assert "report.bin.part" in inbox(world)


class Counting:
    """A stream that counts what comes out of it, TLS included."""

    security = Security.NONE

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.received = 0

    async def receive_into(self, buffer: memoryview) -> int:
        count = await self._stream.receive_into(buffer)
        self.received += count
        return count

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send(data)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


def another_fingerprint(described: XtlsSecurity) -> XtlsSecurity:
    wrong = CertificateFingerprint(algo="sha-256", value=":".join(["AB"] * 32))
    return replace(described, fingerprint=wrong)


@pytest.mark.parametrize("transport", TLS_TRANSPORTS)
@pytest.mark.parametrize("liar", ["receiver", "sender"])
async def test_a_wrong_fingerprint(world: World, monkeypatch: pytest.MonkeyPatch, transport: str, liar: str) -> None:
    """Whoever is between the two gets no byte of the file, and nobody goes on without encryption."""
    make_file(world.folder / "report.bin", SIZE)
    describe, protect = XtlsPrecondition.describe, XtlsPrecondition.protect
    streams: list[Counting] = []

    async def counted(self: XtlsPrecondition, stream: ByteStream) -> Any:
        streams.append(Counting(stream))
        return await protect(self, streams[-1])

    monkeypatch.setattr(XtlsPrecondition, "describe", lambda self: another_fingerprint(describe(self)))  # type: ignore[arg-type]
    monkeypatch.setattr(XtlsPrecondition, "protect", counted)
    async with Peers(world) as peers:
        if liar == "receiver":
            bob = await peers.start("bob")
            taken = peers.take(bob, world.folder / "inbox")
            alice = await send(world, "--loopback", *only(transport), "--trace", "alice", "report.bin")
            assert await alice.exit() == 5, alice
            assert (await alice.event("ended"))["reason"] == "security-error"
            assert not alice.told("sent") + alice.told("connected") + alice.told("progress")
            traced = world.trace("alice")
            assert not any("transport-replace" in line.get("stanza", "") for line in traced)
            with pytest.raises(jingle.JingleError):
                await taken.results(1)
            # The sender's ClientHello and its alert; with a byte of the file it would have been a record more.
            assert sum(stream.received for stream in streams) < 2000
        else:
            receiver = await receive(world, "--once", "--loopback")
            await lie(world, peers, world.folder / "report.bin", transport)
            await refused(receiver, "security-error", 5)
    assert inbox(world) == []


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("count", "kept"), [(SIZE // 2, SIZE // 2), (SIZE + 1000, SIZE), (0, None)], ids=["fewer", "more", "none"]
)
async def test_another_number_of_bytes(
    on_loopback: World, monkeypatch: pytest.MonkeyPatch, transport: str, count: int, kept: int | None
) -> None:
    """More or fewer than were announced."""
    world = on_loopback
    file = make_file(world.folder / "report.bin", SIZE)

    async def send_all(self: sending.FileSender, stream: ByteStream, *_: object) -> int:
        await stream.send(bytes(count))
        await stream.send_eof()
        return count

    monkeypatch.setattr(sending.FileSender, "_send_all", send_all)
    bob = await receive(world, "--once", "--loopback")
    async with Peers(world) as peers:
        await lie(world, peers, file, transport)
    await refused(bob, "media-error", 6)
    assert "report.bin" not in inbox(world)
    if kept is None:
        assert inbox(world) == []
    else:
        assert (world.folder / "inbox" / "report.bin.part").stat().st_size <= kept


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_sender_that_vanishes(world: World, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """Its stream breaks in the middle of the file, and nothing explains it."""
    file = make_file(world.folder / "report.bin", SIZE)

    async def send_all(self: sending.FileSender, stream: ByteStream, *_: object) -> int:
        await stream.send(bytes(SIZE // 2))
        await asyncio.sleep(0.5)
        await stream.aclose()
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(sending.FileSender, "_send_all", send_all)
    bob = await receive(world, "--once", "--loopback")
    async with Peers(world) as peers:
        await lie(world, peers, file, transport)
    assert await bob.exit() in (5, 6), bob
    assert (world.folder / "inbox" / "report.bin.part").stat().st_size == SIZE // 2
    assert "report.bin" not in inbox(world)


async def test_a_disk_that_fills_without_notice(on_loopback: World) -> None:
    """A file of unknown size is cut off where --max-size says."""
    world = on_loopback
    read, write = os.pipe()
    os.write(write, bytes(40_000))
    os.close(write)

    class Stream:
        def __init__(self) -> None:
            self.file = os.fdopen(read, "rb", buffering=0)

        def readinto(self, buffer: memoryview) -> int:
            return self.file.readinto(buffer) or 0

        def seekable(self) -> bool:
            return False

        def seek(self, offset: int, whence: int = 0) -> int:
            raise OSError

        def close(self) -> None:
            self.file.close()

    stream = Stream()
    bob = await receive(world, "--once", "--loopback", "--max-size", "20kB")
    async with Peers(world) as peers:
        failure = await lie(world, peers, OutgoingFile.from_object(stream, name="endless.bin"))
    stream.close()
    assert isinstance(failure, jingle.SessionEnded)
    await refused(bob, "media-error", 6)
    assert "endless.bin" not in inbox(world)


def is_xml(name: str) -> bool:
    """Whether a name can be in a stanza at all: otherwise the server, or our own side, refuses it."""
    return all(c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" for c in name)


NAMES = [name for name, safe in HOSTILE if name and name != safe and is_xml(name) and len(name) <= KEY]


def test_there_are_enough_of_them() -> None:
    assert len(NAMES) >= 40


async def test_hostile_names(on_loopback: World) -> None:
    """Nothing outside the folder, nothing overwritten, and every file there under some name."""
    world = on_loopback
    content = {name: f"{number} {name!r}".encode("utf-8", "backslashreplace") for number, name in enumerate(NAMES)}
    (world.folder / "inbox").mkdir()
    kept = world.folder / "inbox" / "passwd"
    kept.write_text("mine")
    source = world.folder / "source"
    source.mkdir()
    files = []
    for number, name in enumerate(NAMES):
        path = source / str(number)
        path.write_bytes(content[name])
        file = OutgoingFile.from_path(path)
        files.append(replace(file, metadata=replace(file.metadata, name=name)))
    around = {str(path) for path in tree(world.folder, but="inbox")}
    bob = await receive(world, "--loopback", "--timeout", "3")
    async with Peers(world) as peers:
        alice = await peers.start("alice", transports=("s5b",))
        for first in range(0, len(files), MAX_FILES):
            transfers = await alice.send_files(world.bob, files[first : first + MAX_FILES])
            await transfers.results()
    assert await bob.exit() == 0, str(bob)
    assert {str(path) for path in tree(world.folder, but="inbox")} == around
    assert kept.read_text() == "mine"
    found = [path for path in tree(world.folder / "inbox") if path.is_file() and path != kept]
    assert sorted(path.read_bytes() for path in found) == sorted(content.values())
    for path in found:
        assert not path.is_symlink()
        assert not path.name.startswith((".", "-", " "))
        assert not set(path.name) & set('<>:"|?*\\\x7f')
        assert path.resolve().is_relative_to(world.folder / "inbox")


def tree(folder: Path, but: str = "") -> list[Path]:
    """Everything in a folder."""
    return [path for path in folder.rglob("*") if but not in path.relative_to(folder).parts[:1]]


@pytest.mark.parametrize("trap", ["link", "folder-link"])
async def test_links_in_the_way(on_loopback: World, trap: str) -> None:
    """A link in the inbox leads nobody's bytes elsewhere."""
    world = on_loopback
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "victim").write_text("mine")
    folder = world.folder / "inbox"
    folder.mkdir()
    if trap == "link":
        (folder / "victim").symlink_to(elsewhere / "victim")
        (folder / "victim.part").symlink_to(elsewhere / "victim")
        name = "victim"
    else:
        (folder / "sub").symlink_to(elsewhere, target_is_directory=True)
        name = "sub/victim"
    file = OutgoingFile.from_path(make_file(world.folder / "victim", 1000))
    bob = await receive(world, "--once", "--loopback")
    async with Peers(world) as peers:
        alice = await peers.start("alice", transports=("s5b",))
        outcome: Callable[[], Any] = (await alice.send_files(world.bob, [file.named(name)])).results
        if trap == "link":
            await outcome()
        else:
            with pytest.raises(jingle.JingleError):
                await outcome()
    assert await bob.exit() == (0 if trap == "link" else 6), bob
    assert (elsewhere / "victim").read_text() == "mine"
    assert [path.name for path in elsewhere.iterdir()] == ["victim"]
