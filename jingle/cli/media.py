"""The media options of `call` and `answer`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ..client import Camera, File, Microphone, Screen, Silence, Source, Speaker, TestCard, Tone
from ..errors import MediaError
from ..media.devices import device_named
from ..media.recorder import Recorder
from .options import Seconds

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--play",
        metavar="SRC",
        help="What to send: an audio file, `tone`, `silence`, `mic` (a certain one as in `mic:headset`, see `jingle "
        "devices`) or `test`, the beeps of the test card (default: mic where there is one).",
    ),
    click.option(
        "--speaker",
        metavar="[NAME]",
        is_flag=False,
        flag_value="",
        help="Play what is heard, on the usual loudspeaker or on this one (see `jingle devices`).",
    ),
    click.option(
        "--video",
        metavar="SRC",
        help="What to show: a video file, `test` (a test card), `camera` or `screen`, or a certain one as in "
        "`camera:/dev/video2` and `screen::1` (default: nothing; pictures that are offered to us are received all the "
        "same). Without --play, a file's sound goes with its pictures.",
    ),
    click.option(
        "--record",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where to write what is heard: .wav, .ogg, .webm, .mkv or .mp4.",
    ),
    click.option(
        "--report",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where to write how the call went: an HTML page with its figures over time.",
    ),
    click.option("--seconds", metavar="N", type=Seconds(min=0), help="Hang up N seconds after the call connected."),
)


def media_options(command: F) -> F:
    """Give a command the media options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The sources that `--play` and `--video` name."""

    audio: Source
    video: Source | None

    async def open(self) -> None:
        """Find what cannot be played before going online.

        Raises:
            MediaError: It cannot be read, or there is no such device.
        """
        await self.audio.part("audio").open()
        if self.video is not None:
            await self.video.part("video").open()

    async def aclose(self) -> None:
        """Free both."""
        await self.audio.aclose()
        if self.video is not None:
            await self.video.aclose()


async def sources(play: str | None, video: str | None) -> Shown:
    """The sources that `--play` and `--video` name; a file, and a test card, that both name is one for both.

    Raises:
        MediaError: A file cannot be read, or there is no such device.
    """
    pictures = video_source(video) if video is not None else None
    if pictures is not None and (play == video or (play is None and await _has_sound(pictures))):
        return Shown(audio=pictures, video=pictures)
    return Shown(audio=audio_source(play), video=pictures)


async def ready_sources(play: str | None, video: str | None) -> Shown:
    """The same, opened.

    Raises:
        MediaError: One cannot be read, or there is no such device.
    """
    shown = await sources(play, video)
    await shown.open()
    return shown


async def _has_sound(source: Source) -> bool:
    if not isinstance(source, File):
        return False
    try:
        await source.open()
    except MediaError:
        return False
    return True


def video_source(video: str) -> Source:
    """The source that `--video` names.

    Raises:
        MediaError: There is no such device.
    """
    kind, _, name = video.partition(":")
    match kind:
        case "test":
            return TestCard()
        case "camera":
            return Camera(name or None)
        case "screen":
            return Screen(name or None)
        case _:
            return File(video)


def audio_source(play: str | None) -> Source:
    """The source that `--play` names.

    Raises:
        MediaError: There is no such device.
    """
    if play is not None and play.startswith("mic:"):
        return Microphone(device_named(play.removeprefix("mic:")))
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
        case "test":
            return TestCard()
        case _:
            return File(play)


async def ready_speaker(name: str | None) -> Speaker | None:
    """The loudspeaker that `--speaker` names, switched on; `None` without that option.

    Raises:
        MediaError: There is none, or it does not work.
    """
    if name is None:
        return None
    speaker = Speaker(device_named(name))
    await speaker.open()
    return speaker


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
