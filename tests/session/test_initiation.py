"""XEP-0353: one device and what it hears; every flow of sections 3 and 4, and what other devices make of it."""

from __future__ import annotations

import pytest

from jingle.elements.core import Reason, ReasonCondition
from jingle.elements.initiation import (
    Accept,
    Finish,
    Initiation,
    Migrated,
    MigratedInJingle,
    Proceed,
    Propose,
    Reject,
    Retract,
    Ringing,
)
from jingle.errors import LocalProtocolError
from jingle.session import initiation_events as events
from jingle.session.catch_up import MAX_STORED
from jingle.session.events import CallerRefused
from jingle.session.initiation import (
    MAX_OPEN,
    MAX_OPEN_PER_PEER,
    MAX_REMEMBERED,
    REMEMBER_FOR,
    RING_TIMEOUT,
    SESSION_TIMEOUT,
    Initiations,
)
from jingle.session.proposal import ProposalState

from .helpers import description

ROMEO, HOME = "romeo@montague.example/orchard", "romeo@montague.example/home"
PHONE, TABLET = "juliet@capulet.example/phone", "juliet@capulet.example/tablet"
HIS, HERS = "romeo@montague.example", "juliet@capulet.example"
ID = "ca3cf894-5325-482f-a412-a6e9f832298d"
HIGHER = "fecbea35-08d3-404f-9ec7-2b57c566fa74"
AUDIO = (description("audio"),)
PROPOSE = Propose(id=ID, descriptions=AUDIO)
BUSY = Reason(condition=ReasonCondition.BUSY)
CANCEL = Reason(condition=ReasonCondition.CANCEL)
SUCCESS = Reason(condition=ReasonCondition.SUCCESS)
TIE = Reason(condition=ReasonCondition.EXPIRED, text="Tie-Break")


def device(local: str, **options: object) -> Initiations:
    return Initiations(local=local, **options)  # type: ignore[arg-type]


def hear(
    who: Initiations,
    element: Initiation,
    sender: str,
    to: str = "",
    now: float = 0,
    age: float = 0,
    is_archived: bool = False,
) -> list[events.InitiationEvent]:
    who.receive(element, sender=sender, recipient=to, now=now, age=age, is_archived=is_archived)
    return who.take_events()


def calling(id: str = ID, to: str = HERS) -> Initiations:
    """Romeo, whose proposal is out."""
    romeo = device(ROMEO)
    romeo.propose(to, id, AUDIO, now=0)
    romeo.take_events()
    return romeo


def called(local: str = PHONE, **options: object) -> Initiations:
    """A device of Juliet's that has heard the proposal."""
    juliet = device(local, **options)
    assert hear(juliet, PROPOSE, ROMEO, HERS) == [events.Incoming(id=ID, peer=ROMEO, descriptions=AUDIO)]
    return juliet


def send(to: str, element: Initiation, *, private: bool = False) -> events.SendMessage:
    return events.SendMessage(to=to, element=element, private=private)


def reject(reason: Reason = BUSY, *, id: str = ID, tie_break: bool = False) -> Reject:
    return Reject(id=id, reason=reason, tie_break=tie_break)


def retract(reason: Reason = CANCEL, *, id: str = ID, tie_break: bool = False) -> Retract:
    return Retract(id=id, reason=reason, tie_break=tie_break)


# Section 3, the flows.


def test_a_proposal_goes_to_every_device() -> None:
    romeo = device(ROMEO)
    romeo.propose(HERS, ID, AUDIO, now=0)
    assert romeo.take_events() == [send(HERS, PROPOSE)]
    assert romeo.state(ID) is ProposalState.PROPOSED
    with pytest.raises(LocalProtocolError, match="already"):
        romeo.propose(HERS, ID, AUDIO, now=0)


def test_a_device_rings() -> None:
    phone, romeo = called(), calling()
    phone.ring(ID)
    assert phone.take_events() == [send(ROMEO, Ringing(id=ID))]
    for ringing in (PHONE, TABLET):
        assert hear(romeo, Ringing(id=ID), ringing, ROMEO) == [events.RingingReceived(id=ID, peer=ringing)]
    assert phone.state(ID) is romeo.state(ID) is ProposalState.RINGING


def test_a_device_proceeds() -> None:
    phone, romeo = called(), calling()
    phone.proceed(ID, now=1)
    assert phone.take_events() == [send(ROMEO, Proceed(id=ID)), send(HERS, Accept(id=ID))]
    assert hear(romeo, Proceed(id=ID), PHONE, ROMEO) == [events.Proceeded(id=ID, peer=PHONE)]
    # Once more says nothing new.
    assert hear(romeo, Proceed(id=ID), PHONE, ROMEO) == []
    for late in (phone.ring, phone.reject, lambda id: phone.proceed(id, now=2)):
        with pytest.raises(LocalProtocolError, match="proceeded"):
            late(ID)


@pytest.mark.parametrize("ring_first", [False, True])
def test_a_device_rejects(ring_first: bool) -> None:
    phone, romeo = called(), calling()
    if ring_first:
        phone.ring(ID)
        phone.take_events()
        hear(romeo, Ringing(id=ID), PHONE, ROMEO)
    phone.reject(ID)
    assert phone.take_events() == [send(ROMEO, reject())]
    assert hear(romeo, reject(), PHONE, ROMEO) == [events.Rejected(id=ID, peer=PHONE, reason=BUSY)]
    assert hear(romeo, reject(), TABLET, ROMEO) == []
    assert phone.state(ID) is romeo.state(ID) is ProposalState.ENDED


def test_a_reason_of_ones_own() -> None:
    phone, romeo = called(), calling()
    phone.reject(ID, SUCCESS)
    assert phone.take_events() == [send(ROMEO, reject(SUCCESS))]
    romeo.retract(ID, SUCCESS)
    assert romeo.take_events() == [send(HERS, retract(SUCCESS))]


def test_a_proposal_is_retracted() -> None:
    phone, romeo = called(), calling()
    romeo.retract(ID)
    assert romeo.take_events() == [send(HERS, retract())]
    assert hear(phone, retract(), ROMEO, HERS) == [events.Retracted(id=ID, reason=CANCEL)]
    with pytest.raises(LocalProtocolError, match="ended"):
        romeo.retract(ID)


def test_a_proposal_is_retracted_after_a_device_proceeded() -> None:
    phone, romeo = called(), calling()
    phone.proceed(ID, now=0)
    phone.take_events()
    hear(romeo, Proceed(id=ID), PHONE, ROMEO)
    romeo.retract(ID)
    assert romeo.take_events() == [send(PHONE, retract())]
    assert hear(phone, retract(), ROMEO, PHONE) == [events.Retracted(id=ID, reason=CANCEL)]
    with pytest.raises(LocalProtocolError, match="no session"):
        phone.finish(ID, SUCCESS)


def running() -> tuple[Initiations, Initiations]:
    phone, romeo = called(), calling()
    phone.proceed(ID, now=0)
    phone.take_events()
    hear(romeo, Proceed(id=ID), PHONE, ROMEO)
    return romeo, phone


def test_both_say_that_it_has_finished() -> None:
    romeo, phone = running()
    finish = Finish(id=ID, reason=SUCCESS)
    romeo.finish(ID, SUCCESS)
    assert romeo.take_events() == [send(PHONE, finish)]
    assert hear(phone, finish, ROMEO, PHONE) == [events.Finished(id=ID, reason=SUCCESS)]
    phone.finish(ID, SUCCESS)
    assert phone.take_events() == [send(ROMEO, finish)]
    assert hear(romeo, finish, PHONE, ROMEO) == []
    for end in (romeo, phone):
        with pytest.raises(LocalProtocolError, match="no session"):
            end.finish(ID, SUCCESS)


def test_the_initiator_hears_a_finish_first() -> None:
    romeo, _ = running()
    assert hear(romeo, Finish(id=ID), PHONE, ROMEO) == [events.Finished(id=ID)]
    romeo.finish(ID, SUCCESS)


@pytest.mark.parametrize("migrated", [Migrated(to=HIGHER), MigratedInJingle(to=HIGHER)])
def test_a_finish_may_say_where_it_goes_on(migrated: Migrated) -> None:
    romeo, phone = running()
    romeo.finish(ID, SUCCESS, migrated_to=HIGHER)
    assert romeo.take_events() == [send(PHONE, Finish(id=ID, reason=SUCCESS, migrated=Migrated(to=HIGHER)))]
    finish = Finish(id=ID, reason=SUCCESS, migrated=migrated)
    assert hear(phone, finish, ROMEO, PHONE) == [events.Finished(id=ID, reason=SUCCESS, migrated_to=HIGHER)]


def test_a_session_that_never_came_is_abandoned_in_silence() -> None:
    _, phone = running()
    phone.abandon(ID)
    assert (phone.state(ID), phone.take_events()) == (ProposalState.ENDED, [])
    with pytest.raises(LocalProtocolError, match="no session"):
        phone.finish(ID, SUCCESS)


@pytest.mark.parametrize("act", ["ring", "reject", "retract", "abandon"])
def test_what_nobody_proposed(act: str) -> None:
    with pytest.raises(LocalProtocolError, match="no proposal"):
        getattr(device(PHONE), act)(ID)


def test_each_side_has_its_own_words() -> None:
    phone, romeo = called(), calling()
    with pytest.raises(LocalProtocolError, match="not for the responder"):
        phone.retract(ID)
    for answer in (romeo.ring, romeo.reject, lambda id: romeo.proceed(id, now=0)):
        with pytest.raises(LocalProtocolError, match="not for the initiator"):
            answer(ID)


# Who may say what to whom.


@pytest.mark.parametrize("element", [Ringing(id=ID), Proceed(id=ID), reject(), retract(), Finish(id=ID)])
def test_strangers_to_the_proposal_are_not_heard(element: Initiation) -> None:
    tybalt = "tybalt@capulet.example/street"
    for who in (called(), calling()):
        assert hear(who, element, tybalt) == []
        assert who.state(ID) is ProposalState.PROPOSED
    assert hear(device(PHONE), element, ROMEO, PHONE) == []


def test_words_of_the_wrong_side_are_not_heard() -> None:
    romeo, phone = calling(), called()
    assert hear(romeo, retract(), PHONE, ROMEO) == []
    assert hear(romeo, Accept(id=ID), PHONE, ROMEO) == []
    assert hear(romeo, Ringing(id=ID), PHONE, HOME) == []
    for element in (Ringing(id=ID), Proceed(id=ID), Accept(id=ID), reject()):
        assert hear(phone, element, ROMEO, HERS) == []
    assert (romeo.state(ID), phone.state(ID)) == (ProposalState.PROPOSED, ProposalState.PROPOSED)
    phone.proceed(ID, now=0)
    phone.take_events()
    assert hear(phone, Ringing(id=ID), ROMEO, HERS) == []


def test_copies_of_our_own_messages_are_not_heard() -> None:
    romeo = calling()
    assert hear(romeo, PROPOSE, ROMEO, HERS) == []
    phone = called()
    phone.proceed(ID, now=0)
    phone.take_events()
    assert hear(phone, Accept(id=ID), PHONE, HERS) == []


def test_strangers_hear_nothing() -> None:
    phone = device(PHONE, may_reach=lambda jid: jid == ROMEO)
    tybalt = "tybalt@capulet.example/street"
    assert hear(phone, PROPOSE, tybalt, HERS) == [CallerRefused(peer=tybalt, sid=ID)]
    assert phone.state(ID) is None
    assert hear(phone, PROPOSE, ROMEO, HERS) != []


# Time.


def later(who: Initiations, now: float) -> list[events.InitiationEvent]:
    who.sweep(now)
    return who.take_events()


def missed(age: float) -> events.Missed:
    return events.Missed(id=ID, peer=ROMEO, descriptions=AUDIO, age=age)


def test_a_stored_proposal_rings_when_nothing_follows_it() -> None:
    phone = device(PHONE)
    assert hear(phone, PROPOSE, ROMEO, HERS, now=100, age=RING_TIMEOUT - 2) == []
    assert hear(phone, PROPOSE, ROMEO, HERS, now=100.1, age=RING_TIMEOUT - 2) == []
    assert later(phone, 100.9) == []
    assert later(phone, 101) == [events.Incoming(id=ID, peer=ROMEO, descriptions=AUDIO, age=RING_TIMEOUT - 1)]
    # It has been ringing elsewhere all that time.
    assert [type(event) for event in later(phone, 103)] == [events.Retracted]


def test_an_old_proposal_does_not_ring() -> None:
    phone = device(PHONE)
    assert hear(phone, PROPOSE, ROMEO, HERS, age=RING_TIMEOUT + 1) == []
    assert later(phone, 1) == [missed(RING_TIMEOUT + 2)]
    assert later(phone, 100) == []


def test_an_archived_proposal_does_not_ring_however_young() -> None:
    phone = device(PHONE)
    assert hear(phone, PROPOSE, ROMEO, HERS, is_archived=True) == []
    assert later(phone, 1) == [missed(1)]


def test_a_stored_proposal_that_was_taken_back_was_missed() -> None:
    for is_archived in (False, True):
        phone = device(PHONE)
        hear(phone, PROPOSE, ROMEO, HERS, age=30, is_archived=is_archived)
        assert hear(phone, retract(), "tybalt@capulet.example/x", HERS, now=0.5) == []
        assert hear(phone, retract(), HOME, HERS, now=0.5, age=20, is_archived=is_archived) == [missed(30.5)]
        assert later(phone, 2) == []


@pytest.mark.parametrize(
    ("sender", "element"),
    [
        (TABLET, Proceed(id=ID)),
        (PHONE, Proceed(id=ID)),
        (TABLET, Accept(id=ID)),
        (TABLET, Reject(id=ID)),
        (TABLET, Finish(id=ID)),
        (ROMEO, Finish(id=ID)),
    ],
)
def test_a_stored_proposal_that_was_answered_is_history(sender: str, element: Initiation) -> None:
    phone = device(PHONE)
    hear(phone, PROPOSE, ROMEO, HERS, age=3600, is_archived=True)
    assert hear(phone, element, sender, ROMEO, age=3590, is_archived=True) == []
    assert later(phone, 2) == []


def test_stored_proposals_of_strangers_to_us_and_of_our_own_are_nothing() -> None:
    phone = device(PHONE, may_reach=lambda jid: jid != ROMEO)
    assert hear(phone, PROPOSE, ROMEO, HERS, age=3600) == []
    assert hear(phone, PROPOSE, ROMEO, HERS, is_archived=True) == []
    assert hear(phone, PROPOSE, ROMEO, HERS, age=2) == [CallerRefused(peer=ROMEO, sid=ID)]
    assert hear(phone, Propose(id="x1"), HOME, TABLET, is_archived=True) == []
    assert hear(phone, Propose(id="x2"), TABLET, HIS, is_archived=True) == []
    assert later(phone, 2) == []


def test_the_history_of_a_call_that_goes_on_changes_nothing() -> None:
    romeo, phone = running()
    for who, sender, to in ((romeo, ROMEO, HERS), (phone, ROMEO, HERS)):
        hear(who, PROPOSE, sender, to, age=5, is_archived=True)
        hear(who, Proceed(id=ID), TABLET, ROMEO, age=5, is_archived=True)
        hear(who, Finish(id=ID), TABLET, ROMEO, age=5, is_archived=True)
        assert later(who, 2) == []
        assert who.state(ID) is ProposalState.PROCEEDED


def test_stored_proposals_are_bounded() -> None:
    phone = device(PHONE)
    for number in range(MAX_STORED):
        assert hear(phone, Propose(id=f"{number}"), ROMEO, HERS, age=3600) == []
    (first,) = hear(phone, Propose(id="more"), ROMEO, HERS, age=3600)
    assert isinstance(first, events.Missed)
    assert first.id == "0"
    assert [event.id for event in later(phone, 1) if isinstance(event, events.Missed)][-2:] == ["63", "more"]


def test_a_proposal_that_nobody_retracts_is_given_up() -> None:
    phone = called(ring_timeout=10)
    phone.sweep(10)
    assert phone.take_events() == []
    phone.sweep(11)
    timeout = Reason(condition=ReasonCondition.TIMEOUT)
    assert phone.take_events() == [events.Retracted(id=ID, reason=timeout)]
    assert hear(phone, retract(), ROMEO, HERS, now=12) == []


def test_a_session_that_nobody_finishes_is_given_up() -> None:
    romeo, phone = running()
    for end in (romeo, phone):
        end.sweep(SESSION_TIMEOUT)
        assert end.take_events() == []
        end.sweep(SESSION_TIMEOUT + 1)
        expired = Reason(condition=ReasonCondition.EXPIRED)
        assert end.take_events() == [events.Finished(id=ID, reason=expired)]
        end.sweep(SESSION_TIMEOUT + 1)
        assert end.state(ID) is None


def test_memories_are_bounded_in_time_and_number() -> None:
    phone = called()
    phone.reject(ID)
    phone.sweep(REMEMBER_FOR)
    assert phone.state(ID) is ProposalState.ENDED
    assert hear(phone, PROPOSE, ROMEO, HERS) == [send(ROMEO, reject())]
    phone.sweep(REMEMBER_FOR + 1)
    assert phone.state(ID) is None
    for number in range(MAX_REMEMBERED + 1):
        hear(phone, Propose(id=f"{number}"), ROMEO, HERS)
        phone.reject(f"{number}")
    phone.sweep(0)
    assert phone.state("0") is None
    assert phone.state("1") is ProposalState.ENDED


def test_what_still_has_to_be_finished_is_remembered() -> None:
    romeo, _ = running()
    hear(romeo, Finish(id=ID), PHONE, ROMEO)
    romeo.sweep(REMEMBER_FOR + 1)
    romeo.finish(ID, SUCCESS)


def test_open_proposals_are_bounded() -> None:
    phone = device(PHONE)
    for number in range(MAX_OPEN_PER_PEER):
        assert hear(phone, Propose(id=f"{number}"), ROMEO, HERS) != []
    assert hear(phone, Propose(id="more"), ROMEO, HERS) == []
    assert hear(phone, Propose(id="more"), HOME, HERS) == []
    for number in range(MAX_OPEN_PER_PEER, MAX_OPEN):
        assert hear(phone, Propose(id=f"{number}"), f"{number}@montague.example/x", HERS) != []
    assert hear(phone, Propose(id="more"), "more@montague.example/x", HERS) == []


def test_the_same_proposal_twice_is_one() -> None:
    phone = called()
    assert hear(phone, PROPOSE, ROMEO, HERS) == []
    assert hear(phone, PROPOSE, "tybalt@capulet.example/x", HERS) == []


def test_a_proposal_that_comes_back_was_not_delivered() -> None:
    romeo = calling()
    romeo.bounced(ID, "tybalt@capulet.example")
    romeo.bounced("other", HERS)
    assert romeo.take_events() == []
    romeo.bounced(ID, HERS)
    gone = Reason(condition=ReasonCondition.GONE)
    assert romeo.take_events() == [events.Rejected(id=ID, peer=HERS, reason=gone)]
    romeo.bounced(ID, HERS)
    phone = called()
    phone.bounced(ID, ROMEO)
    assert romeo.take_events() == phone.take_events() == []


# Our other devices.


@pytest.mark.parametrize(
    ("element", "to"),
    [(Proceed(id=ID), ROMEO), (Accept(id=ID), HERS), (Finish(id=ID, reason=SUCCESS), ROMEO)],
)
def test_answered_elsewhere(element: Initiation, to: str) -> None:
    tablet = called(TABLET)
    tablet.ring(ID)
    tablet.take_events()
    assert hear(tablet, element, PHONE, to) == [events.AnsweredElsewhere(id=ID, device=PHONE)]
    assert hear(tablet, element, PHONE, to) == []


def test_rejected_elsewhere() -> None:
    tablet = called(TABLET)
    assert hear(tablet, Ringing(id=ID), PHONE, ROMEO) == []
    assert hear(tablet, reject(), PHONE, ROMEO) == [events.RejectedElsewhere(id=ID, device=PHONE, reason=BUSY)]


def test_what_the_initiator_tells_another_device_means_that_it_took_the_session() -> None:
    tablet = called(TABLET)
    assert hear(tablet, Finish(id=ID), ROMEO, PHONE) == [events.AnsweredElsewhere(id=ID, device=PHONE)]
    tablet = called(TABLET)
    tablet.proceed(ID, now=0)
    tablet.take_events()
    for element in (Finish(id=ID), retract()):
        assert hear(tablet, element, ROMEO, PHONE) == []
    assert tablet.state(ID) is ProposalState.PROCEEDED


def test_when_two_devices_proceed_the_second_is_told_privately() -> None:
    romeo, phone = running()
    tablet = called(TABLET)
    tablet.proceed(ID, now=0)
    tablet.take_events()
    assert hear(tablet, Proceed(id=ID), PHONE, ROMEO) == []
    elsewhere = retract(Reason(condition=ReasonCondition.CANCEL, text="Answered elsewhere"))
    assert hear(romeo, Proceed(id=ID), TABLET, ROMEO) == [send(TABLET, elsewhere, private=True)]
    assert [type(event) for event in hear(tablet, elsewhere, ROMEO, TABLET)] == [events.Retracted]
    assert romeo.state(ID) is phone.state(ID) is ProposalState.PROCEEDED


def test_a_device_that_came_too_late_cannot_finish_the_session() -> None:
    romeo, _ = running()
    assert hear(romeo, Finish(id=ID), TABLET, ROMEO) == []
    assert romeo.state(ID) is ProposalState.PROCEEDED


def test_a_device_that_proceeds_after_the_retract_of_another_is_told() -> None:
    romeo, _ = running()
    romeo.retract(ID)
    assert romeo.take_events() == [send(PHONE, retract())]
    [told] = hear(romeo, Proceed(id=ID), TABLET, ROMEO)
    assert isinstance(told, events.SendMessage)
    assert (told.to, told.private) == (TABLET, True)


def test_a_device_that_proceeds_after_another_rejected_is_told() -> None:
    romeo = calling()
    hear(romeo, reject(), PHONE, ROMEO)
    [told] = hear(romeo, Proceed(id=ID), TABLET, ROMEO)
    assert isinstance(told, events.SendMessage)
    assert (told.to, told.private, type(told.element)) == (TABLET, True, Retract)


def test_a_proceed_that_crossed_a_retract_has_its_answer_on_the_way() -> None:
    romeo = calling()
    romeo.retract(ID)
    romeo.take_events()
    assert hear(romeo, Proceed(id=ID), PHONE, ROMEO) == []


def test_what_our_other_devices_do_with_others_is_theirs() -> None:
    home = device(HOME)
    assert hear(home, PROPOSE, ROMEO, HERS) == []
    assert hear(home, Ringing(id=ID), PHONE, ROMEO) == []
    # Nor does a proposal ring here that was made to another device alone.
    assert hear(home, PROPOSE, PHONE, ROMEO) == []
    assert home.state(ID) is None


def test_a_user_calls_their_own_devices() -> None:
    laptop, phone, tablet = (device(f"{HERS}/{name}") for name in ("laptop", "phone", "tablet"))
    laptop.propose(HERS, ID, AUDIO, now=0)
    laptop.take_events()
    for other in (laptop, phone, tablet):
        heard = hear(other, PROPOSE, laptop.local, HERS)
        assert [type(event) for event in heard] == ([] if other is laptop else [events.Incoming])
    phone.proceed(ID, now=0)
    phone.take_events()
    assert hear(tablet, Proceed(id=ID), phone.local, laptop.local) == [
        events.AnsweredElsewhere(id=ID, device=phone.local)
    ]
    assert hear(laptop, Accept(id=ID), phone.local, HERS) == []
    assert hear(laptop, Proceed(id=ID), phone.local, laptop.local) == [events.Proceeded(id=ID, peer=phone.local)]
    laptop.finish(ID, SUCCESS)
    [finished] = hear(phone, Finish(id=ID, reason=SUCCESS), laptop.local, phone.local)
    assert finished == events.Finished(id=ID, reason=SUCCESS)


# Section 4.1: both propose at once.


def test_the_lower_id_stands() -> None:
    romeo, juliet = calling(ID), device(PHONE)
    juliet.propose(HIS, HIGHER, AUDIO, now=0)
    juliet.take_events()
    tie = reject(TIE, id=HIGHER, tie_break=True)
    assert hear(romeo, Propose(id=HIGHER, descriptions=AUDIO), PHONE, HIS) == [send(PHONE, tie)]
    withdrawal = retract(TIE, id=HIGHER, tie_break=True)
    assert hear(juliet, PROPOSE, ROMEO, HERS) == [
        send(HIS, withdrawal),
        events.Overruled(id=HIGHER, by=ID),
        events.Incoming(id=ID, peer=ROMEO, descriptions=AUDIO, replaces=HIGHER),
    ]
    # What crossed says nothing new.
    assert hear(juliet, tie, ROMEO, PHONE) == []
    assert hear(romeo, withdrawal, PHONE, HIS) == []
    juliet.proceed(ID, now=0)
    juliet.take_events()
    assert hear(romeo, Proceed(id=ID), PHONE, ROMEO) == [events.Proceeded(id=ID, peer=PHONE)]


def test_a_tie_that_only_the_other_side_saw() -> None:
    juliet = device(PHONE)
    juliet.propose(HIS, HIGHER, AUDIO, now=0)
    juliet.take_events()
    tie = reject(TIE, id=HIGHER, tie_break=True)
    assert hear(juliet, tie, ROMEO, PHONE) == [events.Rejected(id=HIGHER, peer=ROMEO, reason=TIE, tie_break=True)]


def test_a_proposal_to_somebody_else_is_no_tie() -> None:
    romeo = calling(HIGHER, to="nurse@capulet.example")
    [incoming] = hear(romeo, PROPOSE, PHONE, HIS)
    assert incoming == events.Incoming(id=ID, peer=PHONE, descriptions=AUDIO)


@pytest.mark.parametrize(("local", "to", "sender", "stands"), [(PHONE, HIS, ROMEO, True), (ROMEO, HERS, PHONE, False)])
def test_with_the_same_id_the_lower_address_stands(local: str, to: str, sender: str, stands: bool) -> None:
    ours = device(local)
    ours.propose(to, ID, AUDIO, now=0)
    ours.take_events()
    heard = hear(ours, PROPOSE, sender)
    if stands:
        assert heard == []
        assert hear(ours, Proceed(id=ID), sender, local) == [events.Proceeded(id=ID, peer=sender)]
    else:
        assert [type(event) for event in heard] == [events.Overruled, events.Incoming]
        ours.proceed(ID, now=0)


# Section 4.2: a running session is proposed anew.


def test_a_running_session_migrates() -> None:
    romeo, _ = running()
    anew = Propose(id=HIGHER, descriptions=AUDIO)
    finish, migrated, incoming = hear(romeo, anew, TABLET, HIS)
    assert isinstance(finish, events.SendMessage)
    assert isinstance(finish.element, Finish)
    assert finish.to == PHONE
    assert finish.element.id == ID
    assert finish.element.reason is not None
    assert finish.element.reason.condition is ReasonCondition.EXPIRED
    assert finish.element.migrated == Migrated(to=HIGHER)
    assert migrated == events.Migrated(id=ID, to=HIGHER)
    assert incoming == events.Incoming(id=HIGHER, peer=TABLET, descriptions=AUDIO, replaces=ID)
    romeo.proceed(HIGHER, now=0)


def test_finished_sessions_and_those_with_others_do_not_migrate() -> None:
    romeo, _ = running()
    nurse = "nurse@capulet.example/kitchen"
    assert [type(e) for e in hear(romeo, Propose(id="1"), nurse, HIS)] == [events.Incoming]
    romeo.finish(ID, SUCCESS)
    romeo.take_events()
    assert [type(e) for e in hear(romeo, Propose(id="2"), TABLET, HIS)] == [events.Incoming]
    assert [type(e) for e in hear(romeo, Propose(id="3"), TABLET, HIS)] == [events.Incoming]
