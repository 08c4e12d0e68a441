from __future__ import annotations

import asyncio
import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from jingle.applications.rtp.capabilities import select
from jingle.applications.rtp.dtmf import PAUSE, TONE
from jingle.applications.rtp.negotiation import LocalSource, Negotiated, answer, offer
from jingle.applications.rtp.sending import AudioSender
from jingle.errors import LocalProtocolError
from jingle.media.codecs import make_encoder
from jingle.media.framing import Samples
from jingle.media.switch import SwitchTrack
from jingle.transports.base import RtpStatistics
from tests.transports.dtls_pair import eventually
from tests.virtual_time import in_virtual_time

from .sounds import Known, beep, silence

SOURCE = LocalSource(ssrc=1, cname="", stream="", track="")


@dataclasses.dataclass(frozen=True)
class Sent:
    payload: bytes
    payload_type: int
    timestamp: int
    marker: bool
    audio_level: int | None


class Recording:
    """An `RtpStream` that keeps what is sent."""

    sequence_number = 0
    statistics = RtpStatistics(
        packets_sent=0,
        bytes_sent=0,
        packets_received=0,
        bytes_received=0,
        packets_lost=0,
        jitter=0,
        rtt=None,
        remote_packets_lost=0,
    )

    def __init__(self) -> None:
        self.sent: list[Sent] = []

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
        self.sent.append(Sent(payload, payload_type, timestamp & 0xFFFFFFFF, marker, audio_level))

    def request_keyframe(self, ssrc: int) -> None:
        raise AssertionError

    def limit(self, bit_rate: int | None) -> None:
        raise AssertionError

    async def aclose(self) -> None:
        return

    async def until(self, count: int) -> None:
        await eventually(lambda: len(self.sent) >= count)


def agreed(*codecs: str) -> Negotiated:
    selected = select("audio", codecs)
    return answer(offer("audio", selected, SOURCE), selected, SOURCE)[1]


def start(negotiated: Negotiated, samples: Samples, **parameters: str) -> tuple[AudioSender, Recording]:
    recording = Recording()
    sender = AudioSender(
        SwitchTrack(Known(samples).track()),
        recording,
        negotiated,
        lambda agreed: make_encoder(agreed.codec.name, {**agreed.parameters, **parameters}),
    )
    return sender, recording


def steps(sent: list[Sent]) -> set[int]:
    return {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(sent)}


@pytest.mark.parametrize(("codec", "step", "payload_type"), [("opus", 960, 111), ("G722", 160, 9), ("PCMU", 160, 0)])
@in_virtual_time
async def test_timestamps_follow_the_clock_of_the_codec(codec: str, step: int, payload_type: int) -> None:
    sender, stream = start(agreed(codec), beep(0.5))
    await stream.until(10)
    await sender.aclose()
    assert steps(stream.sent) == {step}
    assert {each.payload_type for each in stream.sent} == {payload_type}
    assert [each.marker for each in stream.sent[:3]] == [True, False, False]


@in_virtual_time
async def test_the_first_timestamp_cannot_be_guessed() -> None:
    firsts = set()
    for _ in range(3):
        sender, stream = start(agreed("PCMU"), beep(0.1))
        await stream.until(1)
        await sender.aclose()
        firsts.add(stream.sent[0].timestamp)
    assert len(firsts) == 3


@in_virtual_time
async def test_levels_are_told_where_agreed() -> None:
    negotiated = agreed("PCMU")
    sender, stream = start(negotiated, np.concatenate([beep(0.1), silence(0.1)]))
    await stream.until(10)
    await sender.aclose()
    assert stream.sent[2].audio_level == pytest.approx(15, abs=1)
    assert stream.sent[9].audio_level == 127
    quiet = dataclasses.replace(negotiated, header_extensions={})
    sender, stream = start(quiet, beep(0.1))
    await stream.until(1)
    await sender.aclose()
    assert stream.sent[0].audio_level is None


@in_virtual_time
async def test_a_pause_sends_nothing_and_keeps_the_time() -> None:
    sender, stream = start(agreed("PCMU"), beep(2.0))
    await stream.until(5)
    sender.is_paused = True
    await asyncio.sleep(0.03)
    count = len(stream.sent)
    await asyncio.sleep(0.2)
    assert len(stream.sent) == count
    sender.is_paused = False
    await stream.until(count + 5)
    await sender.aclose()
    before, after = stream.sent[count - 1], stream.sent[count]
    assert 8000 * 0.18 < (after.timestamp - before.timestamp) & 0xFFFFFFFF < 8000 * 0.45
    assert after.marker
    assert steps(stream.sent[count:]) == {160}


@in_virtual_time
async def test_silence_is_not_sent_with_dtx() -> None:
    sender, stream = start(agreed("opus"), np.concatenate([beep(0.2), silence(0.8), beep(0.3)]), usedtx="1")
    await asyncio.sleep(1.4)
    await sender.aclose()
    assert len(stream.sent) < 45
    gaps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(stream.sent)]
    assert max(gaps) > 5 * 960
    assert all(gap % 960 == 0 for gap in gaps)
    resumed = gaps.index(max(gaps)) + 1
    assert stream.sent[resumed].marker


@pytest.mark.parametrize(("codec", "payload_type", "rate"), [("opus", 110, 48_000), ("PCMA", 126, 8000)])
@in_virtual_time
async def test_keys_interrupt_the_sound_and_share_its_clock(codec: str, payload_type: int, rate: int) -> None:
    sender, stream = start(agreed(codec), beep(3.0))
    await stream.until(3)
    await asyncio.gather(sender.send_dtmf("1"), sender.send_dtmf("#"))
    await stream.until(len(stream.sent) + 5)
    await sender.aclose()
    keys = [each for each in stream.sent if each.payload_type == payload_type]
    first, second = keys[:7], keys[7:]
    assert [each.payload[0] for each in keys] == [1] * 7 + [11] * 7
    assert {each.timestamp for each in first} == {first[0].timestamp}
    assert [each.marker for each in first] == [True] + [False] * 6
    begun = (second[0].timestamp - first[0].timestamp) & 0xFFFFFFFF
    assert (TONE + PAUSE - 0.04) * rate < begun < (TONE + PAUSE + 0.3) * rate
    start_of_keys = stream.sent.index(first[0])
    end_of_keys = start_of_keys + len(keys) - 1
    assert stream.sent[start_of_keys : end_of_keys + 1] == keys
    resumed = stream.sent[end_of_keys + 1]
    assert resumed.marker
    paused = (resumed.timestamp - second[0].timestamp) & 0xFFFFFFFF
    assert (TONE + PAUSE - 0.04) * rate < paused < (TONE + PAUSE + 0.3) * rate


@in_virtual_time
async def test_a_peer_without_key_presses_gets_none() -> None:
    sender, stream = start(dataclasses.replace(agreed("opus"), events=()), beep(0.1))
    with pytest.raises(LocalProtocolError, match="takes no key presses"):
        await sender.send_dtmf("1")
    with pytest.raises(LocalProtocolError, match="not a key"):
        await sender.send_dtmf("x")
    await sender.aclose()


@in_virtual_time
async def test_closing_ends_the_track_and_the_task() -> None:
    before = asyncio.all_tasks()
    track = SwitchTrack()
    sender = AudioSender(track, Recording(), agreed("PCMU"), lambda agreed: make_encoder(agreed.codec.name))
    await asyncio.sleep(0.03)
    await sender.aclose()
    await sender.aclose()
    assert track.readyState == "ended"
    assert asyncio.all_tasks() == before
