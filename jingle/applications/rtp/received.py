"""What is received of one medium, decoded, for whoever wants it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from ...media.base import Frame, Kind

QUEUED: Mapping[Kind, int] = {"audio": 250, "video": 8}
"""Frames that wait for a reader that does not read: five seconds of sound, some 10 MB of pictures; then the oldest make
room."""


class ReceivedTrack(MediaStreamTrack):
    """What is received, as a track that ends when the content does; all media of a session are on one time line."""

    def __init__(self, kind: Kind = "audio") -> None:
        super().__init__()
        self.kind = kind
        self._frames: deque[Frame] = deque(maxlen=QUEUED[kind])
        self._arrived = asyncio.Event()
        self._first_at: float | None = None
        self._is_settled = asyncio.Event()

    def put(self, frame: Frame) -> None:
        """Hand a frame to whoever reads."""
        if self._first_at is None:
            self._first_at = asyncio.get_running_loop().time()
            self._is_settled.set()
        self._frames.append(frame)
        self._arrived.set()

    async def first_frame(self) -> float | None:
        """Wait for the first frame: when it came, on the loop's clock; `None` where the track ended without any."""
        await self._is_settled.wait()
        return self._first_at

    async def recv(self) -> Frame:
        """Return the next frame; after the end, those that are left.

        Raises:
            aiortc.mediastreams.MediaStreamError: The content has ended.
        """
        while not self._frames:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames.popleft()

    def stop(self) -> None:
        """End the track."""
        super().stop()
        self._is_settled.set()
        self._arrived.set()
