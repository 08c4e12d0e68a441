"""XMPP addresses as text in normal form (RFC 7622)."""

from __future__ import annotations


def bare(jid: str) -> str:
    """The JID without its resource."""
    return jid.partition("/")[0]
