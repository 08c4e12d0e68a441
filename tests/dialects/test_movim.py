"""Movim, whose SDP goes through a program of its own in the server."""

from __future__ import annotations

import asyncio

import pytest

from jingle.elements.core import Action
from jingle.elements.initiation import Ringing
from tests.client.far_end import PEER, US, FarEnd

from .stanzas import FINGERPRINT, HOST, OPUS, accepted, description, jingle, offer, propose, transport
from .steps import WAIT, answer_in, calling, take_call

ACCOUNT = PEER.partition("/")[0]


@pytest.mark.parametrize("initiator", [ACCOUNT, US, "somebody@example.org/else"])
async def test_movim_names_the_wrong_initiator(us: FarEnd, initiator: str) -> None:
    """Its own account without a resource, or whoever: who sent the stanza is who counts."""
    assert await us.jingle(offer(attributes=f"initiator='{initiator}'")) == []
    offered = await us.offered()
    assert offered.peer == PEER
    await offered.decline()
    await us.said(Action.SESSION_TERMINATE)
    assert us.stanzas[-1].get("to") == PEER


async def test_movim_names_the_other_side_as_responder(us: FarEnd) -> None:
    """In its session-accept and in transport-infos."""
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    answer = accepted(initiate).replace("<jingle ", f"<jingle initiator='{ACCOUNT}' responder='{US}' ", 1)
    assert await us.jingle(answer) == []
    call = await asyncio.wait_for(task, WAIT)
    assert call.peer == PEER


async def test_movim_puts_things_where_they_do_not_belong(us: FarEnd) -> None:
    """Lengths of packets on the description, a bandwidth in an attribute, an id beside an interval, costs of ways."""
    interval = "<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' id='111' value='100'/>"
    codec = OPUS.replace("/>", f">{interval}</payload-type>")
    whole = description(f"{codec}<bandwidth type='AS' value='64'/>", attributes="ptime='20' maxptime='60'")
    candidate = f"<candidate {HOST} generation='0' network-id='1' network-cost='10'/>"
    described, _ = answer_in(await take_call(us, offer(whole, transport(FINGERPRINT + candidate))))
    assert described.payload_types[0].name == "opus"


async def test_movim_loses_the_setup_of_a_fingerprint_of_the_whole_session(us: FarEnd) -> None:
    without = FINGERPRINT.replace(" setup='actpass'", "")
    _, answered = answer_in(await take_call(us, offer(description(), transport(without))))
    assert answered.fingerprints[0].setup is not None


async def test_movim_proposes_without_hints(us: FarEnd) -> None:
    await us.message(propose())
    await us.said(Ringing)


async def test_movim_repeats_its_initiator_in_every_action(us: FarEnd) -> None:
    assert await us.jingle(offer(attributes=f"initiator='{ACCOUNT}'")) == []
    await (await us.offered()).accept()
    info = jingle(
        "session-info",
        "<mute xmlns='urn:xmpp:jingle:apps:rtp:info:1' name='audio'/>",
        attributes=f"initiator='{ACCOUNT}'",
    )
    assert await us.jingle(info) == []
    ended = jingle(
        "session-terminate", "<reason><success/></reason>", attributes=f"initiator='{ACCOUNT}' responder='{ACCOUNT}'"
    )
    assert await us.jingle(ended) == []
