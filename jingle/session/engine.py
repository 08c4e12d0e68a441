"""XEP-0166 (v1.1.2): one session as a pure state machine.

    session = Session(sid="a73sjjvkla37jfea", local=romeo, peer=juliet, role=Role.INITIATOR)
    session.initiate([content])
    for event in session.take_events():     # Send(jingle=<session-initiate/>, token=1)
        ...
    session.acknowledged(1)                 # the IQ result came
    session.receive(jingle, now)            # a stanza came: a Reply, then what the peer did

*One input, then take all events, then the next input.* An input is a stanza (`receive`), the answer to one of our own
(`acknowledged`, `refused`, `timed_out`) or a method call of the program. Time and ids are arguments; there is no I/O.

What we may not do raises `LocalProtocolError` and changes nothing. What the peer may not do becomes a `Reply` with the
error, and changes nothing either.

The engine does by itself: acknowledgements and pings, both tie-breaks' decisions (with the dispatcher), holding back
transport-infos until the peer knows the content, ending a session that the peer left without a content, and ending one
whose negotiation went unanswered. Everything else is the program's to decide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from ..elements.core import Action, Content, Group, Jingle, Reason, ReasonCondition, Role
from ..elements.declare import Element
from ..errors import LocalProtocolError, RemoteProtocolError
from .answers import CHANGES, GONE, REFUSALS, answer_after_end, is_known, redirection
from .events import (
    Acknowledged,
    ContentId,
    ContentRejected,
    Redirected,
    Refused,
    Reply,
    SessionAccepted,
    SessionEnded,
    SessionInfo,
    SessionInitiated,
    TimedOut,
    TransportRejected,
)
from .exchange import Request
from .state import INFORMATION, ContentState, SessionState, next_state
from .transport_actions import TransportActions


class Session(TransportActions):
    """One negotiation with one peer.

    Attributes:
        sid: The session's id.
        local: Our full JID.
        peer: The peer's full JID; changes with a `Redirected`.
        role: Our side.
        state: IDLE, PENDING, ACTIVE or ENDED.
        contents: What is negotiated; iterate over it or `require()` one by name. Not to be changed from outside.
        last_heard: When the peer's last stanza came, on the clock of the `now` arguments; `None` before the first.
    """

    def __init__(
        self,
        *,
        sid: str,
        local: str,
        peer: str,
        role: Role,
        understands: Callable[[Element], bool] = is_known,
    ) -> None:
        """Make a session that nothing has happened in yet.

        Args:
            sid: An unguessable id (RFC 4086); short text.
            local: Our full JID.
            peer: The peer's full JID.
            role: Our side.
            understands: Whether the program can use this payload of a session-info; what it does not understand is
                answered with unsupported-info (section 6.8).
        """
        super().__init__(sid=sid, local=local, peer=peer, role=role)
        self.last_heard: float | None = None
        self._understands = understands
        self._overruled_by: Reason | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether the peer knows the session: it initiated it, or acknowledged that we did."""
        return self.state is not SessionState.IDLE and not self._is_unanswered(Action.SESSION_INITIATE)

    # Sent.

    def initiate(self, contents: Iterable[Content], *, groups: tuple[Group, ...] = ()) -> int:
        """Ask for a session (session-initiate); `SessionAccepted` or `SessionEnded` follows.

        Args:
            contents: What to offer: each with a description, a transport, and the initiator as creator; at least one of
                disposition `session`. Two with the same name are alternatives.
            groups: How they may share transports (XEP-0338).

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: Not ours to initiate, initiated before, or a content is not as above.
        """
        state, contents = self._may(Action.SESSION_INITIATE), tuple(contents)
        if not any(content.effective_disposition == "session" for content in contents):
            raise LocalProtocolError("a session needs a content of disposition 'session'")
        self._propose(contents, initial=True)
        self.state = state
        return self._send(Action.SESSION_INITIATE, contents, groups=groups)

    def accept(self, contents: Iterable[Content], *, groups: tuple[Group, ...] = ()) -> int:
        """Accept the session (session-accept). Offered contents that are left out are rejected by that.

        Contents of another disposition than `session`, and those that the initiator added later, stay proposed when
        they are left out (section 7.2.8).

        Args:
            contents: Our answers, with the creators and names of the offer; of alternatives, one.
            groups: How they share transports (XEP-0338).

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: Not ours to accept, not pending, or a content was not offered.
        """
        state, answers = self._may(Action.SESSION_ACCEPT), self._named(contents)
        for record, _ in answers:
            self._check_accept(record, Action.SESSION_ACCEPT)
        self.state = state
        for record, answer in answers:
            record.accept(answer)
        self._drop_left_out()
        return self._send(Action.SESSION_ACCEPT, [answer for _, answer in answers], groups=groups)

    def ping(self) -> int:
        """Ask whether the peer still knows the session (an empty session-info, section 6.8).

        `Acknowledged`, `Refused` or `TimedOut` with the token that is returned tells. Monal and QXmpp never answer.

        Raises:
            LocalProtocolError: The session was not initiated, or has ended.
        """
        self._may(Action.SESSION_INFO)
        return self._send(Action.SESSION_INFO)

    def info(self, payload: Element) -> int:
        """Tell something about the session, such as ringing (session-info); returns the token.

        Raises:
            LocalProtocolError: The session was not initiated, or has ended.
        """
        self._may(Action.SESSION_INFO)
        return self._send(Action.SESSION_INFO, payloads=(payload,))

    def overrule(self, sid: str) -> None:
        """Give up our session-initiate for the peer's with the lower `sid` (section 7.2.16); the dispatcher calls it.

        A `SessionEnded` with the reason `alternative-session` follows. The peer refuses our request. Where it has
        acknowledged it, or does so later because it knows no tie-breaks, the session is terminated on the wire too.
        """
        reason = Reason(condition=ReasonCondition.ALTERNATIVE_SESSION, alternative_session=sid)
        if self._is_unanswered(Action.SESSION_INITIATE):
            # With the same sid, a session-terminate would end the peer's session.
            self._overruled_by = reason if sid != self.sid else None
            self._end(reason)
        else:
            self.terminate(reason)

    # Answers to what we sent.

    def acknowledged(self, token: int) -> None:
        """Take the result of one of our requests; then take events.

        Raises:
            LocalProtocolError: No request with this token waits for an answer.
        """
        request = self._answered(token)
        self._events.append(Acknowledged(token=token, action=request.action))
        if self.state is SessionState.ENDED:
            if request.action is Action.SESSION_INITIATE and self._overruled_by is not None:
                self._send(Action.SESSION_TERMINATE, reason=self._overruled_by)
            return
        for record in self._records(request):
            if request.senders is not None:
                record.senders = request.senders
            if request.action in (Action.SESSION_INITIATE, Action.CONTENT_ADD):
                self._release(record)

    def refused(self, token: int, condition: str, jingle: str | None = None, text: str | None = None) -> None:
        """Take the error that one of our requests got; then take events.

        The session has ended when the session-initiate or session-accept was refused, or when the error says that the
        peer does not know the session, or is not there before it was accepted. Afterwards that says no more than that
        no stanza reaches the peer: the program knows whether anything else does. A refused content-add or
        transport-replace counts as rejected. A session-accept that said `none` of a content is said again first.

        Args:
            token: Of the request.
            condition: The stanza error condition.
            jingle: The Jingle condition beside it, if any.
            text: What was written with it.

        Raises:
            LocalProtocolError: No request with this token waits for an answer.
        """
        request = self._answered(token)
        self._events.append(Refused(token=token, action=request.action, condition=condition, jingle=jingle, text=text))
        if self.state is SessionState.ENDED:
            return
        reason = Reason(condition=REFUSALS.get(condition, ReasonCondition.GENERAL_ERROR), text=text)
        is_lost = jingle == "unknown-session" or (condition in GONE and self.state is SessionState.PENDING)
        if request.action is Action.SESSION_INITIATE or is_lost:
            self._end(reason, by_peer=True)
        elif request.action is Action.SESSION_ACCEPT and condition == "bad-request" and self._accept_again(request):
            return
        elif request.action is Action.SESSION_ACCEPT:
            # The peer knows the session, so it has to be told.
            self.terminate(reason)
        elif request.action is Action.CONTENT_ADD:
            self._reject_refused(request)
        elif request.action is Action.TRANSPORT_REPLACE:
            for record in self._records(request):
                if record.replacement is not None and record.replacement.token == token:
                    record.replacement = None
                    self._events.append(TransportRejected(content=record.id))

    def timed_out(self, token: int) -> None:
        """Take it that one of our requests will not be answered; then take events.

        Whether the peer took the request is unknown from here on. An informational one changes nothing, so that is for
        the program to judge. Nor does one about contents end a session that runs (Monal and QXmpp never answer those):
        an addition counts as rejected and is withdrawn, a direction stays as it was. After any other the two ends may
        disagree, so the session is terminated (`timeout`).

        Raises:
            LocalProtocolError: No request with this token waits for an answer.
        """
        request = self._answered(token)
        self._events.append(TimedOut(token=token, action=request.action))
        if self.state is SessionState.ENDED or request.action in INFORMATION:
            return
        if self.state is not SessionState.ACTIVE or request.action not in CHANGES:
            self.terminate(Reason(condition=ReasonCondition.TIMEOUT))
        elif request.action is Action.CONTENT_ADD:
            self._withdraw(request)

    def _answered(self, token: int) -> Request:
        request = self._requests.pop(token, None)
        if request is None:
            raise LocalProtocolError(f"no request {token} waits for an answer")
        return request

    def _withdraw(self, request: Request) -> None:
        """Take back contents that nobody has acknowledged, in case they arrived."""
        records = self._records(request)
        self._reject_refused(request)
        if records and self.contents.live:
            elements = [Content(creator=record.id.creator, name=record.id.name) for record in records]
            self._send(Action.CONTENT_REMOVE, elements, reason=Reason(condition=ReasonCondition.TIMEOUT))

    # Received.

    def receive(self, jingle: Jingle, now: float) -> None:
        """Take a stanza of the peer's; then take events, the first of which is the `Reply` to it.

        Args:
            jingle: The payload. Whether it is the peer's is for the caller to have checked; the `initiator` and
                `responder` in it are not believed (section 7.1).
            now: Seconds on any clock that does not jump.
        """
        self.last_heard = now
        before, mark = self.state, len(self._events)
        try:
            self._handle(jingle)
        except RemoteProtocolError as error:
            # Handlers check everything before they change anything.
            self.state = before
            self._events[mark:] = [Reply(error=error)]
        else:
            self._events.insert(mark, Reply())

    def _handle(self, jingle: Jingle) -> None:
        action = jingle.action
        if self.state is SessionState.ENDED:
            error = answer_after_end(action)
            if error is not None:
                raise error
            return
        if action is Action.SESSION_ACCEPT and self.state is SessionState.ACTIVE:
            jingle = self._as_content_accept(jingle)
        self.state = next_state(self.state, jingle.action, self.role.other, error=RemoteProtocolError)
        HANDLERS[jingle.action](self, jingle)

    def _as_content_accept(self, jingle: Jingle) -> Jingle:
        """Movim answers a content-add with a whole session-accept: take what it says about our open proposals."""
        contents = tuple(
            content
            for content in jingle.contents
            if (record := self._find(content)) is not None
            and record.state is ContentState.PROPOSED
            and record.proposer is self.role
        )
        return dataclasses.replace(jingle, action=Action.CONTENT_ACCEPT, contents=contents) if contents else jingle

    def _on_session_initiate(self, jingle: Jingle) -> None:
        records = self.contents.adopt(jingle.contents, self.role.other, initial=True)
        if not any(content.effective_disposition == "session" for content in jingle.contents):
            raise RemoteProtocolError("there is no content of disposition 'session'")
        self.contents.keep(records)
        offers = tuple(offer for record in records for offer in record.offers)
        self._events.append(SessionInitiated(contents=offers, groups=jingle.groups, reason=jingle.reason))
        self._follow(jingle.initiator)

    def _on_session_accept(self, jingle: Jingle) -> None:
        # A description or transport may be missing here: stanza.js accepts files without a description.
        answers = [
            (record, answer)
            for record, answer in self._found(jingle)
            if record.proposer is self.role and record.state is ContentState.PROPOSED
        ]
        for record, answer in answers:
            record.accept(answer)
        accepted = tuple(answer for _, answer in answers)
        self._events.append(SessionAccepted(contents=accepted, groups=jingle.groups, reason=jingle.reason))
        for record, _ in answers:
            self._release(record)
        left_out = self._drop_left_out()
        if left_out:
            self._events.append(ContentRejected(contents=left_out))
        self._follow(jingle.responder)

    def _on_session_terminate(self, jingle: Jingle) -> None:
        self._events.append(SessionEnded(reason=jingle.reason, by_peer=True))

    def _on_session_info(self, jingle: Jingle) -> None:
        understood = [payload for payload in jingle.payloads if self._understands(payload)]
        if jingle.payloads and not understood:
            raise RemoteProtocolError("nobody here understands this information", jingle="unsupported-info")
        self._events.extend(SessionInfo(payload=payload, reason=jingle.reason) for payload in understood)

    def _drop_left_out(self) -> tuple[ContentId, ...]:
        """Reject the offered contents that the session-accept left out (section 7.2.8: only disposition "session")."""
        left_out = [
            record
            for record in self.contents
            if record.initial
            and record.state is ContentState.PROPOSED
            and record.offers[0].effective_disposition == "session"
        ]
        for record in left_out:
            record.state = ContentState.REJECTED
        return tuple(record.id for record in left_out)

    def _end(self, reason: Reason, *, by_peer: bool = False) -> None:
        """End without telling the peer, who does not know the session (any more)."""
        self.state = SessionState.ENDED
        self._events.append(SessionEnded(reason=reason, by_peer=by_peer))

    def _follow(self, target: str | None) -> None:
        peer = redirection(target, self.peer, self.local)
        if peer is not None:
            self.peer = peer
            self._events.append(Redirected(peer=peer))


HANDLERS: dict[Action, Callable[[Session, Jingle], None]] = {
    Action.SESSION_INITIATE: Session._on_session_initiate,
    Action.SESSION_ACCEPT: Session._on_session_accept,
    Action.SESSION_TERMINATE: Session._on_session_terminate,
    Action.SESSION_INFO: Session._on_session_info,
    Action.CONTENT_ADD: Session._on_content_add,
    Action.CONTENT_ACCEPT: Session._on_content_accept,
    Action.CONTENT_REJECT: Session._on_content_reject,
    Action.CONTENT_MODIFY: Session._on_content_modify,
    Action.CONTENT_REMOVE: Session._on_content_remove,
    Action.DESCRIPTION_INFO: Session._on_description_info,
    Action.SECURITY_INFO: Session._on_security_info,
    Action.TRANSPORT_INFO: Session._on_transport_info,
    Action.TRANSPORT_REPLACE: Session._on_transport_replace,
    Action.TRANSPORT_ACCEPT: Session._on_transport_accept,
    Action.TRANSPORT_REJECT: Session._on_transport_reject,
}
