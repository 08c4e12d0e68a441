"""What two ends of a stream tell each other beside the reports: RFC 4585, RFC 4588, RFC 5104, REMB."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest
from aiortc import rtp as wire
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from hypothesis import given
from hypothesis import strategies as st

from jingle.transports.base import BandwidthEstimated, KeyframeWanted, LossReported, RtpFeedback, RtpPacket
from jingle.transports.rtp_feedback import MAX_ASKED_AT_ONCE, MAX_ESTIMATE
from jingle.transports.rtp_stream import Stream
from tests.virtual_time import in_virtual_time

from .test_rtp_stream import Loopback, parameters

ALL = frozenset({"nack", "nack pli", "ccm fir", "goog-remb"})
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
OURS, OUR_REPAIRS, THEIRS, THEIR_REPAIRS = 10, 11, 77, 78


class End:
    """A stream of pictures, and what is sent and told there."""

    def __init__(self, feedback: frozenset[str] = ALL, *, repairs: bool = True) -> None:
        self.loopback = Loopback()
        self.heard: list[RtpPacket] = []
        self.told: list[RtpFeedback] = []
        agreed = parameters(
            OURS,
            clock_rates={96: 90_000},
            feedback=feedback,
            header_extensions={ABS_SEND_TIME: 3},
            repairs={97: 96} if repairs else {},
            repair_with={96: 97} if repairs else {},
            repair_ssrc=OUR_REPAIRS if repairs else None,
            remote_repair_ssrcs={THEIR_REPAIRS: THEIRS} if repairs else {},
        )
        self.stream: Stream = self.loopback.router.open(agreed, self.heard.append, self.told.append)

    def rtp(self) -> list[wire.RtpPacket]:
        """The media packets that were sent."""
        return [wire.RtpPacket.parse(data, extensions()) for data in self.loopback.sent if not wire.is_rtcp(data)]

    def feedback(self) -> list[wire.RtcpPsfbPacket | wire.RtcpRtpfbPacket]:
        """The feedback that was sent, each in a compound packet as RFC 4585 section 3.1 wants it."""
        found: list[wire.RtcpPsfbPacket | wire.RtcpRtpfbPacket] = []
        for packets in self.loopback.rtcp():
            feedback = [each for each in packets if isinstance(each, wire.RtcpPsfbPacket | wire.RtcpRtpfbPacket)]
            if feedback:
                assert isinstance(packets[0], wire.RtcpRrPacket | wire.RtcpSrPacket)
                assert isinstance(packets[1], wire.RtcpSdesPacket)
            found += feedback
        return found

    async def send(self, count: int) -> list[int]:
        """Send packets; their numbers come back."""
        before = len(self.rtp())
        for index in range(count):
            await self.stream.send(b"%d" % index, payload_type=96, timestamp=3000 * index)
        return [each.sequence_number for each in self.rtp()[before:]]

    def receive(self, number: int, payload: bytes = b"x", *, ssrc: int = THEIRS, type: int = 96, **more: int) -> None:
        packet = wire.RtpPacket(
            payload_type=type, sequence_number=number & 0xFFFF, ssrc=ssrc, payload=payload, timestamp=number * 3000
        )
        packet.extensions.abs_send_time = more.get("sent")
        self.loopback.router.receive_rtp(packet.serialize(extensions()), asyncio.get_running_loop().time())

    def receive_rtcp(self, *packets: wire.AnyRtcpPacket) -> None:
        self.loopback.router.receive_rtcp(b"".join(bytes(each) for each in packets), asyncio.get_running_loop().time())

    def ask(self, *numbers: int, of: int = OURS) -> None:
        self.receive_rtcp(wire.RtcpRtpfbPacket(fmt=1, ssrc=THEIRS, media_ssrc=of, lost=list(numbers)))


def extensions() -> wire.HeaderExtensionsMap:
    ids = wire.HeaderExtensionsMap()
    ids.configure(RTCRtpParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(id=3, uri=ABS_SEND_TIME)]))
    return ids


# What we send


@in_virtual_time
async def test_what_the_peer_misses_is_sent_in_a_stream_of_its_own() -> None:
    end = End()
    numbers = await end.send(5)
    end.ask(numbers[1], numbers[3])
    await asyncio.sleep(0)
    repeated = end.rtp()[5:]
    assert [(each.ssrc, each.payload_type) for each in repeated] == [(OUR_REPAIRS, 97)] * 2
    # RFC 4588 section 4: the original number comes before the original payload; the timestamp stays.
    assert [each.payload for each in repeated] == [
        struct.pack("!H", numbers[1]) + b"1",
        struct.pack("!H", numbers[3]) + b"3",
    ]
    assert [each.timestamp for each in repeated] == [3000, 9000]
    assert repeated[1].sequence_number == (repeated[0].sequence_number + 1) & 0xFFFF
    assert end.stream.statistics.packets_sent == 5
    assert end.stream.statistics.packets_repeated == 2
    await end.stream.aclose()


@in_virtual_time
async def test_without_such_a_stream_it_is_sent_as_it_was() -> None:
    end = End(repairs=False)
    numbers = await end.send(3)
    end.ask(numbers[1])
    await asyncio.sleep(0)
    first, again = end.rtp()[1], end.rtp()[3]
    assert (again.ssrc, again.sequence_number, again.payload) == (OURS, first.sequence_number, b"1")
    await end.stream.aclose()


@in_virtual_time
async def test_nothing_is_repeated_that_was_not_agreed_on_or_is_not_ours() -> None:
    end = End(ALL - {"nack"})
    end.ask(*await end.send(3))
    await asyncio.sleep(0)
    assert len(end.rtp()) == 3
    await end.stream.aclose()
    end = End()
    end.ask(*await end.send(3), of=99)
    end.ask(40_000)
    await asyncio.sleep(0)
    assert len(end.rtp()) == 3
    await end.stream.aclose()


@in_virtual_time
async def test_whoever_asks_for_everything_gets_a_share() -> None:
    end = End()
    numbers = await end.send(1000)
    for _ in range(50):
        end.ask(*numbers)
    await asyncio.sleep(0)
    assert len(end.rtp()) - 1000 <= MAX_ASKED_AT_ONCE * 2
    await end.stream.aclose()


@in_virtual_time
async def test_wishes_for_a_whole_picture_are_told() -> None:
    """PLI of RFC 4585 section 6.3.1; FIR of RFC 5104 section 4.3.1, where the same number is the same wish."""
    end = End()
    pli = wire.RtcpPsfbPacket(fmt=1, ssrc=THEIRS, media_ssrc=OURS)
    end.receive_rtcp(pli)
    assert end.told == [KeyframeWanted()]
    end.receive_rtcp(wire.RtcpPsfbPacket(fmt=1, ssrc=THEIRS, media_ssrc=99))
    for number, ssrc in ((7, OURS), (7, OURS), (8, OURS), (9, 99)):
        fci = struct.pack("!LBxxx", 98, 1) + struct.pack("!LBxxx", ssrc, number)
        end.receive_rtcp(wire.RtcpPsfbPacket(fmt=4, ssrc=THEIRS, media_ssrc=0, fci=fci))
    assert end.told == [KeyframeWanted()] * 3
    await end.stream.aclose()


@in_virtual_time
async def test_estimates_and_losses_are_told() -> None:
    end = End()
    await end.send(1)
    for bit_rate, ssrcs in ((300_000, [OURS]), (400_000, [99]), (1 << 60, [99, OURS])):
        fci = wire.pack_remb_fci(bit_rate, ssrcs)
        end.receive_rtcp(wire.RtcpPsfbPacket(fmt=15, ssrc=THEIRS, media_ssrc=0, fci=fci))
    block = wire.RtcpReceiverInfo(OURS, 64, 3, 0, 0, 0, 0)
    end.receive_rtcp(wire.RtcpRrPacket(ssrc=THEIRS, reports=[block]))
    assert end.told == [BandwidthEstimated(300_000), BandwidthEstimated(MAX_ESTIMATE), LossReported(0.25)]
    await end.stream.aclose()


# What the peer sends


@in_virtual_time
async def test_what_is_missing_is_asked_for_and_taken_when_it_comes() -> None:
    end = End()
    for number in (1, 2, 5):
        end.receive(number)
    await asyncio.sleep(0.02)
    (nack,) = end.feedback()
    assert isinstance(nack, wire.RtcpRtpfbPacket)
    assert (nack.fmt, nack.ssrc, nack.media_ssrc, nack.lost) == (1, OURS, THEIRS, [3, 4])
    end.receive(900, struct.pack("!H", 3) + b"again", ssrc=THEIR_REPAIRS, type=97)
    end.receive(4)
    await asyncio.sleep(1)
    assert len(end.feedback()) == 1
    assert [(each.sequence_number, each.payload, each.ssrc, each.payload_type) for each in end.heard[3:]] == [
        (3, b"again", THEIRS, 96),
        (4, b"x", THEIRS, 96),
    ]
    statistics = end.stream.statistics
    assert (statistics.packets_received, statistics.packets_lost, statistics.packets_repaired) == (4, 1, 1)
    await end.stream.aclose()


@in_virtual_time
async def test_repairs_of_a_source_that_was_not_announced() -> None:
    """Without a group the source that is heard is meant; before any is heard, none can be."""
    end = End()
    again = struct.pack("!H", 2) + b"again"
    end.receive(900, again, ssrc=500, type=97)
    assert end.heard == []
    end.receive(1)
    end.receive(901, again, ssrc=500, type=97)
    end.receive(902, b"\0\0", ssrc=500, type=97)  # padding, to probe the path with
    assert [(each.sequence_number, each.ssrc) for each in end.heard] == [(1, THEIRS), (2, THEIRS)]
    await end.stream.aclose()


@pytest.mark.parametrize(
    ("feedback", "wish"),
    [(ALL, (1, THEIRS, b"")), ({"ccm fir"}, (4, 0, struct.pack("!LBxxx", THEIRS, 1))), ({"nack"}, None)],
)
@in_virtual_time
async def test_a_whole_picture_is_asked_for_as_the_peer_understands_it(
    feedback: set[str], wish: tuple[int, int, bytes] | None
) -> None:
    end = End(frozenset(feedback))
    end.stream.request_keyframe(THEIRS)
    await asyncio.sleep(0)
    found = [(each.fmt, each.media_ssrc, each.fci) for each in end.feedback() if isinstance(each, wire.RtcpPsfbPacket)]
    assert found == ([wish] if wish is not None else [])
    await end.stream.aclose()
    end.stream.request_keyframe(THEIRS)
    await asyncio.sleep(0)
    assert len(end.feedback()) == len(found)


@in_virtual_time
async def test_the_peer_is_told_what_its_path_carries() -> None:
    """A megabit a second for ten seconds, at the pace at which it was sent."""
    end = End()
    loop = asyncio.get_running_loop()
    for number in range(1000):
        end.receive(number, bytes(1250), sent=int(loop.time() * (1 << 18)) & 0xFFFFFF)
        await asyncio.sleep(0.01)
    told = [wire.unpack_remb_fci(each.fci) for each in end.feedback() if isinstance(each, wire.RtcpPsfbPacket)]
    assert 5 <= len(told) <= 15
    assert all(ssrcs == [THEIRS] for _, ssrcs in told)
    assert all(900_000 < bit_rate < 2_000_000 for bit_rate, _ in told)
    await end.stream.aclose()


@in_virtual_time
async def test_a_pause_costs_nothing() -> None:
    end = End()
    end.receive(1, sent=0)
    await asyncio.sleep(3600)
    end.receive(2, sent=1)
    end.receive(3, sent=2)
    await end.stream.aclose()


@in_virtual_time
async def test_times_of_sending_are_sent() -> None:
    """24 bits of seconds, 18 of them behind the point; of a repeated packet, when it was repeated."""
    end = End()
    (number,) = await end.send(1)
    await asyncio.sleep(0.5)
    end.ask(number)
    await asyncio.sleep(0)
    first, again = (packet.extensions.abs_send_time for packet in end.rtp())
    assert first is not None
    assert again is not None
    assert (again - first) % (1 << 24) == pytest.approx(0.5 * (1 << 18), rel=0.01)
    await end.stream.aclose()


@in_virtual_time
async def test_reports_tell_when_a_picture_was_captured() -> None:
    """RFC 3550 section 6.4.1: the NTP and the RTP timestamp of a report are of the same moment."""
    end = End()
    end.receive(1)
    info = wire.RtcpSenderInfo(ntp_timestamp=5000 << 32, rtp_timestamp=90_000, packet_count=1, octet_count=1)
    end.receive_rtcp(wire.RtcpSrPacket(ssrc=THEIRS, sender_info=info))
    end.receive(32)
    assert [each.sent for each in end.heard] == [None, pytest.approx(5000 + (32 * 3000 - 90_000) / 90_000)]
    await end.stream.aclose()


@in_virtual_time
async def test_our_reports_tell_when_a_picture_was_captured() -> None:
    end = End()
    loop = asyncio.get_running_loop()
    await asyncio.sleep(1)
    captured = loop.time()
    await asyncio.sleep(0.25)  # it took as long to encode
    await end.stream.send(b"x", payload_type=96, timestamp=0, captured=captured)
    report = wire.RtcpPacket.parse(end.stream._report())[0]
    assert isinstance(report, wire.RtcpSrPacket)
    assert report.sender_info.rtp_timestamp == pytest.approx(0.25 * 90_000, abs=90)
    await end.stream.aclose()


@given(st.lists(st.tuples(st.sampled_from([205, 206]), st.integers(0, 31), st.binary(max_size=60)), max_size=6))
def test_no_feedback_breaks_anything(packets: list[tuple[int, int, bytes]]) -> None:
    async def feed() -> None:
        end = End()
        await end.send(3)
        chance = random.Random(len(packets))
        for kind, fmt, data in packets:
            body = struct.pack("!LL", THEIRS, chance.choice((OURS, 0))) + data + bytes(-len(data) % 4)
            raw = struct.pack("!BBH", 0x80 | fmt, kind, len(body) // 4) + body
            end.loopback.router.receive_rtcp(raw, 0.0)
        await asyncio.sleep(0)
        await end.stream.aclose()

    in_virtual_time(feed)()
