"""QXmpp, and Kaidan on it."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from jingle.elements.core import Action
from jingle.elements.initiation import NS as NS_INITIATION
from jingle.elements.initiation import Finish, Proceed, Propose, Reject, Retract
from tests.client.far_end import PEER, FarEnd

from .stanzas import content, description, jingle, offer, propose, transport
from .steps import answer_in, answering, calling, dropped, on_the_phone, take_call

ACCOUNT = PEER.partition("/")[0]
OPUS = (
    "<payload-type id='98' name='OPUS' clockrate='48000' channels='2'/>"
    "<payload-type id='98' name='OPUS' clockrate='48000'/>"
)
PROPOSE = propose()


def assert_heard(us: FarEnd, *names: str) -> None:
    """Assert that these messages were sent, each as QXmpp wants it: it drops what is no chat, or not to be stored."""
    ours = [each for each in us.messages if each[0].tag.startswith(f"{{{NS_INITIATION}}}")]
    assert [each[0].tag.partition("}")[2] for each in ours if each.get("to") != "us@localhost"] == list(names)
    for each in ours:
        assert each.get("type") == "chat"
        assert each.find("{urn:xmpp:hints}store") is not None, each[0].tag


async def test_qxmpp_drops_messages_that_are_not_stored(us: FarEnd) -> None:
    await us.message(PROPOSE)
    accepting = await answering(us)
    await us.said(Proceed)
    assert await us.jingle(offer()) == []
    call = await asyncio.wait_for(accepting, 5)
    await call.hang_up()
    await us.said(Finish)
    assert_heard(us, "ringing", "proceed", "finish")


async def test_qxmpp_drops_rejections_that_are_not_stored(us: FarEnd) -> None:
    await us.message(PROPOSE)
    await (await us.offered()).decline()
    await us.said(Reject)
    assert_heard(us, "ringing", "reject")


async def test_qxmpp_drops_proposals_that_are_not_stored_and_compares_ids_as_uuids(us: FarEnd) -> None:
    task = calling(us, ACCOUNT)
    proposed = await us.said(Propose)
    assert str(uuid.UUID(proposed.id)) == proposed.id
    task.cancel()
    await us.said(Retract)
    assert_heard(us, "propose", "retract")
    await dropped(task)


async def test_qxmpp_drops_what_a_second_device_of_its_is_told_unless_it_is_stored(us: FarEnd) -> None:
    task = calling(us, ACCOUNT)
    proposed = await us.said(Propose)
    await us.message(f"<proceed xmlns='{NS_INITIATION}' id='{proposed.id}'/>")
    await us.said(Action.SESSION_INITIATE)
    await us.message(f"<proceed xmlns='{NS_INITIATION}' id='{proposed.id}'/>", sender=f"{ACCOUNT}/late")
    await us.said(Retract)
    assert_heard(us, "propose", "retract")
    await dropped(task)


async def test_qxmpp_compares_names_of_codecs_letter_by_letter(us: FarEnd) -> None:
    """It gets its own spelling back, and offers a number twice."""
    described, _ = answer_in(await take_call(us, offer(description(OPUS), transport())))
    assert [(each.id, each.name) for each in described.payload_types] == [(98, "OPUS")]


async def test_qxmpp_repeats_the_whole_content_when_it_trickles(us: FarEnd) -> None:
    assert await us.jingle(offer(description(OPUS), transport())) == []
    await (await us.offered()).accept()
    assert await us.jingle(jingle("transport-info", content(description(OPUS), transport()))) == []


async def test_qxmpp_ends_without_a_reason(us: FarEnd) -> None:
    assert await us.jingle(offer(description(OPUS), transport())) == []
    call = await (await us.offered()).accept()
    assert await us.jingle(jingle("session-terminate")) == []
    assert (await call.wait(5)).reason == "success"


@pytest.mark.parametrize("silent", [Action.SESSION_INFO, Action.TRANSPORT_INFO])
async def test_qxmpp_answers_neither_infos_nor_pings(us: FarEnd, silent: Action) -> None:
    call = await on_the_phone(us)
    us.refuse, us.refused = None, silent
    [(session, live)] = us.peer.pump.sessions.items()
    token: int | None = session.ping()
    if silent is Action.TRANSPORT_INFO:
        described = await live.contents["audio"].transport.describe()
        token = session.transport_info("audio", described)
    assert token is not None
    us.peer.pump.handle(session, session.take_events())
    session.timed_out(token)
    us.peer.pump.handle(session, session.take_events())
    assert call.ending is None
