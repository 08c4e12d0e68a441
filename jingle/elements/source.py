"""XML elements as text, in the shape people write XMPP: default namespaces instead of invented prefixes."""

from __future__ import annotations

import re
from functools import lru_cache
from xml.etree import ElementTree as ET

XML = "http://www.w3.org/XML/1998/namespace"

_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", "'": "&apos;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"},
)
_SPECIAL = re.compile("[&<'\r\n\t]").search
"""What is in `_ATTRIBUTE`."""


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
    namespace, begin, begin_with_namespace, end = _tags(xml.tag)
    parts.append(begin if namespace == inherited else begin_with_namespace)
    number = 0
    for key, value in xml.items():
        if key[0] == "{":
            where, key = split(key)
            if where == XML:
                key = f"xml:{key}"
            elif where:
                number += 1
                parts.append(f" xmlns:n{number}='{where.translate(_ATTRIBUTE)}'")
                key = f"n{number}:{key}"
        # Most values are a number or a name, and asking that is ten times as fast as looking for what to escape.
        if not value.isalnum() and _SPECIAL(value):
            value = value.translate(_ATTRIBUTE)
        parts.append(f" {key}='{value}'")
    text = xml.text
    if not len(xml) and not text:
        parts.append("/>")
        return
    parts.append(f">{text.translate(_TEXT)}" if text else ">")
    for child in xml:
        _element(child, namespace, parts)
        if child.tail:
            parts.append(child.tail.translate(_TEXT))
    parts.append(end)


@lru_cache(maxsize=1024)
def _tags(tag: str) -> tuple[str, str, str, str]:
    """Return the namespace of a tag, how the element begins without and with it, and how it ends."""
    namespace, name = split(tag)
    return namespace, f"<{name}", f"<{name} xmlns='{namespace.translate(_ATTRIBUTE)}'", f"</{name}>"
