"""A sink that writes sound and pictures to a file, so that time in the file is time in the call."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from io import RawIOBase
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from ..errors import MediaError
from .base import Frame, Kind, Sink
from .timeline import Timeline
from .writer import CONTAINERS, FileWriter

logger = logging.getLogger(__name__)

QUEUE_SIZE = 500
"""Frames (10 s) that may wait for a slow disk; what comes on top is left out and heard as silence."""

SOUND: tuple[Kind, ...] = ("audio",)

QUEUED_PICTURES = 15
"""Pictures among them: 20 MB of the largest ones that are usual."""


class Recorder(Sink):
    """Records to `.wav`, `.ogg`, `.webm`, `.mkv` or `.mp4`: 48 kHz, mono or stereo as the first frame is.

    The last three hold pictures too: in step with the sound, as their timestamps are on one time line, and of the size
    that the first one has. The file starts with the first frame. Where frames are missing (lost, or not sent in
    silence) silence is put in their place. Encoding and writing happen in a thread of its own; a file that was closed,
    also after an error or at the end of the process, can be played.

    Args:
        path: The file, which is replaced where it exists; its extension decides the format.
        media: What to record, as far as the format holds it.
        on_error: See `Sink`.
        clock: The clock on the wall, in seconds; `None` for the running loop's.

    Attributes:
        path: The file.
        media: What is recorded.
        dropped: Frames that were left out because the disk was too slow.
        seconds: How much was recorded; complete once closed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        media: Iterable[Kind] = SOUND,
        on_error: Callable[[MediaError], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.path = Path(path)
        self.on_error = on_error
        self.dropped = 0
        if self.path.suffix.lower() not in CONTAINERS:
            raise MediaError(f"cannot record to {self.path}: the name must end in one of {', '.join(CONTAINERS)}")
        container = CONTAINERS[self.path.suffix.lower()]
        self.media: tuple[Kind, ...] = tuple(each for each in media if each == "audio" or container.video is not None)
        self._parts: set[Sink] = set()
        self._pictures_queued = self._pictures_taken = 0
        """One is counted by the loop and one by the thread: a number that both of them change could go wrong."""

        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timeline = Timeline()
        self._queue: queue.Queue[tuple[Frame, float] | None] = queue.Queue(QUEUE_SIZE)
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def seconds(self) -> float:
        """How much was recorded so far."""
        return self._timeline.written

    async def open(self) -> None:
        """Create the file.

        Raises:
            MediaError: It cannot be written.
        """
        if self._thread is not None:
            return
        self._loop = asyncio.get_running_loop()
        try:
            file = await asyncio.to_thread(self.path.open, "wb", buffering=0)
        except OSError as error:
            raise MediaError(f"cannot record to {self.path}: {error.strerror or error}") from error
        # A daemon, so that a program that forgot to close can end; atexit then still completes the file.
        self._thread = threading.Thread(target=self._run, args=(file,), name="jingle-recorder", daemon=True)
        self._thread.start()
        atexit.register(self._finish)

    def part(self, kind: Kind) -> Sink | None:
        """Return where the frames of one medium go, `None` where they are not recorded.

        The file is complete once all parts that were given out are closed, or this itself.
        """
        if kind not in self.media:
            return None
        part = _Part(self)
        self._parts.add(part)
        return part

    async def close_part(self, part: Sink) -> None:
        """Take it that no more frames of one medium will come."""
        self._parts.discard(part)
        if not self._parts:
            await self.aclose()

    def write(self, frame: Frame) -> None:
        """Take one frame, of any rate and layout, or any size; those of other media are ignored."""
        if self._closing or self._thread is None or self._loop is None:
            return
        if isinstance(frame, AudioFrame):
            if "audio" not in self.media or not frame.samples or not frame.sample_rate:
                return
        elif "video" not in self.media:
            return
        elif self._pictures_waiting >= QUEUED_PICTURES:
            self.dropped += 1
            return
        try:
            self._queue.put_nowait((frame, self._clock() if self._clock else self._loop.time()))
        except queue.Full:
            self.dropped += 1
            return
        if isinstance(frame, VideoFrame):
            self._pictures_queued += 1

    @property
    def _pictures_waiting(self) -> int:
        return self._pictures_queued - self._pictures_taken

    async def aclose(self) -> None:
        """Write what waits and complete the file; safe to call twice."""
        if self._thread is not None:
            await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        atexit.unregister(self._finish)
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self, file: RawIOBase) -> None:
        """In the thread: write until the end is queued; after an error only empty the queue."""
        writer = FileWriter(file, CONTAINERS[self.path.suffix.lower()], self.media, self._timeline)
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item[0], VideoFrame):
                    self._pictures_taken += 1
                writer.write(*item)
            writer.close()
        except (av.FFmpegError, OSError, ValueError) as error:
            self._report(error)
            while not self._closing or self._queue.qsize():
                if self._queue.get() is None:
                    break
            writer.abandon()

    def _report(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        failure = MediaError(f"recording to {self.path} has stopped: {reason}")
        logger.error("%s", failure)
        if self.on_error is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.on_error, failure)


class _Part(Sink):
    """One medium of a recording."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def open(self) -> None:
        await self._recorder.open()

    def write(self, frame: Frame) -> None:
        self._recorder.write(frame)

    async def aclose(self) -> None:
        await self._recorder.close_part(self)
