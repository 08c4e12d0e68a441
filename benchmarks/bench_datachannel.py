"""How fast is a data channel, against a bare one of aiortc? SHA-256 on both ends of both; then where the time goes.

Both ends are processes of their own, on loopback. The first ratio is the goal's. The table has the processor time of
each end, in microseconds for each packet with data, split by a second run under a profiler.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import hashlib
import math
import multiprocessing
import pstats
import queue
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import aioice.ice
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from stream_ends import JIDS, PIECE, Wire

from jingle.elements.core import Role
from jingle.testing.links import NoStanzas, no_servers
from jingle.transports.base import TransportContext, TransportOptions
from jingle.transports.datachannel import DataChannelTransport
from jingle.transports.datachannel_stream import DataChannelStream
from jingle.transports.sctp_sending import FRAGMENT

MESSAGE = 1 << 14
"""Bytes of a message of the bare channel, as in aiortc's own example."""

BARE_HIGH, BARE_LOW = 1 << 19, 1 << 18


@dataclass(frozen=True)
class End:
    """What one end saw."""

    bytes: int
    seconds: float
    """From the first byte to the last, on the receiver."""

    processor: float
    """Seconds of processor time in the same while, system calls included."""

    digest: str
    profile: dict[str, float]
    """Seconds by what they were spent on, under a profiler."""


@dataclass(frozen=True)
class Run:
    sender: End
    receiver: End

    @property
    def rate(self) -> float:
        return self.receiver.bytes / self.receiver.seconds / 1e6


class Clock:
    """Measures one end, from the first byte to the last."""

    def __init__(self, profiled: bool) -> None:
        self._profile = cProfile.Profile() if profiled else None
        self.started = False
        self._digest = hashlib.sha256()
        self.bytes = 0

    def add(self, data: bytes | memoryview) -> None:
        if not self.started:
            self.started = True
            if self._profile:
                self._profile.enable()
            self._wall, self._processor = time.perf_counter(), time.process_time()
        self._digest.update(data)
        self.bytes += len(data)

    def stop(self) -> End:
        wall, processor = time.perf_counter() - self._wall, time.process_time() - self._processor
        if self._profile:
            self._profile.disable()
        return End(self.bytes, wall, processor, self._digest.hexdigest(), _by_kind(self._profile))


KINDS: list[tuple[str, tuple[str, ...]]] = [
    ("waiting", ("select.epoll", "select.poll")),
    ("system calls of the socket", ("_socket.socket",)),
    ("sha-256", ("_hashlib", "hashlib")),
    ("encryption (OpenSSL)", ("_openssl", "SSL_", "BIO_")),
    ("encryption (its Python side)", ("OpenSSL/", "transports/dtls.py", "rtcdtlstransport.py", "allocator")),
    ("sctp", ("sctp", "crc32c", "utils.py", "rtcdatachannel")),
    ("stream", ("datachannel",)),
    ("udp and ice", ("transports/udp.py", "transports/ice", "aioice")),
    ("event loop", ("asyncio", "selectors", "_contextvars", "pyee")),
]


def _by_kind(profile: cProfile.Profile | None) -> dict[str, float]:
    """Own time of every function, by kind; what is built in counts for whoever called it."""
    if profile is None:
        return {}
    found: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        kind = _kind(f"{file} {name}")
        if kind is None and file == "~":
            for (caller_file, _, caller_name), (_, _, part, _) in callers.items():
                found[_kind(f"{caller_file} {caller_name}") or "other"] += part
        else:
            found[kind or "other"] += own
    return dict(found)


def _kind(place: str) -> str | None:
    return next((kind for kind, marks in KINDS if any(mark in place for mark in marks)), None)


# The bare ends: aiortc's peer connections, unchanged.


async def _bare(pipe: Connection, role: Role, size: int, profiled: bool) -> End:
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]  # aioice leaves loopback out
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    clock = Clock(profiled)
    try:
        if role is Role.INITIATOR:
            channel = peer.createDataChannel("file")
            opened, ended, low = asyncio.Event(), asyncio.Event(), asyncio.Event()
            channel.bufferedAmountLowThreshold = BARE_LOW
            channel.on("open", opened.set)
            channel.on("bufferedamountlow", low.set)
            channel.on("message", lambda message: ended.set())
            await peer.setLocalDescription(await peer.createOffer())
            pipe.send((peer.localDescription.sdp, "offer"))
            await peer.setRemoteDescription(RTCSessionDescription(*await asyncio.to_thread(pipe.recv)))
            await opened.wait()
            piece = bytes(MESSAGE)
            for start in range(0, size, MESSAGE):
                part = piece[: min(MESSAGE, size - start)]
                clock.add(part)
                channel.send(part)
                if channel.bufferedAmount > BARE_HIGH:
                    low.clear()
                    await low.wait()
            await ended.wait()
            return clock.stop()
        complete: asyncio.Future[End] = asyncio.get_running_loop().create_future()

        def take(channel: RTCDataChannel) -> None:
            def receive(message: bytes) -> None:
                clock.add(message)
                if clock.bytes >= size:
                    complete.set_result(clock.stop())
                    channel.send(b"all")

            channel.on("message", receive)

        peer.on("datachannel", take)
        await peer.setRemoteDescription(RTCSessionDescription(*await asyncio.to_thread(pipe.recv)))
        await peer.setLocalDescription(await peer.createAnswer())
        pipe.send((peer.localDescription.sdp, "answer"))
        result = await complete
        await asyncio.sleep(0.5)  # for the last message to arrive
        return result
    finally:
        await peer.close()


# Our ends.


async def _connect(role: Role, pipe: Connection) -> tuple[DataChannelTransport, DataChannelStream]:
    wire = Wire(pipe)
    transport = DataChannelTransport(
        TransportContext(
            role=role,
            local=JIDS[role],
            remote=JIDS[role.other],
            sid="benchmark",
            port=NoStanzas(),
            options=TransportOptions(loopback=True),
            send_info=lambda payload: wire.send("transport-info", payload),
            ice_servers=no_servers,
        )
    )
    if role is Role.INITIATOR:
        wire.send("transport", await transport.describe())
        await transport.accept((await wire.receive())[1])
    else:
        await transport.accept((await wire.receive())[1])
        wire.send("transport", await transport.describe())
    stream = await transport.connect()
    wire.close()
    return transport, stream


async def _ours(pipe: Connection, role: Role, size: int, profiled: bool) -> End:
    transport, stream = await _connect(role, pipe)
    clock = Clock(profiled)
    buffer = memoryview(bytearray(PIECE))
    if role is Role.INITIATOR:
        for start in range(0, size, PIECE):
            part = buffer[: min(PIECE, size - start)]
            clock.add(part)
            await stream.send(part)
        await stream.send_eof()
        result = clock.stop()
        await stream.receive_into(buffer)
    else:
        while count := await stream.receive_into(buffer):
            clock.add(buffer[:count])
        result = clock.stop()
        await stream.send_eof()
    await stream.aclose()
    await transport.aclose()
    return result


def _run(way: str, pipe: Connection, results: Any, role: Role, size: int, profiled: bool) -> None:
    ends = {"bare": _bare, "ours": _ours}
    results.put((role, asyncio.run(ends[way](pipe, role, size, profiled))))


def measure(way: str, size: int, *, profiled: bool = False) -> Run:
    spawn = multiprocessing.get_context("spawn")
    pipes, results = spawn.Pipe(), spawn.Queue()
    processes = [
        spawn.Process(target=_run, args=(way, pipe, results, role, size, profiled))
        for pipe, role in zip(pipes, Role, strict=True)
    ]
    for process in processes:
        process.start()
    found: dict[Role, End] = {}
    while len(found) < len(processes):
        with contextlib.suppress(queue.Empty):
            role, end = results.get(timeout=1)
            found[role] = end
        if any(process.exitcode for process in processes):
            for process in processes:
                process.terminate()
            raise SystemExit("one of the two ends failed")
    for process in processes:
        process.join()
    run = Run(found[Role.INITIATOR], found[Role.RESPONDER])
    assert run.receiver.bytes == size, f"{run.receiver.bytes} of {size} bytes arrived"
    assert run.sender.digest == run.receiver.digest, "the two ends disagree about what was sent"
    return run


def table(way: str, size: int, plain: Run) -> None:
    """Print where the processor time of `plain` goes; the shares are those of a run under a profiler."""
    profiled = measure(way, size, profiled=True)
    packets = math.ceil(size / FRAGMENT)
    print(f"\n{way}: processor time, microseconds a packet of {FRAGMENT} bytes    sender   receiver")
    ends = [(plain.sender, profiled.sender), (plain.receiver, profiled.receiver)]
    busy = [sum(share for kind, share in seen.profile.items() if kind != "waiting") for _, seen in ends]
    for kind in [*(kind for kind, _ in KINDS if kind != "waiting"), "other"]:
        cost = [
            seen.profile.get(kind, 0) / total * end.processor / packets * 1e6
            for (end, seen), total in zip(ends, busy, strict=True)
        ]
        print(f"  {kind:62} {cost[0]:7.1f}  {cost[1]:9.1f}")
    print(f"  {'all':62} {ends[0][0].processor / packets * 1e6:7.1f}  {ends[1][0].processor / packets * 1e6:9.1f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--size", type=int, default=200_000_000, help="bytes (default: 200 MB)")
    options.add_argument("--bare-size", type=int, default=20_000_000, help="bytes for the bare channel, which is slow")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--no-table", action="store_true", help="leave out where the time goes")
    chosen = options.parse_args()
    sizes: dict[str, int] = {"bare": min(chosen.bare_size, chosen.size), "ours": chosen.size}
    runs: dict[str, list[Run]] = {way: [] for way in sizes}
    for _ in range(chosen.rounds):
        for way, size in sizes.items():
            runs[way].append(measure(way, size))
        print("   ".join(f"{way} {found[-1].rate:6.1f} MB/s" for way, found in runs.items()))
    rates = {way: statistics.median(run.rate for run in found) for way, found in runs.items()}
    bare, ours = rates["bare"], rates["ours"]
    print(f"data channel / bare aiortc: {ours / bare:.2f} ({ours:.1f} of {bare:.1f} MB/s)")
    if not chosen.no_table:
        for way, size in sizes.items():
            table(way, size, sorted(runs[way], key=lambda run: run.rate)[len(runs[way]) // 2])


if __name__ == "__main__":
    main()
