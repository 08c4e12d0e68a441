"""A UDP socket on the event loop that moves many datagrams with one system call where the system can (Linux).

asyncio's own transport takes one datagram each time the loop comes round and makes a system call for each one sent,
which costs more than everything else about a packet. Linux takes a run of equal datagrams to one address as one
(UDP_SEGMENT) and hands them over as one (UDP_GRO); the network sees the same packets either way.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
"""From Linux's udp.h; Python has no names for them."""

MAX_DATAGRAM = 1 << 16
MAX_TAKEN = 64
"""Datagrams that are read before everybody else on the loop gets a turn; one more read may bring as many again.

More would gain little, and hold up their acknowledgement while the sender waits for it.
"""

MAX_UNSENT = 1 << 20
"""Bytes that wait for the kernel; more is dropped, as on any network."""

HAS_RECVMSG = hasattr(socket.socket, "recvmsg_into")
"""Where that is missing, the event loop has no add_reader either: asyncio's own transport has to do."""

_CONTROL_SPACE = socket.CMSG_SPACE(4) if hasattr(socket, "CMSG_SPACE") else 0
_TRANSIENT = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS}

Address = tuple[Any, ...]


class DatagramsProtocol(asyncio.DatagramProtocol):
    """A protocol that takes datagrams as they come: several at once."""

    def datagrams_received(self, datagrams: list[bytes], address: Address) -> None:
        """Take what came from one address, in order."""
        for datagram in datagrams:
            self.datagram_received(datagram, address)


class UdpTransport(asyncio.DatagramTransport):
    """Moves the datagrams of a bound, non-blocking socket, which it owns."""

    def __init__(self, sock: socket.socket, protocol: DatagramsProtocol) -> None:
        super().__init__({"socket": sock, "sockname": sock.getsockname()})
        self._sock, self._protocol = sock, protocol
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[tuple[bytes, Address]] = deque()
        self._unsent_bytes = 0
        self._closing = False
        self._segments = self._try(UDP_SEGMENT, 0)
        self._try(UDP_GRO, 1)
        self._buffer = bytearray(MAX_DATAGRAM)
        self._loop.call_soon(protocol.connection_made, self)
        self._loop.call_soon(self._watch)

    def _try(self, option: int, value: int) -> bool:
        if sys.platform != "linux":
            return False
        try:
            self._sock.setsockopt(SOL_UDP, option, value)
        except OSError:  # older than Linux 4.18 or 5.0
            return False
        return True

    def _watch(self) -> None:
        if not self._closing:
            self._loop.add_reader(self._sock.fileno(), self._read)

    def _read(self) -> None:
        view, taken = memoryview(self._buffer), 0
        while taken < MAX_TAKEN and not self._closing:
            try:
                size, control, _, address = self._sock.recvmsg_into([view], _CONTROL_SPACE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # an ICMP message about something sent before
                self._protocol.error_received(error)
                return
            step = struct.unpack("=i", control[0][2])[0] if control else size
            # An empty datagram, which anybody can send, is nothing to anybody.
            datagrams = [bytes(view[start : min(start + step, size)]) for start in range(0, size, step or 1)]
            taken += max(1, len(datagrams))
            self._protocol.datagrams_received(datagrams, address)

    # Sending

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send one datagram; one that the system cannot take is lost, as on any network."""
        if addr is not None and data:
            self._send(bytes(data), addr)

    def send_many(self, data: bytes, size: int, addr: Address) -> None:
        """Send `data` as datagrams of `size` bytes each, the last one possibly shorter; at most 64 KiB."""
        if self._segments and not self._unsent and len(data) > size:
            control = [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))]
            try:
                self._sock.sendmsg([data], control, 0, addr)
                return
            except OSError as error:
                if error.errno not in _TRANSIENT:  # the way there cannot do it
                    self._segments = False
        for start in range(0, len(data), size):
            self._send(data[start : start + size], addr)

    def _send(self, data: bytes, addr: Address) -> None:
        if self._closing:
            return
        if not self._unsent:
            try:
                self._sock.sendto(data, addr)
                return
            except OSError as error:
                if error.errno not in _TRANSIENT:
                    self._protocol.error_received(error)
                    return
        if not self._unsent:
            self._loop.add_writer(self._sock.fileno(), self._send_unsent)
        if self._unsent_bytes + len(data) <= MAX_UNSENT:
            self._unsent.append((data, addr))
            self._unsent_bytes += len(data)

    def _send_unsent(self) -> None:
        while self._unsent:
            try:
                self._sock.sendto(*self._unsent[0])
            except OSError as error:
                if error.errno in _TRANSIENT:
                    return
                self._protocol.error_received(error)
            data, _ = self._unsent.popleft()
            self._unsent_bytes -= len(data)
        self._loop.remove_writer(self._sock.fileno())

    # The end

    def is_closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    def close(self) -> None:
        """Stop; the protocol's `connection_lost` follows, and the socket is closed then."""
        if not self._closing:
            self._closing = True
            self._unsent.clear()
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._loop.call_soon(self._end)

    def abort(self) -> None:
        """The same as `close`: a datagram that has not left is lost in any case."""
        self.close()

    def _end(self) -> None:
        self._sock.close()
        self._protocol.connection_lost(None)


P = TypeVar("P", bound=DatagramsProtocol)


async def open_udp(factory: Callable[[], P], address: str) -> tuple[asyncio.DatagramTransport, P]:
    """Bind a socket to a free port of `address`.

    Raises:
        OSError: The address cannot be bound to.
    """
    loop = asyncio.get_running_loop()
    if not HAS_RECVMSG:
        return await loop.create_datagram_endpoint(factory, local_addr=(address, 0))
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((address, 0))
    except OSError:
        sock.close()
        raise
    protocol = factory()
    transport = UdpTransport(sock, protocol)
    try:
        await asyncio.sleep(0)  # connection_made() has been called
    except asyncio.CancelledError:
        transport.close()
        raise
    return transport, protocol
