"""What single attributes become, by hand: the examples of the XEPs, what deployed clients send, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from jingle import sdp
from jingle.elements import core, ice_udp, raw_udp, rtp
from jingle.elements.core import Action, Content, Jingle, Role, Senders
from jingle.elements.declare import Element, Unknown, from_string
from jingle.elements.ice_options import Renomination, Trickle
from jingle.elements.sdp_extension import CandidateExtension, SdpAttribute, SdpLine, SdpMedia, SdpSession
from jingle.errors import LocalProtocolError, RemoteProtocolError

from .cases import CASES

HEAD = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
ICE = "c=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\na=ice-ufrag:8hhy\na=ice-pwd:asd88fgpdd777uzjYhagZg\n"
DTLS = "a=fingerprint:sha-256 02:1A\na=setup:actpass\n"


def jingle_of(text: str, role: Role = Role.INITIATOR, action: Action = Action.SESSION_INITIATE) -> Jingle:
    return sdp.to_jingle(sdp.parse(text), role=role, action=action)


def content(*lines: str, media: str = "m=audio 9 UDP/TLS/RTP/SAVPF 96", role: Role = Role.INITIATOR) -> Content:
    text = f"{HEAD}{media}\n{ICE}{DTLS}a=mid:voice\n" + "\n".join(lines)
    return jingle_of(text, role).contents[0]


def description(*lines: str, role: Role = Role.INITIATOR) -> rtp.RtpDescription:
    found = content(*lines, role=role).description
    assert isinstance(found, rtp.RtpDescription)
    return found


def transport(*lines: str) -> ice_udp.IceUdpTransport:
    found = content(*lines).transport
    assert isinstance(found, ice_udp.IceUdpTransport)
    return found


def session(*parts: str, action: str = "session-initiate", inside: str = "") -> Jingle:
    found = from_string(
        f"<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='s'>{inside}{''.join(parts)}</jingle>"
    )
    assert isinstance(found, Jingle)
    return found


def one(description: str = "", transport: str = "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/>") -> Jingle:
    return session(f"<content creator='initiator' name='voice'>{description}{transport}</content>")


def audio(inside: str, attributes: str = "") -> Jingle:
    return one(f"<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'{attributes}>{inside}</description>")


def lines_of(jingle: Jingle, role: Role = Role.INITIATOR) -> list[str]:
    return sdp.format(sdp.from_jingle(jingle, role=role)).split("\r\n")


def test_a_payload_type() -> None:
    """XEP-0167 section 6."""
    found = description("a=rtpmap:96 speex/16000", "a=ptime:40", "a=maxptime:80", "a=fmtp:96 vbr=on;cng=on")
    assert found.payload_types == (
        rtp.PayloadType(
            id=96,
            name="speex",
            clockrate=16000,
            ptime=40,
            maxptime=80,
            parameters=(rtp.Parameter(name="vbr", value="on"), rtp.Parameter(name="cng", value="on")),
        ),
    )


def test_packet_times_that_differ_stay_different() -> None:
    source = "<payload-type id='96' name='speex' ptime='40'/><payload-type id='97' name='speex' maxptime='60'/>"
    lines = lines_of(audio(source))
    assert {"a=ptime:40", "a=maxptime:60", "a=jingle-ptime:96=40", "a=jingle-maxptime:97=60"} <= set(lines)
    again = jingle_of("\n".join(lines)).contents[0].description
    assert isinstance(again, rtp.RtpDescription)
    assert [(kind.ptime, kind.maxptime) for kind in again.payload_types] == [(40, None), (None, 60)]


def test_a_static_payload_type_is_completed() -> None:
    lines = lines_of(audio("<payload-type id='18' name='G729'/><payload-type id='13'/>"))
    assert "m=audio 9 RTP/AVP 18 13" in lines
    assert {"a=rtpmap:18 G729/8000", "a=rtpmap:13 CN/8000"} <= set(lines)


def test_a_payload_type_without_a_name_keeps_its_clock_rate() -> None:
    jingle = audio("<payload-type id='96' clockrate='8000' channels='2'/><payload-type id='97' name='x' channels='2'/>")
    lines = lines_of(jingle)
    assert "a=rtpmap:97 x" in lines
    assert jingle_of("\n".join(lines)).contents == jingle.contents


def test_parameters_without_a_name_or_with_nothing() -> None:
    source = (
        "<payload-type id='96' name='telephone-event' clockrate='8000'><parameter value='0-15'/>"
        "<parameter name=' a ' value=' b '/><parameter/></payload-type>"
    )
    assert "a=fmtp:96 0-15;a=b" in lines_of(audio(source))


def test_a_parameter_of_feedback_without_a_name() -> None:
    feedback = (
        "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='ccm' subtype='tmmbr'><parameter {}/></rtcp-fb>"
    )
    assert "a=rtcp-fb:* ccm tmmbr x" in lines_of(audio(feedback.format("value='x'")))
    assert "a=rtcp-fb:* ccm tmmbr x" in lines_of(audio(feedback.format("name='x'")))


def test_feedback() -> None:
    """XEP-0293 section 5."""
    found = description(
        "a=rtcp-fb:* nack", "a=rtcp-fb:96 nack rpsi", "a=rtcp-fb:96 trr-int 100", "a=rtcp-fb:* trr-int 7"
    )
    assert found.feedback == (rtp.Feedback(type="nack"),)
    assert found.feedback_interval == rtp.FeedbackInterval(value=7)
    assert found.payload_types[0].feedback == (rtp.Feedback(type="nack", subtype="rpsi"),)
    assert found.payload_types[0].feedback_interval == rtp.FeedbackInterval(value=100)


@pytest.mark.parametrize(
    ("inside", "profile"),
    [
        ("", "RTP/AVP"),
        ("<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='0'/>", "RTP/AVPF"),
        ("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack'/>", "RTP/AVPF"),
        ("<encryption><crypto crypto-suite='S' key-params='inline:k' tag='1'/></encryption>", "RTP/SAVP"),
    ],
)
def test_the_profile_follows_from_what_is_there(inside: str, profile: str) -> None:
    assert f"m=audio 9 {profile} 8" in lines_of(audio(f"<payload-type id='8'/>{inside}"))


@pytest.mark.parametrize(
    ("role", "senders"),
    [
        (Role.INITIATOR, [None, Senders.RESPONDER, Senders.NONE, Senders.BOTH]),
        (Role.RESPONDER, [None, Senders.INITIATOR, Senders.NONE, Senders.BOTH]),
    ],
)
def test_header_extensions(role: Role, senders: list[Senders | None]) -> None:
    """XEP-0294 section 5: what the responder only receives, the initiator sends."""
    found = description(
        "a=extmap:1 URI-toffset",
        "a=extmap:2/recvonly URI-gps-string a=1 b",
        "a=extmap:3/inactive URI-frametype",
        "a=extmap:4/sendrecv URI-both",
        role=role,
    )
    assert [extension.senders for extension in found.header_extensions] == senders
    assert [(each.name, each.value) for each in found.header_extensions[1].parameters] == [("a", "1"), ("b", None)]


@pytest.mark.parametrize("role", Role)
def test_a_direction_behind_the_number_of_a_header_extension(role: Role) -> None:
    """As Conversations has it: the SDP of its own side, not parted."""
    jingle = audio(
        "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1/sendonly' uri='u'/>"
        f"<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='2/sendonly' uri='v' senders='{role.value}'/>"
    )
    found = lines_of(jingle, role)
    assert "a=extmap:1/sendonly u" in found
    assert "a=extmap:2/sendonly v" in found


def test_sources() -> None:
    """XEP-0339 section 3; stanza wants the first source on the description too."""
    found = description("a=ssrc-group:FID 2301230316 386328120", "a=ssrc:2301230316 cname:T5", "a=ssrc:386328120 x")
    assert found.ssrc == 2301230316
    assert found.source_groups[0].semantics == "FID"
    assert found.sources == (
        rtp.Source(ssrc=2301230316, parameters=(rtp.SourceParameter(name="cname", value="T5"),)),
        rtp.Source(ssrc=386328120, parameters=(rtp.SourceParameter(name="x", value=None),)),
    )


def test_what_is_known_of_one_section_alone_stays_with_it() -> None:
    found = description("a=rtcp-mux", "a=rtcp-rsize", "a=extmap-allow-mixed", "a=msid:s t", "a=msid:s")
    assert (found.rtcp_mux, found.rtcp_reduced_size, found.extmap_allow_mixed) == (True, True, True)
    assert found.streams == (rtp.MediaStream(id="s", track="t"), rtp.MediaStream(id="s", track=None))


def test_bandwidths_beyond_the_first() -> None:
    found = description("b=AS:64", "b=TIAS:64000")
    assert found.bandwidth == rtp.Bandwidth(type="AS", value="64")
    assert found.extra == (rtp.Bandwidth(type="TIAS", value="64000"),)


def test_a_stream_whose_track_has_no_name() -> None:
    jingle = audio("<stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' id='s' track=''/>")
    text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
    assert "a=msid:s\r\n" in text
    found = jingle_of(text).contents[0].description
    assert isinstance(found, rtp.RtpDescription)
    assert found.streams == (rtp.MediaStream(id="s", track=""),)


def test_groups_that_say_the_same_and_more() -> None:
    group = "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='LS'{}><content name='voice'/></group>"
    for action in ("session-initiate", "transport-info"):
        jingle = session(action=action, inside="".join(group.format(more) for more in ("", " x='1'", "", " x='2'")))
        text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
        assert text.count("a=group:LS voice") == 4
        assert jingle_of(text, action=jingle.action).groups == jingle.groups


def test_groups() -> None:
    """XEP-0338 section 2."""
    text = f"{HEAD}a=group:LS voice webcam\nm=audio 9 RTP/AVP 0\na=mid:voice\nm=video 9 RTP/AVP 31\na=mid:webcam\n"
    assert jingle_of(text).groups == (core.Group.of("LS", ("voice", "webcam")),)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("line", "mine", "theirs"),
    [
        ("a=sendrecv", None, None),
        ("a=sendonly", Senders.INITIATOR, Senders.RESPONDER),
        ("a=recvonly", Senders.RESPONDER, Senders.INITIATOR),
        ("a=inactive", Senders.NONE, Senders.NONE),
    ],
)
def test_a_direction_depends_on_who_says_it(
    role: Role, line: str, mine: Senders | None, theirs: Senders | None
) -> None:
    assert content(line, role=role).senders is (mine if role is Role.INITIATOR else theirs)


def test_ice_and_dtls() -> None:
    found = transport(
        "a=candidate:1 2 UDP 5 10.0.1.1 8998 typ srflx raddr 10.0.0.1 rport 9 network 1 network-cost 10",
        "a=ice-options:trickle renomination",
        "a=fingerprint:sha-1 99:41",
        "a=end-of-candidates",
        "a=remote-candidates:1 192.0.2.1 9",
    )
    assert (found.ufrag, found.pwd) == ("8hhy", "asd88fgpdd777uzjYhagZg")
    assert [(each.hash, each.value, each.setup) for each in found.fingerprints] == [
        ("sha-256", "02:1A", ice_udp.Setup.ACTPASS),
        ("sha-1", "99:41", ice_udp.Setup.ACTPASS),
    ]
    assert found.gathering_complete
    assert found.extra == (Trickle(), Renomination())
    assert found.remote_candidates == (ice_udp.RemoteCandidate(component=1, ip="192.0.2.1", port=9),)
    (candidate,) = found.candidates
    assert (candidate.protocol, candidate.network, candidate.rel_addr, candidate.rel_port) == ("udp", 1, "10.0.0.1", 9)
    assert candidate.extra == (CandidateExtension(name="network-cost", value="10"),)


def test_an_option_without_an_element_is_carried_by_ours() -> None:
    found = content("a=ice-options:trickle ice2")
    assert isinstance(found.transport, ice_udp.IceUdpTransport)
    assert found.transport.extra == (Trickle(),)
    assert found.extra == (SdpMedia(attributes=(SdpAttribute(name="ice-options", value="trickle ice2"),)),)


def test_data_channels() -> None:
    """XEP-0343, which knows the old way of saying it only."""
    found = content(
        "a=sctp-port:5000", "a=max-message-size:262144", media="m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    )
    assert found.description is None
    assert isinstance(found.transport, ice_udp.IceUdpTransport)
    assert found.transport.sctp_map == ice_udp.SctpMap(number=5000, protocol="webrtc-datachannel")
    kept = found.extra[0]
    assert isinstance(kept, SdpMedia)
    assert SdpAttribute(name="max-message-size", value="262144") in kept.attributes


def test_data_channels_as_conversations_says_them() -> None:
    source = one(
        "",
        "<transport xmlns='urn:xmpp:jingle:transports:webrtc-datachannel:1' sctp-port='5000' max-message-size='262144'>"
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='a' pwd='b'/></transport>",
    )
    lines = lines_of(source)
    assert {"a=sctp-port:5000", "a=max-message-size:262144", "a=ice-ufrag:a"} <= set(lines)
    assert jingle_of("\n".join(lines)).contents == source.contents


def test_a_transport_of_data_channels_with_nothing_inside_stays_as_it_is() -> None:
    jingle = one(transport=f"<transport xmlns='{ice_udp.NS_DATACHANNEL}' sctp-port='5' max-message-size='6'/>")
    description = sdp.from_jingle(jingle, role=Role.INITIATOR)
    assert description.media[0].sctp_port is None
    back = sdp.to_jingle(description, role=Role.INITIATOR, action=Action.SESSION_INITIATE, sid="s")
    assert back.contents[0].transport == jingle.contents[0].transport


def test_raw_udp() -> None:
    """XEP-0177, with RTCP beside RTP as in XEP-0293 section 5."""
    text = f"{HEAD}m=audio 49170 RTP/AVP 0\nc=IN IP4 10.0.1.1\na=rtcp:49171\na=mid:0\n"
    found = jingle_of(text).contents[0].transport
    assert isinstance(found, raw_udp.RawUdpTransport)
    assert [(each.component, each.ip, each.port, each.generation) for each in found.candidates] == [
        (1, "10.0.1.1", 49170, 0),
        (2, "10.0.1.1", 49171, 0),
    ]


def test_a_rejected_section_is_inactive_with_port_zero() -> None:
    found = content("a=sendrecv", media="m=audio 0 UDP/TLS/RTP/SAVPF 96")
    assert found.senders is Senders.NONE
    assert found.extra == (SdpMedia(port=0, attributes=(SdpAttribute(name="sendrecv"),)),)


def test_a_bundled_section_with_port_zero_is_not_rejected() -> None:
    found = content("a=bundle-only", media="m=audio 0 UDP/TLS/RTP/SAVPF 96")
    assert found.senders is None
    assert found.extra == (SdpMedia(port=0, attributes=(SdpAttribute(name="bundle-only"),)),)


def test_simulcast_is_carried_by_ours() -> None:
    found = content("a=rid:hi send pt=96", "a=simulcast:send hi")
    assert found.extra == (
        SdpMedia(
            attributes=(
                SdpAttribute(name="rid", value="hi send pt=96"),
                SdpAttribute(name="simulcast", value="send hi"),
            )
        ),
    )


def test_what_a_browser_says_needs_little_of_ours() -> None:
    jingle = jingle_of((CASES / "chromium" / "av-call-offer.sdp").read_text())
    assert jingle.payloads == (
        SdpSession(attributes=(SdpAttribute(name="msid-semantic", value=" WMS 7177d084-81cd-4814-94a3-5e4a15292375"),)),
    ), "o= says no more than the sid, which was taken from it"
    assert [part for each in jingle.contents for part in each.extra] == [
        SdpMedia(attributes=(SdpAttribute(name="rtcp-xr", value="rcvr-rtt=all"),))
    ] * 2


def test_sections_without_a_mid_get_a_name_of_their_own() -> None:
    jingle = jingle_of(f"{HEAD}m=audio 9 RTP/AVP 0\nm=audio 9 RTP/AVP 0\nm=video 9 RTP/AVP 31\na=mid:audio\n")
    assert [each.name for each in jingle.contents] == ["audio-2", "audio-3", "audio"]
    assert "a=mid:audio-2" not in lines_of(jingle)


def test_names_that_are_no_mid() -> None:
    source = session(
        "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='LS'>"
        "<content name='a b'/><content name='a-b'/></group>",
        *(
            f"<content creator='initiator' name='{name}'>"
            "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></content>"
            for name in ("a b", "a-b", "", "\u00e9")
        ),
    )
    lines = lines_of(source)
    assert [each for each in lines if each.startswith("a=mid:")] == [
        "a=mid:a-b-2",
        "a=mid:a-b",
        "a=mid:content",
        "a=mid:-",
    ]
    assert "a=group:LS a-b-2 a-b" in lines
    back = jingle_of("\n".join(lines))
    assert (back.groups, back.contents) == (source.groups, source.contents)


def test_two_sids_make_two_origins() -> None:
    first, again, other = (
        sdp.from_jingle(Jingle(action=Action.SESSION_INITIATE, sid=sid), role=Role.INITIATOR).origin
        for sid in ("a73sjjvkla37jfea", "a73sjjvkla37jfea", "7")
    )
    assert first == again
    assert int(first.session_id) < 2**63
    assert other.session_id == "7"


def test_what_sdp_has_no_word_for_is_carried_as_xml() -> None:
    source = session(
        "<content creator='responder' name='voice' disposition='early-session'>"
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio' ssrc='7'>"
        "<payload-type id='96' name='opus' clockrate='48000' x='1'/>"
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='9'/>"
        "<encryption required='1'>"
        "<zrtp-hash xmlns='urn:xmpp:jingle:apps:rtp:zrtp:1' version='1.10'>fe30\nefd0</zrtp-hash>"
        "</encryption></description>"
        "<transport xmlns='urn:xmpp:jingle:transports:ice:0' ice2='true'>"
        "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' required='false' setup='active'>"
        "AB</fingerprint>"
        "<sctpmap xmlns='urn:xmpp:jingle:transports:dtls-sctp:1' number='5000' protocol='x' streams='3'/>"
        "<channel xmlns='urn:xmpp:jingle:transports:webrtc-datachannel:0' id='1'/></transport>"
        "<security xmlns='urn:xmpp:jingle:security:xtls:0'/></content>",
        "<reason><busy/></reason>",
    )
    lines = lines_of(source)
    assert sum(line.startswith("a=jingle-element:") for line in lines) >= 6
    assert "a=jingle-transport:urn:xmpp:jingle:transports:ice:0" in lines
    assert jingle_of("\n".join(lines)).contents == source.contents
    assert jingle_of("\n".join(lines)).reason == source.reason


def test_payload_types_of_one_number_and_raw_candidates_of_any_kind() -> None:
    """QXmpp offers a number twice; only two raw candidates have a place in SDP."""
    source = one(
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>"
        "<payload-type id='98' name='OPUS' clockrate='48000' channels='2'/>"
        "<payload-type id='98' name='OPUS' clockrate='48000'/></description>",
        "<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'>"
        "<candidate component='1' generation='1' id='a' ip='192.0.2.1' port='9' type='host'/>"
        "<candidate component='2' generation='0' id='b' ip='192.0.2.2' port='9'/>"
        "<candidate component='3' generation='0' id='c' ip='192.0.2.1' port='9'/></transport>",
    )
    lines = lines_of(source)
    assert {"m=audio 9 RTP/AVP 98", "c=IN IP4 192.0.2.1", "a=rtcp:9 IN IP4 192.0.2.2"} <= set(lines)
    assert jingle_of("\n".join(lines)).contents == source.contents


def test_what_is_said_beside_the_second_of_two_that_are_alike_stays_with_it() -> None:
    feedback = "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack'{}/>"
    kind = "<payload-type id='{}' name='{}' clockrate='90000'>{}</payload-type>"
    jingle = audio(
        kind.format(96, "VP8", feedback.format("") + "<parameter/>")
        + kind.format(97, "VP9", feedback.format(" x='1'"))
        + kind.format(96, "VP8", "")
        + kind.format(98, "H264", feedback.format(" x='2'"))
        + feedback.format(" x='3'")
    )
    text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
    found = jingle_of(text).contents[0].description
    assert found == jingle.contents[0].description
    for place in ("9", "99999", "x"):
        moved = jingle_of(text.replace(":place='2'", f":place='{place}'")).contents[0].description
        assert isinstance(moved, rtp.RtpDescription)
        assert len(moved.payload_types) == 4


def test_sources_of_one_number_and_a_second_association_stay_as_they_are() -> None:
    source = "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'><parameter name='{}' value='x'/></source>"
    jingle = audio(source.format("cname") + source.format("msid"))
    text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
    assert text.count("a=ssrc:") == 1
    found = jingle_of(text).contents[0].description
    assert isinstance(found, rtp.RtpDescription)
    assert [each.parameters[0].name for each in found.sources] == ["cname", "msid"]
    inner = (
        f"<transport xmlns='{ice_udp.NS}' ufrag='a'>"
        f"<sctpmap xmlns='urn:xmpp:jingle:transports:dtls-sctp:1' number='7' protocol='x'/></transport>"
    )
    outer = f"<transport xmlns='{ice_udp.NS_DATACHANNEL}' sctp-port='5' max-message-size='6'>{inner}</transport>"
    jingle = one(transport=outer)
    assert jingle_of(sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))).contents == jingle.contents


def test_what_any_element_has_beside_its_own_attributes_comes_back() -> None:
    jingle = audio(
        "<payload-type id='96' name='opus' clockrate='48000' ptime='4294967295'><parameter name='a' value='b' x='1'/>"
        "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' y='2'/></payload-type>"
        "<payload-type id='97' name='red' clockrate='48000'/>"
    )
    text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
    assert jingle_of(text).contents[0].description == jingle.contents[0].description


def test_what_is_carried_as_a_whole_is_carried_once() -> None:
    candidates = "".join(
        f"<candidate component='{n}' ip='192.0.2.1' port='9' x='{n}'><y xmlns='urn:y'/></candidate>" for n in (1, 7)
    )
    jingle = one(transport=f"<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1' z='0'>{candidates}</transport>")
    text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
    assert text.count("urn:y") == 2
    found = jingle_of(text).contents[0].transport
    assert isinstance(found, raw_udp.RawUdpTransport)
    assert [(each.component, len(each.extra), each.extra_attributes) for each in found.candidates] == [
        (1, 1, (("x", "1"),)),
        (7, 1, (("x", "7"),)),
    ]


def test_what_has_lost_its_place_is_left_out() -> None:
    gone = "<payload-type xmlns='urn:xmpp:jingle:apps:rtp:1' id='9' x='1'/>"
    text = f"{HEAD}m=audio 9 RTP/AVP 0\na=mid:0\na=jingle-element:{gone}"
    assert jingle_of(text) == jingle_of(text[: text.index("a=jingle-element")])


@pytest.mark.parametrize("xml", ["<a", "", "<!DOCTYPE x><a/>", "<content xmlns='urn:xmpp:jingle:1' creator='nobody'/>"])
def test_a_carried_element_that_is_none(xml: str) -> None:
    with pytest.raises(LocalProtocolError):
        jingle_of(f"{HEAD}m=audio 9 RTP/AVP 0\na=jingle-element:{xml}")


def test_a_carried_element_of_the_session_that_is_none() -> None:
    with pytest.raises(RemoteProtocolError):
        jingle_of(f"{HEAD}a=jingle-element:<a\n")


def media(**fields: object) -> tuple[Element, ...]:
    return (SdpMedia(**fields),)  # type: ignore[arg-type]


def refused(extra: tuple[Element, ...] = (), name: str = "0", transport: Element | None = None) -> Jingle:
    made = Content(
        creator=Role.INITIATOR,
        name=name,
        description=rtp.RtpDescription(media="audio"),
        transport=transport or ice_udp.IceUdpTransport(),
        extra=extra,
    )
    return Jingle(action=Action.SESSION_INITIATE, sid="s", contents=(made,))


HOST: dict[str, Any] = {
    "component": 1,
    "foundation": "1",
    "port": 9,
    "priority": 1,
    "protocol": "udp",
    "type": ice_udp.CandidateType.HOST,
}
EVIL = "x\r\na=evil"

REFUSED: list[tuple[Jingle, str]] = [
    (audio("<payload-type id='96' name='a b'/>"), "encoding"),
    (audio("<payload-type id='96' name='a/b'/>"), "encoding"),
    (audio("<payload-type id='96'><parameter name='a;b' value='c'/></payload-type>"), "parameter"),
    (audio("<payload-type id='96'><parameter name='a' value='b;c'/></payload-type>"), "parameter"),
    (audio("<payload-type id='96'><parameter name='a' value='b&#10;c'/></payload-type>"), "parameter"),
    (audio("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='a b'/>"), "feedback"),
    (audio("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='a' subtype=''/>"), "feedback"),
    (audio("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='' subtype='a'/>"), "feedback"),
    (
        audio("<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='a'><parameter name='b c'/></rtcp-fb>"),
        "parameter",
    ),
    (
        audio(
            "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='a' subtype='b'><parameter name='c='/></rtcp-fb>"
        ),
        "parameter",
    ),
    (audio("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1' uri='a b'/>"), "header extension"),
    (
        audio("<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='1/sendonly' uri='a' senders='both'/>"),
        "two directions",
    ),
    (audio("<stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' id='a b'/>"), "stream"),
    (audio("<stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' id='a' track='b&#10;c'/>"), "track"),
    (audio("<stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' id='a' track=' b'/>"), "track"),
    (audio("<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='a b'/>"), "group of sources"),
    (audio("<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'><parameter value='a'/></source>"), "of a source"),
    (audio("<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'><parameter name='a:b'/></source>"), "a source"),
    (
        audio(
            "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'><parameter name='a' value='&#8232;'/></source>"
        ),
        "of a source",
    ),
    (audio("<encryption><crypto crypto-suite='S' key-params='a b' tag='1'/></encryption>"), "key cannot"),
    (audio("<bandwidth type='A:B'>1</bandwidth>"), "bandwidth"),
    (audio("<bandwidth type='AS'>1&#13;2</bandwidth>"), "bandwidth"),
    (refused(transport=ice_udp.IceUdpTransport(ufrag="a b")), "ufrag"),
    (refused(transport=ice_udp.IceUdpTransport(pwd=" ab")), "password cannot"),
    (refused(transport=ice_udp.IceUdpTransport(candidates=(ice_udp.Candidate(ip=EVIL, **HOST),))), "address"),
    (
        refused(transport=ice_udp.IceUdpTransport(candidates=(ice_udp.Candidate(ip="x", id="a b", **HOST),))),
        "candidate's id",
    ),
    (
        refused(
            transport=ice_udp.IceUdpTransport(
                fingerprints=(
                    ice_udp.Fingerprint(hash="a", value="1", setup=ice_udp.Setup.ACTIVE),
                    ice_udp.Fingerprint(hash="b", value="2", setup=ice_udp.Setup.PASSIVE),
                )
            )
        ),
        "contradict each other",
    ),
    (
        refused(transport=ice_udp.IceUdpTransport(fingerprints=(ice_udp.Fingerprint(hash="a", value=" "),))),
        "fingerprint",
    ),
    (
        refused(transport=raw_udp.RawUdpTransport(candidates=(raw_udp.RawCandidate(component=1, ip="a b", port=1),))),
        "address",
    ),
    (refused(media(profile="RTP/AVP\r\na=evil")), "profile"),
    (refused(media(profile="UDP/DTLS/SCTP")), "does not go with"),
    (refused(media(connection="IN IP4")), "2 of at least 3"),
    (refused(media(connection="IN IP4 x\r\na=evil")), "address"),
    (refused(media(rtcp="nine")), "port"),
    (refused(media(media="a b")), "media type"),
    (refused(media(attributes=(SdpAttribute(name="a:b"),))), "no attribute"),
    (refused(media(attributes=(SdpAttribute(name="jingle-transport", value="none"),))), "no attribute"),
    (refused(media(attributes=(SdpAttribute(name="x", value=EVIL),))), "value"),
    (refused(media(attributes=(SdpAttribute(name="mid", value="1"),))), "said by the content alone"),
    (refused(media(attributes=(SdpAttribute(name="ptime", value="x"),))), "packet time"),
    (refused(media(lines=(SdpLine(type="m", value="audio 9 RTP/AVP 0"),))), "no line 'm='"),
    (refused(media(lines=(SdpLine(type="\n", value="x"),))), "line"),
    (
        Jingle(action=Action.SESSION_INITIATE, sid="s", contents=refused().contents * 2),
        "two contents have the same name",
    ),
    (
        Jingle(action=Action.SESSION_INITIATE, sid="s", groups=(core.Group(semantics="a b"),)),
        "group",
    ),
    (
        Jingle(
            action=Action.SESSION_INITIATE,
            sid="s",
            payloads=(SdpSession(attributes=(SdpAttribute(name="group", value="LS"),)),),
        ),
        "groups have an element of their own",
    ),
    (Jingle(action=Action.SESSION_INITIATE, sid="s", payloads=(SdpSession(origin="x"),)), "instead of six"),
    (Jingle(action=Action.SESSION_INITIATE, sid="s", payloads=(SdpSession(name=EVIL),)), "name"),
]


@pytest.mark.parametrize(("jingle", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_sdp_cannot_carry_is_refused(jingle: Jingle, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=reason):
        sdp.from_jingle(jingle, role=Role.INITIATOR)


def test_secrets_are_not_in_the_message() -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        sdp.from_jingle(refused(transport=ice_udp.IceUdpTransport(pwd="sec ret")), role=Role.INITIATOR)
    assert "sec" not in str(raised.value)


def test_an_unknown_payload_of_the_action_is_carried() -> None:
    payload = Unknown(namespace="urn:x", name="y", source="<y xmlns='urn:x'>a\n\u2028b</y>")
    jingle = Jingle(action=Action.SESSION_INITIATE, sid="s", payloads=(payload,))
    text = sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))
    assert "a=jingle-element:<y xmlns='urn:x'>a&#10;&#8232;b</y>\r\n" in text
    assert sdp.to_jingle(sdp.parse(text), role=Role.INITIATOR, action=Action.SESSION_INITIATE, sid="s") == jingle
