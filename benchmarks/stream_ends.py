"""The two ends of a stream benchmark, each a process of its own: a bare one and one over our transports.

Every end computes SHA-256 of what it moves; the receiver measures from the first byte to the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import multiprocessing
import queue
import resource
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from jingle.elements.core import Role
from jingle.elements.declare import Element, from_string, to_string
from jingle.testing.links import NoStanzas, no_servers
from jingle.transports.base import ByteStream, TransportContext, TransportOptions
from jingle.transports.s5b import S5bTransport
from jingle.transports.tls import Identity, XtlsPrecondition

RAW_PIECE = 1 << 18
"""Bytes of one write of the bare ends."""

PIECE = 1 << 18
"""Bytes of one `send` or `receive_into` of ours. Larger ones cost more: they leave the processor's cache unhashed."""

End = Callable[[Connection, Role, int, bool], "str | Result"]
"""Runs one end and returns the digest of what it sent, or what it received."""

JIDS = {Role.INITIATOR: "romeo@montague.example/a", Role.RESPONDER: "juliet@capulet.example/b"}


@dataclass(frozen=True)
class Result:
    """What the receiver saw."""

    bytes: int
    seconds: float
    digest: str
    resident: int
    """The most memory that the process had, in bytes."""

    @property
    def rate(self) -> float:
        return self.bytes / self.seconds / 1e6


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# The bare ends: blocking sockets, nothing else.


def bare_sender(port: int, size: int, tls: bool) -> str:
    sock: socket.socket = socket.create_connection(("127.0.0.1", port))
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        sock = context.wrap_socket(sock)
    digest, piece = hashlib.sha256(), memoryview(bytearray(RAW_PIECE))
    for start in range(0, size, RAW_PIECE):
        part = piece[: min(RAW_PIECE, size - start)]
        digest.update(part)
        sock.sendall(part)
    sock.recv(1)  # one byte says that all has arrived; what TLS sends by itself is read on the way
    sock.close()
    return digest.hexdigest()


def bare_receiver(pipe: Connection, size: int, tls: bool) -> Result:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pipe.send(listening.getsockname()[1])
        sock: socket.socket = listening.accept()[0]
    if tls:
        with tempfile.TemporaryDirectory() as folder:
            identity, path = Identity(), Path(folder) / "identity.pem"
            path.write_bytes(
                identity.key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                + identity.certificate.public_bytes(serialization.Encoding.PEM)
            )
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        sock = context.wrap_socket(sock, server_side=True)
    digest, buffer, got = hashlib.sha256(), memoryview(bytearray(RAW_PIECE)), 0
    started = time.perf_counter()
    while got < size and (count := sock.recv_into(buffer)):
        digest.update(buffer[:count])
        got += count
    seconds = time.perf_counter() - started
    sock.send(b"\0")
    sock.close()
    return Result(got, seconds, digest.hexdigest(), _resident())


# Our ends: the whole negotiation over a pipe in the place of XMPP, and the transport's stream.


class Wire:
    """Elements over a pipe between two processes."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._arrived: asyncio.Queue[tuple[str, Element]] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._receive)

    def _receive(self) -> None:
        kind, source = self._pipe.recv()
        self._arrived.put_nowait((kind, from_string(source)))

    def send(self, kind: str, element: Element) -> None:
        self._pipe.send((kind, to_string(element)))

    async def receive(self) -> tuple[str, Element]:
        return await self._arrived.get()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())


async def connect(role: Role, pipe: Connection, *, tls: bool) -> tuple[S5bTransport, ByteStream]:
    """Negotiate over `pipe` and return the connected stream."""
    wire = Wire(pipe)
    transport = S5bTransport(
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
    precondition = XtlsPrecondition(role)

    async def take() -> None:
        await transport.accept((await wire.receive())[1])
        precondition.accept((await wire.receive())[1])

    async def give() -> None:
        wire.send("transport", await transport.describe())
        wire.send("security", precondition.describe())

    async def take_infos() -> None:
        while True:
            await transport.info((await wire.receive())[1])

    for step in (give, take) if role is Role.INITIATOR else (take, give):
        await step()
    infos = asyncio.ensure_future(take_infos())
    stream: ByteStream = await transport.connect()
    infos.cancel()
    wire.close()
    return transport, await precondition.protect(stream) if tls else stream


async def _send(pipe: Connection, size: int, tls: bool) -> str:
    transport, stream = await connect(Role.INITIATOR, pipe, tls=tls)
    digest, piece = hashlib.sha256(), memoryview(bytearray(PIECE))
    for start in range(0, size, PIECE):
        part = piece[: min(PIECE, size - start)]
        digest.update(part)
        await stream.send(part)
    await stream.send_eof()
    await stream.receive_into(memoryview(bytearray(1)))
    await stream.aclose()
    await transport.aclose()
    return digest.hexdigest()


async def _receive(pipe: Connection, tls: bool) -> Result:
    transport, stream = await connect(Role.RESPONDER, pipe, tls=tls)
    digest, buffer, got = hashlib.sha256(), memoryview(bytearray(PIECE)), 0
    started = time.perf_counter()
    while count := await stream.receive_into(buffer):
        digest.update(buffer[:count])
        got += count
    seconds = time.perf_counter() - started
    await stream.send_eof()
    await stream.aclose()
    await transport.aclose()
    return Result(got, seconds, digest.hexdigest(), _resident())


def bare(pipe: Connection, role: Role, size: int, tls: bool) -> str | Result:
    if role is Role.INITIATOR:
        return bare_sender(pipe.recv(), size, tls)
    return bare_receiver(pipe, size, tls)


def ours(pipe: Connection, role: Role, size: int, tls: bool) -> str | Result:
    if role is Role.INITIATOR:
        return asyncio.run(_send(pipe, size, tls))
    return asyncio.run(_receive(pipe, tls))


def _run(end: End, pipe: Connection, outcomes: Any, role: Role, size: int, tls: bool) -> None:
    started = time.process_time()
    outcome = end(pipe, role, size, tls)
    outcomes.put((role, outcome, time.process_time() - started))


def measure(end: End, size: int, tls: bool) -> tuple[Result, float]:
    """Start both ends as processes; return what the receiver saw, and the CPU seconds of the busier end."""
    spawn = multiprocessing.get_context("spawn")
    pipes, outcomes = spawn.Pipe(), spawn.Queue()
    processes = [
        spawn.Process(target=_run, args=(end, pipe, outcomes, role, size, tls))
        for pipe, role in zip(pipes, Role, strict=True)
    ]
    for process in processes:
        process.start()
    found: dict[Role, Any] = {}
    busiest = 0.0
    while len(found) < len(processes):
        with contextlib.suppress(queue.Empty):
            role, outcome, seconds = outcomes.get(timeout=1)
            found[role], busiest = outcome, max(busiest, seconds)
        if any(process.exitcode for process in processes):
            for process in processes:
                process.terminate()
            raise SystemExit("one of the two ends failed")
    for process in processes:
        process.join()
    result: Result = found[Role.RESPONDER]
    assert result.bytes == size, f"{result.bytes} of {size} bytes arrived"
    assert result.digest == found[Role.INITIATOR], "the two ends disagree about what was sent"
    return result, busiest


def compare(title: str, *, tls: bool) -> None:
    """Measure bare and ours in turns, and print the ratio of the medians.

    The CPU seconds tell what the rates would be on a machine that does nothing else.
    """
    options = argparse.ArgumentParser(description=title)
    options.add_argument("--size", type=int, default=1 << 30, help="bytes (default: 1 GiB)")
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    runs: dict[End, list[tuple[Result, float]]] = {bare: [], ours: []}
    for _ in range(chosen.rounds):
        for end, results in runs.items():
            results.append(measure(end, chosen.size, tls))
            result, seconds = results[-1]
            print(f"  {end.__name__} {result.rate:6.0f} MB/s, {seconds:.2f} CPU seconds", end="")
        print()
    rates = {end: statistics.median(result.rate for result, _ in results) for end, results in runs.items()}
    cpu = {end: min(seconds for _, seconds in results) for end, results in runs.items()}
    resident = max(result.resident for result, _ in runs[ours]) / 1e6
    print(
        f"{title}: {rates[ours] / rates[bare]:.2f} ({rates[ours]:.0f} of {rates[bare]:.0f} MB/s; by CPU seconds "
        f"{cpu[bare] / cpu[ours]:.2f}; at most {resident:.0f} MB resident)"
    )
