"""The flows of XEP-0166, replayed from its own examples (the stanzas in tests/elements/cases/xep)."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle.elements.core import Jingle, ReasonCondition, Role
from jingle.elements.declare import parse
from jingle.errors import RemoteProtocolError
from jingle.session.dispatcher import Dispatcher
from jingle.session.events import (
    ContentId,
    Event,
    Reply,
    SecurityInfo,
    Send,
    SessionAccepted,
    SessionEnded,
    SessionInfo,
)

XEP = Path(__file__).parent.parent / "elements" / "cases" / "xep"
CLIENT = "urn:ietf:params:xml:ns:xmpp-stanzas"
ROMEO, JULIET = "romeo@montague.lit/orchard", "juliet@capulet.lit/balcony"


def stanza(number: int) -> ET.Element:
    return ET.parse(XEP / f"0166-{number:02}.xml").getroot()


def jingle(number: int) -> Jingle:
    element = parse(next(iter(stanza(number))))
    assert isinstance(element, Jingle)
    return element


def give(to: Dispatcher, number: int, now: float = 0) -> list[Event]:
    sender = stanza(number).get("from")
    assert sender is not None
    return [event for _, event in to.receive(sender, jingle(number), now)]


def check_error(number: int, error: RemoteProtocolError | None) -> None:
    """The error is the one of the example: type, condition and Jingle condition."""
    assert error is not None
    example = stanza(number)[0]
    want = [child.tag for child in example]
    assert example.get("type") == error.type
    assert want == [f"{{{CLIENT}}}{error.condition}", f"{{urn:xmpp:jingle:errors:1}}{error.jingle}"]


def error_of(events: list[Event]) -> RemoteProtocolError | None:
    [reply] = events
    assert isinstance(reply, Reply)
    return reply.error


def test_section_2_from_the_first_stanza_to_the_last() -> None:
    for initiate, accept, terminate in ((1, 2, 3), (4, 5, 6), (7, 8, 9)):
        romeo, juliet = Dispatcher(local=ROMEO), Dispatcher(local=JULIET)
        offer, answer = jingle(initiate), jingle(accept)
        session = romeo.initiate(JULIET, offer.sid, offer.contents, now=0)
        [send] = session.take_events()
        assert isinstance(send, Send)
        assert send.jingle == offer
        assert give(juliet, initiate)[0] == Reply()
        session.acknowledged(send.token)
        session.take_events()

        theirs = juliet.sessions[0]
        theirs.accept(answer.contents)
        [send] = theirs.take_events()
        assert isinstance(send, Send)
        assert send.jingle == answer
        assert give(romeo, accept) == [Reply(), SessionAccepted(contents=answer.contents)]
        theirs.acknowledged(send.token)
        theirs.take_events()

        end = jingle(terminate)
        assert end.reason is not None
        theirs.terminate(end.reason)
        [send, ended] = theirs.take_events()
        assert isinstance(send, Send)
        assert send.jingle == end
        assert give(romeo, terminate) == [Reply(), SessionEnded(reason=end.reason, by_peer=True)]
        assert romeo.sessions == juliet.sessions == ()


@pytest.mark.parametrize("number", range(9, 18))
def test_section_6_7_every_reason(number: int) -> None:
    romeo = Dispatcher(local=ROMEO)
    romeo.initiate(JULIET, jingle(number).sid, jingle(7).contents, now=0).take_events()
    reply, ended = give(romeo, number)
    assert reply == Reply()
    assert isinstance(ended, SessionEnded)
    assert ended.reason == jingle(number).reason
    if ended.reason is not None and ended.reason.condition is ReasonCondition.ALTERNATIVE_SESSION:
        assert ended.reason.alternative_session == "b84tkkwlmb48kgfb"


def test_section_6_7_unknown_session() -> None:
    check_error(18, error_of(give(Dispatcher(local=ROMEO), 19)))


def test_section_6_8_ringing_and_ping() -> None:
    romeo = Dispatcher(local=ROMEO, understands=lambda session, payload: True)
    romeo.initiate(JULIET, jingle(7).sid, jingle(7).contents, now=0).take_events()
    assert give(romeo, 19) == [Reply(), SessionInfo(payload=jingle(19).payloads[0])]
    assert give(romeo, 21) == [Reply()]
    # By default only what has a model is understood; the example has a namespace that XEP-0167 does not.
    deaf = Dispatcher(local=ROMEO)
    deaf.initiate(JULIET, jingle(7).sid, jingle(7).contents, now=0).take_events()
    check_error(20, error_of(give(deaf, 19)))


def test_section_7_2_16_conflict() -> None:
    romeo = Dispatcher(local=ROMEO)
    offer = jingle(7)
    romeo.initiate(JULIET, offer.sid, offer.contents, now=0).take_events()
    theirs = Jingle(action=offer.action, sid="b84tkkwlmb48kgfb", contents=offer.contents)
    [(_, reply)] = romeo.receive(JULIET, theirs, 0)
    check_error(22, error_of([reply]))


def test_section_9_security() -> None:
    juliet = Dispatcher(local=JULIET)
    assert give(juliet, 23)[0] == Reply()
    # The example speaks of a content that the one before did not offer, so here it gets the other's name.
    [offered], info = jingle(23).contents, jingle(24)
    about = dataclasses.replace(info.contents[0], name=offered.name)
    told = juliet.receive(ROMEO, dataclasses.replace(info, contents=(about,)), 0)
    name = ContentId(Role.INITIATOR, offered.name)
    assert about.security is not None
    assert [event for _, event in told] == [Reply(), SecurityInfo(content=name, security=about.security)]
    check_error(25, RemoteProtocolError("what should be encrypted came in the clear", jingle="security-required"))
