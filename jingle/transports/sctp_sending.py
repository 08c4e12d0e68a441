"""RFC 9260 sections 6 and 7: the sending half of an association. Pure: messages and SACKs in, packets out.

Loss is told as QUIC tells it (RFC 9002 section 6.1.1): a packet is lost once one that was sent three later has arrived.
Without reordering that is the same as three missing reports, works with SACKs that tell of many packets at once, and
finds a retransmission that got lost too, which RFC 9260 leaves to a timeout.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from .sctp_packets import FIRST, IMMEDIATE, LAST, TSN_MODULO, Envelope, Malformed, data_chunk, distance

FRAGMENT = 1160
"""Bytes of a message in one packet, so that it fits 1280 with IPv6, UDP and DTLS around it: the least IPv6 carries."""

INITIAL_CWND = 10 * FRAGMENT
"""As for TCP (RFC 6928); RFC 9260 has the 4380 bytes that TCP had before."""

BURST = 10
"""Packets that may leave at once beyond what has just been acknowledged; matches `INITIAL_CWND`."""

GROWTH = 32
"""Packets by which one SACK lets the window grow while it grows fast (L of RFC 3465, for SACKs that tell of many)."""

MARK_INTERVAL = 32
"""Packets between two marks at most."""

REORDERING = 3

RTO_INITIAL, RTO_MIN, RTO_MAX = 1.0, 0.4, 10.0
"""Seconds. The least is 1 in RFC 9260, which made a lost last packet cost a second; it has to be more than the 0.2 s
for which a receiver may hold back a SACK. ICE ends what stays silent for long, so the greatest need not be 60."""


class Sent:
    """A packet that has left."""

    __slots__ = ("acked", "count", "flying", "order", "packet", "size", "time", "tsn")

    def __init__(self, tsn: int, packet: bytes, size: int, order: int, time: float) -> None:
        self.tsn, self.packet, self.size, self.order, self.time = tsn, packet, size, order, time
        self.count = 1
        self.acked = False
        self.flying = True


class Outbound:
    """Sends messages reliably, as fast as the path and the receiver take them.

    Args:
        initial_tsn: The first that we send.

    Attributes:
        queued: Bytes that wait to be sent for the first time.
        deadline: When `on_timeout` has to be called, while `is_flying`.
    """

    def __init__(self, initial_tsn: int) -> None:
        self.next_tsn = initial_tsn
        self.queued = 0
        self.deadline = 0.0
        self.cwnd = INITIAL_CWND
        self.ssthresh = 1 << 30
        self.rto = RTO_INITIAL
        self.retransmitted = 0
        """Packets that were sent again."""
        self._envelope = Envelope(0, 0, 0)
        self._messages: deque[tuple[int, int, bytes]] = deque()
        self._position = 0  # in the first message
        self._sequence: dict[int, int] = {}
        self._sent: deque[Sent] = deque()
        self._lost: deque[Sent] = deque()
        self._flight = 0
        self._peer_window = 1 << 16
        self._order = 0
        self._next_mark = MARK_INTERVAL
        self._allowance = BURST * FRAGMENT
        self._cumulative = (initial_tsn - 1) % TSN_MODULO
        self._recovery_point: int | None = None
        self._grown = 0
        self._is_full = False  # whether the congestion window is what holds us back
        self._newest_acked = 0
        self._srtt: float | None = None
        self._rttvar = 0.0

    def open(self, envelope: Envelope, peer_window: int) -> None:
        """Take what the handshake brought."""
        self._envelope, self._peer_window = envelope, peer_window

    @property
    def sent(self) -> int:
        """Packets that were sent, retransmissions included."""
        return self._order

    @property
    def is_flying(self) -> bool:
        """Whether something sent has not been acknowledged."""
        return bool(self._sent)

    @property
    def is_idle(self) -> bool:
        """Whether all there was to send has arrived."""
        return not self._messages and not self._sent

    @property
    def round_trip_time(self) -> float | None:
        """Smoothed, in seconds; `None` before the first SACK."""
        return self._srtt

    def put(self, stream: int, protocol: int, message: bytes) -> None:
        """Queue a message, which must not be empty."""
        self._messages.append((stream, protocol, message))
        self.queued += len(message)

    # What leaves

    def take(self, now: float) -> list[bytes]:
        """The packets that may leave now: retransmissions first, then new ones."""
        # A receiver that has no room still gets one packet now and then: its SACK brings the news (section 6.1).
        limit = min(self.cwnd, self._flight + self._allowance, max(self._peer_window, 1 if not self._flight else 0))
        packets: list[bytes] = []
        while self._lost and self._flight < limit:
            sent = self._lost.popleft()
            if not sent.acked and not sent.flying:
                self._order += 1
                sent.order, sent.time, sent.flying = self._order, now, True
                sent.count += 1
                self._flight += sent.size
                self.retransmitted += 1
                packets.append(sent.packet)
        retransmits = bool(packets)
        starts = not self._sent
        if self._messages and not self._lost:
            self._take_new(now, limit, packets)
        if packets:
            self._allowance = BURST * FRAGMENT
            self._is_full = self._flight >= self.cwnd - FRAGMENT
            if starts or retransmits:
                self.deadline = now + self.rto
        return packets

    def _take_new(self, now: float, limit: int, packets: list[bytes]) -> None:
        messages, sent, seal = self._messages, self._sent, self._envelope.seal
        flight, tsn, order, next_mark = self._flight, self.next_tsn, self._order, self._next_mark
        # Marks tell the receiver where SACKs are wanted (RFC 7053): a few in each round trip, and one at the end.
        interval = max(1, min(MARK_INTERVAL, limit // FRAGMENT // 4))
        next_mark = min(next_mark, order + interval)
        while messages and flight < limit:
            stream, protocol, message = messages[0]
            start = self._position
            payload = message[start : start + FRAGMENT]
            size = len(payload)
            flags = 0 if start else FIRST
            sequence = self._sequence.get(stream, 0)
            if start + size == len(message):
                flags |= LAST
                messages.popleft()
                self._position = 0
                self._sequence[stream] = (sequence + 1) & 0xFFFF
            else:
                self._position = start + size
            flight += size
            self.queued -= size
            order += 1
            if order >= next_mark or not messages:
                flags |= IMMEDIATE
                next_mark = order + interval
            packet = seal(data_chunk(flags, tsn, stream, sequence, protocol, payload))
            packets.append(packet)
            sent.append(Sent(tsn, packet, size, order, now))
            tsn = (tsn + 1) % TSN_MODULO
        self._flight, self.next_tsn, self._order, self._next_mark = flight, tsn, order, next_mark

    # What comes back

    def on_sack(self, cumulative: int, window: int, gaps: list[tuple[int, int]], now: float) -> None:
        """Take a SACK; `take` then gives what it lets go.

        Raises:
            Malformed: It acknowledges what was never sent.
        """
        if distance(cumulative, self.next_tsn) >= 0:
            raise Malformed("a SACK for what was never sent")
        progress = distance(cumulative, self._cumulative)
        if progress < 0:
            return  # overtaken by a later one
        acked = self._acknowledge(progress, now)
        self._cumulative = cumulative
        if gaps:
            acked += self._acknowledge_gaps(gaps)
        self._peer_window = window
        self._allowance += 2 * acked
        if self._recovery_point is not None:
            if distance(cumulative, self._recovery_point) >= 0:
                self._recovery_point = None
        elif self._is_full and acked:
            self._grow(acked)
        if progress:
            self.deadline = now + self.rto

    def _acknowledge(self, progress: int, now: float) -> int:
        sent, acked, newest = self._sent, 0, None
        for _ in range(progress):
            packet = sent.popleft()
            if not packet.acked:
                packet.acked = True
                acked += packet.size
                self._newest_acked = max(self._newest_acked, packet.order)
                if packet.count == 1:
                    newest = packet
                if packet.flying:
                    self._flight -= packet.size
        if newest is not None:
            self._measure(now - newest.time)
        return acked

    def _acknowledge_gaps(self, gaps: list[tuple[int, int]]) -> int:
        acked, position = 0, 1
        missing: list[Sent] = []
        packets = iter(self._sent)
        for first, last in gaps:
            if last > len(self._sent):
                raise Malformed("a SACK for what was never sent")
            missing += [packet for packet in islice(packets, first - position) if packet.flying]
            for packet in islice(packets, last - first + 1):
                if not packet.acked:
                    packet.acked = True
                    acked += packet.size
                    if packet.flying:
                        packet.flying = False
                        self._flight -= packet.size
                    self._newest_acked = max(self._newest_acked, packet.order)
            position = last + 1
        self._lose([packet for packet in missing if packet.order + REORDERING <= self._newest_acked])
        return acked

    def _lose(self, lost: list[Sent]) -> None:
        if not lost:
            return
        for packet in lost:
            packet.flying = False
            self._flight -= packet.size
        self._lost.extend(lost)
        if self._recovery_point is None:
            self._recovery_point = (self.next_tsn - 1) % TSN_MODULO
            self.ssthresh = max(self.cwnd // 2, 4 * FRAGMENT)
            self.cwnd = self.ssthresh
            self._grown = 0

    def _grow(self, acked: int) -> None:
        if self.cwnd < self.ssthresh:
            self.cwnd += min(acked, GROWTH * FRAGMENT)
        else:
            self._grown += acked
            if self._grown >= self.cwnd:
                self._grown -= self.cwnd
                self.cwnd += FRAGMENT

    def _measure(self, sample: float) -> None:
        """RFC 9260 section 6.3.1."""
        if self._srtt is None:
            self._srtt, self._rttvar = sample, sample / 2
        else:
            self._rttvar += (abs(self._srtt - sample) - self._rttvar) / 4
            self._srtt += (sample - self._srtt) / 8
        self.rto = min(max(self._srtt + 4 * self._rttvar, RTO_MIN), RTO_MAX)

    def on_timeout(self, now: float) -> None:
        """Nothing was acknowledged until `deadline`: everything under way counts as lost (RFC 9260 section 6.3.3)."""
        if self._peer_window > 0:  # a full receiver is no congestion
            self.ssthresh = max(self.cwnd // 2, 4 * FRAGMENT)
            self.cwnd = FRAGMENT
        self.rto = min(2 * self.rto, RTO_MAX)
        self.deadline = now + self.rto
        self._recovery_point, self._flight, self._grown = None, 0, 0
        self._lost.clear()
        for packet in self._sent:
            # Of what was reported behind a gap too: a receiver may take that back (section 6.2).
            packet.acked = packet.flying = False
            self._lost.append(packet)
