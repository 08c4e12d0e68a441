"""Packets that are passed on: order, gaps and times stay, and what is ours is ours."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from jingle.applications.rtp.capabilities import select
from jingle.applications.rtp.negotiation import LocalSource, Negotiated, answer, offer
from jingle.applications.rtp.relay import NEAR, SOURCE_SILENCE, WAITING, Outlet, Relay, RelayClock
from jingle.transports.base import BandwidthEstimated, KeyframeWanted, LossReported, RtpPacket, RtpStatistics

OURS = LocalSource(ssrc=1, cname="us", stream="s", track="t")
NOW = 1_000_000
"""The timestamp that our own source would have."""


@dataclass
class Stream:
    """Takes what is sent; implements `RtpStream`."""

    sequence_number: int = 500
    sent: list[dict[str, Any]] = field(default_factory=list)
    statistics: Any = RtpStatistics(
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
        number = how.get("sequence_number")
        number = self.sequence_number if number is None else number
        if (number - self.sequence_number) & 0xFFFF < 0x8000:
            self.sequence_number = (number + 1) & 0xFFFF
        self.sent.append({"payload": payload, **how})

    def request_keyframe(self, ssrc: int) -> None:
        raise AssertionError

    def limit(self, bit_rate: int | None) -> None:
        raise AssertionError

    async def aclose(self) -> None:
        return


@dataclass
class Own:
    """What sends our own source."""

    is_relaying: bool = False
    is_paused: bool = False
    is_pressing: bool = False

    def timestamp_now(self, clock_rate: int) -> int:
        return NOW + clock_rate


def agreed(medium: str = "audio", *codecs: str) -> Negotiated:
    chosen = select(medium, codecs or None)
    return answer(offer(medium, chosen, OURS), chosen, OURS)[1]


class World:
    def __init__(self, source: Negotiated, target: Negotiated) -> None:
        self.stream, self.own = Stream(), Own()
        self.outlet = Outlet(self.stream, self.own, target)
        self.asked: list[int] = []
        self.limits: list[int | None] = []
        self.refused = 0
        self.relay = Relay(
            source.receiving,
            self.outlet,
            clock=RelayClock(),
            request_keyframe=self.asked.append,
            limit=self.limits.append,
            on_refused=self._refuse,
        )
        self.arrival = 10.0

    def _refuse(self) -> None:
        self.refused += 1

    async def take(self, *numbers: int, **fields: Any) -> list[bool]:
        """Let packets of 20 ms come in with these numbers, and those that are passed on leave."""
        taken = []
        for number in numbers:
            packet = RtpPacket(111, False, number & 0xFFFF, number * 960 & 0xFFFFFFFF, 7, b"%d" % number, self.arrival)
            taken.append(self.relay.take(dataclasses.replace(packet, **fields)))
            self.arrival += 0.02
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return taken

    @property
    def numbers(self) -> list[int]:
        return [each["sequence_number"] for each in self.stream.sent if "sequence_number" in each]


@asynccontextmanager
async def world(source: Negotiated | None = None, target: Negotiated | None = None) -> AsyncIterator[World]:
    made = World(source or agreed(), target or agreed())
    try:
        yield made
    finally:
        await made.relay.aclose()
        await made.relay.aclose()
        assert not made.own.is_relaying


async def test_gaps_and_disorder_stay_what_they_were() -> None:
    async with world() as it:
        assert all(await it.take(65530, 65532, 65531, 65535, 65536, 65540))
        assert it.numbers == [500, 502, 501, 505, 506, 510]
        assert [each["payload"] for each in it.stream.sent][:2] == [b"65530", b"65532"]
        steps = [each["timestamp"] - it.stream.sent[0]["timestamp"] for each in it.stream.sent]
        assert [step % 2**32 for step in steps] == [0, 1920, 960, 4800, 5760, 9600]
        assert it.stream.sent[0]["timestamp"] % 2**32 == NOW + 48000
        assert [each["marker"] for each in it.stream.sent] == [True] + [False] * 5
        assert it.relay.packets == 6
        assert it.own.is_relaying


async def test_numbers_that_jump_far_begin_anew() -> None:
    """SRTP would lose count of what jumps by half of all numbers."""
    async with world() as it:
        await it.take(100, 101, 101 + NEAR.stop + 1, 102 + NEAR.stop + 1, 0x8000 + 1200)
        assert it.numbers == [500, 501, 502, 503, 504]
        assert [each["marker"] for each in it.stream.sent] == [True, False, True, False, True]


async def test_what_our_own_side_sends_in_between_is_not_overwritten() -> None:
    async with world() as it:
        await it.take(100, 101)
        it.own.is_pressing = True
        assert await it.take(102) == [True]
        await it.stream.send(b"key")
        it.own.is_pressing = False
        await it.take(103)
        assert it.numbers == [500, 501, 503]
        assert it.stream.sent[-1]["marker"]


@pytest.mark.parametrize("closed", ["is_covered", "is_paused"])
async def test_nothing_leaves_while_our_side_is_muted_or_paused(closed: str) -> None:
    async with world() as it:
        setattr(it.outlet if closed == "is_covered" else it.own, closed, True)
        assert await it.take(1, 2) == [True, True]
        assert it.stream.sent == []


async def test_payload_types_are_those_of_the_other_side() -> None:
    target = agreed()
    renamed = tuple(dataclasses.replace(each, payload_type=each.payload_type - 10) for each in target.formats)
    events = tuple(dataclasses.replace(each, payload_type=each.payload_type - 10) for each in target.events)
    async with world(target=dataclasses.replace(target, formats=renamed, events=events)) as it:
        assert all(await it.take(1, payload_type=111) + await it.take(2, payload_type=110))
        assert [each["payload_type"] for each in it.stream.sent] == [101, 100]


async def test_what_the_other_side_does_not_take_is_refused() -> None:
    async with world(target=agreed("audio", "PCMU")) as it:
        assert await it.take(1, payload_type=0) == [True]
        assert await it.take(2, payload_type=111) == [False]
        assert not it.own.is_relaying
        assert it.refused == 1
        assert await it.take(3, payload_type=99) == [False]
        assert it.refused == 1, "what nobody knows is not worth encoding"
        assert len(it.stream.sent) == 1


async def test_one_source_at_a_time() -> None:
    async with world() as it:
        await it.take(1, ssrc=7)
        assert await it.take(5000, ssrc=8) == [True]
        assert it.numbers == [500]
        it.arrival += SOURCE_SILENCE
        await it.take(5001, ssrc=8)
        assert it.numbers == [500, 501]
        assert it.stream.sent[-1]["payload"] == b"5001"


async def test_a_path_that_is_slow_holds_up_nothing() -> None:
    async with world() as it:
        for number in range(3 * WAITING):
            assert it.relay.take(RtpPacket(111, False, number, 0, 7, b"", 0.0))
        await it.take(3 * WAITING)
        assert len(it.stream.sent) <= WAITING


async def test_wishes_for_a_whole_picture_are_passed_on() -> None:
    pictures = agreed("video")
    (first, *_) = pictures.formats
    async with world(pictures, pictures) as it:
        await it.take(1, payload_type=first.payload_type, marker=True)
        assert it.asked == [7], "who looks in has seen none yet"
        for _ in range(3):
            it.relay.take_feedback(KeyframeWanted())
        assert it.asked == [7], "they are ten times as large"
        it.relay._asked = float("-inf")
        it.relay.take_feedback(LossReported(0.5))
        it.relay.take_feedback(KeyframeWanted())
        assert it.asked == [7, 7]
        await it.take(2, payload_type=first.payload_type)
        assert [each["marker"] for each in it.stream.sent] == [True, False]


async def test_what_the_other_path_carries_is_passed_on() -> None:
    async with world() as it:
        it.relay.take_feedback(BandwidthEstimated(300_000))
        assert it.limits == [300_000]
    assert it.limits[1] is None, "parted, it may send as it wants"


def test_sound_and_pictures_of_a_peer_keep_their_step() -> None:
    clock = RelayClock()
    packet = RtpPacket(96, False, 1, 1, 7, b"", arrival=20.0)
    assert clock.moment_of(packet) == 20.0
    assert clock.moment_of(dataclasses.replace(packet, sent=5.0)) == 20.0
    assert clock.moment_of(dataclasses.replace(packet, sent=6.0, arrival=21.3)) == 21.0
    assert clock.moment_of(dataclasses.replace(packet, sent=7.0, arrival=21.9)) == 21.9, (
        "nothing comes before it is sent"
    )
    assert clock.moment_of(dataclasses.replace(packet, sent=8.0, arrival=23.0)) == 22.9
