"""Where received frames go when nobody records them, to the application or nowhere; and the hub that feeds them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from .base import Frame, Sink

logger = logging.getLogger(__name__)


class Nothing(Sink):
    """Forgets every frame."""

    def write(self, frame: Frame) -> None:
        """Forget it."""


class FrameSink(Sink):
    """Hands frames to the application: `async for frame in sink`, until the call ends.

    Args:
        maxsize: How many frames wait for a slow reader; then the oldest makes room (50 are one second of audio).

    Attributes:
        dropped: How many frames were lost because nobody read them in time.
    """

    def __init__(self, *, maxsize: int = 50) -> None:
        self.dropped = 0
        self._waiting: deque[Frame] = deque(maxlen=max(1, maxsize))
        self._changed = asyncio.Event()
        self._closed = False

    def write(self, frame: Frame) -> None:
        """Keep a frame until it is read."""
        if self._closed:
            return
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(frame)
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self

    async def __anext__(self) -> Frame:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """End the iteration once what waits has been read."""
        self._closed = True
        self._changed.set()


class Fanout:
    """Gives each frame of one track to any number of sinks, which come and go while it runs.

    The track is read from the start and always, sinks or none: a received track that nobody reads fills the memory.
    Must be created on a running loop.

    Args:
        track: What to read, until it ends.

    Attributes:
        frames: How many frames were read.
    """

    def __init__(self, track: MediaStreamTrack) -> None:
        self.frames = 0
        self._track = track
        self._sinks: list[Sink] = []
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"fanout-{track.kind}")

    @property
    def sinks(self) -> tuple[Sink, ...]:
        """The sinks that get each frame now."""
        return tuple(self._sinks)

    async def add(self, sink: Sink) -> None:
        """Open `sink` and give it every frame from now on; where the track has ended it is closed again at once.

        Raises:
            MediaError: It could not be opened, and is not added.
        """
        await sink.open()
        if self._task.done():
            await sink.aclose()
        elif sink not in self._sinks:
            self._sinks.append(sink)

    async def remove(self, sink: Sink) -> None:
        """Give `sink` nothing more, and close it; nothing happens where it was not added."""
        if sink in self._sinks:
            self._sinks.remove(sink)
            await sink.aclose()

    async def ended(self) -> None:
        """Wait until the track has ended and all sinks are closed."""
        await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """Stop reading and close all sinks; safe to call twice."""
        self._task.cancel()
        await self.ended()
        await self._close_sinks()

    async def _run(self) -> None:
        try:
            while True:
                frame = await self._track.recv()
                if isinstance(frame, AudioFrame | VideoFrame):
                    self.frames += 1
                    for sink in tuple(self._sinks):
                        sink.write(frame)
        except MediaStreamError:
            await self._close_sinks()

    async def _close_sinks(self) -> None:
        sinks, self._sinks = self._sinks, []
        for result in await asyncio.gather(*(sink.aclose() for sink in sinks), return_exceptions=True):
            if isinstance(result, BaseException):
                logger.error("a sink could not be closed: %s", result)
