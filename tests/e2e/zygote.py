"""Starts `jingle` commands quickly: forks a process that has imported everything already.

A command spends most of its life importing, and these tests start some three hundred. What runs after the fork is what
`python -m jingle` runs; the tests of calls and those in other networks start that.

Run as a program, it takes one request a datagram from the socket that is its stdin: JSON with `arguments`, `folder`
and `environment`, and the descriptors for stdout and stderr with it. It answers with `{"pid"}`, and `{"pid", "status"}`
once the command has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MAX_REQUEST = 1 << 16


class Forked:
    """A command that was forked; looks like an `asyncio.subprocess.Process`, as far as it is needed."""

    def __init__(self, pid: int, stdout: asyncio.StreamReader, stderr: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for the end; the exit status comes back."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def settle(self, status: int) -> None:
        """Take note of the end."""
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()


class Zygote:
    """The tests' end of it; one loop at a time may use it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._running: dict[int, Forked] = {}

    async def start(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> Forked:
        """Run `jingle` with these arguments."""
        stdout, their_stdout = await _pipe()
        stderr, their_stderr = await _pipe()
        request = {"arguments": arguments, "folder": str(folder), "environment": environment}
        try:
            socket.send_fds(self._connection, [json.dumps(request).encode()], [their_stdout, their_stderr])
        finally:
            os.close(their_stdout)
            os.close(their_stderr)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._connection)
        # The answer comes at once; ends of other commands may come before it.
        while "status" in (answer := json.loads(await loop.sock_recv(self._connection, MAX_REQUEST))):
            self._end(answer)
        started = Forked(answer["pid"], stdout, stderr)
        self._running[started.pid] = started
        loop.add_reader(self._connection, self._listen)
        return started

    def release(self) -> None:
        """Leave the loop, before it is closed."""
        asyncio.get_running_loop().remove_reader(self._connection)

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while message := self._connection.recv(MAX_REQUEST):
                self._end(json.loads(message))

    def _end(self, message: dict[str, int]) -> None:
        self._running.pop(message["pid"]).settle(message["status"])


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    """A pipe: its end to read from, on the loop, and the other one."""
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
    )
    return reader, theirs


@contextlib.contextmanager
def zygote() -> Iterator[Zygote]:
    """Run one until the block ends; what it started must have ended by then."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            command = [sys.executable, "-m", "tests.e2e.zygote"]
            process = subprocess.Popen(
                command, stdin=theirs.fileno(), cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
            )
        ours.setblocking(False)
        yield Zygote(ours)
    process.wait(10)


# The other end, in a process of its own.


def serve(connection: socket.socket) -> None:
    """Fork for each request until the other end closes; returns in each child too, as its own end."""
    import click

    from jingle.cli.main import COMMANDS, main

    context = click.Context(main)
    assert all(main.get_command(context, name) is not None for name in COMMANDS)  # each is imported when it is needed

    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    waker, wakened = socket.socketpair()
    waker.setblocking(False)
    wakened.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    import select

    with connection, waker, wakened:
        while True:
            ready, _, _ = select.select([connection, wakened], [], [])
            if wakened in ready:
                wakened.recv(4096)
                _reap(connection)
            if connection in ready:
                data, descriptors, _, _ = socket.recv_fds(connection, MAX_REQUEST, 2)
                if not data:
                    return
                pid = os.fork()
                if pid == 0:
                    for each in (connection, waker, wakened):
                        each.close()
                    run(main, json.loads(data), descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)
                connection.send(json.dumps({"pid": pid}).encode())


def _reap(connection: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection.send(json.dumps({"pid": pid, "status": status}).encode())


def run(main: Any, request: dict[str, Any], descriptors: list[int]) -> None:
    """Become the command; ends the process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((null, 0), (descriptors[0], 1), (descriptors[1], 2)):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    main.main(args=request["arguments"], prog_name="jingle")
    raise AssertionError("a command ends the process")


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("error", ResourceWarning)
    serve(socket.socket(fileno=os.dup(0)))
