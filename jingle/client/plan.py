"""What one side brings into a call: its sources, the media it wants, and where it records."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from os import PathLike

from ..errors import LocalProtocolError
from ..media.base import Kind, Source
from ..media.recorder import Recorder

MEDIA: tuple[Kind, ...] = ("audio", "video")
"""What calls are about; also the names of the contents: what Jitsi's clients require, and what Dino uses."""


@dataclass(frozen=True, kw_only=True)
class MediaPlan:
    """What to talk and show with."""

    audio: Source | None = None
    video: Source | None = None
    media: tuple[Kind, ...] | None = None
    """What the call is about; `None` for sound, and pictures where `video` is given (or, in an answer, offered)."""

    record: str | PathLike[str] | None = None
    hang_up_at_end: bool = True

    @classmethod
    def of(
        cls,
        audio: Source | None,
        video: Source | None,
        media: Sequence[str] | None,
        record: str | PathLike[str] | None,
        hang_up_at_end: bool,
    ) -> MediaPlan:
        """Take what a program asks for.

        Raises:
            LocalProtocolError: The media are none, or unknown, or there is a source of one that the call is not about.
        """
        chosen = None if media is None else tuple(medium for medium in MEDIA if medium in media)
        if media is not None and (not chosen or len(chosen) != len(set(media))):
            raise LocalProtocolError(f"a call is about some of {', '.join(MEDIA)}, not {', '.join(media) or 'nothing'}")
        plan = cls(audio=audio, video=video, media=chosen, record=record, hang_up_at_end=hang_up_at_end)
        for medium in MEDIA:
            if chosen is not None and medium not in chosen and plan.source(medium) is not None:
                raise LocalProtocolError(f"there is a source of {medium} for a call that is not about {medium}")
        return plan

    def source(self, medium: str) -> Source | None:
        """What to send in one medium."""
        return self.video if medium == "video" else self.audio

    @property
    def offered(self) -> tuple[Kind, ...]:
        """What to call with, the sound first: its transport is the one that is shared."""
        return self.media or (MEDIA if self.video is not None else ("audio",))

    def wants(self, medium: str) -> bool:
        """Whether to take part in a medium that is offered."""
        return self.media is None or medium in self.media

    @property
    def until(self) -> tuple[Source, ...]:
        """The sources of which the first that ends is the end of the call."""
        return tuple(source for source in (self.audio, self.video) if source is not None and self.hang_up_at_end)


@contextlib.asynccontextmanager
async def prepared(
    plan: MediaPlan, media: Collection[str], emit: Callable[..., None]
) -> AsyncIterator[Recorder | None]:
    """Open the sources, and a recording of these media; what is not used after all is closed again.

    A recording that breaks later costs nobody the call: an `error` event (`media-error`) tells of it.

    Raises:
        MediaError: One of them cannot be opened.
    """
    recorded = [medium for medium in MEDIA if medium in media]
    recorder = Recorder(plan.record, media=recorded) if plan.record is not None else None
    try:
        for medium in MEDIA:
            if (source := plan.source(medium)) is not None:
                await source.part(medium).open()
        if recorder is not None:
            recorder.on_error = lambda error: emit("error", condition="media-error", text=str(error), advice="")
            await recorder.open()
        yield recorder
    except BaseException:
        if recorder is not None:
            await recorder.aclose()
        for medium in MEDIA:
            if (source := plan.source(medium)) is not None:
                await source.aclose()
        raise
