"""Transports: candidates in order, replacements, and what the transport reports itself."""

from __future__ import annotations

import pytest

from jingle.elements.core import Action, Content, Reason, ReasonCondition, Role
from jingle.elements.declare import Element
from jingle.errors import LocalProtocolError
from jingle.session.contents import namespace_of
from jingle.session.events import (
    Acknowledged,
    ContentId,
    Refused,
    Send,
    TransportAccepted,
    TransportInfo,
    TransportRejected,
    TransportReplaced,
)
from jingle.session.state import TransportState

from .helpers import Pair, content, jingle, named, of, receive, refusal, sent, session, transport, voice

A = Action
OLD, NEW, THEIRS = transport(), transport("mine", "other"), transport("theirs", "other")
WHY = Reason(condition=ReasonCondition.CONNECTIVITY_ERROR)


@pytest.fixture
def pair() -> Pair:
    return Pair().active()


def about(element: object) -> Content:
    return Content(creator=Role.INITIATOR, name="voice", transport=element)  # type: ignore[arg-type]


def states(pair: Pair) -> list[str]:
    return [end.engine.contents.require("voice").transport_state.value for end in (pair.romeo, pair.juliet)]


def test_a_namespace_is_that_of_the_element() -> None:
    assert namespace_of(OLD) == "urn:example:stub"
    assert namespace_of(WHY) == "urn:xmpp:jingle:1"


# Candidates.


def test_candidates_wait_until_the_peer_knows_the_content() -> None:
    romeo = session(Role.INITIATOR)
    romeo.initiate([content()])
    token = sent(romeo).token
    assert [romeo.transport_info("voice", transport(n)) for n in "ab"] == [None, None]
    assert romeo.take_events() == []
    romeo.acknowledged(token)
    acknowledged, *sends = romeo.take_events()
    assert acknowledged == Acknowledged(token=token, action=A.SESSION_INITIATE)
    assert [send.jingle for send in of(sends, Send)] == [jingle(A.TRANSPORT_INFO, about(transport(n))) for n in "ab"]
    assert romeo.transport_info("voice", transport("c")) == 4


@pytest.mark.parametrize("action", [A.SESSION_ACCEPT, A.CONTENT_ACCEPT])
def test_who_accepts_a_content_knows_it(action: Action) -> None:
    """A client may accept before its acknowledgement is on the wire."""
    romeo = session(Role.INITIATOR)
    token = romeo.initiate([content()])
    romeo.transport_info("voice", transport("a"))
    romeo.take_events()
    _, send = receive(romeo, jingle(action, content()))
    assert isinstance(send, Send)
    assert send.jingle == jingle(A.TRANSPORT_INFO, about(transport("a")))
    romeo.acknowledged(token)
    assert of(romeo.take_events(), Send) == []


def test_candidates_of_a_refused_content_are_never_sent(pair: Pair) -> None:
    romeo = pair.romeo.engine
    token = romeo.add_content([content("video")])
    romeo.transport_info("video", transport())
    romeo.take_events()
    romeo.refused(token, "feature-not-implemented")
    assert of(romeo.take_events(), Send) == []


def test_a_responders_candidates_may_come_before_its_accept() -> None:
    pair = Pair()
    pair.settle()
    for n in "ab":
        pair.juliet.engine.transport_info("voice", transport(n))
    pair.juliet.engine.accept([content()])
    pair.juliet.flush()
    pair.settle()
    assert [event.transport for event in of(pair.romeo.log, TransportInfo)] == [transport("a"), transport("b")]
    assert type(pair.romeo.log[-1]).__name__ == "SessionAccepted"


# Replacing.


@pytest.mark.parametrize("who", ["romeo", "juliet"])
@pytest.mark.parametrize("accept", [True, False])
def test_a_transport_is_replaced(pair: Pair, who: str, accept: bool) -> None:
    proposer = pair.romeo if who == "romeo" else pair.juliet
    other = pair.other(proposer)
    proposer.engine.replace_transport("voice", NEW, reason=WHY)
    proposer.flush()
    pair.settle()
    assert of(other.log, TransportReplaced) == [TransportReplaced(content=voice(), transport=NEW, reason=WHY)]
    assert states(pair) == ["replacing", "replacing"]
    for engine in (proposer.engine, other.engine):
        with pytest.raises(LocalProtocolError, match="replacing"):
            engine.replace_transport("voice", NEW)
    with pytest.raises(LocalProtocolError, match="did not propose"):
        proposer.engine.accept_transport("voice", NEW)
    with pytest.raises(LocalProtocolError, match="did not propose"):
        proposer.engine.reject_transport("voice")
    if accept:
        other.engine.accept_transport("voice", THEIRS)
    else:
        other.engine.reject_transport("voice", reason=WHY)
    other.flush()
    pair.settle()
    accepted = TransportAccepted(content=voice(), transport=THEIRS)
    rejected = TransportRejected(content=voice(), reason=WHY)
    assert proposer.log[-1] == (accepted if accept else rejected)
    for end in (pair.romeo, pair.juliet):
        assert end.engine.contents.require("voice").transport == (THEIRS if accept else OLD)
    assert states(pair) == ["connecting", "connecting"]


def test_a_rejection_names_what_it_rejects(pair: Pair) -> None:
    receive(pair.juliet.engine, jingle(A.TRANSPORT_REPLACE, about(NEW)))
    pair.juliet.engine.reject_transport("voice")
    assert sent(pair.juliet.engine).jingle == jingle(A.TRANSPORT_REJECT, about(NEW))


def test_the_initiators_replacement_overrules_the_responders(pair: Pair) -> None:
    pair.romeo.engine.replace_transport("voice", NEW)
    pair.juliet.engine.replace_transport("voice", THEIRS)
    pair.romeo.flush()
    pair.juliet.flush()
    pair.settle()
    assert not of(pair.romeo.log, TransportReplaced)
    assert not of(pair.juliet.log, TransportRejected)
    [refused] = of(pair.juliet.log, Refused)
    assert refused.jingle == "tie-break"
    assert of(pair.juliet.log, TransportReplaced) == [TransportReplaced(content=voice(), transport=NEW)]
    pair.juliet.engine.accept_transport("voice", THEIRS)
    pair.juliet.flush()
    pair.settle()
    assert of(pair.romeo.log, TransportAccepted) == [TransportAccepted(content=voice(), transport=THEIRS)]


def test_a_refused_replacement_is_a_rejected_one(pair: Pair) -> None:
    romeo = pair.romeo.engine
    token = romeo.replace_transport("voice", NEW)
    romeo.take_events()
    romeo.refused(token, "feature-not-implemented")
    assert romeo.take_events()[1:] == [TransportRejected(content=voice())]
    assert states(pair) == ["connecting", "connecting"]


@pytest.mark.parametrize("action", [A.TRANSPORT_REPLACE, A.TRANSPORT_ACCEPT, A.TRANSPORT_REJECT])
def test_answers_and_proposals_out_of_order(pair: Pair, action: Action) -> None:
    romeo = pair.romeo.engine
    if action is A.TRANSPORT_REPLACE:
        receive(romeo, jingle(action, about(NEW)))
    assert refusal(romeo, jingle(action, about(NEW))).jingle == "out-of-order"
    if action is not A.TRANSPORT_REJECT:
        assert refusal(romeo, jingle(action, named())).condition == "bad-request"


def test_the_proposer_cannot_answer_itself(pair: Pair) -> None:
    romeo = pair.romeo.engine
    receive(romeo, jingle(A.TRANSPORT_REPLACE, about(NEW)))
    for action in (A.TRANSPORT_ACCEPT, A.TRANSPORT_REJECT):
        assert refusal(romeo, jingle(action, about(NEW))).jingle == "out-of-order"


def test_another_transport_than_the_proposed_one_cannot_be_accepted(pair: Pair) -> None:
    romeo = pair.romeo.engine
    romeo.acknowledged(romeo.replace_transport("voice", NEW))
    romeo.take_events()
    assert refusal(romeo, jingle(A.TRANSPORT_ACCEPT, about(OLD))).condition == "bad-request"
    assert receive(romeo, jingle(A.TRANSPORT_ACCEPT, about(THEIRS))) == [
        TransportAccepted(content=voice(), transport=THEIRS)
    ]


def test_a_replacement_before_the_accept_does_not_connect() -> None:
    pair = Pair()
    pair.settle()
    pair.juliet.engine.replace_transport("voice", NEW)
    pair.juliet.flush()
    pair.settle()
    pair.romeo.engine.accept_transport("voice", THEIRS)
    pair.romeo.flush()
    pair.settle()
    assert states(pair) == ["proposed", "proposed"]
    pair.active()
    # The answer is about the offer's transport, which is not the one in force.
    assert states(pair) == ["connecting", "connecting"]
    for end in (pair.romeo, pair.juliet):
        assert end.engine.contents.require("voice").transport == THEIRS


# What the transport reports.


def test_a_transport_reports_how_it_goes(pair: Pair) -> None:
    romeo = pair.romeo.engine

    def state() -> TransportState:
        return romeo.contents.require("voice").transport_state

    romeo.transport_connected("voice")
    assert state() is TransportState.CONNECTED
    with pytest.raises(LocalProtocolError, match="connected"):
        romeo.transport_connected("voice")
    token = romeo.replace_transport("voice", NEW)
    romeo.acknowledged(token)
    romeo.take_events()
    receive(romeo, jingle(A.TRANSPORT_REJECT, about(NEW)))
    assert state() is TransportState.CONNECTED
    romeo.replace_transport("voice", NEW)
    romeo.transport_failed("voice")
    assert state() is TransportState.REPLACING
    romeo.take_events()
    receive(romeo, jingle(A.TRANSPORT_REJECT, about(NEW)))
    assert state() is TransportState.FAILED
    assert romeo.take_events() == []


def test_a_transport_cannot_connect_before_the_content_is_accepted() -> None:
    romeo = session(Role.INITIATOR)
    romeo.initiate([content()])
    with pytest.raises(LocalProtocolError, match="proposed"):
        romeo.transport_connected("voice")


def test_an_info_that_crosses_one_of_ours_loses_the_tie(pair: Pair) -> None:
    """XEP-0371 section 5.10: what crosses the program's own restart is refused, and nobody hears of it."""
    romeo, asked = pair.romeo.engine, []

    def crosses(id: ContentId, element: Element) -> bool:
        asked.append((id, element))
        return element == NEW

    romeo.crosses = crosses
    refused = refusal(romeo, jingle(A.TRANSPORT_INFO, about(NEW)))
    assert (refused.condition, refused.jingle) == ("conflict", "tie-break")
    assert receive(romeo, jingle(A.TRANSPORT_INFO, about(THEIRS))) == [TransportInfo(content=voice(), transport=THEIRS)]
    assert asked == [(voice(), NEW), (voice(), THEIRS)]
