"""Sources that play what somebody else made: a file, or frames that the application pushes."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from ..errors import MediaError
from .base import Frame, Kind, Source, SourceTrack
from .framing import Framer
from .pacing import Pacer

logger = logging.getLogger(__name__)

DECODE_AHEAD = 25
"""Frames (0.5 s) decoded at once, off the loop: one hop to a thread for each half second instead of fifty a second."""

VIDEO_CLOCK = 90_000
"""Units of a second in the timestamps of video that was pushed without any (RFC 3551 section 5)."""

MAX_DAMAGED = 1000
"""Packets in a row that cannot be decoded before a file counts as ended; a few are skipped, as players do."""


class File(Source):
    """An audio file, or the sound of a video, in any format that FFmpeg reads.

    Args:
        path: The file.
        loop: Start again at the end; without it the source ends when the file does.
    """

    def __init__(self, path: str | os.PathLike[str], *, loop: bool = False) -> None:
        super().__init__()
        self.path = Path(path)
        self.loop = loop
        self._opened = False

    async def open(self) -> None:
        """Decode the first moments of the file.

        Raises:
            MediaError: There is no such file, it cannot be read, or it holds no sound.
        """
        if not self._opened:
            await asyncio.to_thread(self._probe)
            self._opened = True

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Return a new track that plays the file from its beginning.

        Raises:
            MediaError: The file was not opened.
        """
        if not self._opened:
            raise MediaError(f"cannot play {self.path}: open() it first")
        return _FileTrack(self, pacer)

    def _probe(self) -> None:
        frames = decode(self.path)
        try:
            if next(frames, None) is None:
                raise MediaError(f"cannot play {self.path}: there is no sound in it")
        finally:
            frames.close()


def decode(path: Path) -> Generator[AudioFrame, None, None]:
    """Decode the first audio stream of a file, one 20 ms frame at a time; blocks on the disk.

    Raises:
        MediaError: It cannot be opened, or holds no audio stream.
    """
    with _container(path) as container:
        if not container.streams.audio:
            raise MediaError(f"cannot play {path}: there is no sound in it")
        framer = Framer()
        damaged = 0
        packets = _packets(container)
        while damaged < MAX_DAMAGED and (packet := next(packets, None)) is not None:
            try:
                ready = [part for frame in packet.decode() for part in framer.push(frame)]
                damaged = 0
            except av.FFmpegError:
                damaged += 1
                continue
            yield from ready
        yield from framer.flush()


def _packets(container: av.container.InputContainer) -> Iterator[av.Packet[AudioStream]]:
    """The packets of the first audio stream; a file that breaks off ends there, as it does in every player."""
    try:
        yield from container.demux(container.streams.audio[0])
    except av.FFmpegError as error:
        logger.warning("%s breaks off: %s", container.name, error)


def _container(path: Path) -> av.container.InputContainer:
    if path.is_dir():
        raise MediaError(f"cannot play {path}: it is a folder")
    try:
        # `file:` and the whitelist: a name with a colon is still a file, and a play list in it reaches no network.
        return av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except FileNotFoundError:
        raise MediaError(f"cannot play {path}: there is no such file") from None
    except PermissionError:
        raise MediaError(f"cannot play {path}: no permission to read it") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"cannot play {path}: it is not a media file ({error.__class__.__name__})") from error


class _FileTrack(SourceTrack):
    """Plays what `decode` yields, half a second ahead."""

    def __init__(self, source: File, pacer: Pacer | None) -> None:
        super().__init__(source)
        self._path, self._again = source.path, source.loop
        self._pacer = pacer or Pacer()
        self._ready: deque[AudioFrame] = deque()
        self._frames: Generator[AudioFrame, None, None] | None = decode(source.path)
        self._decoding: asyncio.Future[list[AudioFrame]] | None = None
        self._position = 0

    async def _next(self) -> AudioFrame | None:
        if len(self._ready) < DECODE_AHEAD and self._decoding is None and self._frames is not None:
            self._decoding = asyncio.get_running_loop().run_in_executor(None, self._decode)
        while not self._ready and self._decoding is not None:
            await asyncio.wait([self._decoding])
            self._collect()
        await self._pacer.wait()
        self._collect()
        if not self._ready or self.readyState != "live":
            return None
        frame = self._ready.popleft()
        frame.pts = self._position
        self._position += frame.samples
        return frame

    def _collect(self) -> None:
        if self._decoding is not None and self._decoding.done():
            decoding, self._decoding = self._decoding, None
            self._ready.extend(decoding.result())

    def _decode(self) -> list[AudioFrame]:
        """In a thread: up to half a second more; afterwards `_frames` is `None` where there is no more."""
        frames: list[AudioFrame] = []
        heard = True
        try:
            while self._frames is not None and len(frames) < DECODE_AHEAD:
                if (frame := next(self._frames, None)) is not None:
                    frames.append(frame)
                    heard = True
                elif self._again and heard:
                    # A whole round without a frame would turn for ever.
                    self._frames, heard = decode(self._path), False
                else:
                    self._frames = None
        except MediaError:
            # It was there when it was opened and is gone in the second round of a loop: that is an end.
            self._frames = None
        return frames

    def stop(self) -> None:
        """End the track and close the file, once the thread has left it."""
        super().stop()
        self._ready.clear()
        if self._decoding is not None:
            self._decoding.add_done_callback(self._close)
        else:
            self._close()

    def _close(self, _decoding: asyncio.Future[list[AudioFrame]] | None = None) -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()


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
            frame.time_base = Fraction(1, VIDEO_CLOCK)
        return frame
