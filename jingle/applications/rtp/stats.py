"""What is told about the media of a call."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from ...transports.base import RtpStatistics


@dataclass(frozen=True, kw_only=True)
class MediaStats:
    """Counters of one medium since it was started; the fields of the `stats` event, and the codec."""

    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    """Of the peer's packets, as far as their numbers tell."""

    jitter: float = 0.0
    """Seconds (RFC 3550 section 6.4.1)."""

    rtt: float | None = None
    """Seconds there and back; `None` until the peer has answered one of our reports."""

    bytes_sent: int = 0
    """Payload only; so are those received."""

    bytes_received: int = 0
    codec: str | None = None
    """The name of the codec that we send with; `None` before the answer."""

    @classmethod
    def of(cls, statistics: RtpStatistics, codec: str | None) -> MediaStats:
        """Take what an RTP stream counted."""
        counted = dataclasses.asdict(statistics)
        told = (each.name for each in dataclasses.fields(cls))
        return cls(codec=codec, **{name: counted[name] for name in told if name in counted})
