"""ICE options in a `<transport/>` (RFC 8839 section 5.6), as Conversations and Monal speak them; in no XEP.

They stand in the `extra` of an `ice_udp.IceUdpTransport`.
"""

from __future__ import annotations

from .declare import Element, element

NS = "http://gultsch.de/xmpp/drafts/jingle/transports/ice-udp/option"


@element(NS, "trickle")
class Trickle(Element):
    """More candidates may follow (RFC 8838)."""


@element(NS, "renomination")
class Renomination(Element):
    """The sender's agent may nominate several times; not to be echoed by one that cannot."""
