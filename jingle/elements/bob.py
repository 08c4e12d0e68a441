"""XEP-0231: Bits of Binary (v1.0): small pieces of data, asked for by what they are."""

from __future__ import annotations

from .declare import Element, attr, element, key, text

NS = "urn:xmpp:bob"


@element(NS, "data")
class BobData(Element):
    """A piece of data, or without `data` the question for one (sections 3 and 4)."""

    cid: str = key()
    """`sha1+` and the digest in hexadecimal, at `bob.xmpp.org` (section 2)."""

    max_age: int | None = attr(default=None)
    """Seconds for which it may be kept; 0 forbids it."""

    type: str | None = attr(default=None)
    """Its media type."""

    data: bytes = text()
