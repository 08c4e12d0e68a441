from __future__ import annotations

import asyncio
import random
import struct

import pytest
from aiortc import rtp as wire
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from hypothesis import given
from hypothesis import strategies as st

from jingle.transports import rtp_stream
from jingle.transports.base import RtpPacket, RtpParameters
from jingle.transports.rtp_stream import MAX_SOURCES, RtpRouter, Stream
from tests.virtual_time import in_virtual_time

from .dtls_pair import connected_links, eventually

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"


@pytest.fixture
def _quick_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    for interval in ("FIRST_INTERVAL", "REPORT_INTERVAL"):
        monkeypatch.setattr(rtp_stream, interval, (0.04, 0.06))


def parameters(ssrc: int = 1, **changes: object) -> RtpParameters:
    known: dict[str, object] = {"clock_rates": {0: 8000, 111: 48_000}, "cname": "me", "ssrc": ssrc}
    return RtpParameters(**(known | changes))  # type: ignore[arg-type]


class Loopback:
    """A router whose packets go nowhere but into a list."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.router = RtpRouter(self._send)

    async def _send(self, data: bytes) -> None:
        self.sent.append(data)

    def rtcp(self) -> list[list[wire.AnyRtcpPacket]]:
        return [wire.RtcpPacket.parse(data) for data in self.sent if wire.is_rtcp(data)]


def packet(
    number: int = 1, *, ssrc: int = 77, payload_type: int = 0, payload: bytes = b"x", timestamp: int = 0
) -> bytes:
    return wire.RtpPacket(
        payload_type=payload_type, sequence_number=number, timestamp=timestamp, ssrc=ssrc, payload=payload
    ).serialize()


@pytest.mark.usefixtures("_quick_reports")
@in_virtual_time
async def test_both_ends_agree_on_what_was_sent_and_lost() -> None:
    async with connected_links() as (left, right):
        heard: list[RtpPacket] = []
        sender = left.rtp_stream(parameters(10), lambda packet: None)
        receiver = right.rtp_stream(parameters(20), heard.append)
        lost = iter([False, True, False, False, True, True] * 10)
        left.wire.impair = lambda data: () if not wire.is_rtcp(data[:2]) and next(lost) else (0.0,)
        for number in range(60):
            await sender.send(b"%d" % number, payload_type=111, timestamp=number * 960, marker=number == 0)
            await asyncio.sleep(0.002)
        await receiver.send(b"back", payload_type=0, timestamp=5)
        await eventually(lambda: sender.statistics.remote_packets_lost >= 28 and sender.statistics.rtt is not None)
        assert heard[0] == RtpPacket(111, True, heard[0].sequence_number, 0, 10, b"0", heard[0].arrival)
        assert [each.payload for each in heard[1:4]] == [b"2", b"3", b"6"]
        sent, received = sender.statistics, receiver.statistics
        assert sent.packets_sent == 60
        # Those lost at the very end cannot be known to the receiver.
        assert (received.packets_received, received.packets_lost) == (30, 28)
        assert sent.remote_packets_lost == 28
        assert received.bytes_received == sum(len(each.payload) for each in heard)
        assert 0 <= (sent.rtt or 0) < 0.1
        assert 0 <= received.jitter < 0.05
        await asyncio.gather(sender.aclose(), receiver.aclose())


@in_virtual_time
async def test_packets_that_come_before_the_stream_is_open_are_kept() -> None:
    async with connected_links() as (left, right):
        sender = left.rtp_stream(parameters(10), lambda packet: None)
        for number in range(5):
            await sender.send(b"%d" % number, payload_type=0, timestamp=number)
        await asyncio.sleep(0.05)
        heard: list[RtpPacket] = []
        receiver = right.rtp_stream(parameters(20), heard.append)
        assert [each.payload for each in heard] == [b"0", b"1", b"2", b"3", b"4"]
        await asyncio.gather(sender.aclose(), receiver.aclose())


@in_virtual_time
async def test_early_packets_are_bounded_and_go_stale() -> None:
    loopback, now = Loopback(), asyncio.get_running_loop().time()
    for number in range(5000):
        loopback.router.receive_rtp(packet(number, ssrc=number), now)
    assert len(loopback.router._early) == rtp_stream.EARLY_PACKETS
    heard: list[RtpPacket] = []
    stream = loopback.router.open(parameters(), heard.append)
    assert len(heard) == rtp_stream.EARLY_PACKETS
    await stream.aclose()
    for number, age in enumerate((60.0, 0.1)):
        loopback.router.receive_rtp(packet(number), now - age)
    heard.clear()
    stream = loopback.router.open(parameters(), heard.append)
    assert [each.arrival for each in heard] == [now - 0.1]
    await stream.aclose()


@in_virtual_time
async def test_reports_are_compound_and_say_who_we_are() -> None:
    loopback = Loopback()
    stream = loopback.router.open(parameters(10, cname="caller@home"), lambda packet: None)
    loopback.router.receive_rtp(packet(1), 0.0)
    receiver_report = wire.RtcpPacket.parse(stream._report())
    await stream.send(b"abc", payload_type=111, timestamp=2**32 + 7)
    sender_report = wire.RtcpPacket.parse(stream._report())
    quiet = wire.RtcpPacket.parse(stream._report())
    await stream.aclose()

    assert isinstance(receiver_report[0], wire.RtcpRrPacket)
    assert [block.ssrc for block in receiver_report[0].reports] == [77]
    assert isinstance(sender_report[0], wire.RtcpSrPacket)
    assert (sender_report[0].ssrc, sender_report[0].sender_info.packet_count) == (10, 1)
    assert sender_report[0].sender_info.octet_count == 3
    assert 7 <= sender_report[0].sender_info.rtp_timestamp < 7 + 48_000
    assert sender_report[0].reports == []  # nothing came since
    assert isinstance(sender_report[1], wire.RtcpSdesPacket)
    assert sender_report[1].chunks[0].items == [(1, b"caller@home")]
    assert isinstance(quiet[0], wire.RtcpRrPacket)
    last = loopback.rtcp()[-1]
    assert isinstance(last[-1], wire.RtcpByePacket)
    assert last[-1].sources == [10]
    assert isinstance(last[0], wire.RtcpRrPacket)


@in_virtual_time
async def test_the_round_trip_follows_from_the_peers_report_only() -> None:
    loopback = Loopback()
    stream = loopback.router.open(parameters(10), lambda packet: None)
    await stream.send(b"x", payload_type=0, timestamp=0)
    report = wire.RtcpPacket.parse(stream._report())[0]
    assert isinstance(report, wire.RtcpSrPacket)
    middle = report.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
    now = asyncio.get_running_loop().time()

    def answer(lsr: int, dlsr: float, after: float, ssrc: int = 10) -> None:
        block = wire.RtcpReceiverInfo(ssrc, 0, 3, 0, 0, lsr, round(dlsr * 65536))
        loopback.router.receive_rtcp(bytes(wire.RtcpRrPacket(ssrc=77, reports=[block])), now + after)

    answer(12345, 0.0, 0.1)
    answer(0, 0.0, 0.1)
    answer(middle - 65536, 0.0, 0.1)  # a second before our only report
    answer(middle, 0.0, 0.1, ssrc=11)
    assert stream.statistics.rtt is None
    answer(middle, 0.2, 0.25)
    assert stream.statistics.rtt == pytest.approx(0.05, abs=0.005)
    assert stream.statistics.remote_packets_lost == 3
    answer(middle, 0.2, 0.19)  # rounding made it negative
    assert 0 < (stream.statistics.rtt or 0) < 0.05
    await stream.aclose()


@in_virtual_time
async def test_goodbye_does_not_end_the_stream() -> None:
    loopback = Loopback()
    heard: list[RtpPacket] = []
    stream = loopback.router.open(parameters(10), heard.append)
    for number in (1, 2, 4):
        loopback.router.receive_rtp(packet(number), 0.0)
    loopback.router.receive_rtcp(bytes(wire.RtcpByePacket(sources=[77, 78])), 0.0)
    for number in (900, 901):
        loopback.router.receive_rtp(packet(number, ssrc=78), 1.0)
    loopback.router.receive_rtp(packet(30_000), 2.0)  # from the same source, with numbers of a new life
    assert [each.ssrc for each in heard] == [77, 77, 77, 78, 78, 77]
    assert stream.statistics.packets_received == 6
    assert stream.statistics.packets_lost == 1
    await stream.aclose()


@in_virtual_time
async def test_sources_are_bounded_and_their_counts_are_kept() -> None:
    loopback = Loopback()
    stream = loopback.router.open(parameters(10), lambda packet: None)
    for ssrc in range(100, 1100):
        loopback.router.receive_rtp(packet(ssrc=ssrc), ssrc / 100)
    assert len(stream._sources) == MAX_SOURCES
    assert stream.statistics.packets_received == 1000
    assert len(stream._report_blocks(20.0)) <= MAX_SOURCES
    await stream.aclose()


@in_virtual_time
async def test_our_own_packets_coming_back_are_ignored() -> None:
    loopback = Loopback()
    stream = loopback.router.open(parameters(10), lambda packet: pytest.fail("heard itself"))
    loopback.router.receive_rtp(packet(ssrc=10), 0.0)
    await stream.aclose()


@in_virtual_time
async def test_nothing_is_handed_on_after_closing() -> None:
    loopback = Loopback()
    heard: list[RtpPacket] = []
    stream = loopback.router.open(parameters(10), heard.append)
    await stream.aclose()
    await stream.aclose()
    stream.receive(wire.RtpPacket.parse(packet()), 0.0)
    loopback.router.receive_rtp(packet(), 0.0)
    assert heard == []
    assert sum(isinstance(each, wire.RtcpByePacket) for report in loopback.rtcp() for each in report) == 1


@in_virtual_time
async def test_a_link_that_is_down_loses_packets_silently() -> None:
    async def down(data: bytes) -> None:
        raise ConnectionError

    stream = RtpRouter(down).open(parameters(10), lambda packet: None)
    await stream.send(b"x", payload_type=0, timestamp=0)
    await stream.aclose()


class Bundle:
    """Two audio contents and one of another medium on one transport."""

    def __init__(self) -> None:
        self.loopback = Loopback()
        self.heard: dict[str, list[bytes]] = {"a": [], "b": [], "v": []}
        self.streams = [
            self.open("a", 1, {0: 8000}, frozenset({501})),
            self.open("b", 2, {0: 8000}, frozenset({502})),
            self.open("v", 3, {98: 90_000}, frozenset()),
        ]

    def open(self, name: str, ssrc: int, clock_rates: dict[int, int], announced: frozenset[int]) -> Stream:
        agreed = parameters(
            ssrc, clock_rates=clock_rates, mid=name, remote_ssrcs=announced, header_extensions={MID: 4, AUDIO_LEVEL: 1}
        )
        return self.loopback.router.open(agreed, lambda packet: self.heard[name].append(packet.payload))

    def receive(self, ssrc: int, payload: bytes, *, mid: str | None = None, payload_type: int = 0) -> None:
        sent = wire.RtpPacket(payload_type=payload_type, sequence_number=1, ssrc=ssrc, payload=payload)
        sent.extensions.mid = mid
        ids = wire.HeaderExtensionsMap()
        ids.configure(RTCRtpParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(id=4, uri=MID)]))
        self.loopback.router.receive_rtp(sent.serialize(ids), 0.0)

    async def aclose(self) -> None:
        for stream in self.streams:
            await stream.aclose()


@in_virtual_time
async def test_bundled_contents_are_told_apart_by_name_source_or_payload_type() -> None:
    bundle = Bundle()
    bundle.receive(600, b"named", mid="b")
    bundle.receive(600, b"once named")
    bundle.receive(501, b"announced")
    bundle.receive(700, b"by payload type", payload_type=98)
    bundle.receive(800, b"whose?")
    assert bundle.heard == {"a": [b"announced"], "b": [b"named", b"once named"], "v": [b"by payload type"]}
    await bundle.aclose()


@in_virtual_time
async def test_header_extensions_go_out_as_agreed() -> None:
    bundle = Bundle()
    await bundle.streams[0].send(b"x", payload_type=0, timestamp=0, audio_level=30)
    ids = wire.HeaderExtensionsMap()
    agreed = [RTCRtpHeaderExtensionParameters(id=4, uri=MID), RTCRtpHeaderExtensionParameters(id=1, uri=AUDIO_LEVEL)]
    ids.configure(RTCRtpParameters(headerExtensions=agreed))
    sent = wire.RtpPacket.parse(bundle.loopback.sent[0], ids)
    assert (sent.extensions.mid, sent.extensions.audio_level) == ("a", (False, 30))
    await bundle.aclose()


def hostile_extension(length: int) -> bytes:
    """A header extension of ours with a length that it cannot have."""
    value = bytes([(1 << 4) | (length - 1)]) + bytes(length)
    value += bytes(-len(value) % 4)
    return struct.pack("!BBHLLHH", 0x90, 0, 1, 0, 77, 0xBEDE, len(value) // 4) + value + b"payload"


HOSTILE_RTP = [b"", b"\x80", packet()[:11], hostile_extension(2), hostile_extension(16), b"\xff" * 40]
HOSTILE_RTCP = [
    b"\x80\xc8\x00\x00",
    # A bandwidth estimate that promises more sources than it holds.
    bytes(wire.RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=b"REMB\xff\x00\x00\x00")),
    b"\x9f\xcb\x00\x00",
    b"\xa0\xc9\x00\x01\x00\x00\x00\x00",
    b"\x81\xca\x00\x01\x00\x00\x00\x05",
]


@pytest.mark.parametrize("data", HOSTILE_RTP)
@in_virtual_time
async def test_malformed_rtp_is_ignored(data: bytes) -> None:
    bundle = Bundle()
    bundle.loopback.router.receive_rtp(data, 0.0)
    assert not any(bundle.heard.values())
    await bundle.aclose()


@pytest.mark.parametrize("data", HOSTILE_RTCP)
@in_virtual_time
async def test_malformed_rtcp_does_not_end_the_transport(data: bytes) -> None:
    async with connected_links() as (left, right):
        heard: list[RtpPacket] = []
        sender = left.rtp_stream(parameters(10), lambda packet: None)
        receiver = right.rtp_stream(parameters(20), heard.append)
        await left.dtls._send_rtp(data.ljust(12, b"\0"))
        await sender.send(b"still there", payload_type=0, timestamp=0)
        await eventually(lambda: bool(heard))
        assert right.dtls.state == "connected"
        await asyncio.gather(sender.aclose(), receiver.aclose())


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_no_bytes_raise(media: bytes, control: bytes) -> None:
    async def feed() -> None:
        bundle = Bundle()
        for start in (b"", b"\x80\x00", b"\x90\x00\x00\x01" + bytes(8) + b"\xbe\xde\x00\x04"):
            bundle.loopback.router.receive_rtp(start + media, 0.0)
        for kind in range(200, 207):
            bundle.loopback.router.receive_rtcp(
                struct.pack("!BBH", 0x81, kind, len(control) // 4) + control[: len(control) // 4 * 4], 0.0
            )
        await bundle.aclose()

    asyncio.run(feed())


@in_virtual_time
async def test_no_task_is_left() -> None:
    before = asyncio.all_tasks()
    loopback = Loopback()
    streams = [loopback.router.open(parameters(random.getrandbits(32)), lambda packet: None) for _ in range(20)]
    await asyncio.gather(*(stream.aclose() for stream in streams))
    assert asyncio.all_tasks() == before
