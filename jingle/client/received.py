"""What the peer sends in a call, frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from os import PathLike
from typing import Generic, TypeVar, cast

from ..applications.rtp.call import RtpApplication
from ..errors import SessionEnded
from ..media import AudioFrame, VideoFrame
from ..media.base import Sink
from ..media.png import write_png
from ..media.sinks import FrameSink

F = TypeVar("F", AudioFrame, VideoFrame)

WAITING = {"audio": 50, "video": 8}
"""Frames that wait for a program that is slow to take them; pictures are large."""


class ReceivedMedia(Generic[F]):
    """What the peer sends in one medium: record it, or iterate over its frames.

    async for frame in call.audio:
        ...

    The times of the frames (`frame.time`) of both media are on one time line.
    """

    def __init__(self, application: RtpApplication) -> None:
        self._application = application

    def __aiter__(self) -> AsyncIterator[F]:
        return self._frames()

    async def _frames(self) -> AsyncIterator[F]:
        sink = FrameSink(maxsize=WAITING[self._application.medium])
        await self._application.received.add(sink)
        try:
            async for frame in sink:
                yield cast(F, frame)
        finally:
            await self._application.received.remove(sink)

    async def add(self, sink: Sink) -> None:
        """Give every frame from now on to `sink`, until the call ends or `remove`.

        Raises:
            MediaError: It could not be opened.
        """
        await self._application.received.add(sink)

    async def remove(self, sink: Sink) -> None:
        """Give `sink` nothing more, and close it."""
        await self._application.received.remove(sink)


class ReceivedVideo(ReceivedMedia[VideoFrame]):
    """What the peer shows: record it, keep a picture of it, or iterate over its frames."""

    async def snapshot(self, path: str | PathLike[str]) -> VideoFrame:
        """Wait for the next picture, write it as a PNG, which replaces what is there, and return it.

        Raises:
            SessionEnded: There was none until the call ended.
            MediaError: It cannot be written there.
        """
        async for frame in self:
            await asyncio.to_thread(write_png, frame, path)
            return frame
        raise SessionEnded("success", "the call ended before there was a picture")
