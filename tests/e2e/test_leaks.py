"""Ten calls one after another in one process: nothing piles up."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path

import jingle
from jingle.demo import LoopbackServer


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> list[str]:
    """All but those that asyncio keeps for whatever blocks next: it makes a few and then no more."""
    return sorted(thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_"))


def online(server: LoopbackServer, name: str) -> jingle.Opening[jingle.Peer]:
    return jingle.connect(f"{name}@localhost", "secret", server=(server.host, server.port), ca_file=server.ca_file)


async def one_call(alice: jingle.Peer, bob: jingle.Peer, folder: Path) -> None:
    async def answer() -> None:
        async for offer in bob.incoming():
            assert isinstance(offer, jingle.IncomingCall)
            async with offer.accept(audio=jingle.Tone(600), record=folder / "bob.wav") as call:
                assert await call.wait(10) is not None
            return

    answering = asyncio.create_task(answer())
    async with alice.call("bob@localhost", audio=jingle.Tone(440), record=folder / "alice.ogg") as call:
        await call.wait(0.1)
    await answering


async def settled() -> tuple[int, int, list[str]]:
    """Tasks, open files and threads, once what was closed has had its turn."""
    await asyncio.sleep(0.2)
    gc.collect()
    return len(asyncio.all_tasks()), open_files(), threads()


async def test_ten_calls_leave_nothing_behind(tmp_path: Path) -> None:
    before = await settled()
    async with LoopbackServer(users={"alice": "secret", "bob": "secret"}, contacts="all") as server:
        async with online(server, "alice") as alice, online(server, "bob") as bob:
            bob.listen()
            await one_call(alice, bob, tmp_path)
            once = await settled()
            for _ in range(10):
                await one_call(alice, bob, tmp_path)
            assert await settled() == once
            assert alice.pump.sessions == bob.pump.sessions == {}
    # The loop's own executor is all that may be left, and it holds no file.
    assert await settled() == before
