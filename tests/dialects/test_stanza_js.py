"""stanza.js 12, in a browser; `tests/interop` runs it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from jingle.elements.core import Action
from jingle.elements.file_transfer import FileDescription, Received
from jingle.elements.ice_udp import IceUdpTransport
from jingle.elements.rtp import RtpDescription
from tests.client.far_end import FarEnd

from .stanzas import (
    FEATURES,
    FINGERPRINT,
    HOST,
    OPUS,
    accepted,
    content,
    description,
    file,
    jingle,
    offer,
    transport,
)
from .steps import WAIT, answer_in, answering, calling, dropped, sending, take_call

CHANNEL = "<sctpmap xmlns='urn:xmpp:jingle:transports:dtls-sctp:1' number='5000' protocol='webrtc-datachannel'/>"


async def test_stanza_js_trickles_with_ufrag_and_without_pwd(us: FarEnd) -> None:
    """One candidate at a time, without id or generation, and for the first content of a bundle alone."""
    assert await us.jingle(offer()) == []
    offered = await us.offered()
    odd = HOST.replace("'host'", "'relay'") + " rel-addr='0.0.0.0'"
    tcp = HOST.replace("40000", "9").replace("udp", "tcp") + " tcptype='active'"
    hidden = HOST.replace("127.0.0.1", "6ba7b810-9dad-11d1-80b4-00c04fd430c8.local")
    for candidate in (HOST, odd, tcp, hidden):
        info = content(transport(f"<candidate {candidate}/>", attributes="ufrag='peer'"))
        assert await us.jingle(jingle("transport-info", info)) == []
    await offered.accept()
    info = content(transport("<gathering-complete/>", attributes="ufrag='peer'"))
    assert await us.jingle(jingle("transport-info", info)) == []


async def test_stanza_js_trickles_before_it_has_accepted(us: FarEnd) -> None:
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    name = initiate.contents[0].name
    for inside in (f"<candidate {HOST}/>", "<gathering-complete/>"):
        early = content(transport(inside, attributes="ufrag='peer'"), name=name)
        assert await us.jingle(jingle("transport-info", early, sid=initiate.sid)) == []
    assert await us.jingle(accepted(initiate)) == []
    await asyncio.wait_for(task, WAIT)


async def test_stanza_js_describes_in_namespaces_of_its_own(us: FarEnd) -> None:
    """A stream, a reduced size, RED's two codecs as the name of a parameter, one channel written out."""
    inside = (
        "<rtcp-reduced-size/><payload-type id='63' name='red' clockrate='48000' channels='2'>"
        f"<parameter name='111/111'/></payload-type>{OPUS}"
        "<payload-type id='0' name='PCMU' clockrate='8000' channels='1'/>"
        "<stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' id='s' track='t'/>"
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='7'><parameter name='cname' value='c'/></source>"
    )
    described, _ = answer_in(await take_call(us, offer(description(inside, attributes="ssrc='7'"), transport())))
    assert described.payload_types[0].id == 111


async def test_stanza_js_needs_rtcp_mux_setup_and_clock_rates(us: FarEnd) -> None:
    """Without one of them it fails in itself."""
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    for each in initiate.contents:
        assert isinstance(each.description, RtpDescription)
        assert each.description.rtcp_mux
        assert all(payload.clockrate for payload in each.description.payload_types)
        assert isinstance(each.transport, IceUdpTransport)
        assert all(fingerprint.setup for fingerprint in each.transport.fingerprints)
    await dropped(task)


async def test_stanza_js_blocks_on_candidates_for_a_session_that_it_does_not_know_yet(us: FarEnd) -> None:
    """Until it has acknowledged the offer, none is sent."""
    us.refuse = None
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    [live] = us.peer.pump.sessions.values()
    live.send_transport_info("audio", initiate.contents[0].transport)
    await asyncio.sleep(0.1)
    assert [each for each in us.ours if getattr(each, "action", None) is Action.TRANSPORT_INFO] == []
    us.refuse = ""
    us.reply(us.stanzas[0])
    await us.said(Action.TRANSPORT_INFO)
    await dropped(task)


async def test_stanza_js_never_answers_an_offer_without_a_hash_that_it_knows(us: FarEnd, tmp_path: Path) -> None:
    us.features = FEATURES | {"urn:xmpp:jingle:transports:dtls-sctp:1"}
    (tmp_path / "a.txt").write_text("abc")
    task = sending(us, tmp_path / "a.txt")
    initiate = await us.said(Action.SESSION_INITIATE)
    described = initiate.contents[0].description
    assert isinstance(described, FileDescription)
    assert described.file is not None
    told = [*(each.algo for each in described.file.hashes), *(each.algo for each in described.file.hashes_used)]
    assert told[0] in ("md5", "sha-1", "sha-256", "sha-512")
    await dropped(task)


async def test_stanza_js_accepts_files_without_a_description(us: FarEnd, tmp_path: Path) -> None:
    us.features = {"urn:xmpp:jingle:transports:dtls-sctp:1", *FEATURES} - {
        "urn:xmpp:jingle:transports:s5b:1",
        "urn:xmpp:jingle:transports:ibb:1",
    }
    (tmp_path / "a.txt").write_text("abc")
    task = sending(us, tmp_path / "a.txt")
    initiate = await us.said(Action.SESSION_INITIATE)
    answer = transport(FINGERPRINT.replace("actpass", "active") + CHANNEL)
    assert await us.jingle(accepted(initiate, answer)) == []
    await asyncio.wait_for(task, WAIT)


async def test_stanza_js_blocks_on_received(us: FarEnd, tmp_path: Path) -> None:
    """As a sender it knows no `<received/>`: the end of the session says the same."""
    assert await us.jingle(offer(file(), transport(FINGERPRINT + CHANNEL))) == []
    accepting = await answering(us, tmp_path)
    await us.said(Action.SESSION_ACCEPT)
    stream = await asyncio.wait_for(us.streams.get(), 5)
    await stream.send(b"abc")
    await us.said(Action.SESSION_TERMINATE)
    await accepting
    assert not any(isinstance(payload, Received) for each in us.ours for payload in getattr(each, "payloads", ()))
