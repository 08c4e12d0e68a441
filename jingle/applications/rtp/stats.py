"""What is told about the media of a call."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ...transports.base import RtpStatistics


@dataclass(frozen=True, kw_only=True)
class MediaStats:
    """Counters of one medium since it was started; the fields of the `stats` event, and the codec."""

    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    """Of the peer's packets, as far as their numbers tell."""

    packets_lost_by_peer: int = 0
    """Of our packets, as of the peer's last report."""

    jitter: float = 0.0
    """Seconds (RFC 3550 section 6.4.1)."""

    rtt: float | None = None
    """Seconds there and back; `None` until the peer has answered one of our reports."""

    bytes_sent: int = 0
    """Payload only; so are those received."""

    bytes_received: int = 0
    packets_repeated: int = 0
    """Packets that we sent once more because the peer missed them; they are not among those sent."""

    packets_repaired: int = 0
    """Lost packets that the peer sent once more, on a source of their own; they are not among those received."""

    codec: str | None = None
    """The name of the codec that we send with; `None` before the answer."""

    frames_sent: int = 0
    """Pictures; so are all that follow, and 0 or `None` for sound."""

    frames_received: int = 0
    """Those that were decoded."""

    frames_dropped: int = 0
    """Those that this machine was too slow to encode or to decode."""

    size_sent: tuple[int, int] | None = None
    """Width and height of the last one."""

    size_received: tuple[int, int] | None = None

    bit_rate_sent: int | None = None
    """Bits of payload per second, over the last seconds, or over the whole call where it has ended; so are the other
    rates. `None` where nobody took the time."""

    bit_rate_received: int | None = None
    frame_rate_sent: float | None = None
    """Pictures per second."""

    frame_rate_received: float | None = None

    @classmethod
    def of(cls, statistics: RtpStatistics, codec: str | None, **pictures: Any) -> MediaStats:
        """Take what an RTP stream counted, and what was counted of pictures."""
        counted = dataclasses.asdict(statistics)
        told = (each.name for each in dataclasses.fields(cls))
        pictures["packets_lost_by_peer"] = statistics.remote_packets_lost
        return cls(codec=codec, **{name: counted[name] for name in told if name in counted}, **pictures)
