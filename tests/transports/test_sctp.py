"""SCTP's window in both directions, without a network: a simulated one that loses, repeats and reorders."""

from __future__ import annotations

import heapq
import itertools
import random
import struct

import pytest
from aiortc.rtcsctptransport import SackChunk, parse_packet
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.transports.sctp import BINARY
from jingle.transports.sctp_packets import (
    DATA,
    FIRST,
    IMMEDIATE,
    LAST,
    MAX_GAPS,
    SACK,
    Envelope,
    Malformed,
    check_parameters,
    chunks,
    data_chunk,
    distance,
    is_init,
    read_data,
    read_sack,
    sack_chunk,
)
from jingle.transports.sctp_receiving import MAX_AHEAD, OVERHEAD, WINDOW, Data, Inbound
from jingle.transports.sctp_sending import FRAGMENT, INITIAL_CWND, RTO_MIN, Outbound

ENVELOPE = Envelope(5000, 5000, 0x01020304)
TOP = 0xFFFFFFFF


def sent_data(packet: bytes) -> tuple[int, int, bytes]:
    """TSN, flags and payload of a packet with one DATA chunk."""
    assert ENVELOPE.opens(packet)
    kind, flags, length, tsn, stream, _, protocol = read_data(packet)
    assert (kind, stream, protocol) == (DATA, 1, BINARY)
    return tsn, flags, packet[28 : 12 + length]


class Network:
    """A sender and a receiver, with time that passes only when something happens."""

    def __init__(
        self, data: bytes, noise: random.Random, *, loss: float, delay: float, jitter: float, tsn: int
    ) -> None:
        self.noise, self.loss, self.delay, self.jitter = noise, loss, delay, jitter
        self.outbound, self.inbound = Outbound(tsn), Inbound(tsn)
        self.outbound.open(ENVELOPE, WINDOW)
        self.now, self.received, self.sacks, self.packets = 0.0, bytearray(), 0, 0
        self._events: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        for start in range(0, len(data), 16240):
            self.outbound.put(1, BINARY, data[start : start + 16240])

    def carry(self, packet: bytes) -> None:
        while self.noise.random() >= self.loss:
            arrival = self.now + self.delay + self.noise.random() * self.jitter
            heapq.heappush(self._events, (arrival, next(self._order), packet))
            if self.noise.random() >= 0.01:  # now and then one comes twice
                break

    def run(self) -> None:
        while not self.outbound.is_idle:
            for packet in self.outbound.take(self.now):
                self.packets += 1
                self.carry(packet)
            if self._events and self._events[0][0] <= self.outbound.deadline:
                self.now, _, packet = heapq.heappop(self._events)
                self.arrive(packet)
            else:
                assert self.outbound.is_flying, "stalled"
                self.now = max(self.now, self.outbound.deadline)
                self.outbound.on_timeout(self.now)
            assert self.now < 3600, "never ends"

    def arrive(self, packet: bytes) -> None:
        [(kind, _, start, end)] = chunks(packet)
        if kind == SACK:
            self.outbound.on_sack(*read_sack(packet[start:end]), self.now)
            return
        tsn, flags, payload = sent_data(packet)
        if self.inbound.takes_next(tsn, len(payload)):
            self.take(payload)
        else:
            for data in self.inbound.receive(tsn, Data(1, flags, BINARY, payload)):
                self.take(data.payload)
            self.inbound.count_packet()
        if flags & IMMEDIATE:
            self.inbound.mark()
        if self.inbound.wants_sack:
            self.sacks += 1
            self.carry(ENVELOPE.seal(self.inbound.sack()))

    def take(self, payload: bytes) -> None:
        self.received += payload
        self.inbound.release(len(payload), 1)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    size=st.integers(1, 300_000),
    loss=st.sampled_from([0, 0.01, 0.1, 0.4]),
    jitter=st.sampled_from([0, 0.001, 0.05]),
    tsn=st.sampled_from([0, 1, TOP, TOP - 50]),
)
def test_everything_arrives_in_order_whatever_the_network_does(
    seed: int, size: int, loss: float, jitter: float, tsn: int
) -> None:
    noise = random.Random(seed)
    data = noise.randbytes(size)
    network = Network(data, noise, loss=loss, delay=0.01, jitter=jitter, tsn=tsn)
    network.run()
    assert network.received == data
    assert network.inbound.held == 0
    assert network.outbound.queued == 0


def test_a_clean_path_needs_no_retransmission_and_few_acknowledgements() -> None:
    network = Network(bytes(2_000_000), random.Random(1), loss=0, delay=0.02, jitter=0, tsn=7)
    network.run()
    assert network.outbound.retransmitted == 0
    assert network.sacks < network.packets / 4
    assert network.now < 1  # 25 round trips of 40 ms; without growth it would be 70 of them


def test_reordering_within_three_packets_is_no_loss() -> None:
    outbound = Outbound(1)
    outbound.open(ENVELOPE, WINDOW)
    outbound.put(1, BINARY, bytes(FRAGMENT * 5))
    assert len(outbound.take(0)) == 5
    outbound.on_sack(0, WINDOW, [(3, 3)], 0.1)
    assert outbound.take(0.1) == []
    outbound.on_sack(0, WINDOW, [(3, 4)], 0.1)
    assert [sent_data(packet)[0] for packet in outbound.take(0.1)] == [1]


def test_a_lost_retransmission_is_found_without_a_timeout() -> None:
    outbound = Outbound(1)
    outbound.open(ENVELOPE, WINDOW)
    outbound.put(1, BINARY, bytes(FRAGMENT * 30))
    outbound.take(0)
    outbound.on_sack(0, WINDOW, [(2, 10)], 0.1)
    assert [sent_data(packet)[0] for packet in outbound.take(0.1)] == [1, 11, 12, 13, 14]
    outbound.on_sack(0, WINDOW, [(2, 14)], 0.2)
    assert sent_data(outbound.take(0.2)[0])[0] == 1
    assert outbound.retransmitted == 2


def test_the_receivers_window_is_kept_and_probed() -> None:
    outbound = Outbound(1)
    outbound.open(ENVELOPE, 3 * FRAGMENT)
    outbound.put(1, BINARY, bytes(FRAGMENT * 20))
    assert len(outbound.take(0)) == 3
    outbound.on_sack(3, 0, [], 0.1)
    assert len(outbound.take(0.1)) == 1  # asks for news, once
    assert outbound.take(0.2) == []
    cwnd = outbound.cwnd
    outbound.on_timeout(outbound.deadline)
    assert outbound.cwnd == cwnd  # a full receiver is no congestion
    assert len(outbound.take(2)) == 1
    outbound.on_sack(3, 10 * FRAGMENT, [], 2.1)
    assert len(outbound.take(2.1)) == 9


def test_the_congestion_window_bounds_what_leaves() -> None:
    outbound = Outbound(1)
    outbound.open(ENVELOPE, WINDOW)
    outbound.put(1, BINARY, bytes(FRAGMENT * 100))
    assert len(outbound.take(0)) == INITIAL_CWND // FRAGMENT
    outbound.on_timeout(5)
    assert outbound.cwnd == FRAGMENT
    assert len(outbound.take(5)) == 1


def test_messages_are_cut_and_marked() -> None:
    outbound = Outbound(TOP)
    outbound.open(ENVELOPE, WINDOW)
    outbound.put(1, BINARY, bytes(FRAGMENT + 1))
    outbound.put(1, BINARY, b"x")
    found = [sent_data(packet) for packet in outbound.take(0)]
    assert [(tsn, flags, len(payload)) for tsn, flags, payload in found] == [
        (TOP, FIRST, FRAGMENT),
        (0, LAST | IMMEDIATE, 1),
        (1, FIRST | LAST | IMMEDIATE, 1),
    ]


def test_the_round_trip_sets_the_timeout() -> None:
    outbound = Outbound(1)
    outbound.open(ENVELOPE, WINDOW)
    outbound.put(1, BINARY, b"x")
    outbound.take(0)
    outbound.on_sack(1, WINDOW, [], 0.05)
    assert outbound.round_trip_time == pytest.approx(0.05)
    assert outbound.rto == RTO_MIN
    outbound.put(1, BINARY, b"x")
    outbound.take(10)
    assert outbound.deadline == pytest.approx(10 + RTO_MIN)


@pytest.mark.parametrize(("cumulative", "gaps"), [(6, []), (1, [(2, 5)]), (TOP // 2, [])])
def test_acknowledging_what_was_never_sent_is_an_error(cumulative: int, gaps: list[tuple[int, int]]) -> None:
    outbound = Outbound(1)
    outbound.open(ENVELOPE, WINDOW)
    outbound.put(1, BINARY, bytes(FRAGMENT * 5))
    outbound.take(0)
    with pytest.raises(Malformed):
        outbound.on_sack(cumulative, WINDOW, gaps, 1)


def test_an_old_sack_changes_nothing() -> None:
    outbound = Outbound(1)
    outbound.open(ENVELOPE, WINDOW)
    outbound.put(1, BINARY, bytes(FRAGMENT * 5))
    outbound.take(0)
    outbound.on_sack(4, WINDOW, [], 1)
    outbound.on_sack(2, 0, [], 1)
    outbound.put(1, BINARY, bytes(FRAGMENT * 5))
    assert len(outbound.take(1)) == 5


# Receiving


def part(payload: bytes = b"x") -> Data:
    return Data(1, FIRST | LAST, BINARY, payload)


def test_every_second_packet_is_acknowledged_unless_the_peer_says_where() -> None:
    inbound = Inbound(1)
    assert inbound.takes_next(1, 1)
    assert not inbound.wants_sack
    assert inbound.takes_next(2, 1)
    assert inbound.wants_sack
    inbound.sack()
    for tsn in range(3, 33):
        assert inbound.takes_next(tsn, 1)
    inbound.mark()
    assert inbound.wants_sack
    inbound.sack()
    for tsn in range(33, 48):
        assert inbound.takes_next(tsn, 1)
        assert not inbound.wants_sack
    assert inbound.takes_next(48, 1)
    assert inbound.wants_sack


def test_gaps_are_reported_at_once_and_closed_in_any_order() -> None:
    inbound = Inbound(TOP)
    assert inbound.receive(1, part(b"c")) == []
    assert inbound.wants_sack
    assert read_sack(inbound.sack()[4:])[::2] == (TOP - 1, [(3, 3)])
    assert inbound.receive(5, part(b"g")) == []
    assert inbound.receive(4, part(b"f")) == []
    assert read_sack(inbound.sack()[4:])[2] == [(3, 3), (6, 7)]
    assert inbound.receive(0, part(b"b")) == []
    assert [data.payload for data in inbound.receive(TOP, part(b"a"))] == [b"a", b"b", b"c"]
    assert read_sack(inbound.sack()[4:])[::2] == (1, [(3, 4)])
    assert [data.payload for tsn in (2, 3) for data in inbound.receive(tsn, part(b"?"))] == [b"?", b"?", b"f", b"g"]
    assert inbound.receive(3, part()) == []  # again
    assert inbound.sack_now


def test_what_nobody_reads_is_bounded() -> None:
    inbound, taken = Inbound(1), 0
    for tsn in range(1, 10_000):
        taken += inbound.takes_next(tsn, FRAGMENT) or bool(inbound.receive(tsn, part(bytes(FRAGMENT))))
    assert taken * FRAGMENT <= WINDOW
    assert inbound.held <= WINDOW + FRAGMENT + OVERHEAD
    assert inbound.window == 0
    assert inbound.sack_now
    inbound.sack()
    assert [tsn for tsn in range(taken) if inbound.release(FRAGMENT, 1)][0] > taken // 2


def test_crumbs_are_bounded_too() -> None:
    inbound = Inbound(1)
    taken = sum(inbound.takes_next(tsn, 1) for tsn in range(1, 100_000))
    assert taken <= WINDOW // OVERHEAD + 1


def test_gaps_are_bounded() -> None:
    inbound = Inbound(1)
    for tsn in range(3, 3 * MAX_GAPS, 2):
        assert inbound.receive(tsn, part()) == []
    assert inbound.held <= (MAX_GAPS + 1) * (OVERHEAD + 1)
    assert inbound.receive(MAX_AHEAD + 1, part()) == []
    assert len(read_sack(inbound.sack()[4:])[2]) == MAX_GAPS
    assert len(inbound.receive(1, part())) == 1


# Packets


def test_a_packet_can_be_read_again() -> None:
    packet = ENVELOPE.seal(data_chunk(FIRST, TOP, 3, 4, BINARY, b"hello"))
    assert len(packet) % 4 == 0
    assert read_data(packet) == (DATA, FIRST, 21, TOP, 3, 4, BINARY)
    assert list(chunks(packet)) == [(DATA, FIRST, 16, 33)]
    assert ENVELOPE.opens(packet)
    assert not Envelope(5000, 5000, 1).opens(packet)
    assert not ENVELOPE.opens(packet[:-1] + b"\x01")
    assert not is_init(packet)


def test_the_checksum_is_that_of_the_rfc() -> None:
    """CRC-32c with the bytes of the result turned round (RFC 9260 appendix A): aiortc's own parser takes it."""
    source, destination, tag, [chunk] = parse_packet(ENVELOPE.seal(sack_chunk(5, 1000, [(2, 3), (5, 5)])))
    assert (source, destination, tag) == (5000, 5000, 0x01020304)
    assert isinstance(chunk, SackChunk)
    assert (chunk.cumulative_tsn, chunk.advertised_rwnd, chunk.gaps) == (5, 1000, [(2, 3), (5, 5)])


@pytest.mark.parametrize("length", [0, 3, 200])
def test_impossible_lengths(length: int) -> None:
    packet = ENVELOPE.seal(struct.pack("!BBH", 4, 0, length) + bytes(20))
    with pytest.raises(Malformed):
        list(chunks(packet))
    with pytest.raises(Malformed):
        check_parameters(struct.pack("!HH", 1, length) + bytes(20), 0)


@pytest.mark.parametrize(
    "body",
    [
        bytes(11),
        struct.pack("!LLHH", 1, 1, 1, 0),
        struct.pack("!LLHH", 1, 1, 0, 1),
        struct.pack("!LLHHHH", 1, 1, 1, 0, 3, 2),
        struct.pack("!LLHHHH", 1, 1, 1, 0, 0, 2),
        struct.pack("!LLHHHHHH", 1, 1, 2, 0, 2, 5, 5, 6),
    ],
)
def test_sacks_that_cannot_be(body: bytes) -> None:
    with pytest.raises(Malformed):
        read_sack(body)


def test_numbers_wrap() -> None:
    assert distance(0, TOP) == 1
    assert distance(TOP, 0) == -1
    assert distance(5, 5) == 0
