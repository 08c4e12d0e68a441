"""Monal, whose SDP goes through a program of its own."""

from __future__ import annotations

import asyncio

from jingle.elements.core import Action
from jingle.elements.ice_udp import IceUdpTransport
from jingle.elements.initiation import NS as NS_INITIATION
from jingle.elements.initiation import Finish, Proceed, Propose, Ringing
from tests.client.far_end import PEER, FarEnd

from .stanzas import FINGERPRINT, HOST, accepted, content, description, jingle, offer, propose, transport
from .steps import WAIT, answer_in, answering, calling, dropped, on_the_phone, take_call

ACCOUNT = PEER.partition("/")[0]
OPUS = (
    "<payload-type id='111' name='opus' clockrate='48000' channels='2'>"
    "<parameter name='minptime' value='10'/><parameter name='useinbandfec' value='true'/></payload-type>"
)
PCMA = "<payload-type id='8' name='PCMA' clockrate='8000'/>"


async def test_monal_writes_the_transport_first_and_a_flag_in_the_wrong_place(us: FarEnd) -> None:
    """`<extmap-allow-mixed/>` stands in the namespace of the description."""
    parts = (transport(), description(f"<extmap-allow-mixed/>{OPUS}"))
    described, _ = answer_in(await take_call(us, jingle("session-initiate", content(*parts))))
    assert [each.id for each in described.payload_types][:1] == [111]


async def test_monals_order_of_codecs_means_nothing(us: FarEnd) -> None:
    """It comes out of a hash map, where key presses may come first: then what we like best is taken."""
    keys = "<payload-type id='110' name='telephone-event' clockrate='8000'/>"
    described, _ = answer_in(await take_call(us, offer(description(keys + PCMA + OPUS), transport())))
    assert described.payload_types[0].name == "opus"


async def test_monal_writes_rel_port_with_an_underscore(us: FarEnd) -> None:
    reflexive = HOST.replace("'host'", "'srflx'") + " rel-addr='127.0.0.1' rel_port='40001' generation='0' id='7'"
    await take_call(us, offer(description(), transport(f"{FINGERPRINT}<candidate {reflexive}/>")))


async def test_monal_demands_all_of_a_candidate_and_the_credentials_each_time(us: FarEnd) -> None:
    """It refuses one without generation or id, and any over TCP; a transport-info without ufrag and pwd likewise."""
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    said = [content for each in us.ours for content in each.contents]  # type: ignore[union-attr]
    assert said
    for one in said:
        assert isinstance(one.transport, IceUdpTransport)
        assert one.transport.ufrag
        assert one.transport.pwd
        assert one.transport.candidates
        for candidate in one.transport.candidates:
            assert candidate.id
            assert candidate.generation is not None
            assert candidate.protocol == "udp"
    assert initiate.contents[0].transport is said[0].transport
    await dropped(task)


async def test_monal_wants_a_proposal_first_and_all_media_in_it(us: FarEnd) -> None:
    us.wire.receive(f"<presence from='{PEER}'/>")
    task = calling(us, ACCOUNT)
    proposed = await us.said(Propose)
    assert not any(isinstance(each, Action) for each in us.ours)
    assert [getattr(each, "media", "") for each in proposed.descriptions] == ["audio"]
    await us.message(f"<proceed xmlns='{NS_INITIATION}' id='{proposed.id}'/>")
    initiate = await us.said(Action.SESSION_INITIATE)
    assert [getattr(each.description, "media", "") for each in initiate.contents] == ["audio"]
    await dropped(task)


async def test_monal_terminates_and_finishes(us: FarEnd) -> None:
    """Whichever comes first ends the call, and the other one is no error."""
    await us.message(propose())
    await us.said(Ringing)
    accepting = await answering(us)
    await us.said(Proceed)
    assert await us.jingle(offer()) == []
    call = await asyncio.wait_for(accepting, 5)
    reason = "<reason xmlns='urn:xmpp:jingle:1'><success/></reason>"
    await us.message(f"<finish xmlns='{NS_INITIATION}' id='s1'>{reason}</finish>")
    assert await us.jingle(jingle("session-terminate", reason)) == []
    ending = await call.wait(5)
    assert ending.reason == "success"
    assert len(us.told("ended")) == 1
    await us.said(Finish)


async def test_monal_says_nothing_to_what_it_does_not_know(us: FarEnd) -> None:
    """A session-info that nobody answers changes nothing."""
    call = await on_the_phone(us)
    us.refuse = None
    call.mute()
    await us.said(Action.SESSION_INFO)
    session = next(iter(us.peer.pump.sessions))
    session.timed_out(max(session._requests))
    us.peer.pump.handle(session, session.take_events())
    assert call.ending is None


async def test_monal_answers_candidates_with_not_authorized(us: FarEnd) -> None:
    """Which is no reason to end a call that may connect all the same."""
    us.refuse = "<error type='auth'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    us.refused = Action.TRANSPORT_INFO
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    [live] = us.peer.pump.sessions.values()
    live.send_transport_info("audio", initiate.contents[0].transport)
    await us.said(Action.TRANSPORT_INFO)
    assert await us.jingle(accepted(initiate)) == []
    call = await asyncio.wait_for(task, WAIT)
    assert call.ending is None


async def test_monal_says_where_a_call_migrated_to_in_the_namespace_of_jingle(us: FarEnd) -> None:
    await us.message(propose())
    accepting = await answering(us)
    await us.said(Proceed)
    assert await us.jingle(offer()) == []
    call = await asyncio.wait_for(accepting, 5)
    migrated = "<reason xmlns='urn:xmpp:jingle:1'><expired/></reason><migrated xmlns='urn:xmpp:jingle:1' to='s2'/>"
    await us.message(f"<finish xmlns='{NS_INITIATION}' id='s1'>{migrated}</finish>")
    ending = await call.wait(5)
    assert ending is not None
