"""A source of what the application makes: frames that it pushes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import av
from av.audio.frame import AudioFrame

from ..errors import MediaError
from .base import Frame, Kind, Source, SourceTrack
from .framing import Framer
from .pacing import Pacer
from .video_codecs import TICK, VIDEO_CLOCK


class Frames(Source):
    """A source that the application pushes frames into; it feeds one call.

    Audio of any rate, format and length is cut into 20 ms frames and paced; where nothing is pushed in time the track
    waits. Video frames are handed on as they are, as soon as they come.

    Args:
        kind: `audio` or `video`.
        maxsize: How many frames (audio: of 20 ms) may wait before a push has to.

    Raises:
        MediaError: `kind` is neither.
    """

    def __init__(self, kind: Kind = "audio", *, maxsize: int = 50) -> None:
        super().__init__()
        if kind not in ("audio", "video"):
            raise MediaError(f"frames are audio or video, not {kind!r}")
        self.kind = kind
        self._maxsize = max(1, maxsize)
        self._framer = Framer()
        self._waiting: deque[Frame] = deque()
        self._changed: asyncio.Future[None] | None = None
        self._finished = False

    async def push(self, frame: Frame) -> None:
        """Take a frame; returns once there is room for it, which is when earlier ones have been sent.

        Raises:
            MediaError: It is of the wrong kind, cannot be converted, or `end` was called.
        """
        for part in self._parts(frame):
            while len(self._waiting) >= self._maxsize and not self._finished:
                await self._change()
            self._append([part])

    def push_nowait(self, frame: Frame) -> None:
        """Take a frame if there is room for it now.

        Raises:
            MediaError: There is no room, it is of the wrong kind, cannot be converted, or `end` was called.
        """
        if len(self._waiting) >= self._maxsize:
            raise MediaError(f"no room: {self._maxsize} frames are waiting to be sent")
        # A long frame may overfill the queue once: to refuse it half way would tear it.
        self._append(self._parts(frame))

    def end(self) -> None:
        """Say that nothing more follows; the track ends once all has been sent. Safe to call twice."""
        if not self._finished:
            if self.kind == "audio":
                self._append(self._framer.flush())
            self._finished = True
            self._notify()

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Return the track that plays what is pushed.

        Raises:
            MediaError: Another track of this source is running: a frame can be sent only once.
        """
        if self._tracks:
            raise MediaError("these frames already feed a call")
        return _FramesTrack(self, pacer)

    async def aclose(self) -> None:
        """Stop the track; whoever waits in `push` gets a `MediaError`."""
        self._finished = True
        self._waiting.clear()
        self._notify()
        await super().aclose()

    def _parts(self, frame: Frame) -> Sequence[Frame]:
        if self._finished:
            raise MediaError("no frame can follow: end() was called")
        if isinstance(frame, AudioFrame) is not (self.kind == "audio"):
            raise MediaError(f"this source takes {self.kind} frames, not {type(frame).__name__}")
        if not isinstance(frame, AudioFrame):
            return [frame]
        try:
            return self._framer.push(frame)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"the frame cannot be converted: {error}") from error

    def _append(self, parts: Sequence[Frame]) -> None:
        if self._finished:
            raise MediaError("no frame can follow: end() was called")
        self._waiting.extend(parts)
        self._notify()

    @property
    def has_more(self) -> bool:
        """Whether `take` has something to give."""
        return bool(self._waiting)

    async def wait(self) -> None:
        """Wait until there is a frame to take, or there will be no more."""
        while not self._waiting and not self._finished:
            await self._change()

    def take(self) -> Frame | None:
        """The frame that waited longest; `None` where there is none."""
        if not self._waiting:
            return None
        self._notify()
        return self._waiting.popleft()

    async def _change(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        # Shielded: several may wait for the same change, and one of them may be cancelled.
        await asyncio.shield(self._changed)

    def _notify(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None and not changed.done():
            changed.set_result(None)


class _FramesTrack(SourceTrack):
    def __init__(self, source: Frames, pacer: Pacer | None) -> None:
        super().__init__(source)
        self._frames = source
        self._pacer = pacer or Pacer()
        self._position = 0
        self._taken: Frame | None = None

    async def _next(self) -> Frame | None:
        if self._taken is None:
            if not self._frames.has_more:
                await self._frames.wait()
                self._pacer.resume()
            self._taken = self._frames.take()
        if isinstance(self._taken, AudioFrame):
            await self._pacer.wait()
            self._taken.pts = self._position
            self._position += self._taken.samples
        frame, self._taken = self._taken, None
        if frame is not None and frame.pts is None:
            frame.pts = round(self._pacer.now() * VIDEO_CLOCK)
            frame.time_base = TICK
        return frame
