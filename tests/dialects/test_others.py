"""Smack, iris (Psi), lib-jitsi-meet, slixmpp-jingle, Siproxylin, and gateways."""

from __future__ import annotations

import asyncio

import pytest

from jingle.elements.core import Action
from tests.client.far_end import FarEnd

from .stanzas import FINGERPRINT, HOST, OPUS, accepted, content, description, jingle, offer, transport
from .steps import WAIT, answer_in, calling, dropped, on_the_phone, outcome, take_call


async def test_smack_terminates_instead_of_an_acknowledgement(us: FarEnd) -> None:
    us.refuse = None
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    reason = "<reason><unsupported-applications/></reason>"
    assert await us.jingle(jingle("session-terminate", reason, sid=initiate.sid)) == []
    assert await outcome(task) == "unsupported-applications"


@pytest.mark.parametrize("condition", ["bancel", "whatever"])
async def test_slixmpp_jingle_misspells_a_reason(us: FarEnd, condition: str) -> None:
    assert await us.jingle(offer()) == []
    offered = await us.offered()
    assert await us.jingle(jingle("session-terminate", f"<reason><{condition}/></reason>")) == []
    assert (await asyncio.wait_for(asyncio.shield(offered.gone), 5))[0] == "general-error"


async def test_slixmpp_jingle_gives_all_candidates_one_id(us: FarEnd) -> None:
    candidates = "".join(f"<candidate {HOST.replace('40000', port)} id='md5'/>" for port in ("40000", "40002"))
    await take_call(us, offer(description(), transport(FINGERPRINT + candidates)))


async def test_siproxylin_sends_errors_without_a_condition(us: FarEnd) -> None:
    call = await on_the_phone(us)
    us.refuse = "<error type='cancel'/>"
    call.mute()
    await us.said(Action.SESSION_INFO)
    await asyncio.sleep(0.05)
    assert call.ending is None


async def test_lib_jitsi_meet_adds_to_sources_and_fingerprints(us: FarEnd) -> None:
    """Names and kinds of sources, groups of restrictions, a message of its own, a fingerprint that is required."""
    inside = (
        f"{OPUS}<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='7' name='a-1' videoType='camera'>"
        "<parameter name='msid' value='a b'/><ssrc-info xmlns='http://jitsi.org/jitmeet' owner='jvb'/></source>"
        "<rid-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='SIM'/>"
    )
    required = FINGERPRINT.replace(" setup=", " required='true' setup=")
    extra = "<json-message xmlns='http://jitsi.org/jitmeet'>{}</json-message>"
    xml = jingle("session-initiate", content(description(inside), transport(required)), extra)
    described, _ = answer_in(await take_call(us, xml))
    assert described.payload_types[0].id == 111


async def test_lib_jitsi_meet_writes_its_own_role_as_creator(us: FarEnd) -> None:
    """Whoever created it, a name that only one content has says which is meant."""
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    answer = accepted(initiate, attributes="creator='responder'")
    assert await us.jingle(answer) == []
    await asyncio.wait_for(task, WAIT)


async def test_iris_fails_at_candidates_without_credentials(us: FarEnd) -> None:
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    transports = [each.transport for each in initiate.contents]
    assert all(each.ufrag and each.pwd for each in transports if each.candidates)
    await dropped(task)


async def test_gateways_break_a_fingerprint_into_lines(us: FarEnd) -> None:
    value = ":\n  ".join(["ab"] * 32)
    broken = FINGERPRINT.replace(":".join(["AB"] * 32), f"\n  {value}\n")
    _, answered = answer_in(await take_call(us, offer(description(), transport(broken))))
    assert answered.fingerprints
