"""A sink that writes sound to a file, so that time in the file is time in the call."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.format import AudioFormat
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from ..errors import MediaError
from .base import Frame, Sink
from .framing import FRAME_SIZE, SAMPLE_RATE, Framer, Layout, channels, natural_layout, silent_frame

logger = logging.getLogger(__name__)

CONTAINERS = {
    ".wav": ("wav", "pcm_s16le"),
    ".ogg": ("ogg", "libopus"),
    ".webm": ("webm", "libopus"),
    ".mkv": ("matroska", "libopus"),
    ".mp4": ("mp4", "aac"),  # Opus in MP4 is allowed but few players know it.
}
"""Extension -> FFmpeg's names of the container and of the audio codec in it."""

BIT_RATE = 64_000
"""Bits per second and channel in a compressed recording: more than a call carries, so that nothing is lost twice."""

QUEUE_SIZE = 500
"""Frames (10 s) that may wait for a slow disk; what comes on top is left out and heard as silence."""

TOLERANCE = 0.005
"""Seconds that a timestamp may be off before it counts: rounding between clocks is no gap."""

SLACK = 5.0
"""Seconds that timestamps may stray from the clock on the wall before they are not believed: they come from the peer,
and a jump of one hour must not write an hour of silence."""


@dataclass
class Timeline:
    """Where each frame belongs in the file, by its timestamp as far as that can be believed.

    All times are seconds; zero is the first frame.
    """

    written: float = 0.0
    """How much is in the file."""

    _expected: float = 0.0
    """The timestamp that would follow without a gap."""

    _began: float | None = None
    """When the first frame came, by the clock on the wall."""

    def place(self, timestamp: float | None, duration: float, now: float) -> tuple[float, bool]:
        """Say how much silence goes before the frame, and whether it is written at all.

        Args:
            timestamp: The frame's own time; `None` where it has none, and then it simply follows.
            duration: How long the frame is.
            now: When it came, by the clock on the wall.
        """
        if self._began is None:
            self._began, self._expected = now, timestamp or 0.0
        elapsed = now - self._began
        gap = 0.0 if timestamp is None else timestamp - self._expected
        if abs(gap) < TOLERANCE:
            gap = 0.0
        elif -1.0 < gap < 0:
            # A frame for a time that is in the file already: a duplicate, or late.
            return 0.0, False
        if (gap and abs(self.written + gap - elapsed) > SLACK) or elapsed - self.written > SLACK:
            gap = max(0.0, elapsed - self.written)
        gap = max(0.0, gap)
        self._expected = (self._expected if timestamp is None else timestamp) + duration
        self.written += gap + duration
        return gap, True


class Recorder(Sink):
    """Records to `.wav`, `.ogg`, `.webm`, `.mkv` or `.mp4`: 48 kHz, mono or stereo as the first frame is.

    The file starts with the first frame. Where frames are missing (lost, or not sent in silence) silence is put in
    their place. Encoding and writing happen in a thread of its own; a file that was closed, also after an error or at
    the end of the process, can be played.

    Args:
        path: The file, which is replaced where it exists; its extension decides the format.
        on_error: See `Sink`.
        clock: The clock on the wall, in seconds; `None` for the running loop's.

    Attributes:
        path: The file.
        dropped: Frames that were left out because the disk was too slow.
        seconds: How much was recorded; complete once closed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        on_error: Callable[[MediaError], None] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.path = Path(path)
        self.on_error = on_error
        self.dropped = 0
        if self.path.suffix.lower() not in CONTAINERS:
            raise MediaError(f"cannot record to {self.path}: the name must end in one of {', '.join(CONTAINERS)}")
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timeline = Timeline()
        self._queue: queue.Queue[tuple[AudioFrame, float] | None] = queue.Queue(QUEUE_SIZE)
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def seconds(self) -> float:
        """How much was recorded so far."""
        return self._timeline.written

    async def open(self) -> None:
        """Create the file.

        Raises:
            MediaError: It cannot be written.
        """
        if self._thread is not None:
            return
        self._loop = asyncio.get_running_loop()
        try:
            file = await asyncio.to_thread(self.path.open, "wb")
        except OSError as error:
            raise MediaError(f"cannot record to {self.path}: {error.strerror or error}") from error
        # A daemon, so that a program that forgot to close can end; atexit then still completes the file.
        self._thread = threading.Thread(target=self._run, args=(file,), name="jingle-recorder", daemon=True)
        self._thread.start()
        atexit.register(self._finish)

    def write(self, frame: Frame) -> None:
        """Take one audio frame of any rate and layout; others are ignored."""
        if self._closing or self._thread is None or self._loop is None or not isinstance(frame, AudioFrame):
            return
        if not frame.samples or not frame.sample_rate:
            return
        try:
            self._queue.put_nowait((frame, self._clock() if self._clock else self._loop.time()))
        except queue.Full:
            self.dropped += 1

    async def aclose(self) -> None:
        """Write what waits and complete the file; safe to call twice."""
        if self._thread is not None:
            await asyncio.to_thread(self._finish)

    def _finish(self) -> None:
        atexit.unregister(self._finish)
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self, file: BinaryIO) -> None:
        """In the thread: write until the end is queued; after an error only empty the queue."""
        writer = _Writer(file, self.path.suffix.lower(), self._timeline)
        try:
            while (item := self._queue.get()) is not None:
                writer.write(*item)
            writer.close()
        except (av.FFmpegError, OSError, ValueError) as error:
            self._report(error)
            while not self._closing or self._queue.qsize():
                if self._queue.get() is None:
                    break
            writer.abandon()

    def _report(self, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        failure = MediaError(f"recording to {self.path} has stopped: {reason}")
        logger.error("%s", failure)
        if self.on_error is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.on_error, failure)


class _Writer:
    """The file itself; everything here blocks."""

    def __init__(self, file: BinaryIO, suffix: str, timeline: Timeline) -> None:
        self._file = file
        self._timeline = timeline
        form, self._codec = CONTAINERS[suffix]
        # RF64: a WAV header counts to 4 GB only, which is half a day.
        options = {"rf64": "auto"} if form == "wav" else {}
        self._container = av.open(file, "w", format=form, container_options=options)
        self._stream: AudioStream | None = None
        self._framer = Framer()

    def write(self, frame: AudioFrame, now: float) -> None:
        timestamp = None if frame.pts is None or not frame.time_base else float(frame.pts * frame.time_base)
        silence, is_new = self._timeline.place(timestamp, frame.samples / frame.sample_rate, now)
        if is_new:
            stream = self._stream or self._start(natural_layout(frame))
            for part in (*self._framer.push_silence(silence, frame), *self._framer.push(frame)):
                self._container.mux(stream.encode(part))

    def close(self) -> None:
        if self._stream is None:
            # A call in which nothing was heard leaves a moment of silence: without any, some containers are not valid.
            self._framer.push(silent_frame(samples=1))
        stream = self._stream or self._start("mono")
        for part in self._framer.flush():
            self._container.mux(stream.encode(part))
        self._container.mux(stream.encode(None))
        self._container.close()
        self._file.close()

    def abandon(self) -> None:
        """Complete what can be completed after an error, which has been reported."""
        for close in (self._container.close, self._file.close):
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                close()

    def _start(self, layout: Layout) -> AudioStream:
        stream = self._container.add_stream(self._codec, rate=SAMPLE_RATE, layout=layout)
        assert isinstance(stream, AudioStream)
        stream.codec_context.format = AudioFormat("fltp" if self._codec == "aac" else "s16")
        if self._codec != "pcm_s16le":
            stream.bit_rate = BIT_RATE * channels(layout)
        self._container.start_encoding()
        self._framer.layout, self._framer.size = layout, stream.codec_context.frame_size or FRAME_SIZE
        self._stream = stream
        return stream
