"""From sound to RTP packets: encoding, timestamps, pauses, key presses.

Encoding runs on the loop: it takes some 0.3 ms for 20 ms of Opus, and handing it to a thread costs more than that.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from fractions import Fraction

from aiortc.codecs.base import Encoder
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from ...errors import LocalProtocolError
from ...media import AudioFrame
from ...media.concealment import audio_level
from ...transports.base import RtpStream
from .capture_clock import CaptureClock
from .dtmf import PAUSE, TONE, check_digits, press
from .negotiation import AUDIO_LEVEL, Format, Negotiated


class AudioSender:
    """Sends a track, and key presses, over an RTP stream.

    Args:
        track: What to send: frames with timestamps that never go back, each when it is due. It is stopped when sending
            ends.
        stream: Where to.
        negotiated: What was agreed on.
        make_encoder: Makes the encoder of a format. Its packets follow each other; its first timestamp is 0, and a
            gap in the time of the frames is one in the timestamps.
    """

    def __init__(
        self,
        track: MediaStreamTrack,
        stream: RtpStream,
        negotiated: Negotiated,
        make_encoder: Callable[[Format], Encoder],
    ) -> None:
        self.format = negotiated.formats[0]
        self.is_paused = False
        """Whether nothing is sent; the track is read on, so that it stays live."""

        self.is_relaying = False
        """Whether something else is sent in its place; likewise."""

        self._loop = asyncio.get_running_loop()
        self._track = track
        self._stream = stream
        self._events = negotiated.events
        self._has_level = AUDIO_LEVEL in negotiated.header_extensions
        self._encoder = make_encoder(self.format)
        self._keys = asyncio.Lock()
        self._offset = random.getrandbits(32)  # RFC 3550 section 5.1
        self._clock = CaptureClock()
        self._encoded_from: Fraction | None = None
        self._now = Fraction(0)
        """The end of the last frame, in the track's time: where a key press begins."""

        self._is_resuming = True
        self._task = self._loop.create_task(self._run(), name="rtp-sender")

    @property
    def is_pressing(self) -> bool:
        """Whether keys are being pressed, and sound pauses."""
        return self._keys.locked()

    def timestamp_now(self, clock_rate: int) -> int:
        """The timestamp of what would be sent at this moment."""
        return self._timestamp(self._now, clock_rate)

    async def send_dtmf(self, digits: str) -> None:
        """Press keys one after the other; returns when the last is released. Sound pauses meanwhile.

        Raises:
            LocalProtocolError: One is no key, or the peer takes no key presses (RFC 4733).
        """
        digits = check_digits(digits)
        rate = self.format.codec.clock_rate
        event = min(self._events, key=lambda each: each.codec.clock_rate != rate, default=None)
        if event is None:
            raise LocalProtocolError("the peer takes no key presses")
        async with self._keys:
            for digit in digits:
                await self._press(digit, event)

    def retune(self, format: Format, encoder: Encoder) -> None:
        """Encode in another way from the next frame on; the payload type is the same."""
        self.format, self._encoder, self._encoded_from = format, encoder, None

    async def aclose(self) -> None:
        """Stop sending and end the track; safe to call twice."""
        self._task.cancel()
        await asyncio.wait([self._task])
        self._track.stop()

    async def _run(self) -> None:
        try:
            while True:
                frame = await self._track.recv()
                if not isinstance(frame, AudioFrame) or frame.pts is None or frame.time_base is None:
                    continue
                begins = frame.pts * Fraction(frame.time_base.numerator, frame.time_base.denominator)
                self._now = begins + Fraction(frame.samples, frame.sample_rate)
                if self.is_paused or self.is_relaying or self.is_pressing:
                    self._is_resuming = True
                else:
                    await self._send(frame, begins)
        except MediaStreamError:
            return

    async def _send(self, frame: AudioFrame, begins: Fraction) -> None:
        captured = self._clock.captured(float(begins), self._loop.time())
        if self._encoded_from is None:
            self._encoded_from = begins
        payloads, timestamp = self._encoder.encode(frame)
        codec = self.format.codec
        timestamp += self._timestamp(self._encoded_from, codec.clock_rate)
        for payload in payloads:
            marker, self._is_resuming = self._is_resuming, False
            await self._stream.send(
                payload,
                payload_type=self.format.payload_type,
                timestamp=timestamp,
                marker=marker,
                audio_level=audio_level(frame) if self._has_level else None,
                captured=captured,
            )
            captured += codec.duration(payload) / codec.clock_rate
            timestamp += codec.duration(payload)
        if not payloads:
            # There was nothing to hear; the first packet after that is marked (RFC 3551 section 4.1).
            self._is_resuming = True

    async def _press(self, digit: str, event: Format) -> None:
        down, clock_rate = self._loop.time(), event.codec.clock_rate
        timestamp = self._timestamp(self._now, clock_rate)
        for packet in press(digit, clock_rate):
            await asyncio.sleep(down + packet.at - self._loop.time())
            await self._stream.send(
                packet.payload, payload_type=event.payload_type, timestamp=timestamp, marker=packet.first
            )
        await asyncio.sleep(down + TONE + PAUSE - self._loop.time())

    def _timestamp(self, moment: Fraction, clock_rate: int) -> int:
        return self._offset + int(moment * clock_rate)
