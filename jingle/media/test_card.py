"""A test card with a running clock, which flashes while its sound beeps: a look tells whether a call is right."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import numpy as np
from av.video.frame import VideoFrame

from ..errors import MediaError
from .base import Kind, Source, SourceTrack
from .framing import FRAME_SIZE, SAMPLE_RATE, Samples
from .pacing import InStepPacer, Pacer
from .planes import BLACK, Planes, black, colours, planar
from .playhead import Playhead, Playheads
from .synthetic import ComputedTrack
from .video_codecs import TICK, VIDEO_CLOCK

FLASH = 0.1
"""Seconds of each flash and each beep, which come with each whole second but the first."""

BEEP, LOUDNESS = 1000.0, 8000
"""Hz, and the amplitude of 32767."""

BARS = ((235, 128, 128), (210, 16, 146), (170, 166, 16), (145, 54, 34), (106, 202, 222), (81, 90, 240), (41, 240, 110))
"""White, yellow, cyan, green, magenta, red, blue: brightness and the two differences of colour (BT.601)."""

GREY, WHITE = 110, 235

SEGMENTS = {
    # Bits of the lines of a digit, five high and three wide, the top one first.
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 2, 2, 2),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
    ":": (0, 2, 0, 2, 0),
    ".": (0, 0, 0, 0, 2),
}


class TestCard(Source):
    """Colour bars with a running clock and a bar that moves; the field in the middle flashes with each second.

    As a source of sound it beeps while the picture flashes: `me.call(to, audio=card, video=card)`.

    Args:
        width: Even, at least 160.
        height: Even, at least 120.
        rate: Pictures a second, at most 30.

    Raises:
        MediaError: A value is out of range.
    """

    __test__ = False  # no class of tests
    kind: Kind = "video"

    def __init__(self, width: int = 640, height: int = 480, *, rate: int = 25) -> None:
        if not (160 <= width <= 4096 and 120 <= height <= 2160 and width % 2 == height % 2 == 0):
            raise MediaError(f"a test card of {width}x{height} cannot be drawn: choose even numbers from 160x120")
        if not 1 <= rate <= 30:
            raise MediaError(f"a test card has 1 to 30 pictures a second, not {rate}")
        super().__init__()
        self.width, self.height, self.rate = width, height, rate
        self._playheads = Playheads()
        self._card = _draw_card(width, height)

    def part(self, kind: Kind, group: Hashable = None) -> Source:
        """Return its pictures or its beeps; parts of the same group are in step."""
        return _CardPart(self, kind, self._playheads.of(group))

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Return a track of its pictures, which never ends by itself."""
        return _CardTrack(self, Playhead())

    def likeness(self, frame: VideoFrame) -> float:
        """How alike a picture is to this card, from 0 to 1, which is identical; what moves is left aside."""
        planes = planar(frame, self.width, self.height).to_ndarray().astype(np.int16)
        height = self.height
        bars, ramp = slice(0, height // 4), slice(height * 7 // 8, height)
        differences = [np.abs(planes[rows] - self._card[rows]).mean() for rows in (bars, ramp)]
        differences += [np.abs(planes[height:] - self._card[height:]).mean()]
        return 1 - float(max(differences)) / 128

    def picture(self, seconds: float) -> VideoFrame:
        """The picture at this time after the beginning."""
        planes = self._card.copy()
        width, height = self.width, self.height
        across = round(seconds * width / 4) % (width - width // 16)
        planes[height * 5 // 8 : height * 6 // 8, across : across + width // 16] = WHITE
        if is_flashing(seconds):
            planes[height * 5 // 16 : height * 9 // 16, width // 4 : width * 3 // 4] = WHITE
        minutes, rest = divmod(seconds, 60)
        _write(planes, f"{int(minutes) % 60:02}:{int(rest):02}.{int(rest * 100) % 100:02}", width, height)
        frame = VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = round(seconds * VIDEO_CLOCK), TICK
        return frame


def is_flashing(seconds: float) -> bool:
    """Whether the card flashes and beeps at this time."""
    return seconds >= 1 and seconds % 1 < FLASH - 1e-6


def beeps(position: int) -> Samples:
    """The samples of the frame of sound that starts `position` samples after the beginning."""
    moments = np.arange(position, position + FRAME_SIZE)
    sounding = (moments >= SAMPLE_RATE) & (moments % SAMPLE_RATE < FLASH * SAMPLE_RATE)
    tone = np.sin(2 * np.pi * ((moments * (BEEP / SAMPLE_RATE)) % 1.0)) * LOUDNESS
    samples: Samples = np.where(sounding, tone, 0).round().astype(np.int16)
    return samples


class _CardPart(Source):
    def __init__(self, card: TestCard, kind: Kind, playhead: Playhead) -> None:
        super().__init__()
        self.kind = kind
        self._card, self._playhead = card, playhead

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        if self.kind == "audio":
            return ComputedTrack(self._card, beeps, pacer or InStepPacer(self._playhead), self._playhead)
        return _CardTrack(self._card, self._playhead)


class _CardTrack(SourceTrack):
    def __init__(self, card: TestCard, playhead: Playhead) -> None:
        super().__init__(card, playhead=playhead)
        self._card, self._time = card, playhead
        self._count = -1

    async def _next(self) -> VideoFrame:
        rate = self._card.rate
        # Those that could not be drawn in time are left out.
        count = max(self._count + 1, int(self._time.position() * rate))
        await asyncio.sleep(count / rate - self._time.position())
        self._count = count
        return self._card.picture(count / rate)


def _draw_card(width: int, height: int) -> Planes:
    """The card without what moves: bars above, grey below, as the three planes of yuv420p on top of each other."""
    planes = black(width, height)
    bright = planes[:height]
    bright[:] = GREY
    edges = [round(index * width / len(BARS)) for index in range(len(BARS) + 1)]
    top = height // 4
    for (brightness, *differences), begin, end in zip(BARS, edges, edges[1:], strict=False):
        bright[:top, begin:end] = brightness
        for colour, difference in zip(colours(planes), differences, strict=True):
            colour[: top // 2, begin // 2 : end // 2] = difference
    bright[height * 5 // 16 : height * 9 // 16, width // 4 : width * 3 // 4] = BLACK
    bright[height * 13 // 16 :] = np.linspace(BLACK, WHITE, width).astype(np.uint8)
    return planes


def _write(planes: Planes, text: str, width: int, height: int) -> None:
    """Write digits into the lower middle, each dot a square."""
    dot = max(1, width // 100)
    left = (width - 4 * dot * len(text)) // 2
    top = height * 13 // 16 - 6 * dot
    planes[top - dot : top + 6 * dot, left - dot : left + 4 * dot * len(text)] = BLACK
    for index, digit in enumerate(text):
        for row, bits in enumerate(SEGMENTS[digit]):
            for column in range(3):
                if bits & 4 >> column:
                    y, x = top + row * dot, left + (4 * index + column) * dot
                    planes[y : y + dot, x : x + dot] = WHITE
