"""How much of anything a parsed element may hold: every bound of our own, with its reason.

XML Schema bounds few sizes and a peer is not to be trusted with the rest, so `declare.parse` enforces these.
Ranges that a XEP's schema states (a port, a payload type) stand with the field they belong to.
"""

from __future__ import annotations

DEPTH = 32
"""Elements inside each other. A stanza with Jingle in it needs eight; reading recurses, so there has to be an end."""

CHILDREN = 1024
"""Children of one element. A conference bridge announces several hundred sources in one description; a crowded
network gathers a hundred candidates. IANA has 128 payload types."""

ATTRIBUTES = 64
"""Attributes of one element. The richest one, a candidate, has fourteen."""

ATTRIBUTE = 8192
"""Characters of one attribute. The longest seen are SDES keys and codec configurations of some hundred characters;
URIs of thumbnails and tickets of TURN services go up to a few thousand."""

KEY = 1023
"""Characters of a name that we keep as long as a session lives (`sid`, `cid`, message ids): as much as XMPP allows
a resource (RFC 7622 section 3.4). Deployed clients use 16 to 64."""

TEXT = 131072
"""Characters of an element's text. An in-band block of 65535 bytes takes 87380 characters in base64 (XEP-0047
section 2.1), and everything else is shorter by far."""

WORD = 128
"""Characters in the attributes of an element that is kept to be shared. The longest URI of a header extension that
browsers use has 80."""

WORDS = 512
"""Elements that are kept to be shared. Browsers know about 200 parameters, feedback messages and header extensions."""

DIGITS = 20
"""Digits of a whole number: enough for 64 bits."""
