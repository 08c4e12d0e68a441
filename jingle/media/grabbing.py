"""Sources that look at something: a camera, a screen; by way of FFmpeg."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Mapping

import av
from av.video.frame import VideoFrame

from ..errors import MediaError
from .base import Kind, Source, SourceTrack
from .pacing import Pacer

logger = logging.getLogger(__name__)


class Grabber(Source):
    """What an input device of FFmpeg shows, live; it feeds one call at a time.

    Args:
        what: What it is called in messages.
        format: FFmpeg's name of the kind of device.
        name: Of the device itself.
        options: What the device is told.
    """

    kind: Kind = "video"

    def __init__(self, what: str, format: str, name: str, options: Mapping[str, str]) -> None:
        super().__init__()
        self._what, self._format, self._name, self._options = what, format, name, dict(options)

    async def open(self) -> None:
        """Look whether there is a picture.

        Raises:
            MediaError: There is none, with a sentence that says why.
        """
        if not self._tracks:
            await asyncio.to_thread(self._probe)

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Return a track of what is there to see from now on.

        Raises:
            MediaError: Another track of it is running.
        """
        if self._tracks:
            raise MediaError(f"{self._what} feeds a call already")
        return _GrabberTrack(self)

    def grab(self) -> av.container.InputContainer:
        """Open the device; blocks until it answers.

        Raises:
            MediaError: It cannot be opened.
        """
        try:
            return av.open(self._name, format=self._format, options=self._options)
        except FileNotFoundError:
            raise MediaError(f"there is no {self._what}") from None
        except PermissionError:
            raise MediaError(f"no permission to use {self._what}") from None
        except (av.FFmpegError, OSError, ValueError) as error:
            raise MediaError(f"{self._what} cannot be used: {error}") from error

    def _probe(self) -> None:
        with self.grab() as container:
            if not container.streams.video or next(container.decode(video=0), None) is None:
                raise MediaError(f"{self._what} gives no picture")


class Camera(Grabber):
    """A camera, by Video4Linux.

    Args:
        device: Its file; `None` for the first one.
        width: In pixels; the camera may know only others, and takes the nearest.
        height: Likewise.
        rate: Pictures a second, likewise.

    Raises:
        MediaError: Cameras are not known on this system.
    """

    def __init__(self, device: str | None = None, *, width: int = 640, height: int = 480, rate: int = 25) -> None:
        if not sys.platform.startswith("linux"):
            raise MediaError("cameras are known on Linux only; push their pictures into Frames('video')")
        name = device or "/dev/video0"
        options = {"video_size": f"{width}x{height}", "framerate": str(rate)}
        super().__init__(f"camera {name}", "v4l2", name, options)


class Screen(Grabber):
    """What an X11 screen shows, the pointer included.

    Args:
        display: As in the variable `DISPLAY`, which is taken for `None`.
        rate: Pictures a second.

    Raises:
        MediaError: There is no screen.
    """

    def __init__(self, display: str | None = None, *, rate: int = 15) -> None:
        name = display or os.environ.get("DISPLAY", "")
        if not name:
            raise MediaError("there is no screen to show: DISPLAY is not set, and only those of X11 are known")
        super().__init__(f"screen {name}", "x11grab", name, {"framerate": str(rate)})


class _GrabberTrack(SourceTrack):
    """Hands on the newest picture; a thread of its own waits for the device."""

    def __init__(self, source: Grabber) -> None:
        super().__init__(source)
        self._grabber = source
        self._home = asyncio.get_running_loop()
        self._newest: VideoFrame | None = None
        self._news = asyncio.Event()
        self._is_over = False
        # A daemon: a device that never answers must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="jingle-grabber", daemon=True)
        self._thread.start()

    async def _next(self) -> VideoFrame | None:
        while self._newest is None and not self._is_over:
            self._news.clear()
            await self._news.wait()
        frame, self._newest = self._newest, None
        return frame

    def _run(self) -> None:
        """In the thread, until the track is stopped or the device is gone."""
        try:
            with self._grabber.grab() as container:
                for frame in container.decode(video=0):
                    if self.readyState != "live" or self._home.is_closed():
                        return
                    self._home.call_soon_threadsafe(self._take, frame)
        except (MediaError, av.FFmpegError, RuntimeError) as error:
            # A RuntimeError is the end of the loop, which nobody is left to hear of.
            logger.warning("%s", error)
        finally:
            if not self._home.is_closed():
                self._home.call_soon_threadsafe(self._end)

    def _take(self, frame: VideoFrame) -> None:
        self._newest = frame
        self._news.set()

    def _end(self) -> None:
        self._is_over = True
        self._news.set()

    def stop(self) -> None:
        """End the track; the device is free once it has given its next picture."""
        super().stop()
        self._end()
