"""What the engine says: one frozen event each, the reference of what a pump has to handle.

A stanza goes in (`Session.receive`, `Dispatcher.receive`) or one of the session's methods is called, then the events
come out, in the order in which they are to be acted upon:

| to the peer | the peer did | about our own requests |
|---|---|---|
| `Reply`, `Send` | `SessionInitiated`, `SessionAccepted`, `SessionEnded`, `SessionInfo`, `Redirected`, `ContentAdded`, `ContentAccepted`, `ContentRejected`, `ContentModified`, `ContentRemoved`, `DescriptionInfo`, `SecurityInfo`, `TransportInfo`, `TransportReplaced`, `TransportAccepted`, `TransportRejected` | `Acknowledged`, `Refused`, `TimedOut` |

`CallerRefused` comes from the dispatcher alone. The past tense is the peer's, except in `SessionEnded`, which tells
every end, our own too, so that tidying up has one home. Contents that an event carries have the `creator` under which
the session knows them, whatever a sloppy peer wrote.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..elements.core import Action, Content, Group, Jingle, Reason, Role, Senders
from ..elements.declare import Element
from ..errors import RemoteProtocolError


class ContentId(NamedTuple):
    """What names a content for as long as its session lives (section 7.3)."""

    creator: Role
    name: str


@dataclass(frozen=True, kw_only=True)
class Send:
    """Send an IQ-set to `Session.peer`, and tell the session what came back.

    Exactly one of `Session.acknowledged`, `refused` and `timed_out` has to follow, in the order in which the answers
    arrived and before any stanza that arrived after them: tie-breaks are decided on what is still unanswered.
    """

    jingle: Jingle
    """The payload of the IQ-set."""

    token: int
    """What to give back with the answer; counted from 1 in each session."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Answer the IQ-set that was just handed to `receive`; always the first event after it, and exactly one."""

    error: RemoteProtocolError | None = None
    """`None` for an empty result, otherwise the error to send: `type`, `condition`, `jingle`, and `text` if any."""


@dataclass(frozen=True, kw_only=True)
class SessionInitiated:
    """The peer wants a session: answer with `Session.accept` or `terminate`."""

    contents: tuple[Content, ...]
    """What is offered. Two with the same name are alternatives for one purpose; accept one of them."""

    groups: tuple[Group, ...] = ()
    """How contents may share a transport (XEP-0338)."""

    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class SessionAccepted:
    """The responder accepted our session."""

    contents: tuple[Content, ...]
    """The answers to our contents. Offered contents that are not here come in a `ContentRejected` right behind."""

    groups: tuple[Group, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class SessionEnded:
    """The session is over, whoever ended it; comes exactly once. Nothing may be sent in it any more."""

    reason: Reason | None
    """Why, or `None` where the peer gave no reason."""

    by_peer: bool
    """True where the peer terminated it, refused it or does not know it (any more)."""


@dataclass(frozen=True, kw_only=True)
class SessionInfo:
    """The peer tells something about the session (ringing, hold, checksum); pings are answered by the engine."""

    payload: Element
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class Redirected:
    """The peer goes on from another of its own resources (section 13.5): `Session.peer` has changed."""

    peer: str
    """The full JID that everything is sent to from now on."""


@dataclass(frozen=True, kw_only=True)
class ContentAdded:
    """The peer proposes more contents: each has to be answered by `accept_content` or `reject_content`."""

    contents: tuple[Content, ...]
    groups: tuple[Group, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class ContentAccepted:
    """The peer accepted contents that we proposed."""

    contents: tuple[Content, ...]
    """The answers, with the peer's descriptions and transports. A `TransportAccepted` or `TransportReplaced` that came
    before is newer than the transport in here."""

    groups: tuple[Group, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class ContentRejected:
    """The peer does not want contents that we proposed: rejected, refused, or left out of the session-accept."""

    contents: tuple[ContentId, ...]
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class ContentModified:
    """The peer changed the direction of a content (section 7.2.3); it is in force already.

    There is no accepting it. Who cannot go along sends a contrary `modify_content`, removes the content or ends the
    session.
    """

    content: ContentId
    senders: Senders
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class ContentRemoved:
    """The peer removed contents: stop negotiating their transports and sending their data (section 7.2.5)."""

    contents: tuple[ContentId, ...]
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class DescriptionInfo:
    """The peer hints at parameters of an application (section 7.2.6)."""

    content: ContentId
    description: Element


@dataclass(frozen=True, kw_only=True)
class SecurityInfo:
    """The peer tells something about a security precondition (section 7.2.7)."""

    content: ContentId
    security: Element


@dataclass(frozen=True, kw_only=True)
class TransportInfo:
    """The peer tells something about a transport, mostly candidates (section 7.2.13).

    May come from the first moment on, from a responder before its session-accept too. While a replacement is being
    negotiated, the namespace says which of the two transports it is about.
    """

    content: ContentId
    transport: Element


@dataclass(frozen=True, kw_only=True)
class TransportReplaced:
    """The peer proposes another transport: has to be answered by `accept_transport` or `reject_transport`."""

    content: ContentId
    transport: Element
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class TransportAccepted:
    """The peer accepted the transport that we proposed in a `replace_transport`."""

    content: ContentId
    transport: Element
    """The peer's side of it."""


@dataclass(frozen=True, kw_only=True)
class TransportRejected:
    """The peer rejected (or refused) the transport that we proposed; the old one stays as it is."""

    content: ContentId
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """The peer acknowledged our request; whether it agrees is another stanza."""

    token: int
    action: Action


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The peer answered our request with an error; what follows from that comes in the events behind this one."""

    token: int
    action: Action
    condition: str
    """The stanza error condition."""

    jingle: str | None = None
    """The Jingle condition; with `tie-break`, the peer's own action of the same kind stands instead of ours."""

    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class TimedOut:
    """Nobody answered our request in time."""

    token: int
    action: Action


@dataclass(frozen=True, kw_only=True)
class CallerRefused:
    """Somebody who may not reach us tried to initiate a session; the answer was that of a client without Jingle."""

    peer: str
    sid: str


Event = (
    Send
    | Reply
    | SessionInitiated
    | SessionAccepted
    | SessionEnded
    | SessionInfo
    | Redirected
    | ContentAdded
    | ContentAccepted
    | ContentRejected
    | ContentModified
    | ContentRemoved
    | DescriptionInfo
    | SecurityInfo
    | TransportInfo
    | TransportReplaced
    | TransportAccepted
    | TransportRejected
    | Acknowledged
    | Refused
    | TimedOut
    | CallerRefused
)
