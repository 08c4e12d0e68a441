"""A connection that costs no more than its limits, however slowly its client reads.

What is written in one turn of the loop leaves in one piece. Whoever writes to a client that does not keep up is
not read from until it has caught up; one that does not catch up in time is cut off.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import cast

from .domain import Domain


@dataclass
class Hub:
    """What the connections of one server share."""

    domain: Domain
    tls: ssl.SSLContext
    connections: set[BoundedConnection] = field(default_factory=set)
    written_full: set[BoundedConnection] = field(default_factory=set)
    """Slow readers that were written to since a connection last looked."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while there are no connections."""

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something that the server's end has to wait for."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


class BoundedConnection(asyncio.Protocol):
    """The lower half of a connection: its transport and what waits to be sent."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._limits = hub.domain.limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tcp: asyncio.Transport | None = None  # the one below, once there is TLS on top
        self._outbox: list[bytes] = []
        self._outbox_bytes = 0
        self._flush_planned = False
        self._closing = False
        self._full = False
        self._held_by: set[BoundedConnection] = set()
        self._holds: set[BoundedConnection] = set()
        self._deadline: asyncio.TimerHandle | None = None

    def close(self, condition: str | None = None, text: str | None = None) -> None:
        """Close the connection in good order."""
        raise NotImplementedError

    def _postscript(self) -> list[bytes]:
        """What to add to what is about to leave."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; one too many is sent away."""
        self._transport = cast(asyncio.Transport, transport)
        if len(self._hub.connections) >= self._limits.connections:
            self.abort()
            return
        self._hub.connections.add(self)
        self._hub.empty.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone, whoever closed it."""
        self._closing = True
        self._hub.connections.discard(self)
        if not self._hub.connections:
            self._hub.empty.set()
        if self._deadline is not None:
            self._deadline.cancel()
        self._release()
        for other in self._held_by:
            other._holds.discard(self)

    def abort(self) -> None:
        """Cut the connection."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        """The client does not read as fast as others write to it."""
        self._full = True
        if self._deadline is None:
            self._deadline = self._loop.call_later(self._limits.stall_seconds, self.abort)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._deadline is not None and not self._closing:
            self._deadline.cancel()
            self._deadline = None
        self._release()

    def _release(self) -> None:
        self._full = False
        for sender in self._holds:
            sender._held_by.discard(self)
            if not sender._held_by and sender._transport is not None and not sender._closing:
                sender._transport.resume_reading()
        self._holds.clear()

    def _hold_back(self) -> None:
        """Stop reading while anyone this connection has just written to is full."""
        for slow in self._hub.written_full:
            if not slow._closing:
                slow._holds.add(self)
                self._held_by.add(slow)
        self._hub.written_full.clear()
        if self._held_by and self._transport is not None:
            self._transport.pause_reading()

    def write(self, data: bytes) -> None:
        """Send bytes soon: what is written in one turn of the loop leaves in one piece."""
        if self._closing:
            return
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        if self._full or self._outbox_bytes > self._limits.backlog_bytes:
            self._hub.written_full.add(self)
        self._plan_flush()

    def _plan_flush(self) -> None:
        if self._outbox_bytes > self._limits.overflow_bytes:
            self.abort()
        elif not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._outbox += self._postscript()
        if self._outbox:
            transport.write(b"".join(self._outbox))
            self._outbox.clear()
            self._outbox_bytes = 0
        # Under TLS there are two buffers, and the lower one takes any single write whole, however full it is.
        unsent = transport.get_write_buffer_size() + (self._tcp.get_write_buffer_size() if self._tcp else 0)
        if unsent > self._limits.overflow_bytes:
            self.abort()
        elif not self._full:
            self._release()  # of those held for the outbox alone

    def _finish(self) -> None:
        """Send what is left and close."""
        self._flush()
        self._closing = True
        if self._transport is not None:
            self._transport.close()
        if self._deadline is None:
            self._deadline = self._loop.call_later(self._limits.closing_seconds, self.abort)
