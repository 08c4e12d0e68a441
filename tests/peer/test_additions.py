"""Contents that come while a session runs: from either side, refused, withdrawn, failing, too many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from jingle.elements.core import Action, Content, Reason, ReasonCondition, Role, Senders
from jingle.errors import ApplicationFailed, MediaError, SessionEnded, SignallingError, TransportFailed
from jingle.peer.additions import MAX_PROPOSED
from jingle.peer.content import LiveContent
from jingle.peer.live import MAX_GONE, LiveSession
from tests.peer.parts import FakeTransport, Stage, settle, stage
from tests.session.helpers import content, description, jingle, named, transport

DECLINE = Reason(condition=ReasonCondition.DECLINE)


@pytest.fixture
async def it() -> AsyncIterator[Stage]:
    async with stage() as it:
        yield it


class Desk:
    """Decides when a test wants it to."""

    def __init__(self, live: LiveSession) -> None:
        self.asked: list[str] = []
        self.changes: list[tuple[str, str]] = []
        self.decision: asyncio.Future[Senders | None] = asyncio.get_running_loop().create_future()
        live.additions.decide = self._decide
        live.additions.on_change = lambda content, state: self.changes.append((content.name, state))

    async def _decide(self, content: LiveContent) -> Senders | None:
        self.asked.append(content.name)
        return await asyncio.shield(self.decision)


async def running(it: Stage) -> tuple[LiveSession, Desk]:
    """A session of ours that runs, with somebody to decide."""
    live = await it.initiated()
    it.accepted()
    it.transports[0].succeed()
    await asyncio.wait_for(live.connected, 1)
    it.answer_all()
    return live, Desk(live)


def theirs(name: str = "video", **changes: object) -> Content:
    return content(name, Role.RESPONDER, **changes)  # type: ignore[arg-type]


def refused(it: Stage) -> list[tuple[str, ReasonCondition | None]]:
    """What was rejected, each with its reason."""
    stanzas = [sent.jingle for sent in it.binding.sent if sent.jingle.action is Action.CONTENT_REJECT]
    return [(each.contents[0].name, each.reason.condition if each.reason else None) for each in stanzas]


# The peer's


async def test_what_the_peer_adds_is_accepted_and_runs(it: Stage) -> None:
    live, desk = await running(it)
    it.receive(jingle(Action.CONTENT_ADD, theirs()))
    about = Content(creator=Role.RESPONDER, name="video", transport=transport("early"))
    it.receive(jingle(Action.TRANSPORT_INFO, about))
    await settle()
    assert (desk.asked, list(live.proposed), list(live.contents)) == (["video"], ["video"], ["voice"])
    assert it.transports[1].informed == [transport("early")]
    desk.decision.set_result(Senders.RESPONDER)
    await settle()
    (accepted,) = it.last(Action.CONTENT_ACCEPT).jingle.contents
    assert (accepted.name, accepted.creator, accepted.senders) == ("video", Role.RESPONDER, Senders.RESPONDER)
    assert accepted.description == description("ours")
    assert desk.changes == []
    it.transports[1].succeed()
    await settle()
    assert desk.changes == [("video", "added")]
    assert live.contents["video"].started
    it.receive(jingle(Action.CONTENT_REMOVE, named("video", Role.RESPONDER)))
    await settle()
    assert desk.changes[-1] == ("video", "removed")
    assert (list(live.contents), live.is_running, it.transports[1].closed) == (["voice"], True, 1)


async def test_what_is_added_and_removed_without_end_is_forgotten(it: Stage) -> None:
    live, desk = await running(it)
    desk.decision.set_result(Senders.RESPONDER)
    for number in range(1, MAX_GONE + 4):
        it.receive(jingle(Action.CONTENT_ADD, theirs(f"video{number}")))
        await settle()
        it.answer_all()
        it.transports[number].succeed()
        await settle()
        it.receive(jingle(Action.CONTENT_REMOVE, named(f"video{number}", Role.RESPONDER)))
        await settle()
    assert list(live.gone) == [f"video{number}" for number in range(4, MAX_GONE + 4)]


async def test_what_is_declined(it: Stage) -> None:
    live, desk = await running(it)
    desk.decision.set_result(None)
    it.receive(jingle(Action.CONTENT_ADD, theirs()))
    await settle()
    assert refused(it) == [("video", ReasonCondition.DECLINE)]
    assert (live.proposed, live.is_running, it.transports[1].closed) == ({}, True, 1)


async def test_what_is_withdrawn_is_not_answered_any_more(it: Stage) -> None:
    live, desk = await running(it)
    it.receive(jingle(Action.CONTENT_ADD, theirs()))
    await settle()
    it.receive(jingle(Action.CONTENT_REMOVE, named("video", Role.RESPONDER)))
    await settle()
    desk.decision.set_result(Senders.BOTH)
    await settle()
    assert Action.CONTENT_ACCEPT.value not in it.actions()
    assert refused(it) == []
    assert (live.proposed, desk.changes, live.is_running) == ({}, [], True)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("answer", ReasonCondition.INCOMPATIBLE_PARAMETERS),
        ("accept", ReasonCondition.SECURITY_ERROR),
        ("describe", ReasonCondition.SECURITY_ERROR),
    ],
)
async def test_what_cannot_be_done_is_refused(it: Stage, where: str, reason: ReasonCondition) -> None:
    live, desk = await running(it)
    desk.decision.set_result(Senders.BOTH)
    if where == "answer":
        it.broken["answer"] = ApplicationFailed("no", reason="incompatible-parameters")
    else:
        FakeTransport.broken[where] = TransportFailed("not encrypted", reason="security-error")
    it.receive(jingle(Action.CONTENT_ADD, theirs()))
    await settle()
    assert refused(it) == [("video", reason)]
    assert (live.proposed, live.is_running) == ({}, True)


async def test_of_alternatives_the_first_that_can_be_done(it: Stage) -> None:
    _, desk = await running(it)
    desk.decision.set_result(Senders.BOTH)
    it.receive(jingle(Action.CONTENT_ADD, theirs(method="unknown"), theirs(detail="second")))
    await settle()
    assert refused(it) == []
    assert desk.asked == ["video"]
    it.receive(jingle(Action.CONTENT_ADD, theirs("more", method="unknown"), theirs("more", method="unknown")))
    await settle()
    assert refused(it) == [("more", ReasonCondition.UNSUPPORTED_TRANSPORTS)]


async def test_more_than_anybody_decides_on(it: Stage) -> None:
    live, desk = await running(it)
    for number in range(MAX_PROPOSED + 3):
        it.receive(jingle(Action.CONTENT_ADD, theirs(f"video{number}")))
    await settle()
    assert len(live.proposed) == len(desk.asked) == MAX_PROPOSED
    assert [name for name, _ in refused(it)] == [f"video{MAX_PROPOSED + number}" for number in range(3)]


async def test_a_name_that_is_used(it: Stage) -> None:
    """The content of that name goes on."""
    live, desk = await running(it)
    voice = live.contents["voice"]
    it.receive(jingle(Action.CONTENT_ADD, theirs("voice")))
    await settle()
    assert refused(it) == [("voice", ReasonCondition.GENERAL_ERROR)]
    assert (live.contents, desk.asked, live.is_running) == ({"voice": voice}, [], True)


async def test_an_added_content_that_fails_is_removed(it: Stage) -> None:
    live, desk = await running(it)
    desk.decision.set_result(Senders.BOTH)
    it.receive(jingle(Action.CONTENT_ADD, theirs()))
    await settle()
    it.transports[1].connecting.set_exception(TransportFailed("no way", reason="security-error"))
    await settle()
    (removed,) = it.last(Action.CONTENT_REMOVE).jingle.contents
    assert removed.name == "video"
    assert (list(live.contents), desk.changes, live.is_running) == (["voice"], [], True)


async def test_the_link_of_an_added_content_is_lost(it: Stage) -> None:
    live, desk = await running(it)
    desk.decision.set_result(Senders.BOTH)
    it.receive(jingle(Action.CONTENT_ADD, theirs()))
    await settle()
    it.transports[1].succeed()
    await settle()
    link = it.transports[1].link
    assert link is not None
    link.lose(TransportFailed("no consent"))
    await asyncio.sleep(0.1)
    assert it.last(Action.CONTENT_REMOVE).jingle.contents[0].name == "video"
    assert (list(live.contents), live.is_running) == (["voice"], True)
    assert desk.changes == [("video", "added"), ("video", "removed")]


async def test_while_it_rings_nothing_is_added(it: Stage) -> None:
    live = it.offered()
    Desk(live)
    await settle()
    it.receive(jingle(Action.CONTENT_ADD, content("video")))
    await settle()
    assert refused(it) == [("video", ReasonCondition.UNSUPPORTED_APPLICATIONS)]


async def test_a_direction_changes_while_it_is_decided(it: Stage) -> None:
    """Conversations opens what we offered to receive only, before it accepts it."""
    live, desk = await running(it)
    adding = asyncio.ensure_future(live.additions.propose(it.proposal("video"), timeout=None))
    await settle()
    it.receive(jingle(Action.CONTENT_MODIFY, Content(creator=Role.INITIATOR, name="video", senders=Senders.BOTH)))
    await settle()
    assert it.applications[1].described("senders") == [Senders.BOTH]
    assert desk.changes == [("video", "changed")]
    adding.cancel()
    await asyncio.gather(adding, return_exceptions=True)


# Ours


async def proposed(it: Stage, live: LiveSession) -> asyncio.Task[None]:
    task = asyncio.create_task(live.additions.propose(it.proposal("video"), timeout=None))
    await settle()
    assert it.last(Action.CONTENT_ADD).jingle.contents[0].name == "video"
    return task


async def test_what_we_add_runs(it: Stage) -> None:
    live, desk = await running(it)
    adding = await proposed(it, live)
    it.answer_all()
    it.receive(jingle(Action.CONTENT_ACCEPT, content("video", detail="theirs")))
    await settle()
    assert it.applications[1].described("accepted") == [description("theirs")]
    assert not adding.done()
    it.transports[1].succeed()
    await asyncio.wait_for(adding, 1)
    assert desk.changes == [("video", "added")]


@pytest.mark.parametrize("how", ["rejected", "refused", "useless", "no way", "unreadable", "ended"])
async def test_what_we_add_comes_to_nothing(it: Stage, how: str) -> None:
    live, desk = await running(it)
    if how == "useless":
        it.broken["accepted"] = ApplicationFailed("no common codec", reason="failed-application")
    if how == "unreadable":
        it.broken["start"] = MediaError("no such file")
    adding = await proposed(it, live)
    match how:
        case "rejected":
            it.receive(jingle(Action.CONTENT_REJECT, named("video"), reason=DECLINE))
        case "refused":
            it.last(Action.CONTENT_ADD).answer(SignallingError("feature-not-implemented"))
        case "ended":
            it.receive(jingle(Action.SESSION_TERMINATE, reason=DECLINE))
        case _:
            it.receive(jingle(Action.CONTENT_ACCEPT, content("video", detail="theirs")))
            await settle()
            if how == "no way":
                it.transports[1].connecting.set_exception(TransportFailed("no way", reason="security-error"))
            elif how == "unreadable":
                it.transports[1].succeed()
    expected = {"no way": TransportFailed, "unreadable": MediaError, "ended": SessionEnded}.get(how, ApplicationFailed)
    with pytest.raises(expected):
        await asyncio.wait_for(adding, 1)
    assert desk.changes == []
    assert live.proposed == {}
    assert it.transports[1].closed
    if how != "ended":
        assert (list(live.contents), live.is_running) == (["voice"], True)
    if how == "rejected":
        assert isinstance(adding.exception(), ApplicationFailed)
        assert getattr(adding.exception(), "reason", None) == "decline"


async def test_a_proposal_that_gave_way_is_removed_where_it_is_accepted_all_the_same(it: Stage) -> None:
    """By a peer that knows no ties."""
    live, _ = await running(it)
    video = it.proposal("video")
    adding = asyncio.create_task(live.additions.propose(video, timeout=None))
    await settle()
    live.additions.supersede(video)
    it.receive(jingle(Action.CONTENT_ACCEPT, content("video", detail="theirs")))
    with pytest.raises(ApplicationFailed):
        await asyncio.wait_for(adding, 1)
    assert it.last(Action.CONTENT_REMOVE).jingle.contents[0].name == "video"
    assert live.is_running
