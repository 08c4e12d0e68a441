"""A browser for the whole run, and clients in it that others wrote (see `browser/`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.conftest import missing, require_program
from tests.servers.accounts import PASSWORD

FOLDER = Path(__file__).parent / "browser"
STARTING = 60.0
LEAVING = 10.0
WAIT = 30.0
"""Seconds for whatever has no bound of its own: generous, for the machine may be busy."""

LINE = 1 << 20
"""Bytes of an event at most."""

Event = dict[str, Any]


class Chromium:
    """A running browser.

    Attributes:
        version: Its version.
    """

    def __init__(self, port: int, version: str) -> None:
        self.version = version
        self._port = port

    @contextlib.asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[BrowserClient]:
        """A page of its own, until the block ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LINE)
        client = BrowserClient(name, reader, writer)
        try:
            yield client
        finally:
            await client.aclose()


@contextlib.contextmanager
def chromium() -> Iterator[Chromium]:
    """Run a browser."""
    node, program = require_program("node"), require_program("chromium")
    if not (FOLDER / "node_modules" / "stanza").is_dir():
        missing("the packages of the browser's client are not installed: make browser")
    process = subprocess.Popen(
        [node, "host.mjs", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=FOLDER,
        text=True,
        env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            _, errors = process.communicate(timeout=STARTING)
            raise RuntimeError(f"the browser did not start:\n{errors[-4000:]}")
        told = json.loads(line)
        yield Chromium(told["port"], told["version"])
    finally:
        # It ends the browser when its input ends.
        try:
            process.communicate(timeout=LEAVING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class BrowserClient:
    """A client in a page: told what to do, it tells what happens.

    Attributes:
        events: Every event so far, in order.
        jid: Its full JID, once it is online.
    """

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self.events: list[Event] = []
        self.jid = ""
        self._writer = writer
        self._news = asyncio.Condition()
        self._reading = asyncio.ensure_future(self._read(reader))

    async def login(self, url: str, jid: str, *, frequency: int = 1000, shows_addresses: bool = True) -> None:
        """Go online.

        Args:
            url: Of the server's WebSocket.
            jid: The account, bare.
            frequency: Of the tone that it speaks, in Hz.
            shows_addresses: Whether its candidates have addresses; without they have names of mDNS.
        """
        fields = {"frequency": frequency, "shows_addresses": shows_addresses}
        self.do("login", url=url, jid=jid, password=PASSWORD, **fields)
        self.jid = (await self.event("online"))["jid"]

    def do(self, what: str, **fields: Any) -> None:
        """Let it do something; an `error` event tells where that went wrong."""
        self._writer.write(json.dumps({"do": what, **fields}).encode() + b"\n")

    async def event(self, name: str, *, count: int = 1, timeout: float = WAIT, **fields: Any) -> Event:
        """The event of this name with these fields, waiting for it; with `count`, the one that makes so many."""

        def is_there() -> bool:
            return len(self.told(name, **fields)) >= count or self._reading.done() or bool(self.told("error"))

        async with self._news:
            try:
                async with asyncio.timeout(timeout):
                    await self._news.wait_for(is_there)
            except TimeoutError:
                raise AssertionError(f"no {name} {fields} within {timeout} s from {self}") from None
        found = self.told(name, **fields)
        assert len(found) >= count, f"no {name} {fields}: {self}"
        return found[count - 1]

    def told(self, name: str, **fields: Any) -> list[Event]:
        """The events of this name with these fields, so far."""
        return [
            event
            for event in self.events
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items())
        ]

    async def measure(self) -> Event:
        """What it hears of the latest call just now, and its counters."""
        count = len(self.told("measured")) + 1
        self.do("measure")
        return await self.event("measured", count=count)

    async def aclose(self) -> None:
        """Close the page."""
        with contextlib.suppress(ConnectionError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            async with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    def __str__(self) -> str:
        return "\n".join([f"{self.name} in the browser", *(json.dumps(event) for event in self.events)])
