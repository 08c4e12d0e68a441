"""Packets of one peer sent on to another as they came: no decoding, no encoding, no delay but the way.

Loss and disorder stay what they were, so that the receiver at the end can deal with them as it would without us. What
is ours on the way out: the source, the payload type that was agreed on there, and where numbers and times begin.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ...transports.base import BandwidthEstimated, KeyframeWanted, RtpFeedback, RtpPacket, RtpStream
from .capabilities import Codec
from .negotiation import Format, Negotiated

WAITING = 256
"""Packets that wait for a path that is slow to take them; then the oldest makes room."""

SOURCE_SILENCE = 0.060
"""Seconds that the source we pass on must be silent before another one is taken."""

NEAR = range(-100, 1000)
"""How far a number may jump and still belong to what came before; SRTP loses count where numbers go far."""

ASK_AGAIN = 0.300
"""Seconds between two wishes for a picture that builds on no other, whatever the receiver asks for."""


class Sender(Protocol):
    """What sends our own source, and leaves the stream to a relay."""

    is_relaying: bool

    @property
    def is_paused(self) -> bool:
        """Whether nothing is to be sent at all."""
        ...

    @property
    def is_pressing(self) -> bool:
        """Whether keys are being pressed, and sound pauses."""
        ...

    def timestamp_now(self, clock_rate: int) -> int:
        """The timestamp of what would be sent at this moment."""
        ...


@dataclass(slots=True)
class Outlet:
    """Where packets that somebody else made can go out."""

    stream: RtpStream
    sender: Sender
    negotiated: Negotiated
    is_covered: bool = False
    """Whether nobody is to hear or see anything, as while muted."""

    @property
    def is_open(self) -> bool:
        """Whether anything may go out now."""
        return not (self.is_covered or self.sender.is_paused or self.sender.is_pressing)

    def format_of(self, codec: Codec) -> Format | None:
        """The format in which the peer takes what is in this codec; `None` where it does not."""
        formats = self.negotiated.events if codec.is_event else self.negotiated.formats
        return next((each for each in formats if _kind(each.codec) == _kind(codec)), None)


def _kind(codec: Codec) -> tuple[str, int, int]:
    """What makes two codecs the same on the wire, whatever each side calls them and wants of them."""
    return codec.name, codec.clock_rate, codec.channels


class RelayClock:
    """When what a peer sends was captured, on our own clock; shared by its sound and its pictures, for their step."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def moment_of(self, packet: RtpPacket) -> float:
        """When what the packet holds was there."""
        if packet.sent is None:
            return packet.arrival
        if self._ahead is None or packet.sent + self._ahead > packet.arrival:
            self._ahead = packet.arrival - packet.sent
        return packet.sent + self._ahead


class Relay:
    """Passes on one medium, in one direction. Made on a running event loop.

    Args:
        receiving: By payload type, what the peer may send whose packets are taken.
        outlet: Where they go.
        clock: Puts the media of that peer in step.
        request_keyframe: Asks a source of that peer for a picture that builds on no other.
        limit: Asks that peer to send no more than so many bits per second; `None`: as it wants.
        on_refused: Called when a packet is of a codec that the other peer does not take.

    Attributes:
        packets: How many were passed on.
    """

    def __init__(
        self,
        receiving: Mapping[int, Codec],
        outlet: Outlet,
        *,
        clock: RelayClock,
        request_keyframe: Callable[[int], None] = lambda ssrc: None,
        limit: Callable[[int | None], None] = lambda bit_rate: None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.packets = 0
        self._receiving, self._outlet, self._clock = receiving, outlet, clock
        self._request_keyframe, self._limit, self._on_refused = request_keyframe, limit, on_refused
        self._loop = asyncio.get_running_loop()
        self._ssrc: int | None = None
        self._arrival = 0.0
        self._asked = float("-inf")
        self._number = 0
        self._distance = 0
        """What our numbers are ahead of those that came."""

        self._next: int | None = None
        """Our next number, unless somebody else sends in between; `None` before the first."""

        self._times: dict[int, tuple[int, int]] = {}
        """For each clock, two timestamps that mean the same: one that came, and ours."""

        self._waiting: deque[tuple[RtpPacket, Format]] = deque(maxlen=WAITING)
        self._news = asyncio.Event()
        self._task = self._loop.create_task(self._run(), name="rtp-relay")

    def take(self, packet: RtpPacket) -> bool:
        """Pass a packet on; `False` where the other peer does not take its codec."""
        codec = self._receiving.get(packet.payload_type)
        agreed = None if codec is None else self._outlet.format_of(codec)
        if agreed is None:
            if codec is not None and not codec.is_event:
                self._outlet.sender.is_relaying = False
                self._on_refused()
            return False
        if packet.ssrc != self._ssrc:
            if self._ssrc is not None and packet.arrival - self._arrival < SOURCE_SILENCE:
                return True
            self._ssrc, self._next = packet.ssrc, None
            self._ask()
        self._arrival = packet.arrival
        if self._outlet.is_open:
            self._outlet.sender.is_relaying = True
            self._waiting.append((packet, agreed))
            self._news.set()
        return True

    def take_feedback(self, feedback: RtpFeedback) -> None:
        """Follow what the other peer says about what it gets."""
        if isinstance(feedback, BandwidthEstimated):
            self._limit(feedback.bit_rate)
        elif isinstance(feedback, KeyframeWanted) and self._loop.time() - self._asked >= ASK_AGAIN:
            self._ask()

    async def aclose(self) -> None:
        """Leave the stream to its own source again; safe to call twice."""
        self._outlet.sender.is_relaying = False
        self._limit(None)
        self._task.cancel()
        await asyncio.wait([self._task])

    def _ask(self) -> None:
        if self._ssrc is not None:
            self._asked = self._loop.time()
            self._request_keyframe(self._ssrc)

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            packet, agreed = self._waiting.popleft()
            begins = self._follow(packet)
            self.packets += 1
            await self._outlet.stream.send(
                packet.payload,
                payload_type=agreed.payload_type,
                timestamp=self._timestamp(packet, agreed.codec.clock_rate),
                # RFC 3551 section 4.1; of pictures it marks the last packet.
                marker=packet.marker or (begins and self._outlet.negotiated.medium == "audio"),
                captured=self._clock.moment_of(packet),
                sequence_number=(packet.sequence_number + self._distance) & 0xFFFF,
            )
            self._next = self._outlet.stream.sequence_number

    def _follow(self, packet: RtpPacket) -> bool:
        """Keep numbers as far apart as they came; `True` where they begin anew behind what was sent last."""
        step = (packet.sequence_number - self._number + 0x8000) % 0x10000 - 0x8000
        begins = self._next != self._outlet.stream.sequence_number or step not in NEAR
        if begins:
            self._distance = self._outlet.stream.sequence_number - packet.sequence_number
            self._times.clear()
        if begins or step > 0:
            self._number = packet.sequence_number
        return begins

    def _timestamp(self, packet: RtpPacket, clock_rate: int) -> int:
        if clock_rate not in self._times:
            self._times[clock_rate] = (packet.timestamp, self._outlet.sender.timestamp_now(clock_rate))
        theirs, ours = self._times[clock_rate]
        return ours + packet.timestamp - theirs
