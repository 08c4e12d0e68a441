"""Recorded sessions of stanza.js and Dino, replayed: what deployed clients send is understood, and answered as there.

Every transcript is replayed from each side: what that side sent is said through our engine, what it received is given
to it. The transcripts are in tests/elements/cases/wire; tests/client/test_recordings.py replays them to a whole client.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle.elements import initiation
from jingle.elements.core import Action, Jingle
from jingle.elements.jids import bare
from jingle.session.dispatcher import Dispatcher
from jingle.session.engine import Session
from jingle.session.events import Reply, Send
from jingle.session.initiation import Initiations
from jingle.session.state import SessionState
from tests.elements.transcripts import WIRE, lines, payload_of, sides


def say(dispatcher: Dispatcher, session: Session | None, peer: str, jingle: Jingle) -> Session:
    """Send through our engine what the transcript's side sent."""
    if session is None:
        return dispatcher.initiate(peer, jingle.sid, jingle.contents, groups=jingle.groups, now=0)
    match jingle.action:
        case Action.SESSION_ACCEPT:
            session.accept(jingle.contents, groups=jingle.groups)
        case Action.SESSION_TERMINATE:
            assert jingle.reason is not None
            session.terminate(jingle.reason)
        case Action.SESSION_INFO:
            session.info(jingle.payloads[0])
        case Action.TRANSPORT_INFO:
            [content] = jingle.contents
            assert content.transport is not None
            session.transport_info(content.name, content.transport)
        case Action.TRANSPORT_REPLACE:
            [content] = jingle.contents
            assert content.transport is not None
            session.replace_transport(content.name, content.transport)
        case _:
            raise AssertionError(f"no transcript has {jingle.action}")
    return session


@pytest.mark.parametrize(("path", "side"), sides(), ids=lambda value: getattr(value, "name", value))
def test_a_transcript(path: Path, side: str) -> None:
    us = Dispatcher(local=side or "us@localhost/r")
    sessions: dict[str, Session] = {}
    tokens: dict[str, tuple[Session, int]] = {}
    late: dict[str, bool] = {}
    checked = 0
    for line in lines(path, side):
        if isinstance(line.payload, Jingle) and line.sent:
            known = sessions.get(line.payload.sid)
            if known is not None and known.state is SessionState.ENDED:
                continue
            session = say(us, known, line.peer, line.payload)
            sessions[line.payload.sid] = session
            for event in session.take_events():
                if isinstance(event, Send):
                    assert event.jingle.action is line.payload.action
                    tokens[line.id] = (session, event.token)
        elif isinstance(line.payload, Jingle) and line.kind == "set":
            (whose, reply), *_ = us.receive(line.peer, line.payload, 0)
            assert isinstance(reply, Reply)
            assert reply.error is None, (line.payload.action, reply.error)
            late[line.id] = whose is None
            if whose is not None:
                sessions[line.payload.sid] = whose
            checked += 1
        elif line.name == "iq" and line.sent and line.id in late:
            # What crossed the end we acknowledge, where both clients answer unknown-session. Transcripts with both
            # sides in one tell when a stanza was sent, so that they do not show what crossed.
            assert line.kind == "result" or late[line.id] or side
        elif line.name == "iq" and line.kind == "result" and line.id in tokens:
            session, token = tokens.pop(line.id)
            session.acknowledged(token)
            session.take_events()
    assert checked or not sessions
    assert all(session.state is not SessionState.IDLE for session in sessions.values())


@pytest.mark.parametrize("path", sorted((WIRE / "dino").glob("*.xml")), ids=lambda path: path.name)
def test_dinos_messages(path: Path) -> None:
    """What Dino says before its sessions makes sense to both sides."""
    jids = sorted({record.get("by", "") for record in ET.parse(path).getroot()})
    devices = {jid: Initiations(local=jid) for jid in jids}
    for record in ET.parse(path).getroot():
        element = payload_of(record[0]) if len(record) else None
        if not isinstance(element, initiation.Initiation):
            continue
        sender, recipient = record.get("by", ""), record[0].get("to", "")
        if recipient == bare(sender):
            # For other devices of the same user.
            continue
        for jid, device in devices.items():
            if jid == sender:
                if isinstance(element, initiation.Propose):
                    device.propose(recipient, element.id, element.descriptions, 0)
                elif isinstance(element, initiation.Proceed):
                    device.proceed(element.id, 0)
                elif isinstance(element, initiation.Reject | initiation.Retract):
                    getattr(device, element.NAME)(element.id)
                device.take_events()
            else:
                device.receive(element, sender=sender, recipient=recipient, now=0)
                heard = [type(event).__name__ for event in device.take_events()]
                expected = {"propose": ["Incoming"], "proceed": ["Proceeded"], "reject": ["Rejected"]}
                assert heard == expected.get(element.NAME, ["Retracted"] if element.NAME == "retract" else [])
