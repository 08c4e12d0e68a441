"""The three tables against tables written afresh from XEP-0166's text; nothing here is read from the code's own."""

from __future__ import annotations

import itertools

import pytest

from jingle.elements.core import Action, Role
from jingle.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from jingle.session.state import (
    ContentState,
    Fact,
    SessionState,
    TransportState,
    next_content_state,
    next_state,
    next_transport_state,
)

# Section 5.1, the diagram: what loops on PENDING and on ACTIVE.
LOOPS = """content-accept content-add content-modify content-reject content-remove description-info security-info
session-info transport-accept transport-info transport-reject transport-replace""".split()

BOTH = ("initiator", "responder")

SESSION = {
    # Section 6.2: the initiator sends the session-initiate. Section 6.5: the responder accepts.
    ("idle", "session-initiate", "initiator"): "pending",
    ("pending", "session-accept", "responder"): "active",
    # Section 6.7: either the responder or the initiator terminates.
    **{(state, "session-terminate", who): "ended" for state in ("pending", "active") for who in BOTH},
    **{(state, action, who): state for state in ("pending", "active") for action in LOOPS for who in BOTH},
}

# Sections 7.2.1, 7.2.4 and 7.2.8: accepting and rejecting is for the party that received the content.
# Section 7.2.5 lets both remove; 7.2.3, 7.2.6, 7.2.7 and 7.2.12 to 7.2.15 leave the content what it is.
STAYS = """content-modify description-info security-info transport-accept transport-info transport-reject
transport-replace""".split()

CONTENT = {
    ("proposed", "session-accept", "receiver"): "accepted",
    ("proposed", "content-accept", "receiver"): "accepted",
    ("proposed", "content-reject", "receiver"): "rejected",
    **{
        (state, "content-remove", who): "removed"
        for state in ("proposed", "accepted", "rejected")
        for who in ("proposer", "receiver")
    },
    **{
        (state, action, who): state
        for state in ("proposed", "accepted")
        for action in STAYS
        for who in ("proposer", "receiver")
    },
}

# Sections 6.4, 6.5, 7.2.12 to 7.2.15; connected and failed are no stanzas.
TRANSPORT = {
    ("proposed", "session-accept"): "connecting",
    ("proposed", "content-accept"): "connecting",
    ("connecting", "connected"): "connected",
    ("connecting", "failed"): "failed",
    ("connected", "failed"): "failed",
    **{(state, "transport-replace"): "replacing" for state in ("proposed", "connecting", "connected", "failed")},
    ("replacing", "transport-accept"): "connecting",
    ("replacing", "transport-reject"): "what it was",
}

ERRORS = (LocalProtocolError, RemoteProtocolError)


def test_the_oracle_knows_every_action() -> None:
    assert {action.value for action in Action} == {*LOOPS, "session-initiate", "session-accept", "session-terminate"}


@pytest.mark.parametrize(("state", "action", "sender"), list(itertools.product(SessionState, Action, Role)))
def test_session(state: SessionState, action: Action, sender: Role) -> None:
    want = SESSION.get((state.value, action.value, sender.value))
    if want is not None:
        assert next_state(state, action, sender).value == want
        return
    for error in ERRORS:
        with pytest.raises(error) as caught:
            next_state(state, action, sender, error=error)
        assert (caught.value.jingle, caught.value.condition, caught.value.type) == (
            "out-of-order",
            "unexpected-request",
            "wait",
        )


@pytest.mark.parametrize(
    ("state", "action", "by_proposer"), list(itertools.product(ContentState, Action, (True, False)))
)
def test_content(state: ContentState, action: Action, by_proposer: bool) -> None:
    want = CONTENT.get((state.value, action.value, "proposer" if by_proposer else "receiver"))
    if want is not None:
        assert next_content_state(state, action, by_proposer=by_proposer).value == want
        return
    for error in ERRORS:
        with pytest.raises(error) as caught:
            next_content_state(state, action, by_proposer=by_proposer, error=error)
        assert caught.value.jingle == "out-of-order"


@pytest.mark.parametrize(
    ("state", "step", "by_proposer"), list(itertools.product(TransportState, (*Action, *Fact), (True, False)))
)
def test_transport(state: TransportState, step: Action | Fact, by_proposer: bool) -> None:
    want = TRANSPORT.get((state.value, step.value))
    if want is None or (by_proposer and step.value in ("transport-accept", "transport-reject")):
        with pytest.raises(ProtocolError) as caught:
            next_transport_state(state, step, by_proposer=by_proposer)
        assert caught.value.jingle == "out-of-order"
        return
    for underneath in TransportState:
        got = next_transport_state(state, step, by_proposer=by_proposer, underneath=underneath)
        assert got.value == (underneath.value if want == "what it was" else want)
