"""A bound resource: the device as others see it, with or without a TCP connection under it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from .framing import Stanza
from .management import Origin, Sent, StreamManagement

if TYPE_CHECKING:
    from .domain import Account, Domain


class Wire(Protocol):
    """What a session asks of its connection."""

    def write(self, data: bytes) -> None:
        """Send bytes soon, together with what else is written in this turn of the loop."""
        ...

    def close(self, condition: str | None = None) -> None:
        """Close the stream, with a stream error where one is named."""
        ...


class Session:
    """One device of one account (RFC 6120 section 7).

    Attributes:
        jid: The full JID.
        presence: What it last broadcast; `None` while unavailable.
        priority: Of that presence; bare-JID messages pass by a negative one.
        interested: It asked for the roster, so it gets roster pushes.
        carbons: XEP-0280 is enabled.
        directed: Whom it sent directed presence to (RFC 6121 section 4.6).
        management: XEP-0198, once enabled.
        wire: Its connection; `None` while it waits to be resumed.
    """

    def __init__(self, domain: Domain, account: Account, resource: str, wire: Wire) -> None:
        self.account = account
        self.resource = resource
        self.jid = f"{account.jid}/{resource}"
        self.presence: Stanza | None = None
        self.priority = 0
        self.interested = False
        self.carbons = False
        self.directed: set[str] = set()
        self.management: StreamManagement | None = None
        self.wire: Wire | None = wire
        self.expiry: asyncio.TimerHandle | None = None
        self._domain = domain

    def deliver(self, data: bytes, origin: Origin | None = None) -> None:
        """Send a stanza to the device, or keep it until the device is back.

        Args:
            data: The stanza as it goes on the stream.
            origin: Who sent what, where the sender wants to know that it was lost.
        """
        domain, wire = self._domain, self.wire
        if domain.observer is not None:
            domain.observe("delivered", self.jid, data)
        if self.management is not None and not self.management.remember(Sent(data, origin)):
            # A client that never acknowledges, or a lost one whose friends write too much: either ends here.
            domain.end(self, lost=True)
            if wire is not None:
                wire.close("policy-violation")
            return
        if wire is not None:
            wire.write(data)
