"""Where frames come from and go: sources, sinks, devices and the codecs between."""

from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

__all__ = ["AudioFrame", "VideoFrame"]
