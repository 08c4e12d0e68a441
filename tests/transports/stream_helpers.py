"""Connected sockets and protected streams for the tests of byte streams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jingle.elements.core import Role
from jingle.testing.links import over_the_wire
from jingle.transports.base import ByteStream, Security
from jingle.transports.socket_stream import SocketStream
from jingle.transports.tls import TlsStream, XtlsPrecondition


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    return ours, theirs


@asynccontextmanager
async def stream_pair() -> AsyncIterator[tuple[SocketStream, SocketStream]]:
    ours, theirs = map(SocketStream, tcp_pair())
    try:
        yield ours, theirs
    finally:
        await ours.aclose()
        await theirs.aclose()


class Relayed:
    """A byte stream that is no socket, as far as anybody can see."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.sent = bytearray()

    @property
    def security(self) -> Security:
        return self.stream.security

    async def receive_into(self, buffer: memoryview) -> int:
        return await self.stream.receive_into(buffer)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        await self.stream.send(data)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()


def introduced() -> tuple[XtlsPrecondition, XtlsPrecondition]:
    """Both sides' preconditions, after the fingerprints were exchanged."""
    initiator, responder = XtlsPrecondition(Role.INITIATOR), XtlsPrecondition(Role.RESPONDER)
    responder.accept(over_the_wire(initiator.describe()))
    initiator.accept(over_the_wire(responder.describe()))
    return initiator, responder


async def protected(ours: ByteStream, theirs: ByteStream) -> tuple[TlsStream, TlsStream]:
    initiator, responder = introduced()
    return await asyncio.gather(initiator.protect(ours), responder.protect(theirs))
