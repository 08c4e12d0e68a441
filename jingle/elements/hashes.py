"""XEP-0300: Use of Cryptographic Hash Functions in XMPP (v1.0.0).

Deviation: white space in the base64 is accepted, though the XEP forbids it.
"""

from __future__ import annotations

from .declare import Element, attr, element, text

NS = "urn:xmpp:hashes:2"
FEATURE_PREFIX = "urn:xmpp:hash-function-text-names:"
"""Followed by the name of an algorithm in disco#info (section 5)."""


@element(NS, "hash")
class Hash(Element):
    """The digest of something."""

    algo: str = attr()
    """An IANA Hash Function Textual Name, or `sha3-256`, `sha3-512`, `blake2b-256`, `blake2b-512`."""

    value: bytes = text()


@element(NS, "hash-used")
class HashUsed(Element):
    """A digest made with this algorithm will follow."""

    algo: str = attr()
