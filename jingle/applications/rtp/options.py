"""What the user decides about the media of calls, and what the contents of one session share."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from .media_clock import MediaClock


@dataclass(frozen=True, kw_only=True)
class MediaOptions:
    """What the user decided about codecs."""

    codecs: tuple[str, ...] | None = None
    """Names of those to use for sound, the best first; `None` for all, in the peer's order where it offers."""

    dtx: bool = False
    """Opus: send nothing while there is nothing to hear, and ask the peer for the same (RFC 7587 section 3.1.3)."""

    bit_rate: int | None = None
    """Opus: bits per second; `None` for what suits speech. What the peer allows is not exceeded."""

    video_codecs: tuple[str, ...] | None = None
    """Names of those to use for pictures (`VP8`, `H264`), the best first; `None` for all, as for sound."""

    video_bit_rate: int | None = None
    """Bits per second that pictures may take at most; `None` for 1500000. It goes down where the path carries less."""

    def codecs_of(self, medium: str) -> tuple[str, ...] | None:
        """Those to use for one medium."""
        return self.video_codecs if medium == "video" else self.codecs


@dataclass(frozen=True, kw_only=True)
class SessionIdentity:
    """What the contents of one session share, so that they are played in step (RFC 7022, RFC 8830)."""

    cname: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    stream: str = field(default_factory=lambda: str(uuid.uuid4()))
    clock: MediaClock = field(default_factory=MediaClock, compare=False)
    """For what is received."""
