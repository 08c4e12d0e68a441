"""Text that slixmpp need not escape: it looks at each character by itself, a millisecond for an in-band block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

SHORT = 16
"""Characters that cost as much this way as the other."""

_SPECIAL = re.compile("[&<>'\"]")


class Verbatim(str):
    """A text without special characters, which goes through an escaping loop in one piece."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        yield str(self)


def verbatim(xml: ET.Element) -> ET.Element:
    """Mark the long texts of an element that need no escaping; the element comes back."""
    for part in xml.iter():
        if part.text is not None:
            part.text = _marked(part.text)
        for name, value in part.attrib.items():
            part.attrib[name] = _marked(value)
    return xml


def _marked(text: str) -> str:
    return Verbatim(text) if len(text) > SHORT and not _SPECIAL.search(text) else text
