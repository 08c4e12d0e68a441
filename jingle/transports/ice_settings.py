"""What an ICE agent is told: how to gather and when to give up, and what checks are signed with."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aioice.utils import random_string

from .base import IceServer


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What one side's connectivity checks are signed with (RFC 8445 section 5.3)."""

    ufrag: str
    pwd: str = field(repr=False)

    @classmethod
    def generate(cls) -> Credentials:
        """Fresh random credentials of our own."""
        return cls(ufrag=random_string(8), pwd=random_string(24))


@dataclass(frozen=True, kw_only=True)
class IceSettings:
    """How an ICE agent gathers, checks and gives up. Times are in seconds."""

    relay_only: bool = False
    loopback: bool = False
    connect_timeout: float = 20
    """From the start of the checks to the first selected pair and through the DTLS handshake."""

    gather_timeout: float = 10
    """After this a STUN or TURN server counts as dead; nothing else waits for it."""

    refresh_interval: float = 15
    """How often a STUN server is asked again before a pair is selected, so that a NAT keeps its mapping."""

    consent_interval: float = 5
    """Between two consent checks, randomised by a fifth (RFC 7675 section 5.1)."""

    consent_expiry: float = 30
    """Without a response for so long the peer counts as gone (RFC 7675 section 5.1)."""

    consent_patience: float = 2
    """Without a response for so long, to several checks, the path counts as failing: ICE is restarted."""

    answer_timeout: float = 10
    """For the peer to take part in a restart of ours. Many clients know no restarts and keep silent."""

    turn_tls: ssl.SSLContext | None = None
    """How a `turns` server's certificate is verified; `None` trusts the system's authorities."""


ServerSource = Callable[[], Awaitable[tuple[IceServer, ...]]]
