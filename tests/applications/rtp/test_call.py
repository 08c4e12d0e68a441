"""Two ends of a call over DTLS in one process, with real codecs in real time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from aiortc.rtp import is_rtcp

from jingle.applications.base import Application
from jingle.applications.rtp.call import RtpApplication
from jingle.applications.rtp.media import Sound
from jingle.applications.rtp.options import MediaOptions, SessionIdentity
from jingle.elements.core import OutOfOrder, Role, Senders
from jingle.elements.rtp import Active, Dtmf, Hold, Mute, Ringing, RtpDescription, Unhold, Unmute
from jingle.errors import ApplicationFailed, LocalProtocolError, MediaError, RemoteProtocolError
from jingle.media.base import Source
from jingle.media.files import File
from jingle.media.synthetic import Tone
from jingle.transports.base import Kind, RtpPacket
from tests.transports.dtls_pair import PairedLink, connected_links, eventually
from tests.virtual_time import in_virtual_time

from .sounds import Ear, Known, beep, likeness, quiet_spells, same_sound, silence, voice


@dataclass
class Side:
    app: RtpApplication
    link: PairedLink
    ear: Ear = field(default_factory=Ear)
    said: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def application(
    role: Role, source: Source | None, options: MediaOptions, said: list[str], keys: list[str]
) -> RtpApplication:
    return RtpApplication(
        role=role, name="voice", source=source, options=options, on_info=said.append, on_dtmf=keys.append
    )


USUAL = MediaOptions()


@contextlib.asynccontextmanager
async def call(
    caller: Source | None = None, callee: Source | None = None, options: MediaOptions = USUAL
) -> AsyncIterator[tuple[Side, Side]]:
    async with connected_links() as links:
        sides = []
        for role, source, link in zip((Role.INITIATOR, Role.RESPONDER), (caller, callee), links, strict=True):
            said: list[str] = []
            keys: list[str] = []
            sides.append(Side(application(role, source, options, said, keys), link, said=said, keys=keys))
        a, b = sides
        a.app.accepted(b.app.answer(a.app.describe()))
        for side in sides:
            await side.app.received.add(side.ear)
        try:
            await asyncio.gather(a.app.start(a.link), b.app.start(b.link))
            yield a, b
        finally:
            await asyncio.gather(a.app.stop(), b.app.stop())


async def heard(side: Side, seconds: float) -> None:
    await eventually(lambda: side.ear.seconds >= seconds, seconds + 5)


@in_virtual_time
async def test_sound_arrives_as_it_was_sent_with_every_codec() -> None:
    async def talk(codec: str, seed: int) -> None:
        there, back = voice(0.8, seed), voice(0.8, seed + 100)
        async with call(Known(there), Known(back), MediaOptions(codecs=(codec,))) as (a, b):
            await asyncio.gather(heard(a, 1.0), heard(b, 1.0))
            assert a.app.stats().codec == b.app.stats().codec == codec
        for sent, side in ((there, b), (back, a)):
            alike, delay = likeness(sent, side.ear.samples)
            assert alike > (0.93 if codec == "opus" else 0.98), codec
            assert 0 <= delay < 0.015, codec
            assert side.ear.jumps() < 1e-6

    await asyncio.gather(*(talk(codec, seed) for seed, codec in enumerate(("opus", "G722", "PCMU", "PCMA"))))


@in_virtual_time
async def test_a_rough_path_is_survived_and_both_ends_count_the_same() -> None:
    async def talk(codec: str, percent: int) -> None:
        chance, sent, dropped = random.Random(percent), voice(1.5), 0

        def impair(data: bytes) -> Sequence[float]:
            nonlocal dropped
            if is_rtcp(data):
                return (0.0,)
            if chance.random() * 100 < percent:
                dropped += 1
                return ()
            late = chance.choice((0.0, 0.0, 0.0, 0.005, 0.03))
            return (late,) if chance.random() < 0.9 else (late, late + 0.01)

        async with call(Known(sent), options=MediaOptions(codecs=(codec,))) as (a, b):
            a.link.wire.impair = impair
            await heard(b, 1.7)
            a.link.wire.impair = lambda data: (0.0,)
            await asyncio.sleep(0.1)
            a.app.set_senders(Senders.NONE)
            await asyncio.sleep(0.1)  # what is delayed, and what is behind a gap
            ours, theirs = a.app.stats(), b.app.stats()
            assert dropped > 0
            assert theirs.packets_lost == dropped, codec
            assert ours.packets_sent == theirs.packets_received + theirs.packets_lost, codec
            assert 0 < theirs.jitter < 0.05
        assert same_sound(sent, b.ear.samples) > 0.99 - percent / 100, codec
        assert b.ear.jumps() < 1e-6

    await asyncio.gather(talk("opus", 5), talk("opus", 20), talk("G722", 10), talk("PCMU", 20))


@in_virtual_time
async def test_no_gap_is_made_of_nothing() -> None:
    async with call(Tone(440), Tone(550)) as (a, b):
        await asyncio.gather(heard(a, 1.2), heard(b, 1.2))
    for side in (a, b):
        assert [length for _, length in quiet_spells(side.ear.samples) if length > 0.06] == []


@in_virtual_time
async def test_silence_that_was_not_sent_is_heard_all_the_same() -> None:
    signal = np.concatenate([beep(0.3), silence(0.8), beep(0.3)])
    async with call(Known(signal), options=MediaOptions(dtx=True, codecs=("opus",))) as (a, b):
        await heard(b, 1.5)
        sent = a.app.stats().packets_sent
        assert sent < 55
        assert b.app.stats().packets_lost == 0
    quiet = [(began, length) for began, length in quiet_spells(b.ear.samples) if 0.1 < began < 1.3]
    assert len(quiet) == 1
    assert quiet[0][0] == pytest.approx(0.3, abs=0.06)
    assert quiet[0][1] == pytest.approx(0.8, abs=0.08)


@in_virtual_time
async def test_counters_agree_at_the_end() -> None:
    async with call(Tone(440), Tone(550)) as (a, b):
        await asyncio.gather(a.app.first_frame(), b.app.first_frame())
        await eventually(lambda: None not in (a.app.stats().rtt, b.app.stats().rtt), 10)
        ours, theirs = a.app.stats(), b.app.stats()
        assert abs(ours.packets_sent - theirs.packets_received) <= 1
        assert abs(theirs.packets_sent - ours.packets_received) <= 1
        assert ours.packets_lost == theirs.packets_lost == 0
        assert 0 <= (ours.rtt or 0) < 0.2
        assert 0 <= ours.jitter < 0.03
        assert abs(ours.bytes_sent - theirs.bytes_received) < 400


@in_virtual_time
async def test_muting_replacing_and_holding() -> None:
    async with call(Tone(440), Tone(550)) as (a, b):
        await heard(b, 0.3)
        muted = a.app.mute()
        assert muted == Mute(creator=Role.INITIATOR, name="voice")
        assert b.app.info(muted)
        assert b.app.is_muted_by_peer
        await asyncio.sleep(0.1)
        mark = len(b.ear.samples)
        await asyncio.sleep(0.3)
        assert np.abs(b.ear.samples[mark:]).max() < 200
        b.app.info(a.app.unmute())

        mark = len(b.ear.samples)
        await a.app.replace(Known(voice(0.6)))
        await asyncio.sleep(0.9)
        assert likeness(voice(0.6), b.ear.samples[mark:])[0] > 0.9
        await a.app.replace(Tone(440))

        assert a.app.info(b.app.hold())
        await asyncio.sleep(0.1)
        sent, mark = a.app.stats().packets_sent, len(b.ear.samples)
        await asyncio.sleep(0.3)
        assert a.app.stats().packets_sent == sent  # whoever is put on hold is quiet
        assert len(b.ear.samples) == mark  # and the holder hears nothing
        assert a.app.info(b.app.unhold())
        await asyncio.sleep(0.3)
        assert a.app.stats().packets_sent > sent
        assert np.abs(b.ear.samples[mark:]).max() > 5000
        assert b.said == ["mute", "unmute"]
        assert a.said == ["hold", "unhold"]


@in_virtual_time
async def test_senders_decide_who_speaks() -> None:
    async with call(Tone(440), Tone(550)) as (a, b):
        for side in (a, b):
            side.app.set_senders(Senders.INITIATOR)
        await heard(b, 0.3)
        before = b.app.stats().packets_sent
        await asyncio.sleep(0.1)
        assert b.app.stats().packets_sent == before
        for side in (a, b):
            side.app.set_senders(Senders.NONE)
        await asyncio.sleep(0.05)
        before = a.app.stats().packets_sent
        await asyncio.sleep(0.1)
        assert a.app.stats().packets_sent == before
        for side in (a, b):
            side.app.set_senders(Senders.BOTH)
        await heard(a, 0.2)


@in_virtual_time
async def test_keys_are_heard_once_over_a_rough_path() -> None:
    chance = random.Random(3)
    async with call(Tone(440), Tone(550)) as (a, b):
        a.link.wire.impair = lambda data: () if chance.random() < 0.2 else (0.0,)
        await a.app.send_dtmf("159#")
        await asyncio.sleep(0.3)
        assert b.keys == ["1", "5", "9", "#"]


@in_virtual_time
async def test_a_new_source_of_the_peer_is_followed_after_its_goodbye() -> None:
    async with call(Tone(440), Tone(550)) as (a, b):
        await heard(b, 0.3)
        await a.app.stop()
        again = RtpApplication(role=Role.INITIATOR, name="voice", source=Tone(660))
        again.accepted(RtpApplication(role=Role.RESPONDER, name="voice").answer(again.describe()))
        before = b.app.stats().packets_received
        await again.start(a.link)
        await heard(b, b.ear.seconds + 0.4)
        await again.stop()
        assert b.app.stats().packets_received > before + 10
        assert b.app.stats().packets_lost == 0
        assert b.ear.jumps() < 1e-6


@in_virtual_time
async def test_nothing_is_left_behind() -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with call(Tone(440), None) as (a, b):
        await b.app.first_frame()
        assert set(threading.enumerate()) <= threads
        await asyncio.gather(a.app.stop(), a.app.stop("success"))
    assert asyncio.all_tasks() == tasks
    assert set(threading.enumerate()) <= threads


@in_virtual_time
async def test_it_is_an_application() -> None:
    app: Application = RtpApplication(role=Role.INITIATOR, name="voice")
    assert (app.kind, app.components) == (Kind.DATAGRAM, 1)
    assert app.namespace in app.features
    await app.stop()


@in_virtual_time
async def test_stopping_before_the_start_frees_everything() -> None:
    tasks = asyncio.all_tasks()
    app = RtpApplication(role=Role.INITIATOR, name="voice", source=Tone(440))
    await app.received.add(Ear())
    app.describe()
    waiting = asyncio.create_task(app.first_frame())
    await app.stop("cancel")
    assert await waiting is None
    assert asyncio.all_tasks() == tasks


@in_virtual_time
async def test_descriptions_of_one_session_share_a_name_and_differ_in_source() -> None:
    identity = SessionIdentity()
    apps = [RtpApplication(role=Role.INITIATOR, name=name, identity=identity) for name in ("a", "b")]
    described = [app.describe() for app in apps]
    sources = [each.sources[0] for each in described if isinstance(each, RtpDescription)]
    assert sources[0].ssrc != sources[1].ssrc
    assert sources[0].parameters[0] == sources[1].parameters[0]
    assert sources[0].parameters[1] != sources[1].parameters[1]
    await asyncio.gather(*(app.stop() for app in apps))


@in_virtual_time
async def test_what_is_said_about_other_contents_is_not_for_us() -> None:
    said: list[str] = []
    app = RtpApplication(role=Role.INITIATOR, name="voice", on_info=said.append)
    assert not app.info(Mute(name="picture"))
    assert not app.info(OutOfOrder())
    assert not app.info(Dtmf(code="x"))
    assert app.info(Mute())
    assert app.is_muted_by_peer
    assert app.info(Hold())
    assert app.info(Active())
    assert not app.is_muted_by_peer
    assert not app.is_held_by_peer
    assert app.info(Ringing())
    assert app.info(Unmute(name="voice"))
    assert app.info(Unhold())
    assert said == ["mute", "hold", "active", "ringing", "unmute", "unhold"]
    await app.stop()


@in_virtual_time
async def test_keys_by_session_info_are_keys() -> None:
    keys: list[str] = []
    app = RtpApplication(role=Role.INITIATOR, name="voice", on_dtmf=keys.append)
    assert app.info(Dtmf(code="#"))
    assert keys == ["#"]
    await app.stop()


@in_virtual_time
async def test_what_is_out_of_turn_is_refused() -> None:
    app = RtpApplication(role=Role.INITIATOR, name="voice")
    other = RtpApplication(role=Role.RESPONDER, name="voice")
    with pytest.raises(LocalProtocolError, match="nothing was offered"):
        app.accepted(other.describe())
    with pytest.raises(LocalProtocolError, match="after both sides"):
        await app.start(None)  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="once the call is connected"):
        await app.send_dtmf("1")
    app.describe()
    for wrong in (None, Hold()):
        with pytest.raises(RemoteProtocolError, match="description"):
            app.accepted(wrong)
    with pytest.raises(RemoteProtocolError):
        other.answer(Hold())
    with pytest.raises(RemoteProtocolError):
        other.description_info(Hold())
    other.description_info(other.describe())
    await asyncio.gather(app.stop(), other.stop())


@in_virtual_time
async def test_a_medium_we_do_not_do_is_declined_politely() -> None:
    app = RtpApplication("smell", role=Role.RESPONDER, name="roses")
    with pytest.raises(ApplicationFailed) as failure:
        app.answer(RtpDescription(media="smell", rtcp_mux=True))
    assert failure.value.reason == "unsupported-applications"
    await app.stop()


@in_virtual_time
async def test_a_source_that_cannot_be_read_is_said_to_be() -> None:
    a = RtpApplication(role=Role.INITIATOR, name="voice", source=File("/nowhere/hello.ogg"))
    b = RtpApplication(role=Role.RESPONDER, name="voice")
    a.accepted(b.answer(a.describe()))
    async with connected_links() as (link, _):
        with pytest.raises(MediaError, match="no such file"):
            await a.start(link)
        with pytest.raises(MediaError, match="no such file"):
            await a.replace(File("/nowhere/else.ogg"))
    await asyncio.gather(a.stop(), b.stop())


@in_virtual_time
async def test_received_packets_after_the_end_are_ignored() -> None:
    async with call(Tone(440), Tone(550)) as (a, b):
        await heard(b, 0.1)
        medium = b.app._medium
        assert isinstance(medium, Sound)
        receiver = medium._receiver
        await b.app.stop()
        seconds = b.ear.seconds
        assert receiver is not None
        receiver.receive(RtpPacket(0, False, 1, 1, 1, bytes(160), asyncio.get_running_loop().time()))
        assert b.ear.seconds == seconds
