"""The pictures of a file, each when it is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ..errors import MediaError
from .ahead import Ahead
from .base import Source, SourceTrack
from .playhead import Playhead
from .video_codecs import TICK, VIDEO_CLOCK

logger = logging.getLogger(__name__)

DECODE_AHEAD = 5
"""Pictures decoded at once, off the loop; 15 MB of the largest usual ones."""

CLOSEST = 1 / 32
"""Seconds from one picture to the next: more than 30 a second nobody needs in a call."""

MAX_DAMAGED = 1000
"""Packets in a row that cannot be decoded before a file counts as ended; a few are skipped, as players do."""

LATE = 0.1
"""Seconds after which a picture is not shown any more; where all are late, the time line waits for them."""


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file to be played; blocks on the disk.

    Raises:
        MediaError: It cannot be opened, with a sentence that says why.
    """
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


def decode_pictures(path: Path) -> Generator[tuple[VideoFrame, float], None, None]:
    """Decode the first video stream of a file: each picture, and its time in seconds from the file's first sound.

    Raises:
        MediaError: It cannot be opened, or holds no pictures.
    """
    with open_media(path) as container:
        if not container.streams.video:
            raise MediaError(f"cannot play {path}: there are no pictures in it")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        first = container.streams.audio[0] if container.streams.audio else stream
        began = float((first.start_time or 0) * (first.time_base or Fraction(0)))
        due = 0.0
        for frame in _frames(container, stream):
            seconds = (frame.time or 0.0) - began
            if seconds >= due:
                due = seconds + CLOSEST
                yield frame, seconds


def _frames(container: av.container.InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The pictures that can be decoded; a file that breaks off ends there, as it does in every player."""
    damaged = 0
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
                damaged = 0
            except av.FFmpegError:
                damaged += 1
                if damaged >= MAX_DAMAGED:
                    return
    except av.FFmpegError as error:
        logger.warning("%s breaks off: %s", container.name, error)


def probe_pictures(path: Path) -> None:
    """Make sure that there is a picture in a file; blocks on the disk.

    Raises:
        MediaError: There is none.
    """
    pictures = decode_pictures(path)
    try:
        if next(pictures, None) is None:
            raise MediaError(f"cannot play {path}: there are no pictures in it")
    finally:
        pictures.close()


class PictureTrack(SourceTrack):
    """Plays what `decode_pictures` yields, some pictures ahead."""

    def __init__(self, source: Source, path: Path, playhead: Playhead, *, loop: bool) -> None:
        super().__init__(source, kind="video", playhead=playhead)
        self._time = playhead
        self._pictures = Ahead(lambda: decode_pictures(path), DECODE_AHEAD, again=loop)
        self._round = 0
        self._round_began = self._last = 0.0

    async def _next(self) -> VideoFrame | None:
        ready = self._pictures.ready
        while await self._pictures.fill():
            ahead = self._due() - self._time.position()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._pictures.collect()
            if not ready or self.readyState != "live":
                return None
            seconds = self._last = self._due()
            _, (frame, _) = ready.popleft()
            if ahead > -LATE or not ready:
                frame.pts, frame.time_base = round(seconds * VIDEO_CLOCK), TICK
                return frame
        return None

    def _due(self) -> float:
        """When the next picture is due; another round begins behind the last picture of the one before."""
        number, (_, seconds) = self._pictures.ready[0]
        if number != self._round:
            self._round, self._round_began = number, self._last + CLOSEST
        return self._round_began + seconds

    def stop(self) -> None:
        """End the track and close the file, once the thread has left it."""
        super().stop()
        self._pictures.close()
