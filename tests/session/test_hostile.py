"""Whatever a peer sends: exactly one reply, no exception, and what is refused has changed nothing."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.elements.core import Action, Content, Jingle, Reason, ReasonCondition, Role, Senders
from jingle.elements.initiation import Accept, Finish, Initiation, Proceed, Propose, Reject, Retract, Ringing
from jingle.errors import LocalProtocolError
from jingle.session.contents import MAX_CONTENTS, MAX_RECORDS
from jingle.session.dispatcher import Dispatcher
from jingle.session.engine import Session
from jingle.session.events import ContentAdded, Event, Reply, Send, SessionEnded, TransportReplaced
from jingle.session.initiation import MAX_OPEN, Initiations
from jingle.session.initiation_events import InitiationEvent

from .helpers import SUCCESS, content, description, payload, snapshot, transport

US = "romeo@montague.example/orchard"
PEERS = ["juliet@capulet.example/balcony", "juliet@capulet.example/chamber", "romeo@montague.example/home"]
names = st.sampled_from(["a", "b", "c"])
maybe_transport = st.sampled_from([None, transport("x"), transport("y", "other")])
contents = st.builds(
    Content,
    creator=st.sampled_from(Role),
    name=names,
    senders=st.none() | st.sampled_from(Senders),
    disposition=st.sampled_from([None, "session", "early-session"]),
    description=st.sampled_from([None, description(), description()]),
    transport=maybe_transport,
    security=st.sampled_from([None, payload("security")]),
)
addresses = st.none() | st.sampled_from([*PEERS, US, "juliet@capulet.example", "mallory@x/y", "/", ""])
stanzas = st.builds(
    Jingle,
    action=st.sampled_from([*Action, Action.SESSION_INITIATE, Action.SESSION_ACCEPT, Action.CONTENT_ADD]),
    sid=st.sampled_from(["1", "2"]),
    initiator=addresses,
    responder=addresses,
    contents=st.lists(contents, max_size=4).map(tuple),
    reason=st.none() | st.builds(Reason, condition=st.sampled_from(ReasonCondition)),
    payloads=st.lists(st.sampled_from([payload(), SUCCESS]), max_size=2).map(tuple),
)
inputs = st.tuples(st.sampled_from(PEERS), stanzas, st.sampled_from(["ignore", "answer", "accept", "ask", "refuse"]))


def act(session: Session, events: list[Event], how: str) -> None:
    """What a program might do about the events; what it may not do must say so and do nothing."""
    for event in events:
        with contextlib.suppress(LocalProtocolError):
            if isinstance(event, ContentAdded):
                session.accept_content(event.contents) if how == "accept" else session.reject_content(*event.contents)
            elif isinstance(event, TransportReplaced):
                session.accept_transport(event.content, transport("ours", "other"))
    with contextlib.suppress(LocalProtocolError):
        if how == "accept":
            offered = {record.id: record.offers[0] for record in session.contents.live if record.initial}
            session.accept(offered.values())
    with contextlib.suppress(LocalProtocolError):
        if how == "ask":
            session.add_content([content(f"ours {len(list(session.contents))}", session.role)])
            session.replace_transport("a", transport("ours", "other"))
    for said in session.take_events():
        if isinstance(said, Send) and how in ("accept", "refuse"):
            with contextlib.suppress(LocalProtocolError):
                if how == "accept":
                    session.acknowledged(said.token)
                else:
                    session.refused(said.token, "bad-request")
    session.take_events()


@settings(max_examples=120, deadline=None)
@given(st.lists(inputs, min_size=4, max_size=14), st.booleans())
def test_sessions(script: list[tuple[str, Jingle, str]], we_begin: bool) -> None:
    us = Dispatcher(local=US, max_sessions=3, max_sessions_per_peer=2)
    ends: list[int] = []
    if we_begin:
        us.initiate(PEERS[0], "1", [content("a"), content("b")], now=0).take_events()
    for now, (sender, stanza, how) in enumerate(script):
        before = {id(session): snapshot(session) for session in us.sessions}
        addressed = us.receive(sender, stanza, now)
        replies = [event for _, event in addressed if isinstance(event, Reply)]
        assert addressed[0][1] is replies[0]
        assert len(replies) == 1
        if replies[0].error is not None:
            assert before == {id(session): snapshot(session) for session in us.sessions}
        for session in {id(session): session for session, _ in addressed if session is not None}.values():
            events = [event for whose, event in addressed if whose is session]
            ends.extend(id(session) for event in events if isinstance(event, SessionEnded))
            act(session, events, how)
            assert len(session.contents.live) <= MAX_CONTENTS + 1
            assert len(list(session.contents)) <= MAX_RECORDS + 1
        assert len(us.sessions) <= 3
    assert len(ends) == len(set(ends))


JIDS = [*PEERS, US, "romeo@montague.example", "juliet@capulet.example", ""]
ids = st.sampled_from(["1", "2", "3"])
reasons = st.none() | st.just(SUCCESS)
messages: st.SearchStrategy[Initiation] = st.one_of(
    st.builds(Propose, id=ids),
    st.builds(Ringing, id=ids),
    st.builds(Proceed, id=ids),
    st.builds(Accept, id=ids),
    st.builds(Reject, id=ids, reason=reasons, tie_break=st.booleans()),
    st.builds(Retract, id=ids, reason=reasons, tie_break=st.booleans()),
    st.builds(Finish, id=ids, reason=reasons),
)
words = st.tuples(
    messages,
    st.sampled_from(JIDS),
    st.sampled_from(JIDS),
    st.integers(0, 90),
    st.sampled_from(["", "propose", "ring", "proceed", "reject", "retract", "finish", "abandon"]),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(words, min_size=4, max_size=16))
def test_proposals(script: list[tuple[Initiation, str, str, int, str]]) -> None:
    us = Initiations(local=US)
    log: list[InitiationEvent] = []
    now = 0.0
    for element, sender, recipient, later, what in script:
        now += later
        us.receive(element, sender=sender, recipient=recipient, now=now, age=later)
        log += us.take_events()
        with contextlib.suppress(LocalProtocolError):
            if what == "propose":
                us.propose(recipient, element.id, [], now)
            elif what == "proceed":
                us.proceed(element.id, now)
            elif what == "finish":
                us.finish(element.id, SUCCESS)
            elif what:
                getattr(us, what)(element.id)
        log += us.take_events()
    assert len(log) <= 4 * len(script) + MAX_OPEN
