"""Partial input: candidates by themselves, a transport-info, a content-add, a description-info."""

from __future__ import annotations

import pytest

from jingle import sdp
from jingle.elements import ice_udp, rtp
from jingle.elements.core import Action, Content, Jingle, Role, Senders
from jingle.elements.declare import from_string, to_string
from jingle.elements.s5b import Socks5Transport
from jingle.errors import LocalProtocolError, RemoteProtocolError, SdpError

from .cases import CASES, trickled

OFFER = (CASES / "chromium" / "av-call-offer.sdp").read_text()


@pytest.mark.parametrize("line", trickled())
def test_a_candidate_line(line: str) -> None:
    candidate = sdp.parse_candidate(line)
    element = sdp.candidate_to_jingle(candidate)
    assert sdp.candidate_from_jingle(element) == candidate
    assert sdp.parse_candidate(sdp.format_candidate(candidate)) == candidate
    words, written = line.lower().split(), sdp.format_candidate(candidate).lower().split()
    assert written[:8] == words[:8]
    assert set(words) - set(written) == set()


def test_a_candidate_has_all_that_the_xep_demands() -> None:
    element = sdp.candidate_to_jingle(sdp.parse_candidate("a=candidate:0 1 UDP 5 192.0.2.1 45664 typ host\r\n"))
    assert (element.generation, element.protocol) == (0, "udp")
    assert element.id is not None
    assert element.id[0].isalpha()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("candidate:1 1 udp 1 x 9 typ new", "no candidate of a known type"),
        ("candidates:1 1 udp 1 x 9 typ host", "no candidate of a known type"),
        ("candidate:1 1 udp 1 x 9 typ host\na=evil b", "no candidate"),
        ("candidate:1", "the candidate has 1"),
        ("candidate:1 1 udp 1 x\u2028 9 typ host", "the character"),
    ],
)
def test_no_candidate_line(line: str, reason: str) -> None:
    with pytest.raises(SdpError, match=reason):
        sdp.parse_candidate(line)


@pytest.mark.parametrize("namespace", [ice_udp.NS, ice_udp.NS_ICE])
def test_a_transport_info_with_one_candidate(namespace: str) -> None:
    found = sdp.Trickled(
        mid="0",
        candidates=(sdp.parse_candidate("candidate:1 1 udp 5 192.0.2.1 45664 typ host generation 0 network-id 1"),),
        ice_ufrag="8hhy",
        ice_pwd="asd88fgpdd777uzjYhagZg",
    )
    jingle = sdp.to_transport_info(found, sid="s", creator=Role.RESPONDER, namespace=namespace)
    received = from_string(to_string(jingle))
    assert received == jingle
    assert isinstance(received, Jingle)
    assert received.action is Action.TRANSPORT_INFO
    assert received.contents[0].creator is Role.RESPONDER
    assert received.contents[0].transport is not None
    assert received.contents[0].transport.NAMESPACE == namespace
    assert sdp.from_transport_info(received) == (found,)
    assert "asd88" not in repr(found)


def test_the_end_of_candidates() -> None:
    jingle = sdp.to_transport_info(sdp.Trickled(mid="0", end_of_candidates=True), sid="s")
    assert "<gathering-complete/>" in to_string(jingle)
    assert sdp.from_transport_info(jingle)[0].end_of_candidates


def test_another_transport_trickles_nothing() -> None:
    content = Content(creator=Role.INITIATOR, name="x", transport=Socks5Transport(sid="1"))
    with pytest.raises(RemoteProtocolError, match="no ICE transport"):
        sdp.from_transport_info(Jingle(action=Action.TRANSPORT_INFO, sid="s", contents=(content,)))


def test_a_content_add() -> None:
    """Only the new section is told, and comes back by itself."""
    description = sdp.parse(OFFER)
    jingle = sdp.to_jingle(
        sdp.only(description, "1"), role=Role.RESPONDER, action=Action.CONTENT_ADD, sid="s", creator=Role.RESPONDER
    )
    assert [(content.name, content.creator) for content in jingle.contents] == [("1", Role.RESPONDER)]
    back = sdp.parse(sdp.format(sdp.from_jingle(jingle, role=Role.RESPONDER)))
    assert [media.payload_types for media in back.media] == [description.media[1].payload_types]
    again = sdp.to_jingle(back, role=Role.RESPONDER, action=Action.CONTENT_ADD, sid="s")
    assert again.contents == jingle.contents


def test_a_description_info() -> None:
    jingle = sdp.to_jingle(sdp.parse(OFFER), role=Role.INITIATOR, action=Action.DESCRIPTION_INFO, sid="s")
    assert all(content.transport is None and content.extra == () for content in jingle.contents)
    assert jingle.groups == ()
    assert jingle.payloads == ()
    back = sdp.parse(sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR)))
    assert sdp.to_jingle(back, role=Role.INITIATOR, action=Action.DESCRIPTION_INFO, sid="s") == jingle


def test_a_transport_info_of_a_whole_description() -> None:
    jingle = sdp.to_jingle(sdp.parse(OFFER), role=Role.INITIATOR, action=Action.TRANSPORT_INFO, sid="s")
    assert all(content.description is None for content in jingle.contents)
    text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
    assert "m=audio 9 " in text
    assert sdp.to_jingle(sdp.parse(text), role=Role.INITIATOR, action=Action.TRANSPORT_INFO, sid="s") == jingle


@pytest.mark.parametrize(
    ("line", "role", "senders"),
    [
        ("a=sendrecv", Role.INITIATOR, Senders.BOTH),
        ("a=sendonly", Role.INITIATOR, Senders.INITIATOR),
        ("a=sendonly", Role.RESPONDER, Senders.RESPONDER),
        ("a=inactive", Role.RESPONDER, Senders.NONE),
    ],
)
def test_a_content_modify(line: str, role: Role, senders: Senders) -> None:
    description = sdp.parse(OFFER.replace("a=sendrecv", line))
    jingle = sdp.to_jingle(description, role=role, action=Action.CONTENT_MODIFY, sid="s")
    assert {(content.senders, content.description, content.transport) for content in jingle.contents} == {
        (senders, None, None)
    }


@pytest.mark.parametrize("action", [Action.SESSION_INFO, Action.SESSION_TERMINATE, Action.SECURITY_INFO])
def test_an_action_without_contents(action: Action) -> None:
    with pytest.raises(LocalProtocolError, match="says nothing that a session description could"):
        sdp.to_jingle(sdp.parse(OFFER), role=Role.INITIATOR, action=action)


def test_a_partial_answer() -> None:
    """A section of the offer that is not accepted is rejected, in its place."""
    offer = sdp.parse(OFFER)
    accepted = sdp.to_jingle(sdp.only(offer, "1"), role=Role.RESPONDER, action=Action.SESSION_ACCEPT, sid="s")
    more = Content(creator=Role.RESPONDER, name="new", description=rtp.RtpDescription(media="audio"), transport=None)
    jingle = Jingle(action=accepted.action, sid="s", contents=(more, *accepted.contents))
    answer = sdp.from_jingle(jingle, role=Role.RESPONDER, offer=offer)
    assert [(media.mid, media.is_rejected) for media in answer.media] == [("0", True), ("1", False), ("new", False)]
    assert "m=audio 0 UDP/TLS/RTP/SAVPF 111 63" in sdp.format(answer)
