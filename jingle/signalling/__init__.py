"""XMPP, and only XMPP: stanzas to elements and back, discovery, external services."""
