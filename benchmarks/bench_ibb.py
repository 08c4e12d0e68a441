"""How fast is a file over an in-band bytestream through Prosody, against slixmpp's own stream with its defaults?

Sender and receiver are processes of their own, and both compute SHA-256. Ours is a whole file, from disk to disk and
under TLS; slixmpp's is bytes in memory, in the clear. Prosody limits nobody here. What is left for it to do is mostly
garbage collection, so both are measured with the collector that it has by default and with the generational one that
its documentation has for busy servers.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from slixmpp import ClientXMPP

import jingle
from jingle.transports.ibb import IbbStreamTransport

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers.accounts import PASSWORD
from tests.servers.prosody import Prosody, prosody

COLLECTORS = {"default collector": "", "generational collector": 'gc = { mode = "generational" }'}
"""Of Prosody's garbage, and how it is told so."""

Side = Callable[[Connection, str, int, str, int], Coroutine[Any, Any, None]]
"""Runs one end: its pipe, its account, the server's port, what it trusts, and bytes."""


# slixmpp


async def online(jid: str, port: int, ca_file: str) -> ClientXMPP:
    xmpp = ClientXMPP(jid, PASSWORD)
    xmpp.ca_certs = Path(ca_file)
    xmpp.register_plugin("xep_0047", {"auto_accept": True})
    started = asyncio.Event()
    xmpp.add_event_handler("session_start", lambda _: started.set())
    xmpp.connect("127.0.0.1", port)
    await asyncio.wait_for(started.wait(), 20)
    return xmpp


async def slixmpp_receiver(pipe: Connection, jid: str, port: int, ca_file: str, size: int) -> None:
    xmpp = await online(jid, port, ca_file)
    digest, over = hashlib.sha256(), asyncio.Event()
    xmpp.add_event_handler("ibb_stream_data", lambda stream: digest.update(stream.read()))
    xmpp.add_event_handler("ibb_stream_end", lambda _: over.set())
    pipe.send(str(xmpp.boundjid.full))
    await over.wait()
    pipe.send(digest.hexdigest())
    await xmpp.disconnect()


async def slixmpp_sender(pipe: Connection, jid: str, port: int, ca_file: str, size: int) -> None:
    xmpp = await online(jid, port, ca_file)
    to = await asyncio.to_thread(pipe.recv)
    content = os.urandom(size)
    stream = await xmpp["xep_0047"].open_stream(to)
    started = time.perf_counter()
    digest = hashlib.sha256(content)
    await stream.sendall(content)
    await stream.close()
    pipe.send((time.perf_counter() - started, digest.hexdigest()))
    await xmpp.disconnect()


# Ours


async def our_receiver(pipe: Connection, jid: str, port: int, ca_file: str, size: int) -> None:
    transports = (IbbStreamTransport,)
    server = ("127.0.0.1", port)
    with tempfile.TemporaryDirectory() as folder:
        async with jingle.connect(jid, PASSWORD, server=server, ca_file=ca_file, transports=transports) as me:
            me.listen()
            pipe.send(me.jid)
            async for offer in me.incoming():
                assert isinstance(offer, jingle.IncomingFile)
                result = await (await offer.accept(folder)).result()
                pipe.send(result.sha256)
                break


async def our_sender(pipe: Connection, jid: str, port: int, ca_file: str, size: int) -> None:
    transports = (IbbStreamTransport,)
    server = ("127.0.0.1", port)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.bin"
        path.write_bytes(os.urandom(size))
        async with jingle.connect(jid, PASSWORD, server=server, ca_file=ca_file, transports=transports) as me:
            to = await asyncio.to_thread(pipe.recv)
            result = await (await me.send_file(to, path)).result()
            pipe.send((result.seconds, result.sha256))


@dataclass(frozen=True)
class Result:
    """One transfer.

    The CPU seconds are those of all three processes for a megabyte, from before the login to the end.
    """

    rate: float
    sender: float
    server: float
    receiver: float

    def __str__(self) -> str:
        cpu = " + ".join(f"{1000 * each:.0f}" for each in (self.sender, self.server, self.receiver))
        return f"{self.rate:.2f} MB/s, {cpu} ms a MB"


def run(side: Side, pipe: Connection, jid: str, port: int, ca_file: str, size: int) -> None:
    started = time.process_time()
    asyncio.run(side(pipe, jid, port, ca_file, size))
    pipe.send(time.process_time() - started)


def cpu_of(pid: int) -> float:
    """CPU seconds of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(sender: Side, receiver: Side, server: Prosody, size: int) -> Result:
    """Run both ends."""
    jids = {name: server.add_account(name) for name in ("alice", "bob")}
    server.add_contact(jids["alice"], jids["bob"])
    server.add_contact(jids["bob"], jids["alice"])
    spawn = multiprocessing.get_context("spawn")
    ends = {}
    for side, name in ((receiver, "bob"), (sender, "alice")):
        ours, theirs = spawn.Pipe()
        arguments = (side, theirs, jids[name], server.port, str(server.ca_file), size)
        process = spawn.Process(target=run, args=arguments)
        process.start()
        ends[name] = ours, process
    before = cpu_of(server.process.pid)
    ends["alice"][0].send(ends["bob"][0].recv())
    seconds, sent = ends["alice"][0].recv()
    received = ends["bob"][0].recv()
    assert sent == received, "the two ends disagree about what was sent"
    used = cpu_of(server.process.pid) - before
    cpu = {name: pipe.recv() for name, (pipe, _) in ends.items()}
    for _, process in ends.values():
        process.join()
    megabytes = size / 1e6
    return Result(megabytes / seconds, cpu["alice"] / megabytes, used / megabytes, cpu["bob"] / megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=20_000_000, help="bytes of ours; a fifth of them with slixmpp")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    for collector, settings in COLLECTORS.items():
        compare(collector, settings, chosen.size, chosen.rounds)


def compare(collector: str, settings: str, size: int, rounds: int) -> None:
    """Print the ratio with one collector."""
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as folder, prosody(Path(folder) / "prosody", settings=settings) as server:
        for _ in range(rounds):
            theirs.append(measure(slixmpp_sender, slixmpp_receiver, server, size // 5))
            ours.append(measure(our_sender, our_receiver, server, size))
            print(f"  slixmpp {theirs[-1]}; ours {ours[-1]}")
    a, b = (statistics.median(each.rate for each in runs) for runs in (ours, theirs))
    print(f"in-band file / slixmpp's in-band stream, {collector}: {a / b:.1f} ({a:.2f} of {b:.2f} MB/s)")


if __name__ == "__main__":
    main()
