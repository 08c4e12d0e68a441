"""XEP-0166: which session a stanza belongs to, and what it gets when there is none.

    dispatcher = Dispatcher(local=romeo, may_reach=lambda jid: jid in contacts)
    session = dispatcher.initiate(juliet, sid, [content], now=now)    # ours; then session.take_events()
    for session, event in dispatcher.receive(sender, jingle, now):    # theirs
        ...

Plain data keyed by (peer's full JID, sid), so that many dispatchers can stand behind one stream.

- A session-initiate from somebody who may not reach us gets the answer of a client without Jingle (section 6.3.2).
- Both sides initiating the same at once is decided here (section 7.2.16).
- Sessions are bounded in number per peer and in all (section 13.2); more get `resource-constraint`.
- What arrives shortly after the end of a session is answered politely (`answers.answer_after_end`).
- Transport-infos that outrun an announced session-initiate are kept and handed over behind it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..elements.core import Action, Content, Group, Jingle, Role
from ..elements.declare import Element
from ..elements.jids import bare
from ..errors import LocalProtocolError, RemoteProtocolError
from .answers import answer_after_end, is_known, redirection
from .contents import DIRECTIONS, namespace_of
from .engine import Session
from .events import CallerRefused, Event, Reply
from .state import SessionState

MAX_SESSIONS = 200
"""Sessions at once, of all peers. One core carries some twenty calls; idle file offers are cheaper."""

MAX_SESSIONS_PER_PEER = 24
"""Sessions at once with one bare JID: a call, and files that somebody sends one by one."""

REMEMBER_FOR = 60.0
"""Seconds for which an ended session is remembered; a stanza that crossed its end is a round trip late."""

MAX_REMEMBERED = 512

EXPECT_FOR = 120.0
"""Seconds for which an announced session may take to come: its initiator gathers candidates first."""

MAX_EXPECTED = 64

MAX_EARLY = 32
"""Transport-infos kept for one announced session: as many as a crowded network gathers candidates."""

Key = tuple[str, str]
"""The peer's full JID and the sid."""

Addressed = tuple[Session | None, Event]
"""An event and the session it is about, if any."""


@dataclass
class _Expected:
    since: float
    early: list[Jingle] = field(default_factory=list)


class Dispatcher:
    """The sessions of one local address.

    Attributes:
        local: Our full JID; to be set anew when the stream comes back with another resource.
    """

    def __init__(
        self,
        *,
        local: str,
        may_reach: Callable[[str], bool] = lambda jid: True,
        understands: Callable[[Session, Element], bool] = lambda session, payload: is_known(payload),
        max_sessions: int = MAX_SESSIONS,
        max_sessions_per_peer: int = MAX_SESSIONS_PER_PEER,
    ) -> None:
        """Make a dispatcher without sessions.

        Args:
            local: Our full JID.
            may_reach: Whether this full JID may initiate sessions with us; asked each time.
            understands: What `Session` asks, with the session that asks.
            max_sessions: How many the peers may have open with us in all, ours counted in.
            max_sessions_per_peer: The same for one bare JID.
        """
        self.local = local
        self._may_reach = may_reach
        self._understands = understands
        self._max_sessions = max_sessions
        self._max_sessions_per_peer = max_sessions_per_peer
        self._sessions: dict[Key, Session] = {}
        self._ended: dict[Key, float] = {}
        self._expected: dict[Key, _Expected] = {}

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Every session that has not ended."""
        return tuple(session for session in self._sessions.values() if session.state is not SessionState.ENDED)

    def initiate(
        self, peer: str, sid: str, contents: Iterable[Content], *, groups: tuple[Group, ...] = (), now: float
    ) -> Session:
        """Initiate a session; take the events of the session that comes back.

        Args:
            peer: The full JID to initiate it with.
            sid: An unguessable id, or that of the proposal it was announced with (XEP-0353).
            contents: See `Session.initiate`.
            groups: See `Session.initiate`.
            now: Seconds on the clock that `receive` gets.

        Raises:
            LocalProtocolError: There is such a session already, or what `Session.initiate` raises.
        """
        self.sweep(now)
        key = (peer, sid)
        if key in self._sessions:
            raise LocalProtocolError(f"there is a session {sid!r} with {peer} already", condition="conflict")
        session = self._new(peer, sid, Role.INITIATOR)
        session.initiate(contents, groups=groups)
        self._sessions[key] = session
        self._ended.pop(key, None)
        return session

    def expect(self, peer: str, sid: str, now: float) -> None:
        """Announce that `peer` will initiate this session, because we told it to proceed (XEP-0353).

        It is let in whoever it is, once and for `EXPECT_FOR` seconds, and its transport-infos may come first.
        """
        self.sweep(now)
        self._expected[peer, sid] = _Expected(now)
        while len(self._expected) > MAX_EXPECTED:
            del self._expected[next(iter(self._expected))]

    def receive(self, sender: str, jingle: Jingle, now: float) -> list[Addressed]:
        """Take a `<jingle/>` and return what there is to do, in order; first comes the `Reply` to it.

        Args:
            sender: The full JID in the stanza's `from`, which the server vouches for.
            jingle: The payload.
            now: Seconds on any clock that does not jump.
        """
        self.sweep(now)
        jingle = self._without_collision(sender, jingle)
        session = self._sessions.get((sender, jingle.sid))
        if session is not None and not _is_crossed(session, jingle):
            return self._continue(session, jingle, now)
        if jingle.action is Action.SESSION_INITIATE:
            return self._let_in(sender, jingle, now)
        return [(None, Reply(error=self._stray(sender, jingle)))]

    def sweep(self, now: float) -> None:
        """Put away what has ended or expired; every other method does it too, so calling it is never necessary."""
        for key in [key for key, session in self._sessions.items() if session.state is SessionState.ENDED]:
            del self._sessions[key]
            self._ended.pop(key, None)
            self._ended[key] = now
        stale = [key for key, since in self._ended.items() if now - since > REMEMBER_FOR]
        for key in stale or list(self._ended)[: max(len(self._ended) - MAX_REMEMBERED, 0)]:
            del self._ended[key]
        for key in [key for key, expected in self._expected.items() if now - expected.since > EXPECT_FOR]:
            del self._expected[key]

    def _new(self, peer: str, sid: str, role: Role) -> Session:
        def understands(payload: Element) -> bool:
            return self._understands(session, payload)

        session = Session(sid=sid, local=self.local, peer=peer, role=role, understands=understands)
        return session

    def _without_collision(self, sender: str, jingle: Jingle) -> Jingle:
        """Take out a redirection (section 13.5) to where another session with this sid is, which it would replace."""
        targets = (redirection(target, sender, self.local) for target in (jingle.initiator, jingle.responder))
        if any((target, jingle.sid) in self._sessions for target in targets if target is not None):
            return dataclasses.replace(jingle, initiator=None, responder=None)
        return jingle

    def _continue(self, session: Session, jingle: Jingle, now: float) -> list[Addressed]:
        before = session.peer
        session.receive(jingle, now)
        if session.peer != before:
            del self._sessions[before, session.sid]
            self._sessions[session.peer, session.sid] = session
        return [(session, event) for event in session.take_events()]

    def _let_in(self, sender: str, jingle: Jingle, now: float) -> list[Addressed]:
        expected = self._expected.get((sender, jingle.sid))
        if expected is None and not self._may_reach(sender):
            return [(None, Reply(error=_no_such_client())), (None, CallerRefused(peer=sender, sid=jingle.sid))]
        session = self._new(sender, jingle.sid, Role.RESPONDER)
        session.receive(jingle, now)
        if session.state is SessionState.IDLE:
            return [(None, event) for event in session.take_events()]
        try:
            rivals = self._rivals(session)
            self._check_room(session, leaving=len(rivals))
        except RemoteProtocolError as error:
            return [(None, Reply(error=error))]
        for rival in rivals:
            rival.overrule(session.sid)
        self._sessions[session.peer, session.sid] = session
        self._ended.pop((session.peer, session.sid), None)
        self._expected.pop((sender, jingle.sid), None)
        events: list[Addressed] = [(session, event) for event in session.take_events()]
        for early in expected.early if expected else ():
            session.receive(early, now)
            # It was acknowledged when it came.
            events.extend((session, event) for event in session.take_events()[1:])
        return [*events, *((rival, event) for rival in rivals for event in rival.take_events())]

    def _rivals(self, theirs: Session) -> list[Session]:
        """Our own pending sessions that give way to this one (section 7.2.16, "no existing session").

        Raises:
            RemoteProtocolError: One of ours is lower, so that the peer has to give way.
        """
        rivals = [
            ours
            for ours in self.sessions
            if ours.peer == theirs.peer
            and ours.role is Role.INITIATOR
            and ours.state is SessionState.PENDING
            and (ours.sid == theirs.sid or _flows(ours) & _flows(theirs))
        ]
        for ours in rivals:
            if _octets(ours.sid, self.local) < _octets(theirs.sid, theirs.peer):
                raise RemoteProtocolError("our session-initiate was first", jingle="tie-break")
        return rivals

    def _check_room(self, session: Session, *, leaving: int) -> None:
        if len(self._sessions) - leaving >= self._max_sessions:
            raise RemoteProtocolError("too many sessions", condition="resource-constraint")
        theirs = sum(bare(peer) == bare(session.peer) for peer, _ in self._sessions)
        if theirs - leaving >= self._max_sessions_per_peer:
            raise RemoteProtocolError("too many sessions with you", condition="resource-constraint")

    def _stray(self, sender: str, jingle: Jingle) -> RemoteProtocolError | None:
        """What a stanza gets that belongs to no session; `None` is an acknowledgement."""
        key = (sender, jingle.sid)
        expected = self._expected.get(key)
        if key in self._ended:
            return answer_after_end(jingle.action)
        if expected is not None and jingle.action is Action.TRANSPORT_INFO:
            if len(expected.early) >= MAX_EARLY:
                return RemoteProtocolError("too much before the session-initiate", condition="resource-constraint")
            expected.early.append(jingle)
            return None
        if expected is None and not self._may_reach(sender):
            return _no_such_client()
        return RemoteProtocolError(f"there is no session {jingle.sid!r} with you", jingle="unknown-session")


def _is_crossed(session: Session, jingle: Jingle) -> bool:
    """Whether both sides chose the same sid at once, the XEP's "unlikely event"; then the lower JID decides."""
    return jingle.action is Action.SESSION_INITIATE and session.role is Role.INITIATOR and not session.is_acknowledged


def _octets(sid: str, jid: str) -> tuple[bytes, bytes]:
    """What decides between two session-initiates: sid, then JID, compared as i;octet (RFC 4790 section 9.3)."""
    return sid.encode(), jid.encode()


def _flows(session: Session) -> set[tuple[str, bool]]:
    """What a session is for: which application's data flows from us, and which from the peer.

    Two calls are "functionally equivalent" (section 7.2.16); two files on their way in opposite directions are not.
    """
    return {
        (namespace_of(offer.description), sender is session.role)
        for record in session.contents
        for offer in record.offers
        if offer.description is not None
        for sender in DIRECTIONS[offer.effective_senders]
    }


def _no_such_client() -> RemoteProtocolError:
    """What a client without Jingle answers; a text would give us away."""
    return RemoteProtocolError("", condition="service-unavailable")
