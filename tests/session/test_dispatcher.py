"""Which session a stanza belongs to; strangers, ties, bounds, and what comes too late or too early."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.elements.core import Action, Content, Jingle, Reason, ReasonCondition, Role, Senders
from jingle.elements.declare import Element
from jingle.errors import LocalProtocolError, RemoteProtocolError
from jingle.session.dispatcher import EXPECT_FOR, MAX_EARLY, MAX_EXPECTED, MAX_REMEMBERED, REMEMBER_FOR, Dispatcher
from jingle.session.engine import Session
from jingle.session.events import (
    CallerRefused,
    Event,
    Redirected,
    Reply,
    Send,
    SessionEnded,
    SessionInitiated,
    TransportInfo,
)
from jingle.session.state import SessionState

from .helpers import JULIET, ROMEO, SID, SUCCESS, content, jingle, of, transport

A = Action
TYBALT = "tybalt@capulet.example/street"


def dispatcher(local: str = JULIET, **options: object) -> Dispatcher:
    return Dispatcher(local=local, **options)  # type: ignore[arg-type]


def initiate(sid: str = SID, *contents: Content, initiator: str | None = None) -> Jingle:
    return jingle(A.SESSION_INITIATE, *(contents or (content(),)), sid=sid, initiator=initiator)


def give(to: Dispatcher, stanza: Jingle, sender: str = ROMEO, now: float = 0) -> list[Event]:
    """Hand over a stanza that is acknowledged; the events behind the reply."""
    addressed = to.receive(sender, stanza, now)
    assert addressed[0][1] == Reply()
    return [event for _, event in addressed[1:]]


def refusal(to: Dispatcher, stanza: Jingle, sender: str = ROMEO, now: float = 0) -> RemoteProtocolError:
    before = to.sessions
    (_, reply), *_ = to.receive(sender, stanza, now)
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert to.sessions == before
    return reply.error


def the(sessions: tuple[Session, ...]) -> Session:
    [session] = sessions
    return session


# Which session.


def test_stanzas_find_their_session_by_sender_and_sid() -> None:
    juliet = dispatcher()
    give(juliet, initiate("one"))
    give(juliet, initiate("two"))
    give(juliet, initiate("one"), sender=TYBALT)
    assert [(session.peer, session.sid) for session in juliet.sessions] == [
        (ROMEO, "one"),
        (ROMEO, "two"),
        (TYBALT, "one"),
    ]
    give(juliet, jingle(A.SESSION_TERMINATE, sid="one"), sender=TYBALT)
    assert [(session.peer, session.sid) for session in juliet.sessions] == [(ROMEO, "one"), (ROMEO, "two")]
    assert juliet.sessions[0].role is Role.RESPONDER


def test_our_own_session_goes_by_the_same_rules() -> None:
    romeo = dispatcher(ROMEO)
    session = romeo.initiate(JULIET, SID, [content()], now=0)
    [send] = session.take_events()
    assert isinstance(send, Send)
    assert romeo.sessions == (session,)
    with pytest.raises(LocalProtocolError, match="already"):
        romeo.initiate(JULIET, SID, [content()], now=0)
    give(romeo, jingle(A.SESSION_ACCEPT, content()), sender=JULIET)
    assert session.state is SessionState.ACTIVE
    assert refusal(romeo, jingle(A.SESSION_INFO), sender=TYBALT).jingle == "unknown-session"
    with pytest.raises(LocalProtocolError, match="disposition"):
        romeo.initiate(JULIET, "other", [], now=0)
    assert romeo.sessions == (session,)


def test_a_session_cannot_be_initiated_twice() -> None:
    juliet = dispatcher()
    give(juliet, initiate())
    assert refusal(juliet, initiate()).jingle == "out-of-order"


@pytest.mark.parametrize("action", [each for each in Action if each is not A.SESSION_INITIATE])
def test_an_unknown_session(action: Action) -> None:
    error = refusal(dispatcher(), jingle(action, content()))
    assert (error.jingle, error.condition, error.type) == ("unknown-session", "item-not-found", "cancel")


def test_a_malformed_initiate_leaves_nothing_behind() -> None:
    juliet = dispatcher()
    assert refusal(juliet, jingle(A.SESSION_INITIATE)).condition == "bad-request"
    give(juliet, initiate())


def test_what_is_understood_is_told_to_the_sessions() -> None:
    asked: list[Session] = []

    def understands(session: Session, element: Element) -> bool:
        asked.append(session)
        return True

    juliet = dispatcher(understands=understands)
    give(juliet, initiate())
    assert give(juliet, jingle(A.SESSION_INFO, payloads=(transport(),))) != []
    assert asked == list(juliet.sessions)


# Strangers (section 6.3.2).


@pytest.mark.parametrize("action", Action)
def test_strangers_get_the_answer_of_a_client_without_jingle(action: Action) -> None:
    juliet = dispatcher(may_reach=lambda jid: jid == ROMEO)
    addressed = juliet.receive(TYBALT, jingle(action, content()), 0)
    (session, reply), *more = addressed
    assert session is None
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert (reply.error.condition, reply.error.jingle, reply.error.type) == ("service-unavailable", None, "cancel")
    assert reply.error.text == ""
    told = [(None, CallerRefused(peer=TYBALT, sid=SID))] if action is A.SESSION_INITIATE else []
    assert more == told
    assert juliet.sessions == ()


def test_a_stranger_that_we_called_is_no_stranger_in_that_session() -> None:
    romeo = dispatcher(ROMEO, may_reach=lambda jid: False)
    romeo.initiate(JULIET, SID, [content()], now=0).take_events()
    give(romeo, jingle(A.SESSION_ACCEPT, content()), sender=JULIET)
    assert refusal(romeo, jingle(A.SESSION_INFO, sid="other"), sender=JULIET).condition == "service-unavailable"


# The end.


def test_a_session_that_has_just_ended_is_remembered_for_a_while() -> None:
    romeo = dispatcher(ROMEO)
    session = romeo.initiate(JULIET, SID, [content()], now=0)
    session.terminate(SUCCESS)
    assert romeo.sessions == ()
    for action in (A.SESSION_INFO, A.SESSION_TERMINATE, A.TRANSPORT_INFO):
        assert give(romeo, jingle(action, content()), sender=JULIET, now=1) == []
    assert refusal(romeo, jingle(A.SESSION_ACCEPT, content()), sender=JULIET, now=1).jingle == "unknown-session"
    assert refusal(romeo, jingle(A.SESSION_INFO), sender=TYBALT, now=1).jingle == "unknown-session"
    assert refusal(romeo, jingle(A.SESSION_INFO), sender=JULIET, now=2 + REMEMBER_FOR).jingle == "unknown-session"


def test_memories_are_bounded_in_number() -> None:
    juliet = dispatcher()
    for number in range(MAX_REMEMBERED + 1):
        give(juliet, initiate(f"{number}"))
        give(juliet, jingle(A.SESSION_TERMINATE, sid=f"{number}"))
    juliet.sweep(0)
    assert refusal(juliet, jingle(A.SESSION_INFO, sid="0")).jingle == "unknown-session"
    assert give(juliet, jingle(A.SESSION_INFO, sid="1")) == []


def test_a_sid_can_come_again_after_its_end() -> None:
    juliet = dispatcher()
    for _ in range(2):
        give(juliet, initiate())
        give(juliet, jingle(A.SESSION_TERMINATE))
    romeo = dispatcher(ROMEO)
    for _ in range(2):
        session = romeo.initiate(JULIET, SID, [content()], now=0)
        session.terminate(SUCCESS)


# Bounds (section 13.2).


def test_sessions_are_bounded_per_peer_and_in_all() -> None:
    juliet = dispatcher(max_sessions=3, max_sessions_per_peer=2)
    home = ROMEO.replace("orchard", "home")
    give(juliet, initiate("1"))
    give(juliet, initiate("2"), sender=home)
    error = refusal(juliet, initiate("3"))
    assert (error.condition, error.type) == ("resource-constraint", "wait")
    give(juliet, initiate("3"), sender=TYBALT)
    error = refusal(juliet, initiate("4"), sender="nurse@capulet.example/1")
    assert (error.condition, error.type) == ("resource-constraint", "wait")
    give(juliet, jingle(A.SESSION_TERMINATE, sid="1"))
    give(juliet, initiate("4"), sender="nurse@capulet.example/1")


# What comes before its session-initiate.


def test_candidates_that_outrun_an_announced_session_are_kept_in_order() -> None:
    juliet = dispatcher(may_reach=lambda jid: False)
    juliet.expect(ROMEO, SID, now=0)
    for n in "ab":
        info = jingle(A.TRANSPORT_INFO, content(detail=n))
        assert give(juliet, info, now=1) == []
    assert refusal(juliet, jingle(A.SESSION_INFO), now=1).jingle == "unknown-session"
    events = give(juliet, initiate(), now=2)
    assert isinstance(events[0], SessionInitiated)
    assert [event.transport for event in of(events, TransportInfo)] == [transport("a"), transport("b")]
    assert len(events) == 3
    # Once, and not for the next session.
    give(juliet, jingle(A.SESSION_TERMINATE), now=3)
    assert refusal(juliet, initiate(), now=3).condition == "service-unavailable"


def test_what_comes_early_is_bounded() -> None:
    juliet = dispatcher()
    juliet.expect(ROMEO, SID, now=0)
    for _ in range(MAX_EARLY):
        give(juliet, jingle(A.TRANSPORT_INFO, content()))
    assert refusal(juliet, jingle(A.TRANSPORT_INFO, content())).condition == "resource-constraint"
    assert refusal(juliet, jingle(A.TRANSPORT_INFO, content()), sender=TYBALT).jingle == "unknown-session"


def test_expectations_are_bounded_in_time_and_number() -> None:
    juliet = dispatcher(may_reach=lambda jid: False)
    juliet.expect(ROMEO, SID, now=0)
    assert refusal(juliet, initiate(), now=EXPECT_FOR + 1).condition == "service-unavailable"
    for number in range(MAX_EXPECTED + 1):
        juliet.expect(ROMEO, f"{number}", now=0)
    assert refusal(juliet, initiate("0")).condition == "service-unavailable"
    give(juliet, initiate("1"))


# Redirection (section 13.5).


def test_a_redirected_session_is_found_under_its_new_address() -> None:
    home = JULIET.replace("balcony", "chamber")
    romeo = dispatcher(ROMEO)
    session = romeo.initiate(JULIET, SID, [content()], now=0)
    session.take_events()
    events = give(romeo, jingle(A.SESSION_ACCEPT, content(), responder=home), sender=JULIET)
    assert of(events, Redirected) == [Redirected(peer=home)]
    assert refusal(romeo, jingle(A.SESSION_INFO), sender=JULIET).jingle == "unknown-session"
    give(romeo, jingle(A.SESSION_INFO), sender=home)
    assert the(romeo.sessions) is session


def test_an_initiator_may_redirect_to_its_other_resource() -> None:
    home = ROMEO.replace("orchard", "home")
    juliet = dispatcher()
    give(juliet, initiate(initiator=home))
    assert the(juliet.sessions).peer == home


def test_a_redirection_never_takes_the_place_of_another_session() -> None:
    home = ROMEO.replace("orchard", "home")
    juliet = dispatcher()
    give(juliet, initiate(), sender=home)
    assert of(give(juliet, initiate(initiator=home)), Redirected) == []
    assert {session.peer for session in juliet.sessions} == {home, ROMEO}


# Ties between two session-initiates (section 7.2.16).

LOW, HIGH = "Z", "a"  # i;octet: upper case sorts first.


def crossing(ours: str, theirs: str, *, mine: Content | None = None, yours: Content | None = None) -> Dispatcher:
    romeo = dispatcher(ROMEO)
    session = romeo.initiate(JULIET, ours, [mine or content()], now=0)
    session.take_events()
    return romeo


def test_the_lower_sid_stands() -> None:
    romeo = crossing(LOW, HIGH)
    error = refusal(romeo, initiate(HIGH), sender=JULIET)
    assert (error.jingle, error.condition, error.type) == ("tie-break", "conflict", "cancel")


def test_the_higher_sid_gives_way() -> None:
    romeo = crossing(HIGH, LOW)
    ours = the(romeo.sessions)
    addressed = romeo.receive(JULIET, initiate(LOW), 0)
    theirs = the(romeo.sessions)
    reason = Reason(condition=ReasonCondition.ALTERNATIVE_SESSION, alternative_session=LOW)
    assert addressed == [
        (theirs, Reply()),
        (theirs, SessionInitiated(contents=(content(),))),
        (ours, SessionEnded(reason=reason, by_peer=False)),
    ]


def test_giving_way_makes_room() -> None:
    romeo = Dispatcher(local=ROMEO, max_sessions=1, max_sessions_per_peer=1)
    romeo.initiate(JULIET, HIGH, [content()], now=0).take_events()
    give(romeo, initiate(LOW), sender=JULIET)
    assert the(romeo.sessions).sid == LOW


@pytest.mark.parametrize(("local", "remote", "stands"), [(ROMEO, JULIET, False), (JULIET, ROMEO, True)])
def test_with_the_same_sid_the_lower_address_stands(local: str, remote: str, stands: bool) -> None:
    # "juliet" sorts before "romeo".
    ours = dispatcher(local)
    ours.initiate(remote, SID, [content()], now=0).take_events()
    if stands:
        assert refusal(ours, initiate(), sender=remote).jingle == "tie-break"
    else:
        give(ours, initiate(), sender=remote)
        assert the(ours.sessions).role is Role.RESPONDER


def test_what_the_peer_has_acknowledged_cannot_have_crossed_with_the_same_sid() -> None:
    romeo = crossing(SID, SID)
    the(romeo.sessions).acknowledged(1)
    the(romeo.sessions).take_events()
    assert refusal(romeo, initiate(), sender=JULIET).jingle == "out-of-order"


@pytest.mark.parametrize(
    ("ours", "theirs", "tie"),
    [
        (content(), content("other"), True),
        (content(), content(app="files"), False),
        # Files on their way in opposite directions, both sent by their initiators.
        (content(senders=Senders.INITIATOR), content(senders=Senders.INITIATOR), False),
        # One wants to send the file that the other asks for.
        (content(senders=Senders.INITIATOR), content(senders=Senders.RESPONDER), True),
        (content(senders=Senders.INITIATOR), content(), True),
    ],
)
def test_only_sessions_for_the_same_purpose_tie(ours: Content, theirs: Content, tie: bool) -> None:
    romeo = crossing(LOW, HIGH, mine=ours)
    if tie:
        assert refusal(romeo, initiate(HIGH, theirs), sender=JULIET).jingle == "tie-break"
    else:
        give(romeo, initiate(HIGH, theirs), sender=JULIET)
        assert len(romeo.sessions) == 2


def test_running_sessions_and_those_of_others_do_not_tie() -> None:
    romeo = crossing(LOW, HIGH)
    give(romeo, initiate(HIGH), sender=TYBALT)
    give(romeo, jingle(A.SESSION_ACCEPT, content(), sid=LOW), sender=JULIET)
    give(romeo, initiate(HIGH), sender=JULIET)
    give(romeo, initiate("b"), sender=JULIET)
    assert len(romeo.sessions) == 4


class Client:
    """A dispatcher whose program accepts every call, and its outgoing wire."""

    def __init__(self, local: str, peer: str) -> None:
        self.dispatcher, self.peer = dispatcher(local), peer
        self.out: deque[tuple[str, object, object]] = deque()

    def flush(self, events: list[tuple[Session | None, Event]], answering: object = None) -> None:
        for session, event in events:
            if isinstance(event, Send):
                self.out.append(("set", event.jingle, (session, event.token)))
            elif isinstance(event, Reply):
                self.out.append(("answer", event.error, answering))

    def drain(self, session: Session) -> None:
        self.flush([(session, event) for event in session.take_events()])

    def call(self, sid: str) -> None:
        self.drain(self.dispatcher.initiate(self.peer, sid, [content()], now=0))

    def accept(self) -> None:
        for session in self.dispatcher.sessions:
            if session.role is Role.RESPONDER and session.state is SessionState.PENDING:
                session.accept([content()])
                self.drain(session)

    def take(self, packet: tuple[str, object, object]) -> None:
        kind, what, context = packet
        if kind == "set":
            assert isinstance(what, Jingle)
            self.flush(self.dispatcher.receive(self.peer, what, 0), context)
            return
        assert isinstance(context, tuple)
        session, token = context
        if what is None:
            session.acknowledged(token)
        else:
            assert isinstance(what, RemoteProtocolError)
            session.refused(token, what.condition, what.jingle)
        self.drain(session)


@settings(max_examples=300, deadline=None)
@given(
    sids=st.tuples(st.sampled_from("AZaz"), st.sampled_from("AZaz")),
    script=st.lists(st.sampled_from(["call 0", "call 1", "go 0", "go 1", "accept 0", "accept 1"]), max_size=16),
)
def test_however_two_calls_cross_one_is_left(sids: tuple[str, str], script: list[str]) -> None:
    clients = [Client(ROMEO, JULIET), Client(JULIET, ROMEO)]
    called: set[int] = set()

    def step(word: str) -> None:
        verb, who = word.split()
        client, other = clients[int(who)], clients[1 - int(who)]
        if verb == "accept":
            client.accept()
        elif verb == "go" and client.out:
            other.take(client.out.popleft())
        elif verb == "call" and int(who) not in called and not client.dispatcher.sessions:
            called.add(int(who))
            client.call(sids[int(who)])

    for word in ["call 0", *script]:
        step(word)
    while any(client.out for client in clients):
        step("go 0")
        step("go 1")
    for _ in clients:
        step("accept 0")
        step("accept 1")
        while any(client.out for client in clients):
            step("go 0")
            step("go 1")
    left = [{(session.sid, session.state) for session in client.dispatcher.sessions} for client in clients]
    assert left[0] == left[1] == {(next(iter(left[0]))[0], SessionState.ACTIVE)}
