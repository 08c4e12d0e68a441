"""XEP-0261: Jingle In-Band Bytestreams Transport Method (v1.0) and XEP-0047: In-Band Bytestreams (v2.0.1).

Deviation: a block may have up to 65535 bytes in both; XEP-0261's schema ends at half of that.
"""

from __future__ import annotations

import enum

from .declare import Element, attr, element, key, shape, text
from .values import UNSIGNED_SHORT

NS = "urn:xmpp:jingle:transports:ibb:1"
NS_IBB = "http://jabber.org/protocol/ibb"
BLOCK_SIZES = range(1, 2**16)


class StanzaKind(enum.Enum):
    """What carries the blocks."""

    IQ = "iq"
    MESSAGE = "message"


@shape
class AnyIbb(Element):
    """The terms of an in-band stream."""

    block_size: int = attr(within=BLOCK_SIZES)
    """The most bytes of a block, before they are written in base64."""

    sid: str = key()
    stanza: StanzaKind | None = attr(default=None)

    @property
    def effective_stanza(self) -> StanzaKind:
        """`stanza`, or what its absence means."""
        return self.stanza or StanzaKind.IQ


@element(NS, "transport")
class IbbTransport(AnyIbb):
    """An in-band stream as a transport."""


@element(NS_IBB, "open")
class Open(AnyIbb):
    """The stream begins (XEP-0047 section 2.1)."""


@element(NS_IBB, "data")
class Data(Element):
    """A block (XEP-0047 section 2.2)."""

    seq: int = attr(within=UNSIGNED_SHORT)
    """Counts the blocks from 0 and wraps after 65535."""

    sid: str = key()
    data: bytes = text()


@element(NS_IBB, "close")
class Close(Element):
    """The stream ends (XEP-0047 section 2.3)."""

    sid: str = key()
