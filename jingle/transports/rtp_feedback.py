"""RFC 4585, RFC 5104, RFC 4588: what the two ends of an RTP stream tell each other about it, beside the reports.

Missing packets are asked for (NACK) and repeated, pictures that build on no other are asked for (PLI, FIR), and the
receiver of a stream says what its path carries (REMB, draft-alvestrand-rmcat-remb-03, by aiortc's estimator).
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable

from aiortc import rtp as wire
from aiortc.rate import BandwidthUsage, RemoteBitrateEstimator

from .base import BandwidthEstimated, KeyframeWanted, LossReported, RtpFeedback, RtpParameters
from .rtp_repair import History, Missing

logger = logging.getLogger(__name__)

MAX_ASKED_AT_ONCE = 128
"""Packets that one NACK of the peer may ask for."""

ESTIMATE_PAUSE = 2.0
"""Seconds without a packet after which an estimate begins anew."""

DRAINED = 4.0
"""Seconds for which a queue on the path may drain. aiortc's filter goes on believing in it for most of a minute where
few packets come, and lets the estimate stand still; a new one sees the path as it is."""

ESTIMATE_INTERVAL = 1.0
"""Seconds between two estimates that are told; one that falls is told at once."""

FALLEN = 0.97

MAX_ESTIMATE = 0x3FFFF << 10
"""Bits per second; more than any picture of ours needs."""


class StreamFeedback:
    """The feedback of one stream, both ways.

    Args:
        parameters: What was agreed on.
        send_rtcp: Sends RTCP packets, behind the report that each compound packet begins with.
        send_rtp: Sends an RTP packet.
        on_feedback: Told what the peer says about what we send.
    """

    def __init__(
        self,
        parameters: RtpParameters,
        send_rtcp: Callable[[bytes], None],
        send_rtp: Callable[[wire.RtpPacket], None],
        on_feedback: Callable[[RtpFeedback], None] | None,
    ) -> None:
        self.packets_repeated = self.packets_repaired = 0
        self._parameters = parameters
        self._send_rtcp, self._send_rtp = send_rtcp, send_rtp
        self._tell = on_feedback or (lambda feedback: None)
        self._asks = "nack" in parameters.feedback
        self._estimates = "goog-remb" in parameters.feedback
        self._loop = asyncio.get_running_loop()
        self._history: History[wire.RtpPacket] = History()
        self._repair_sequence_number = 0
        self._missing: dict[int, Missing] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fir_sent = 0
        self._fir_received: dict[int, int] = {}
        self._estimator: RemoteBitrateEstimator | None = None
        self._heard_at = self._drains_since = 0.0
        self._told = (0, 0.0)
        self._found: tuple[int, int] | None = None
        """What the path carries, and the source that it was learnt from."""

        self._limit = MAX_ESTIMATE

    # What we send

    def sent(self, packet: wire.RtpPacket) -> None:
        """Keep a packet that the peer may miss."""
        if self._asks:
            self._history.keep(packet.sequence_number, packet, len(packet.payload))

    def receive(self, packet: wire.AnyRtcpPacket) -> None:
        """Take what the peer says about our packets, or wants of us."""
        ours = self._parameters.ssrc
        match packet:
            case wire.RtcpSrPacket() | wire.RtcpRrPacket():
                for report in packet.reports:
                    if report.ssrc == ours:
                        self._tell(LossReported(report.fraction_lost / 256))
            case wire.RtcpRtpfbPacket(fmt=wire.RTCP_RTPFB_NACK, media_ssrc=ssrc) if ssrc == ours:
                for number in packet.lost[:MAX_ASKED_AT_ONCE]:
                    self._repeat(number & 0xFFFF)
            case wire.RtcpPsfbPacket(fmt=wire.RTCP_PSFB_PLI, media_ssrc=ssrc) if ssrc == ours:
                self._tell(KeyframeWanted())
            case wire.RtcpPsfbPacket(fmt=wire.RTCP_PSFB_FIR):
                self._receive_fir(packet)
            case wire.RtcpPsfbPacket(fmt=wire.RTCP_PSFB_APP):
                self._receive_estimate(packet)

    def _repeat(self, sequence_number: int) -> None:
        packet = self._history.repeat(sequence_number, self._loop.time())
        if packet is None:
            return
        payload_type = self._parameters.repair_with.get(packet.payload_type)
        if payload_type is not None and self._parameters.repair_ssrc is not None:
            number = self._repair_sequence_number
            self._repair_sequence_number = (number + 1) & 0xFFFF
            packet = wire.wrap_rtx(packet, payload_type, number, self._parameters.repair_ssrc)
        self.packets_repeated += 1
        self._send_rtp(packet)

    def _receive_fir(self, packet: wire.RtcpPsfbPacket) -> None:
        # RFC 5104 section 4.3.1: who is meant stands in the entries; the same number again is the same wish.
        for start in range(0, len(packet.fci) - 7, 8):
            ssrc, number = struct.unpack_from("!LB", packet.fci, start)
            if ssrc == self._parameters.ssrc and self._fir_received.get(packet.ssrc) != number:
                if len(self._fir_received) > 8:
                    self._fir_received.clear()
                self._fir_received[packet.ssrc] = number
                self._tell(KeyframeWanted())

    def _receive_estimate(self, packet: wire.RtcpPsfbPacket) -> None:
        try:
            bit_rate, ssrcs = wire.unpack_remb_fci(packet.fci)
        except (ValueError, struct.error, IndexError) as error:
            logger.debug("< feedback ignored: %s", error)
            return
        if self._parameters.ssrc in ssrcs:
            self._tell(BandwidthEstimated(min(bit_rate, MAX_ESTIMATE)))

    # What the peer sends

    def arrived(self, packet: wire.RtpPacket, arrival: float, rtt: float | None) -> None:
        """Take note of a packet of the peer's, and ask for what is missing before it."""
        if self._estimates:
            self._estimate(packet, arrival)
        if self._asks:
            missing = self._missing.setdefault(packet.ssrc, Missing())
            missing.rtt = rtt
            missing.arrived(packet.sequence_number, self._loop.time())
            self._wake_when_due()

    def unwrap(self, packet: wire.RtpPacket, arrival: float, heard: int | None) -> wire.RtpPacket | None:
        """The packet that was repeated in a stream of its own; `None` where it cannot be told which.

        Args:
            packet: As it came.
            arrival: When.
            heard: The source that is heard, where the peer did not say which one it repeats.
        """
        if self._estimates:
            self._estimate(packet, arrival)
        ssrc = self._parameters.remote_repair_ssrcs.get(packet.ssrc, heard)
        # Two bytes are the number; without more it is padding to probe the path with.
        if ssrc is None or len(packet.payload) <= 2:
            return None
        original = wire.unwrap_rtx(packet, self._parameters.repairs[packet.payload_type], ssrc)
        if ssrc in self._missing:
            self._missing[ssrc].repaired(original.sequence_number)
        self.packets_repaired += 1
        return original

    def forget(self, ssrc: int) -> None:
        """Ask for nothing more of a source."""
        self._missing.pop(ssrc, None)

    def request_keyframe(self, ssrc: int) -> None:
        """Send PLI, or FIR where the peer takes only that."""
        ours = self._parameters.ssrc
        if "nack pli" in self._parameters.feedback:
            self._send_rtcp(bytes(wire.RtcpPsfbPacket(fmt=wire.RTCP_PSFB_PLI, ssrc=ours, media_ssrc=ssrc)))
        elif "ccm fir" in self._parameters.feedback:
            self._fir_sent = (self._fir_sent + 1) & 0xFF
            entry = struct.pack("!LBxxx", ssrc, self._fir_sent)
            self._send_rtcp(bytes(wire.RtcpPsfbPacket(fmt=wire.RTCP_PSFB_FIR, ssrc=ours, media_ssrc=0, fci=entry)))

    def close(self) -> None:
        """Ask for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wake_when_due(self) -> None:
        due = min((each.wake for each in self._missing.values() if each.wake is not None), default=None)
        if due is None:
            return
        if self._timer is None or self._timer.cancelled() or self._timer.when() > due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._ask)

    def _ask(self) -> None:
        self._timer = None
        for ssrc, missing in self._missing.items():
            if lost := missing.due(self._loop.time()):
                nack = wire.RtcpRtpfbPacket(
                    fmt=wire.RTCP_RTPFB_NACK, ssrc=self._parameters.ssrc, media_ssrc=ssrc, lost=lost
                )
                self._send_rtcp(bytes(nack))
        self._wake_when_due()

    def _estimate(self, packet: wire.RtpPacket, arrival: float) -> None:
        sent = packet.extensions.abs_send_time
        if sent is None:
            return
        if self._estimator is None or arrival - self._heard_at > ESTIMATE_PAUSE:
            # It would walk through a pause millisecond by millisecond, to learn nothing from it.
            self._estimator = RemoteBitrateEstimator()
        self._heard_at = arrival
        if self._estimator.detector.state() is not BandwidthUsage.UNDERUSING:
            self._drains_since = arrival
        elif arrival - self._drains_since > DRAINED:
            self._estimator = RemoteBitrateEstimator()
        try:
            # Always the same source: the estimator remembers each it ever heard of.
            found = self._estimator.add(round(arrival * 1000), sent, len(packet.payload), 0)
        except ArithmeticError:
            self._estimator = None
            return
        if found is not None:
            self._found = (found[0], packet.ssrc)
            self._tell_estimate(arrival)

    def limit(self, bit_rate: int | None) -> None:
        """Tell no estimate beyond this; one that it lowers is told at once."""
        self._limit = MAX_ESTIMATE if bit_rate is None else max(0, min(bit_rate, MAX_ESTIMATE))
        if self._found is not None:
            self._tell_estimate(self._loop.time())

    def _tell_estimate(self, now: float) -> None:
        assert self._found is not None
        bit_rate, ssrc = min(self._found[0], self._limit), self._found[1]
        told, at = self._told
        if bit_rate > told * FALLEN and now - at < ESTIMATE_INTERVAL:
            return
        self._told = (bit_rate, now)
        fci = wire.pack_remb_fci(bit_rate, [ssrc])
        self._send_rtcp(
            bytes(wire.RtcpPsfbPacket(fmt=wire.RTCP_PSFB_APP, ssrc=self._parameters.ssrc, media_ssrc=0, fci=fci))
        )
