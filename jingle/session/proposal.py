"""XEP-0353 (v0.8.0): what is known of one proposal, and the table of what may follow what.

Nobody answers a message with an error, so a step that is not in the table is one that the peer's message does not take.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..elements.core import Role
from ..elements.initiation import Accept, Finish, Initiation, Proceed, Propose, Reject, Retract, Ringing
from ..errors import LocalProtocolError


class ProposalState(enum.Enum):
    """Where a proposal is."""

    PROPOSED = "proposed"
    RINGING = "ringing"
    """Some device of the responder says so; for an incoming proposal, this one."""

    PROCEEDED = "proceeded"
    """A device of the responder took it; the session is initiated next, and stands until a finish."""

    ENDED = "ended"


_OPEN: dict[type[Initiation], ProposalState] = {
    Ringing: ProposalState.RINGING,
    Proceed: ProposalState.PROCEEDED,
    Reject: ProposalState.ENDED,
    Retract: ProposalState.ENDED,
    Finish: ProposalState.ENDED,
}

STEPS: dict[ProposalState, dict[type[Initiation], ProposalState]] = {
    ProposalState.PROPOSED: _OPEN,
    ProposalState.RINGING: _OPEN,
    ProposalState.PROCEEDED: {Retract: ProposalState.ENDED, Finish: ProposalState.ENDED},
    ProposalState.ENDED: {},
}

SENDER: dict[type[Initiation], Role] = {
    Propose: Role.INITIATOR,
    Retract: Role.INITIATOR,
    Ringing: Role.RESPONDER,
    Proceed: Role.RESPONDER,
    Accept: Role.RESPONDER,
    Reject: Role.RESPONDER,
}
"""Which side sends what; a finish comes from both."""


@dataclass(kw_only=True)
class Proposal:
    """One proposal, ours or the peer's."""

    id: str
    role: Role
    """Our side."""

    peer: str
    """The address of the peer: bare (or as we were told) for our own proposal until a device of it proceeds, always
    the full one for a proposal of the peer's."""

    since: float
    state: ProposalState = ProposalState.PROPOSED
    owes_finish: bool = False
    """It proceeded, and we have not yet said that it has finished."""

    withdrawn: bool = False
    """We retracted it from all devices, so a proceed that comes late has been answered already."""

    @property
    def is_open(self) -> bool:
        """Not yet answered."""
        return self.state in (ProposalState.PROPOSED, ProposalState.RINGING)

    def takes(self, message: type[Initiation]) -> bool:
        """Whether the message is a step from here."""
        return message in STEPS[self.state]

    def step(self, message: type[Initiation]) -> None:
        """Take a step that `takes` allows."""
        self.state = STEPS[self.state][message]
        if message is Proceed:
            self.owes_finish = True

    def send(self, message: type[Initiation]) -> None:
        """Take a step of our own.

        Raises:
            LocalProtocolError: It is not ours to take, or not now.
        """
        name = message.NAME
        if SENDER.get(message, self.role) is not self.role:
            raise LocalProtocolError(f"{name} is not for the {self.role.value} to send", jingle="out-of-order")
        if not self.takes(message):
            raise LocalProtocolError(f"{name} is not possible: it has {self.state.value}", jingle="out-of-order")
        self.step(message)
