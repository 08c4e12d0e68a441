"""What a client may cost the loopback server. Every queue, size, count and wait has its bound here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds of a server; the defaults suit calls and file transfers on one machine."""

    stanza_bytes: int = 1 << 20
    """The largest stanza of a logged-in client: in-band blocks of 64 KiB grow to 88 KiB in base64."""
    greeting_bytes: int = 16 << 10
    """The largest first-level element before login."""
    depth: int = 64
    """How deep elements may nest, the stream's own element counted."""
    connections: int = 1000
    """TCP connections at one time; what comes beyond is closed at once."""
    login_seconds: float = 30
    """From the TCP connection to a bound or resumed session."""
    login_attempts: int = 3
    """Refused passwords on one connection."""
    resources: int = 64
    """Devices of one account at one time."""
    contacts: int = 1000
    """Entries of one roster, and addresses one session may have sent directed presence to."""
    backlog_bytes: int = 1 << 20
    """Unsent bytes above which whoever writes to a slow client is not read from until it catches up."""
    overflow_bytes: int = 16 << 20
    """Unsent bytes at which a slow client is cut off at once."""
    stall_seconds: float = 10
    """How long a client may stay above `backlog_bytes`."""
    resume_seconds: float = 60
    """How long a lost session waits to be resumed (XEP-0198 section 5)."""
    unacked_stanzas: int = 10_000
    """Stanzas kept for one session until it acknowledges them."""
    unacked_bytes: int = 16 << 20
    """Their size together."""
    closing_seconds: float = 2
    """How long a closing connection may take to flush what it still has."""
