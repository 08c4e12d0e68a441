"""Where frames come from and go: sources, sinks, devices and the codecs between."""

from av.audio.frame import AudioFrame

__all__ = ["AudioFrame"]
