"""Sources that are computed: a tone, and silence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from av.audio.frame import AudioFrame

from ..errors import MediaError
from .base import Source, SourceTrack
from .framing import FRAME_SIZE, SAMPLE_RATE, Samples, audio_frame
from .pacing import Pacer
from .playhead import Playhead


class ComputedTrack(SourceTrack):
    """Sound that a function computes: the samples of the frame that starts so many samples after the beginning."""

    def __init__(
        self, source: Source, compute: Callable[[int], Samples], pacer: Pacer, playhead: Playhead | None = None
    ) -> None:
        super().__init__(source, kind="audio", playhead=playhead)
        self._compute = compute
        self._pacer = pacer
        self._position: int | None = None

    async def _next(self) -> AudioFrame:
        if self._position is None:
            self._position = self._pacer.join() * FRAME_SIZE
        await self._pacer.wait()
        frame = audio_frame(self._compute(self._position), pts=self._position)
        self._position += FRAME_SIZE
        return frame


class _Computed(Source):
    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Return a new track that starts now; it never ends by itself."""
        return ComputedTrack(self, self.samples, pacer or Pacer())

    def samples(self, position: int) -> Samples:
        """The samples of the frame that starts `position` samples after the beginning."""
        raise NotImplementedError


class Tone(_Computed):
    """A sine tone, mono, that goes on until the call ends.

    Args:
        hertz: The pitch, between 1 and 20000.
        level: The amplitude as a part of full scale, between 0 and 1.

    Raises:
        MediaError: A value is out of range.
    """

    def __init__(self, hertz: float = 440, *, level: float = 0.25) -> None:
        if not 1 <= hertz <= 20_000:
            raise MediaError(f"a tone of {hertz} Hz cannot be heard: choose one from 1 to 20000")
        if not 0 <= level <= 1:
            raise MediaError(f"the level of a tone lies between 0 and 1, not at {level}")
        super().__init__()
        self.hertz = hertz
        self.level = level

    def samples(self, position: int) -> Samples:
        """The samples of the frame that starts `position` samples after the beginning."""
        # Reduced to turns before the sine is taken: after a day, position * 2 pi would have lost its fine digits.
        turns = (np.arange(position, position + FRAME_SIZE) * (self.hertz / SAMPLE_RATE)) % 1.0
        samples: Samples = (np.sin(2 * np.pi * turns) * (self.level * 32767)).round().astype(np.int16)
        return samples


class Silence(_Computed):
    """Digital silence, mono, that goes on until the call ends."""

    def samples(self, position: int) -> Samples:
        """A frame of zeros."""
        return np.zeros(FRAME_SIZE, np.int16)
