"""The table of XEP-0353 against one written afresh from its text."""

from __future__ import annotations

import itertools

import pytest

from jingle.elements.core import Role
from jingle.elements.initiation import Accept, Finish, Initiation, Proceed, Propose, Reject, Retract, Ringing
from jingle.errors import LocalProtocolError
from jingle.session.proposal import Proposal, ProposalState

# Sections 3.2 to 3.5 and 3.7. Who sends: the responder rings, proceeds and rejects, the initiator retracts, and both
# finish. A finish before a proceed is no flow of the XEP, but a device that was away may
# see it.
ORACLE = {
    **{(state, "ringing", "responder"): "ringing" for state in ("proposed", "ringing")},
    **{(state, "proceed", "responder"): "proceeded" for state in ("proposed", "ringing")},
    **{(state, "reject", "responder"): "ended" for state in ("proposed", "ringing")},
    **{(state, "retract", "initiator"): "ended" for state in ("proposed", "ringing", "proceeded")},
    **{
        (state, "finish", who): "ended"
        for state in ("proposed", "ringing", "proceeded")
        for who in ("initiator", "responder")
    },
}
MESSAGES: list[type[Initiation]] = [Propose, Ringing, Proceed, Accept, Reject, Retract, Finish]


@pytest.mark.parametrize(("state", "message", "role"), list(itertools.product(ProposalState, MESSAGES, Role)))
def test_steps(state: ProposalState, message: type[Initiation], role: Role) -> None:
    proposal = Proposal(id="x", role=role, peer="a@b", since=0, state=state)
    want = ORACLE.get((state.value, message.NAME, role.value))
    if want is None:
        with pytest.raises(LocalProtocolError) as caught:
            proposal.send(message)
        assert caught.value.jingle == "out-of-order"
        assert proposal.state is state
        return
    proposal.send(message)
    assert proposal.state.value == want
    assert proposal.owes_finish == (message is Proceed)
