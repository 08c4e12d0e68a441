"""Pictures as PNG files."""

from __future__ import annotations

import os
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from ..errors import MediaError
from .video_codecs import TICK


def write_png(frame: VideoFrame, path: str | os.PathLike[str]) -> None:
    """Write a picture, replacing what is there; blocks on the disk.

    Raises:
        MediaError: It cannot be written there.
    """
    target = Path(path)
    try:
        target.write_bytes(png(frame))
    except OSError as error:
        raise MediaError(f"cannot write {target}: {error.strerror or error}") from error


def png(frame: VideoFrame) -> bytes:
    """A picture as the content of a PNG file."""
    picture = frame.reformat(format="rgb24")
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, "rgb24"
    encoder.time_base = TICK
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))
