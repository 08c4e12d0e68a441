"""GStreamer's webrtcbin in a process of its own (see `gstreamer/host.py`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jingle import sdp
from tests.conftest import missing
from tests.e2e.sound import Heard, measure

from .stack import WAIT, decoded

HOST = Path(__file__).parent / "gstreamer" / "host.py"
PYTHON = "/usr/bin/python3"
"""The system's, for which Debian has the bindings."""

LEAVING = 10.0

Event = dict[str, Any]


class WebRtcBin:
    """Implements `stack.Stack`.

    Attributes:
        version: Of GStreamer.
        events: Everything it told, in order.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.version = ""
        self.events: list[Event] = []
        self.trickled: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self._mids: list[str] = []
        self._process = process
        self._has_said_all = False
        self._news = asyncio.Condition()
        self.reading = asyncio.ensure_future(self._read())

    async def offer(self) -> str:
        return await self._described("offer")

    async def answer(self, offer: str) -> str:
        return await self._described("answer", sdp=offer)

    async def accept(self, answer: str) -> None:
        self._do("accept", sdp=answer)

    async def add(self, mid: str, line: str) -> None:
        self._do("candidate", mline=self._mids.index(mid), candidate=line)

    async def connected(self) -> None:
        await self.event("state", state="connected")

    async def hear(self) -> Heard:
        count = len(self._told("heard"))
        self._do("hear")
        told = await self.event("heard", count=count + 1)
        return measure(decoded(told["pcm"]), told["rate"], least=1.0)

    async def look(self) -> tuple[int, ...]:
        """The colour of the middle of the last picture that came in."""
        count = len(self._told("seen"))
        self._do("look")
        return tuple((await self.event("seen", count=count + 1))["rgb"])

    async def _described(self, what: str, **fields: Any) -> str:
        self._do(what, **fields)
        text: str = (await self.event("description"))["sdp"]
        return text

    def _do(self, what: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **fields}).encode() + b"\n")

    async def event(self, name: str, *, count: int = 1, **fields: Any) -> Event:
        """The event of this name with these fields, waiting for so many; the last of these comes back."""
        async with self._news:
            try:
                async with asyncio.timeout(WAIT):
                    await self._news.wait_for(lambda: len(self._told(name, **fields)) >= count or self._has_said_all)
            except TimeoutError:
                raise AssertionError(f"no {name} {fields} in {self.events}") from None
        found = self._told(name, **fields)
        assert len(found) >= count, f"ended without {name} {fields}: {self.events}"
        return found[count - 1]

    def _told(self, name: str, **fields: Any) -> list[Event]:
        return [
            event
            for event in self.events
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items())
        ]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event = json.loads(line)
            match event["event"]:
                case "description":
                    self._mids = [media.mid or "" for media in sdp.parse(event["sdp"]).media]
                case "candidate":
                    self.trickled.put_nowait((self._mids[event["mline"]], event["candidate"]))
                case "gathered":
                    self.trickled.put_nowait((self._mids[0], None))
            async with self._news:
                self.events.append(event)
                self._news.notify_all()
        async with self._news:
            self._has_said_all = True
            self._news.notify_all()


@contextlib.asynccontextmanager
async def webrtcbin(frequency: int, *, codec: str = "", colour: int = 0) -> AsyncIterator[WebRtcBin]:
    """Run one that says a tone of this frequency, and where a `codec` for it is given, shows a colour (0xRRGGBB)."""
    if not Path(PYTHON).exists():
        missing("this system has no Python of its own to run GStreamer with")
    process = await asyncio.create_subprocess_exec(
        *(PYTHON, str(HOST), "127.0.0.1", str(frequency), codec, str(0xFF << 24 | colour)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    stack = WebRtcBin(process)
    assert process.stdin is not None
    assert process.stderr is not None
    complaints = asyncio.ensure_future(process.stderr.read())
    try:
        try:
            stack.version = (await stack.event("ready"))["version"]
        except AssertionError:
            missing(f"GStreamer's webrtcbin cannot be run: {(await complaints).decode()[-400:]}")
        yield stack
        assert not stack._told("error"), stack.events
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), LEAVING)
        except TimeoutError:
            process.kill()
            await process.wait()
        await asyncio.gather(stack.reading, complaints)
