"""Recordings as samples, for comparing and drawing them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError

RATE = 16_000
"""Samples per second: enough for speech, and quick to compare."""

SPEECH = Path(__file__).with_name("hello.ogg")
"""Ten seconds of speech; what is spoken, and how it was made, stands beside it in `hello.txt`."""


def read_sound(path: Path, rate: int = RATE) -> NDArray[np.float64]:
    """Read the sound of a file as mono samples between -1 and 1.

    Raises:
        MediaError: There is no sound in it that can be read.
    """
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    parts: list[NDArray[np.float64]] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                parts += [part.to_ndarray()[0].astype(np.float64) for part in resampler.resample(frame)]
        parts += [part.to_ndarray()[0].astype(np.float64) for part in resampler.resample(None)]
    except (av.FFmpegError, OSError, IndexError) as exc:
        raise MediaError(f"cannot read {path}: {exc}") from exc
    return np.concatenate(parts) if parts else np.zeros(0)
