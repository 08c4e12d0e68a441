"""RFC 3550: RTP and RTCP of one content on a DTLS transport. The only file that touches aiortc's RTP internals.

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

from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport
from aiortc import rtp as wire
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters

from .base import RtpPacket, RtpParameters, RtpStatistics
from .rtp_statistics import SourceStatistics

logger = logging.getLogger(__name__)

EARLY_PACKETS = 100
EARLY_SECONDS = 2.0
"""The peer may send as soon as its keys are there, a moment before our stream is open: about two seconds of audio."""

MAX_SOURCES = 8
"""Sources of one stream that are kept apart; the one not heard for the longest makes room."""

REPORT_INTERVAL = (0.5, 1.5)
"""Seconds between reports, at random. On average one of some 150 bytes a second, which is within the 5 % of the session
bandwidth that RFC 3550 section 6.2 grants RTCP, and shows the round trip soon after the call began."""

MAX_RTT = 60.0
RTT_WEIGHT = 0.15
NTP_EPOCH = 2208988800
"""Seconds from 1900, where NTP time begins, to 1970."""

CNAME = 1
"""The SDES item type (RFC 3550 section 6.5.1)."""


class RtpRouter:
    """Hands what arrives on one transport to the stream it belongs to (RFC 8843 section 9.2)."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._send = send
        self._streams: list[Stream] = []
        self._extensions = wire.HeaderExtensionsMap()
        self._early: deque[tuple[float, bytes]] = deque(maxlen=EARLY_PACKETS)

    def open(self, parameters: RtpParameters, on_packet: Callable[[RtpPacket], None]) -> Stream:
        """Open a stream, hand it what came in early, and start its RTCP."""
        stream = Stream(parameters, on_packet, self._send, self._streams.remove)
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
        fitting = [stream for stream in self._streams if packet.payload_type in stream.parameters.clock_rates]
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
        self._sender_reports: dict[int, tuple[int, float]] = {}
        self._gone = SourceStatistics()
        self._gone_lost = 0
        self._reports_sent: deque[int] = deque(maxlen=16)
        self._rtt: float | None = None
        self._remote_packets_lost = 0
        # Reports carry wall clock time, but nothing may jump when somebody sets the clock.
        self._wall_clock = time.time() + NTP_EPOCH - self._loop.time()
        self._closed = False
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
        )

    def knows(self, ssrc: int) -> bool:
        """Whether the peer announced this source for the stream, or it was heard on it before."""
        return ssrc in self.parameters.remote_ssrcs or ssrc in self._sources

    async def send(
        self, payload: bytes, *, payload_type: int, timestamp: int, marker: bool = False, audio_level: int | None = None
    ) -> None:
        """Send one packet (see `RtpStream.send`)."""
        packet = wire.RtpPacket(
            payload_type=payload_type,
            marker=int(marker),
            sequence_number=self._sequence_number,
            timestamp=timestamp & 0xFFFFFFFF,
            ssrc=self.parameters.ssrc,
            payload=payload,
        )
        packet.extensions.mid = self.parameters.mid
        if audio_level is not None:
            packet.extensions.audio_level = (False, audio_level)
        self._sequence_number = (self._sequence_number + 1) & 0xFFFF
        self._packets_sent += 1
        self._bytes_sent += len(payload)
        self._last_sent = (packet.timestamp, self.parameters.clock_rates[payload_type], self._loop.time())
        await self._transmit(packet.serialize(self._extensions))

    def receive(self, packet: wire.RtpPacket, arrival: float) -> None:
        """Count a packet that the router found to be ours, and hand it on."""
        if packet.ssrc == self.parameters.ssrc or self._closed:
            return
        source = self._sources.get(packet.ssrc) or self._add_source(packet.ssrc)
        clock_rate = self.parameters.clock_rates[packet.payload_type]
        if not source.add(packet.sequence_number, packet.timestamp, clock_rate, len(packet.payload), arrival):
            return
        self._on_packet(
            RtpPacket(
                packet.payload_type,
                bool(packet.marker),
                packet.sequence_number,
                packet.timestamp,
                packet.ssrc,
                packet.payload,
                arrival,
            )
        )

    def receive_rtcp(self, packet: wire.AnyRtcpPacket, arrival: float) -> None:
        """Take what in an RTCP packet is about this stream."""
        match packet:
            case wire.RtcpSrPacket():
                if packet.ssrc in self._sources:
                    middle = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF
                    self._sender_reports[packet.ssrc] = (middle, arrival)
                self._take_reports(packet.reports, arrival)
            case wire.RtcpRrPacket():
                self._take_reports(packet.reports, arrival)
            case wire.RtcpByePacket():
                # The peer may go on with another source, or even with this one: only its numbers are closed.
                for ssrc in packet.sources:
                    self._drop_source(ssrc)

    async def aclose(self) -> None:
        """Say goodbye and stop; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._unregister(self)
        self._reporting.cancel()
        await asyncio.wait([self._reporting])
        await self._transmit(self._report() + bytes(wire.RtcpByePacket(sources=[self.parameters.ssrc])))

    def _add_source(self, ssrc: int) -> SourceStatistics:
        if len(self._sources) >= MAX_SOURCES:
            self._drop_source(min(self._sources, key=lambda known: self._sources[known].last_arrival))
        self._sources[ssrc] = SourceStatistics()
        return self._sources[ssrc]

    def _drop_source(self, ssrc: int) -> None:
        self._sender_reports.pop(ssrc, None)
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
        while True:
            await asyncio.sleep(random.uniform(*REPORT_INTERVAL))
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
        cname = wire.RtcpSourceInfo(ssrc=ssrc, items=[(CNAME, self.parameters.cname.encode())])
        return bytes(report) + bytes(wire.RtcpSdesPacket(chunks=[cname]))

    def _report_blocks(self, now: float) -> list[wire.RtcpReceiverInfo]:
        blocks = []
        for ssrc, source in self._sources.items():
            if not source.heard_since_report:
                continue
            middle, arrival = self._sender_reports.get(ssrc, (0, now))
            blocks.append(
                wire.RtcpReceiverInfo(
                    ssrc=ssrc,
                    fraction_lost=source.fraction_lost(),
                    packets_lost=source.packets_lost,
                    highest_sequence=source.highest_sequence,
                    jitter=source.jitter_in_clock_units,
                    lsr=middle,
                    dlsr=min(round((now - arrival) * 65536), 0xFFFFFFFF) if middle else 0,
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
