"""A way into a network of its own: what is listened on there, and answered here (Linux, root)."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence

from tests.e2e.proxy import proxy

LARGEST = 65535
_CLONE_NEWNET = 0x40000000


@contextlib.asynccontextmanager
async def doorways(
    network: Sequence[str], *ports: int, udp: Sequence[int] = (), host: str = "127.0.0.1"
) -> AsyncIterator[None]:
    """Let programs in a network reach these ports of this machine's loopback, and nothing else of it.

    Args:
        network: What `tests.servers.namespace.network` gave.
        ports: TCP ports on 127.0.0.1; they have the same number there.
        udp: UDP ports. As behind a NAT, each address in there is another one out here, for each port.
        host: The address in that network.
    """
    pid = int(network[-1])
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:
            await stack.enter_async_context(proxy(port, listening=_listen(pid, (host, port), socket.SOCK_STREAM)))
        for port in udp:
            stack.enter_context(_Translation(port, _listen(pid, (host, port), socket.SOCK_DGRAM)))
        yield


class _Translation:
    """Carries datagrams between a socket in a network and a port out here, while it is entered."""

    def __init__(self, port: int, inside: socket.socket) -> None:
        self._port = port
        self._inside = inside
        self._outside: dict[tuple[str, int], socket.socket] = {}
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        self._watch(self._inside, self._leave)

    def __exit__(self, *_: object) -> None:
        for sock in (self._inside, *self._outside.values()):
            self._loop.remove_reader(sock)
            sock.close()

    def _watch(self, sock: socket.socket, carry: Callable[[], object]) -> None:
        sock.setblocking(False)
        self._loop.add_reader(sock, carry)

    def _leave(self) -> None:
        data, source = self._inside.recvfrom(LARGEST)
        if source not in self._outside:
            sock = self._outside[source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(("127.0.0.1", self._port))
            self._watch(sock, lambda: self._come_back(sock, source))
        with contextlib.suppress(OSError):  # a full buffer, or nobody there any more: datagrams get lost
            self._outside[source].send(data)

    def _come_back(self, sock: socket.socket, source: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self._inside.sendto(sock.recv(LARGEST), source)


def _listen(pid: int, address: tuple[str, int], kind: socket.SocketKind) -> socket.socket:
    """A socket at an address in the network of process `pid`: a socket stays where it was made."""
    found: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            _enter(pid)
            found.append(_bound(address, kind))
        except OSError as exc:
            found.append(exc)

    # A thread of its own, which has its network to itself and ends with it.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (result,) = found
    if isinstance(result, OSError):
        raise result
    return result


def _bound(address: tuple[str, int], kind: socket.SocketKind) -> socket.socket:
    if kind is socket.SOCK_STREAM:
        return socket.create_server(address)
    sock = socket.socket(socket.AF_INET, kind)
    sock.bind(address)
    return sock


def _enter(pid: int) -> None:
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)
