"""XEP-0166 (v1.1.2): the states of a session, of a content and of a content's transport, as three tables.

Every decision whether an action is legal is made here; a step that is not in a table is out of order. The file does not
know which side we are: who sends and who proposed are arguments.
"""

from __future__ import annotations

import enum

from ..elements.core import Action, Role
from ..errors import ProtocolError


class SessionState(enum.Enum):
    """Where a session is (section 5.1)."""

    IDLE = "idle"
    """Not yet initiated; ours, the XEP starts with PENDING."""

    PENDING = "pending"
    """Initiated, not yet accepted; everything may be negotiated already."""

    ACTIVE = "active"
    """Accepted by the responder."""

    ENDED = "ended"
    """Terminated by either side; nothing leads out of it."""


class ContentState(enum.Enum):
    """Where a content is."""

    PROPOSED = "proposed"
    """In a session-initiate or content-add that its receiver has not answered."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Rejected, or left out of the session-accept."""

    REMOVED = "removed"
    """Removed by either side, perhaps before it was accepted."""


class TransportState(enum.Enum):
    """Where the transport of a content is."""

    PROPOSED = "proposed"
    """Described by one side only."""

    CONNECTING = "connecting"
    """Described by both sides."""

    CONNECTED = "connected"
    """Bits move (a fact that the transport reports; no stanza says so)."""

    REPLACING = "replacing"
    """A transport-replace waits for its answer; the old transport lives on underneath until then."""

    FAILED = "failed"
    """It found no way, or lost it; only a replacement helps."""


class Fact(enum.Enum):
    """What a transport reports without a stanza."""

    CONNECTED = "connected"
    FAILED = "failed"


NEGOTIATION = frozenset(Action) - {Action.SESSION_INITIATE, Action.SESSION_ACCEPT, Action.SESSION_TERMINATE}
"""What may be sent for as long as the session lives (section 5.1: "all actions while in the PENDING state")."""

INFORMATION = frozenset(
    {Action.SESSION_INFO, Action.DESCRIPTION_INFO, Action.SECURITY_INFO, Action.TRANSPORT_INFO},
)
"""What tells the other side something and changes no state."""

SESSION: dict[SessionState, dict[Action, SessionState]] = {
    SessionState.IDLE: {Action.SESSION_INITIATE: SessionState.PENDING},
    SessionState.PENDING: {
        **dict.fromkeys(NEGOTIATION, SessionState.PENDING),
        Action.SESSION_ACCEPT: SessionState.ACTIVE,
        Action.SESSION_TERMINATE: SessionState.ENDED,
    },
    SessionState.ACTIVE: {
        **dict.fromkeys(NEGOTIATION, SessionState.ACTIVE),
        Action.SESSION_TERMINATE: SessionState.ENDED,
    },
    SessionState.ENDED: {},
}

SENDER: dict[Action, Role] = {Action.SESSION_INITIATE: Role.INITIATOR, Action.SESSION_ACCEPT: Role.RESPONDER}
"""Who alone may send an action; the others are for both sides."""

ABOUT_A_CONTENT = NEGOTIATION - {Action.SESSION_INFO, Action.CONTENT_ADD}

CONTENT: dict[ContentState, dict[Action, ContentState]] = {
    ContentState.PROPOSED: {
        **dict.fromkeys(ABOUT_A_CONTENT, ContentState.PROPOSED),
        Action.SESSION_ACCEPT: ContentState.ACCEPTED,
        Action.CONTENT_ACCEPT: ContentState.ACCEPTED,
        Action.CONTENT_REJECT: ContentState.REJECTED,
        Action.CONTENT_REMOVE: ContentState.REMOVED,
    },
    ContentState.ACCEPTED: {
        **dict.fromkeys(ABOUT_A_CONTENT - {Action.CONTENT_ACCEPT, Action.CONTENT_REJECT}, ContentState.ACCEPTED),
        Action.CONTENT_REMOVE: ContentState.REMOVED,
    },
    # Both sides may give a content up at once. Removed wins, so that both ends call it the same.
    ContentState.REJECTED: {Action.CONTENT_REMOVE: ContentState.REMOVED},
    ContentState.REMOVED: {},
}

TRANSPORT: dict[TransportState, dict[Action | Fact, TransportState | None]] = {
    TransportState.PROPOSED: {
        Action.SESSION_ACCEPT: TransportState.CONNECTING,
        Action.CONTENT_ACCEPT: TransportState.CONNECTING,
        Action.TRANSPORT_REPLACE: TransportState.REPLACING,
    },
    TransportState.CONNECTING: {
        Fact.CONNECTED: TransportState.CONNECTED,
        Fact.FAILED: TransportState.FAILED,
        Action.TRANSPORT_REPLACE: TransportState.REPLACING,
    },
    TransportState.CONNECTED: {
        Fact.FAILED: TransportState.FAILED,
        Action.TRANSPORT_REPLACE: TransportState.REPLACING,
    },
    # None: back to what the old transport is by then; a refused replacement does no harm to one that works.
    TransportState.REPLACING: {
        Action.TRANSPORT_ACCEPT: TransportState.CONNECTING,
        Action.TRANSPORT_REJECT: None,
    },
    TransportState.FAILED: {Action.TRANSPORT_REPLACE: TransportState.REPLACING},
}

CONTENT_ANSWERS = frozenset({Action.SESSION_ACCEPT, Action.CONTENT_ACCEPT, Action.CONTENT_REJECT})
"""Not for the side that proposed the content to send."""

TRANSPORT_ANSWERS = frozenset({Action.TRANSPORT_ACCEPT, Action.TRANSPORT_REJECT})
"""Not for the side that proposed the replacement to send."""


def next_state(
    state: SessionState, action: Action, sender: Role, *, error: type[ProtocolError] = ProtocolError
) -> SessionState:
    """Return the state of the session after `sender` sent `action`.

    Raises:
        ProtocolError: Out of order; `error` says which kind, `LocalProtocolError` for what we send ourselves and
            `RemoteProtocolError` for what the peer sent.
    """
    if SENDER.get(action, sender) is not sender:
        raise error(f"{action.value} is not for the {sender.value} to send", jingle="out-of-order")
    if action not in SESSION[state]:
        raise error(f"{action.value} is not possible while the session is {state.value}", jingle="out-of-order")
    return SESSION[state][action]


def next_content_state(
    state: ContentState,
    action: Action,
    *,
    by_proposer: bool,
    error: type[ProtocolError] = ProtocolError,
) -> ContentState:
    """Return the state of a content after `action`, sent by the side that proposed it or by the other.

    Raises:
        ProtocolError: As for `next_state`.
    """
    if action not in CONTENT[state]:
        raise error(f"{action.value} is not possible while the content is {state.value}", jingle="out-of-order")
    if by_proposer and action in CONTENT_ANSWERS:
        raise error(f"{action.value} is for the side that did not propose the content", jingle="out-of-order")
    return CONTENT[state][action]


def next_transport_state(
    state: TransportState,
    step: Action | Fact,
    *,
    underneath: TransportState = TransportState.PROPOSED,
    by_proposer: bool = False,
    error: type[ProtocolError] = ProtocolError,
) -> TransportState:
    """Return the state of a transport after `step`.

    `underneath` is the state of the transport that is to be replaced, to which a refused replacement leads back;
    `by_proposer` says whether the side that proposed the replacement sends an answer to it.

    Raises:
        ProtocolError: As for `next_state`.
    """
    if step not in TRANSPORT[state]:
        raise error(f"{step.value} is not possible while the transport is {state.value}", jingle="out-of-order")
    if by_proposer and step in TRANSPORT_ANSWERS:
        raise error(f"{step.value} is for the side that did not propose the replacement", jingle="out-of-order")
    return TRANSPORT[state][step] or underneath
