"""Gajim 1.7, and older ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jingle.elements.core import Action, ReasonCondition
from jingle.elements.file_transfer import FileDescription
from tests.client.far_end import FarEnd

from .stanzas import (
    FEATURES,
    FINGERPRINT,
    HOST,
    IBB,
    accepted,
    content,
    description,
    file,
    ibb,
    jingle,
    offer,
    transport,
)
from .steps import WAIT, answer_in, answering, calling, dropped, outcome, sending, take_call, taking

OPUS = "<payload-type name='OPUS' id='96' clockrate='48000'/>"
BLAKE = f"<hash xmlns='urn:xmpp:hashes:2' algo='blake2b-512'>{'A' * 86}==</hash>"


async def test_gajim_writes_opus_in_capitals_and_without_channels(us: FarEnd) -> None:
    described, _ = answer_in(await take_call(us, offer(description(OPUS), transport())))
    assert [(each.id, each.name, each.channels) for each in described.payload_types] == [(96, "OPUS", None)]


async def test_gajim_calls_without_encryption(us: FarEnd) -> None:
    """Plain RTP, no rtcp-mux: refused with words, not with silence."""
    plain = description(OPUS).replace("<rtcp-mux/>", "")
    assert await us.jingle(offer(plain, transport(""))) == []
    terminate = await us.said(Action.SESSION_TERMINATE)
    assert terminate.reason is not None
    assert terminate.reason.condition in (ReasonCondition.SECURITY_ERROR, ReasonCondition.INCOMPATIBLE_PARAMETERS)


async def test_gajims_candidates_share_a_foundation_and_some_have_no_port(us: FarEnd) -> None:
    tcp = HOST.replace("40000", "0").replace("udp", "tcp") + " tcptype='active'"
    candidates = f"<candidate {HOST} id='1'/><candidate {tcp} id='2'/><candidate {HOST.replace('40000', '40002')}/>"
    await take_call(us, offer(description(OPUS), transport(FINGERPRINT + candidates)))


async def test_gajim_describes_again_behind_its_accept(us: FarEnd) -> None:
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    answer = accepted(initiate)
    assert await us.jingle(answer) == []
    again = jingle("description-info", content(description(OPUS)), sid=initiate.sid)
    assert await us.jingle(again) == []
    call = await asyncio.wait_for(task, WAIT)
    assert call.ending is None


async def test_gajim_misspells_a_tie(us: FarEnd) -> None:
    """`<tiebreak/>` beside `conflict` ends our attempt as a tie does."""
    us.refuse = (
        "<error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<tiebreak xmlns='urn:xmpp:jingle:errors:1'/></error>"
    )
    task = calling(us)
    assert await outcome(task) == "alternative-session"


async def test_gajim_accepts_files_as_if_both_sent(us: FarEnd, tmp_path: Path) -> None:
    us.features = FEATURES - {"urn:xmpp:jingle:transports:s5b:1"}
    (tmp_path / "a.txt").write_text("abc")
    task = sending(us, tmp_path / "a.txt")
    initiate = await us.said(Action.SESSION_INITIATE)
    offered = initiate.contents[0].description
    assert isinstance(offered, FileDescription)
    stream = initiate.contents[0].transport
    accept = accepted(initiate, file(), ibb(stream.sid, 4096), attributes="creator='initiator' senders='both'")
    assert await us.jingle(accept) == []
    await asyncio.wait_for(task, WAIT)


async def test_gajims_files_have_an_odd_date_an_empty_description_and_a_rare_hash(us: FarEnd, tmp_path: Path) -> None:
    inside = f"<date>2026-11-23T20:00:00+00:00Z</date><desc/><name>a.txt</name><size>3</size>{BLAKE}"
    assert await us.jingle(offer(file(inside), ibb(), attributes="")) == []
    offered = await us.offered()
    assert (offered.name, offered.size, offered.description) == ("a.txt", 3, None)
    accepting = taking(offered, tmp_path)
    await us.said(Action.SESSION_ACCEPT)
    await dropped(accepting)


async def test_gajim_falls_silent_after_it_has_acknowledged_a_file(us: FarEnd, tmp_path: Path) -> None:
    us.features = FEATURES
    (tmp_path / "a.txt").write_text("abc")
    task = sending(us, tmp_path / "a.txt", accept_timeout=0.1)
    assert await outcome(task) == "timeout"
    await us.said(Action.SESSION_TERMINATE)


async def test_gajims_fallback_calls_its_stream_none(us: FarEnd, tmp_path: Path) -> None:
    s5b = "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' sid='first'/>"
    assert await us.jingle(offer(file(), s5b)) == []
    accepting = await answering(us, tmp_path)
    us.is_reachable = False
    await us.said(Action.SESSION_ACCEPT)
    replacing = jingle("transport-replace", content(f"<transport xmlns='{IBB}' sid='None' block-size='4096'/>"))
    assert await us.jingle(replacing) == []
    accept = await us.said(Action.TRANSPORT_ACCEPT)
    assert accept.contents[0].transport.sid == "None"
    await dropped(accepting)
