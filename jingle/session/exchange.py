"""What every concern of a session stands on: who talks to whom, what is unanswered, and what has to be said."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from ..elements.core import Action, Content, Group, Jingle, Reason, Role, Senders
from ..elements.declare import Element
from ..errors import LocalProtocolError, RemoteProtocolError
from .contents import ContentRecord, Contents
from .events import ContentId, Event, Send, SessionEnded
from .state import SessionState, next_state

ContentRef = Content | ContentId | str
"""How a program names a content: by its element, by its id, or by its name where that is unique."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One of our own IQ-sets that the peer has not answered."""

    action: Action
    contents: frozenset[ContentId]
    senders: Senders | None = None
    """What a content-modify asks for; in force once it is acknowledged."""

    groups: tuple[Group, ...] = ()


class Exchange:
    """The common ground of a session: its names, states, contents, unanswered requests and events."""

    def __init__(self, *, sid: str, local: str, peer: str, role: Role) -> None:
        self.sid = sid
        self.local = local
        self.peer = peer
        self.role = role
        self.state = SessionState.IDLE
        self.contents = Contents()
        self._events: list[Event] = []
        self._requests: dict[int, Request] = {}
        self._tokens = 0

    def take_events(self) -> list[Event]:
        """Return what there is to do since the last call, in order; to be called after every input."""
        events, self._events = self._events, []
        return events

    def terminate(self, reason: Reason) -> int:
        """End the session, also to decline or cancel it (session-terminate).

        The session has ended at once (section 6.7); `SessionEnded` follows, the answer to the request need not be
        waited for.

        Returns:
            The token of the request.

        Raises:
            LocalProtocolError: The session was not initiated, or has ended.
        """
        self.state = self._may(Action.SESSION_TERMINATE)
        token = self._send(Action.SESSION_TERMINATE, reason=reason)
        self._events.append(SessionEnded(reason=reason, by_peer=False))
        return token

    # Our own requests.

    def _may(self, action: Action) -> SessionState:
        """Return the state of the session after we send `action`; `LocalProtocolError` where we may not."""
        return next_state(self.state, action, self.role, error=LocalProtocolError)

    def _send(
        self,
        action: Action,
        contents: Iterable[Content] = (),
        *,
        groups: tuple[Group, ...] = (),
        payloads: tuple[Element, ...] = (),
        reason: Reason | None = None,
        senders: Senders | None = None,
    ) -> int:
        contents = tuple(contents)
        self._tokens += 1
        self._requests[self._tokens] = Request(
            action=action,
            contents=frozenset(ContentId(content.creator, content.name) for content in contents),
            senders=senders,
            groups=groups,
        )
        jingle = Jingle(
            action=action,
            sid=self.sid,
            # Section 7.1: on these two actions only.
            initiator=self.local if action is Action.SESSION_INITIATE else None,
            responder=self.local if action is Action.SESSION_ACCEPT else None,
            groups=groups,
            contents=contents,
            reason=reason,
            payloads=payloads,
        )
        self._events.append(Send(jingle=jingle, token=self._tokens))
        return self._tokens

    def _is_unanswered(self, action: Action, content: ContentId | None = None) -> bool:
        """Whether a request of ours of this kind (about this content) waits for its answer."""
        return any(
            request.action is action and (content is None or content in request.contents)
            for request in self._requests.values()
        )

    def _named(self, refs: Iterable[ContentRef]) -> list[tuple[ContentRecord, Content]]:
        """The records a program means, each with the element that goes on the wire."""
        named = []
        for ref in refs:
            if isinstance(ref, Content):
                record = self.contents.require(ContentId(ref.creator, ref.name))
                named.append((record, ref))
            else:
                record = self.contents.require(ref)
                named.append((record, Content(creator=record.id.creator, name=record.id.name)))
        if not named:
            raise LocalProtocolError("no content was named")
        if len({record.id for record, _ in named}) != len(named):
            raise LocalProtocolError("a content was named twice")
        return named

    def _release(self, record: ContentRecord) -> None:
        """Send the transport-infos that waited until the peer knew the content; its acceptance tells that too."""
        held_back, record.unsent = record.unsent, None
        for transport in held_back or ():
            element = Content(creator=record.id.creator, name=record.id.name, transport=transport)
            self._send(Action.TRANSPORT_INFO, [element])

    # The peer's requests.

    def _lost_tie(self, action: Action, content: ContentId | None = None) -> None:
        """Refuse what crossed a request of the same kind, where ours stands (section 7.2.16, "existing session").

        Raises:
            RemoteProtocolError: We are the initiator and wait for the answer to such a request ourselves.
        """
        if self.role is Role.INITIATOR and self._is_unanswered(action, content):
            raise RemoteProtocolError(f"our {action.value} was under way", jingle="tie-break")

    def _found(self, jingle: Jingle) -> list[tuple[ContentRecord, Content]]:
        """The living contents that a request of the peer is about, each with its element under the name we know.

        Contents that are gone are left out: their end crossed the request, and the peer will hear of it. The same
        content a second time in one request is left out too.

        Raises:
            RemoteProtocolError: Not one of the contents was ever known.
        """
        known = [(record, content) for content in jingle.contents if (record := self._find(content)) is not None]
        if not known:
            raise RemoteProtocolError(f"{jingle.action.value} names no content of this session")
        found = {
            record.id: (record, dataclasses.replace(content, creator=record.id.creator))
            for record, content in reversed(known)
            if record.live
        }
        return list(reversed(found.values()))

    def _find(self, content: Content) -> ContentRecord | None:
        return self.contents.find(ContentId(content.creator, content.name))
