"""A byte stream on a connected TCP socket, and the waiting that goes with it.

The socket is used directly, without asyncio's transports: bytes go from the kernel into the caller's buffer and from
the caller's buffer into the kernel, and are copied nowhere in between.
"""

from __future__ import annotations

import asyncio
import enum
import socket
from collections.abc import Callable
from contextlib import suppress

from ..errors import TransportFailed
from .base import Security

UNBROKEN = 1 << 20
"""Bytes that may move without a wait before everybody else on the event loop gets a turn."""

DEAD_PEER = 60
"""Seconds of silence from the peer's kernel after which a connection counts as broken (RFC 5482)."""

_KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 4}
_LINGER_BYTES = 1 << 20


class _Direction(enum.Enum):
    READ = "read"
    WRITE = "write"


class Readiness:
    """Waits until a non-blocking socket can be read from or written to; any number may wait."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[_Direction, list[asyncio.Future[None]]] = {direction: [] for direction in _Direction}
        self._closed = False

    async def readable(self) -> None:
        """Return once reading makes sense.

        Raises:
            TransportFailed: The stream was closed meanwhile.
        """
        await self._wait(_Direction.READ, self._loop.add_reader)

    async def writable(self) -> None:
        """Return once writing makes sense.

        Raises:
            TransportFailed: The stream was closed meanwhile.
        """
        await self._wait(_Direction.WRITE, self._loop.add_writer)

    def close(self) -> None:
        """Wake everybody who waits, with an error; has to come before the socket is closed."""
        self._closed = True
        for direction, waiting in self._waiting.items():
            if waiting:
                self._unwatch(direction)
            for future in waiting:
                if not future.done():
                    future.set_exception(closed())
            waiting.clear()

    async def _wait(self, direction: _Direction, watch: Callable[..., object]) -> None:
        if self._closed:
            raise closed()
        waiting = self._waiting[direction]
        if not waiting:
            watch(self._fd, self._wake, direction)
        future: asyncio.Future[None] = self._loop.create_future()
        waiting.append(future)
        try:
            await future
        finally:
            if future in waiting:
                waiting.remove(future)
                if not waiting:
                    self._unwatch(direction)

    def _wake(self, direction: _Direction) -> None:
        self._unwatch(direction)
        waiting = self._waiting[direction]
        for future in waiting:
            if not future.done():
                future.set_result(None)
        waiting.clear()

    def _unwatch(self, direction: _Direction) -> None:
        if direction is _Direction.READ:
            self._loop.remove_reader(self._fd)
        else:
            self._loop.remove_writer(self._fd)


def closed() -> TransportFailed:
    """What whoever still uses a stream gets after `aclose()`."""
    return TransportFailed("the stream was closed on this side")


def broken(error: BaseException) -> TransportFailed:
    """What an error of the socket means to whoever uses the stream."""
    return TransportFailed(f"the connection broke: {error}", last_error=error)


def tune(sock: socket.socket) -> None:
    """Set what every connection of ours wants: no delay for the last bytes, and an end when the peer has vanished.

    Buffer sizes are left to the kernel, which adapts them to the path as long as nobody sets them.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in _KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER * 1000)


class SocketStream:
    """A `ByteStream` on a connected TCP socket.

    One task may receive and another send at the same time. A cancelled `send` may have sent a part.

    Args:
        sock: Connected; the stream owns it from now on.

    Attributes:
        security: Always `NONE`.
        socket: Non-blocking; for TLS, which reads and writes it directly.
        readiness: When to go on with `socket`.
    """

    security = Security.NONE

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        with suppress(OSError):  # the peer may have reset it already, which the first use will tell
            tune(sock)
        self.socket = sock
        self.readiness = Readiness(sock.fileno())
        self._closed = False
        self._unbroken = 0

    async def receive_into(self, buffer: memoryview) -> int:
        """Fill part of `buffer`; see `ByteStream.receive_into`."""
        while not self._closed:
            try:
                count = self.socket.recv_into(buffer)
            except (BlockingIOError, InterruptedError):
                await self.readiness.readable()
                self._unbroken = 0
            except OSError as exc:
                raise broken(exc) from exc
            else:
                await self.breathe(count)
                return count
        raise closed()

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; see `ByteStream.send`."""
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                if self._closed:
                    raise closed()
                try:
                    count = self.socket.send(view[sent:])
                except (BlockingIOError, InterruptedError):
                    await self.readiness.writable()
                    self._unbroken = 0
                except OSError as exc:
                    raise broken(exc) from exc
                else:
                    sent += count
                    await self.breathe(count)

    async def send_eof(self) -> None:
        """Close our direction; see `ByteStream.send_eof`."""
        if self._closed:
            raise closed()
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as exc:
            raise broken(exc) from exc

    async def breathe(self, count: int) -> None:
        """Give others a turn when much has moved: a fast peer would keep this task running for ever."""
        self._unbroken += count
        if self._unbroken >= UNBROKEN:
            self._unbroken = 0
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Close both directions; what has been sent is still delivered."""
        if self._closed:
            return
        self._closed = True
        self.readiness.close()
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            # A socket that is closed with something unread answers with a reset, and a reset destroys what the peer
            # has not read yet. A TLS server's session tickets, for one, lie here unread when a file has been sent.
            for _ in range(_LINGER_BYTES >> 16):
                if not self.socket.recv(1 << 16):
                    break
        self.socket.close()
