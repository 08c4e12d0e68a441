"""What a transport is: the shapes that applications, signalling and the pump meet in (XEP-0166 section 12.2).

A transport knows how to describe itself in a `<transport/>` element, takes the peer's, and connects. An application
never sees a stanza, a transport never sees a `<description/>`.
"""

from __future__ import annotations

from .connected import ByteStream, CandidateSummary, DatagramLink, Path, Security
from .context import AddressMonitor, IceServer, PathChange, StanzaPort, TransportContext, TransportOptions
from .rtp import (
    BandwidthEstimated,
    KeyframeWanted,
    LossReported,
    RtpFeedback,
    RtpPacket,
    RtpParameters,
    RtpStatistics,
    RtpStream,
)
from .transport import Bundling, Hiding, Kind, Restarting, SecurityPrecondition, Transport

__all__ = [
    "AddressMonitor",
    "BandwidthEstimated",
    "Bundling",
    "ByteStream",
    "CandidateSummary",
    "DatagramLink",
    "Hiding",
    "IceServer",
    "KeyframeWanted",
    "Kind",
    "LossReported",
    "Path",
    "PathChange",
    "Restarting",
    "RtpFeedback",
    "RtpPacket",
    "RtpParameters",
    "RtpStatistics",
    "RtpStream",
    "Security",
    "SecurityPrecondition",
    "StanzaPort",
    "Transport",
    "TransportContext",
    "TransportOptions",
]
