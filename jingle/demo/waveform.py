"""Draw recordings one above the other, as a PNG that shows at a glance whether they are the same."""

from __future__ import annotations

from collections.abc import Mapping

import av
import numpy as np
from numpy.typing import NDArray

from .likeness import Samples

Picture = NDArray[np.uint8]

_PAPER, _INK, _FAINT, _AXIS = (255, 255, 255), (60, 66, 74), (232, 235, 239), (150, 157, 166)
_COLOURS = (((150, 190, 245), (31, 98, 200)), ((245, 190, 140), (207, 98, 20)), ((160, 215, 170), (38, 134, 62)))
_MARGIN, _LANE, _LABEL, _FOOT, _SCALE = 24, 170, 26, 44, 3

# Three columns by five rows: each octal digit is a row.
_FONT = dict(
    zip("0123456789", "75557 26227 71747 71717 55711 74717 74757 71122 75757 75717".split(), strict=True),
) | dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ .,:-+%/=()",
        (
            "25755 65656 34443 65556 74647 74644 34553 55755 72227 11152 55655 44447 57755 57775 25552 65644 25573"
            " 65655 34216 72222 55557 55552 55775 55255 55222 71247 00000 00002 00024 02020 00700 02720 51245 11244"
            " 07070 12221 42224"
        ).split(),
        strict=True,
    )
)


def draw_waveforms(traces: Mapping[str, Samples], rate: int, *, width: int = 1200) -> bytes:
    """Draw each recording in a lane of its own over one time axis; returns the bytes of a PNG.

    All lanes have one scale, so that a recording that is quieter looks quieter. The dark core of a wave is its
    loudness, the light edge its peaks.

    Args:
        traces: Recordings by label, top to bottom: samples, or samples by channels.
        rate: Samples per second of all of them.
        width: Pixels.
    """
    waves = {label: _wave(samples) for label, samples in traces.items()}
    seconds = max((len(wave) for wave in waves.values()), default=0) / rate
    peak = max((float(np.abs(wave).max(initial=0.0)) for wave in waves.values()), default=0.0)
    picture = np.full((_MARGIN + _LANE * len(waves) + _FOOT, width, 3), _PAPER, np.uint8)
    _draw_axis(picture, seconds)
    for lane, (label, wave) in enumerate(waves.items()):
        top = _MARGIN + lane * _LANE
        area = picture[top + _LABEL : top + _LANE, _MARGIN:-_MARGIN]
        _draw_wave(area, wave, seconds * rate, peak, _COLOURS[lane % 3])
        _write(picture, label.upper(), _MARGIN + 8, top + 6, _INK)
    return _png(picture)


def _wave(samples: Samples) -> NDArray[np.float64]:
    values = np.asarray(samples, dtype=np.float64)
    return values.mean(axis=1) if values.ndim == 2 else values


def _draw_wave(
    area: Picture,
    wave: NDArray[np.float64],
    samples: float,
    peak: float,
    colours: tuple[tuple[int, int, int], tuple[int, int, int]],
) -> None:
    """For each column, what of the wave falls into it: from lowest to highest, and as far as it is loud."""
    height, width, _ = area.shape
    middle, reach = height // 2, height / 2 - 10
    area[middle] = _FAINT
    edges = np.linspace(0, samples, width + 1).astype(int)
    for x, (begin, end) in enumerate(zip(edges, edges[1:], strict=False)):
        column = wave[begin : max(end, begin + 1)]
        if not len(column) or not peak:
            continue
        low, high, loud = (v / peak * reach for v in (column.min(), column.max(), np.sqrt((column**2).mean())))
        area[round(middle - high) : round(middle - low) + 1, x] = colours[0]
        core = slice(round(middle - min(loud, high)), round(middle + min(loud, -low)) + 1)
        area[core, x] = colours[1]


def _draw_axis(picture: Picture, seconds: float) -> None:
    width, bottom = picture.shape[1], picture.shape[0] - _FOOT
    step = _step(seconds, (width - 2 * _MARGIN) / 120)
    picture[bottom, _MARGIN:-_MARGIN] = _AXIS
    for number in range(int(seconds / step + 1e-9) + 1 if seconds else 0):
        x = _MARGIN + min(round(number * step / seconds * (width - 2 * _MARGIN)), width - 2 * _MARGIN - 1)
        picture[_MARGIN:bottom, x] = _FAINT
        picture[bottom : bottom + 6, x] = _AXIS
        text = f"{number * step:g} S"
        _write(picture, text, min(x - _measure(text) // 2, width - _measure(text) - 4), bottom + 14, _INK)


def _step(seconds: float, most: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that gives no more than `most` marks."""
    wanted = max(seconds / most, 1e-3)
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * 0.999))


def _measure(text: str) -> int:
    return len(text) * 4 * _SCALE


def _write(picture: Picture, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    """Write in capitals; what the font does not have stays blank, what does not fit is cut off."""
    for index, character in enumerate(text):
        rows = [int(digit) for digit in _FONT.get(character, "00000")]
        glyph = np.array([[row >> 2 & 1, row >> 1 & 1, row & 1] for row in rows], dtype=bool)
        glyph = glyph.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
        left = max(0, x) + index * 4 * _SCALE
        area = picture[y : y + glyph.shape[0], left : left + glyph.shape[1]]
        area[glyph[: area.shape[0], : area.shape[1]]] = colour


def _png(picture: Picture) -> bytes:
    height, width, _ = picture.shape
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "rgb24"
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
