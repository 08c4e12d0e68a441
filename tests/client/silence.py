"""A connected link on which nothing comes in, for calls whose signalling is what counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from jingle.errors import TransportFailed
from jingle.transports.base import RtpFeedback, RtpPacket, RtpParameters, RtpStatistics, Security


class SilentStream:
    """RTP that nobody answers; implements `RtpStream`."""

    sequence_number = 0
    statistics = RtpStatistics(
        packets_sent=0,
        bytes_sent=0,
        packets_received=0,
        bytes_received=0,
        packets_lost=0,
        jitter=0.0,
        rtt=None,
        remote_packets_lost=0,
    )

    async def send(self, payload: bytes, **how: Any) -> None:
        pass

    def request_keyframe(self, ssrc: int) -> None:
        pass

    def limit(self, bit_rate: int | None) -> None:
        pass

    async def aclose(self) -> None:
        pass


class SilentLink:
    """A connected link on which nothing comes in; implements `DatagramLink`."""

    security = Security.DTLS
    dtls = None
    path = None

    def __init__(self) -> None:
        self._ended: asyncio.Future[TransportFailed | None] = asyncio.get_running_loop().create_future()

    async def ended(self) -> TransportFailed | None:
        return await self._ended

    def rtp_stream(
        self,
        parameters: RtpParameters,
        on_packet: Callable[[RtpPacket], None],
        on_feedback: Callable[[RtpFeedback], None] | None = None,
    ) -> SilentStream:
        return SilentStream()
