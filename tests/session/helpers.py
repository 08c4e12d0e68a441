"""Contents to negotiate about, and two engines with a wire between them that the test holds in its hand."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeVar

from jingle.elements.core import Action, Content, Jingle, Reason, ReasonCondition, Role, Senders
from jingle.elements.declare import Element, from_string
from jingle.errors import RemoteProtocolError
from jingle.session.engine import Session
from jingle.session.events import ContentId, Event, Reply, Send
from jingle.session.state import SessionState

ROMEO, JULIET = "romeo@montague.example/orchard", "juliet@capulet.example/balcony"
SID = "a73sjjvkla37jfea"
SUCCESS = Reason(condition=ReasonCondition.SUCCESS)

E = TypeVar("E")


def description(detail: str = "", app: str = "stub") -> Element:
    return from_string(f"<description xmlns='urn:example:{app}' detail='{detail}'/>")


def transport(detail: str = "", method: str = "stub") -> Element:
    return from_string(f"<transport xmlns='urn:example:{method}' detail='{detail}'/>")


def payload(name: str = "ringing") -> Element:
    return from_string(f"<{name} xmlns='urn:example:info'/>")


def content(
    name: str = "voice",
    creator: Role = Role.INITIATOR,
    *,
    senders: Senders | None = None,
    disposition: str | None = None,
    detail: str = "",
    app: str = "stub",
    method: str = "stub",
) -> Content:
    return Content(
        creator=creator,
        name=name,
        senders=senders,
        disposition=disposition,
        description=description(detail, app),
        transport=transport(detail, method),
    )


def named(name: str = "voice", creator: Role = Role.INITIATOR) -> Content:
    return Content(creator=creator, name=name)


def voice(creator: Role = Role.INITIATOR) -> ContentId:
    return ContentId(creator, "voice")


def jingle(action: Action, *contents: Content, sid: str = SID, reason: Reason | None = None, **more: object) -> Jingle:
    return Jingle(action=action, sid=sid, contents=contents, reason=reason, **more)  # type: ignore[arg-type]


def knows_ringing(element: Element) -> bool:
    return getattr(element, "name", "") == "ringing"


def session(role: Role) -> Session:
    local, peer = (ROMEO, JULIET) if role is Role.INITIATOR else (JULIET, ROMEO)
    return Session(sid=SID, local=local, peer=peer, role=role, understands=knows_ringing)


def of(events: list[Event], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


def receive(to: Session, stanza: Jingle) -> list[Event]:
    """Hand a stanza over; the events behind the acknowledgement."""
    to.receive(stanza, now=0)
    reply, *events = to.take_events()
    assert reply == Reply()
    return events


def refusal(to: Session, stanza: Jingle) -> RemoteProtocolError:
    """Hand a stanza over that has to be refused, and change nothing."""
    before = snapshot(to)
    to.receive(stanza, now=0)
    [reply] = to.take_events()
    assert isinstance(reply, Reply)
    assert reply.error is not None
    assert snapshot(to) == before
    return reply.error


def sent(by: Session) -> Send:
    """The one thing that the last call said: a stanza."""
    [event] = by.take_events()
    assert isinstance(event, Send)
    return event


def snapshot(of_session: Session) -> object:
    """What both ends have to agree on when nothing is in flight."""
    if of_session.state is SessionState.ENDED:
        return SessionState.ENDED
    live = {
        record.id: (record.state, record.senders, record.transport, record.link, record.replacement is not None)
        for record in of_session.contents.live
    }
    return of_session.state, live


@dataclass
class Packet:
    """What travels: an IQ-set, or the answer to one."""

    token: int
    jingle: Jingle | None = None
    error: RemoteProtocolError | None = None


@dataclass
class End:
    """An engine, what it has put on its wire, and what it has said besides."""

    engine: Session
    out: deque[Packet] = field(default_factory=deque)
    log: list[Event] = field(default_factory=list)

    def flush(self, answering: int = 0) -> None:
        for event in self.engine.take_events():
            self.log.append(event)
            if isinstance(event, Send):
                self.out.append(Packet(event.token, jingle=event.jingle))
            elif isinstance(event, Reply):
                self.out.append(Packet(answering, error=event.error))

    def take(self, packet: Packet) -> None:
        if packet.jingle is not None:
            self.engine.receive(packet.jingle, now=0)
            self.flush(answering=packet.token)
            return
        if packet.error is None:
            self.engine.acknowledged(packet.token)
        else:
            self.engine.refused(packet.token, packet.error.condition, packet.error.jingle)
        self.flush()


class Pair:
    """Romeo initiates, Juliet responds; every stanza and every acknowledgement waits on the wire until delivered."""

    def __init__(self, *contents: Content) -> None:
        self.romeo, self.juliet = End(session(Role.INITIATOR)), End(session(Role.RESPONDER))
        self.romeo.engine.initiate(contents or (content(),))
        self.romeo.flush()

    def other(self, end: End) -> End:
        return self.juliet if end is self.romeo else self.romeo

    def deliver(self, sender: End) -> None:
        self.other(sender).take(sender.out.popleft())

    def settle(self) -> None:
        while self.romeo.out or self.juliet.out:
            for end in (self.romeo, self.juliet):
                if end.out:
                    self.deliver(end)

    @property
    def in_flight(self) -> int:
        return len(self.romeo.out) + len(self.juliet.out)

    def active(self) -> Pair:
        """Take the session to ACTIVE by accepting everything, with nothing in flight and nothing logged."""
        self.settle()
        offers = [record.offers[0] for record in self.juliet.engine.contents]
        self.juliet.engine.accept(offers)
        self.juliet.flush()
        self.settle()
        self.romeo.log.clear()
        self.juliet.log.clear()
        return self
