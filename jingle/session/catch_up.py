"""XEP-0353 (v0.8.0) section 5: proposals that were stored on the way, until it is clear what became of them.

What an archive or a server's store hands over comes in order, and what ended a call follows its proposal. So a
proposal out of there is kept for a moment: if nothing follows, it rings where its caller may still be waiting, and
otherwise it was a missed call. Pure; time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..elements.initiation import Accept, Finish, Initiation, Proceed, Propose, Reject, Retract
from ..elements.jids import bare

CATCH_UP = 1.0
"""Seconds for which the messages behind a stored proposal may take to come."""

MAX_STORED = 64
"""Stored proposals at once; an archive may be long, and whoever reads it wants to know of the last ones."""


@dataclass(frozen=True, kw_only=True)
class StoredProposal:
    """A proposal that did not come straight from its sender."""

    propose: Propose
    sender: str
    recipient: str
    since: float
    """When it was sent."""

    until: float
    """When it is clear what became of it."""

    is_over: bool
    """Whether nobody can be waiting for an answer any more, so that it does not ring."""


class CatchUp:
    """The stored proposals that nothing has been heard of yet."""

    def __init__(self) -> None:
        self._stored: dict[str, StoredProposal] = {}

    def add(
        self, propose: Propose, *, sender: str, recipient: str, now: float, age: float, is_over: bool
    ) -> StoredProposal | None:
        """Keep a proposal, the first of its id; what has to make room for it comes back, as a call that was missed."""
        if propose.id in self._stored:
            return None
        first = self._stored.pop(next(iter(self._stored))) if len(self._stored) >= MAX_STORED else None
        self._stored[propose.id] = StoredProposal(
            propose=propose,
            sender=sender,
            recipient=recipient,
            since=now - age,
            until=now + CATCH_UP,
            is_over=is_over,
        )
        return first

    def hear(self, element: Initiation, sender: str, local: str) -> StoredProposal | None:
        """Take what followed a proposal; one that was taken back comes back, as a call that was missed."""
        known = self._stored.get(element.id)
        if known is None:
            return None
        if bare(sender) == bare(known.sender):
            if isinstance(element, Retract):
                return self._stored.pop(element.id)
            if isinstance(element, Finish):
                del self._stored[element.id]
        elif bare(sender) == bare(local) and isinstance(element, Proceed | Accept | Reject | Finish):
            del self._stored[element.id]
        return None

    def due(self, now: float) -> list[StoredProposal]:
        """Take out those that nothing more is to be expected of."""
        due = [stored for stored in self._stored.values() if now >= stored.until]
        for stored in due:
            del self._stored[stored.propose.id]
        return due
