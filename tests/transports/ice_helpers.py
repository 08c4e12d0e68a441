"""Servers and networks for the tests of ICE: a STUN server that translates, one that is dead, a real TURN server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from jingle.elements import ice_udp
from jingle.elements.declare import Element
from jingle.testing.links import TransportPair
from jingle.transports import ice_gathering
from jingle.transports.base import IceServer
from jingle.transports.link import IceDtlsLink


def as_ice(element: Element) -> ice_udp.IceUdpTransport:
    return cast(ice_udp.IceUdpTransport, element)


def with_fingerprint(element: Element, *fingerprints: ice_udp.Fingerprint) -> ice_udp.IceUdpTransport:
    return replace(as_ice(element), fingerprints=fingerprints)


def only_loopback(monkeypatch: pytest.MonkeyPatch, *others: str) -> None:
    """A machine whose addresses are loopback and `others`."""

    def addresses(ipv4: bool, ipv6: bool) -> list[str]:
        return list(others)

    monkeypatch.setattr(ice_gathering, "get_host_addresses", addresses)


class TranslatingStun(asyncio.DatagramProtocol):
    """A STUN server as seen through a NAT: every client seems to be at 203.0.113.7."""

    def __init__(self, attribute: str = "XOR-MAPPED-ADDRESS") -> None:
        self.attribute = attribute
        self.requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.requests += 1
        request = stun.parse_message(data)
        response = stun.Message(request.message_method, stun.Class.RESPONSE, transaction_id=request.transaction_id)
        response.attributes[self.attribute] = ("203.0.113.7", addr[1])
        self.transport.sendto(bytes(response), addr)


@asynccontextmanager
async def stun_server(
    address: str = "127.0.0.1", attribute: str = "XOR-MAPPED-ADDRESS"
) -> AsyncIterator[tuple[IceServer, TranslatingStun]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: TranslatingStun(attribute), local_addr=(address, 0))
    try:
        yield IceServer(scheme="stun", host=address, port=transport.get_extra_info("sockname")[1]), server
    finally:
        transport.close()


@contextmanager
def dead_server(scheme: str = "stun", transport: str = "udp") -> Iterator[IceServer]:
    """A port that swallows everything."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as swallowing:
        swallowing.bind(("127.0.0.1", 0))
        if transport == "tcp":
            swallowing.listen()
        yield IceServer(
            scheme=scheme,
            host="127.0.0.1",
            port=swallowing.getsockname()[1],
            transport=transport,
            username="user",
            password="secret",
        )


def free_port() -> int:
    """A port that is free for UDP and TCP just now."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        ):
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return cast(int, udp.getsockname()[1])


def write_certificate(folder: Path, certificate: x509.Certificate, key: object) -> tuple[Path, Path]:
    crt, pem = folder / "cert.pem", folder / "key.pem"
    crt.write_bytes(certificate.public_bytes(Encoding.PEM))
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))  # type: ignore[attr-defined]
    return crt, pem


@asynccontextmanager
async def coturn(folder: Path, *, certificate: tuple[Path, Path] | None = None) -> AsyncIterator[int]:
    """A coturn of our own with long-term credentials user:secret; its port speaks UDP, TCP and TLS."""
    port = free_port()
    config = folder / "turnserver.conf"
    lines = [
        f"listening-port={port}",
        "listening-ip=127.0.0.1",
        "relay-ip=127.0.0.1",
        "allow-loopback-peers",
        "lt-cred-mech",
        "user=user:secret",
        "realm=example.org",
        "no-cli",
        "cli-password=unused",
        "log-file=stdout",
        "simple-log",
        f"pidfile={folder}/turnserver.pid",
        f"userdb={folder}/turndb",
    ]
    lines += [f"cert={certificate[0]}", f"pkey={certificate[1]}"] if certificate else ["no-tls", "no-dtls"]
    config.write_text("\n".join(lines) + "\n")
    process = await asyncio.create_subprocess_exec(
        "turnserver",
        "-c",
        str(config),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                except OSError:
                    assert process.returncode is None, "turnserver did not start"
                    await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def exchange_data(ours: IceDtlsLink, theirs: IceDtlsLink) -> None:
    """Application data through the association, which only both ends of one handshake can read."""

    class Receiver:
        def __init__(self) -> None:
            self.got: asyncio.Queue[bytes] = asyncio.Queue()

        async def _handle_data(self, data: bytes) -> None:
            self.got.put_nowait(data)

    for sender, receiver in ((ours, theirs), (theirs, ours)):
        sink = Receiver()
        receiver.dtls._register_data_receiver(sink)
        await sender.dtls._send_data(b"wherefore")
        assert await asyncio.wait_for(sink.got.get(), 1) == b"wherefore"
        receiver.dtls._unregister_data_receiver(sink)


async def wait_until(condition: Callable[[], object], seconds: float = 2) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what changes is within the code under test
            await asyncio.sleep(0.01)


async def connected(pair: TransportPair) -> tuple[IceDtlsLink, IceDtlsLink]:
    ours, theirs = await asyncio.gather(pair.initiator.connect(), pair.responder.connect())
    return ours, theirs


def offered(**changes: Any) -> ice_udp.Candidate:
    """A candidate of a peer: a good one but for `changes`."""
    good = {"component": 1, "foundation": "1", "ip": "192.0.2.1", "port": 5000, "priority": 1, "protocol": "udp"}
    return ice_udp.Candidate(**{**good, "type": ice_udp.CandidateType.HOST, **changes})
