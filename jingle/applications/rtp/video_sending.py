"""From pictures to RTP packets: encoding in a thread, timestamps, whole pictures on demand, the bit rate.

What comes in while a picture is being encoded replaces what waits: where the machine or the path is too slow, fewer
pictures are sent and none late.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from ...errors import MediaError
from ...media import VideoFrame
from ...media.video_codecs import VIDEO_CLOCK, Encoded, Worker
from ...transports.base import KeyframeWanted, RtpFeedback, RtpStream
from .capture_clock import CaptureClock
from .negotiation import Format, Negotiated
from .payload_formats import payload_format
from .rate import RateController

logger = logging.getLogger(__name__)

MIN_KEY_INTERVAL = 0.3
"""Seconds between two pictures that build on no other, whatever the peer asks for: they are ten times as large."""

BURST, BURST_PAUSE = 10, 0.004
"""Packets sent at once, and seconds until the next: 24 Mbit/s, which buffers on the way survive."""

MAX_DEBT = 0.5
"""Seconds of the bit rate that may be sent ahead of it; then pictures are left out until they are made up for. Not
every picture can be made as small as the rate wants it."""


class PictureEncoder(Protocol):
    """What encodes the pictures of one stream."""

    bit_rate: int

    def encode(self, frame: VideoFrame, moment: float, *, keyframe: bool = False) -> Encoded | None:
        """Return the encoded picture; `None` where it is left out.

        Raises:
            MediaError: It cannot be encoded.
        """
        ...


class VideoSender:
    """Sends a track over an RTP stream.

    Args:
        track: What to send: each frame when it is due. It is stopped when sending ends.
        stream: Where to.
        negotiated: What was agreed on.
        make_encoder: Makes the encoder of a format; it is used in `worker` only.
        rate: Says how many bits a second to send.
        worker: Where pictures are encoded.

    Attributes:
        frames: How many pictures were sent.
        dropped: How many were not, because the machine or the path is too slow.
        size: Width and height of the last one; `None` before the first.
    """

    def __init__(
        self,
        track: MediaStreamTrack,
        stream: RtpStream,
        negotiated: Negotiated,
        make_encoder: Callable[[Format], PictureEncoder],
        rate: RateController,
        worker: Worker,
    ) -> None:
        self.format = negotiated.formats[0]
        self.frames = self.dropped = 0
        self.size: tuple[int, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._track, self._stream, self._rate, self._worker = track, stream, rate, worker
        self._encoder = make_encoder(self.format)
        self._payloads = payload_format(self.format.codec.name)
        self._is_paused = self._is_relaying = False
        self._wants_key = True
        self._key_sent = float("-inf")
        self._offset = random.getrandbits(32)  # RFC 3550 section 5.1
        self._clock = CaptureClock()
        self._owed = (0.0, self._loop.time())
        self._waiting: tuple[VideoFrame, float] | None = None
        self._news = asyncio.Event()
        self._tasks = [self._loop.create_task(work, name="video-sender") for work in (self._read(), self._send())]

    @property
    def is_paused(self) -> bool:
        """Whether nothing is sent; the track is read on, so that it stays live."""
        return self._is_paused

    @is_paused.setter
    def is_paused(self, is_paused: bool) -> None:
        if self._is_paused and not is_paused:
            self._wants_key = True
        self._is_paused = is_paused

    @property
    def is_relaying(self) -> bool:
        """Whether something else is sent in its place; the track is read on, so that it stays live."""
        return self._is_relaying

    @is_relaying.setter
    def is_relaying(self, is_relaying: bool) -> None:
        if self._is_relaying and not is_relaying:
            self._wants_key = True
        self._is_relaying = is_relaying

    @property
    def is_pressing(self) -> bool:
        """Never: there are no keys among pictures."""
        return False

    def timestamp_now(self, clock_rate: int) -> int:
        """The timestamp of what would be sent at this moment."""
        return self._offset + round(self._loop.time() * clock_rate)

    def take_feedback(self, feedback: RtpFeedback) -> None:
        """Follow what the peer says about what we send."""
        if isinstance(feedback, KeyframeWanted):
            self._wants_key = True
        else:
            self._rate.take(feedback, self._loop.time())

    async def aclose(self) -> None:
        """Stop sending and end the track; safe to call twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._track.stop()

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._track.recv()
                if not isinstance(frame, VideoFrame) or self._is_paused or self._is_relaying:
                    continue
                captured = self._captured(frame)
                if self._debt(captured) > MAX_DEBT * self._rate.bit_rate:
                    self.dropped += 1
                    continue
                self.dropped += self._waiting is not None
                self._waiting = (frame, captured)
                self._news.set()
        except MediaStreamError:
            return

    def _debt(self, now: float) -> float:
        """How many bits were sent ahead of the bit rate."""
        owed, since = self._owed
        owed = max(0.0, owed - (now - since) * self._rate.bit_rate)
        self._owed = (owed, now)
        return owed

    def _captured(self, frame: VideoFrame) -> float:
        """When a frame was there."""
        now = self._loop.time()
        return now if frame.time is None else self._clock.captured(frame.time, now)

    async def _send(self) -> None:
        while True:
            while self._waiting is None:
                self._news.clear()
                await self._news.wait()
            (frame, captured), self._waiting = self._waiting, None
            keyframe = self._wants_key and self._loop.time() - self._key_sent >= MIN_KEY_INTERVAL
            if keyframe:
                self._wants_key, self._key_sent = False, self._loop.time()
            self._encoder.bit_rate = self._rate.bit_rate
            try:
                encoded = await self._worker.run(self._encoder.encode, frame, captured, keyframe=keyframe)
            except MediaError as error:
                logger.warning("> %s", error)
                self._wants_key = True
                continue
            if encoded is None or self._is_paused or self._is_relaying:
                self._wants_key = self._wants_key or keyframe
                self.dropped += 1
                continue
            await self._send_picture(encoded, captured)

    async def _send_picture(self, encoded: Encoded, captured: float) -> None:
        timestamp = self._offset + round(captured * VIDEO_CLOCK)
        payloads = self._payloads.split(encoded.data)
        for index, payload in enumerate(payloads):
            if index and index % BURST == 0:
                await asyncio.sleep(BURST_PAUSE)
            await self._stream.send(
                payload,
                payload_type=self.format.payload_type,
                timestamp=timestamp,
                marker=index == len(payloads) - 1,
                captured=captured,
            )
        self._owed = (self._owed[0] + 8 * len(encoded.data), self._owed[1])
        self.frames += 1
        self.size = (encoded.width, encoded.height)
