"""Marked texts come out of slixmpp as they would have without a mark."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from slixmpp.xmlstream.tostring import tostring

from jingle.signalling.verbatim import SHORT, Verbatim, verbatim

LONG = "A" * (SHORT + 1)


@pytest.mark.parametrize(
    "text", [LONG, LONG + "&", f"<{LONG}>", f"'{LONG}", f'{LONG}"', "ä€\U0001f600" * SHORT, "short", "<&", "", None]
)
def test_nothing_looks_different(text: str | None) -> None:
    xml = ET.Element("{urn:a}outer", {"name": text or ""})
    ET.SubElement(xml, "{urn:a}inner").text = text
    plain = tostring(xml)
    assert tostring(verbatim(xml)) == plain
    assert ET.fromstring(plain)[0].text == (text or None)
    assert ET.tostring(xml) == ET.tostring(ET.fromstring(plain))


def test_what_needs_no_escaping_is_marked() -> None:
    xml = ET.Element("{urn:a}outer", {"long": LONG, "short": "a", "special": LONG + "<"})
    xml.text = LONG
    verbatim(xml)
    marked = [xml.text, *xml.attrib.values()]
    assert [isinstance(each, Verbatim) for each in marked] == [True, True, False, False]
    assert list(Verbatim(LONG)) == [LONG]
