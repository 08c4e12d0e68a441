"""`jingle` commands as processes of their own, seen as a script sees them: exit status, stdout, stderr."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from .zygote import ROOT, Forked, Zygote

SPEECH = ROOT / "jingle" / "demo" / "hello.ogg"

WAIT = 30.0
"""Seconds for whatever has no bound of its own: generous, for the machine may be busy."""

JINGLE = ("-m", "jingle")
"""What the interpreter runs."""

Event = dict[str, Any]


class Command:
    """A running command. `talk` is its stderr so far, `lines` its stdout.

    Attributes:
        events: Every event so far, in order.
    """

    def __init__(self, process: asyncio.subprocess.Process | Forked, name: str, *, as_json: bool) -> None:
        self.name = name
        self.events: list[Event] = []
        self.lines: list[str] = []
        self.talk = ""
        self.ended_at: float | None = None
        self._process = process
        self._as_json = as_json
        self._has_said_all = False
        self._news = asyncio.Condition()
        self._reading = asyncio.gather(self._read_out(), self._read_talk())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def event(self, name: str, /, *, timeout: float = WAIT, **fields: Any) -> Event:
        """The first event of this name with these fields, waiting for it."""
        async with self._news:
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait_for(lambda: self.told(name, **fields) or self._has_said_all)
            except TimeoutError:
                raise AssertionError(f"no {name} {fields} within {timeout} s from {self}") from None
        found = self.told(name, **fields)
        assert found, f"ended without {name} {fields}: {self}"
        return found[0]

    def told(self, name: str, /, **fields: Any) -> list[Event]:
        """The events of this name with these fields."""
        return [
            event
            for event in self.events
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items())
        ]

    def names(self) -> list[str]:
        """The names of all events but `stats`, in order."""
        return [event["event"] for event in self.events if event["event"] != "stats"]

    def interrupt(self, number: int = signal.SIGINT) -> float:
        """Send a signal; the time comes back."""
        self._process.send_signal(number)
        return time.time()

    async def exit(self, timeout: float = WAIT, *, talks_on_stdout: bool = False) -> int:
        """Wait for the end, check what every command owes, and return the exit status.

        Without --json nothing may be on stdout, unless it is `--help`.
        """
        try:
            async with asyncio.timeout(timeout):
                status = await self._process.wait()
                self.ended_at = time.time()
                await self._reading
        except TimeoutError:
            raise AssertionError(f"still running after {timeout} s: {self}") from None
        self._check(talks_on_stdout)
        return status

    def _check(self, talks_on_stdout: bool) -> None:
        assert "Traceback" not in self.talk, self
        assert "exception" not in self.talk.lower(), self
        if self._as_json:
            for event in self.events:
                assert isinstance(event["event"], str), self
                assert isinstance(event["time"], float), self
        else:
            assert talks_on_stdout or not self.lines, self
        with suppress(ProcessLookupError):
            os.killpg(self.pid, 0)
            raise AssertionError(f"left a process behind: {self}")

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read_out(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = raw.decode().rstrip("\n")
            async with self._news:
                self.lines.append(line)
                if self._as_json:
                    self.events.append(json.loads(line))
                self._news.notify_all()
        async with self._news:
            self._has_said_all = True
            self._news.notify_all()

    async def _read_talk(self) -> None:
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            self.talk += raw.decode(errors="replace")

    def __str__(self) -> str:
        out = "\n".join(self.lines)
        return f"{self.name} (exit {self._process.returncode})\n-- stdout\n{out}\n-- stderr\n{self.talk}"


class Commands:
    """Starts commands; those still running at the end are killed.

    Args:
        folder: Where they run.
        zygote: What forks them; without it each is started as a user starts it.
    """

    def __init__(self, folder: Path, zygote: Zygote | None = None) -> None:
        self.folder = folder
        self._zygote = zygote
        self._running: list[Command] = []

    async def __call__(
        self,
        *arguments: str,
        as_json: bool = True,
        prefix: Sequence[str] = (),
        program: Sequence[str] = JINGLE,
        env: dict[str, str] | None = None,
    ) -> Command:
        """Start `jingle` with `arguments`, in the test's folder and with `--json` unless told otherwise.

        Args:
            arguments: The command and what follows it.
            as_json: Ask for events.
            prefix: Goes before the interpreter.
            program: What it runs in place of `jingle`.
            env: Added to a clean environment.
        """
        whole = [*arguments, *(["--json"] if as_json else [])]
        environment = clean_environment() | (env or {})
        process: asyncio.subprocess.Process | Forked
        if self._zygote is not None and not prefix and tuple(program) == JINGLE:
            process = await self._zygote.start(whole, self.folder, environment)
        else:
            process = await asyncio.create_subprocess_exec(
                *prefix,
                sys.executable,
                *program,
                *whole,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )
        command = Command(process, " ".join(arguments[:2]), as_json=as_json)
        self._running.append(command)
        return command

    async def aclose(self) -> None:
        """Kill what still runs."""
        for command in self._running:
            await command.kill()
        if self._zygote is not None:
            self._zygote.release()


def clean_environment() -> dict[str, str]:
    """This process's environment, with this tree's package and without anybody's account."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JINGLE_")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error::ResourceWarning",
        "XDG_CONFIG_HOME": "/nonexistent",
    }


@asynccontextmanager
async def commands(folder: Path, zygote: Zygote | None = None) -> AsyncIterator[Commands]:
    """The commands of one test."""
    started = Commands(folder, zygote)
    try:
        yield started
    finally:
        await started.aclose()
