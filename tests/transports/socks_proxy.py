"""A SOCKS5 proxy with activation (XEP-0065), written from the XEP and sharing no code with what it tests."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from jingle.elements.declare import Element
from jingle.elements.s5b import NS_BYTESTREAMS, BytestreamsQuery, Streamhost
from jingle.errors import RemoteProtocolError
from jingle.testing.stanza_port import MemoryNetwork

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    def __init__(self, jid: str) -> None:
        self.jid = jid
        self.host, self.port = "127.0.0.1", 0
        self.waiting: dict[str, list[Connection]] = {}
        self.activated: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def streamhost(self) -> Streamhost:
        return Streamhost(jid=self.jid, host=self.host, port=self.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeting = await reader.readexactly(2)
        assert greeting[0] == 5
        assert 0 in await reader.readexactly(greeting[1])
        writer.write(b"\x05\x00")
        assert await reader.readexactly(4) == b"\x05\x01\x00\x03"
        length = (await reader.readexactly(1))[0]
        name = await reader.readexactly(length)
        assert await reader.readexactly(2) == b"\x00\x00"
        writer.write(b"\x05\x00\x00\x03" + bytes([length]) + name + b"\x00\x00")
        self.waiting.setdefault(name.decode(), []).append((reader, writer))

    async def activate(self, sender: str, payload: Element) -> Element | None:
        assert isinstance(payload, BytestreamsQuery)
        name = hashlib.sha1(f"{payload.sid}{sender}{payload.activate}".encode()).hexdigest()
        ends = self.waiting.get(name, [])
        if len(ends) != 2:
            raise RemoteProtocolError("not both are here", condition="item-not-found")
        self.activated.append(name)
        for (reader, _), (_, writer) in (ends, ends[::-1]):
            task = asyncio.ensure_future(self.pipe(reader, writer))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return None

    async def pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()


@asynccontextmanager
async def running_proxy(network: MemoryNetwork, jid: str = "proxy.capulet.example") -> AsyncIterator[Proxy]:
    proxy = Proxy(jid)
    network.join(jid).on_request(NS_BYTESTREAMS, proxy.activate)
    server = await asyncio.start_server(proxy.serve, proxy.host, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        writers = [writer for ends in proxy.waiting.values() for _, writer in ends]
        for task in tuple(proxy.tasks):
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        await server.wait_closed()
