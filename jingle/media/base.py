"""What a source and a sink are: the two shapes that the call knows."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Literal

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from ..errors import MediaError
from .pacing import Pacer
from .playhead import Playhead

Kind = Literal["audio", "video"]
Frame = AudioFrame | VideoFrame


class SourceTrack(MediaStreamTrack, ABC):
    """A running source: `recv` hands out paced frames until the source ends or the track is stopped.

    Attributes:
        played_out: Whether the source came to its end by itself, as a file does.
    """

    def __init__(self, source: Source, *, kind: Kind | None = None, playhead: Playhead | None = None) -> None:
        super().__init__()
        self.kind = kind or source.kind
        self.played_out = False
        self._source = source
        self._playhead = playhead
        source._tracks.add(self)
        source._ended.clear()  # the same file may be played again, in the next call

    @abstractmethod
    async def _next(self) -> Frame | None:
        """The next frame, when it is due; `None` at the end. Must bear being cancelled."""

    async def recv(self) -> Frame:
        """Return the next frame when it is due.

        Raises:
            aiortc.mediastreams.MediaStreamError: The source has ended or the track was stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        frame = await self._next()
        if self.readyState != "live":
            # Stopped meanwhile, which is not the end of the source.
            raise MediaStreamError
        if frame is None:
            self.played_out = True
            self.stop()
            if not any(other._playhead is self._playhead is not None for other in self._source._tracks):
                # What is played in step ends with the last of its tracks.
                self._source._ended.set()
            raise MediaStreamError
        return frame

    def stop(self) -> None:
        """End the track and free what it holds; safe to call twice."""
        super().stop()
        self._source._tracks.discard(self)


class Source(ABC):
    """Where the frames of one medium come from.

    First `open`, which says whether it can be played at all; then `track` for each call that it feeds.
    """

    kind: Kind = "audio"

    def __init__(self) -> None:
        self._ended = asyncio.Event()
        self._tracks: set[SourceTrack] = set()

    async def open(self) -> None:
        """Make sure that this can be played; to be called before anybody is rung. Safe to call twice.

        Raises:
            MediaError: It cannot, with a sentence that says why.
        """
        return

    def part(self, kind: Kind, group: Hashable = None) -> Source:
        """Return what this has of one medium; a video file, for example, has sound and pictures.

        Args:
            kind: Which medium.
            group: Parts of the same group, which are those of one call, are played in step.

        Raises:
            MediaError: It can have nothing of that medium.
        """
        if kind != self.kind:
            raise MediaError(f"a {type(self).__name__} gives {self.kind} and no {kind}")
        return self

    @abstractmethod
    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Return a new track that plays this from its beginning.

        Args:
            pacer: Decides when frames are due; `None` for the running loop's clock.

        Raises:
            MediaError: It was not opened, or it is a device that can only be heard once and is in use.
        """

    async def ended(self) -> None:
        """Wait until a track of this has been played to its end; for ever where there is none."""
        await self._ended.wait()

    async def aclose(self) -> None:
        """Stop every track and free everything; safe to call twice."""
        for track in tuple(self._tracks):
            track.stop()


class Sink(ABC):
    """Where received frames go. `open`, then `write` each frame, then `aclose`.

    Attributes:
        on_error: Called on the loop, once, when the sink broke after it was opened (a full disk, an unplugged
            device); the sink then ignores what it is given and the call goes on.
    """

    on_error: Callable[[MediaError], None] | None = None

    async def open(self) -> None:
        """Get ready. Safe to call twice.

        Raises:
            MediaError: Nothing can be written there, with a sentence that says why.
        """
        return

    @abstractmethod
    def write(self, frame: Frame) -> None:
        """Take one frame; never blocks, never raises, and leaves the frame as it is."""

    async def aclose(self) -> None:
        """Finish: what was taken is written, and everything freed. Safe to call twice."""
        return
