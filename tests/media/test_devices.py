"""Microphones and loudspeakers, against a PortAudio made of Python."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from jingle.errors import MediaError
from jingle.media.devices import MICROPHONE_QUEUE, Microphone, Speaker, find_device, list_devices
from jingle.media.framing import audio_frame

from .fake_portaudio import Stream, fake_library
from .helpers import cut, joined, pitch, play, sine


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = fake_library()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def stream(library: ModuleType) -> Stream:
    opened: list[Stream] = library.RawInputStream.opened
    return opened[-1]


@pytest.mark.usefixtures("library")
def test_devices_are_listed_and_found() -> None:
    devices = list_devices()
    assert [(device.index, device.name) for device in devices] == [(0, "HDA Analog"), (1, "USB Headset"), (2, "HDMI")]
    assert [device.is_default_input for device in devices] == [False, True, False]
    assert find_device(None, "input").name == "USB Headset"
    assert find_device(None, "output").name == "HDA Analog"
    assert find_device("hdmi", "output").index == 2
    assert find_device(0, "input").name == "HDA Analog"
    with pytest.raises(MediaError, match="no microphone 'hdmi'; there are 0: HDA Analog, 1: USB Headset"):
        find_device("hdmi", "input")


def test_no_device(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "query_devices", lambda: [])
    with pytest.raises(MediaError, match="no microphone"):
        Microphone()


@pytest.mark.parametrize("failure", [ImportError("no module"), OSError("PortAudio library not found")])
async def test_no_library(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    class Finder:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "sounddevice":
                raise failure

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(MediaError, match=r"jingle-toolkit\[devices\]|libportaudio2"):
        Microphone()
    with pytest.raises(MediaError, match="sound devices need"):
        await Speaker().open()


@pytest.mark.parametrize(("name", "rate"), [("HDA", 48_000), ("USB", 44_100)])
async def test_a_microphone_is_heard(library: ModuleType, name: str, rate: int) -> None:
    source = Microphone(name)
    await source.open()
    track = source.track()
    card = stream(library)
    assert card.settings | {"samplerate": rate, "channels": 1, "dtype": "int16"} == card.settings
    with pytest.raises(MediaError, match="already"):
        source.track()
    reading = asyncio.create_task(play(track, 45))
    for block in np.split(sine(440, 1, rate=rate), 50):
        card.hear(block)
        await asyncio.sleep(0)
    frames = await asyncio.wait_for(reading, 2)
    assert [frame.pts for frame in frames] == list(range(0, 45 * 960, 960))
    assert pitch(joined(frames)) == pytest.approx(440, abs=3)
    await source.aclose()
    assert not card.is_running


async def test_a_microphone_that_nobody_reads_does_not_lag(library: ModuleType) -> None:
    source = Microphone("HDA")
    track = source.track()
    for number in range(100):
        stream(library).hear(np.full(960, number, np.int16))
    await asyncio.sleep(0)
    assert joined([await track.recv()])[0] == 100 - MICROPHONE_QUEUE
    reading = asyncio.create_task(play(track, 20))
    await asyncio.sleep(0)
    track.stop()
    with pytest.raises((MediaStreamError, AssertionError)):
        await reading
    assert not track.played_out


async def test_a_device_that_does_not_start(library: ModuleType) -> None:
    library.RawInputStream.fails = True
    source = Microphone("HDA")
    with pytest.raises(MediaError, match="HDA Analog cannot be used: Device unavailable"):
        source.track()
    assert not stream(library).is_running
    with pytest.raises(MediaError, match="HDA Analog cannot be used"):
        await Speaker("HDA").open()
    library.RawInputStream.fails = False
    source.track().stop()


def test_a_microphone_outlives_its_loop_without_a_word(library: ModuleType) -> None:
    async def main() -> None:
        Microphone("HDA").track()

    asyncio.run(main())
    stream(library).hear(np.zeros(960, np.int16))


@pytest.mark.parametrize(("name", "rate"), [("HDA", 48_000), ("USB", 44_100)])
async def test_a_speaker_plays(library: ModuleType, name: str, rate: int) -> None:
    speaker = Speaker(name)
    await speaker.open()
    await speaker.open()
    card = stream(library)
    assert not card.pull().any()
    played = []
    for frame in cut(sine(440, 1, rate=16_000), rate=16_000, size=320):
        speaker.write(frame)
        played.append(card.pull())
    signal = np.concatenate(played).astype(float)
    assert pitch(signal[rate // 10 :], rate) == pytest.approx(440, abs=3)
    silent = int(np.argmax(np.abs(signal) > 100)) / rate
    assert 0.03 < silent < 0.09
    await speaker.aclose()
    await speaker.aclose()
    assert not card.is_running
    speaker.write(audio_frame(sine(440, 0.02)))


async def test_a_speaker_that_runs_dry_collects_again(library: ModuleType) -> None:
    speaker = Speaker("HDA")
    await speaker.open()
    frames = cut(np.full(48_000, 500, np.int16))
    for frame in frames[:3]:
        speaker.write(frame)
    heard = [bool(stream(library).pull()[-500:].any()) for _ in range(5)]
    assert heard == [True, True, True, False, False]
    for frame in frames[3:6]:
        speaker.write(frame)
    assert not stream(library).pull().any()
    speaker.write(frames[6])
    assert stream(library).pull()[-500:].all()
    await speaker.aclose()


async def test_a_speaker_does_not_lag(library: ModuleType) -> None:
    speaker = Speaker("HDA")
    await speaker.open()
    for number in range(100):
        speaker.write(audio_frame(np.full(960, number + 1, np.int16)))
    waiting = 0
    while stream(library).pull()[-1]:
        waiting += 1
    assert waiting <= 20
    assert speaker.dropped == pytest.approx((100 - waiting) * 0.02)
    await speaker.aclose()
