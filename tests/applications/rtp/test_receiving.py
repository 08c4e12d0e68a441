from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.applications.rtp import receiving
from jingle.applications.rtp.capabilities import EVENTS_8000, G722, OPUS, PCMU, Codec, select
from jingle.applications.rtp.dtmf import press
from jingle.applications.rtp.negotiation import LocalSource, Negotiated, answer, offer
from jingle.applications.rtp.received import QUEUED, ReceivedTrack
from jingle.applications.rtp.receiving import MAX_FILL, AudioReceiver
from jingle.media.codecs import make_decoder, make_encoder
from jingle.media.framing import Samples
from jingle.transports.base import RtpPacket
from tests.transports.dtls_pair import eventually
from tests.virtual_time import in_virtual_time, stall

from .sounds import Ear, beep, cut, likeness, quiet_spells, same_sound, voice

PAYLOAD_TYPES = {OPUS: 111, G722: 9, PCMU: 0, EVENTS_8000: 126}


def agreed() -> Negotiated:
    codecs = select("audio")
    return answer(offer("audio", codecs, LocalSource(ssrc=1, cname="", stream="", track="")), codecs, THERE)[1]


THERE = LocalSource(ssrc=2, cname="", stream="", track="")


@dataclass
class Peer:
    """A receiver, and what sends to it."""

    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.track = ReceivedTrack()
        self.receiver = AudioReceiver(
            self.track, agreed(), lambda codec: make_decoder(codec.name, dict(codec.parameters)), self.keys.append
        )

    def feed(self, packets: Iterable[RtpPacket]) -> None:
        for packet in packets:
            self.receiver.receive(packet)

    def heard(self) -> Ear:
        self.receiver.close()
        ear = Ear()
        while self.track._frames:
            ear.write(self.track._frames.popleft())
        ear.finish()
        return ear


def encode(
    samples: Samples, codec: Codec = PCMU, *, ssrc: int = 5, number: int = 0, timestamp: int = 0
) -> list[RtpPacket]:
    """The packets, all arriving now."""
    encoder, arrival = make_encoder(codec.name, {"useinbandfec": "1"}), asyncio.get_running_loop().time()
    packets: list[RtpPacket] = []
    for frame in cut(samples):
        for payload in encoder.encode(frame)[0]:
            packets.append(
                RtpPacket(
                    PAYLOAD_TYPES[codec],
                    False,
                    number + len(packets) & 0xFFFF,
                    timestamp & 0xFFFFFFFF,
                    ssrc,
                    payload,
                    arrival,
                )
            )
            timestamp += codec.duration(payload)
    return packets


def without(packets: Sequence[RtpPacket], lost: Iterable[int]) -> list[RtpPacket]:
    return [packet for index, packet in enumerate(packets) if index not in set(lost)]


@pytest.mark.parametrize("codec", [OPUS, G722, PCMU])
@in_virtual_time
async def test_everything_that_came_is_heard_from_its_first_moment(codec: Codec) -> None:
    sent = voice(1.0)
    peer = Peer()
    peer.feed(encode(sent, codec, timestamp=2**32 - 1000, number=65_530))
    ear = peer.heard()
    alike, delay = likeness(sent, ear.samples)
    assert alike > 0.9
    assert 0 <= delay < 0.015
    assert ear.seconds == pytest.approx(1.0, abs=0.021)
    assert ear.jumps() < 1e-6


@pytest.mark.parametrize("codec", [OPUS, G722, PCMU])
@pytest.mark.parametrize("percent", [5, 10, 20])
@in_virtual_time
async def test_lost_packets_are_made_good(codec: Codec, percent: int) -> None:
    sent = voice(2.0, seed=percent)
    generator = np.random.default_rng(percent)
    lost = [index for index in range(1, 99) if generator.random() * 100 < percent]
    peer = Peer()
    peer.feed(without(encode(sent, codec), lost))
    ear = peer.heard()
    with_holes = sent.copy()
    for index in lost:
        with_holes[index * 960 : (index + 1) * 960] = 0
    holes = 1 - same_sound(sent, with_holes)
    assert holes > 0.01
    assert 1 - same_sound(sent, ear.samples) < 0.01 + 0.6 * holes
    assert ear.seconds == pytest.approx(2.0, abs=0.03)
    assert ear.jumps() < 1e-6


@in_virtual_time
async def test_a_hole_is_shorter_than_what_was_lost() -> None:
    """One packet of a tone goes missing, and nobody can tell."""
    peer = Peer()
    peer.feed(without(encode(beep(1.0)), [20]))
    assert [spell for spell in quiet_spells(peer.heard().samples) if spell[0] < 0.95] == []


@in_virtual_time
async def test_packets_out_of_order_and_twice_are_heard_once_and_in_order() -> None:
    sent = voice(1.0)
    packets = encode(sent)
    mixed = [packets[0]]
    for index in range(1, len(packets) - 1, 2):
        mixed += [packets[index + 1], packets[index], packets[index]]
    peer = Peer()
    peer.feed(mixed)
    ear = peer.heard()
    alike, _ = likeness(sent, ear.samples)
    assert alike > 0.98
    assert ear.seconds == pytest.approx(1.0, abs=0.03)


@in_virtual_time
async def test_a_lost_packet_holds_the_others_up_for_a_moment_only() -> None:
    loop = asyncio.get_running_loop()
    peer = Peer()
    packets = encode(beep(0.1))
    peer.feed(without(packets, [1]))
    assert len(peer.track._frames) == 1
    began = loop.time()
    await eventually(lambda: len(peer.track._frames) == 5)
    assert 0.04 < loop.time() - began < 0.2
    assert peer.heard().seconds == pytest.approx(0.1, abs=0.001)


@in_virtual_time
async def test_a_pause_in_the_timestamps_is_silence_of_that_length() -> None:
    peer = Peer()
    peer.feed(encode(beep(0.2)))
    peer.feed(encode(beep(0.2), number=10, timestamp=round(0.6 * 8000)))
    ear = peer.heard()
    assert ear.seconds == pytest.approx(0.8, abs=0.03)
    ((began, length),) = [spell for spell in quiet_spells(ear.samples) if spell[1] > 0.1]
    assert began == pytest.approx(0.25, abs=0.03)
    assert began + length == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("timestamp", [2**31 - 1, 2**31 + 5, 40 * 8000, 2**32 - 8000])
@in_virtual_time
async def test_a_wild_timestamp_makes_half_a_second_at_most(timestamp: int) -> None:
    peer = Peer()
    peer.feed(encode(beep(0.2)))
    peer.feed(encode(beep(0.2), number=10, timestamp=timestamp))
    assert peer.heard().seconds <= 0.4 + MAX_FILL + 0.03


@in_virtual_time
async def test_silence_is_put_out_while_nothing_comes_and_not_again_afterwards() -> None:
    loop = asyncio.get_running_loop()
    peer = Peer()
    began = loop.time()
    peer.feed(encode(beep(0.1)))
    await asyncio.sleep(0.6)
    waiting = len(peer.track._frames) * 0.02
    assert 0.3 < waiting < 0.65
    pause = loop.time() - began - 0.1
    peer.feed(encode(beep(0.1), number=5, timestamp=round((0.1 + pause) * 8000)))
    ear = peer.heard()
    assert ear.seconds == pytest.approx(0.2 + pause, abs=0.03)
    assert ear.jumps() < 1e-6


@in_virtual_time
async def test_sound_that_comes_late_is_heard_whole_and_the_next_pause_makes_up_for_it() -> None:
    peer = Peer()
    packets = encode(beep(0.2))
    peer.feed(packets[:5])
    await asyncio.sleep(0.5)  # the network held everything up
    put_out = len(peer.track._frames) * 0.02 - 0.1
    assert put_out > 0.1
    peer.feed(packets[5:10])
    peer.feed(encode(beep(0.2), number=10, timestamp=round(0.6 * 8000)))
    ear = peer.heard()
    loud = ear.seconds - sum(length for _, length in quiet_spells(ear.samples))
    assert loud > 0.38
    assert ear.seconds == pytest.approx(max(0.8, 0.4 + put_out), abs=0.06)


@in_virtual_time
async def test_a_stall_of_this_process_is_no_gap() -> None:
    peer = Peer()
    packets = encode(beep(1.0))
    peer.feed(packets[:10])
    await asyncio.sleep(0)
    stall(0.5)
    # Timers run first; what waits in the sockets is read one packet at a time, and goes through ICE and DTLS.
    await asyncio.sleep(0)
    for packet in packets[10:]:
        await asyncio.sleep(0)
        peer.feed([packet])
    ear = peer.heard()
    assert ear.seconds == pytest.approx(1.0, abs=0.001)
    assert [spell for spell in quiet_spells(ear.samples) if spell[0] < 0.95] == []


@in_virtual_time
async def test_a_damaged_packet_keeps_its_place() -> None:
    peer = Peer()
    peer.feed(encode(beep(0.2), OPUS))
    # Three frames of equal size cannot lie in one byte (RFC 6716 section 3.2.5).
    peer.feed([RtpPacket(111, False, 10, 9600, 5, b"\xfb\x03\x00", asyncio.get_running_loop().time())])
    waiting = len(peer.track._frames)
    assert waiting == 13
    peer.feed(encode(beep(0.2), OPUS, number=11, timestamp=9600 + 2880))
    assert peer.heard().seconds == pytest.approx(0.46, abs=0.001)


@in_virtual_time
async def test_another_source_takes_over_when_the_first_falls_silent() -> None:
    peer = Peer()
    sent = voice(0.4)
    moments = [index * 0.02 for index in range(40)]
    first = encode(sent[: 48 * 200])
    second = encode(sent[48 * 200 :], ssrc=6, number=700, timestamp=99)
    arriving = [
        RtpPacket(p.payload_type, p.marker, p.sequence_number, p.timestamp, p.ssrc, p.payload, moment)
        for p, moment in zip([*first, *second], moments, strict=False)
    ]
    peer.feed(arriving)
    alike, _ = likeness(sent, peer.heard().samples)
    assert alike > 0.95


@in_virtual_time
async def test_two_sources_at_once_are_not_mixed_up() -> None:
    peer = Peer()
    sent = voice(0.4)
    packets = [packet for pair in zip(encode(sent), encode(beep(0.4), ssrc=6), strict=True) for packet in pair]
    peer.feed(packets)
    assert likeness(sent, peer.heard().samples)[0] > 0.98


@in_virtual_time
async def test_the_peer_may_change_between_the_agreed_codecs() -> None:
    peer = Peer()
    sent = voice(0.6)
    third = 48 * 200
    peer.feed(encode(sent[:third], PCMU))
    peer.feed(encode(sent[third : 2 * third], OPUS, number=10, timestamp=960 * 10))
    peer.feed(encode(sent[2 * third :], G722, number=20, timestamp=160 * 20))
    ear = peer.heard()
    assert peer.receiver.codec == G722
    # Each codec has a delay of its own.
    for part in (sent[:third], sent[third : 2 * third], sent[2 * third :]):
        assert likeness(part[1000:-1000], ear.samples)[0] > 0.9
    assert ear.jumps() < 1e-6
    assert ear.seconds == pytest.approx(0.6, abs=0.05)


@in_virtual_time
async def test_keys_among_the_sound_are_heard_as_keys() -> None:
    peer = Peer()
    sound = encode(beep(0.1))
    tones = [
        RtpPacket(126, packet.first, 5 + index, 800, 5, packet.payload, 0.0)
        for index, packet in enumerate(press("7", 8000))
    ]
    after = encode(beep(0.1), number=5 + len(tones), timestamp=800 + 1360)
    peer.feed([*sound, *tones[:2], *tones[3:], *after])
    assert peer.keys == ["7"]
    assert peer.heard().seconds == pytest.approx(0.2 + 0.17, abs=0.03)


@in_virtual_time
async def test_on_hold_keys_are_heard_and_sound_is_not() -> None:
    peer = Peer()
    peer.receiver.is_enabled = False
    peer.feed(encode(beep(0.1)))
    peer.feed(RtpPacket(126, p.first, 5 + i, 800, 5, p.payload, 0.0) for i, p in enumerate(press("7", 8000)))
    assert peer.keys == ["7"]
    assert peer.heard().seconds == 0


@in_virtual_time
async def test_frames_nobody_reads_are_bounded() -> None:
    peer = Peer()
    peer.feed(encode(beep(QUEUED["audio"] * 0.02 + 2)))
    assert len(peer.track._frames) == QUEUED["audio"]
    peer.receiver.close()


@in_virtual_time
async def test_the_first_frame_can_be_waited_for() -> None:
    peer = Peer()
    waiting = asyncio.create_task(peer.track.first_frame())
    await asyncio.sleep(0)
    assert not waiting.done()
    peer.feed(encode(beep(0.02)))
    assert await waiting is not None
    peer.receiver.close()
    silent = Peer()
    waiting = asyncio.create_task(silent.track.first_frame())
    await asyncio.sleep(0)
    silent.receiver.close()
    assert await waiting is None


@in_virtual_time
async def test_after_closing_nothing_is_taken_and_no_timer_is_left() -> None:
    peer = Peer()
    peer.feed(without(encode(beep(0.1)), [1]))
    peer.receiver.close()
    peer.receiver.close()
    count = len(peer.track._frames)
    assert count == 5  # what waited was played out
    peer.feed(encode(beep(0.1), number=5))
    await asyncio.sleep(0.3)
    assert len(peer.track._frames) == count


PACKETS = st.lists(
    st.builds(
        RtpPacket,
        st.sampled_from([111, 9, 0, 8, 110, 126]),
        st.booleans(),
        st.integers(0, 20) | st.integers(0, 0xFFFF),
        st.integers(0, 20_000) | st.integers(0, 0xFFFFFFFF),
        st.sampled_from([5, 6]),
        st.binary(max_size=40),
        st.floats(0, 5),
    ),
    max_size=30,
)


@given(PACKETS)
@settings(max_examples=60)
def test_no_packet_raises_or_makes_much_of_nothing(packets: list[RtpPacket]) -> None:
    async def feed() -> float:
        peer = Peer()
        peer.feed(packets)
        ear = peer.heard()
        assert ear.jumps() < 1e-6
        return ear.times[-1][1] if ear.times else 0.0

    # Each packet holds 120 ms at most, and may pretend a gap.
    assert asyncio.run(feed()) <= len(packets) * (0.12 + MAX_FILL + receiving.FRAME)
