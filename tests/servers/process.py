"""A server that runs as a process of its own while tests need it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

STARTING = 20.0
"""Seconds a server may take until it listens."""

STOPPING = 5.0

BELOW_EPHEMERAL = (10000, 32768)
"""Ports that Linux does not give to whoever asks for any."""

_RANDOM = random.SystemRandom()


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    folder: Path,
    also: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until it listens on `port` and `also`, and end it with the block, by its process id.

    Args:
        command: What to start.
        port: TCP, on 127.0.0.1.
        folder: Where it runs, and where its output goes.
        also: More such ports.
        env: Its environment, in place of this process's own.
    """
    log = folder / f"{Path(command[0]).name}.out"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=env,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + STARTING
        while not all(_listens(each) for each in (port, *also)):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[Any]) -> None:
    """End a process that may have ended already."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports that are free for TCP and UDP just now, all different.

    A server takes them some seconds later. Until then nobody is given one of them who asks for any port.
    """
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < count:
            address = ("127.0.0.1", _RANDOM.randrange(*BELOW_EPHEMERAL))
            tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):
                tcp.bind(address)
                udp.bind(address)
                ports.append(address[1])
        return ports


def is_root() -> bool:
    """Whether this process may do everything."""
    return os.geteuid() == 0
