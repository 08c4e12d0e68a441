"""Conversations, up to 2.12 and since 2.13."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jingle import TestCard
from jingle.elements.core import Action, Jingle
from jingle.elements.ice_udp import IceUdpTransport, Setup
from jingle.elements.initiation import NS as NS_INITIATION
from jingle.elements.initiation import Propose, Reject, Ringing
from jingle.elements.rtp import RtpDescription
from tests.client.far_end import PEER, FarEnd

from .stanzas import FEATURES, HOST, content, description, file, ibb, jingle, offer, transport
from .steps import WAIT, answer_in, calling, dropped, on_the_phone, sending, take_call

SID = "k3mXx1/yQ+9gT0aZ=="
"""Sixteen bytes in base64, as it makes them."""

ACCOUNT = PEER.partition("/")[0]
RECEIPT = "urn:xmpp:receipts"
OPTIONS = "http://gultsch.de/xmpp/drafts/jingle/transports/ice-udp/option"
EXTENSION = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"


async def test_conversations_leaves_out_what_has_a_default(us: FarEnd) -> None:
    """No initiator, no senders, no candidate, and base64 for an id."""
    bare = content(description(), transport(), attributes="creator='initiator'")
    accept = await take_call(us, jingle("session-initiate", bare, sid=SID))
    assert accept.sid == SID
    assert accept.contents[0].senders is None or accept.contents[0].senders.value == "both"


async def test_conversations_takes_ringing_from_a_receipt(us: FarEnd) -> None:
    """It asks for one with its proposal; since 2.13 it reads `<ringing/>` too, where that goes to its full JID."""
    asks = f"<propose xmlns='{NS_INITIATION}' id='{SID}'>{description('')}</propose><request xmlns='{RECEIPT}'/>"
    await us.message(asks, head=f"type='chat' id='jm-propose-{SID}'")
    await us.said(Ringing)
    await asyncio.sleep(0)
    assert us.stanzas[-1].get("to") == PEER
    receipts = [each for each in us.messages if each.find(f"{{{RECEIPT}}}received") is not None]
    assert [(each.get("to"), each[0].get("id")) for each in receipts] == [(PEER, f"jm-propose-{SID}")]


async def test_a_receipt_of_conversations_means_that_it_rings(us: FarEnd) -> None:
    task = calling(us, ACCOUNT)
    propose = await us.said(Propose)
    sent = us.stanzas[-1]
    assert sent.get("id") == f"jm-propose-{propose.id}"
    assert sent.find(f"{{{RECEIPT}}}request") is not None
    await us.message(f"<received xmlns='{RECEIPT}' id='jm-propose-{propose.id}'/>")
    for _ in range(100):
        if us.told("ringing"):
            break
        await asyncio.sleep(0.01)
    assert us.told("ringing") == [{"peer": PEER, "sid": propose.id}]
    await dropped(task)


async def test_conversations_is_rejected_at_its_full_jid(us: FarEnd) -> None:
    await us.message(f"<propose xmlns='{NS_INITIATION}' id='{SID}'>{description('')}</propose>")
    await (await us.offered()).decline()
    await us.said(Reject)
    assert us.stanzas[-1].get("to") == PEER


async def test_conversations_demands_fingerprint_and_actpass_on_every_content(us: FarEnd) -> None:
    """Anything else is a `security-error` to it."""
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    for each in initiate.contents:
        assert isinstance(each.transport, IceUdpTransport)
        [fingerprint] = each.transport.fingerprints
        assert (fingerprint.hash, fingerprint.setup) == ("sha-256", Setup.ACTPASS)
        assert len(fingerprint.value.split(":")) == 32
        assert " " not in each.name, "2.13 fails at those"
    await dropped(task)


async def test_conversations_ends_a_call_at_any_error(us: FarEnd) -> None:
    """So nothing that can be left aside gets one."""
    await take_call_and_stay(us)
    stray = content(transport(f"<candidate {HOST}/>"), name="another")
    for action, inside in (
        ("transport-info", stray),
        ("transport-info", content(transport(f"<candidate {HOST.replace('udp', 'ssltcp')}/>"))),
        ("description-info", content(description())),
        ("security-info", content()),
        ("session-info", ""),
    ):
        assert await us.jingle(jingle(action, inside)) == [], action


@pytest.mark.parametrize("name", ["checksum", "received"])
async def test_conversations_gets_no_error_for_what_crosses_the_end(us: FarEnd, name: str) -> None:
    """It would show a transfer as failed that worked (issue 3786 there)."""
    assert await us.jingle(offer(file(), ibb())) == []
    assert await us.jingle(jingle("session-terminate", "<reason><success/></reason>")) == []
    late = f"<{name} xmlns='urn:xmpp:jingle:apps:file-transfer:5' name='audio'><file/></{name}>"
    assert await us.jingle(jingle("session-info", late)) == []
    assert await us.jingle(jingle("session-terminate", "<reason><success/></reason>")) == []


async def test_conversations_takes_no_answer_but_to_all_that_it_offered(us: FarEnd) -> None:
    """A program that wants the sound alone leaves the pictures in the session."""
    pictures = description("<payload-type id='96' name='VP8' clockrate='90000'/>", media="video")
    both = content(description(), transport(), name="0"), content(pictures, transport(), name="1")
    assert await us.jingle(jingle("session-initiate", *both)) == []
    async with (await us.offered()).accept(media=("audio",)) as call:
        accept = await us.said(Action.SESSION_ACCEPT)
        assert [(each.name, each.description.media) for each in accept.contents] == [("0", "audio"), ("1", "video")]
        assert call.media == ("audio",)


@pytest.mark.parametrize("medium", ["audio", "video"])
async def test_conversations_wants_in_the_session_what_was_proposed(us: FarEnd, medium: str) -> None:
    """No more and no less: otherwise it ends the call."""
    shown = TestCard() if medium == "video" else None
    task = asyncio.ensure_future(_called(us, shown))
    proposed = await us.said(Propose)
    await us.message(f"<proceed xmlns='{NS_INITIATION}' id='{proposed.id}'/>")
    initiate = await us.said(Action.SESSION_INITIATE)
    media = [each.media for each in proposed.descriptions]
    assert [each.description.media for each in initiate.contents] == media
    assert media == (["audio", "video"] if shown else ["audio"])
    await dropped(task)


async def _called(us: FarEnd, video: TestCard | None) -> None:
    await us.peer.call(ACCOUNT, video=video)


async def test_conversations_widens_an_addition_before_it_accepts_it(us: FarEnd) -> None:
    """Since 2.13: a content-modify comes first, and only behind its result the content-accept."""
    call = await on_the_phone(us)
    adding = asyncio.ensure_future(call.add_video(TestCard(), receive=False))
    added = await us.said(Action.CONTENT_ADD)
    [one] = added.contents
    head = f"creator='{one.creator.value}' senders='both'"
    modify = jingle("content-modify", content(name=one.name, attributes=head), sid=added.sid)
    assert await us.jingle(modify) == []
    kinds = "".join(
        f"<payload-type id='{each.id}' name='{each.name}' clockrate='{each.clockrate}'/>"
        for each in one.description.payload_types[:1]
    )
    answer = content(description(kinds, media="video"), transport(""), name=one.name, attributes=head)
    assert await us.jingle(jingle("content-accept", answer, sid=added.sid)) == []
    await asyncio.wait_for(adding, WAIT)
    assert call.media == ("audio", "video")


async def test_conversations_writes_the_direction_behind_the_id_of_an_extension(us: FarEnd) -> None:
    inside = f"<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1/sendonly' uri='{EXTENSION}'/>"
    plain = "<payload-type id='111' name='opus' clockrate='48000' channels='2'/>"
    answered, _ = answer_in(await take_call(us, offer(description(plain + inside), transport())))
    assert answered.payload_types[0].id == 111
    # It sends the extension and does not take it: there is nothing that we may send.
    assert all("/" not in str(each.id) for each in answered.header_extensions)


async def test_conversations_may_offer_trickle_and_renomination(us: FarEnd) -> None:
    """With the latter echoed, libwebrtc nominates in a way that only itself understands."""
    options = f"<trickle xmlns='{OPTIONS}'/><renomination xmlns='{OPTIONS}'/>"
    whole = transport().replace("</transport>", f"{options}</transport>")
    _, answered = answer_in(await take_call(us, offer(description(), whole)))
    assert not any(getattr(each, "NAME", getattr(each, "name", "")) == "renomination" for each in answered.extra)


async def test_conversations_stops_at_a_parameter_without_a_value(us: FarEnd) -> None:
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    described = initiate.contents[0].description
    assert isinstance(described, RtpDescription)
    parameters = [each for source in described.sources for each in source.parameters]
    assert all(each.name and each.value for each in parameters)
    await dropped(task)


async def test_conversations_wants_a_size_and_a_name(us: FarEnd, tmp_path: Path) -> None:
    """It takes no file without them, names the content in its own way, and tells neither date nor hash."""
    us.features = FEATURES
    path = tmp_path / "report.txt"
    path.write_text("abc")
    task = sending(us, path)
    initiate: Jingle = await us.said(Action.SESSION_INITIATE)
    [one] = initiate.contents
    assert " " not in one.name
    assert (one.description.file.name, one.description.file.size) == ("report.txt", 3)  # type: ignore[union-attr]
    await dropped(task)


async def take_call_and_stay(us: FarEnd) -> None:
    """Take a call and leave it running."""
    assert await us.jingle(offer()) == []
    await (await us.offered()).accept()
