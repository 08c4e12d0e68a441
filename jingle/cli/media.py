"""The media options of `call` and `answer`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..client import File, Microphone, Silence, Source, Tone
from ..errors import MediaError
from ..media.recorder import Recorder

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--play",
        metavar="SRC",
        help="What to send: an audio file, `tone`, `silence` or `mic` (default: mic where there is one).",
    ),
    click.option(
        "--record",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where to write what is heard: .wav, .ogg, .webm, .mkv or .mp4.",
    ),
    click.option(
        "--seconds", metavar="N", type=click.FloatRange(min=0), help="Hang up N seconds after the call connected."
    ),
)


def media_options(command: F) -> F:
    """Give a command the media options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def audio_source(play: str | None) -> Source:
    """The source that `--play` names.

    Raises:
        MediaError: The file cannot be read, or there is no such device.
    """
    match play:
        case None:
            try:
                return Microphone()
            except MediaError:
                return Silence()
        case "mic":
            return Microphone()
        case "tone":
            return Tone(440)
        case "silence":
            return Silence()
        case _:
            return File(play)


async def ready_source(play: str | None) -> Source:
    """The source that `--play` names, opened: what cannot be played is found before going online.

    Raises:
        MediaError: It cannot be read, or there is no such device.
    """
    source = audio_source(play)
    await source.open()
    return source


def check_recording(path: Path | None) -> None:
    """Find before going online that `--record` cannot be written; leaves what is there as it is.

    Raises:
        MediaError: It cannot.
    """
    if path is None:
        return
    Recorder(path)  # knows the formats
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise MediaError(f"cannot record to {path}: no such folder, or it cannot be written")
