"""From SDP to Jingle and back, and from Jingle to SDP and back: what others wrote comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from jingle import sdp
from jingle.elements.core import Action, Jingle, Role
from jingle.elements.declare import from_string, parse, serialize, to_string
from jingle.errors import RemoteProtocolError

from ..elements.cases import WIRE, XEP, known_elements
from .cases import meaning, session_meaning, texts

TEXTS = texts()
ACTIONS = {Role.INITIATOR: Action.SESSION_INITIATE, Role.RESPONDER: Action.SESSION_ACCEPT}
WITHOUT_CONTENTS = (Action.SESSION_INFO, Action.SESSION_TERMINATE, Action.SECURITY_INFO)


def sessions() -> list[tuple[str, Jingle]]:
    found = []
    for path in (*XEP, *WIRE):
        for number, xml in enumerate(known_elements(path)):
            if xml.tag == "{urn:xmpp:jingle:1}jingle" and len(xml):
                try:
                    jingle = parse(xml)
                except RemoteProtocolError:
                    continue  # several examples leave out what they illustrate
                assert isinstance(jingle, Jingle)
                if jingle.action not in WITHOUT_CONTENTS:
                    found.append((f"{path.parent.name}/{Path(path).stem}-{number}", jingle))
    return found


SESSIONS = sessions()


def test_there_are_cases() -> None:
    assert len(TEXTS) > 80
    assert len(SESSIONS) > 300


@pytest.mark.parametrize("text", [text for _, text in TEXTS], ids=[name for name, _ in TEXTS])
def test_text(text: str) -> None:
    """What is written is what was read."""
    description = sdp.parse(text)
    written = sdp.format(description)
    assert meaning(written) == meaning(text)
    assert sdp.parse(written) == description


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("text", [text for _, text in TEXTS], ids=[name for name, _ in TEXTS])
def test_sdp_to_jingle_to_sdp(text: str, role: Role) -> None:
    description = sdp.parse(text)
    jingle = sdp.to_jingle(description, role=role, action=ACTIONS[role], sid="abc")
    received = from_string(to_string(jingle))
    assert received == jingle
    assert isinstance(received, Jingle)
    back = sdp.from_jingle(received, role=role)
    assert back == description.resolved()
    assert meaning(sdp.format(back)) == meaning(text)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("jingle", [jingle for _, jingle in SESSIONS], ids=[name for name, _ in SESSIONS])
def test_jingle_to_sdp_to_jingle(jingle: Jingle, role: Role) -> None:
    text = sdp.format(sdp.from_jingle(jingle, role=role))
    back = sdp.to_jingle(
        sdp.parse(text),
        role=role,
        action=jingle.action,
        sid=jingle.sid,
        initiator=jingle.initiator,
        responder=jingle.responder,
    )
    assert session_meaning(serialize(back), role) == session_meaning(serialize(jingle), role)
