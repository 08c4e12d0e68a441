"""Recordings as samples."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from jingle.demo.sound import RATE, SPEECH, read_sound
from jingle.errors import MediaError


def tone(path: Path, *, rate: int, channels: int, seconds: float = 0.5) -> None:
    samples = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.repeat(samples, channels).tobytes())


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 2)])
def test_any_rate_and_channels_become_mono_at_ours(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "tone.wav"
    tone(path, rate=rate, channels=channels)
    samples = read_sound(path)
    assert samples.ndim == 1
    assert abs(len(samples) - RATE / 2) < 0.01 * RATE
    assert 0.2 < np.abs(samples).max() < 0.4  # two channels that say the same are 3 dB louder than one
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(spectrum.argmax() * RATE / len(samples) - 440) < 5


def test_the_speech_that_we_ship() -> None:
    samples = read_sound(SPEECH)
    assert 9 < len(samples) / RATE < 11
    assert np.sqrt(np.mean(samples**2)) > 0.01
    assert SPEECH.with_name("hello.txt").read_text("utf-8").strip()


def test_another_rate(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    tone(path, rate=48000, channels=1)
    assert abs(len(read_sound(path, 8000)) - 4000) < 80


def test_nothing_in_it(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    tone(path, rate=8000, channels=1, seconds=0)
    assert len(read_sound(path)) == 0


@pytest.mark.parametrize("content", [None, b"no sound at all"])
def test_what_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError):
        read_sound(path)
