"""A sender and a receiver with a session between them that crosses XML, and streams in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jingle.applications.file_transfer.progress import Progress
from jingle.applications.file_transfer.receiver import FileReceiver
from jingle.applications.file_transfer.sender import FileSender
from jingle.applications.file_transfer.source import OutgoingFile
from jingle.applications.file_transfer.storage import Target
from jingle.applications.file_transfer.transfer import FileResult, Hooks, Timing, Transfer
from jingle.elements.core import Reason
from jingle.elements.declare import Element, from_string, to_string
from jingle.errors import JingleError
from jingle.testing.byte_streams import MemoryByteStream, memory_pair

QUICK = Timing(hangup=0.05, checksum=5, drain=5, flush=0.01, end=0.05, confirm=5)
"""Short where a test waits for the end of it, long where that would be the test's failure."""
NAME = "a-file-offer"


def crossed(element: Element) -> Element:
    """The element after a journey as XML."""
    return from_string(to_string(element))


def names(folder: Path) -> list[str]:
    """What is in a folder, sorted; nothing where there is none."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class Witness:
    """What one side was told.

    Attributes:
        infos: What it wanted to send.
        reasons: Why it wanted the end.
    """

    def __init__(self) -> None:
        self.infos: list[Element] = []
        self.reasons: list[Reason] = []
        self.progress: list[Progress] = []
        self.done: list[FileResult] = []
        self.failed: list[JingleError] = []
        self.on_info: Callable[[Element], Any] = lambda element: None
        self.on_finish: Callable[[Any], Any] = lambda reason: None

    def hooks(self) -> Hooks:
        return Hooks(
            send_info=self._send_info,
            finish=self._finish,
            on_progress=self.progress.append,
            on_done=self.done.append,
            on_failed=self.failed.append,
        )

    @property
    def reason(self) -> str:
        [reason] = self.reasons
        return reason.condition.value

    def _send_info(self, element: Element) -> None:
        self.infos.append(element)
        asyncio.get_running_loop().call_soon(self.on_info, crossed(element))

    def _finish(self, reason: Reason) -> None:
        self.reasons.append(reason)
        asyncio.get_running_loop().call_soon(self.on_finish, crossed(reason))


class Exchange:
    """One file from a sender to a receiver."""

    def __init__(
        self,
        file: OutgoingFile | Path,
        target: Target | Path,
        *,
        timing: Timing = QUICK,
        sending: dict[str, Any] | None = None,
        receiving: dict[str, Any] | None = None,
    ) -> None:
        self.sending, self.receiving = Witness(), Witness()
        self.sender = FileSender(file, name=NAME, hooks=self.sending.hooks(), timing=timing, **(sending or {}))
        self.receiver = FileReceiver(
            Target(folder=target) if isinstance(target, Path) else target,
            name=NAME,
            hooks=self.receiving.hooks(),
            timing=timing,
            **({"origin": "romeo"} | (receiving or {})),
        )
        self.sending.on_info = self.receiver.info
        self.receiving.on_info = self.sender.info
        self.receiving.on_finish = self.terminate
        self.sending.on_finish = self.terminate_slowly
        self._ending: asyncio.Task[None] | None = None
        self.streams: tuple[MemoryByteStream, MemoryByteStream] | None = None

    def negotiate(self) -> None:
        offer = crossed(self.sender.describe())
        self.sender.accepted(crossed(self.receiver.answer(offer)))

    def terminate_slowly(self, reason: Reason) -> None:
        """Let the receiver see for itself what went wrong, so that tests do not depend on who is faster."""

        async def later() -> None:
            await asyncio.wait([asyncio.ensure_future(outcome(self.receiver))], timeout=0.3)
            await self.terminate(reason)

        self._late = asyncio.get_running_loop().create_task(later())

    def terminate(self, reason: Reason | str) -> asyncio.Task[None]:
        word = reason if isinstance(reason, str) else reason.condition.value
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(word))
        return self._ending

    async def _end(self, reason: str) -> None:
        await asyncio.gather(self.sender.stop(reason), self.receiver.stop(reason))

    async def start(self, **pair: Any) -> None:
        self.streams = memory_pair(**pair)
        await self.sender.start(self.streams[0])
        await self.receiver.start(self.streams[1])

    async def run(self, **pair: Any) -> tuple[FileResult | JingleError, FileResult | JingleError]:
        """Negotiate, transfer, and end; what came of it on both sides."""
        self.negotiate()
        await self.start(**pair)
        results = await self.results()
        await self.terminate("success")
        assert all(stream.is_closed for stream in self.streams or ())
        assert no_threads()
        return results

    async def results(self) -> tuple[FileResult | JingleError, FileResult | JingleError]:
        async with asyncio.timeout(10):
            return await outcome(self.sender), await outcome(self.receiver)


async def until(fact: Callable[[], object]) -> None:
    """Wait for something that is bound to happen."""
    async with asyncio.timeout(10):
        while not fact():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def outcome(transfer: Transfer) -> FileResult | JingleError:
    try:
        return await transfer.result()
    except JingleError as exc:
        return exc


def no_threads() -> bool:
    """Whether no worker is left; one that has just ended gets a moment."""
    for thread in threading.enumerate():
        if thread.name.startswith("jingle file"):
            thread.join(1)
    return not any(thread.name.startswith("jingle file") for thread in threading.enumerate())
