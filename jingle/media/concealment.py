"""What is heard where sound is missing: the last moment goes on and fades out, and what follows fades in.

A hole of 20 ms that is filled with zeros clicks twice; one filled with the last period of the voice before it is hardly
noticed. The idea is that of ITU-T G.711 Appendix I; it works on decoded sound, so it serves every codec.
"""

from __future__ import annotations

import math

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from .framing import Layout, audio_frame, channels, natural_layout, samples_of

HISTORY = 0.050
"""Seconds of sound kept to find the period in."""

SHORTEST_PERIOD, LONGEST_PERIOD = 0.0025, 0.015
"""Seconds; voices lie between 66 and 400 Hz."""

COMPARED = 0.010
"""Seconds that are compared to find the period."""

HOLD, FADE = 0.010, 0.050
"""Seconds at full loudness, then to silence: what goes on for longer sounds like a machine."""

CROSSFADE = 0.005
"""Seconds in which the true sound replaces its continuation."""

Signal = NDArray[np.float32]


class Concealer:
    """Fills the gaps of one decoded signal of s16 frames."""

    def __init__(self) -> None:
        self._shape: tuple[int, Layout] | None = None
        self._history: Signal = np.zeros((0, 1), np.float32)
        self._cycle: Signal = np.zeros((1, 1), np.float32)
        self._concealed = 0
        """Samples since the gap began; 0 outside of one."""

    def heard(self, frame: AudioFrame) -> AudioFrame:
        """Take a frame that did arrive and return it, joined softly to a gap before it; its timestamp is kept."""
        shape = (frame.sample_rate, natural_layout(frame))
        if shape != self._shape:
            self._shape = shape
            self._history = np.zeros((0, channels(shape[1])), np.float32)
            self._concealed = 0
        signal = samples_of(frame).reshape(-1, channels(shape[1])).astype(np.float32)
        if self._concealed:
            length = min(len(signal), round(CROSSFADE * frame.sample_rate))
            rise = np.linspace(0, 1, length, dtype=np.float32)[:, None]
            signal[:length] = signal[:length] * rise + self._continue(length) * (1 - rise)
            frame = self._frame(signal, frame.pts)
            self._concealed = 0
        kept = round(HISTORY * frame.sample_rate)
        self._history = np.concatenate([self._history, signal])[-kept:]
        return frame

    def conceal(self, seconds: float) -> AudioFrame | None:
        """Return a frame for a gap, without a timestamp; `None` before anything was heard."""
        if self._shape is None:
            return None
        if not self._concealed:
            self._cycle = self._last_period()
        signal = self._continue(max(1, round(seconds * self._shape[0])))
        self._concealed += len(signal)
        return self._frame(signal, None)

    def _continue(self, length: int) -> Signal:
        """The next samples of the continuation, and how loud they are by then."""
        assert self._shape is not None
        rate = self._shape[0]
        position = np.arange(self._concealed, self._concealed + length)
        loudness = np.clip(1 - (position / rate - HOLD) / FADE, 0, 1).astype(np.float32)
        continued: Signal = self._cycle[position % len(self._cycle)] * loudness[:, None]
        return continued

    def _last_period(self) -> Signal:
        """The end of the history, as long as the lag at which it is most like itself."""
        assert self._shape is not None
        rate = self._shape[0]
        mono = self._history.mean(axis=1)
        compared, shortest, longest = (round(each * rate) for each in (COMPARED, SHORTEST_PERIOD, LONGEST_PERIOD))
        if len(mono) < compared + longest:
            return np.zeros((1, self._history.shape[1]), np.float32)
        past, tail = mono[-(compared + longest) : -shortest], mono[-compared:]
        likeness = np.correlate(past, tail, "valid")
        energy = np.convolve(past * past, np.ones(compared, np.float32), "valid")
        best = int(np.argmax(likeness / np.sqrt(np.maximum(energy, 1))))
        return self._history[-(longest - best) :]

    def _frame(self, signal: Signal, pts: int | None) -> AudioFrame:
        assert self._shape is not None
        rate, layout = self._shape
        return audio_frame(signal.astype(np.int16).reshape(-1), layout, rate=rate, pts=pts)


def audio_level(frame: AudioFrame) -> int:
    """How loud an s16 frame is, in -dBov: 0 for the loudest, 127 for silence (RFC 6464, RFC 6465 appendix A)."""
    samples = samples_of(frame).astype(np.float32)
    power = float(np.dot(samples, samples)) / (max(1, len(samples)) * 32768**2)
    return 127 if power <= 0 else min(127, max(0, round(-10 * math.log10(power))))
