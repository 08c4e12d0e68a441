"""RFC 3550: RTP and RTCP of one content on a DTLS transport. With `rtp_feedback`, all that touches aiortc's RTP.

aiortc contributes the packet formats and SRTP. Routing, sending, reception statistics and RTCP are done here, for three
reasons: its sender and receiver hop threads for every 20 ms of audio, its router forgets nothing it ever saw, and a
malformed header extension or feedback packet of the peer would end its transport.
"""

from __future__ import annotations

import asyncio
import logging
import random
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport
from aiortc import rtp as wire
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters

from .base import RtpFeedback, RtpPacket, RtpParameters, RtpStatistics
from .rtp_feedback import StreamFeedback
from .rtp_statistics import SourceStatistics, signed

logger = logging.getLogger(__name__)

EARLY_PACKETS = 100
EARLY_SECONDS = 2.0
"""The peer may send as soon as its keys are there, a moment before our stream is open: about two seconds of audio."""

MAX_SOURCES = 8
"""Sources of one stream that are kept apart; the one not heard for the longest makes room."""

REPORT_INTERVAL = (0.5, 1.5)
"""Seconds between reports, at random. On average one of some 150 bytes a second, which is within the 5 % of the session
bandwidth that RFC 3550 section 6.2 grants RTCP, and shows the round trip soon after the call began."""

FIRST_REPORTS, FIRST_INTERVAL = 3, (0.1, 0.2)
"""So many reports come sooner, seconds after one another: until the first has come a peer can play two streams in step
by their arrival only."""

MAX_RTT = 60.0
RTT_WEIGHT = 0.15
NTP_EPOCH = 2208988800
"""Seconds from 1900, where NTP time begins, to 1970."""

CNAME = 1
"""The SDES item type (RFC 3550 section 6.5.1)."""


MAX_SENDING = 256
"""Packets of feedback and repetitions that may wait for a path that is slow to take them; more are lost."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a source said last of its clock (RFC 3550 section 6.4.1)."""

    ntp: int
    """Seconds with 32 bits behind the point."""

    timestamp: int
    arrival: float

    @property
    def middle(self) -> int:
        """How a report of ours refers to it."""
        return (self.ntp >> 16) & 0xFFFFFFFF

    def moment_of(self, timestamp: int, clock_rate: int) -> float:
        """When what has this timestamp was captured, in seconds on the source's clock."""
        return self.ntp / (1 << 32) + signed(timestamp - self.timestamp, 32) / clock_rate


class RtpRouter:
    """Hands what arrives on one transport to the stream it belongs to (RFC 8843 section 9.2)."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._send = send
        self._streams: list[Stream] = []
        self._extensions = wire.HeaderExtensionsMap()
        self._early: deque[tuple[float, bytes]] = deque(maxlen=EARLY_PACKETS)

    def open(
        self,
        parameters: RtpParameters,
        on_packet: Callable[[RtpPacket], None],
        on_feedback: Callable[[RtpFeedback], None] | None = None,
    ) -> Stream:
        """Open a stream, hand it what came in early, and start its RTCP."""
        stream = Stream(parameters, on_packet, self._send, self._streams.remove, on_feedback)
        self._streams.append(stream)
        self._extensions.configure(_header_extensions(parameters))
        now = asyncio.get_running_loop().time()
        early, self._early = self._early, deque(maxlen=EARLY_PACKETS)
        for arrival, data in early:
            if now - arrival < EARLY_SECONDS:
                self.receive_rtp(data, arrival)
        return stream

    def receive_rtp(self, data: bytes, arrival: float) -> None:
        """Take a decrypted RTP packet."""
        try:
            packet = wire.RtpPacket.parse(data, self._extensions)
        except (ValueError, struct.error) as error:
            logger.debug("< RTP packet ignored: %s", error)
            return
        stream = self._route(packet)
        if stream is None:
            self._early.append((arrival, data))
        else:
            stream.receive(packet, arrival)

    def receive_rtcp(self, data: bytes, arrival: float) -> None:
        """Take a decrypted RTCP compound packet."""
        try:
            packets = wire.RtcpPacket.parse(data)
        except (ValueError, struct.error, IndexError) as error:
            logger.debug("< RTCP packet ignored: %s", error)
            return
        for packet in packets:
            for stream in self._streams:
                stream.receive_rtcp(packet, arrival)

    def _route(self, packet: wire.RtpPacket) -> Stream | None:
        fitting = [stream for stream in self._streams if stream.takes(packet.payload_type)]
        if len(fitting) > 1:
            # Payload types are shared by contents of one medium: only the content's name or its source tells.
            named = [stream for stream in fitting if stream.parameters.mid == packet.extensions.mid is not None]
            fitting = named or [stream for stream in fitting if stream.knows(packet.ssrc)]
        return fitting[0] if len(fitting) == 1 else None


class RtpDtlsTransport(RTCDtlsTransport):
    """aiortc's DTLS-SRTP transport with our RTP side."""

    def __init__(self, transport: RTCIceTransport, certificates: list[RTCCertificate]) -> None:
        super().__init__(transport, certificates)
        self.rtp = RtpRouter(self._send_rtp)
        """Where streams are opened."""

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self.rtp.receive_rtp(data, asyncio.get_running_loop().time())

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self.rtp.receive_rtcp(data, asyncio.get_running_loop().time())


class Stream:
    """The `RtpStream` of one content: one source of ours, and whatever sources the peer sends from."""

    def __init__(
        self,
        parameters: RtpParameters,
        on_packet: Callable[[RtpPacket], None],
        send: Callable[[bytes], Awaitable[None]],
        unregister: Callable[[Stream], None],
        on_feedback: Callable[[RtpFeedback], None] | None = None,
    ) -> None:
        self.parameters = parameters
        self._on_packet = on_packet
        self._send = send
        self._unregister = unregister
        self._loop = asyncio.get_running_loop()
        self._extensions = wire.HeaderExtensionsMap()
        self._extensions.configure(_header_extensions(parameters))
        # The lower half: a wrap among the very first packets would leave SRTP guessing the rollover counter
        # (RFC 3711 section 3.3.1).
        self._sequence_number = random.randrange(1 << 15)
        self._packets_sent = 0
        self._bytes_sent = 0
        self._reported_sent = 0
        self._last_sent: tuple[int, int, float] | None = None
        self._sources: dict[int, SourceStatistics] = {}
        self._sender_reports: dict[int, SenderReport] = {}
        self._gone = SourceStatistics()
        self._gone_lost = 0
        self._reports_sent: deque[int] = deque(maxlen=16)
        self._rtt: float | None = None
        self._remote_packets_lost = 0
        # Reports carry wall clock time, but nothing may jump when somebody sets the clock.
        self._wall_clock = time.time() + NTP_EPOCH - self._loop.time()
        self._closed = False
        self._sending: set[asyncio.Task[None]] = set()
        self._feedback = StreamFeedback(parameters, self._send_feedback, self._send_again, on_feedback)
        self._reporting = self._loop.create_task(self._report_for_ever(), name="rtcp")

    @property
    def statistics(self) -> RtpStatistics:
        """The counters as of now."""
        sources = self._sources.values()
        latest = max(sources, key=lambda source: source.last_arrival, default=self._gone)
        return RtpStatistics(
            packets_sent=self._packets_sent,
            bytes_sent=self._bytes_sent,
            packets_received=self._gone.packets_received + sum(source.packets_received for source in sources),
            bytes_received=self._gone.bytes_received + sum(source.bytes_received for source in sources),
            packets_lost=self._gone_lost + sum(source.packets_lost for source in sources),
            jitter=latest.jitter,
            rtt=self._rtt,
            remote_packets_lost=self._remote_packets_lost,
            packets_repeated=self._feedback.packets_repeated,
            packets_repaired=self._feedback.packets_repaired,
        )

    @property
    def sequence_number(self) -> int:
        """The number that the next packet gets."""
        return self._sequence_number

    def takes(self, payload_type: int) -> bool:
        """Whether packets of this type may be ours."""
        return payload_type in self.parameters.clock_rates or payload_type in self.parameters.repairs

    def knows(self, ssrc: int) -> bool:
        """Whether the peer announced this source for the stream, or it was heard on it before."""
        announced = ssrc in self.parameters.remote_ssrcs or ssrc in self.parameters.remote_repair_ssrcs
        return announced or ssrc in self._sources

    async def send(
        self,
        payload: bytes,
        *,
        payload_type: int,
        timestamp: int,
        marker: bool = False,
        audio_level: int | None = None,
        captured: float | None = None,
        sequence_number: int | None = None,
    ) -> None:
        """Send one packet (see `RtpStream.send`)."""
        number = self._sequence_number if sequence_number is None else sequence_number
        packet = wire.RtpPacket(
            payload_type=payload_type,
            marker=int(marker),
            sequence_number=number,
            timestamp=timestamp & 0xFFFFFFFF,
            ssrc=self.parameters.ssrc,
            payload=payload,
        )
        packet.extensions.mid = self.parameters.mid
        if audio_level is not None:
            packet.extensions.audio_level = (False, audio_level)
        if signed(number - self._sequence_number, 16) >= 0:
            self._sequence_number = (number + 1) & 0xFFFF
        self._packets_sent += 1
        self._bytes_sent += len(payload)
        now = self._loop.time()
        self._last_sent = (
            packet.timestamp,
            self.parameters.clock_rates[payload_type],
            now if captured is None else captured,
        )
        self._feedback.sent(packet)
        packet.extensions.abs_send_time = self._abs_send_time(now)
        await self._transmit(packet.serialize(self._extensions))

    def request_keyframe(self, ssrc: int) -> None:
        """Ask for a picture that builds on no other (see `RtpStream.request_keyframe`)."""
        if not self._closed:
            self._feedback.request_keyframe(ssrc)

    def limit(self, bit_rate: int | None) -> None:
        """Ask the peer to send no more than this (see `RtpStream.limit`)."""
        if not self._closed:
            self._feedback.limit(bit_rate)

    def receive(self, packet: wire.RtpPacket, arrival: float) -> None:
        """Count a packet that the router found to be ours, and hand it on."""
        if packet.ssrc in (self.parameters.ssrc, self.parameters.repair_ssrc) or self._closed:
            return
        if packet.payload_type in self.parameters.repairs:
            heard = max(self._sources, key=lambda ssrc: self._sources[ssrc].last_arrival, default=None)
            repaired = self._feedback.unwrap(packet, arrival, heard)
            if repaired is not None:
                self._hand_on(repaired, arrival)
            return
        source = self._sources.get(packet.ssrc) or self._add_source(packet.ssrc)
        clock_rate = self.parameters.clock_rates[packet.payload_type]
        if not source.add(packet.sequence_number, packet.timestamp, clock_rate, len(packet.payload), arrival):
            return
        self._feedback.arrived(packet, arrival, self._rtt)
        self._hand_on(packet, arrival)

    def _hand_on(self, packet: wire.RtpPacket, arrival: float) -> None:
        report = self._sender_reports.get(packet.ssrc)
        clock_rate = self.parameters.clock_rates[packet.payload_type]
        self._on_packet(
            RtpPacket(
                packet.payload_type,
                bool(packet.marker),
                packet.sequence_number,
                packet.timestamp,
                packet.ssrc,
                packet.payload,
                arrival,
                report.moment_of(packet.timestamp, clock_rate) if report is not None else None,
            )
        )

    def receive_rtcp(self, packet: wire.AnyRtcpPacket, arrival: float) -> None:
        """Take what in an RTCP packet is about this stream."""
        match packet:
            case wire.RtcpSrPacket():
                if packet.ssrc in self._sources:
                    info = packet.sender_info
                    self._sender_reports[packet.ssrc] = SenderReport(info.ntp_timestamp, info.rtp_timestamp, arrival)
                self._take_reports(packet.reports, arrival)
            case wire.RtcpRrPacket():
                self._take_reports(packet.reports, arrival)
            case wire.RtcpByePacket():
                # The peer may go on with another source, or even with this one: only its numbers are closed.
                for ssrc in packet.sources:
                    self._drop_source(ssrc)
        self._feedback.receive(packet)

    async def aclose(self) -> None:
        """Say goodbye and stop; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._unregister(self)
        self._feedback.close()
        self._reporting.cancel()
        await asyncio.wait([self._reporting, *self._sending])
        await self._transmit(self._report() + bytes(wire.RtcpByePacket(sources=[self.parameters.ssrc])))

    def _add_source(self, ssrc: int) -> SourceStatistics:
        if len(self._sources) >= MAX_SOURCES:
            self._drop_source(min(self._sources, key=lambda known: self._sources[known].last_arrival))
        self._sources[ssrc] = SourceStatistics()
        return self._sources[ssrc]

    def _drop_source(self, ssrc: int) -> None:
        self._sender_reports.pop(ssrc, None)
        self._feedback.forget(ssrc)
        source = self._sources.pop(ssrc, None)
        if source is not None:
            self._gone.packets_received += source.packets_received
            self._gone.bytes_received += source.bytes_received
            self._gone.jitter = source.jitter
            self._gone_lost += source.packets_lost

    def _take_reports(self, reports: Iterable[wire.RtcpReceiverInfo], arrival: float) -> None:
        for report in reports:
            if report.ssrc != self.parameters.ssrc:
                continue
            self._remote_packets_lost = max(0, report.packets_lost)
            # Only an answer to a report that we did send can be a measurement.
            if report.lsr in self._reports_sent:
                rtt = ((self._ntp(arrival) >> 16) - report.lsr - report.dlsr & 0xFFFFFFFF) / 65536
                # Rounding of both ends can make it a hair less than nothing, which wraps.
                rtt = 0.0 if rtt > 65535 else rtt
                if rtt < MAX_RTT:
                    self._rtt = rtt if self._rtt is None else self._rtt + RTT_WEIGHT * (rtt - self._rtt)

    async def _report_for_ever(self) -> None:
        reports = 0
        while True:
            await asyncio.sleep(random.uniform(*(FIRST_INTERVAL if reports < FIRST_REPORTS else REPORT_INTERVAL)))
            reports += self._last_sent is not None or bool(self._sources)
            await self._transmit(self._report())

    def _report(self) -> bytes:
        """A compound packet: SR where we sent since the last one, else RR, then SDES (RFC 3550 section 6.1)."""
        now = self._loop.time()
        ssrc, blocks = self.parameters.ssrc, self._report_blocks(now)
        report: wire.RtcpSrPacket | wire.RtcpRrPacket
        if self._last_sent is not None and self._packets_sent > self._reported_sent:
            timestamp, clock_rate, sent = self._last_sent
            ntp = self._ntp(now)
            info = wire.RtcpSenderInfo(
                ntp_timestamp=ntp,
                rtp_timestamp=(timestamp + round((now - sent) * clock_rate)) & 0xFFFFFFFF,
                packet_count=self._packets_sent & 0xFFFFFFFF,
                octet_count=self._bytes_sent & 0xFFFFFFFF,
            )
            self._reports_sent.append((ntp >> 16) & 0xFFFFFFFF)
            self._reported_sent = self._packets_sent
            report = wire.RtcpSrPacket(ssrc=ssrc, sender_info=info, reports=blocks)
        else:
            report = wire.RtcpRrPacket(ssrc=ssrc, reports=blocks)
        return bytes(report) + self._cname()

    def _cname(self) -> bytes:
        ssrc = self.parameters.ssrc
        cname = wire.RtcpSourceInfo(ssrc=ssrc, items=[(CNAME, self.parameters.cname.encode())])
        return bytes(wire.RtcpSdesPacket(chunks=[cname]))

    def _send_feedback(self, feedback: bytes) -> None:
        # RFC 4585 section 3.1: feedback goes in a compound packet, which begins with a report, be it an empty one.
        self._send_soon(bytes(wire.RtcpRrPacket(ssrc=self.parameters.ssrc)) + self._cname() + feedback)

    def _send_again(self, packet: wire.RtpPacket) -> None:
        packet.extensions.abs_send_time = self._abs_send_time(self._loop.time())
        self._send_soon(packet.serialize(self._extensions))

    def _send_soon(self, data: bytes) -> None:
        if not self._closed and len(self._sending) < MAX_SENDING:
            task = self._loop.create_task(self._transmit(data), name="rtp-feedback")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def _abs_send_time(self, now: float) -> int:
        """24 bits: seconds as a fixed point number with 18 bits behind the point."""
        return self._ntp(now) >> 14 & 0xFFFFFF

    def _report_blocks(self, now: float) -> list[wire.RtcpReceiverInfo]:
        blocks = []
        for ssrc, source in self._sources.items():
            if not source.heard_since_report:
                continue
            known = self._sender_reports.get(ssrc)
            blocks.append(
                wire.RtcpReceiverInfo(
                    ssrc=ssrc,
                    fraction_lost=source.fraction_lost(),
                    packets_lost=source.packets_lost,
                    highest_sequence=source.highest_sequence,
                    jitter=source.jitter_in_clock_units,
                    lsr=known.middle if known else 0,
                    dlsr=min(round((now - known.arrival) * 65536), 0xFFFFFFFF) if known else 0,
                )
            )
        return blocks

    def _ntp(self, moment: float) -> int:
        return round((self._wall_clock + moment) * (1 << 32))

    async def _transmit(self, data: bytes) -> None:
        try:
            await self._send(data)
        except ConnectionError as error:
            # A datagram on a path that is down is a lost datagram; whether the call is over is for the link to say.
            logger.debug("> packet not sent: %s", error)


def _header_extensions(parameters: RtpParameters) -> RTCRtpParameters:
    agreed = parameters.header_extensions.items()
    return RTCRtpParameters(headerExtensions=[RTCRtpHeaderExtensionParameters(id=id, uri=uri) for uri, id in agreed])
