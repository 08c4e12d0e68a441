"""Descriptions and sessions that nobody wrote: whatever can be said comes back as it was, or is refused by name."""

from __future__ import annotations

import contextlib
import copy
from xml.etree import ElementTree as ET

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from jingle import sdp
from jingle.elements.core import Action, Jingle, Role
from jingle.elements.declare import from_string, parse, serialize, to_string
from jingle.elements.model import REGISTRY
from jingle.errors import RemoteProtocolError, SdpError

from ..elements.cases import WIRE, XEP, known_elements
from ..elements.strategies import models
from .cases import session_meaning, texts
from .strategies import descriptions

TEXTS = [text for _, text in texts()]
SESSIONS = [
    ET.tostring(xml, encoding="unicode")
    for path in (*XEP, *WIRE)
    for xml in known_elements(path)
    if xml.tag == "{urn:xmpp:jingle:1}jingle" and len(xml)
]
WITH_CONTENTS = [
    action for action in Action if action not in (Action.SESSION_INFO, Action.SESSION_TERMINATE, Action.SECURITY_INFO)
]


@settings(max_examples=60)
@given(descriptions())
def test_text(description: sdp.SessionDescription) -> None:
    assert sdp.parse(sdp.format(description)) == description


@settings(max_examples=60)
@given(descriptions(), st.sampled_from(Role))
def test_sdp_to_jingle_to_sdp(description: sdp.SessionDescription, role: Role) -> None:
    jingle = sdp.to_jingle(description, role=role, action=Action.SESSION_INITIATE)
    received = from_string(to_string(jingle))
    assert received == jingle
    assert isinstance(received, Jingle)
    assert sdp.from_jingle(received, role=role) == description.resolved()


@settings(max_examples=60)
@given(descriptions(), st.sampled_from(Role), st.sampled_from(WITH_CONTENTS))
def test_an_action_to_sdp_to_jingle(description: sdp.SessionDescription, role: Role, action: Action) -> None:
    """Every action that has contents, those with a half of a description too."""
    jingle = sdp.to_jingle(description, role=role, action=action, sid="x")
    text = sdp.format(sdp.from_jingle(jingle, role=role))
    back = sdp.to_jingle(sdp.parse(text), role=role, action=action, sid="x")
    assert session_meaning(serialize(back), role) == session_meaning(serialize(jingle), role)


@settings(max_examples=60)
@given(models(Jingle), st.sampled_from(Role))
def test_jingle_to_sdp_to_jingle(jingle: Jingle, role: Role) -> None:
    """Most of these are nonsense and refused; what is taken comes back."""
    try:
        description = sdp.from_jingle(jingle, role=role)
    except RemoteProtocolError:
        return
    text = sdp.format(description)
    assert sdp.parse(text).resolved() == description.resolved()
    if jingle.action not in WITH_CONTENTS:
        return
    back = sdp.to_jingle(
        sdp.parse(text),
        role=role,
        action=jingle.action,
        sid=jingle.sid,
        initiator=jingle.initiator,
        responder=jingle.responder,
    )
    assert session_meaning(serialize(back), role) == session_meaning(serialize(jingle), role)


@st.composite
def mutated_sessions(draw: st.DrawFn) -> ET.Element:
    """A session that a client sent, with a few elements and attributes taken out, doubled, moved or added.

    Nothing is added to what can only be there or not: for the models, what stands in a flag is its spelling.
    """
    root = ET.fromstring(draw(st.sampled_from(SESSIONS)))
    for _ in range(draw(st.integers(1, 4))):
        parts = list(root.iter())
        part, other = draw(st.sampled_from(parts)), draw(st.sampled_from(parts))
        match draw(st.sampled_from(["drop", "double", "move", "forget", "copy", "mark", "add"])):
            case "drop" if len(part):
                del part[draw(st.integers(0, len(part) - 1))]
            case "double" if len(part) and part.tag in REGISTRY:
                part.append(copy.deepcopy(part[draw(st.integers(0, len(part) - 1))]))
            case "move" if len(other) and part.tag in REGISTRY:
                part.append(copy.deepcopy(other[draw(st.integers(0, len(other) - 1))]))
            case "forget" if part.attrib:
                del part.attrib[draw(st.sampled_from(sorted(part.attrib)))]
            case "copy" if part.attrib and other.attrib:
                value = other.attrib[draw(st.sampled_from(sorted(other.attrib)))]
                part.set(draw(st.sampled_from(sorted(part.attrib))), value)
            case "mark" if part.tag in REGISTRY:
                part.set(draw(st.sampled_from(["x", "{urn:x}y"])), draw(st.sampled_from(["", "1", "a b"])))
            case "add" if part.tag in REGISTRY:
                part.append(ET.fromstring("<foreign xmlns='urn:x'>text</foreign>"))
    return root


@settings(max_examples=120)
@given(mutated_sessions(), st.sampled_from(Role))
def test_a_mutated_session(xml: ET.Element, role: Role) -> None:
    """What can be read and said in SDP comes back."""
    try:
        jingle = parse(xml)
        assert isinstance(jingle, Jingle)
        description = sdp.from_jingle(jingle, role=role)
    except RemoteProtocolError:
        event("refused")
        return
    if jingle.action not in WITH_CONTENTS:
        return
    back = sdp.to_jingle(
        sdp.parse(sdp.format(description)),
        role=role,
        action=jingle.action,
        sid=jingle.sid,
        initiator=jingle.initiator,
        responder=jingle.responder,
    )
    assert session_meaning(serialize(back), role) == session_meaning(serialize(jingle), role)


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    with contextlib.suppress(SdpError):
        sdp.parse(text)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A description with a few lines taken out, doubled, exchanged or changed in one place."""
    lines = draw(st.sampled_from(TEXTS)).split("\n")
    for _ in range(draw(st.integers(1, 4))):
        here, there = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "exchange", "cut", "put"])):
            case "drop" if len(lines) > 1:
                del lines[here]
            case "double":
                lines.insert(there, lines[here])
            case "exchange":
                lines[here], lines[there] = lines[there], lines[here]
            case "cut":
                at = draw(st.integers(0, len(lines[here])))
                lines[here] = lines[here][:at]
            case _:
                at = draw(st.integers(0, len(lines[here])))
                lines[here] = f"{lines[here][:at]}{draw(st.text(max_size=3))}{lines[here][at:]}"
    return "\n".join(lines)


@settings(max_examples=60)
@given(mutated(), st.sampled_from(Role))
def test_mutated_text(text: str, role: Role) -> None:
    """What can be read can be written, and mapped and back; what cannot be is refused with the line."""
    lines = text.count("\n") + 1
    try:
        description = sdp.parse(text)
    except SdpError as exc:
        event("refused" if 1 <= exc.line <= lines else pytest.fail(f"there is no line {exc.line}"))
        return
    assert sdp.parse(sdp.format(description)) == description
    jingle = sdp.to_jingle(description, role=role, action=Action.SESSION_ACCEPT, sid="x")
    received = from_string(to_string(jingle))
    assert isinstance(received, Jingle)
    assert sdp.from_jingle(received, role=role) == description.resolved()


@pytest.mark.parametrize("action", Action)
def test_every_action_of_nothing(action: Action) -> None:
    """An action without contents is a description without sections."""
    description = sdp.from_jingle(Jingle(action=action, sid="x"), role=Role.INITIATOR)
    assert description.media == ()
