from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

import numpy as np
import pytest
from aiortc.codecs.base import Decoder
from aiortc.jitterbuffer import JitterFrame
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from jingle.errors import MediaError
from jingle.media import libopus
from jingle.media.codecs import AudioEncoder, OpusDecoder, OpusEncoder, make_decoder, make_encoder
from jingle.media.framing import Framer, audio_frame

from .helpers import HELLO, Signal, cut, joined, likeness, pitch, read, sine

Payload = tuple[bytes, int]


@pytest.fixture(params=["libopus", "FFmpeg"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Opus from the library itself, and from FFmpeg where it cannot be found."""
    name: str = request.param
    if name == "FFmpeg":
        monkeypatch.setattr(libopus, "load", lambda: None)
    else:
        assert libopus.load() is not None
    return name


@pytest.fixture(scope="module")
def speech() -> Signal:
    return read(HELLO)[1][: 48_000 * 4]


def encode(encoder: AudioEncoder, frames: Iterable[AudioFrame]) -> list[Payload]:
    encoded = []
    for frame in frames:
        packets, timestamp = encoder.encode(frame)
        assert len(packets) <= 1
        encoded += [(packet, timestamp) for packet in packets]
    return encoded


def decode(decoder: Decoder, payloads: Iterable[Payload]) -> list[AudioFrame]:
    frames = []
    for payload, timestamp in payloads:
        for frame in decoder.decode(JitterFrame(data=payload, timestamp=timestamp)):
            assert isinstance(frame, AudioFrame)
            frames.append(frame)
    return frames


def on_time(frames: Iterable[AudioFrame], samples: int) -> Signal:
    """What is heard when each frame is played at its own time."""
    heard = np.zeros(samples)
    framer, first = Framer(layout="mono"), None
    for frame in frames:
        assert frame.pts is not None
        assert frame.time_base is not None
        if frame.sample_rate == 48_000:
            at, part = frame.pts, joined([frame])
            heard[at : at + len(part)] = part[: max(0, samples - at)]
        else:
            first = frame.pts * frame.time_base if first is None else first
            for part_frame in framer.push(frame):
                at = (part_frame.pts or 0) + round(float(first) * 48_000)
                heard[at : at + 960] = joined([part_frame])[: max(0, samples - at)]
    return heard


def round_trip(
    name: str, sent: Signal, parameters: Mapping[str, str] | None = None, *, lost: Iterable[int] = ()
) -> tuple[list[Payload], Signal]:
    payloads = encode(make_encoder(name, parameters), cut(sent.astype(np.int16)))
    arrived = [payload for number, payload in enumerate(payloads) if number not in set(lost)]
    return payloads, on_time(decode(make_decoder(name), arrived), len(sent))


@pytest.mark.usefixtures("backend")
def test_opus_there_and_back(speech: Signal) -> None:
    payloads, heard = round_trip("opus", speech)
    assert [timestamp for _, timestamp in payloads] == [960 * n for n in range(200)]
    assert all(payload[0] & 4 == 0 for payload, _ in payloads), "mono must be encoded as mono"
    lag, alike = likeness(speech, heard)
    assert 0.005 < lag < 0.008
    assert alike > 0.95  # 0.91 with the library's settings for VoIP


@pytest.mark.parametrize(("name", "least"), [("G722", 0.995), ("PCMU", 0.98), ("PCMA", 0.98), ("pcmu", 0.98)])
def test_the_old_codecs_there_and_back(speech: Signal, name: str, least: float) -> None:
    payloads, heard = round_trip(name, speech)
    assert {len(payload) for payload, _ in payloads} == {160}
    assert [timestamp for _, timestamp in payloads] == [160 * n for n in range(200)]
    lag, alike = likeness(speech, heard)
    assert 0 < lag < 0.005
    assert alike > least


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("asked", "expected"), [({"stereo": "1"}, "stereo"), ({}, "mono"), ({"stereo": "0"}, "mono")])
def test_stereo_is_sent_to_those_who_ask_for_it(asked: dict[str, str], expected: str) -> None:
    left, right = sine(440, 1.0), sine(1000, 1.0)
    frames = cut(np.stack([left, right], axis=1).reshape(-1), layout="stereo")
    payloads = encode(make_encoder("opus", asked), frames)
    assert {bool(payload[0] & 4) for payload, _ in payloads} == {expected == "stereo"}
    heard = decode(make_decoder("opus", asked), payloads)
    assert {frame.layout.name for frame in heard} == {expected}
    if expected == "stereo":
        assert pitch(joined(heard, channel=0)) == pytest.approx(440, abs=2)
        assert pitch(joined(heard, channel=1)) == pytest.approx(1000, abs=2)


@pytest.mark.usefixtures("backend")
def test_mono_and_stereo_may_take_turns() -> None:
    encoder = make_encoder("opus", {"stereo": "true"})
    stereo = np.repeat(sine(440, 0.2), 2)
    frames = [
        *cut(sine(440, 0.2)),
        *cut(stereo, layout="stereo", start=9600),
        *cut(sine(440, 0.2), start=19_200),
    ]
    payloads = encode(encoder, frames)
    assert [bool(payload[0] & 4) for payload, _ in payloads] == [False] * 10 + [True] * 10 + [False] * 10
    assert [timestamp for _, timestamp in payloads] == [960 * n for n in range(30)]


def bits_per_second(payloads: list[Payload]) -> float:
    return sum(len(payload) for payload, _ in payloads) * 8 / (len(payloads) * 0.02)


@pytest.mark.usefixtures("backend")
def test_the_receivers_bit_rate_holds(speech: Signal) -> None:
    usual, _ = round_trip("opus", speech)
    less, heard = round_trip("opus", speech, {"maxaveragebitrate": "12000"})
    assert 20_000 < bits_per_second(usual) < 36_000
    assert bits_per_second(less) < 14_000
    assert likeness(speech, heard)[1] > 0.8
    constant, _ = round_trip("opus", speech, {"cbr": "1"})
    assert {len(payload) for payload, _ in constant} == {80}


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("heard", "limit"), [(8_000, 4_000), (16_000, 8_000), (20_000, 8_000), (24_000, 12_000)])
def test_nothing_is_sent_that_cannot_be_heard(heard: int, limit: int) -> None:
    noise = np.random.default_rng(2).normal(0, 5000, 48_000)
    _, signal = round_trip("opus", noise, {"maxplaybackrate": str(heard), "maxaveragebitrate": "64000"})
    spectrum = np.abs(np.fft.rfft(signal)) ** 2
    above = spectrum[round(limit * 1.2) :].sum() / spectrum.sum()
    assert above < 0.01
    _, everything = round_trip("opus", noise)
    spectrum = np.abs(np.fft.rfft(everything)) ** 2
    assert spectrum[round(limit * 1.2) :].sum() / spectrum.sum() > 0.05


def pause(speech: Signal) -> Signal:
    """One second of speech, two of almost silence, one of speech."""
    hiss = np.random.default_rng(1).normal(0, 2, 96_000)
    return np.concatenate([speech[:48_000], hiss, speech[48_000:96_000]])


def test_nothing_is_sent_in_a_pause_to_those_who_ask_for_it(speech: Signal) -> None:
    sent = pause(speech)
    always, _ = round_trip("opus", sent)
    payloads, heard = round_trip("opus", sent, {"usedtx": "1"})
    assert len(always) == 200
    assert 100 < len(payloads) < 140
    # Timestamps go on in the pause (RFC 7587 section 4.1), and one small packet says that it begins.
    assert all(timestamp % 960 == 0 for _, timestamp in payloads)
    assert payloads[-1][1] == 199 * 960
    small = [number for number, (payload, _) in enumerate(payloads) if len(payload) <= 2]
    assert small
    assert all(after - before > 1 for before, after in zip(small, small[1:], strict=False))
    assert likeness(sent, heard)[1] > 0.9


def test_the_decoder_fills_a_pause_with_quiet_and_speech_follows_at_its_time(speech: Signal) -> None:
    sent = pause(speech)
    payloads = encode(make_encoder("opus", {"usedtx": "1"}), cut(sent.astype(np.int16)))
    frames = decode(make_decoder("opus"), payloads)
    times = [frame.pts or 0 for frame in frames]
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert set(gaps) == {960}
    assert np.abs(joined(frames)[80_000:140_000]).max() < 200


def test_without_the_library_a_pause_is_sent_as_it_is(speech: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libopus, "load", lambda: None)
    payloads, _ = round_trip("opus", pause(speech), {"usedtx": "1"})
    assert len(payloads) == 200


def losses(count: int, percent: int) -> list[int]:
    return [n for n in range(5, count) if random.Random(n * 7919).random() * 100 < percent]


def test_error_correction_is_in_the_packets_and_is_used(speech: Signal, backend: str) -> None:
    lost = losses(200, 10)
    assert len(lost) > 10
    plain, without = round_trip("opus", speech, lost=lost)
    corrected, repaired = round_trip("opus", speech, {"useinbandfec": "1"}, lost=lost)
    assert [payload for payload, _ in plain] != [payload for payload, _ in corrected]
    poor, good = likeness(speech, without)[1], likeness(speech, repaired)[1]
    if backend == "libopus":
        assert good > poor + 0.05
    assert poor > 0.5


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("lost", [[50], [50, 51, 52], [50, 53]])
def test_a_loss_leaves_no_hole(lost: list[int]) -> None:
    tone = sine(300, 2.0).astype(float)
    _, heard = round_trip("opus", tone, lost=lost)
    quietest = min(np.abs(heard[at : at + 480]).max() for at in range(960, len(heard) - 960, 480))
    assert quietest > 500


@pytest.mark.usefixtures("backend")
def test_a_long_loss_is_a_gap_in_time() -> None:
    payloads = encode(make_encoder("opus"), cut(sine(300, 2.0)))
    frames = decode(make_decoder("opus"), payloads[:20] + payloads[60:])
    assert [frame.pts for frame in frames] == [960 * n for n in [*range(20), *range(60, 100)]]


@pytest.mark.usefixtures("backend")
def test_late_and_doubled_packets_are_left_out() -> None:
    payloads = encode(make_encoder("opus"), cut(sine(300, 0.2)))
    frames = decode(make_decoder("opus"), [*payloads[:5], payloads[3], payloads[4], *payloads[5:]])
    assert [frame.pts for frame in frames] == [960 * n for n in range(10)]


@pytest.mark.usefixtures("backend")
def test_timestamps_wrap_around() -> None:
    payloads = encode(make_encoder("opus"), cut(sine(300, 0.4)))
    shifted = [(payload, (timestamp + 2**32 - 9600) % 2**32) for payload, timestamp in payloads]
    frames = decode(make_decoder("opus"), shifted[:9] + shifted[12:])
    assert len(frames) == 20
    assert np.abs(joined(frames)[960:]).reshape(-1, 480).max(axis=1).min() > 500


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("nonsense", [b"", b"\x03", b"\xff" * 5000, b"\x03\xff\xff", b"\x0b" + bytes(10)])
def test_what_is_no_opus_counts_as_lost(nonsense: bytes) -> None:
    decoder = make_decoder("opus")
    assert decode(decoder, [(nonsense, 0)]) == []
    payloads = encode(make_encoder("opus"), cut(sine(300, 0.2)))
    bad = [*payloads[:5], (nonsense, payloads[5][1]), *payloads[6:]]
    frames = decode(make_decoder("opus"), bad)
    assert [frame.pts for frame in frames] == [960 * n for n in range(10)]


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 2**32 - 1)), max_size=8))
def test_no_packet_breaks_the_decoders(payloads: list[Payload]) -> None:
    for restorer in (libopus.make_restorer("mono"), libopus.FFmpegRestorer("mono")):
        decoder = OpusDecoder()
        decoder._restorer = restorer
        for payload, timestamp in payloads:
            heard = decoder.decode(JitterFrame(data=payload, timestamp=timestamp))
            assert sum(frame.samples for frame in heard if isinstance(frame, AudioFrame)) <= 48_000
    for name in ("G722", "PCMU", "PCMA"):
        plain = make_decoder(name)
        for payload, timestamp in payloads:
            assert len(plain.decode(JitterFrame(data=payload, timestamp=timestamp))) == (len(payload) > 0)


@pytest.mark.parametrize("name", ["opus", "G722", "PCMA"])
def test_a_gap_in_the_input_is_a_gap_in_the_timestamps(name: str) -> None:
    clock = 48_000 if name == "opus" else 8_000
    encoder = make_encoder(name)
    frames = [*cut(sine(440, 0.1), start=4800), *cut(sine(440, 0.1), start=4800 + 48_000)]
    timestamps = [timestamp for _, timestamp in encode(encoder, frames)]
    assert timestamps == [round(clock * at) for at in (0, 0.02, 0.04, 0.06, 0.08, 1.0, 1.02, 1.04, 1.06, 1.08)]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(("rate", "size"), [(8_000, 160), (16_000, 320), (44_100, 882), (96_000, 1920)])
def test_frames_of_any_rate_are_encoded(rate: int, size: int) -> None:
    payloads = encode(make_encoder("opus"), cut(sine(440, 1.0, rate=rate), rate=rate, size=size))
    assert len(payloads) == 50
    assert pitch(joined(decode(make_decoder("opus"), payloads))) == pytest.approx(440, abs=2)


def test_long_frames_become_several_packets() -> None:
    packets, timestamp = make_encoder("opus").encode(audio_frame(sine(440, 0.1), pts=0))
    assert (len(packets), timestamp) == (5, 0)


def test_what_cannot_be_encoded() -> None:
    with pytest.raises(MediaError, match="VideoFrame"):
        make_encoder("opus").encode(VideoFrame(64, 48, "yuv420p"))
    for make in (make_encoder, make_decoder):
        with pytest.raises(MediaError, match="speex"):
            make("speex")


@pytest.mark.parametrize("name", ["opus", "PCMU", "G722"])
def test_packets_that_are_encoded_already_keep_their_time(name: str) -> None:
    packet = Packet(b"abc")
    packet.pts, packet.time_base = 960, Fraction(1, 48_000)
    assert make_encoder(name).pack(packet) == ([b"abc"], 960 if name == "opus" else 160)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, libopus.Settings(bit_rate=32_000)),
        ({"maxaveragebitrate": "1"}, libopus.Settings(bit_rate=6_000)),
        ({"maxaveragebitrate": "-5", "maxplaybackrate": "many"}, libopus.Settings(bit_rate=32_000)),
        ({"maxaveragebitrate": "9" * 5000}, libopus.Settings(bit_rate=32_000)),
        ({"maxplaybackrate": "1"}, libopus.Settings(bit_rate=32_000, max_rate=8_000)),
        ({"maxplaybackrate": "44100"}, libopus.Settings(bit_rate=32_000, max_rate=24_000)),
        ({"useinbandfec": "true"}, libopus.Settings(bit_rate=32_000, fec=True, packet_loss=10)),
        ({"usedtx": " 1 ", "cbr": "1"}, libopus.Settings(bit_rate=32_000, dtx=True, is_constant=True)),
        ({"usedtx": "yes please"}, libopus.Settings(bit_rate=32_000)),
    ],
)
def test_what_the_peer_asks_for(parameters: dict[str, str], expected: libopus.Settings) -> None:
    assert OpusEncoder(parameters).settings("mono") == expected


def test_stereo_gets_twice_the_bits() -> None:
    assert OpusEncoder({}).settings("stereo").bit_rate == 64_000
    assert OpusEncoder({}, bit_rate=20_000).settings("stereo").bit_rate == 20_000


@pytest.mark.usefixtures("backend")
def test_loss_can_be_reported_at_any_time(speech: Signal) -> None:
    frames = cut(speech.astype(np.int16))[:100]
    encoder = OpusEncoder({"useinbandfec": "1"}, packet_loss=0)
    encoder.expect_loss(1000)
    payloads = encode(encoder, frames[:50])
    encoder.expect_loss(0)
    payloads += encode(encoder, frames[50:])
    assert len(payloads) == 100
    deaf = OpusEncoder({})
    deaf.expect_loss(50)
    assert deaf.settings("mono").packet_loss == 0


def nothing_found() -> Iterator[str]:
    yield from ()


def test_a_machine_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    libopus.load.cache_clear()
    try:
        monkeypatch.setattr("jingle.media.libopus.Path.glob", lambda *_: nothing_found())
        monkeypatch.setattr("ctypes.util.find_library", lambda _: "libc.so.6")
        assert libopus.load() is None
    finally:
        libopus.load.cache_clear()
