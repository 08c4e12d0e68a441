"""What sending and receiving a file have in common: the task, its end, and who is told what."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ...elements.core import Reason, ReasonCondition, Role, Senders
from ...elements.declare import Element
from ...elements.file_transfer import NS, AboutFile, FileNotAvailable, FileTooLarge
from ...errors import (
    ApplicationFailed,
    JingleError,
    LocalProtocolError,
    RemoteProtocolError,
    SessionEnded,
    TransportFailed,
)
from ...transports.base import ByteStream, Kind
from . import digests
from .metadata import file_of
from .progress import Progress, ProgressMeter
from .worker import FileWorker

log = logging.getLogger(__name__)

_CONDITIONS: Mapping[str, Callable[[], Element]] = {
    "file-too-large": FileTooLarge,
    "file-not-available": FileNotAvailable,
}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a transfer waits, in seconds."""

    hangup: float = 1.5
    """For a session-terminate to explain why the bytes stopped: the two travel on different roads."""

    checksum: float = 5.0
    """Receiver: for a `<checksum/>` that was announced, once the bytes are there."""

    drain: float = 10.0
    """Receiver: for bytes still on the way when the sender itself ends the session with success, as Psi does.
    Sender: for the word of a receiver that has closed the stream."""

    flush: float = 1.0
    """Receiver: until what came in is on the disk, so that a crash loses little of a slow transfer."""

    end: float = 2.0
    """Sender: until the stream is closed in our direction where the receiver seems to wait for that. Not at once:
    proxies have been seen to take the end of one direction for that of both."""

    confirm: float = 120.0
    """Sender: for the receiver's word that it has the file; longer where the transfer itself took longer."""


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """A file that went over."""

    name: str
    """As the sender calls it."""

    size: int
    """Bytes of the whole file."""

    digests: Mapping[str, bytes]
    """Of the whole file, by algorithm; empty where only a part was sent."""

    seconds: float
    """From the start of the bytes to the end of the transfer."""

    is_verified: bool
    """Receiver: the sender's digest is the file's. Sender: the receiver said that it has the file."""

    path: Path | None = None
    """Receiver: where the file is."""

    @property
    def sha256(self) -> str | None:
        """The SHA-256 in hexadecimal."""
        value = self.digests.get("sha-256")
        return value.hex() if value is not None else None


def _nothing(_: object) -> None:
    """Ignore it."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Who is told what; each is called on the event loop."""

    send_info: Callable[[Element], None] = _nothing
    """Send a session-info about the content; an error that comes back means nothing."""

    finish: Callable[[Reason], None] = _nothing
    """The content is done or cannot go on: end the session with this reason, or the content if there are others."""

    on_progress: Callable[[Progress], None] = _nothing
    on_done: Callable[[FileResult], None] = _nothing
    on_failed: Callable[[JingleError], None] = _nothing
    """It failed or was ended: `ApplicationFailed`, `TransportFailed` or `SessionEnded`."""


NO_HOOKS = Hooks()
USUAL_TIMING = Timing()


class Transfer(ABC):
    """One file of a session, as one content. Create it on a running event loop.

    Args:
        name: The content's name.
        creator: Who created the content.
        hooks: Who is told what.
        timing: How long to wait for a peer.
        worker: What reads or writes; one with a thread of its own by default.

    Attributes:
        progress: How far it is; iterate over it.
    """

    namespace: ClassVar[str] = NS
    kind: ClassVar[Kind] = Kind.STREAMING
    features: ClassVar[tuple[str, ...]] = (NS, *digests.FEATURES)
    components = 1
    """The XEP knows none (section 4); a byte stream is one."""

    def __init__(
        self, *, name: str, creator: Role, hooks: Hooks, timing: Timing, worker: FileWorker | None = None
    ) -> None:
        self.progress = ProgressMeter(hooks.on_progress)
        self._name, self._creator = name, creator
        self._hooks, self._timing = hooks, timing
        self._result: asyncio.Future[FileResult] = asyncio.get_running_loop().create_future()
        self._result.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._worker = worker or FileWorker()
        self._stream: ByteStream | None = None
        self._task: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self._is_stopped = False

    def set_senders(self, senders: Senders) -> None:  # noqa: B027
        """Nothing changes: a file goes the way in which it was offered (XEP-0234 section 4.1)."""

    async def result(self) -> FileResult:
        """Wait for the end of the transfer.

        Raises:
            ApplicationFailed: A file is damaged, the disk full, a peer lied.
            TransportFailed: The connection broke.
            SessionEnded: It was ended from either side; `reason` says why.
        """
        return await asyncio.shield(self._result)

    async def start(self, connection: ByteStream) -> None:
        """Begin to move bytes; returns at once, and the hooks tell the rest.

        Raises:
            LocalProtocolError: Nothing was agreed on yet, or it was started before.
        """
        if self._stream is not None or self._is_stopped or not self._is_agreed():
            raise LocalProtocolError("a transfer can be started once, and after both sides have described it")
        self._stream = connection
        self._started_at = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._guarded(connection), name=f"jingle file {self._name}")

    def description_info(self, remote: Element) -> None:
        """Take advice about a file, of which none is any use.

        Raises:
            RemoteProtocolError: It is no description of a file.
        """
        file_of(remote)

    async def stop(self, reason: str | None = None, text: str | None = None) -> None:
        """End the transfer and free everything; what has come of a file stays for a later attempt.

        Args:
            reason: What the session ended with; `success` lets a transfer that is almost done complete.
            text: What was written with it, which the error of an unfinished transfer then tells.
        """
        if self._is_stopped:
            return
        self._is_stopped = True
        if self._task is not None:
            if not self._result.done() and not await self._completes(self._task, reason):
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        else:
            self._close_file()
        self._settle(SessionEnded(reason or "cancel", text or "the transfer was ended"))
        if self._stream is not None:
            await self._stream.aclose()

    # What differs

    @abstractmethod
    def _is_agreed(self) -> bool:
        """Whether both sides have described the file."""

    @abstractmethod
    async def _run(self, stream: ByteStream) -> FileResult:
        """Move the bytes."""

    @abstractmethod
    async def _completes(self, task: asyncio.Task[None], reason: str | None) -> bool:
        """Whether a transfer that the session's end found running has come to a good end nevertheless."""

    @abstractmethod
    def _close_file(self) -> None:
        """Free the file; on the worker's thread."""

    # The end

    async def _guarded(self, stream: ByteStream) -> None:
        try:
            try:
                result = await self._run(stream)
            finally:
                await self._worker.aclose(self._close_file)
        except TransportFailed as exc:
            await self._leave_time_to_explain()
            self._fail(exc)
        except JingleError as exc:
            self._fail(exc)
        except Exception:
            log.exception("the transfer of %r broke", self._name)
            self._fail(ApplicationFailed("an internal error", reason="general-error"))
        else:
            self._succeed(result)

    async def _leave_time_to_explain(self) -> None:
        """Wait for the session's end, which says better than a broken stream what the peer wants."""
        await asyncio.sleep(self._timing.hangup)

    def _succeed(self, result: FileResult) -> None:
        self.progress.end()
        self._result.set_result(result)
        self._hooks.on_done(result)

    def _fail(self, error: JingleError) -> None:
        self._settle(error)
        if not self._is_stopped:
            self._hooks.finish(end_reason(error))

    def _settle(self, error: JingleError) -> None:
        self.progress.end()
        if not self._result.done():
            self._result.set_exception(error)
            self._hooks.on_failed(error)

    def _seconds(self) -> float:
        return time.monotonic() - self._started_at

    def _is_about_us(self, payload: AboutFile) -> bool:
        """Whether a session-info is about this content, by its name alone: clients leave out or mistake the creator."""
        return payload.name == self._name


def end_reason(error: JingleError) -> Reason:
    """What to tell the peer about an error that ends a transfer (section 9)."""
    if isinstance(error, RemoteProtocolError):
        return Reason(condition=ReasonCondition.FAILED_APPLICATION, text=error.text)
    if not isinstance(error, ApplicationFailed | TransportFailed):
        return Reason(condition=ReasonCondition.GENERAL_ERROR)
    own = _CONDITIONS.get(error.condition or "") if isinstance(error, ApplicationFailed) else None
    return Reason(condition=ReasonCondition(error.reason), text=error.text, extra=(own(),) if own else ())
