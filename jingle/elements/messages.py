"""What goes beside the payload of a message.

XEP-0334: Message Processing Hints (v1.0.0) and XEP-0184: Message Delivery Receipts (v1.4.0).
"""

from __future__ import annotations

from .declare import Element, element, key

NS_HINTS = "urn:xmpp:hints"
NS_RECEIPTS = "urn:xmpp:receipts"


@element(NS_HINTS, "store")
class Store(Element):
    """Archive this message although it has no body; every message of XEP-0353 carries it."""


@element(NS_HINTS, "no-store")
class NoStore(Element):
    """Do not archive this message."""


@element(NS_HINTS, "no-permanent-store")
class NoPermanentStore(Element):
    """Keep this message for offline delivery at most."""


@element(NS_HINTS, "no-copy")
class NoCopy(Element):
    """Do not copy this message to other devices."""


@element(NS_RECEIPTS, "request")
class ReceiptRequest(Element):
    """The sender wants to know when this message has arrived."""


@element(NS_RECEIPTS, "received")
class Receipt(Element):
    """A message has arrived."""

    id: str = key()
    """Of that message."""
