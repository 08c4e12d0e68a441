"""Stanzas in, events out: who is let in, what is told to whom, proposals and their messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from jingle.elements.core import Action, Reason, ReasonCondition, Role
from jingle.elements.initiation import Accept, Finish, Proceed, Propose, Reject, Retract, Ringing
from jingle.elements.messages import NoCopy, Receipt, ReceiptRequest, Store
from jingle.errors import LocalProtocolError
from jingle.peer import proposing
from jingle.peer import pump as module
from jingle.peer.events import Event
from jingle.peer.policy import Policy
from jingle.session import catch_up
from jingle.session import initiation_events as proposals
from tests.peer.parts import OWN, PEER, FakeTransport, Stage, settle, stage
from tests.session.helpers import SID, content, description, jingle, transport

STRANGER = "mallory@elsewhere.example/x"
PROPOSE = Propose(id="p1", descriptions=(description(),))
REASON = Reason(condition=ReasonCondition.CANCEL)


@pytest.fixture
async def it() -> AsyncIterator[Stage]:
    async with stage() as it:
        yield it


# Who is let in


@pytest.mark.parametrize(
    ("allow", "sender", "expected"),
    [
        ((), "friend@a.example/x", True),
        ((), STRANGER, False),
        (("*",), STRANGER, True),
        (("mallory@elsewhere.example",), STRANGER, True),
        ((STRANGER,), STRANGER, True),
        (("mallory@elsewhere.example/y",), STRANGER, False),
        (("elsewhere.example",), STRANGER, False),
    ],
)
def test_the_policy(allow: tuple[str, ...], sender: str, expected: bool) -> None:
    assert Policy(lambda jid: jid.startswith("friend@"), allow)(sender) is expected


async def test_a_stranger(it: Stage) -> None:
    error = it.receive(jingle(Action.SESSION_INITIATE, content()), sender=STRANGER).error
    assert error is not None
    assert (error.condition, error.jingle, error.text) == ("service-unavailable", None, "")
    it.message(PROPOSE, ReceiptRequest(), sender=STRANGER)
    assert it.proposed == []
    assert it.binding.messages == []
    assert [(event.name, event.fields["peer"]) for event in it.happened] == [("refused", STRANGER)] * 2
    assert not it.binding.may_reach(STRANGER)


async def test_whoever_we_talk_to_may_talk_to_us(it: Stage) -> None:
    it.binding.contacts.clear()
    assert not it.binding.may_reach(PEER)
    live = await it.initiated()
    assert it.binding.may_reach(PEER)
    await live.close()
    assert not it.binding.may_reach(PEER)


async def test_what_is_said_outside_of_any_session(it: Stage) -> None:
    error = it.receive(jingle(Action.SESSION_TERMINATE)).error
    assert error is not None
    assert error.jingle == "unknown-session"


async def test_the_peer_goes_offline(it: Stage) -> None:
    live = await it.initiated()
    it.binding.on_unavailable(STRANGER)
    assert live.is_running
    it.binding.on_unavailable(PEER)
    assert (await asyncio.wait_for(live.ended, 2)).reason == "gone"
    assert it.gone == [STRANGER, PEER]


async def test_a_program_that_breaks_on_an_event(it: Stage, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event) -> None:
        raise BrokenPipeError

    it.pump._on_event = fail
    it.pump.emit("online", jid=OWN)
    assert "'online'" in caplog.text


async def test_an_event_as_json() -> None:
    assert Event(name="dtmf", time=1.23456789, fields={"digit": "1"}).as_dict() == {
        "event": "dtmf",
        "time": 1.234568,
        "digit": "1",
    }


async def test_our_new_address(it: Stage) -> None:
    it.pump.moved("juliet@capulet.example/new")
    assert it.pump.dispatcher.local == it.pump.initiations.local == "juliet@capulet.example/new"


async def test_nothing_is_begun_after_the_end() -> None:
    async with stage() as it:
        await it.pump.aclose()
        with pytest.raises(LocalProtocolError):
            await it.initiated()


async def test_closing_ends_every_session() -> None:
    async with stage() as it:
        live = [it.offered(sid="one"), it.offered(sid="another")]
        closing = asyncio.ensure_future(it.pump.aclose())
        await settle()
        it.answer_all()
        await closing
        assert [each.ended.result().reason for each in live] == ["gone", "gone"]


async def test_candidates_that_come_before_the_session_are_sent_behind_it(it: Stage) -> None:
    prepared = it.proposal("voice")
    (way,) = it.transports
    way.context.send_info(transport("early"))
    live = await it.pump.initiate(PEER, SID, [prepared])
    it.sessions.append(live)
    assert it.actions() == ["session-initiate"], "not before the peer knows the session"
    it.last(Action.SESSION_INITIATE).answer(None)
    assert it.actions() == ["session-initiate", "transport-info"]


# Directed presence


async def test_a_stranger_sees_us_for_as_long_as_we_talk(it: Stage) -> None:
    it.pump.show(PEER)
    assert it.binding.presences == [], "a contact sees us anyway"
    it.binding.contacts.clear()
    it.pump.show("romeo@montague.example")
    live = await it.initiated()
    it.pump.hide(PEER)
    assert it.binding.presences == [("romeo@montague.example", True)], "we talk still"
    await live.close()
    it.pump.hide(PEER)
    it.pump.hide(PEER)
    assert it.binding.presences[1:] == [("romeo@montague.example", False)]


# Proposals


async def test_proposing(it: Stage) -> None:
    it.pump.act(lambda machine: machine.propose("romeo@montague.example", "p1", [description()], 0.0))
    ((to, payloads, id),) = it.binding.messages
    assert (to, id) == ("romeo@montague.example", "jm-propose-p1")
    assert payloads == [PROPOSE, Store(), ReceiptRequest()]


async def test_a_device_that_rings_says_so_in_one_of_two_ways(it: Stage) -> None:
    it.pump.act(lambda machine: machine.propose("romeo@montague.example", "p1", [description()], 0.0))
    it.message(Ringing(id="p1"))
    it.message(Receipt(id="jm-propose-p1"))
    it.message(Receipt(id="another"))
    it.message(Receipt(id="jm-propose-p1"), carbon="received")
    assert it.proposed == [proposals.RingingReceived(id="p1", peer=PEER)] * 2


async def test_a_proposal_that_rings_gets_a_receipt(it: Stage) -> None:
    def ring(event: proposals.InitiationEvent) -> None:
        if isinstance(event, proposals.Incoming):
            it.pump.act(lambda machine: machine.ring(event.id))

    it.pump.proposals.on_event = ring
    it.message(PROPOSE, ReceiptRequest(), id="m7")
    assert [payloads for _, payloads, _ in it.binding.messages] == [
        [Ringing(id="p1"), Store()],
        [Receipt(id="m7"), Store()],
    ]
    assert {to for to, _, _ in it.binding.messages} == {PEER}


async def test_a_proposal_that_does_not_ring_gets_none(it: Stage) -> None:
    it.message(PROPOSE, ReceiptRequest(), id="m7")
    assert [type(event) for event in it.proposed] == [proposals.Incoming]
    assert it.binding.messages == []


async def test_a_receipt_that_nobody_asked_for(it: Stage) -> None:
    it.pump.proposals.on_event = lambda event: it.pump.act(lambda machine: machine.ring("p1"))
    it.message(PROPOSE, id="m7")
    assert it.initiations() == [(PEER, Ringing)]
    assert len(it.binding.messages) == 1


@pytest.mark.parametrize("is_archived", [False, True])
async def test_an_old_proposal_rings_no_more(it: Stage, monkeypatch: pytest.MonkeyPatch, is_archived: bool) -> None:
    monkeypatch.setattr(proposing, "CATCH_UP", 0.0)
    monkeypatch.setattr(catch_up, "CATCH_UP", 0.0)
    it.message(PROPOSE, age=3600.0, is_archived=is_archived)
    assert it.proposed == []
    await asyncio.sleep(0.02)
    (event,) = it.proposed
    assert isinstance(event, proposals.Missed)
    assert event.age == pytest.approx(3600, abs=1)


async def test_a_stored_proposal_that_rings_gets_a_receipt_too(it: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "CATCH_UP", 0.0)
    monkeypatch.setattr(catch_up, "CATCH_UP", 0.0)
    it.pump.proposals.on_event = lambda event: it.pump.act(lambda machine: machine.ring("p1"))
    it.message(PROPOSE, ReceiptRequest(), id="m7", age=2.0)
    assert it.binding.messages == []
    await asyncio.sleep(0.02)
    assert it.initiations() == [(PEER, Ringing)]
    assert len(it.binding.messages) == 2


async def test_closing_waits_for_no_history(it: Stage) -> None:
    it.message(PROPOSE, age=3600.0)
    await it.pump.aclose()
    await asyncio.sleep(0.02)
    assert it.proposed == []


async def test_our_proposal_comes_back(it: Stage) -> None:
    it.pump.act(lambda machine: machine.propose("romeo@montague.example", "p1", [description()], 0.0))
    it.message(PROPOSE, id="jm-other", error="gone")
    it.message(PROPOSE, id="jm-propose-p1", error="gone", sender=STRANGER)
    assert it.proposed == []
    it.message(PROPOSE, id="jm-propose-p1", error="gone", sender="romeo@montague.example")
    (event,) = it.proposed
    assert isinstance(event, proposals.Rejected)
    assert event.reason == Reason(condition=ReasonCondition.GONE)


async def test_what_concerns_one_device_is_not_copied(it: Stage) -> None:
    """A second device that proceeds is told, and the first must not take that for its own."""
    it.pump.act(lambda machine: machine.propose("romeo@montague.example", "p1", [description()], 0.0))
    it.message(Proceed(id="p1"))
    it.message(Proceed(id="p1"), sender="romeo@montague.example/phone")
    to, payloads, _ = it.binding.messages[-1]
    assert (to, type(payloads[0]), payloads[1:]) == ("romeo@montague.example/phone", Retract, [Store(), NoCopy()])


async def test_proceeding_and_finishing(it: Stage) -> None:
    it.message(PROPOSE)
    it.pump.act(lambda machine: machine.proceed("p1", 0.0))
    assert it.initiations() == [(PEER, Proceed), ("juliet@capulet.example", Accept)]
    it.pump.finish("p1", "success")
    it.pump.finish("p1", "success")
    it.pump.finish("unknown", "success")
    to, payloads, _ = it.binding.messages[-1]
    assert it.initiations()[2:] == [(PEER, Finish)]
    assert payloads[0] == Finish(id="p1", reason=Reason(condition=ReasonCondition.SUCCESS), migrated=None)


async def test_a_session_that_failed_is_finished_as_expired(it: Stage) -> None:
    it.message(PROPOSE)
    it.pump.act(lambda machine: machine.proceed("p1", 0.0))
    it.pump.finish("p1", "connectivity-error")
    finish = it.binding.messages[-1][1][0]
    assert isinstance(finish, Finish)
    assert finish.reason == Reason(condition=ReasonCondition.EXPIRED)


async def test_a_call_that_goes_on_elsewhere(it: Stage) -> None:
    """Section 4.2: a new proposal while the session of an old one runs."""
    it.message(PROPOSE)
    it.pump.act(lambda machine: machine.proceed("p1", 0.0))
    it.message(Propose(id="p2", descriptions=(description(),)), sender="romeo@montague.example/phone")
    assert [type(event) for event in it.proposed] == [proposals.Incoming, proposals.Migrated, proposals.Incoming]
    finish = it.binding.messages[-1][1][0]
    assert isinstance(finish, Finish)
    assert finish.migrated is not None
    assert finish.migrated.to == "p2"


async def test_a_rejection(it: Stage) -> None:
    it.message(PROPOSE)
    it.pump.act(lambda machine: machine.reject("p1", REASON))
    assert it.initiations() == [(PEER, Reject)]


async def test_proposals_that_nobody_answers_are_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_INTERVAL", 0.02)
    async with stage() as it:
        it.pump.initiations._ring_timeout = 0.05
        it.message(PROPOSE)
        await asyncio.sleep(0.2)
        assert [type(event) for event in it.proposed] == [proposals.Incoming, proposals.Retracted]


# From whom addresses are kept


async def is_relay_only(it: Stage, peer: str, sid: str) -> bool:
    """Whether a transport that is made now would reveal no address."""
    transport = it.pump.transports_of(Role.INITIATOR, peer, sid, "more")(FakeTransport)
    assert isinstance(transport, FakeTransport)
    await transport.aclose()
    return transport.context.options.relay_only


async def test_strangers_see_no_address(it: Stage) -> None:
    friend = next(iter(it.binding.contacts))
    for is_asked_for in (False, True):
        it.pump.hide_from_strangers = is_asked_for
        assert await is_relay_only(it, STRANGER, "s9") is is_asked_for
        assert not await is_relay_only(it, f"{friend}/phone", "s9")


async def test_a_hidden_session_stays_hidden(it: Stage) -> None:
    """What is added to it later, or takes the place of a transport, is made without addresses too."""
    live = await it.initiated("voice")
    assert not await is_relay_only(it, *live.origin)
    live.is_hidden = True
    assert await is_relay_only(it, *live.origin)
    assert not await is_relay_only(it, PEER, "another")
