"""The session as a whole: initiate, accept, terminate, inform, and what comes of answers."""

from __future__ import annotations

import pytest

from jingle.elements.core import Action, Group, Reason, ReasonCondition, Role, Senders
from jingle.errors import LocalProtocolError
from jingle.session.answers import is_known, redirection
from jingle.session.engine import Session
from jingle.session.events import (
    Acknowledged,
    ContentId,
    ContentRejected,
    Redirected,
    Refused,
    Reply,
    Send,
    SessionAccepted,
    SessionEnded,
    SessionInfo,
    SessionInitiated,
    TimedOut,
)
from jingle.session.state import ContentState, SessionState

from .helpers import (
    JULIET,
    ROMEO,
    SID,
    SUCCESS,
    Pair,
    content,
    jingle,
    named,
    of,
    payload,
    receive,
    refusal,
    sent,
    session,
    transport,
    voice,
)

BUNDLE = (Group.of("BUNDLE", ("voice",)),)
A = Action


def initiated(*contents: object) -> Session:
    """A session of ours that the peer has acknowledged."""
    romeo = session(Role.INITIATOR)
    romeo.initiate(contents or (content(),))  # type: ignore[arg-type]
    romeo.acknowledged(sent(romeo).token)
    romeo.take_events()
    return romeo


def offered(*contents: object) -> Session:
    """A session that the peer initiated."""
    juliet = session(Role.RESPONDER)
    receive(juliet, jingle(A.SESSION_INITIATE, *(contents or (content(),))))  # type: ignore[arg-type]
    return juliet


def test_initiate_says_who_begins_and_what() -> None:
    romeo = session(Role.INITIATOR)
    assert not romeo.is_acknowledged
    assert romeo.initiate([content()], groups=BUNDLE) == 1
    want = jingle(A.SESSION_INITIATE, content(), initiator=ROMEO, groups=BUNDLE)
    assert romeo.take_events() == [Send(jingle=want, token=1)]
    assert (romeo.state, romeo.is_acknowledged) == (SessionState.PENDING, False)
    romeo.acknowledged(1)
    assert romeo.take_events() == [Acknowledged(token=1, action=A.SESSION_INITIATE)]
    assert romeo.is_acknowledged


def test_an_initiate_is_handed_up() -> None:
    juliet = session(Role.RESPONDER)
    [event] = receive(juliet, jingle(A.SESSION_INITIATE, content(), groups=BUNDLE, reason=SUCCESS))
    assert event == SessionInitiated(contents=(content(),), groups=BUNDLE, reason=SUCCESS)
    assert juliet.state is SessionState.PENDING
    assert juliet.is_acknowledged
    assert juliet.last_heard == 0


def test_accept_says_who_accepts_and_what() -> None:
    juliet = offered()
    juliet.accept([content(detail="answer")], groups=BUNDLE)
    want = jingle(A.SESSION_ACCEPT, content(detail="answer"), responder=JULIET, groups=BUNDLE)
    assert sent(juliet).jingle == want
    romeo = initiated()
    [event] = receive(romeo, want)
    assert event == SessionAccepted(contents=(content(detail="answer"),), groups=BUNDLE)
    assert romeo.state is juliet.state is SessionState.ACTIVE


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        ([], "disposition"),
        ([content(disposition="early-session")], "disposition"),
        ([content(creator=Role.RESPONDER)], "we are the initiator"),
        ([named()], "needs a description"),
    ],
)
def test_what_may_not_be_initiated(contents: list[object], why: str) -> None:
    romeo = session(Role.INITIATOR)
    with pytest.raises(LocalProtocolError, match=why):
        romeo.initiate(contents)  # type: ignore[arg-type]
    assert (romeo.state, romeo.take_events(), list(romeo.contents)) == (SessionState.IDLE, [], [])


@pytest.mark.parametrize(
    "contents",
    [(), (content(disposition="early-session"),), (named(),), tuple(content(f"{n}") for n in range(33))],
)
def test_a_malformed_initiate_is_refused(contents: tuple[object, ...]) -> None:
    error = refusal(session(Role.RESPONDER), jingle(A.SESSION_INITIATE, *contents))  # type: ignore[arg-type]
    assert error.condition in ("bad-request", "resource-constraint")
    assert error.jingle is None


def test_two_roles_cannot_be_confused() -> None:
    with pytest.raises(LocalProtocolError, match="not for the responder"):
        session(Role.RESPONDER).initiate([content()])
    with pytest.raises(LocalProtocolError, match="not for the initiator"):
        initiated().accept([content()])
    assert refusal(offered(), jingle(A.SESSION_ACCEPT, content())).jingle == "out-of-order"
    assert refusal(initiated(), jingle(A.SESSION_INITIATE, content())).jingle == "out-of-order"


# The fifteen actions in every state, as the peer sends them: what is out of order, and what is not. From the diagram of
# section 5.1; what else has to be the case for an action (a proposal to accept, ...) is arranged.

EVERY_STATE = ["content-accept", "content-add", "content-modify", "content-reject", "content-remove"]
EVERY_STATE += ["description-info", "security-info", "session-info", "session-terminate"]
EVERY_STATE += ["transport-accept", "transport-info", "transport-reject", "transport-replace"]


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("state", ["pending", "active"])
@pytest.mark.parametrize("ours", Role)
def test_every_action_in_every_state(action: Action, state: str, ours: Role) -> None:
    pair = Pair(content(), content("more"))
    end = pair.romeo if ours is Role.INITIATOR else pair.juliet
    if state == "active":
        pair.active()
    else:
        pair.settle()
    engine = end.engine
    subject = "voice"
    if action in (A.CONTENT_ACCEPT, A.CONTENT_REJECT):
        engine.add_content([content("added", ours)])
        subject = "added"
    elif action in (A.TRANSPORT_ACCEPT, A.TRANSPORT_REJECT):
        engine.replace_transport("voice", transport(method="other"))
        pair.juliet.engine.take_events()
    for event in engine.take_events():
        assert isinstance(event, Send)
        engine.acknowledged(event.token)
    engine.take_events()
    element = content(subject, ours if subject == "added" else Role.INITIATOR)
    if action is A.CONTENT_ADD:
        element = content("new", ours.other)
    if action is A.TRANSPORT_ACCEPT:
        element = content(method="other")
    engine.receive(jingle(action, element), now=1)
    reply = engine.take_events()[0]
    assert isinstance(reply, Reply)
    allowed = action.value in EVERY_STATE
    if action is A.SESSION_ACCEPT:
        allowed = (state, ours) == ("pending", Role.INITIATOR)
    assert (reply.error is None) == allowed, reply.error
    assert allowed or (reply.error and reply.error.jingle == "out-of-order")


@pytest.mark.parametrize("action", [each for each in Action if each is not A.SESSION_INITIATE])
def test_nothing_but_an_initiate_begins_a_session(action: Action) -> None:
    for role in Role:
        assert refusal(session(role), jingle(action, content())).jingle == "out-of-order"


# Accepting a part, and more than was offered.


def test_what_an_accept_leaves_out_is_rejected() -> None:
    juliet = offered(content(), content("video"), content("tone", disposition="early-session"))
    juliet.accept([content()])
    juliet.take_events()
    romeo = initiated(content(), content("video"), content("tone", disposition="early-session"))
    accepted, rejected = receive(romeo, jingle(A.SESSION_ACCEPT, content()))
    assert isinstance(accepted, SessionAccepted)
    assert rejected == ContentRejected(contents=(ContentId(Role.INITIATOR, "video"),))
    for engine in (romeo, juliet):
        states = [record.state for record in engine.contents]
        assert states == [ContentState.ACCEPTED, ContentState.REJECTED, ContentState.PROPOSED]


def test_one_of_two_alternatives_is_accepted() -> None:
    alternatives = (content(app="old"), content(app="new", method="other"))
    romeo, juliet = initiated(*alternatives), session(Role.RESPONDER)
    [event] = receive(juliet, jingle(A.SESSION_INITIATE, *alternatives))
    assert isinstance(event, SessionInitiated)
    assert event.contents == alternatives
    juliet.accept([content(app="new", method="other")])
    receive(romeo, sent(juliet).jingle)
    for engine in (romeo, juliet):
        [record] = engine.contents
        assert record.state is ContentState.ACCEPTED
        assert record.transport == transport(method="other")


def test_an_accept_without_description_or_transport_is_understood() -> None:
    romeo = initiated()
    receive(romeo, jingle(A.SESSION_ACCEPT, named()))
    record = romeo.contents.require("voice")
    assert record.state is ContentState.ACCEPTED
    assert record.transport == transport()


def test_an_accept_with_names_of_nobody_is_refused() -> None:
    romeo = initiated()
    assert refusal(romeo, jingle(A.SESSION_ACCEPT, content("noise"))).condition == "bad-request"


def test_nothing_is_accepted_twice_or_unasked() -> None:
    juliet = offered()
    for contents in ([], [content("noise")], [content(), content()]):
        with pytest.raises(LocalProtocolError):
            juliet.accept(contents)
    assert juliet.state is SessionState.PENDING
    juliet.accept([content()])
    with pytest.raises(LocalProtocolError, match="active"):
        juliet.accept([content()])


def test_an_answer_narrows_the_direction_and_never_widens_it() -> None:
    wanted = {
        (Senders.BOTH, Senders.INITIATOR): Senders.INITIATOR,
        (Senders.BOTH, None): Senders.BOTH,
        # Gajim accepts files like this.
        (Senders.INITIATOR, Senders.BOTH): Senders.INITIATOR,
        (Senders.INITIATOR, None): Senders.INITIATOR,
        (Senders.INITIATOR, Senders.RESPONDER): Senders.NONE,
    }
    for (offer, answer), want in wanted.items():
        romeo = initiated(content(senders=offer))
        receive(romeo, jingle(A.SESSION_ACCEPT, content(senders=answer)))
        assert romeo.contents.require("voice").senders is want


# Ending.


def test_terminate_ends_at_once() -> None:
    romeo = initiated()
    token = romeo.terminate(SUCCESS)
    assert romeo.take_events() == [
        Send(jingle=jingle(A.SESSION_TERMINATE, reason=SUCCESS), token=token),
        SessionEnded(reason=SUCCESS, by_peer=False),
    ]
    assert romeo.state is SessionState.ENDED
    with pytest.raises(LocalProtocolError, match="ended"):
        romeo.terminate(SUCCESS)
    romeo.acknowledged(token)
    assert romeo.take_events() == [Acknowledged(token=token, action=A.SESSION_TERMINATE)]


@pytest.mark.parametrize("reason", [None, *(Reason(condition=condition) for condition in ReasonCondition)])
def test_the_peer_ends_it(reason: Reason | None) -> None:
    juliet = offered()
    assert receive(juliet, jingle(A.SESSION_TERMINATE, reason=reason)) == [SessionEnded(reason=reason, by_peer=True)]
    assert juliet.state is SessionState.ENDED


@pytest.mark.parametrize("action", Action)
def test_what_comes_after_the_end(action: Action) -> None:
    juliet = offered()
    juliet.terminate(SUCCESS)
    juliet.take_events()
    juliet.receive(jingle(action, content()), now=1)
    [reply] = juliet.take_events()
    assert isinstance(reply, Reply)
    late = {"session-info", "session-terminate", "transport-info", "description-info", "security-info"}
    if action.value in late:
        assert reply.error is None
    else:
        assert reply.error is not None
        assert (reply.error.jingle, reply.error.condition, reply.error.type) == (
            "unknown-session",
            "item-not-found",
            "cancel",
        )


# Session-info.


def test_an_empty_info_is_a_ping() -> None:
    romeo, juliet = initiated(), offered()
    juliet.ping()
    ping = sent(juliet).jingle
    assert ping == jingle(A.SESSION_INFO)
    assert receive(romeo, ping) == []


def test_information_is_handed_up_where_it_is_understood() -> None:
    juliet = offered()
    juliet.info(payload())
    romeo = initiated()
    assert receive(romeo, sent(juliet).jingle) == [SessionInfo(payload=payload())]
    error = refusal(romeo, jingle(A.SESSION_INFO, payloads=(payload("gossip"),)))
    assert (error.jingle, error.condition, error.type) == ("unsupported-info", "feature-not-implemented", "modify")
    both = jingle(A.SESSION_INFO, payloads=(payload("gossip"), payload()))
    assert receive(romeo, both) == [SessionInfo(payload=payload())]


def test_what_has_a_model_is_understood_unless_told_better() -> None:
    assert not is_known(payload())
    assert is_known(SUCCESS)


def test_nothing_can_be_said_before_the_beginning() -> None:
    romeo = session(Role.INITIATOR)
    for say in (romeo.ping, lambda: romeo.info(payload()), lambda: romeo.terminate(SUCCESS)):
        with pytest.raises(LocalProtocolError, match="idle"):
            say()


# Redirection.


@pytest.mark.parametrize(
    ("target", "followed"),
    [
        ("juliet@capulet.example/chamber", True),
        (JULIET, False),
        (None, False),
        ("", False),
        ("juliet@capulet.example", False),
        ("juliet@capulet.example/", False),
        ("nurse@capulet.example/chamber", False),
        (ROMEO, False),
    ],
)
def test_only_another_resource_of_the_same_account_is_followed(target: str | None, followed: bool) -> None:
    assert redirection(target, JULIET, ROMEO) == (target if followed else None)
    romeo = initiated()
    events = receive(romeo, jingle(A.SESSION_ACCEPT, content(), responder=target))
    assert of(events, Redirected) == ([Redirected(peer=str(target))] if followed else [])
    assert romeo.peer == (target if followed else JULIET)


def test_the_initiator_may_name_another_resource_too() -> None:
    juliet = session(Role.RESPONDER)
    other = "romeo@montague.example/home"
    events = receive(juliet, jingle(A.SESSION_INITIATE, content(), initiator=other, responder="x@y/z"))
    assert events[1:] == [Redirected(peer=other)]
    assert juliet.peer == other


# Answers to our requests.


def test_answers_that_nobody_waits_for_are_a_mistake() -> None:
    romeo = initiated()
    for answer in (romeo.acknowledged, lambda token: romeo.refused(token, "conflict"), romeo.timed_out):
        with pytest.raises(LocalProtocolError, match="no request 7"):
            answer(7)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("service-unavailable", ReasonCondition.GONE),
        ("recipient-unavailable", ReasonCondition.GONE),
        ("item-not-found", ReasonCondition.GONE),
        ("redirect", ReasonCondition.GONE),
        ("conflict", ReasonCondition.ALTERNATIVE_SESSION),
        ("resource-constraint", ReasonCondition.BUSY),
        ("forbidden", ReasonCondition.DECLINE),
        ("feature-not-implemented", ReasonCondition.UNSUPPORTED_APPLICATIONS),
        ("not-acceptable", ReasonCondition.SECURITY_ERROR),
        ("remote-server-timeout", ReasonCondition.TIMEOUT),
        ("bad-request", ReasonCondition.GENERAL_ERROR),
        ("something-else", ReasonCondition.GENERAL_ERROR),
    ],
)
def test_a_refused_initiate_ends_the_session(condition: str, reason: ReasonCondition) -> None:
    romeo = session(Role.INITIATOR)
    token = romeo.initiate([content()])
    romeo.take_events()
    romeo.refused(token, condition, None, "why")
    assert romeo.take_events() == [
        Refused(token=token, action=A.SESSION_INITIATE, condition=condition, text="why"),
        SessionEnded(reason=Reason(condition=reason, text="why"), by_peer=True),
    ]


def test_a_refused_accept_ends_the_session_on_the_wire_too() -> None:
    juliet = offered()
    token = juliet.accept([content()])
    juliet.take_events()
    juliet.refused(token, "bad-request")
    reason = Reason(condition=ReasonCondition.GENERAL_ERROR)
    assert juliet.take_events()[1:] == [
        Send(jingle=jingle(A.SESSION_TERMINATE, reason=reason), token=token + 1),
        SessionEnded(reason=reason, by_peer=False),
    ]


@pytest.mark.parametrize("condition", ["bad-request", "not-acceptable"])
def test_an_accept_in_which_nobody_sends_is_said_again_in_other_words(condition: str) -> None:
    """Dino answers bad-request to `none`, and has taken nothing of the accept; Monal cannot read it either."""
    juliet = offered(content(), content("video"), content("slides", senders=Senders.RESPONDER))
    answers = [content(), content("video", senders=Senders.NONE), content("slides", senders=Senders.NONE)]
    group = Group.of("BUNDLE", ("voice", "video"))
    token = juliet.accept(answers, groups=(group,))
    juliet.take_events()
    juliet.refused(token, condition)
    [_, again, *_] = juliet.take_events()
    assert isinstance(again, Send)
    if condition != "bad-request":
        assert again.jingle.action is A.SESSION_TERMINATE
        return
    answers[1] = content("video", senders=Senders.INITIATOR)
    assert again.jingle == jingle(A.SESSION_ACCEPT, *answers, responder=JULIET, groups=(group,))
    assert juliet.state is SessionState.ACTIVE
    assert juliet.contents.require("video").senders is Senders.INITIATOR
    juliet.refused(again.token, "bad-request")
    assert of(juliet.take_events(), Send)[0].jingle.action is A.SESSION_TERMINATE


def test_any_request_tells_that_the_peer_has_forgotten_or_gone() -> None:
    for condition, detail in (("item-not-found", "unknown-session"), ("service-unavailable", None)):
        romeo = initiated()
        token = romeo.ping()
        romeo.take_events()
        romeo.refused(token, condition, detail)
        reason = Reason(condition=ReasonCondition.GONE)
        assert romeo.take_events()[1:] == [SessionEnded(reason=reason, by_peer=True)]


def test_once_it_is_accepted_a_peer_that_no_stanza_reaches_may_be_there_all_the_same() -> None:
    """The program knows whether the media goes on; that the peer knows no such session is the end in any case."""
    romeo = initiated()
    receive(romeo, jingle(A.SESSION_ACCEPT, content()))
    tokens = [romeo.ping(), romeo.ping()]
    romeo.take_events()
    romeo.refused(tokens[0], "service-unavailable")
    assert romeo.take_events() == [Refused(token=tokens[0], action=A.SESSION_INFO, condition="service-unavailable")]
    assert romeo.state is SessionState.ACTIVE
    romeo.refused(tokens[1], "item-not-found", "unknown-session")
    assert romeo.take_events()[1:] == [SessionEnded(reason=Reason(condition=ReasonCondition.GONE), by_peer=True)]


def test_refused_information_changes_nothing() -> None:
    romeo = initiated()
    token = romeo.info(payload())
    romeo.take_events()
    romeo.refused(token, "feature-not-implemented", "unsupported-info")
    assert romeo.take_events() == [
        Refused(token=token, action=A.SESSION_INFO, condition="feature-not-implemented", jingle="unsupported-info")
    ]
    assert romeo.state is SessionState.PENDING


def test_answers_after_the_end_are_told_and_do_nothing() -> None:
    romeo = initiated()
    tokens = [romeo.ping(), romeo.ping(), romeo.ping(), romeo.terminate(SUCCESS)]
    romeo.take_events()
    romeo.acknowledged(tokens[0])
    romeo.refused(tokens[1], "item-not-found", "unknown-session")
    romeo.timed_out(tokens[2])
    romeo.timed_out(tokens[3])
    assert [type(event) for event in romeo.take_events()] == [Acknowledged, Refused, TimedOut, TimedOut]


def test_silence_ends_a_negotiation_but_not_an_information() -> None:
    romeo = initiated()
    token = romeo.ping()
    romeo.take_events()
    romeo.timed_out(token)
    assert romeo.take_events() == [TimedOut(token=token, action=A.SESSION_INFO)]
    token = romeo.add_content([content("video")])
    romeo.take_events()
    romeo.timed_out(token)
    timed_out, terminate, ended = romeo.take_events()
    assert timed_out == TimedOut(token=token, action=A.CONTENT_ADD)
    assert isinstance(terminate, Send)
    assert ended == SessionEnded(reason=Reason(condition=ReasonCondition.TIMEOUT), by_peer=False)


def test_silence_about_a_change_does_not_end_what_runs() -> None:
    """Monal and QXmpp answer no content-add and no content-modify at all."""
    romeo = initiated()
    receive(romeo, jingle(A.SESSION_ACCEPT, content()))
    added = romeo.add_content([content("video")])
    modified = romeo.modify_content("voice", Senders.INITIATOR)
    romeo.take_events()
    romeo.timed_out(modified)
    assert romeo.take_events() == [TimedOut(token=modified, action=A.CONTENT_MODIFY)]
    assert romeo.contents.require("voice").senders is Senders.BOTH
    romeo.timed_out(added)
    timed_out, rejected, withdrawn = romeo.take_events()
    assert timed_out == TimedOut(token=added, action=A.CONTENT_ADD)
    assert rejected == ContentRejected(contents=(ContentId(Role.INITIATOR, "video"),))
    assert isinstance(withdrawn, Send)
    reason = Reason(condition=ReasonCondition.TIMEOUT)
    assert withdrawn.jingle == jingle(A.CONTENT_REMOVE, named("video"), reason=reason)
    romeo.timed_out(withdrawn.token)
    assert romeo.take_events() == [TimedOut(token=withdrawn.token, action=A.CONTENT_REMOVE)]
    assert romeo.state is SessionState.ACTIVE


# Giving way to the peer's session.


def overruled(*, acknowledged: bool) -> tuple[Session, int]:
    romeo = session(Role.INITIATOR)
    token = romeo.initiate([content()])
    if acknowledged:
        romeo.acknowledged(token)
    romeo.take_events()
    romeo.overrule("lower")
    return romeo, token


REASON = Reason(condition=ReasonCondition.ALTERNATIVE_SESSION, alternative_session="lower")
TERMINATE = jingle(A.SESSION_TERMINATE, reason=REASON)


def test_an_overruled_initiate_is_left_for_the_peer_to_refuse() -> None:
    romeo, token = overruled(acknowledged=False)
    assert romeo.take_events() == [SessionEnded(reason=REASON, by_peer=False)]
    romeo.refused(token, "conflict", "tie-break")
    assert [type(event) for event in romeo.take_events()] == [Refused]


def test_a_peer_that_knows_no_ties_is_told() -> None:
    romeo, token = overruled(acknowledged=False)
    romeo.take_events()
    romeo.acknowledged(token)
    assert [e.jingle for e in of(romeo.take_events(), Send)] == [TERMINATE]
    romeo, _ = overruled(acknowledged=True)
    assert [e.jingle for e in of(romeo.take_events(), Send)] == [TERMINATE]


def test_with_the_same_sid_nothing_is_terminated() -> None:
    romeo = session(Role.INITIATOR)
    token = romeo.initiate([content()])
    romeo.overrule(SID)
    romeo.take_events()
    romeo.acknowledged(token)
    assert romeo.take_events() == [Acknowledged(token=token, action=A.SESSION_INITIATE)]


def test_contents_are_found_by_id_and_by_name() -> None:
    romeo = initiated()
    assert romeo.contents.require(voice()) is romeo.contents.require("voice")
    with pytest.raises(LocalProtocolError, match="0 contents"):
        romeo.contents.require("noise")
