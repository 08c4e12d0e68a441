"""Video encoders and decoders: VP8 (RFC 6386) and H.264 constrained baseline, set up for conversations.

A picture of 640x480 takes some 4 ms to encode and 1 ms to decode: both are meant for a thread (`Worker`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import ParamSpec, Protocol, TypeVar

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from ..errors import MediaError
from .planes import planar

logger = logging.getLogger(__name__)

VIDEO_CLOCK = 90_000
"""Units of a second in the timestamps of video (RFC 3551 section 5)."""

TICK = Fraction(1, VIDEO_CLOCK)

MAX_WIDTH, MAX_HEIGHT = 1280, 720
"""What is larger is sent smaller: it is all that level 3.1 of H.264 allows, and more than one core encodes in time."""

MAX_DECODED = 4096 * 2304
"""Pixels of a picture of the peer's; one that is larger is damaged, or meant to fill the memory."""

MIN_BIT_RATE, DEFAULT_BIT_RATE, MAX_BIT_RATE = 50_000, 1_500_000, 4_000_000

STEP = 0.15
"""By how much the bit rate has to change before the encoder follows: VP8 begins anew for it, with a whole picture."""

FASTEST = 30
"""Pictures a second that the rate control reckons with at most."""

P = ParamSpec("P")
R = TypeVar("R")


class Worker(Protocol):
    """Where the work on pictures is done."""

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do it, and return what comes out."""
        ...

    def close(self) -> None:
        """Take no more work; what is under way is finished."""
        ...


class Thread:
    """A `Worker` of one thread of its own: the work of one stream is done in order, and waits for no other's."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "jingle-video")

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do it in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """End the thread once it has finished what it does."""
        self._executor.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded picture."""

    data: bytes
    width: int
    height: int


class VideoEncoder:
    """Encodes pictures one after the other, each at once.

    Attributes:
        bit_rate: Bits per second to aim at; may be set at any time.
    """

    def __init__(self, settings: Callable[[VideoCodecContext, int], None], codec: str) -> None:
        self.bit_rate = DEFAULT_BIT_RATE
        self._apply, self._name = settings, codec
        self._codec: VideoCodecContext | None = None
        self._last = -1

    def encode(self, frame: VideoFrame, moment: float, *, keyframe: bool = False) -> Encoded | None:
        """Return the picture encoded; `None` where the encoder leaves it out to keep its bit rate.

        Args:
            frame: Of any format; what is larger than 1280x720 becomes smaller.
            moment: When it was captured, in seconds.
            keyframe: Whether it must build on no other.

        Raises:
            MediaError: It cannot be encoded.
        """
        width, height = fitting(frame.width, frame.height)
        try:
            picture = planar(frame, width, height)
            codec = self._ready(width, height)
            # Where it came from a file it says how it was encoded there, and the encoder would follow.
            picture.pict_type = PictureType.I if keyframe else PictureType.NONE
            self._last = picture.pts = max(self._last + 1, round(moment * VIDEO_CLOCK))
            picture.time_base = TICK
            data = b"".join(bytes(packet) for packet in codec.encode(picture))
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"a picture of {frame.width}x{frame.height} cannot be encoded: {error}") from error
        return Encoded(data, width, height) if data else None

    def _ready(self, width: int, height: int) -> VideoCodecContext:
        wanted = min(max(self.bit_rate, MIN_BIT_RATE), MAX_BIT_RATE)
        current = self._codec
        if current is not None and (current.width, current.height) == (width, height):
            assert current.bit_rate is not None
            if abs(wanted - current.bit_rate) <= STEP * current.bit_rate:
                return current
        codec = av.CodecContext.create(self._name, "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base, codec.framerate = TICK, Fraction(FASTEST)
        codec.bit_rate = wanted
        # One thread for each call: on a machine with several, they are better used by several calls.
        codec.thread_count = 1
        codec.gop_size = 3000  # whole pictures come when they are asked for
        self._apply(codec, wanted)
        self._codec = codec
        return codec


def fitting(width: int, height: int) -> tuple[int, int]:
    """The size to send a picture in: of the same shape, even, and no larger than 1280x720 (or 720x1280)."""
    most = (MAX_WIDTH, MAX_HEIGHT) if width >= height else (MAX_HEIGHT, MAX_WIDTH)
    scale = min(1.0, most[0] / width, most[1] / height)
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


def _vp8(codec: VideoCodecContext, bit_rate: int) -> None:
    codec.qmin, codec.qmax = 2, 56
    codec.options = {
        "deadline": "realtime",
        "cpu-used": "-8",
        "lag-in-frames": "0",
        "static-thresh": "1",
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        # A constant rate, whose buffer is a second: a whole picture must not take the room of the next ones.
        "minrate": str(bit_rate),
        "maxrate": str(bit_rate),
        "bufsize": str(bit_rate),
    }


def _h264(codec: VideoCodecContext, bit_rate: int) -> None:
    codec.profile = "Baseline"
    codec.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "level": "31",
        # Whoever asks for a whole picture must be able to begin with it, and a mere I picture does not say so.
        "forced-idr": "1",
        "maxrate": str(bit_rate),
        "bufsize": str(bit_rate),
    }


class VideoDecoder:
    """Decodes the pictures of one stream.

    Args:
        codec: FFmpeg's name of the codec.
    """

    def __init__(self, codec: str) -> None:
        decoder = av.CodecContext.create(codec, "r")
        assert isinstance(decoder, VideoCodecContext)
        # Several threads would each hold a picture back.
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(MAX_DECODED), "flags": "low_delay"}
        self._decoder = decoder

    def decode(self, data: bytes, pts: int) -> list[VideoFrame]:
        """Return the pictures, in most cases one, with `pts` in units of 1/90000 s.

        Raises:
            MediaError: It is damaged, or builds on one that did not come.
        """
        packet = Packet(data)
        packet.pts = packet.dts = pts
        packet.time_base = TICK
        try:
            frames = self._decoder.decode(packet)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise MediaError(f"a picture cannot be decoded: {error}") from error
        for frame in frames:
            frame.time_base = TICK
        return frames


ENCODERS = {"vp8": (_vp8, "libvpx"), "h264": (_h264, "libx264")}
DECODERS = {"vp8": "vp8", "h264": "h264"}


def make_video_encoder(name: str) -> VideoEncoder:
    """Return an encoder.

    Args:
        name: `VP8` or `H264`, in upper or lower case.

    Raises:
        MediaError: There is no such codec.
    """
    if name.lower() not in ENCODERS:
        raise MediaError(f"no encoder for {name}")
    return VideoEncoder(*ENCODERS[name.lower()])


def make_video_decoder(name: str) -> VideoDecoder:
    """Return a decoder.

    Args:
        name: `VP8` or `H264`, in upper or lower case.

    Raises:
        MediaError: There is no such codec.
    """
    if name.lower() not in DECODERS:
        raise MediaError(f"no decoder for {name}")
    return VideoDecoder(DECODERS[name.lower()])
