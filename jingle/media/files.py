"""Sources that play a file: its sound, its pictures, or both in step."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Generator, Hashable, Iterator
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from ..errors import MediaError
from .ahead import Ahead
from .base import Kind, Source, SourceTrack
from .framing import Framer
from .pacing import InStepPacer, Pacer
from .pictures import MAX_DAMAGED, PictureTrack, open_media, probe_pictures
from .playhead import Playhead, Playheads

logger = logging.getLogger(__name__)

DECODE_AHEAD = 25
"""Frames (0.5 s) decoded at once, off the loop: one hop to a thread for each half second instead of fifty a second."""


class File(Source):
    """A file in any format that FFmpeg reads: its sound, or its pictures, or one file for both, which then are in step.

    Args:
        path: The file.
        loop: Start again at the end; without it the source ends when the file does.
    """

    def __init__(self, path: str | os.PathLike[str], *, loop: bool = False) -> None:
        super().__init__()
        self.path = Path(path)
        self.loop = loop
        self._opened = False
        self._playheads = Playheads()

    async def open(self) -> None:
        """Decode the first moments of the file.

        Raises:
            MediaError: There is no such file, it cannot be read, or it holds no sound.
        """
        if not self._opened:
            await asyncio.to_thread(self._probe)
            self._opened = True

    def part(self, kind: Kind, group: Hashable = None) -> Source:
        """Return its sound or its pictures; parts of the same group are played in step."""
        return _FilePart(self, kind, self._playheads.of(group))

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Return a new track that plays the file from its beginning.

        Raises:
            MediaError: The file was not opened.
        """
        if not self._opened:
            raise MediaError(f"cannot play {self.path}: open() it first")
        return _SoundTrack(self, pacer or Pacer())

    def _probe(self) -> None:
        frames = decode(self.path)
        try:
            if next(frames, None) is None:
                raise MediaError(f"cannot play {self.path}: there is no sound in it")
        finally:
            frames.close()


class _FilePart(Source):
    """The sound or the pictures of a file, in step with the other of the two."""

    def __init__(self, file: File, kind: Kind, playhead: Playhead) -> None:
        super().__init__()
        self.kind = kind
        self._file, self._playhead = file, playhead

    async def open(self) -> None:
        if self.kind == "audio":
            await self._file.open()
        else:
            await asyncio.to_thread(probe_pictures, self._file.path)

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        if self.kind == "audio":
            return _SoundTrack(self._file, pacer or InStepPacer(self._playhead), self._playhead)
        return PictureTrack(self._file, self._file.path, self._playhead, loop=self._file.loop)

    async def ended(self) -> None:
        await self._file.ended()


def decode(path: Path) -> Generator[AudioFrame, None, None]:
    """Decode the first audio stream of a file, one 20 ms frame at a time; blocks on the disk.

    Raises:
        MediaError: It cannot be opened, or holds no audio stream.
    """
    with open_media(path) as container:
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


class _SoundTrack(SourceTrack):
    """Plays what `decode` yields, half a second ahead."""

    def __init__(self, source: File, pacer: Pacer, playhead: Playhead | None = None) -> None:
        super().__init__(source, kind="audio", playhead=playhead)
        self._pacer = pacer
        self._has_joined = False
        self._frames = Ahead(lambda: decode(source.path), DECODE_AHEAD, again=source.loop)
        self._position = 0

    async def _next(self) -> AudioFrame | None:
        await self._frames.fill()
        if not self._has_joined:
            self._has_joined = True
            await self._join()
        await self._pacer.wait()
        self._frames.collect()
        if not self._frames.ready or self.readyState != "live":
            return None
        _, frame = self._frames.ready.popleft()
        frame.pts = self._position
        self._position += frame.samples
        return frame

    async def _join(self) -> None:
        """Leave out what goes with what others of the same playing have shown already."""
        left_out = 0
        while left_out < self._pacer.join() and await self._frames.fill():
            self._frames.ready.popleft()
            left_out += 1

    def stop(self) -> None:
        """End the track and close the file, once the thread has left it."""
        super().stop()
        self._frames.close()
