"""XML elements as text, in the shape people write XMPP: default namespaces instead of invented prefixes."""

from __future__ import annotations

from functools import lru_cache
from xml.etree import ElementTree as ET

XML = "http://www.w3.org/XML/1998/namespace"

_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "'": "&apos;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"},
)


@lru_cache(maxsize=1024)
def split(tag: str) -> tuple[str, str]:
    """Return the namespace and the local name of a tag in ElementTree's `{namespace}name` notation."""
    namespace, brace, name = tag.rpartition("}")
    return (namespace[1:], name) if brace else ("", tag)


def to_text(xml: ET.Element, inherited: str = "") -> str:
    """Write an element, with every namespace that is not `inherited` from around it.

    The tail is left out. What comes back, parsed again, gives an equal element.
    """
    parts: list[str] = []
    _element(xml, inherited, parts)
    return "".join(parts)


def _element(xml: ET.Element, inherited: str, parts: list[str]) -> None:
    namespace, name = split(xml.tag)
    parts.append(f"<{name}")
    if namespace != inherited:
        parts.append(f" xmlns='{namespace.translate(_ATTRIBUTE)}'")
    for number, (key, value) in enumerate(xml.items()):
        if key[0] == "{":
            where, key = split(key)
            if where == XML:
                key = f"xml:{key}"
            elif where:
                parts.append(f" xmlns:n{number}='{where.translate(_ATTRIBUTE)}'")
                key = f"n{number}:{key}"
        # Most values are a number or a name, and asking that is four times as fast as looking for what to escape.
        parts.append(f" {key}='{value if value.isalnum() else value.translate(_ATTRIBUTE)}'")
    if not len(xml) and not xml.text:
        parts.append("/>")
        return
    parts.append(">")
    if xml.text:
        parts.append(xml.text.translate(_TEXT))
    for child in xml:
        _element(child, namespace, parts)
        if child.tail:
            parts.append(child.tail.translate(_TEXT))
    parts.append(f"</{name}>")
