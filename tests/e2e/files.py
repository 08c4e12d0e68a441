"""`jingle send` and `jingle receive` as tests use them: files to send, and what a good end looks like on both sides."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from jingle.client import DEFAULT_TRANSPORTS
from jingle.transports.base import Kind

from .commands import Command, Event
from .conftest import World

TRANSPORTS = tuple(transport.name for transport in DEFAULT_TRANSPORTS if transport.kind is Kind.STREAMING)
"""Everything that carries files, whichever that is."""

SECURITY = {transport.name: {"none": "tls"}.get(transport.security.value, "dtls") for transport in DEFAULT_TRANSPORTS}
"""What protects a file between two peers of ours, by transport."""

BLOCK = 1 << 20

WITHOUT_TLS = ("-m", "tests.e2e.without_tls")
"""A program like `jingle` that has never heard of TLS on a byte stream."""


def make_file(path: Path, size: int) -> Path:
    """A file no part of which looks like another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    block = os.urandom(min(size, BLOCK))
    with path.open("wb") as file:
        for number in range(-(-size // BLOCK)):
            file.write((number.to_bytes(8) + block[8:])[: size - number * BLOCK] if number else block)
    assert path.stat().st_size == size
    return path


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def only(*names: str) -> list[str]:
    """The options that leave these transports, in this order."""
    return [option for name in names for option in ("--transport", name)]


async def receive(world: World, *options: str, as_jid: str | None = None, **kwargs: Any) -> Command:
    """`jingle receive inbox` as bob, once it is online."""
    command = await world.start("receive", "inbox", *options, as_jid=as_jid or world.bob, **kwargs)
    await command.event("online")
    return command


async def send(world: World, *what: str, to: str | None = None, as_jid: str | None = None, **kwargs: Any) -> Command:
    """`jingle send` as alice to bob: options and files."""
    return await world.start("send", *what, to or world.bob, as_jid=as_jid or world.alice, **kwargs)


async def went_well(sender: Command, receiver: Command, *, timeout: float = 60.0) -> Event:
    """Assert a session's good end on both sides; the sender has left by then. Its `connected` event comes back."""
    assert await sender.exit(timeout) == 0, f"{sender}\n{receiver}"
    connected = sender.told("connected")[-1]
    sid = connected["sid"]
    over = await receiver.event("ended", sid=sid)
    (theirs,) = receiver.told("connected", sid=sid)
    for key in ("kind", "transport", "security", "files"):
        assert connected[key] == theirs[key], f"{sender}\n{receiver}"
    assert over["reason"] == "success", receiver
    assert [event["reason"] for event in sender.told("ended", sid=sid)] == ["success"]
    assert not sender.told("error"), f"{sender}\n{receiver}"
    elsewhere = {event["reason"] for event in receiver.told("ended") if event["sid"] != sid}
    assert {event["condition"] for event in receiver.told("error")} <= elsewhere, f"{sender}\n{receiver}"
    assert connected["kind"] == "file"
    return connected


def arrived(world: World, sender: Command, receiver: Command, *files: Path, name: str | None = None) -> None:
    """Assert that files are in the inbox whole, and that both sides say the same about each."""
    for file in files:
        called = name or file.name
        (sent,) = sender.told("sent", name=called)
        received = receiver.told("received", name=called, sha256=sent["sha256"])[-1]
        there = world.folder / received["path"]
        assert there.parent == world.folder / "inbox" / Path(called).parent, receiver
        assert sent["size"] == received["size"] == there.stat().st_size == file.stat().st_size
        assert sent["sha256"] == digest(there) == digest(file)
        assert sent["transport"] == received["transport"] == sender.told("connected")[-1]["transport"]
        assert 0 <= sent["seconds"] < 60
    assert not list((world.folder / "inbox").rglob("*.part*"))


def progress_is_rare(command: Command) -> None:
    """Assert that progress is told at most twice a second for each file, rises, and ends at the end."""
    for name in {event["name"] for event in command.told("progress")}:
        told = command.told("progress", name=name)
        assert [event["bytes"] for event in told] == sorted(event["bytes"] for event in told)
        assert told[-1]["bytes"] == told[-1]["total"], command
        times = [event["time"] for event in told[:-1]]  # the last one tells the end, whenever that is
        assert all(later - earlier > 0.45 for earlier, later in zip(times, times[1:], strict=False)), told
