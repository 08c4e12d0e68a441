"""A PortAudio made of Python: the machine that tests has no sound card."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import numpy as np

CARDS = [
    {"name": "HDA Analog", "max_input_channels": 2, "max_output_channels": 2, "default_samplerate": 48_000.0},
    {"name": "USB Headset", "max_input_channels": 1, "max_output_channels": 2, "default_samplerate": 44_100.0},
    {"name": "HDMI", "max_input_channels": 0, "max_output_channels": 8, "default_samplerate": 48_000.0},
]


class PortAudioError(Exception):
    pass


class Stream:
    opened: list[Stream]
    fails = False

    def __init__(self, *, callback: Callable[..., None], **settings: Any) -> None:
        self.callback, self.settings = callback, settings
        self.is_running = False
        type(self).opened.append(self)

    def start(self) -> None:
        if self.fails:
            raise PortAudioError("Device unavailable")
        self.is_running = True

    def close(self) -> None:
        self.is_running = False

    def hear(self, samples: np.ndarray) -> None:
        self.callback(samples.tobytes(), len(samples), None, None)

    def pull(self) -> np.ndarray:
        out = bytearray(self.settings["blocksize"] * 2)
        self.callback(memoryview(out), len(out) // 2, None, None)
        return np.frombuffer(bytes(out), np.int16)


def fake_library() -> ModuleType:
    """What `import sounddevice` gives."""
    module: Any = ModuleType("sounddevice")
    streams = type("FakeStream", (Stream,), {"opened": []})

    def query_devices(index: int | None = None) -> Any:
        return CARDS if index is None else CARDS[index]

    def check(device: int, samplerate: int, **_: Any) -> None:
        if samplerate != CARDS[device]["default_samplerate"]:
            raise PortAudioError("Invalid sample rate")

    module.PortAudioError = PortAudioError
    module.query_devices = query_devices
    module.check_input_settings = module.check_output_settings = check
    module.RawInputStream = module.RawOutputStream = streams
    module.default = type("Default", (), {"device": (1, 0)})
    return cast(ModuleType, module)
