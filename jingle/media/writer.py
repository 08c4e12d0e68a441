"""The file that a recording is written into, sound and pictures in step; everything here blocks."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO, RawIOBase

import av
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from .base import Frame, Kind
from .framing import FRAME_SIZE, SAMPLE_RATE, Framer, Layout, channels, natural_layout, silent_frame
from .planes import black_frame, fitted
from .timeline import Timeline
from .video_codecs import TICK, VIDEO_CLOCK

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Container:
    """A format of files, in FFmpeg's names."""

    name: str
    audio: str
    """The codec of the sound."""

    video: str | None = None
    """The codec of the pictures, where it holds any."""


CONTAINERS = {
    ".wav": Container(name="wav", audio="pcm_s16le"),
    ".ogg": Container(name="ogg", audio="libopus"),
    ".webm": Container(name="webm", audio="libopus", video="libvpx"),
    ".mkv": Container(name="matroska", audio="libopus", video="libx264"),
    # Opus in MP4 is allowed but few players know it.
    ".mp4": Container(name="mp4", audio="aac", video="libx264"),
}

BIT_RATE = 64_000
"""Bits per second and channel in a compressed recording: more than a call carries, so that nothing is lost twice."""

PATIENCE = 3.0
"""Seconds that the first frame of one medium waits for that of the other: the file has to say at its beginning what is
in it, the size of the pictures included."""

MOST_HELD = 100_000_000
"""Bytes of pictures that wait so at most: whoever shows large ones and says nothing must not fill the memory."""

USUAL_SIZE = (640, 480)
"""Of the pictures in a recording of a call that had none for so long; those that come later are fitted in."""

KEY_INTERVAL = 60
"""Pictures from one that a player can jump to, to the next."""

VIDEO_OPTIONS = {
    "libx264": {"preset": "veryfast", "crf": "23", "tune": "zerolatency"},
    "libvpx": {"deadline": "realtime", "cpu-used": "-8", "crf": "10", "lag-in-frames": "0"},
}

VIDEO_BIT_RATE = 4_000_000
"""Bits per second at most, where the codec wants to know."""


Unbuffered = RawIOBase | BytesIO


class _Whole:
    """A file as FFmpeg wants it: what is written is written wholly, or that very call fails.

    FFmpeg buffers by itself. A buffer of Python's would fail late, when it is flushed by a seek, where PyAV can only
    print the error.

    Args:
        file: Opened without a buffer.
    """

    def __init__(self, file: Unbuffered) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def write(self, data: bytes) -> int:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) or 0 :]
        return len(data)


class FileWriter:
    """A file and what is in it.

    Args:
        file: Where to write, without a buffer.
        container: Its format.
        media: What there will be; nothing else is taken.
        timeline: Where each frame goes.
    """

    def __init__(self, file: Unbuffered, container: Container, media: Collection[Kind], timeline: Timeline) -> None:
        self._file = file
        self._timeline = timeline
        self._format, self._media = container, set(media)
        # RF64: a WAV header counts to 4 GB only, which is half a day.
        options = {"rf64": "auto"} if container.name == "wav" else {}
        self._container = av.open(_Whole(file), "w", format=container.name, container_options=options)
        self._held: list[tuple[Frame, float]] | None = []
        """What came before all media were there; `None` from then on."""

        self._bytes_held = 0

        self._sound: AudioStream | None = None
        self._pictures: VideoStream | None = None
        self._framer = Framer()
        self._last = -1

    def write(self, frame: Frame, now: float) -> None:
        """Write a frame that came at `now`, by the clock on the wall."""
        if self._held is None:
            self._write(frame, now)
            return
        self._held.append((frame, now))
        if isinstance(frame, VideoFrame):
            self._bytes_held += frame.width * frame.height * 3 // 2
        found = {_kind(each) for each, _ in self._held}
        if found >= self._media or now - self._held[0][1] > PATIENCE or self._bytes_held > MOST_HELD:
            self._begin()

    def close(self) -> None:
        """Complete the file."""
        if self._held is not None:
            # Without any picture until now there will be none.
            self._media = self._media & ({_kind(each) for each, _ in self._held} | {"audio"}) or self._media
            self._begin()
        if self._sound is not None:
            for part in self._framer.flush():
                self._container.mux(self._sound.encode(part))
            self._container.mux(self._sound.encode(None))
        if self._pictures is not None:
            self._container.mux(self._pictures.encode(None))
        self._container.close()
        self._file.close()

    def abandon(self) -> None:
        """Complete what can be completed after an error, which has been reported."""
        for close in (self._container.close, self._file.close):
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                close()

    # The beginning

    def _begin(self) -> None:
        held, self._held = self._held or [], None
        sound = next((frame for frame, _ in held if isinstance(frame, AudioFrame)), None)
        picture = next((frame for frame, _ in held if isinstance(frame, VideoFrame)), None)
        if "audio" in self._media:
            self._add_sound("mono" if sound is None else natural_layout(sound))
        if "video" in self._media:
            self._add_pictures(*(USUAL_SIZE if picture is None else (picture.width, picture.height)))
        self._container.start_encoding()
        if self._sound is not None:
            self._framer.size = self._sound.codec_context.frame_size or FRAME_SIZE
        if not held and self._sound is not None:
            # A call in which nothing was heard leaves a moment of silence: without any, some containers are not valid.
            self._framer.push(silent_frame(samples=1))
        times = [float(frame.time) for frame, _ in held if frame.time is not None]
        if times:
            self._timeline.begin(min(times), held[0][1])
        if picture is None and self._pictures is not None:
            # A stream without any picture is one that players wait for.
            self._show(black_frame(*USUAL_SIZE), 0.0)
        for frame, now in held:
            self._write(frame, now)

    def _add_sound(self, layout: Layout) -> None:
        stream = self._container.add_stream(self._format.audio, rate=SAMPLE_RATE, layout=layout)
        assert isinstance(stream, AudioStream)
        stream.codec_context.format = AudioFormat("fltp" if self._format.audio == "aac" else "s16")
        if self._format.audio != "pcm_s16le":
            stream.bit_rate = BIT_RATE * channels(layout)
        self._framer.layout = layout
        self._sound = stream

    def _add_pictures(self, width: int, height: int) -> None:
        assert self._format.video is not None
        stream = self._container.add_stream(self._format.video, rate=30)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = max(2, width // 2 * 2), max(2, height // 2 * 2), "yuv420p"
        codec = stream.codec_context
        stream.time_base = codec.time_base = TICK
        codec.framerate = Fraction(30)
        codec.gop_size, codec.thread_count = KEY_INTERVAL, 1
        if self._format.video == "libvpx":
            codec.bit_rate = VIDEO_BIT_RATE
        codec.options = VIDEO_OPTIONS[self._format.video]
        self._pictures = stream

    # The rest

    def _write(self, frame: Frame, now: float) -> None:
        timestamp = None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)
        if isinstance(frame, VideoFrame):
            if self._pictures is not None:
                self._show(frame, self._timeline.place_picture(timestamp, now))
            return
        if self._sound is None:
            return
        silence, is_new = self._timeline.place(timestamp, frame.samples / frame.sample_rate, now)
        if is_new:
            for part in (*self._framer.push_silence(silence, frame), *self._framer.push(frame)):
                self._container.mux(self._sound.encode(part))

    def _show(self, frame: VideoFrame, place: float) -> None:
        assert self._pictures is not None
        picture = fitted(frame, self._pictures.width, self._pictures.height)
        picture.pict_type = PictureType.NONE
        self._last = picture.pts = max(self._last + 1, round(place * VIDEO_CLOCK))
        picture.time_base = TICK
        self._container.mux(self._pictures.encode(picture))


def _kind(frame: Frame) -> Kind:
    return "video" if isinstance(frame, VideoFrame) else "audio"
