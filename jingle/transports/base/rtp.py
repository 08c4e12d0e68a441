"""RTP on a connected link: what comes in and goes out, what both ends agreed on, what is counted (RFC 3550)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet that came in (RFC 3550 section 5.1), decrypted and routed to its stream."""

    payload_type: int
    marker: bool
    sequence_number: int
    """16 bit, as on the wire: it wraps."""

    timestamp: int
    """32 bit, as on the wire, in units of the payload type's clock: it wraps."""

    ssrc: int
    payload: bytes
    arrival: float
    """When it came in, on the event loop's clock, in seconds."""

    sent: float | None = None
    """When what it holds was captured, in seconds on the sender's own clock, which is the same one for all its streams;
    `None` until a report of the sender has told (RFC 3550 section 6.4.1)."""


@dataclass(frozen=True, slots=True)
class KeyframeWanted:
    """The peer cannot go on without a picture that builds on no other (PLI of RFC 4585, FIR of RFC 5104)."""


@dataclass(frozen=True, slots=True)
class BandwidthEstimated:
    """How much the peer thinks the path to it carries (REMB)."""

    bit_rate: int
    """Bits per second, for all that is sent on the transport."""


@dataclass(frozen=True, slots=True)
class LossReported:
    """A report of the peer about what we send (RFC 3550 section 6.4.1)."""

    fraction: float
    """How much of it was lost since the report before, 0 to 1."""


RtpFeedback = KeyframeWanted | BandwidthEstimated | LossReported
"""What a peer says about what we send."""


@dataclass(frozen=True, kw_only=True)
class RtpParameters:
    """What both sides agreed on for the RTP of one content."""

    clock_rates: Mapping[int, int]
    """Every payload type that may come in or go out, and its RTP clock in Hz."""

    ssrc: int
    """The one we send with."""

    cname: str
    """Our canonical name (RFC 7022); the same in every stream of a session, so that they can be synchronised."""

    mid: str | None = None
    """The content's name where several share the link (BUNDLE, RFC 8843), else `None`."""

    remote_ssrcs: frozenset[int] = frozenset()
    """The sources that the peer announced (XEP-0339); others are taken by their payload type."""

    header_extensions: Mapping[str, int] = field(default_factory=dict)
    """The agreed header extensions (XEP-0294): URI and id."""

    feedback: frozenset[str] = frozenset()
    """The RTCP feedback that both sides understand (XEP-0293): `nack`, `nack pli`, `ccm fir`, `goog-remb`."""

    repairs: Mapping[int, int] = field(default_factory=dict)
    """Payload types in which the peer repeats lost packets (RFC 4588), each with that of what it repeats."""

    repair_with: Mapping[int, int] = field(default_factory=dict)
    """Payload types that we send, each with the one to repeat its lost packets in; others are repeated as they are."""

    repair_ssrc: int | None = None
    """The source of our repeated packets, where they have one of their own."""

    remote_repair_ssrcs: Mapping[int, int] = field(default_factory=dict)
    """The peer's sources of repeated packets, each with the source that it repeats (`FID`, XEP-0339)."""


@dataclass(frozen=True, kw_only=True)
class RtpStatistics:
    """Counters of one RTP stream since it was opened; times in seconds."""

    packets_sent: int
    bytes_sent: int
    """Payload only, without headers and padding (RFC 3550 section 6.4.1)."""

    packets_received: int
    bytes_received: int
    packets_lost: int
    """What the sequence numbers say is missing of the peer's packets."""

    jitter: float
    """Interarrival jitter of the peer's packets (RFC 3550 section 6.4.1)."""

    rtt: float | None
    """Smoothed round trip, or `None` until the peer has answered one of our reports."""

    remote_packets_lost: int
    """What the peer misses of our packets, as of its last report."""

    packets_repeated: int = 0
    """Packets that we sent once more because the peer missed them; they do not count as sent."""

    packets_repaired: int = 0
    """Packets that the peer sent once more in a stream of their own; they do not count as received."""


class RtpStream(Protocol):
    """The RTP and RTCP of one content on a link, both directions."""

    @property
    def statistics(self) -> RtpStatistics:
        """The counters as of now."""
        ...

    @property
    def sequence_number(self) -> int:
        """The number that the next packet gets; 16 bit."""
        ...

    async def send(
        self,
        payload: bytes,
        *,
        payload_type: int,
        timestamp: int,
        marker: bool = False,
        audio_level: int | None = None,
        captured: float | None = None,
        sequence_number: int | None = None,
    ) -> None:
        """Send one packet; like any datagram it may get lost, and a link that is down loses it silently.

        Where that was agreed on, packets that the peer misses are sent once more.

        Args:
            payload: What the payload format of the codec says.
            payload_type: One of `RtpParameters.clock_rates`.
            timestamp: In units of that clock; taken modulo 2**32.
            marker: For audio, the first packet after a silence (RFC 3551 section 4.1); for video, the last of a frame.
            audio_level: Loudness in -dBov, 0 (loudest) to 127 (RFC 6464); sent where that was negotiated.
            captured: When what it holds was there, on the loop's clock; `None` for now. Streams are put in step by it.
            sequence_number: Another number than the next one, near it: what is passed on from somewhere else has gaps
                and comes out of order.
        """
        ...

    def request_keyframe(self, ssrc: int) -> None:
        """Ask the peer for a picture that builds on no other; nothing happens where it takes no such wish."""
        ...

    def limit(self, bit_rate: int | None) -> None:
        """Ask the peer to send no more than so many bits per second, whatever its path carries; `None`: as it wants.

        Nothing happens where it takes no such wish (REMB).
        """
        ...

    async def aclose(self) -> None:
        """Say goodbye (RTCP BYE) and stop; safe to call twice."""
        ...
