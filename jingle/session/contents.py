"""What a session knows about its contents: one record each, and how the names on the wire find it.

Records are changed by the session alone; everybody else reads them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..elements.core import Action, Content, Role, Senders
from ..elements.declare import Element, Unknown
from ..errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from .events import ContentId
from .state import ContentState, Fact, TransportState, next_content_state, next_transport_state

MAX_CONTENTS = 32
"""Contents of one session that are alive at once. A conference of pictures has a dozen; a peer has no end."""

MAX_RECORDS = 128
"""Contents of one session with those that were rejected or removed, which are remembered so that late stanzas about
them can be told from nonsense."""

LIVE = frozenset({ContentState.PROPOSED, ContentState.ACCEPTED})

DIRECTIONS: dict[Senders, frozenset[Role]] = {
    Senders.BOTH: frozenset({Role.INITIATOR, Role.RESPONDER}),
    Senders.INITIATOR: frozenset({Role.INITIATOR}),
    Senders.RESPONDER: frozenset({Role.RESPONDER}),
    Senders.NONE: frozenset(),
}
"""Who sends, as sets that can be intersected."""

_SENDERS = {roles: senders for senders, roles in DIRECTIONS.items()}


def namespace_of(element: Element) -> str:
    """The XML namespace of an element, known or not."""
    return element.namespace if isinstance(element, Unknown) else element.NAMESPACE


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A transport-replace that waits for its answer."""

    proposer: Role
    transport: Element
    token: int | None = None
    """Of our own request; `None` where the peer proposed."""


@dataclass(kw_only=True)
class ContentRecord:
    """One content of a session."""

    id: ContentId
    proposer: Role
    """Who sent it in a session-initiate or content-add; sloppy peers write a `creator` that is someone else."""

    offers: tuple[Content, ...]
    """What was proposed; more than one are alternatives for the same purpose (section 7.3)."""

    initial: bool
    """It came with the session-initiate, so that a session-accept without it rejects it."""

    state: ContentState = ContentState.PROPOSED
    senders: Senders = Senders.BOTH
    answer: Content | None = None
    transport: Element | None = None
    """The definition in force: the offer's, the answer's, or that of the side that accepted a replacement."""

    replaced: bool = False
    """The transport in force came by a transport-replace, so that no answer to the offer is about it."""

    replacement: Replacement | None = None
    link: TransportState = TransportState.PROPOSED
    """The state of the transport in force, whatever may replace it."""

    unsent: list[Element] | None = None
    """Our own transport-infos that wait until the peer has acknowledged the content, in order."""

    @property
    def live(self) -> bool:
        """Neither rejected nor removed."""
        return self.state in LIVE

    def may_send(self, role: Role) -> bool:
        """Whether a side was to send by what was proposed."""
        return any(role in DIRECTIONS[offer.effective_senders] for offer in self.offers)

    @property
    def transport_state(self) -> TransportState:
        """The state of its transport; an open replacement lies over that of the transport in force."""
        return TransportState.REPLACING if self.replacement else self.link

    def check(self, action: Action, sender: Role, error: type[ProtocolError]) -> ContentState:
        """Return the state that `action` leads to.

        Raises:
            ProtocolError: It is not for this sender, or not now; of the kind that `error` says.
        """
        return next_content_state(self.state, action, by_proposer=sender is self.proposer, error=error)

    def step(self, step: Action | Fact, sender: Role, error: type[ProtocolError]) -> TransportState:
        """Return the state of the transport that `step` leads to; raises as `check` does."""
        return next_transport_state(
            self.transport_state,
            step,
            underneath=self.link,
            by_proposer=self.replacement is not None and sender is self.replacement.proposer,
            error=error,
        )

    def proposed_transport(self, answer: Action, sender: Role, error: type[ProtocolError]) -> Element:
        """Return the transport that `answer` is about; raises as `check` does."""
        self.step(answer, sender, error)
        assert self.replacement is not None, "only REPLACING has answers in the table"
        return self.replacement.transport

    def accept(self, answer: Content) -> None:
        """Take the answer to the proposal."""
        self.state, self.answer = ContentState.ACCEPTED, answer
        # An answer can narrow the directions but not widen them (RFC 3264 section 6.1), and an absent `senders` says
        # nothing: Gajim accepts a file with `senders='both'`.
        roles = DIRECTIONS[self.senders] & DIRECTIONS[answer.effective_senders]
        self.senders = _SENDERS[roles]
        if answer.transport is not None and not self.replaced:
            self.transport = answer.transport
        self.link = next_transport_state(self.link, Action.CONTENT_ACCEPT)

    def take_replacement(self, transport: Element) -> None:
        """Put the accepted replacement in force."""
        self.replacement, self.transport, self.replaced = None, transport, True
        # Before the content is accepted there is nothing to connect for.
        self.link = TransportState.CONNECTING if self.state is ContentState.ACCEPTED else TransportState.PROPOSED


@dataclass
class Contents:
    """The contents of one session, in the order in which they came."""

    records: dict[ContentId, ContentRecord] = field(default_factory=dict)

    def __iter__(self) -> Iterator[ContentRecord]:
        return iter(self.records.values())

    @property
    def live(self) -> tuple[ContentRecord, ...]:
        """Those neither rejected nor removed."""
        return tuple(record for record in self if record.live)

    def find(self, content: ContentId) -> ContentRecord | None:
        """Return the content a stanza means, or `None`.

        Dino, Conversations and Movim write `creator='initiator'` into everything, so a name that only one content has
        is enough, and one that only one living content has is better.
        """
        exact = self.records.get(content)
        if exact is not None and exact.live:
            return exact
        same = [record for record in self if record.id.name == content.name]
        living = [record for record in same if record.live]
        if len(living) == 1:
            return living[0]
        return exact or (same[0] if len(same) == 1 else None)

    def adopt(self, contents: Iterable[Content], proposer: Role, *, initial: bool) -> list[ContentRecord]:
        """Return records for what the peer proposes, without keeping them yet.

        Raises:
            RemoteProtocolError: A content lacks its description or transport, has the name of a living one, or there
                are too many.
        """
        adopted: dict[ContentId, ContentRecord] = {}
        for content in contents:
            if content.description is None or content.transport is None:
                raise RemoteProtocolError(f"content {content.name!r} lacks its description or transport")
            name = self._free(content, proposer)
            offer = content if content.creator is name.creator else dataclasses.replace(content, creator=name.creator)
            if name in adopted:
                adopted[name].offers += (offer,)
            else:
                adopted[name] = propose(offer, proposer, initial=initial)
        if not adopted:
            raise RemoteProtocolError("there is no content in it")
        if len(adopted) + len(self.live) > MAX_CONTENTS:
            raise RemoteProtocolError("too many contents", condition="resource-constraint")
        return list(adopted.values())

    def _free(self, content: Content, proposer: Role) -> ContentId:
        # As written if possible, so that our stanzas name it the way the peer does; with the creator that it should
        # have been if that is taken.
        for creator in (content.creator, proposer):
            name = ContentId(creator, content.name)
            if name not in self.records or not self.records[name].live:
                return name
        raise RemoteProtocolError(f"there is a content {content.name!r} already", condition="conflict")

    def keep(self, records: Iterable[ContentRecord]) -> None:
        """Add records, and forget the oldest dead ones where there get too many."""
        for record in records:
            self.records.pop(record.id, None)
            self.records[record.id] = record
        surplus = len(self.records) - MAX_RECORDS
        for record in [record for record in self if not record.live][: max(surplus, 0)]:
            del self.records[record.id]

    def require(self, content: ContentId | str) -> ContentRecord:
        """Return the content that our own program means.

        Raises:
            LocalProtocolError: There is none, or the name alone does not tell which.
        """
        if isinstance(content, ContentId):
            found = [record for record in self if record.id == content]
        else:
            found = [record for record in self if record.id.name == content]
            found = [record for record in found if record.live] or found
        if len(found) != 1:
            raise LocalProtocolError(f"{len(found)} contents are named {content!r}", condition="item-not-found")
        return found[0]


def propose(offer: Content, proposer: Role, *, initial: bool) -> ContentRecord:
    """Make the record of a content that was just proposed."""
    return ContentRecord(
        id=ContentId(offer.creator, offer.name),
        proposer=proposer,
        offers=(offer,),
        initial=initial,
        senders=offer.effective_senders,
        transport=offer.transport,
    )
