"""XEP-0353 (v0.8.0): the session before the session, as a pure state machine for one device.

    initiations = Initiations(local=romeo)
    initiations.propose("juliet@capulet.example", id, [description], now)
    initiations.receive(element, sender=..., recipient=..., now=now)      # messages, and carbon copies of messages
    for event in initiations.take_events(): ...

Messages have no answers, so what makes no sense is left alone without a word. Who a message is from and to decides what
it means: copies of what our other devices sent and received go in like all others (XEP-0280), and the binding has to
have checked that such copies come from our own account.

Where the text leaves room or contradicts its examples:

- Answers, reject in a tie included, go to the full JID of the proposing device, as version 0.8.0 says in section 3.
- With a proceed goes the `<accept/>` of older versions to our own bare JID: other devices may be older, or the server
  may not copy messages.
- A second device that proceeds gets a retract that is not copied, so that the first one does not take it for its own.
- A proposal that was stored on the way waits for what may follow it before it rings, and out of an archive, or older
  than anybody lets it ring, it never does (section 5; section 3.3 would have it answered for as long as nobody
  retracted it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..elements.core import Reason, ReasonCondition, Role
from ..elements.declare import Element
from ..elements.initiation import Accept, Finish, Initiation, Migrated, Proceed, Propose, Reject, Retract, Ringing
from ..elements.jids import bare
from ..errors import LocalProtocolError
from . import initiation_events as events
from .catch_up import CatchUp, StoredProposal
from .events import CallerRefused
from .proposal import Proposal, ProposalState

RING_TIMEOUT = 60.0
"""Seconds after which a proposal is too old to ring for, and one that nobody answered or retracted is given up."""

SESSION_TIMEOUT = 24 * 3600.0
"""Seconds after which a session is taken to be over although no finish came (section 5)."""

MAX_OPEN = 32
"""Unanswered proposals of all peers. Nobody can tell that many ringing calls apart."""

MAX_OPEN_PER_PEER = 4
"""Unanswered proposals of one bare JID."""

REMEMBER_FOR = 120.0
"""Seconds for which an ended proposal is remembered, so that late messages about it are understood."""

MAX_REMEMBERED = 256

TIE = Reason(condition=ReasonCondition.EXPIRED, text="Tie-Break")
"""What the loser of a tie is told (section 4.1)."""


class Initiations:
    """The proposals that this device knows.

    Attributes:
        local: Our full JID; to be set anew when the stream comes back with another resource.
    """

    def __init__(
        self,
        *,
        local: str,
        may_reach: Callable[[str], bool] = lambda jid: True,
        ring_timeout: float = RING_TIMEOUT,
    ) -> None:
        """Make a machine without proposals.

        Args:
            local: Our full JID.
            may_reach: Whether this full JID may propose sessions to us; asked each time. Others hear nothing at all,
                since every answer tells that we are here (section 6).
            ring_timeout: Seconds after which proposals of others are too old.
        """
        self.local = local
        self._may_reach = may_reach
        self._ring_timeout = ring_timeout
        self._proposals: dict[str, Proposal] = {}
        self._catch_up = CatchUp()
        self._events: list[events.InitiationEvent] = []

    def take_events(self) -> list[events.InitiationEvent]:
        """Return what there is to do since the last call, in order; to be called after every input."""
        taken, self._events = self._events, []
        return taken

    def state(self, id: str) -> ProposalState | None:
        """The state of a proposal, or `None` where it is not known (any more)."""
        proposal = self._proposals.get(id)
        return proposal.state if proposal is not None else None

    # What we do.

    def propose(self, to: str, id: str, descriptions: Iterable[Element], now: float) -> None:
        """Propose a session; `Proceeded`, `Rejected` or `Overruled` follows, perhaps after `RingingReceived`.

        There is no timeout in here: `retract` when nobody answers.

        Args:
            to: The bare JID, for all devices of the peer, or the full JID of one.
            id: A UUID (section 3.1), the sid of the session to be.
            descriptions: One for each media type, without parameters.
            now: Seconds on any clock that does not jump.

        Raises:
            LocalProtocolError: The id was used before.
        """
        self.sweep(now)
        if id in self._proposals:
            raise LocalProtocolError(f"there is a proposal {id!r} already", condition="conflict")
        self._proposals[id] = Proposal(id=id, role=Role.INITIATOR, peer=to, since=now)
        self._send(to, Propose(id=id, descriptions=tuple(descriptions)))

    def ring(self, id: str) -> None:
        """Tell the initiator that this device rings (section 3.2); that reveals our presence.

        Raises:
            LocalProtocolError: There is no such proposal of a peer, or it is not open any more.
        """
        self._answer(id, Ringing(id=id))

    def proceed(self, id: str, now: float) -> None:
        """Take the session on this device (section 3.4); the session-initiate follows from the `peer` of `Incoming`.

        Announce that to the dispatcher (`Dispatcher.expect`), and bound the wait: the initiator may have gone, or
        have taken the answer of another device of ours.

        Raises:
            LocalProtocolError: There is no such proposal of a peer, or it is not open any more.
        """
        proposal = self._answer(id, Proceed(id=id))
        proposal.since = now
        self._send(bare(self.local), Accept(id=id))

    def reject(self, id: str, reason: Reason | None = None) -> None:
        """Decline for all our devices (section 3.5). Reasons other than `busy` tell more than the XEP advises.

        Raises:
            LocalProtocolError: There is no such proposal of a peer, or it is not open any more.
        """
        self._answer(id, Reject(id=id, reason=reason or Reason(condition=ReasonCondition.BUSY), tie_break=False))

    def retract(self, id: str, reason: Reason | None = None) -> None:
        """Take our proposal back (section 3.3); possible until the session is initiated.

        Raises:
            LocalProtocolError: There is no such proposal of ours, or it has ended.
        """
        proposal = self._require(id)
        # Once a device has proceeded, only that one is told.
        withdrawn = proposal.is_open
        proposal.send(Retract)
        proposal.withdrawn = withdrawn
        reason = reason or Reason(condition=ReasonCondition.CANCEL)
        self._send(proposal.peer, Retract(id=id, reason=reason, tie_break=False))

    def finish(self, id: str, reason: Reason, *, migrated_to: str | None = None) -> None:
        """Tell that the session is over (section 3.7); both sides do, also after the other's finish.

        Args:
            id: Of the proposal that proceeded.
            reason: Why; `success`, `expired` or `connectivity-error`, if no more is to be told.
            migrated_to: The id of the session it continues as.

        Raises:
            LocalProtocolError: It did not proceed, or we have said so before.
        """
        proposal = self._require(id)
        if not proposal.owes_finish:
            raise LocalProtocolError("there is no session to finish", jingle="out-of-order")
        proposal.state, proposal.owes_finish = ProposalState.ENDED, False
        migrated = Migrated(to=migrated_to) if migrated_to is not None else None
        self._send(proposal.peer, Finish(id=id, reason=reason, migrated=migrated))

    def abandon(self, id: str) -> None:
        """Forget that we proceeded, because the session-initiate never came; says nothing.

        The initiator may have taken the answer of another device of ours, where a finish would end the session.

        Raises:
            LocalProtocolError: There is no such proposal.
        """
        proposal = self._require(id)
        proposal.state, proposal.owes_finish = ProposalState.ENDED, False

    def bounced(self, id: str, sender: str) -> None:
        """Take it that our proposal came back with a stanza error from `sender`; then take events.

        A `Rejected` with the reason `gone` follows, unless a device has answered or somebody else sent the error.
        """
        proposal = self._proposals.get(id)
        if (
            proposal is not None
            and proposal.role is Role.INITIATOR
            and proposal.state is ProposalState.PROPOSED
            and bare(sender) == bare(proposal.peer)
        ):
            proposal.step(Reject)
            self._events.append(events.Rejected(id=id, peer=sender, reason=Reason(condition=ReasonCondition.GONE)))

    def sweep(self, now: float) -> None:
        """Give up what took too long and forget what ended; then take events.

        Inputs with a time do it too; call it every few seconds while something rings, and `CATCH_UP` seconds after a
        stored proposal came.
        """
        for stored in self._catch_up.due(now):
            if stored.is_over:
                self._miss(stored, now)
            else:
                self._on_propose(stored.propose, stored.sender, stored.recipient, now, now - stored.since)
        for proposal in list(self._proposals.values()):
            age = now - proposal.since
            if proposal.state is ProposalState.ENDED:
                if age > REMEMBER_FOR and not proposal.owes_finish or age > SESSION_TIMEOUT:
                    del self._proposals[proposal.id]
            elif proposal.state is ProposalState.PROCEEDED:
                if age > SESSION_TIMEOUT:
                    proposal.step(Finish)
                    proposal.owes_finish = False
                    reason = Reason(condition=ReasonCondition.EXPIRED)
                    self._events.append(events.Finished(id=proposal.id, reason=reason))
            elif proposal.role is Role.RESPONDER and age > self._ring_timeout:
                proposal.step(Retract)
                reason = Reason(condition=ReasonCondition.TIMEOUT)
                self._events.append(events.Retracted(id=proposal.id, reason=reason))
        ended = [proposal.id for proposal in self._proposals.values() if proposal.state is ProposalState.ENDED]
        for id in ended[: max(len(ended) - MAX_REMEMBERED, 0)]:
            del self._proposals[id]

    def _send(self, to: str, element: Initiation, *, private: bool = False) -> None:
        self._events.append(events.SendMessage(to=to, element=element, private=private))

    def _require(self, id: str) -> Proposal:
        if id not in self._proposals:
            raise LocalProtocolError(f"there is no proposal {id!r}", condition="item-not-found")
        return self._proposals[id]

    def _answer(self, id: str, element: Initiation) -> Proposal:
        proposal = self._require(id)
        proposal.send(type(element))
        self._send(proposal.peer, element)
        return proposal

    # What the others do.

    def receive(
        self,
        element: Initiation,
        *,
        sender: str,
        recipient: str,
        now: float,
        age: float = 0.0,
        is_archived: bool = False,
    ) -> None:
        """Take a message, or a copy of one that our other devices sent or received; then take events.

        Args:
            element: The payload.
            sender: The message's `from`; of a copy, that of the message inside it.
            recipient: The message's `to`; of a copy, that of the message inside it.
            now: Seconds on any clock that does not jump.
            age: Seconds since it was sent (XEP-0203), where it was stored on the way.
            is_archived: Whether it comes out of an archive that somebody reads (XEP-0313), so that it is history.
        """
        self.sweep(now)
        missed = self._catch_up.hear(element, sender, self.local)
        if missed is not None:
            self._miss(missed, now)
        if isinstance(element, Propose) and (age > 0 or is_archived):
            self._store(element, sender, recipient, now, age, is_over=is_archived or age > self._ring_timeout)
            return
        if is_archived or sender == self.local:
            # History, or the server's copy of our own message.
            return
        if isinstance(element, Propose):
            self._on_propose(element, sender, recipient, now, age)
            return
        proposal = self._proposals.get(element.id)
        if proposal is None:
            return
        if proposal.role is Role.INITIATOR:
            if self._is_for_us(recipient) and bare(sender) == bare(proposal.peer):
                self._as_initiator(proposal, element, sender, now)
        elif bare(sender) == bare(self.local) and sender != proposal.peer:
            self._from_our_device(proposal, element, sender)
        elif bare(sender) == bare(proposal.peer):
            self._as_responder(proposal, element, recipient)

    def _is_for_us(self, recipient: str) -> bool:
        """Whether a message is for this device, or for all of ours."""
        return recipient in ("", self.local, bare(self.local))

    def _as_initiator(self, proposal: Proposal, element: Initiation, sender: str, now: float) -> None:
        """What a device of the peer says about our proposal."""
        if isinstance(element, Proceed) and not proposal.is_open:
            self._on_late_proceed(proposal, sender)
        if not proposal.takes(type(element)):
            return
        match element:
            case Ringing():
                proposal.step(Ringing)
                self._events.append(events.RingingReceived(id=proposal.id, peer=sender))
            case Proceed():
                proposal.step(Proceed)
                proposal.peer, proposal.since = sender, now
                self._events.append(events.Proceeded(id=proposal.id, peer=sender))
            case Reject():
                proposal.step(Reject)
                self._events.append(
                    events.Rejected(id=proposal.id, peer=sender, reason=element.reason, tie_break=element.tie_break)
                )
            # A device that proceeded too late may finish what it takes for its session before it hears of that.
            case Finish() if proposal.is_open or sender == proposal.peer:
                self._on_finish(proposal, element)

    def _on_late_proceed(self, proposal: Proposal, sender: str) -> None:
        """Tell a device to stop that took the session when another had taken or declined it.

        Where we had retracted the proposal, that message is on its way to the device already.
        """
        if not proposal.withdrawn and sender != proposal.peer:
            reason = Reason(condition=ReasonCondition.CANCEL, text="Answered elsewhere")
            self._send(sender, Retract(id=proposal.id, reason=reason, tie_break=False), private=True)

    def _as_responder(self, proposal: Proposal, element: Initiation, recipient: str) -> None:
        """What the initiator says about its proposal."""
        if not proposal.takes(type(element)):
            return
        if not self._is_for_us(recipient):
            # The session is another device's. If we proceeded too, the initiator tells us ourselves.
            if proposal.is_open:
                proposal.step(Retract)
                self._events.append(events.AnsweredElsewhere(id=proposal.id, device=recipient))
        elif isinstance(element, Retract):
            proposal.step(Retract)
            proposal.owes_finish = False
            self._events.append(events.Retracted(id=proposal.id, reason=element.reason))
        elif isinstance(element, Finish):
            self._on_finish(proposal, element)

    def _from_our_device(self, proposal: Proposal, element: Initiation, device: str) -> None:
        """What another device of ours says about the same proposal of a peer.

        Where this device has proceeded, both did at once, and the initiator decides whom it takes.
        """
        if not proposal.is_open:
            return
        if isinstance(element, Reject):
            proposal.step(Reject)
            self._events.append(events.RejectedElsewhere(id=proposal.id, device=device, reason=element.reason))
        elif isinstance(element, Proceed | Accept | Finish):
            proposal.step(Retract)
            self._events.append(events.AnsweredElsewhere(id=proposal.id, device=device))

    def _on_finish(self, proposal: Proposal, finish: Finish) -> None:
        # We still owe our own: both sides say so, for the sake of the archives (section 3.7).
        proposal.step(Finish)
        migrated_to = finish.migrated.to if finish.migrated is not None else None
        self._events.append(events.Finished(id=proposal.id, reason=finish.reason, migrated_to=migrated_to))

    def _store(self, propose: Propose, sender: str, recipient: str, now: float, age: float, *, is_over: bool) -> None:
        """Keep a proposal that was stored on the way; of one that is over a stranger does not even hear a refusal."""
        if bare(sender) == bare(self.local) or not self._is_for_us(recipient) or propose.id in self._proposals:
            return
        if self._may_reach(sender):
            crowded = self._catch_up.add(propose, sender=sender, recipient=recipient, now=now, age=age, is_over=is_over)
            if crowded is not None:
                self._miss(crowded, now)
        elif not is_over:
            self._events.append(CallerRefused(peer=sender, sid=propose.id))

    def _miss(self, stored: StoredProposal, now: float) -> None:
        propose = stored.propose
        self._events.append(
            events.Missed(id=propose.id, peer=stored.sender, descriptions=propose.descriptions, age=now - stored.since)
        )

    def _on_propose(self, propose: Propose, sender: str, recipient: str, now: float, age: float) -> None:
        if not self._is_for_us(recipient) or age > self._ring_timeout:
            return
        known = self._proposals.get(propose.id)
        if known is not None and not (known.role is Role.INITIATOR and known.is_open):
            return
        if not self._may_reach(sender):
            self._events.append(CallerRefused(peer=sender, sid=propose.id))
            return
        theirs = [other for other in self._proposals.values() if bare(other.peer) == bare(sender)]
        if not self._has_room(theirs) or self._wins_tie(propose, sender, theirs, now):
            return
        replaced = self._give_way(propose.id, theirs)
        self._proposals[propose.id] = Proposal(id=propose.id, role=Role.RESPONDER, peer=sender, since=now - age)
        self._events.append(
            events.Incoming(id=propose.id, peer=sender, descriptions=propose.descriptions, age=age, replaces=replaced)
        )

    def _has_room(self, theirs: list[Proposal]) -> bool:
        # Whoever proposes more is a nuisance, and answering would only make it two messages for one.
        ringing = [p for p in self._proposals.values() if p.role is Role.RESPONDER and p.is_open]
        return len(ringing) < MAX_OPEN and sum(p in ringing for p in theirs) < MAX_OPEN_PER_PEER

    def _wins_tie(self, propose: Propose, sender: str, theirs: list[Proposal], now: float) -> bool:
        """Reject a proposal that crossed one of ours which stands (section 4.1); return whether there is one."""
        rank = _octets(propose.id, sender)
        if not any(_is_ours(ours) and _octets(ours.id, self.local) < rank for ours in theirs):
            return False
        # With the same id, both mean the same proposal, and theirs needs no end.
        if propose.id not in self._proposals:
            lost = Proposal(id=propose.id, role=Role.RESPONDER, peer=sender, since=now, state=ProposalState.ENDED)
            self._proposals[propose.id] = lost
            self._send(sender, Reject(id=propose.id, reason=TIE, tie_break=True))
        return True

    def _give_way(self, id: str, theirs: list[Proposal]) -> str | None:
        """End what a proposal of the peer's replaces, and return its id.

        That is a proposal of ours with a higher id (section 4.1), or a session that runs: the peer changes devices, or
        comes back after its connection broke (section 4.2).
        """
        replaced = None
        for other in theirs:
            if _is_ours(other):
                replaced, other.withdrawn = other.id, True
                other.step(Retract)
                if other.id != id:
                    self._send(other.peer, Retract(id=other.id, reason=TIE, tie_break=True))
                self._events.append(events.Overruled(id=other.id, by=id))
            elif other.state is ProposalState.PROCEEDED:
                replaced = other.id
                reason = Reason(condition=ReasonCondition.EXPIRED, text="Session migrated")
                self.finish(other.id, reason, migrated_to=id)
                self._events.append(events.Migrated(id=other.id, to=id))
        return replaced


def _is_ours(proposal: Proposal) -> bool:
    """Whether it is an unanswered proposal of our own."""
    return proposal.role is Role.INITIATOR and proposal.is_open


def _octets(id: str, jid: str) -> tuple[bytes, bytes]:
    """What decides a tie: the id, then the JID, compared as i;octet (RFC 4790 section 9.3)."""
    return id.encode(), jid.encode()
