"""A line between a client and the loopback server, which breaks when a test wants it to."""

from __future__ import annotations

import asyncio

from jingle.demo import LoopbackServer

BESIDE = "beside the connection under test"


class Line:
    """What lies between a client and a server: it can be cut, or stop carrying anything."""

    def __init__(self, server: LoopbackServer) -> None:
        self._server = server
        self._ends: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.is_stuck = False
        self.refuses = False
        self.dialled = 0
        self.port = 0

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.dialled += 1
        if self.refuses:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self._server.host, self._server.port)
        self._ends += [writer, far_writer]
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink), name=BESIDE)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self.is_stuck:
                    sink.write(data)
        except ConnectionError:
            pass
        finally:
            sink.close()

    def cut(self) -> None:
        """Break every connection, as a network does that goes away."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def aclose(self) -> None:
        self.cut()
        if self._listener is not None:
            self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
