"""Whatever is done to a stanza, it is read and written back the same, or refused with a RemoteProtocolError."""

from __future__ import annotations

import copy
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jingle.elements.declare import from_string, parse, serialize, to_string
from jingle.elements.model import plan_of
from jingle.errors import RemoteProtocolError

from .cases import MODELS, WIRE, XEP, canonical, known_elements
from .strategies import texts

ELEMENTS = [xml for path in (*XEP, *WIRE[::8]) for xml in known_elements(path) if len(list(xml.iter())) < 60]
VALUES = st.sampled_from(
    ["", " ", "0", "-1", "00", "+7", " 5 ", "1", "true", "65536", "99999999999", "initiator", "\u0663"]
)
NAMES = sorted({key for xml in ELEMENTS for part in xml.iter() for key in part.attrib})
TAGS = sorted(
    {
        *(plan_of(model).tag for model in MODELS),
        *(part.tag for xml in ELEMENTS for part in xml.iter()),
        "unqualified",
        "{urn:example}foreign",
    }
)

Mutation = Callable[[ET.Element, ET.Element, st.DataObject], None]


def drop_attribute(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    if part.attrib:
        del part.attrib[data.draw(st.sampled_from(sorted(part.attrib)))]


def set_attribute(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    names = [*sorted(part.attrib), *NAMES, "{http://www.w3.org/XML/1998/namespace}lang", "{urn:example}a"]
    part.set(data.draw(st.sampled_from(names)), data.draw(VALUES | texts()))


def set_text(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    part.text = data.draw(VALUES | texts())


def set_tail(root: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    if part is not root:
        part.tail = data.draw(texts())


def rename(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    part.tag = data.draw(st.sampled_from(TAGS))


def drop_child(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    if len(part):
        del part[data.draw(st.integers(0, len(part) - 1))]


def repeat_child(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    if len(part):
        child = part[data.draw(st.integers(0, len(part) - 1))]
        part.insert(data.draw(st.integers(0, len(part))), copy.deepcopy(child))


def reverse_children(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    part[:] = reversed(part)


def insert_child(_: ET.Element, part: ET.Element, data: st.DataObject) -> None:
    part.insert(data.draw(st.integers(0, len(part))), ET.Element(data.draw(st.sampled_from(TAGS))))


MUTATIONS: list[Mutation] = [
    drop_attribute,
    set_attribute,
    set_text,
    set_tail,
    rename,
    drop_child,
    repeat_child,
    reverse_children,
    insert_child,
]


@settings(max_examples=500)
@given(data=st.data())
def test_mutated(data: st.DataObject) -> None:
    xml = copy.deepcopy(data.draw(st.sampled_from(ELEMENTS)))
    for _ in range(data.draw(st.integers(1, 4))):
        part = data.draw(st.sampled_from(list(xml.iter())))
        data.draw(st.sampled_from(MUTATIONS))(xml, part, data)
    try:
        model = parse(xml)
    except RemoteProtocolError:
        return
    assert canonical(serialize(model)) == canonical(xml)
    assert from_string(to_string(model)) == model


@settings(max_examples=200)
@given(st.text("<>/='\" ajx:{}&;!-[]?\0\n", max_size=40))
@example("<a xmlns:b='c' b:d='e'/>")
@example("<a:b/>")
def test_any_text(source: str) -> None:
    try:
        model = from_string(source)
    except RemoteProtocolError:
        return
    assert from_string(to_string(model)) == model


@pytest.mark.parametrize("odd", [ET.Comment("x"), ET.ProcessingInstruction("x", "y")], ids=["comment", "instruction"])
@pytest.mark.parametrize("around", ["content", "transport", "foreign", "text"])
def test_what_xmpp_forbids(odd: ET.Element, around: str) -> None:
    """A parser leaves these out; a tree that was made by hand may have them (RFC 6120 section 11.1)."""
    xml = ET.Element("{urn:xmpp:jingle:1}content", creator="initiator", name="a")
    place = {
        "content": xml,
        "transport": ET.SubElement(xml, "{urn:xmpp:jingle:transports:ice-udp:1}transport"),
        "foreign": ET.SubElement(xml, "{urn:example}foreign"),
        "text": ET.SubElement(ET.SubElement(xml, "{urn:xmpp:jingle:1}reason"), "{urn:xmpp:jingle:1}busy"),
    }[around]
    place.append(odd)
    with pytest.raises(RemoteProtocolError, match="comments and processing instructions are not accepted"):
        parse(xml)
    with pytest.raises(RemoteProtocolError, match="comments and processing instructions are not accepted"):
        parse(odd)
