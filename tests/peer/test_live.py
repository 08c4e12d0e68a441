"""Sessions that run: every event of the engine, every failure of a part and the reason it has on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from jingle.elements.core import Action, Content, Reason, ReasonCondition, Role, Senders
from jingle.elements.rtp import Ringing
from jingle.errors import (
    ApplicationFailed,
    LocalProtocolError,
    MediaError,
    RemoteProtocolError,
    SignallingError,
    TransportFailed,
)
from jingle.peer import live as module
from jingle.peer.ending import reason_of
from jingle.peer.live import LiveSession
from tests.peer.parts import PEER, FakeTransport, OtherTransport, Stage, settle, stage
from tests.session.helpers import content, description, jingle, named, payload, transport


@pytest.fixture
async def it() -> AsyncIterator[Stage]:
    async with stage() as it:
        yield it


def terminated(it: Stage) -> Reason:
    """The reason that we ended the session with."""
    reason = it.last(Action.SESSION_TERMINATE).jingle.reason
    assert reason is not None
    return reason


async def connected(it: Stage, *names: str) -> LiveSession:
    """A session of ours that runs."""
    live = await it.initiated(*names)
    it.accepted(*names)
    for each in it.transports:
        each.succeed()
    await asyncio.wait_for(live.connected, 1)
    return live


# From beginning to end


async def test_our_session(it: Stage) -> None:
    live = await it.initiated()
    initiate = it.last(Action.SESSION_INITIATE)
    assert initiate.to == PEER
    assert [each.description for each in initiate.jingle.contents] == [description("ours")]
    it.accepted()
    await asyncio.wait_for(live.accepted, 1)
    (application,), (way,) = it.applications, it.transports
    assert application.described("accepted") == [description("theirs")]
    assert way.took == [transport("theirs")]
    assert not live.connected.done()
    way.succeed()
    assert 0 <= await asyncio.wait_for(live.connected, 1) < 1
    assert application.described("start") == [way.link]
    await asyncio.sleep(0.02)
    closing = asyncio.ensure_future(live.close())
    await settle()
    assert application.described("stop") == ["success"], "the media end at once"
    assert way.closed == 0, "the connection ends when the peer knows why"
    it.answer_all()
    ending = await closing
    assert (ending.reason, ending.text, ending.by_peer) == ("success", None, False)
    assert 0.02 <= ending.seconds < 1
    assert way.closed == 1


async def test_their_session(it: Stage) -> None:
    live = it.offered()
    assert it.sessions == [live]
    assert it.actions() == []
    await it.answered(live)
    (application,), (way,) = it.applications, it.transports
    assert application.described("answer") == [description()]
    accept = it.last(Action.SESSION_ACCEPT).jingle
    assert [(each.name, each.creator, each.description) for each in accept.contents] == [
        ("voice", Role.INITIATOR, description("ours"))
    ]
    way.succeed()
    await asyncio.wait_for(live.connected, 1)
    it.receive(jingle(Action.SESSION_TERMINATE, reason=Reason(condition=ReasonCondition.GONE, text="bye")))
    ending = await asyncio.wait_for(live.ended, 1)
    assert (ending.reason, ending.text, ending.by_peer) == ("gone", "bye", True)
    assert application.described("stop") == ["gone"]


async def test_what_a_transport_may_know(it: Stage) -> None:
    it.offered()
    (way,) = it.transports
    context = way.context
    assert (context.role, context.remote, context.sid) == (Role.RESPONDER, PEER, it.sessions[0].sid)
    assert [server.host for server in await context.ice_servers()] == ["stun.example"]


async def test_a_terminate_without_a_reason(it: Stage) -> None:
    live = it.offered()
    it.receive(jingle(Action.SESSION_TERMINATE))
    ending = await asyncio.wait_for(live.ended, 1)
    assert (ending.reason, ending.by_peer, ending.seconds) == ("success", True, 0)
    assert live.accepted.cancelled()
    assert live.connected.cancelled()


async def test_nobody_answers_our_terminate(it: Stage) -> None:
    live = await connected(it)
    ending = await asyncio.wait_for(live.close("busy", "sorry"), 1)
    assert (ending.reason, ending.text) == ("busy", "sorry")
    assert terminated(it) == Reason(condition=ReasonCondition.BUSY, text="sorry")


@pytest.mark.parametrize(
    "error", [SignallingError("item-not-found", jingle="unknown-session"), SignallingError("timeout")]
)
async def test_our_terminate_is_refused(it: Stage, error: SignallingError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TERMINATE_TIMEOUT", 30)
    live = await connected(it)
    closing = asyncio.ensure_future(live.close())
    await settle()
    it.last(Action.SESSION_TERMINATE).answer(error)
    await asyncio.wait_for(closing, 1)


async def test_where_the_peer_ended_it_nothing_is_waited_for(it: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TERMINATE_TIMEOUT", 30)
    live = await connected(it)
    it.receive(jingle(Action.SESSION_TERMINATE))
    await asyncio.wait_for(live.ended, 1)


async def test_ending_twice(it: Stage) -> None:
    live = await connected(it)
    live.terminate("busy")
    live.terminate("gone")
    assert (await live.close("decline")).reason == "busy"
    assert it.actions().count("session-terminate") == 1
    live.inform(payload())
    live.send_transport_info("voice", transport())
    assert it.actions()[-1] == "session-terminate"


async def test_a_reason_that_there_is_none_of(it: Stage) -> None:
    live = await it.initiated()
    with pytest.raises(LocalProtocolError):
        live.terminate("tired")
    with pytest.raises(LocalProtocolError):
        reason_of("tired")
    assert live.is_running


async def test_the_session_initiate_is_refused(it: Stage) -> None:
    live = await it.initiated()
    it.last(Action.SESSION_INITIATE).answer(SignallingError("service-unavailable", "nobody"))
    ending = await asyncio.wait_for(live.ended, 1)
    assert (ending.reason, ending.text, ending.by_peer) == ("gone", "nobody", True)
    assert it.actions() == ["session-initiate"]


async def test_nobody_acknowledges_the_session_initiate(it: Stage) -> None:
    live = await it.initiated()
    it.last(Action.SESSION_INITIATE).answer(SignallingError("timeout"))
    assert (await asyncio.wait_for(live.ended, 1)).reason == "timeout"


async def test_a_session_can_be_cancelled_while_it_closes(it: Stage) -> None:
    live = await connected(it)
    closing = asyncio.ensure_future(live.close())
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert (await asyncio.wait_for(live.ended, 1)).reason == "success"


# Parts that fail

FAILURES = [
    ("answer", ApplicationFailed("none", reason="incompatible-parameters"), "incompatible-parameters"),
    ("answer", RemoteProtocolError("nonsense"), "failed-application"),
    ("answer", KeyError("a bug"), "general-error"),
]


@pytest.mark.parametrize(("where", "error", "reason"), FAILURES)
async def test_an_offer_that_an_application_cannot_take(
    it: Stage, where: str, error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    it.broken[where] = error
    live = it.offered()
    seen: list[object] = []
    live.on_event = seen.append
    ending = await asyncio.wait_for(live.ended, 1)
    assert (ending.reason, live.failure) == (reason, error)
    assert terminated(it).condition.value == reason
    assert "a bug" not in (terminated(it).text or ""), "what went wrong in here is nobody else's business"
    assert seen == []


@pytest.mark.parametrize(
    ("where", "error", "reason"),
    [
        ("accepted", ApplicationFailed("none", reason="incompatible-parameters"), "incompatible-parameters"),
        ("start", MediaError("no such file"), "media-error"),
        ("start", ApplicationFailed("full"), "failed-application"),
        ("start", KeyError("a bug"), "general-error"),
    ],
)
async def test_an_application_that_fails(it: Stage, where: str, error: Exception, reason: str) -> None:
    it.broken[where] = error
    live = await it.initiated()
    it.accepted()
    it.transports[0].succeed()
    assert (await asyncio.wait_for(live.ended, 1)).reason == reason
    assert terminated(it).condition.value == reason
    assert live.failure is error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TransportFailed("no pair"), "connectivity-error"),
        (TransportFailed("no", reason="security-error"), "security-error"),
    ],
)
async def test_a_transport_that_does_not_connect(it: Stage, error: TransportFailed, reason: str) -> None:
    live = await it.initiated()
    it.accepted()
    it.transports[0].connecting.set_exception(error)
    assert (await asyncio.wait_for(live.ended, 1)).reason == reason
    assert live.failure is error


async def test_a_transport_that_fails_over_what_the_peer_says(it: Stage) -> None:
    FakeTransport.broken["accept"] = TransportFailed("no fingerprint", reason="security-error")
    live = it.offered()
    assert (await asyncio.wait_for(live.ended, 1)).reason == "security-error"


async def test_what_cannot_be_described_is_not_initiated(it: Stage) -> None:
    FakeTransport.broken["describe"] = TransportFailed("no network")
    with pytest.raises(TransportFailed):
        await it.initiated()
    assert it.actions() == []
    assert it.applications[0].described("stop") == [None]


async def test_something_that_cannot_be_freed_holds_nothing_else_up(
    it: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    it.broken["stop"] = OSError("a full disk")
    FakeTransport.broken["aclose"] = TransportFailed("stuck")
    live = await connected(it)
    it.receive(jingle(Action.SESSION_TERMINATE))
    await asyncio.wait_for(live.ended, 1)
    assert it.transports[0].closed
    assert "not freed" in caplog.text


# The end of the link, and what explains it


async def test_a_link_that_is_lost(it: Stage) -> None:
    live = await connected(it)
    link = it.transports[0].link
    assert link is not None
    failure = TransportFailed("no consent")
    link.lose(failure)
    ending = await asyncio.wait_for(live.ended, 1)
    assert (ending.reason, ending.text, live.failure) == ("connectivity-error", "no consent", failure)


async def test_a_link_that_we_closed(it: Stage) -> None:
    live = await connected(it)
    link = it.transports[0].link
    assert link is not None
    link.lose(None)
    await asyncio.sleep(0.1)
    assert live.is_running


@pytest.mark.parametrize("before", [True, False], ids=["while connecting", "connected"])
async def test_a_terminate_that_comes_behind_the_end_of_the_link(it: Stage, before: bool) -> None:
    live = await it.initiated()
    it.accepted()
    await settle()
    (way,) = it.transports
    if before:
        way.connecting.set_exception(TransportFailed("closed"))
    else:
        way.succeed()
        await live.connected
        assert way.link is not None
        way.link.lose(TransportFailed("closed"))
    await settle()
    it.receive(jingle(Action.SESSION_TERMINATE, reason=Reason(condition=ReasonCondition.DECLINE)))
    ending = await asyncio.wait_for(live.ended, 1)
    assert (ending.reason, ending.by_peer, live.failure) == ("decline", True, None)
    assert "session-terminate" not in it.actions()


@pytest.mark.parametrize("how", ["presence", "error"])
@pytest.mark.parametrize("is_alive", [True, False])
async def test_a_peer_that_no_stanza_reaches(it: Stage, how: str, is_alive: bool) -> None:
    """Its server says it is gone; whether it is, the media knows."""
    live = await connected(it)
    (way,) = it.transports
    assert way.link is not None
    way.link.is_alive = is_alive
    if how == "presence":
        it.binding.on_unavailable(PEER)
    else:
        live.inform(payload("mute"))
        it.last(Action.SESSION_INFO).answer(SignallingError("service-unavailable"))
    await settle()
    assert live.is_running is is_alive
    if not is_alive:
        assert (await asyncio.wait_for(live.ended, 1)).reason == "gone"


async def test_after_our_address_has_changed_nothing_is_said_in_its_name(it: Stage) -> None:
    live = await connected(it)
    before = it.actions()
    it.pump.moved("juliet@capulet.example/chamber")
    live.inform(payload("mute"))
    await settle()
    assert it.actions() == before
    assert live.is_running
    ending = await live.close("success")
    assert it.actions() == before
    assert ending.reason == "success"


# What the peer says on the way


async def test_transport_infos_before_the_accept(it: Stage) -> None:
    live = await it.initiated()
    it.last(Action.SESSION_INITIATE).answer(None)
    for number in range(3):
        it.receive(jingle(Action.TRANSPORT_INFO, named_with_transport(f"c{number}")))
    await settle()
    assert it.transports[0].informed == [transport(f"c{number}") for number in range(3)]
    assert not live.accepted.done()


def named_with_transport(detail: str, method: str = "stub", name: str = "voice") -> Content:
    return Content(creator=Role.INITIATOR, name=name, transport=transport(detail, method))


async def test_a_transport_info_that_cannot_be_used(it: Stage) -> None:
    live = await connected(it)
    FakeTransport.broken["info"] = RemoteProtocolError("no pwd")
    it.receive(jingle(Action.TRANSPORT_INFO, named_with_transport("c")))
    await settle()
    assert live.is_running
    FakeTransport.broken["info"] = TransportFailed("another fingerprint", reason="security-error")
    it.receive(jingle(Action.TRANSPORT_INFO, named_with_transport("c")))
    assert (await asyncio.wait_for(live.ended, 1)).reason == "security-error"


async def test_session_infos_reach_every_content(it: Stage) -> None:
    live = await connected(it, "voice", "music")
    assert it.receive(jingle(Action.SESSION_INFO, payloads=(payload("hold"),))).error is None
    await settle()
    assert [each.described("info") for each in it.applications] == [[payload("hold")], [payload("hold")]]
    it.applications[0].broken["info"] = RemoteProtocolError("nonsense")
    it.receive(jingle(Action.SESSION_INFO, payloads=(payload("mute"),)))
    await settle()
    assert live.is_running
    assert len(it.applications[1].described("info")) == 2


async def test_a_session_info_that_nobody_understands(it: Stage) -> None:
    """Not even that of another application, which we know (XEP-0166 section 6.8)."""
    live = await connected(it)
    error = it.receive(jingle(Action.SESSION_INFO, payloads=(Ringing(),))).error
    assert error is not None
    assert error.jingle == "unsupported-info"
    assert it.receive(jingle(Action.SESSION_INFO, payloads=(Ringing(), payload("hold")))).error is None
    assert live.is_running
    await settle()
    assert it.applications[0].described("info") == [payload("hold")]


async def test_a_description_info_is_advice(it: Stage) -> None:
    live = await connected(it)
    it.applications[0].broken["description-info"] = RemoteProtocolError("nonsense")
    advice = Content(creator=Role.INITIATOR, name="voice", description=description("advice"))
    it.receive(jingle(Action.DESCRIPTION_INFO, advice))
    await settle()
    assert it.applications[0].described("description-info") == [description("advice")]
    assert live.is_running


async def test_who_may_send(it: Stage) -> None:
    live = it.offered(content(senders=Senders.INITIATOR))
    await it.answered(live)
    assert it.applications[0].described("senders") == [Senders.INITIATOR]
    assert it.last(Action.SESSION_ACCEPT).jingle.contents[0].senders is Senders.INITIATOR
    it.answer_all()
    it.receive(jingle(Action.CONTENT_MODIFY, Content(creator=Role.INITIATOR, name="voice", senders=Senders.NONE)))
    await settle()
    assert it.applications[0].described("senders")[-1] is Senders.NONE


async def test_an_answer_narrows_who_sends(it: Stage) -> None:
    live = await it.initiated()
    it.last(Action.SESSION_INITIATE).answer(None)
    it.receive(jingle(Action.SESSION_ACCEPT, content(senders=Senders.RESPONDER)))
    await asyncio.wait_for(live.accepted, 1)
    assert it.applications[0].described("senders") == [Senders.RESPONDER]


async def test_more_contents_are_declined(it: Stage) -> None:
    live = await connected(it)
    it.answer_all()
    assert it.receive(jingle(Action.CONTENT_ADD, content("video", Role.RESPONDER))).error is None
    await settle()
    (rejected,) = it.last(Action.CONTENT_REJECT).jingle.contents
    assert rejected.name == "video"
    reason = it.last(Action.CONTENT_REJECT).jingle.reason
    assert reason is not None
    assert reason.condition is ReasonCondition.UNSUPPORTED_APPLICATIONS
    assert live.is_running


async def test_an_accept_that_redirects_is_taken(it: Stage) -> None:
    """XEP-0166 section 13.5: the responder goes on from another of its devices."""
    live = await it.initiated()
    it.last(Action.SESSION_INITIATE).answer(None)
    phone = PEER.replace("orchard", "phone")
    assert it.receive(jingle(Action.SESSION_ACCEPT, content(detail="theirs"), responder=phone)).error is None
    await asyncio.wait_for(live.accepted, 1)
    assert live.peer == phone
    live.send_transport_info("voice", transport("c"))
    it.transports[0].context.send_info(transport("d"))
    assert [sent.to for sent in it.binding.sent[-2:]] == [phone, phone]
    assert it.pump.is_engaged(phone)
    assert not it.pump.is_engaged(PEER)
    it.receive(jingle(Action.SESSION_TERMINATE), sender=phone)
    await asyncio.wait_for(live.ended, 1)


async def test_too_much_at_once(it: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    live = await connected(it)
    live._backlog = asyncio.Queue(maxsize=2)
    for _ in range(3):
        it.receive(jingle(Action.TRANSPORT_INFO, named_with_transport("c")))
    assert (await asyncio.wait_for(live.ended, 1)).reason == "general-error"


# Several contents


async def test_what_we_cannot_do_is_left_out(it: Stage) -> None:
    live = it.offered(content("file", app="unknown"), content("other", method="unknown"), content())
    await it.answered(live)
    assert [each.name for each in it.last(Action.SESSION_ACCEPT).jingle.contents] == ["voice"]
    it.transports[0].succeed()
    await asyncio.wait_for(live.connected, 1)


async def test_what_an_application_declines_is_left_out(it: Stage) -> None:
    live = it.offered(content("video"), content())
    it.applications[0].broken["answer"] = ApplicationFailed("no video", reason="unsupported-applications")
    await it.answered(live)
    assert [each.name for each in it.last(Action.SESSION_ACCEPT).jingle.contents] == ["voice"]
    assert it.applications[0].described("stop") == ["unsupported-applications"]
    assert set(live.gone) == {"video"}


@pytest.mark.parametrize(
    ("offer", "reason"),
    [(content(app="unknown"), "unsupported-applications"), (content(method="unknown"), "unsupported-transports")],
)
async def test_nothing_that_we_can_do(it: Stage, offer: Content, reason: str) -> None:
    live = it.offered(offer)
    assert it.sessions == []
    assert (await asyncio.wait_for(live.ended, 1)).reason == reason
    assert terminated(it).condition.value == reason


async def test_of_alternatives_the_first_that_we_can_do(it: Stage) -> None:
    live = it.offered(content(method="unknown"), content(detail="second"), content(detail="third"))
    await it.answered(live)
    assert [each.described("answer") for each in it.applications] == [[], [description("second")]]


async def test_a_session_is_connected_when_all_of_it_is(it: Stage) -> None:
    live = await it.initiated("voice", "music")
    it.accepted("voice", "music")
    await settle()
    it.transports[0].succeed()
    await settle()
    assert not live.connected.done()
    it.transports[1].succeed()
    await asyncio.wait_for(live.connected, 1)


async def test_what_the_peer_leaves_out_is_stopped_and_not_waited_for(it: Stage) -> None:
    live = await it.initiated("voice", "music")
    it.accepted("voice")
    await settle()
    assert set(live.contents) == {"voice"}
    assert it.applications[1].described("stop")
    assert it.transports[1].closed == 1
    it.transports[0].succeed()
    await asyncio.wait_for(live.connected, 1)


async def test_what_the_peer_removes_holds_the_rest_up_no_more(it: Stage) -> None:
    live = await it.initiated("voice", "music")
    it.accepted("voice", "music")
    await settle()
    it.transports[0].succeed()
    await settle()
    reason = Reason(condition=ReasonCondition.CANCEL)
    it.receive(jingle(Action.CONTENT_REMOVE, named("music"), reason=reason))
    await asyncio.wait_for(live.connected, 1)
    assert it.applications[1].described("stop") == ["cancel"]
    assert live.is_running


async def test_the_last_content_is_removed(it: Stage) -> None:
    live = await connected(it)
    it.answer_all()
    it.receive(jingle(Action.CONTENT_REMOVE, named()))
    await asyncio.wait_for(live.ended, 1)


async def test_one_content_is_finished_and_then_the_other(it: Stage) -> None:
    live = await connected(it, "voice", "music")
    it.answer_all()
    reason = Reason(condition=ReasonCondition.SUCCESS)
    live.finish("music", reason)
    await settle()
    assert it.actions() == ["content-remove"]
    assert it.transports[1].closed == 1
    it.answer_all()
    live.finish("voice", reason)
    assert it.actions() == ["session-terminate"]
    live.finish("voice", reason)


async def test_a_content_that_is_gone_says_nothing_more(it: Stage) -> None:
    live = await connected(it, "voice", "music")
    it.receive(jingle(Action.CONTENT_REMOVE, named("music")))
    await settle()
    it.answer_all()
    live.send_transport_info("music", transport("late"))
    it.receive(jingle(Action.TRANSPORT_INFO, named_with_transport("late", name="music")))
    await settle()
    assert "transport-info" not in it.actions()


# Another transport


async def test_a_transport_that_fails_is_replaced_by_the_initiator() -> None:
    async with stage([FakeTransport, OtherTransport]) as it:
        live = await it.initiated()
        it.accepted()
        await settle()
        it.transports[0].connecting.set_exception(TransportFailed("no pair"))
        await settle()
        replace = it.last(Action.TRANSPORT_REPLACE)
        replace.answer(None)
        it.receive(jingle(Action.TRANSPORT_ACCEPT, named_with_transport("theirs", "other")))
        await settle()
        assert it.transports[0].closed == 1
        it.transports[1].succeed()
        await asyncio.wait_for(live.connected, 1)
        assert live.contents["voice"].transport is it.transports[1]


async def test_nothing_is_left_to_try_when_the_replacement_is_rejected() -> None:
    async with stage([FakeTransport, OtherTransport]) as it:
        live = await it.initiated()
        it.accepted()
        await settle()
        it.transports[0].connecting.set_exception(TransportFailed("no pair"))
        await settle()
        it.answer_all()
        it.receive(jingle(Action.TRANSPORT_REJECT, named_with_transport("theirs", "other")))
        assert (await asyncio.wait_for(live.ended, 1)).reason == "connectivity-error"


async def test_a_responder_takes_the_replacement() -> None:
    async with stage([FakeTransport, OtherTransport]) as it:
        live = it.offered()
        await it.answered(live)
        it.answer_all()
        it.transports[0].connecting.set_exception(TransportFailed("no pair"))
        await settle()
        assert it.actions() == [], "the initiator comes first"
        it.receive(jingle(Action.TRANSPORT_REPLACE, named_with_transport("theirs", "other")))
        await settle()
        assert it.actions() == ["transport-accept"]
        it.transports[1].succeed()
        await asyncio.wait_for(live.connected, 1)


async def test_a_replacement_that_we_do_not_know(it: Stage) -> None:
    live = await connected(it)
    it.answer_all()
    it.receive(jingle(Action.TRANSPORT_REPLACE, named_with_transport("theirs", "unknown")))
    await settle()
    assert it.actions() == ["transport-reject"]
    assert live.is_running


async def test_the_responder_proposes_where_the_initiator_does_not() -> None:
    async with stage([FakeTransport, OtherTransport]) as it:
        live = it.offered()
        await it.answered(live)
        it.answer_all()
        it.transports[0].connecting.set_exception(TransportFailed("no pair"))
        await asyncio.sleep(0.1)
        assert it.actions() == ["transport-replace"]
        assert live.is_running
