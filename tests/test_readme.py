"""The README's first screen of code runs as it stands; only where the server is has to be told."""

from __future__ import annotations

import asyncio
import functools
import re
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import jingle
from jingle.demo import LoopbackServer

ROOT = Path(__file__).parent.parent


def first_code() -> str:
    match = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert match is not None
    return match[1]


async def test_the_first_screen_of_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "report.pdf").write_bytes(b"%PDF" * 1000)
    shutil.copy(ROOT / "jingle" / "demo" / "hello.ogg", tmp_path / "hello.ogg")
    started: list[Coroutine[Any, Any, None]] = []
    monkeypatch.setattr(asyncio, "run", started.append)
    users = {"alice": "secret", "bob": "secret"}
    async with LoopbackServer(users=users, domain="example.org", contacts="all") as server:
        connect: Callable[..., Any] = functools.partial(
            jingle.connect, server=(server.host, server.port), ca_file=server.ca_file, loopback=True
        )
        async with connect("bob@example.org", "secret") as bob:
            bob.listen()
            monkeypatch.setattr(jingle, "connect", connect)
            exec(compile(first_code(), "README.md", "exec"), {"__name__": "readme"})
            (main,) = started
            running = asyncio.ensure_future(main)
            try:
                await asyncio.wait_for(be_bob(bob, tmp_path), 30)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
    assert (tmp_path / "bob.wav").stat().st_size > 10_000


async def be_bob(bob: jingle.Peer, folder: Path) -> None:
    offers = bob.incoming()
    call = await anext(offers)
    assert isinstance(call, jingle.IncomingCall)
    async with call.accept(audio=jingle.Tone()) as talking:
        await talking.wait(0.5)
    file = await anext(offers)
    assert isinstance(file, jingle.IncomingFile)
    result = await (await file.accept(folder / "theirs")).result()
    assert result.size == 4000
    await asyncio.sleep(0.5)  # until she waits for what comes in
    async with bob.call("alice@example.org", audio=jingle.Tone()) as calling:
        await calling.wait(0.3)
    small, large = folder / "small.txt", folder / "large.bin"
    await asyncio.to_thread(small.write_text, "hello")
    await (await bob.send_file("alice@example.org", small)).result()
    assert (folder / "inbox" / "small.txt").read_text() == "hello"
    with large.open("wb") as stream:
        stream.truncate(10_000_001)
    with pytest.raises(jingle.SessionEnded):
        await bob.send_file("alice@example.org", large)
