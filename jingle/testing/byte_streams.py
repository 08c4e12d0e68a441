"""Byte streams in memory: a connected pair, with slow readers, odd chunks and connections that break to order.

ours, theirs = memory_pair(breaks_at=100_000)
await ours.send(data)               # up to byte 100 000 it arrives
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ..errors import TransportFailed
from ..transports.base import Security


class _Pipe:
    """One direction."""

    def __init__(self, capacity: int, breaks_at: int | None, *, ends_quietly: bool) -> None:
        self.capacity, self.breaks_at, self.ends_quietly = capacity, breaks_at, ends_quietly
        self.chunks: deque[memoryview] = deque()
        self.waiting = self.carried = 0
        self.is_ended = False
        self.changed = asyncio.Condition()


class MemoryByteStream:
    """One end of a pair; implements `ByteStream`.

    Attributes:
        security: What it says of itself.
        is_closed: Whether `aclose` was called.
        received: Bytes that came in so far.
    """

    def __init__(
        self, incoming: _Pipe, outgoing: _Pipe, security: Security, chunk: Callable[[], int] | None, pause: float
    ) -> None:
        self.security = security
        self.is_closed = False
        self.received = 0
        self._incoming, self._outgoing = incoming, outgoing
        self._chunk, self._pause = chunk, pause
        self._broken = False
        self._peer: MemoryByteStream

    async def receive_into(self, buffer: memoryview) -> int:
        """Fill part of `buffer`; see `ByteStream.receive_into`."""
        if self._pause:
            await asyncio.sleep(self._pause)
        pipe = self._incoming
        async with pipe.changed:
            await pipe.changed.wait_for(lambda: pipe.chunks or pipe.is_ended or self._broken or self.is_closed)
            if self.is_closed:
                raise TransportFailed("the stream was closed on this side")
            if not pipe.chunks:
                if self._broken and not pipe.ends_quietly:
                    raise TransportFailed("the connection broke")
                return 0
            room = len(buffer) if self._chunk is None else max(1, min(len(buffer), self._chunk()))
            count = 0
            while pipe.chunks and count < room:
                first = pipe.chunks[0]
                part = first[: room - count]
                buffer[count : count + len(part)] = part
                count += len(part)
                if len(part) == len(first):
                    pipe.chunks.popleft()
                else:
                    pipe.chunks[0] = first[len(part) :]
            pipe.waiting -= count
            self.received += count
            pipe.changed.notify_all()
        return count

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; see `ByteStream.send`."""
        try:
            async with self._outgoing.changed:
                await self._put(memoryview(data).cast("B"))
        finally:
            if self._broken:
                async with self._incoming.changed:
                    self._incoming.changed.notify_all()

    async def _put(self, view: memoryview) -> None:
        pipe = self._outgoing
        while len(view):
            await pipe.changed.wait_for(
                lambda: pipe.waiting < pipe.capacity or self._broken or self.is_closed or self._peer.is_closed
            )
            if self.is_closed:
                raise TransportFailed("the stream was closed on this side")
            if self._broken or self._peer.is_closed:
                raise TransportFailed("the connection broke")
            part = view[: pipe.capacity - pipe.waiting]
            if pipe.breaks_at is not None:
                part = part[: pipe.breaks_at - pipe.carried]
            pipe.chunks.append(memoryview(bytes(part)))
            pipe.waiting += len(part)
            pipe.carried += len(part)
            view = view[len(part) :]
            if pipe.carried == pipe.breaks_at:
                self._broken = self._peer._broken = True
            pipe.changed.notify_all()

    async def send_eof(self) -> None:
        """Say that nothing more follows; see `ByteStream.send_eof`."""
        await self._end(self._outgoing)

    async def aclose(self) -> None:
        """Close both directions; what was sent can still be received."""
        self.is_closed = True
        await self._end(self._outgoing)
        await self._end(self._incoming)

    async def _end(self, pipe: _Pipe) -> None:
        async with pipe.changed:
            pipe.is_ended = True
            pipe.changed.notify_all()


def memory_pair(
    *,
    capacity: int = 1 << 20,
    breaks_at: int | None = None,
    ends_quietly: bool = False,
    chunk: int | Callable[[], int] | None = None,
    pause: float = 0.0,
    security: Security = Security.NONE,
) -> tuple[MemoryByteStream, MemoryByteStream]:
    """Two ends of a connection. Make it on a running event loop.

    Args:
        capacity: Bytes that may be on the way in each direction; `send` waits for room.
        breaks_at: Bytes from the first end to the second after which the connection breaks for both.
        ends_quietly: Whether the second end then sees the end of the stream, as when a process dies, and no error.
        chunk: Bytes that one `receive_into` gives at most, or what to ask for that number each time.
        pause: Seconds that each `receive_into` takes at least: a slow reader.
        security: What both ends say of themselves.
    """
    there = _Pipe(capacity, breaks_at, ends_quietly=ends_quietly)
    back = _Pipe(capacity, None, ends_quietly=ends_quietly)
    asked = (lambda: chunk) if isinstance(chunk, int) else chunk
    first = MemoryByteStream(back, there, security, asked, pause)
    second = MemoryByteStream(there, back, security, asked, pause)
    first._peer, second._peer = second, first
    if breaks_at == 0:
        first._broken = second._broken = True
    return first, second
