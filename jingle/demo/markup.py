"""Small pieces of XML as the server writes them: attributes, payloads, error replies (RFC 6120 section 8.3)."""

from __future__ import annotations

from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

STREAM_NAMESPACE = "http://etherx.jabber.org/streams"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"

# RFC 6120 section 8.3.3 names a type for each condition; `cancel` for what is not listed here.
_ERROR_TYPES = {
    "bad-request": "modify",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "policy-violation": "modify",
    "forbidden": "auth",
    "not-authorized": "auth",
    "subscription-required": "auth",
    "resource-constraint": "wait",
}
_QUOTES = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def attribute(name: str, value: str) -> str:
    """Write ` name="value"`, escaped, with the space before it."""
    return f' {name}="{escape(value, _QUOTES)}"'


def payload(name: str, namespace: str, **attributes: str) -> ET.Element:
    """Make an element that is written with `xmlns`, not with an invented prefix; so are its plain children."""
    return ET.Element(name, {"xmlns": namespace, **attributes})


def error_element(condition: str, text: str | None = None) -> ET.Element:
    """Make the `<error/>` of a stanza."""
    error = ET.Element("error", type=_ERROR_TYPES.get(condition, "cancel"))
    error.append(payload(condition, STANZA_ERRORS))
    if text:
        explanation = payload("text", STANZA_ERRORS)
        explanation.text = text
        error.append(explanation)
    return error


def reply(
    name: str, type_: str, *, id_: str | None, sender: str | None, to: str | None, content: ET.Element | None = None
) -> bytes:
    """Write a stanza of the server's own."""
    head = [f"<{name}", attribute("type", type_)]
    head += [attribute(key, value) for key, value in (("id", id_), ("from", sender), ("to", to)) if value is not None]
    if content is None:
        return ("".join(head) + "/>").encode()
    return "".join((*head, ">", ET.tostring(content, encoding="unicode"), f"</{name}>")).encode()
