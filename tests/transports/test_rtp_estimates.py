"""What the receiver of a stream says its path carries, and what it is told to say at most."""

from __future__ import annotations

import asyncio

from aiortc import rtp as wire

from jingle.transports.base import RtpParameters
from jingle.transports.rtp_feedback import MAX_ESTIMATE, StreamFeedback


class Receiver:
    """Hears a steady stream of 100 packets of 1000 bytes a second, and keeps the estimates that it tells."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.now = asyncio.get_running_loop().time()
        self._number = 0
        parameters = RtpParameters(clock_rates={96: 90_000}, ssrc=1, cname="us", feedback=frozenset({"goog-remb"}))
        self.feedback = StreamFeedback(parameters, self._sent, lambda packet: None, None)

    def _sent(self, data: bytes) -> None:
        (packet,) = wire.RtcpPacket.parse(data)
        assert isinstance(packet, wire.RtcpPsfbPacket)
        bit_rate, ssrcs = wire.unpack_remb_fci(packet.fci)
        assert ssrcs == [7]
        self.told.append(bit_rate)

    def hear(self, seconds: float) -> None:
        for _ in range(round(seconds * 100)):
            packet = wire.RtpPacket(payload_type=96, sequence_number=self._number, ssrc=7, payload=bytes(1000))
            packet.extensions.abs_send_time = int(self.now * 2**18) & 0xFFFFFF
            self.feedback.arrived(packet, self.now, 0.02)
            self._number += 1
            self.now += 0.01


async def test_no_more_is_told_than_the_limit_and_a_lower_one_at_once() -> None:
    receiver = Receiver()
    receiver.feedback.limit(50_000)
    assert receiver.told == [], "nothing is known yet"
    receiver.feedback.limit(None)
    receiver.hear(8)
    assert receiver.told
    assert receiver.told[-1] > 200_000
    before = len(receiver.told)
    receiver.feedback.limit(100_000)
    assert receiver.told[before:] == [100_000]
    receiver.hear(3)
    assert set(receiver.told[before:]) == {100_000}
    receiver.feedback.limit(MAX_ESTIMATE * 4)
    receiver.hear(3)
    assert receiver.told[-1] > 200_000
