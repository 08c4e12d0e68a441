"""The sound card: microphone and loudspeaker, by way of PortAudio (the extra `devices`)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
from av.audio.frame import AudioFrame

from ..errors import MediaError
from .base import Frame, Sink, Source, SourceTrack
from .framing import FRAME_SIZE, PTIME, SAMPLE_RATE, Framer, audio_frame, samples_of
from .pacing import Pacer
from .playout import PlayoutBuffer

Direction = Literal["input", "output"]

MICROPHONE_QUEUE = 10
"""Frames (0.2 s) kept while nobody reads; then the oldest is left out, for a call must not lag behind the speaker."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A sound device."""

    index: int
    name: str
    inputs: int
    """How many channels it records; 0 for a loudspeaker."""

    outputs: int
    """How many channels it plays; 0 for a microphone."""

    is_default_input: bool = False
    is_default_output: bool = False


def list_devices() -> list[Device]:
    """Return the sound devices of this machine, in the order of their indexes; empty where there is none.

    Raises:
        MediaError: The library is not installed.
    """
    sounddevice = _library()
    default_input, default_output = sounddevice.default.device
    return [
        Device(
            index=index,
            name=entry["name"],
            inputs=entry["max_input_channels"],
            outputs=entry["max_output_channels"],
            is_default_input=index == default_input,
            is_default_output=index == default_output,
        )
        for index, entry in enumerate(sounddevice.query_devices())
    ]


def device_named(text: str) -> str | int | None:
    """What people write to choose a device: its number, a part of its name, or nothing for the system's default."""
    return int(text) if text.isdecimal() else text or None


def find_device(name: str | int | None, direction: Direction) -> Device:
    """Return the device that is meant.

    Args:
        name: Its index, or a part of its name in upper or lower case; `None` for the system's default.
        direction: `input` to record, `output` to play.

    Raises:
        MediaError: There is no such device, or the library is not installed.
    """
    what = "microphone" if direction == "input" else "loudspeaker"
    usable = [device for device in list_devices() if (device.inputs if direction == "input" else device.outputs)]
    if not usable:
        raise MediaError(f"this machine has no {what}")
    if name is None:
        preferred = [device for device in usable if getattr(device, f"is_default_{direction}")]
        return (preferred or usable)[0]
    for device in usable:
        if device.index == name or (isinstance(name, str) and name.lower() in device.name.lower()):
            return device
    known = ", ".join(f"{device.index}: {device.name}" for device in usable)
    raise MediaError(f"there is no {what} {name!r}; there are {known}")


def _library() -> ModuleType:
    try:
        import sounddevice
    except ImportError:
        raise MediaError("sound devices need one more package: pip install 'jingle-toolkit[devices]'") from None
    except OSError as error:
        # The Python package is there and the C library is not.
        raise MediaError(f"sound devices need the PortAudio library (on Debian: libportaudio2): {error}") from None
    module: ModuleType = sounddevice
    return module


@contextlib.contextmanager
def _explained(device: Device) -> Iterator[None]:
    try:
        yield
    except _library().PortAudioError as error:
        raise MediaError(f"{device.name} cannot be used: {error}") from error


def _start(direction: Direction, device: Device, callback: Callable[..., None]) -> tuple[Any, int]:
    """A started stream of the device, mono s16, and its sample rate: 48 kHz, or what the card prefers."""
    library = _library()
    kind = library.RawInputStream if direction == "input" else library.RawOutputStream
    check = library.check_input_settings if direction == "input" else library.check_output_settings
    shape: dict[str, Any] = {"device": device.index, "channels": 1, "dtype": "int16"}
    with _explained(device):
        try:
            check(samplerate=SAMPLE_RATE, **shape)
            rate = SAMPLE_RATE
        except library.PortAudioError:
            rate = int(library.query_devices(device.index)["default_samplerate"])
        stream = kind(samplerate=rate, blocksize=round(rate * PTIME), callback=callback, **shape)
        try:
            stream.start()
        except library.PortAudioError:
            stream.close()
            raise
    return stream, rate


class Microphone(Source):
    """What a microphone hears, mono.

    Args:
        device: Its index or a part of its name (see `list_devices`); `None` for the system's default.

    Raises:
        MediaError: There is no such device, or the library is not installed.
    """

    def __init__(self, device: str | int | None = None) -> None:
        super().__init__()
        self._device = find_device(device, "input")

    def track(self, *, pacer: Pacer | None = None) -> SourceTrack:
        """Switch the microphone on and return the track of what it hears; the device keeps the time, not `pacer`.

        Raises:
            MediaError: It is in use already, or does not work.
        """
        if self._tracks:
            raise MediaError(f"{self._device.name} already feeds a call")
        return _MicrophoneTrack(self, self._device)


class _MicrophoneTrack(SourceTrack):
    def __init__(self, source: Microphone, device: Device) -> None:
        super().__init__(source)
        self._home = asyncio.get_running_loop()
        self._heard: deque[AudioFrame] = deque(maxlen=MICROPHONE_QUEUE)
        self._arrived = asyncio.Event()
        self._framer = Framer(layout="mono")
        self._position = 0
        self._stream: Any = None
        try:
            self._stream, self._rate = _start("input", device, self._callback)
        except MediaError:
            self.stop()
            raise

    def _callback(self, data: Any, _frames: int, _time: Any, _status: Any) -> None:
        """Called in PortAudio's own thread."""
        block = bytes(data)
        # A loop that has been closed without stopping the track hears nothing more.
        with contextlib.suppress(RuntimeError):
            self._home.call_soon_threadsafe(self._deliver, block)

    def _deliver(self, block: bytes) -> None:
        self._heard.extend(self._framer.push(audio_frame(np.frombuffer(block, np.int16), rate=self._rate)))
        self._arrived.set()

    async def _next(self) -> AudioFrame | None:
        while not self._heard and self.readyState == "live":
            self._arrived.clear()
            await self._arrived.wait()
        if self.readyState != "live":
            return None
        frame = self._heard.popleft()
        frame.pts = self._position
        self._position += FRAME_SIZE
        return frame

    def stop(self) -> None:
        """Switch the microphone off."""
        super().stop()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._arrived.set()


class Speaker(Sink):
    """Plays on a loudspeaker.

    Args:
        device: Its index or a part of its name (see `list_devices`); `None` for the system's default.
    """

    def __init__(self, device: str | int | None = None) -> None:
        self._name = device
        self._stream: Any = None
        self._framer: Framer | None = None
        self._buffer = PlayoutBuffer(SAMPLE_RATE)
        self._lock = threading.Lock()

    async def open(self) -> None:
        """Switch the loudspeaker on.

        Raises:
            MediaError: There is no such device, it does not work, or the library is not installed.
        """
        if self._stream is None:
            device = await asyncio.to_thread(find_device, self._name, "output")
            self._stream, rate = await asyncio.to_thread(_start, "output", device, self._callback)
            self._framer = Framer(layout="mono", rate=rate, size=round(rate * PTIME))
            with self._lock:
                self._buffer = PlayoutBuffer(rate)

    @property
    def dropped(self) -> float:
        """Seconds that were left out because more came than was played."""
        return self._buffer.dropped

    def write(self, frame: Frame) -> None:
        """Queue an audio frame of any rate and layout; others are ignored."""
        if self._framer is None or self._stream is None or not isinstance(frame, AudioFrame):
            return
        parts = [samples_of(part).ravel() for part in self._framer.push(frame)]
        with self._lock:
            for part in parts:
                self._buffer.push(part)

    def _callback(self, out: Any, frames: int, _time: Any, _status: Any) -> None:
        """Called in PortAudio's own thread."""
        with self._lock:
            samples = self._buffer.pull(frames)
        out[:] = samples.tobytes()

    async def aclose(self) -> None:
        """Switch the loudspeaker off."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await asyncio.to_thread(stream.close)
