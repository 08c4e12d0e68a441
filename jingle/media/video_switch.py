"""A track of pictures whose source can be exchanged or covered while it runs."""

from __future__ import annotations

import asyncio
import logging

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.video.frame import VideoFrame

from .planes import black_frame

logger = logging.getLogger(__name__)

COVERED_INTERVAL = 1.0
"""Seconds between two black pictures."""


class VideoSwitchTrack(MediaStreamTrack):
    """Hands on the pictures of an upstream; without one it waits, for there is nothing to see.

    Muting goes on reading the upstream and shows black in its place, once a second: peers that were not told would
    else show the last picture for ever.

    Attributes:
        is_muted: Whether black is sent in place of what the upstream shows; may be set at any time.
    """

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.is_muted = False
        self._upstream: MediaStreamTrack | None = None
        self._changed = asyncio.Event()
        self._covered_at: float | None = None

    @property
    def upstream(self) -> MediaStreamTrack | None:
        """What is sent now."""
        return self._upstream

    def replace(self, upstream: MediaStreamTrack | None) -> MediaStreamTrack | None:
        """Send `upstream` from now on and return what was sent before, still running: the caller may stop it."""
        old, self._upstream = self._upstream, upstream
        self._changed.set()
        return old

    async def recv(self) -> VideoFrame:
        """Return the next picture.

        Raises:
            aiortc.mediastreams.MediaStreamError: The track was stopped.
        """
        while self.readyState == "live":
            frame = await self._next()
            if frame is not None:
                return frame
        raise MediaStreamError

    async def _next(self) -> VideoFrame | None:
        """The next picture to send; `None` where there is none yet, or things have changed."""
        self._changed.clear()
        upstream = self._upstream
        if upstream is None:
            await self._changed.wait()
            return None
        reading = asyncio.ensure_future(upstream.recv())
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((reading, changed), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return None
            frame = reading.result()
        except MediaStreamError:
            if self._upstream is upstream:
                self._upstream = None
            return None
        finally:
            changed.cancel()
            if not reading.done():
                reading.cancel()
            await asyncio.gather(reading, changed, return_exceptions=True)
        if not isinstance(frame, VideoFrame):
            logger.warning("a %s is no picture: the source is left", type(frame).__name__)
            self._upstream = None
            return None
        return self._cover(frame) if self.is_muted else self._uncover(frame)

    def _uncover(self, frame: VideoFrame) -> VideoFrame:
        self._covered_at = None
        return frame

    def _cover(self, frame: VideoFrame) -> VideoFrame | None:
        now = asyncio.get_running_loop().time()
        if self._covered_at is not None and now - self._covered_at < COVERED_INTERVAL:
            return None
        self._covered_at = now
        black = black_frame(frame.width, frame.height)
        black.pts, black.time_base = frame.pts, frame.time_base
        return black

    def stop(self) -> None:
        """End this track, and the upstream with it; safe to call twice."""
        super().stop()
        upstream = self.replace(None)
        if upstream is not None:
            upstream.stop()
