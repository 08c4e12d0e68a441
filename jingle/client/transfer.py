"""Files on their way: the handle a program holds, for one file and for several (XEP-0234)."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from ..applications.file_transfer.progress import Progress
from ..applications.file_transfer.transfer import FileResult, Hooks
from ..applications.file_transfer.transfer import Transfer as FileApplication
from ..elements.core import Reason
from ..elements.declare import Element
from ..errors import JingleError
from ..peer.live import LiveSession

PROGRESS_INTERVAL = 0.5
"""Seconds between two `progress` events of one file."""

Emit = Callable[..., None]


class Transfer:
    """One file on its way, in either direction.

        async for progress in transfer:
            print(progress.done, progress.total, progress.rate)

    The iteration ends with the transfer, and raises what `result` raises where it failed.

    Attributes:
        name: The file's name, safe to use here.
        size: Bytes, where they are known.
    """

    def __init__(self, live: LiveSession, application: FileApplication, *, name: str, size: int | None) -> None:
        self._live = live
        self._application = application
        self.name = name
        self.size = size
        self._over = asyncio.ensure_future(application.result())
        self._over.add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def peer(self) -> str:
        """The peer's full JID."""
        return self._live.peer

    @property
    def sid(self) -> str:
        """The session's id."""
        return self._live.sid

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        return self._application.progress.now

    async def __aiter__(self) -> AsyncIterator[Progress]:
        async for progress in self._application.progress:
            # Before the first byte only the offer tells how many there will be.
            yield progress if progress.total is not None else dataclasses.replace(progress, total=self.size)
        await self.result()

    async def result(self) -> FileResult:
        """Wait for the end: the file went over, and its digest was found right.

        Raises:
            SessionEnded: The peer declined or ended it, or we did; `reason` says which.
            ApplicationFailed: The file is damaged, the disk is full, or a peer lied.
            TransportFailed: There was no way, or the connection broke; what came stays for a later attempt.
        """
        try:
            return await asyncio.shield(self._over)
        except JingleError:
            # What ended the session says more than that it has ended.
            await asyncio.wait([self._live.ended], timeout=5)
            if self._live.failure is not None:
                raise self._live.failure from None
            raise

    async def cancel(self) -> None:
        """Stop it and tell the peer; what came of the file stays for a later attempt."""
        await self._live.close("cancel")

    async def aclose(self) -> None:
        """Cancel it if it still runs, and wait until everything is freed."""
        if not self._live.ended.done() and self._over.done():
            await asyncio.wait([self._live.ended], timeout=5)
        await self._live.close("cancel")


class Transfers:
    """Several files on their way to one peer; iterate over them, or wait for all with `results`."""

    def __init__(self, transfers: Sequence[Transfer]) -> None:
        self._transfers = tuple(transfers)

    def __iter__(self) -> Iterator[Transfer]:
        return iter(self._transfers)

    def __len__(self) -> int:
        return len(self._transfers)

    async def results(self) -> list[FileResult]:
        """Wait for all of them.

        Raises:
            JingleError: What `Transfer.result` raises, for the first that failed; the others have ended too by then.
        """
        done = await asyncio.gather(*(transfer.result() for transfer in self._transfers), return_exceptions=True)
        for each in done:
            if isinstance(each, BaseException):
                raise each
        return [each for each in done if isinstance(each, FileResult)]

    async def aclose(self) -> None:
        """Cancel what still runs."""
        await asyncio.gather(*(transfer.aclose() for transfer in self._transfers))


def hooks_of(
    live: Callable[[], LiveSession | None], content: str, name: Callable[[], str], emit: Emit, *, done: str
) -> Hooks:
    """What a file's application tells the session and the program.

    Args:
        live: Gives the session once there is one.
        content: The content's name.
        name: Gives the file's name once it is known.
        emit: Tells the program.
        done: The event at the end: `sent` or `received`.
    """
    last = 0.0

    def with_session(call: Callable[[LiveSession], None]) -> None:
        session = live()
        if session is not None:
            call(session)

    def send_info(payload: Element) -> None:
        with_session(lambda session: session.inform(payload))

    def finish(reason: Reason) -> None:
        with_session(lambda session: session.finish(content, reason))

    def progressed(progress: Progress) -> None:
        nonlocal last
        now = asyncio.get_running_loop().time()
        if now - last >= PROGRESS_INTERVAL or progress.done == progress.total:
            last = now
            emit("progress", name=name(), bytes=progress.done, total=progress.total)

    def completed(result: FileResult) -> None:
        session = live()
        running = session.contents.get(content) or session.gone.get(content) if session is not None else None
        fields: dict[str, Any] = {
            "name": name(),
            "size": result.size,
            "sha256": result.sha256,
            "seconds": round(result.seconds, 3),
            "transport": running.transport.name if running is not None else None,
        }
        if result.path is not None:
            fields["path"] = str(result.path)
        emit(done, **fields)

    return Hooks(send_info=send_info, finish=finish, on_progress=progressed, on_done=completed)
