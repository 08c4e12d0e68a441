"""From RTP packets to sound: order, gaps, decoding. Driven by arrivals, so nothing that came in time is ever left out.

The frames that leave follow each other without a jump in time. Sound that is lost, or that the peer did not send
because it was silent, is filled in: at once when the next packet shows how long the gap is, and at the pace of the
clock when nothing has come for a while. Pacing towards a loudspeaker is the loudspeaker's business.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction

from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame

from ...media import AudioFrame
from ...media.concealment import Concealer
from ...transports.base import RtpPacket
from .capabilities import Codec
from .dtmf import KeyReceiver
from .media_clock import MediaClock
from .negotiation import Negotiated
from .received import ReceivedTrack
from .reorder import ReorderBuffer

CLOCK = 48_000
"""Where sound begins, in units of a second: a sample of what decoders give."""

FRAME = 0.020
"""Seconds in a frame that fills a gap."""

IDLE = 0.200
"""Seconds without a packet after which silence is put out at the pace of the clock: longer than any jitter that a
conversation survives, so that late sound is still heard whole."""

MAX_FILL = 0.5
"""Seconds that are filled in at once at most, whatever the timestamps of the peer say."""

LOOP_STALL = 0.030
"""Seconds that a timer may be late before it is given up for a moment: after a stall of this process packets wait in
the socket, and what they carry is not lost."""

SOURCE_SILENCE = 0.060
"""Seconds the source we listen to must be silent before another one is taken: three ordinary packets."""

CHALLENGER_PACKETS = 10


class AudioReceiver:
    """Turns the packets of one RTP stream into the frames of a `ReceivedTrack`, and key presses into calls.

    Args:
        track: Where the sound goes.
        negotiated: What was agreed on.
        make_decoder: Makes the decoder of a codec. It may restore lost sound before what a packet holds, and gives
            nothing where the packet is damaged.
        on_key: Called with each digit pressed by the peer.
        clock: Puts the media of the session in step.
    """

    def __init__(
        self,
        track: ReceivedTrack,
        negotiated: Negotiated,
        make_decoder: Callable[[Codec], Decoder],
        on_key: Callable[[str], None],
        clock: MediaClock | None = None,
    ) -> None:
        self.is_enabled = True
        """Whether sound is handed on; while it is not, everything else goes on."""

        self.codec: Codec | None = None
        """Of the sound that came last."""

        self._loop = asyncio.get_running_loop()
        self._track = track
        self._receiving = negotiated.receiving
        self._make_decoder = make_decoder
        self._on_key = on_key
        self._timer: asyncio.TimerHandle | None = None
        self._postponed = False
        self._closed = False
        self._clock = clock or MediaClock()
        self._position: Fraction | None = None
        self._challenger: deque[RtpPacket] = deque(maxlen=CHALLENGER_PACKETS)
        self._ssrc: int | None = None
        self._last_arrival = 0.0
        self._concealer = Concealer()
        self._begin_source()

    def receive(self, packet: RtpPacket) -> None:
        """Take a packet; never raises, whatever is in it."""
        if self._closed:
            return
        if packet.ssrc != self._ssrc and not self._change_source(packet):
            return
        self._last_arrival = packet.arrival
        self._buffer.add(packet)
        self._work()

    def close(self) -> None:
        """Play out what waits, and end the track; safe to call twice."""
        if not self._closed:
            self._play_until(float("inf"))
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            self._track.stop()

    # Sources

    def _change_source(self, packet: RtpPacket) -> bool:
        """Whether to listen to this packet's source from now on; what came from it meanwhile is played too."""
        if self._challenger and self._challenger[-1].ssrc != packet.ssrc:
            self._challenger.clear()
        if self._ssrc is not None and packet.arrival - self._last_arrival < SOURCE_SILENCE:
            self._challenger.append(packet)
            return False
        self._play_until(float("inf"))
        self._begin_source()
        self._ssrc = packet.ssrc
        while self._challenger:
            self._buffer.add(self._challenger.popleft())
        return True

    def _begin_source(self) -> None:
        self._buffer = ReorderBuffer()
        self._keys = KeyReceiver()
        self._decoders: dict[int, Decoder] = {}
        self._expected: tuple[int, int] | None = None
        """The timestamp that would follow without a gap, and its clock."""

        self._idle_at: float | None = None
        """When the next frame of silence is due, if nothing comes until then."""

        self._filled = 0.0
        """Seconds put out at the pace of the clock since the last packet."""

        self._ahead = 0.0
        """Seconds put out for which sound came after all; taken off the next pauses, so that delay does not grow."""

    # Time

    def rest(self) -> None:
        """Expect nothing, and fill no pause, until `receive`: what comes meanwhile is heard elsewhere."""
        if self._idle_at is not None:
            self._play_until(float("inf"))
            self._idle_at = self._expected = None

    def _work(self) -> None:
        self._play_until(self._loop.time())
        due = [each for each in (self._buffer.deadline, self._idle_at) if each is not None]
        if due:
            self._wake_at(min(due))

    def _wake_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._wake, due)

    def _wake(self, due: float) -> None:
        now = self._loop.time()
        if now - due > LOOP_STALL and not self._postponed:
            self._postponed = True
            self._wake_at(now + LOOP_STALL)
            return
        self._postponed = False
        if self._idle_at is not None and now >= self._idle_at:
            self._fill(FRAME)
            self._filled += FRAME
            self._idle_at = max(self._idle_at, now - IDLE) + FRAME
        self._work()

    # Sound

    def _play_until(self, now: float) -> None:
        for packet, lost in self._buffer.take(now):
            codec = self._receiving[packet.payload_type]
            if codec.is_event:
                self._hear_key(packet)
            else:
                self._play(packet, codec, lost)

    def _hear_key(self, packet: RtpPacket) -> None:
        key = self._keys.receive(packet.timestamp, packet.payload)
        if key is not None:
            self._on_key(key)

    def _play(self, packet: RtpPacket, codec: Codec, lost: int) -> None:
        duration = codec.duration(packet.payload)
        if not duration:
            return
        missing = self._missing(packet.timestamp, codec, lost)
        self._expected = ((packet.timestamp + duration) & 0xFFFFFFFF, codec.clock_rate)
        seconds = duration / codec.clock_rate
        self._idle_at = max(packet.arrival, self._loop.time() - IDLE) + seconds + IDLE
        self._filled = 0.0
        self.codec = codec
        decoder = self._decoder(packet.payload_type, codec)
        decoded = decoder.decode(JitterFrame(packet.payload, packet.timestamp))
        frames = deque(frame for frame in decoded if isinstance(frame, AudioFrame))
        # The decoder may have put back what was lost, as far as it could; where silence was put out for it meanwhile,
        # it comes too late.
        restored = sum(frame.samples / frame.sample_rate for frame in frames) - seconds
        while restored > missing + FRAME / 8 and len(frames) > 1:
            restored -= frames[0].samples / frames.popleft().sample_rate
        if frames:
            self._fill_all(missing - max(0.0, restored))
        else:
            self._fill_all(missing + seconds)
        if frames and restored <= 0:
            self._clock.heard(self._place(packet.arrival), packet.sent, packet.arrival)
        for frame in frames:
            self._put(self._concealer.heard(frame))

    def _decoder(self, payload_type: int, codec: Codec) -> Decoder:
        if payload_type not in self._decoders:
            self._decoders[payload_type] = self._make_decoder(codec)
        return self._decoders[payload_type]

    def _missing(self, timestamp: int, codec: Codec, lost: int) -> float:
        """Seconds between the packet before and this one that were not filled while waiting."""
        gap = 0.0
        if self._expected is not None and self._expected[1] == codec.clock_rate:
            gap = ((timestamp - self._expected[0] + (1 << 31)) % (1 << 32) - (1 << 31)) / codec.clock_rate
        missing = max(0.0, gap) - self._filled
        self._ahead = min(MAX_FILL, self._ahead + max(0.0, -missing))
        if not lost:
            # A pause of the peer is the place to make up for sound that came late.
            shorter = min(max(0.0, missing), self._ahead)
            self._ahead -= shorter
            missing -= shorter
        return min(max(0.0, missing), MAX_FILL)

    def _fill_all(self, seconds: float) -> None:
        while seconds > FRAME / 8:
            self._fill(min(seconds, FRAME))
            seconds -= FRAME

    def _fill(self, seconds: float) -> None:
        frame = self._concealer.conceal(seconds)
        if frame is not None:
            self._put(frame)

    def _place(self, arrival: float) -> Fraction:
        """Where the next frame goes, in the time of the session's media."""
        if self._position is None:
            self._position = Fraction(self._clock.begin(arrival)).limit_denominator(CLOCK)
        return self._position

    def _put(self, frame: AudioFrame) -> None:
        place = self._place(self._loop.time())
        frame.time_base = Fraction(1, frame.sample_rate)
        frame.pts = round(place * frame.sample_rate)
        self._position = place + Fraction(frame.samples, frame.sample_rate)
        if self.is_enabled:
            self._track.put(frame)
