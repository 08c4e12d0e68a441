"""A way into a network of its own: what is listened on there, and answered here (Linux, root)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import AsyncIterator, Sequence

from tests.e2e.proxy import proxy

_CLONE_NEWNET = 0x40000000


@contextlib.asynccontextmanager
async def doorways(network: Sequence[str], *ports: int) -> AsyncIterator[None]:
    """Let programs in a network reach these ports of this machine's loopback, and nothing else of it.

    Args:
        network: What `tests.servers.namespace.network` gave.
        ports: TCP ports on 127.0.0.1; they have the same number there.
    """
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:
            await stack.enter_async_context(proxy(port, listening=_listen(int(network[-1]), port)))
        yield


def _listen(pid: int, port: int) -> socket.socket:
    """A socket that listens in the network of process `pid`: a socket stays where it was made."""
    found: list[socket.socket | OSError] = []

    def make() -> None:
        try:
            _enter(pid)
            found.append(socket.create_server(("127.0.0.1", port)))
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


def _enter(pid: int) -> None:
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(handle)
