"""Fifty calls one after another in one process: nothing piles up."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import threading
import time
from collections import Counter
from pathlib import Path

import jingle
from jingle.client.peer import FINISH_GRACE
from jingle.demo import LoopbackServer

CALLS, WARM_UP = 50, 10

OURS = ("jingle", "aiortc", "aioice", "slixmpp", "av", "pylibsrtp")

PER_CALL = 100_000
"""Bytes that a call may leave behind on average, for the allocator's sake: a second of its sound is as much."""


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


def objects() -> Counter[str]:
    """How many objects there are of each class of ours and of those who carry our calls.

    Not those of asyncio: a timer that was cancelled stays in its queue until it would have been due.
    """
    gc.collect()
    classes = (type(each) for each in gc.get_objects())
    return Counter(
        f"{each.__module__}.{each.__qualname__}" for each in classes if str(each.__module__).startswith(OURS)
    )


def resident() -> int:
    """Bytes of memory that this process uses, without what the C library keeps for later."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def forget_what_ended(*peers: jingle.Peer) -> None:
    """As two minutes do: what ended is remembered for that long, so that late stanzas are understood."""
    await asyncio.sleep(FINISH_GRACE + 0.2)
    for peer in peers:
        peer.pump.act(lambda machine: machine.sweep(time.monotonic() + 3600))
        peer.pump.dispatcher.sweep(time.monotonic() + 3600)


async def test_fifty_calls_leave_nothing_behind(tmp_path: Path) -> None:
    before = await settled()
    async with LoopbackServer(users={"alice": "secret", "bob": "secret"}, contacts="all") as server:
        async with online(server, "alice") as alice, online(server, "bob") as bob:
            bob.listen()
            for _ in range(WARM_UP):
                await one_call(alice, bob, tmp_path)
            await forget_what_ended(alice, bob)
            once, known, memory = await settled(), objects(), resident()
            for _ in range(CALLS - WARM_UP):
                await one_call(alice, bob, tmp_path)
            assert await settled() == once
            assert alice.pump.sessions == bob.pump.sessions == {}
            await forget_what_ended(alice, bob)
            # One object of whatever class for each call would be one too many.
            more = {name: count for name, count in (objects() - known).items() if count >= (CALLS - WARM_UP) // 2}
            assert more == {}
            assert resident() - memory < PER_CALL * (CALLS - WARM_UP)
    # The loop's own executor is all that may be left, and it holds no file.
    assert await settled() == before
