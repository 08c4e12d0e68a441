"""Messages as they come: by themselves, as copies for our other devices, or out of an archive.

XEP-0280 (carbons), XEP-0313 (archives), XEP-0203 (delays).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from slixmpp.stanza import Message
from slixmpp.xmlstream.matcher.base import MatcherBase

from ..elements.declare import Element, parse
from ..errors import RemoteProtocolError
from .stanza_errors import condition_of, error_in, xml_namespace

log = logging.getLogger(__name__)

NS_CARBONS = "urn:xmpp:carbons:2"
NS_MAM = "urn:xmpp:mam:2"
NS_FORWARD = "urn:xmpp:forward:0"
NS_DELAY = "urn:xmpp:delay"

ARCHIVED = "archived"
_WRAPPERS = {
    f"{{{NS_CARBONS}}}sent": "sent",
    f"{{{NS_CARBONS}}}received": "received",
    f"{{{NS_MAM}}}result": ARCHIVED,
}
"""What a message of ours comes back in."""

_IN_ARCHIVE = f"{{{NS_MAM}}}result/{{{NS_FORWARD}}}forwarded"

_FOR_MANY = frozenset({"groupchat", "headline"})
"""Types of messages that are said to a room or to everybody: no call is proposed to us with those."""


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """A message that carries a payload somebody here listens for."""

    sender: str
    recipient: str
    id: str
    type: str
    payloads: tuple[Element, ...]
    carbon: str | None = None
    """`sent` or `received` where this is a copy of another device's message (XEP-0280)."""

    is_archived: bool = False
    """Whether it is what somebody who reads our archive got out of it (XEP-0313)."""

    age: float = 0.0
    """Seconds since it was sent, where it was stored on the way (XEP-0203)."""

    error: str | None = None
    """The stanza error condition of a bounce."""


class WantedMessages(MatcherBase):
    """Messages with a payload in one of a set of namespaces, copies of such messages, and bounces of our own."""

    def match(self, stanza: Any) -> bool:
        """Whether it is one of those."""
        if stanza.name != "message":
            return False
        inner, wrapping = unwrap(stanza.xml)
        if inner.get("type") == "error" and wrapping != ARCHIVED:
            return inner.get("id", "").startswith("jm-")
        if inner.get("type") in _FOR_MANY:
            return False
        return any(xml_namespace(child) in self._criteria for child in inner)


def unwrap(xml: ET.Element) -> tuple[ET.Element, str | None]:
    """The message inside a carbon copy or an archive's result and what it was in; else the message itself."""
    for tag, kind in _WRAPPERS.items():
        wrapper = xml.find(tag)
        if wrapper is not None:
            inner = wrapper.find(f"{{{NS_FORWARD}}}forwarded/{{jabber:client}}message")
            return (inner, kind) if inner is not None else (ET.Element("message"), kind)
    return xml, None


def _age(xml: ET.Element) -> float:
    """Seconds since the oldest delay stamp; 0 without one or with one that cannot be read."""
    ages = [0.0]
    for delay in xml.findall(f"{{{NS_DELAY}}}delay"):
        with contextlib.suppress(ValueError):
            stamp = datetime.fromisoformat(delay.get("stamp", ""))
            stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
            ages.append((datetime.now(UTC) - stamp).total_seconds())
    return max(ages)


def received(stanza: Message, namespaces: AbstractSet[str]) -> ReceivedMessage:
    """What a message says in these namespaces; a payload that cannot be read is left out."""
    inner, wrapping = unwrap(stanza.xml)
    payloads = []
    for child in inner:
        if xml_namespace(child) in namespaces:
            try:
                payloads.append(parse(child))
            except RemoteProtocolError as exc:
                log.info("< %s sent something malformed: %s", stanza["from"], exc)
    is_bounce = inner.get("type") == "error" and wrapping != ARCHIVED
    return ReceivedMessage(
        sender=inner.get("from", ""),
        recipient=inner.get("to", ""),
        id=inner.get("id", ""),
        type=inner.get("type", "normal"),
        payloads=tuple(payloads),
        carbon=wrapping if wrapping != ARCHIVED else None,
        is_archived=wrapping == ARCHIVED,
        # An archive says it beside the message.
        age=max(_age(each) for each in (inner, stanza.xml, *stanza.xml.iterfind(_IN_ARCHIVE))),
        error=condition_of(error_in(inner)) if is_bounce else None,
    )
