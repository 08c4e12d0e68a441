"""Answer every call: play a greeting, beep, record what the caller says, hang up."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import Awaitable
from pathlib import Path

import jingle


async def answer(offer: jingle.IncomingCall, greeting: str, folder: Path, seconds: float) -> None:
    hello = jingle.File(greeting)
    async with offer.accept(audio=hello, hang_up_at_end=False) as call:
        print(f"{call.peer} calls", flush=True)
        await first(hello.ended(), call.wait())
        await call.play(jingle.Tone(1000))
        await call.wait(0.5)
        await call.play(None)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{call.sid[:8]}.wav".replace("/", "_")
        await call.record(path, seconds=seconds)
        print(f"recorded {path}", flush=True)


async def first(*waits: Awaitable[object]) -> None:
    """Wait for whichever is done first."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.server.rpartition(":")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    async with jingle.connect(
        arguments.jid,
        arguments.password,
        server=(host, int(port)) if host else None,
        ca_file=arguments.ca_file,
        loopback=bool(host),
    ) as me:
        print(f"{me.jid} is online", flush=True)
        async for offer in me.incoming():
            if not isinstance(offer, jingle.IncomingCall):
                await offer.decline()
                continue
            try:
                await answer(offer, arguments.greeting, arguments.folder, arguments.seconds)
            except jingle.JingleError as error:
                print(f"the call of {offer.peer} ended: {error}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jid")
    parser.add_argument("password")
    parser.add_argument("greeting", help="a sound file in any format")
    parser.add_argument("folder", type=Path, help="where messages are kept")
    parser.add_argument("--seconds", type=float, default=60, help="the longest message")
    parser.add_argument("--server", default="", help="HOST:PORT, instead of what DNS says")
    parser.add_argument("--ca-file", help="trust this CA for the server")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
