"""What the machine of XEP-0353 says: one frozen event each. `id` is always that of the proposal, the sid to be."""

from __future__ import annotations

from dataclasses import dataclass

from ..elements.core import Reason
from ..elements.declare import Element
from ..elements.initiation import Initiation
from .events import CallerRefused


@dataclass(frozen=True, kw_only=True)
class SendMessage:
    """Send a message of type `chat` with this payload."""

    to: str
    """Bare or full JID."""

    element: Initiation
    private: bool = False
    """True for what concerns one device only: with a `<no-copy/>` hint (XEP-0334) instead of the `<store/>` that all
    others carry (section 3)."""


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """Somebody proposes a session: call `ring`, then `proceed` or `reject`; it may be `Retracted` before."""

    id: str
    peer: str
    """The full JID of the proposing device."""

    descriptions: tuple[Element, ...]
    """One for each media type, without parameters; may be empty."""

    age: float = 0.0
    """Seconds since it was sent, where it was stored on the way."""

    replaces: str | None = None
    """Our own proposal that gave way to this one, or our running session that continues as this one: the user has
    decided already, so proceed without asking (section 4)."""


@dataclass(frozen=True, kw_only=True)
class RingingReceived:
    """A device of the peer rings; may come several times."""

    id: str
    peer: str
    """The full JID of that device."""


@dataclass(frozen=True, kw_only=True)
class Proceeded:
    """A device of the peer takes the session: initiate it now, with `id` as the sid (section 3.6)."""

    id: str
    peer: str
    """The full JID to initiate it with."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """The peer does not take the session we proposed."""

    id: str
    peer: str
    reason: Reason | None = None
    tie_break: bool = False
    """The peer's own proposal stands instead, which comes or came as `Incoming`."""


@dataclass(frozen=True, kw_only=True)
class Retracted:
    """The peer took its proposal back, or left it unanswered for too long."""

    id: str
    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class Overruled:
    """Our proposal gave way to one with a lower id that the peer made at the same time (section 4.1)."""

    id: str
    by: str
    """The id of the peer's, which comes as `Incoming` right behind."""


@dataclass(frozen=True, kw_only=True)
class AnsweredElsewhere:
    """Another device of ours took the session; stop ringing."""

    id: str
    device: str | None = None
    """Its full JID, where that is known."""


@dataclass(frozen=True, kw_only=True)
class RejectedElsewhere:
    """Another device of ours declined; stop ringing."""

    id: str
    device: str
    """Its full JID."""

    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The peer says that the session is over; what has not been torn down has to be now."""

    id: str
    reason: Reason | None = None
    migrated_to: str | None = None
    """The id of the session it continues as (section 4.2)."""


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """The peer continues our running session as another one: end the old one on our side (section 4.2)."""

    id: str
    to: str
    """The id of the proposal that comes as `Incoming` right behind."""


@dataclass(frozen=True, kw_only=True)
class Missed:
    """A proposal was stored on the way, and nobody waits for an answer any more."""

    id: str
    peer: str
    """The full JID of the device that proposed it."""

    descriptions: tuple[Element, ...]
    age: float
    """Seconds since it was sent."""


InitiationEvent = (
    SendMessage
    | Incoming
    | RingingReceived
    | Proceeded
    | Rejected
    | Retracted
    | Overruled
    | AnsweredElsewhere
    | RejectedElsewhere
    | Finished
    | Migrated
    | Missed
    | CallerRefused
)
