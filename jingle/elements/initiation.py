"""XEP-0353: Jingle Message Initiation (v0.8.0).

Deviations, each because deployed clients need it:

- `<accept/>`, which version 0.4 abolished, is known: Dino, Conversations and Movim send it to their own bare JID.
- `<migrated/>` is known in the namespace of XEP-0166 too (Monal).
- `<propose/>` may come without a description; which media are wanted is then told by the session-initiate.
"""

from __future__ import annotations

from . import core
from .core import Reason
from .declare import Element, attr, child, children, element, flag, key, shape

NS = "urn:xmpp:jingle-message:0"


@shape
class Initiation(Element):
    """Common to all messages about a session that is not there yet."""

    id: str = key()
    """The session id that the session-initiate is going to have."""


@element(NS, "propose")
class Propose(Initiation):
    """A session is proposed (section 3.1)."""

    descriptions: tuple[Element, ...] = children("description", default=(), any_namespace=True)
    """One for each media type, empty but for its attributes."""


@element(NS, "ringing")
class Ringing(Initiation):
    """A device of the responder rings (section 3.2)."""


@element(NS, "retract")
class Retract(Initiation):
    """The initiator takes the proposal back (section 3.3), or it lost a tie (section 4.1)."""

    reason: Reason | None = child(default=None)
    tie_break: bool = flag(default=False)


@element(NS, "proceed")
class Proceed(Initiation):
    """A device of the responder takes the session (section 3.4)."""


@element(NS, "accept")
class Accept(Initiation):
    """What a device tells the other devices of its user when it takes the session, in older versions of the XEP."""


@element(NS, "reject")
class Reject(Initiation):
    """The responder declines (section 3.5), or the proposal lost a tie (section 4.1)."""

    reason: Reason | None = child(default=None)
    tie_break: bool = flag(default=False)


@element(NS, "migrated")
class Migrated(Element):
    """The session goes on under another id (section 4.2)."""

    to: str = attr()


@element(core.NS, "migrated")
class MigratedInJingle(Migrated):
    """The same in the namespace that Monal puts it in."""


@element(NS, "finish")
class Finish(Initiation):
    """The session has ended (section 3.7)."""

    reason: Reason | None = child(default=None)
    migrated: Migrated | MigratedInJingle | None = child(default=None)
