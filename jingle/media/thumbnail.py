"""A picture in small, for whoever is to decide whether to take the large one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from ..errors import MediaError
from .pictures import open_media
from .video_codecs import TICK

MEDIA_TYPE = "image/jpeg"

SIDE = 128
"""Pixels of the longer side (XEP-0264 section 5)."""

LARGEST = 8192
"""Bytes of a thumbnail: it travels in a stanza (XEP-0231 section 5)."""

MOST_PIXELS = 100_000_000
"""Of a picture that is decoded for this; that many take 400 MB."""

QUALITIES = (4, 8, 16, 31)
"""What the encoder may do to a picture, the best first, until it is small enough."""


@dataclass(frozen=True, kw_only=True)
class SmallPicture:
    """A small JPEG picture."""

    data: bytes
    width: int
    height: int


def make_thumbnail(path: Path) -> SmallPicture | None:
    """Make one of a picture; `None` where it is none that can be decoded. Takes its time.

    A picture that a camera has turned is turned back.
    """
    try:
        with open_media(path) as container:
            if not container.streams.video:
                return None
            stream = container.streams.video[0]
            if not 0 < stream.width * stream.height <= MOST_PIXELS:
                return None
            picture = _upright(next(container.decode(stream)))
    except (MediaError, av.FFmpegError, OSError, ValueError, StopIteration):
        return None
    return next((small for quality in QUALITIES if len((small := _encoded(picture, quality)).data) <= LARGEST), None)


def _upright(picture: VideoFrame) -> VideoFrame:
    """The picture in small, the way it is to be seen."""
    scale = min(1.0, SIDE / max(picture.width, picture.height))
    width, height = (max(1, round(side * scale)) for side in (picture.width, picture.height))
    small = picture.reformat(width=width, height=height, format="rgb24")
    if not picture.rotation:
        return small
    turned = np.rot90(small.to_ndarray(), k=picture.rotation // 90).astype(np.uint8)
    return VideoFrame.from_ndarray(np.ascontiguousarray(turned), format="rgb24")


def _encoded(picture: VideoFrame, quality: int) -> SmallPicture:
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "yuvj420p"
    encoder.time_base = TICK
    encoder.qmin = encoder.qmax = quality
    frame = picture.reformat(format="yuvj420p")
    frame.pts = 0
    data = b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
    return SmallPicture(data=data, width=picture.width, height=picture.height)
