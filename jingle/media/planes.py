"""Pictures as planes of yuv420p: black ones, and such as fit into another shape."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Planes = NDArray[np.uint8]
"""The plane of brightness, and under it the two of colour, with two of their rows beside each other in each row."""

BLACK, NO_COLOUR = 16, 128


def black(width: int, height: int) -> Planes:
    """Nothing but black; both numbers are even."""
    planes = np.full((height * 3 // 2, width), NO_COLOUR, np.uint8)
    planes[:height] = BLACK
    return planes


def black_frame(width: int, height: int) -> VideoFrame:
    """A black picture; the size is made even."""
    return VideoFrame.from_ndarray(black(max(2, width // 2 * 2), max(2, height // 2 * 2)), format="yuv420p")


def colours(planes: Planes) -> Planes:
    """The two planes of colour, half as wide and half as high."""
    height = planes.shape[0] * 2 // 3
    return planes[height:].reshape(2, height // 2, planes.shape[1] // 2)


def planar(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """The picture in this size and in yuv420p: one of its own, with times and types that others do not see."""
    scaled = frame.reformat(width, height, "yuv420p")
    return VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p") if scaled is frame else scaled


def fitted(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """A picture of this size, as `planar` gives it; where its shape is another one, between black bars."""
    scale = min(width / frame.width, height / frame.height)
    inner = [max(2, round(length * scale / 2) * 2) for length in (frame.width, frame.height)]
    inner = [min(inner[0], width), min(inner[1], height)]
    small = planar(frame, inner[0], inner[1])
    if inner == [width, height]:
        return small
    planes, content = black(width, height), small.to_ndarray().astype(np.uint8, copy=False)
    left, top = (width - inner[0]) // 4 * 2, (height - inner[1]) // 4 * 2
    planes[top : top + inner[1], left : left + inner[0]] = content[: inner[1]]
    colours(planes)[:, top // 2 : (top + inner[1]) // 2, left // 2 : (left + inner[0]) // 2] = colours(content)
    return VideoFrame.from_ndarray(planes, format="yuv420p")
