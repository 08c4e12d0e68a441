"""Dino 0.4 and later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jingle.elements.core import Action, Jingle, Senders
from jingle.elements.file_transfer import FileDescription
from jingle.elements.ice_udp import Setup
from jingle.elements.initiation import NS as NS_INITIATION
from jingle.elements.initiation import Proceed, Propose, Ringing
from tests.client.far_end import PEER, FarEnd

from .stanzas import (
    FINGERPRINT,
    HOST,
    OPUS,
    accepted,
    content,
    description,
    file,
    ibb,
    jingle,
    offer,
    propose,
    transport,
)
from .steps import WAIT, answer_in, answering, calling, dropped, on_the_phone, take_call

CRYPTO = (
    "<encryption><crypto crypto-suite='AES_CM_128_HMAC_SHA1_80' "
    "key-params='inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz' tag='1'/></encryption>"
)
ACCOUNT = PEER.partition("/")[0]


async def test_dino_proposes_without_hints_and_tells_its_own_devices(us: FarEnd) -> None:
    """No `<store/>`, no receipt, and the abolished `<accept/>` goes to its own bare JID."""
    await us.message(propose())
    await us.said(Ringing)
    accepting = await answering(us)
    await us.said(Proceed)
    assert [each.get("to") for each in us.messages if each[0].tag.endswith("}proceed")] == [PEER]
    assert await us.jingle(offer(attributes=f"initiator='{PEER}'")) == []
    await us.said(Action.SESSION_ACCEPT)
    await accepting


async def test_dino_proceeds_with_a_device_of_omemo_and_then_accepts(us: FarEnd) -> None:
    """And its session-accept names no responder."""
    task = calling(us, ACCOUNT)
    propose = await us.said(Propose)
    device = "<device xmlns='http://gultsch.de/xmpp/drafts/omemo/dlts-srtp-verification' id='7'/>"
    await us.message(f"<proceed xmlns='{NS_INITIATION}' id='{propose.id}'>{device}</proceed>")
    initiate = await us.said(Action.SESSION_INITIATE)
    assert initiate.sid == propose.id
    assert await us.jingle(accepted(initiate)) == []
    call = await asyncio.wait_for(task, WAIT)
    assert call is not None


async def test_dino_is_answered_with_setup_active_and_without_its_keys(us: FarEnd) -> None:
    """With `passive` its handshake hangs; with SDES keys in the answer it encrypts twice."""
    described, answered = answer_in(await take_call(us, offer(description(CRYPTO + OPUS), transport())))
    assert described.encryption is None
    assert [each.setup for each in answered.fingerprints] == [Setup.ACTIVE]
    assert [each.hash for each in answered.fingerprints] == ["sha-256"], "it knows no other"


async def test_dino_offers_a_component_of_its_own_for_rtcp_and_scoped_addresses(us: FarEnd) -> None:
    second = HOST.replace("component='1'", "component='2'")
    scoped = HOST.replace("127.0.0.1", "fe80::1%eth0")
    candidates = "".join(f"<candidate {each} generation='0' id='c' network='0'/>" for each in (HOST, second, scoped))
    described, answered = answer_in(await take_call(us, offer(description(), transport(FINGERPRINT + candidates))))
    assert described.rtcp_mux
    assert {each.component for each in answered.candidates} == {1}


async def test_dino_answers_with_one_codec_only(us: FarEnd) -> None:
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    pcma = description("<payload-type id='8' name='PCMA' clockrate='8000' channels='1'/>")
    answer = accepted(initiate, pcma, transport(FINGERPRINT.replace("actpass", "active")))
    assert await us.jingle(answer) == []
    await asyncio.wait_for(task, WAIT)


async def test_dino_refuses_a_content_in_which_nobody_sends(us: FarEnd) -> None:
    """`senders='none'` is a bad-request to it, and so is the whole session-accept."""
    pictures = description("<payload-type id='99' name='VP9' clockrate='90000'/>", media="video")
    us.refuse = "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    us.refused = Action.SESSION_ACCEPT
    both = content(description(), transport()), content(pictures, transport(), name="video")
    assert await us.jingle(jingle("session-initiate", *both)) == []
    answer = await answering(us)
    refused = await us.said(Action.SESSION_ACCEPT)
    us.refuse = ""
    again = await us.said(Action.SESSION_ACCEPT, count=2)
    assert [each.senders for each in refused.contents] == [Senders.BOTH, Senders.NONE]
    assert [each.senders for each in again.contents] == [Senders.BOTH, Senders.INITIATOR]
    assert again.contents[1].description == refused.contents[1].description
    call = await asyncio.wait_for(answer, WAIT)
    assert (call.media, call.ending) == (("audio",), None)


@pytest.mark.parametrize(
    ("said", "meant"),
    [("failed_transport", "failed-transport"), ("failed_application", "failed-application"), ("cancel", "cancel")],
)
async def test_dino_writes_reasons_with_an_underscore(us: FarEnd, said: str, meant: str) -> None:
    assert await us.jingle(offer()) == []
    offered = await us.offered()
    assert await us.jingle(jingle("session-terminate", f"<reason><{said}/></reason>")) == []
    assert (await asyncio.wait_for(asyncio.shield(offered.gone), 5))[0] == meant


async def test_dino_offers_files_with_name_and_size_alone(us: FarEnd, tmp_path: Path) -> None:
    """No hash, no date, no range; and it never ends what it receives in-band."""
    assert await us.jingle(offer(file("<name>small.txt</name><size>13</size>"), ibb())) == []
    accepting = await answering(us, tmp_path)
    accept: Jingle = await us.said(Action.SESSION_ACCEPT)
    [one] = accept.contents
    assert isinstance(one.description, FileDescription)
    assert one.description.file is not None
    assert one.description.file.range is None, "it would not look at one"
    await dropped(accepting)


async def test_dino_says_modify_where_it_means_out_of_order(us: FarEnd) -> None:
    """An error of ours ends nothing by its type: only what it says counts."""
    call = await on_the_phone(us)
    us.refuse = (
        "<error type='modify'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<out-of-order xmlns='urn:xmpp:jingle:errors:1'/></error>"
    )
    call.mute()
    await us.said(Action.SESSION_INFO)
    await asyncio.sleep(0.05)
    assert call.ending is None


async def test_dino_knows_no_content_remove(us: FarEnd) -> None:
    """`feature-not-implemented` to anything but the session's beginning changes nothing."""
    call = await on_the_phone(us)
    us.refuse = "<error type='cancel'><feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    call.hold()
    await us.said(Action.SESSION_INFO)
    await asyncio.sleep(0.05)
    assert call.ending is None
