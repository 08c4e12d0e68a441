"""From RTP packets to pictures: order, whole pictures, decoding in a thread. Driven by arrivals.

A picture builds on those before it. Where one cannot be completed, what follows is left out until a picture comes that
builds on no other, and the peer is asked for one: the picture stands still for a moment, and is never a wrong one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...errors import MediaError
from ...media import VideoFrame
from ...media.video_codecs import VIDEO_CLOCK, Worker
from ...transports.base import RtpPacket
from .capabilities import Codec
from .media_clock import MediaClock
from .negotiation import Negotiated
from .payload_formats import PayloadFormat, payload_format
from .received import ReceivedTrack
from .reorder import ReorderBuffer

logger = logging.getLogger(__name__)

CAPACITY = 1024
"""Packets held behind a missing one at most, and packets of one picture at most."""

WAITS = (0.120, 0.500)
"""Seconds to wait for a missing packet: it can be asked for three times on a path across a continent."""

BACKLOG = 8
"""Pictures that may wait to be decoded; where there are more, all make room: late pictures are of no use."""

ASK_AGAIN = 0.300
"""Seconds between two wishes for a picture that builds on no other."""

SOURCE_SILENCE = 0.5
"""Seconds the source we look at must be silent before another one is taken."""

DRIFT = 0.2
"""Seconds that arrivals may stray from timestamps before the timestamps are not followed any more."""


class PictureDecoder(Protocol):
    """What decodes the pictures of one stream."""

    def decode(self, data: bytes, pts: int) -> list[VideoFrame]:
        """Return what can be shown.

        Raises:
            MediaError: It is damaged.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    codec: Codec
    data: bytes
    pts: int


class VideoReceiver:
    """Turns the packets of one RTP stream into the frames of a `ReceivedTrack`.

    Args:
        track: Where the pictures go.
        negotiated: What was agreed on.
        make_decoder: Makes the decoder of a codec; it is used in `worker` only.
        clock: Puts the media of the session in step.
        worker: Where pictures are decoded.

    Attributes:
        frames: How many pictures were decoded.
        dropped: How many whole ones were not, because the machine is too slow.
        size: Width and height of the last one; `None` before the first.
    """

    def __init__(
        self,
        track: ReceivedTrack,
        negotiated: Negotiated,
        make_decoder: Callable[[Codec], PictureDecoder],
        clock: MediaClock,
        worker: Worker,
    ) -> None:
        self.is_enabled = True
        """Whether pictures are handed on; while they are not, everything else goes on."""

        self.request_keyframe: Callable[[int], None] = lambda ssrc: None
        """Asks a source of the peer for a picture that builds on no other."""

        self.codec: Codec | None = None
        self.frames = self.dropped = 0
        self.size: tuple[int, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._track, self._clock, self._worker = track, clock, worker
        self._receiving = negotiated.receiving
        self._parameters = {each.payload_type: each.parameters for each in negotiated.formats}
        self._make_decoder = make_decoder
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._ssrc: int | None = None
        self._last_arrival = 0.0
        self._asked = float("-inf")
        self._last_pts = -1
        self._anchor: tuple[float, int] | None = None
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()
        self._begin_source()
        self._task = self._loop.create_task(self._decode(), name="video-decoder")

    def receive(self, packet: RtpPacket) -> None:
        """Take a packet; never raises, whatever is in it."""
        if self._closed:
            return
        if packet.ssrc != self._ssrc:
            if self._ssrc is not None and packet.arrival - self._last_arrival < SOURCE_SILENCE:
                return
            self._ssrc = packet.ssrc
            self._begin_source()
            # Most begin with a whole picture, whose parts are coming in.
            self._asked = self._loop.time()
        self._last_arrival = packet.arrival
        self._buffer.add(packet)
        self._work()

    def refresh(self) -> None:
        """Go on with a picture that builds on no other: what came meanwhile was not looked at."""
        if self._ssrc is not None:
            self._needs_key = True
            self._ask()

    async def aclose(self) -> None:
        """Leave what waits, and end the track; safe to call twice."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._task.cancel()
        await asyncio.wait([self._task])
        self._track.stop()

    # Packets

    def _begin_source(self) -> None:
        self._buffer = ReorderBuffer(capacity=CAPACITY, waits=WAITS)
        self._formats: dict[int, PayloadFormat] = {}
        self._parts: list[RtpPacket] = []
        self._needs_key = True
        self._anchor = None

    def _work(self) -> None:
        now = self._loop.time()
        for packet, lost in self._buffer.take(now):
            self._take(packet, lost)
        if self._needs_key and now - self._asked >= ASK_AGAIN:
            self._ask()
        if self._timer is not None:
            self._timer.cancel()
        due = self._buffer.deadline
        self._timer = None if due is None else self._loop.call_at(due, self._work)

    def _ask(self) -> None:
        if self._ssrc is not None:
            self._asked = self._loop.time()
            self.request_keyframe(self._ssrc)

    def _take(self, packet: RtpPacket, lost: int) -> None:
        if lost:
            # The end of this picture, or the beginning of the next, or whole ones: what follows builds on them.
            self._parts.clear()
            self._needs_key = True
        elif self._parts and packet.timestamp != self._parts[0].timestamp:
            self._finish()
        if not packet.payload or len(self._parts) >= CAPACITY:
            return
        self._parts.append(packet)
        if packet.marker:
            self._finish()

    def _finish(self) -> None:
        """Take the picture whose parts are there."""
        parts, self._parts = self._parts, []
        if not parts:
            return
        last = parts[-1]
        codec = self._receiving.get(last.payload_type)
        if codec is None or any(part.payload_type != last.payload_type for part in parts):
            return
        if last.payload_type not in self._formats:
            self._formats[last.payload_type] = payload_format(codec.name, self._parameters.get(last.payload_type))
        picture = self._formats[last.payload_type].join([part.payload for part in parts])
        if picture is None:
            self._needs_key = True
            return
        if self._needs_key and not picture.is_key:
            return
        self._needs_key = False
        if len(self._waiting) >= BACKLOG:
            self.dropped += len(self._waiting) + 1
            self._waiting.clear()
            self._needs_key = True
            return
        self._waiting.append(_Waiting(codec, picture.data, self._place(last)))
        self._news.set()

    def _place(self, packet: RtpPacket) -> int:
        """The time of a picture on the time line of the session, in units of the clock of video; it never goes back."""
        position = self._clock.place(packet.sent, packet.arrival)
        if packet.sent is None:
            # By arrival alone the pictures would jitter as the network does.
            if self._anchor is not None:
                steps = (packet.timestamp - self._anchor[1] + (1 << 31)) % (1 << 32) - (1 << 31)
                smooth = self._anchor[0] + steps / VIDEO_CLOCK
                if abs(smooth - position) < DRIFT:
                    position = smooth
            self._anchor = (position, packet.timestamp)
        self._last_pts = max(self._last_pts + 1, round(position * VIDEO_CLOCK))
        return self._last_pts

    # Pictures

    async def _decode(self) -> None:
        decoders: dict[str, PictureDecoder] = {}
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            waiting = self._waiting.popleft()
            try:
                if waiting.codec.name not in decoders:
                    decoders[waiting.codec.name] = self._make_decoder(waiting.codec)
                frames = await self._worker.run(decoders[waiting.codec.name].decode, waiting.data, waiting.pts)
            except MediaError as error:
                logger.info("< %s", error)
                decoders.pop(waiting.codec.name, None)
                self.refresh()
                continue
            self.codec = waiting.codec
            for frame in frames:
                self._show(frame)

    def _show(self, frame: VideoFrame) -> None:
        self.frames += 1
        self.size = (frame.width, frame.height)
        if self.is_enabled:
            self._track.put(frame)
