"""A call from a microphone to a loudspeaker, on a sound card made of Python."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import numpy as np
import pytest

import jingle
from tests.client.conftest import World
from tests.client.test_calls import answering
from tests.media.fake_portaudio import Stream, fake_library
from tests.media.helpers import pitch, sine

BLOCK = 960


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = fake_library()
    monkeypatch.setitem(sys.modules, "sounddevice", found)
    return found


async def card(streams: list[Stream], voice: np.ndarray, heard: list[np.ndarray]) -> None:
    """What the card does: 20 ms into the microphone, 20 ms out of the loudspeaker, at the pace of its clock."""
    loop = asyncio.get_running_loop()
    began, position = loop.time(), 0
    while True:
        for stream in streams:
            if stream.is_running and stream is streams[0]:
                stream.hear(voice[position % len(voice) :][:BLOCK])
            elif stream.is_running:
                heard.append(stream.pull())
        position += BLOCK
        await asyncio.sleep(began + position / 48_000 - loop.time())


async def test_what_is_said_into_one_is_heard_from_the_other(world: World, library: ModuleType) -> None:
    alice, bob = await world.peer("alice"), await world.peer("bob")
    heard: list[np.ndarray] = []
    speaker = jingle.Speaker("HDA")
    async with answering(bob) as answer, alice.call("bob@localhost", audio=jingle.Microphone("HDA")) as call:
        theirs = await answer
        await theirs.audio.add(speaker)
        running = asyncio.ensure_future(card(library.RawInputStream.opened, sine(440, 1), heard))
        await call.wait(2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await theirs.wait(5) is not None
    microphone, loudspeaker = library.RawInputStream.opened
    assert not microphone.is_running
    assert not loudspeaker.is_running
    sound = np.concatenate(heard)
    sounding = sound[np.abs(sound) > 50]
    assert len(sounding) > 24_000
    assert pitch(sound[len(sound) // 2 :].astype(float)) == pytest.approx(440, abs=5)
