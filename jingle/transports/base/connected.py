"""What a connected transport is: a stream of bytes, or a link for datagrams; what protects it, and where it leads."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .rtp import RtpFeedback, RtpPacket, RtpParameters, RtpStream


class Security(enum.Enum):
    """What protects the bits on a connected transport; the value is what the `connected` event says."""

    NONE = "none"
    TLS = "tls"
    DTLS = "dtls"


class ByteStream(Protocol):
    """A connected STREAMING transport: bytes in order, both ways."""

    @property
    def security(self) -> Security:
        """What protects the bytes."""
        ...

    async def receive_into(self, buffer: memoryview) -> int:
        """Fill part of `buffer` and return how many bytes; 0 once the peer has ended its side.

        Raises:
            TransportFailed: The stream broke.
        """
        ...

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; returns once there is room for more (back-pressure).

        Raises:
            TransportFailed: The stream broke.
        """
        ...

    async def send_eof(self) -> None:
        """Say that nothing more follows; receiving goes on."""
        ...

    async def aclose(self) -> None:
        """Close both directions and free everything; safe to call twice."""
        ...


@dataclass(frozen=True, kw_only=True)
class CandidateSummary:
    """One end of the selected path, for events and reports."""

    type: str
    """`host`, `srflx`, `prflx` or `relay`; for streaming transports their own words (`direct`, `proxy`, `in-band`)."""

    address: str
    """`address:port` as text."""

    protocol: str = "udp"


@dataclass(frozen=True, kw_only=True)
class Path:
    """Where the bits of a connected transport go."""

    local: CandidateSummary
    remote: CandidateSummary


class DatagramLink(Protocol):
    """A connected ICE-UDP transport with DTLS: RTP and RTCP under SRTP keys, and SCTP."""

    @property
    def security(self) -> Security:
        """Always `DTLS` for calls."""
        ...

    async def responds(self, patience: float) -> bool:
        """Whether the peer answers on the link within so many seconds, so that it is there whatever its server says."""
        ...

    @property
    def dtls(self) -> Any:
        """The `aiortc.RTCDtlsTransport` that RTP and SCTP sit on."""
        ...

    def rtp_stream(
        self,
        parameters: RtpParameters,
        on_packet: Callable[[RtpPacket], None],
        on_feedback: Callable[[RtpFeedback], None] | None = None,
    ) -> RtpStream:
        """Open the RTP stream of one content; packets that came in just before are handed over first.

        `on_packet` is called on the event loop, in order of arrival, until the stream is closed; so is `on_feedback`.
        """
        ...
