"""How much of a core do two calls put together take, where packets pass through and where sound is encoded anew?

Two people in this process talk through samples/bridge in another one, whose time on the processor is read between two
moments of the conversation.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import jingle
from jingle.demo import LoopbackServer

SAMPLE = Path(__file__).parent.parent / "samples" / "bridge" / "bridge.py"
TICKS = os.sysconf("SC_CLK_TCK")


def on_processor(pid: int) -> float:
    """Seconds that a process has been on the processor, itself and for the system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def answer(server: LoopbackServer, name: str, codecs: Sequence[str], ready: asyncio.Event) -> None:
    """Take one call and talk until it ends."""
    async with jingle.connect(
        f"{name}@localhost",
        "secret",
        server=(server.host, server.port),
        ca_file=server.ca_file,
        loopback=True,
        codecs=codecs,
    ) as me:
        me.listen()
        ready.set()
        offer = await anext(me.incoming())
        assert isinstance(offer, jingle.IncomingCall)
        async with offer.accept(audio=jingle.Tone(440)) as call:
            await call.wait()


async def share(first: Sequence[str], second: Sequence[str], seconds: float) -> tuple[float, str]:
    """The share of a core that the bridge takes between peers with these codecs, and what it says at the end."""
    async with LoopbackServer(users=dict.fromkeys(("alice", "bob", "carol"), "secret"), contacts="all") as server:
        ready = asyncio.Event(), asyncio.Event()
        answering = [
            asyncio.ensure_future(answer(server, "alice", first, ready[0])),
            asyncio.ensure_future(answer(server, "carol", second, ready[1])),
        ]
        await asyncio.gather(*(each.wait() for each in ready))
        words = ["bob@localhost", "secret", "alice@localhost", "carol@localhost", "--seconds", str(seconds + 3)]
        words += ["--server", f"{server.host}:{server.port}", "--ca-file", str(server.ca_file)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(SAMPLE), *words, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while b"they talk" not in await process.stdout.readline():
            pass
        await asyncio.sleep(1)
        begin = on_processor(process.pid)
        await asyncio.sleep(seconds)
        taken = (on_processor(process.pid) - begin) / seconds
        said = (await process.stdout.read()).decode().strip()
        await process.wait()
        await asyncio.gather(*answering)
    return taken, said


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args().seconds
    passed, said = await share(["opus"], ["opus"], seconds)
    print(f"Opus and Opus: {100 * passed:.1f} % of a core ({said})")
    encoded, said = await share(["opus"], ["PCMU"], seconds)
    print(f"Opus and PCMU: {100 * encoded:.1f} % of a core ({said})")
    print(f"ratio:         {passed / encoded:.2f}")


if __name__ == "__main__":
    asyncio.run(main())
