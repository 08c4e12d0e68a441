"""What an element says is what the model holds, and the other way round: the spelling of every name, by hand."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from jingle.elements import (
    bob,
    core,
    disco,
    file_transfer,
    hashes,
    ibb,
    ice_options,
    ice_udp,
    initiation,
    invite,
    messages,
    raw_udp,
    rtp,
    s5b,
    sdp_extension,
    security,
    services,
)
from jingle.elements.core import Action, ReasonCondition, Role, Senders
from jingle.elements.declare import Element, from_string, to_string
from jingle.elements.ice_udp import CandidateType, Setup, TcpType
from jingle.elements.values import timestamp
from jingle.errors import LocalProtocolError

from .cases import MODELS, parts_of

HOST = "component='1' foundation='f' ip='192.0.2.1' port='9' priority='2130706431' protocol='tcp' type='host'"
HOST_FIELDS: dict[str, Any] = {
    "component": 1,
    "foundation": "f",
    "ip": "192.0.2.1",
    "port": 9,
    "priority": 2130706431,
    "protocol": "tcp",
    "type": CandidateType.HOST,
}

MEANINGS: list[tuple[str, Element]] = [
    (
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='s' initiator='a@x' responder='b@y'>"
        "<reason><alternative-session><sid>t</sid></alternative-session><text>moved</text></reason></jingle>",
        core.Jingle(
            action=Action.SESSION_TERMINATE,
            sid="s",
            initiator="a@x",
            responder="b@y",
            reason=core.Reason(condition=ReasonCondition.ALTERNATIVE_SESSION, alternative_session="t", text="moved"),
        ),
    ),
    (
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='s'>"
        "<mute xmlns='urn:xmpp:jingle:apps:rtp:info:1' creator='responder' name='voice'/>"
        "<ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/></jingle>",
        core.Jingle(
            action=Action.SESSION_INFO,
            sid="s",
            payloads=(rtp.Mute(creator=Role.RESPONDER, name="voice"), rtp.Ringing()),
        ),
    ),
    (
        "<jingle xmlns='urn:xmpp:jingle:1' action='content-add' sid='s'>"
        "<group xmlns='urn:xmpp:jingle:apps:grouping:0' semantics='BUNDLE'><content name='a'/>"
        "<content name='b'/></group>"
        "<content creator='initiator' name='a' senders='none' disposition='early-session'>"
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
        "<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'/>"
        "<security xmlns='urn:xmpp:jingle:security:xtls:0'/></content></jingle>",
        core.Jingle(
            action=Action.CONTENT_ADD,
            sid="s",
            groups=(core.Group.of("BUNDLE", ("a", "b")),),
            contents=(
                core.Content(
                    creator=Role.INITIATOR,
                    name="a",
                    senders=Senders.NONE,
                    disposition="early-session",
                    description=rtp.RtpDescription(media="audio"),
                    transport=raw_udp.RawUdpTransport(),
                    security=security.XtlsSecurity(),
                ),
            ),
        ),
    ),
    ("<out-of-order xmlns='urn:xmpp:jingle:errors:1'/>", core.OutOfOrder()),
    ("<tie-break xmlns='urn:xmpp:jingle:errors:1'/>", core.TieBreak()),
    ("<unknown-session xmlns='urn:xmpp:jingle:errors:1'/>", core.UnknownSession()),
    ("<unsupported-info xmlns='urn:xmpp:jingle:errors:1'/>", core.UnsupportedInfo()),
    ("<security-required xmlns='urn:xmpp:jingle:errors:1'/>", core.SecurityRequired()),
    (
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video' ssrc='4294967295'>"
        "<payload-type id='111' name='opus' clockrate='48000' channels='2' ptime='20' maxptime='60'>"
        "<parameter name='useinbandfec' value='1'/><parameter value='0-15'/><parameter name='111/111'/>"
        "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack' subtype='pli'>"
        "<parameter name='a' value='b'/></rtcp-fb>"
        "<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='0'/></payload-type>"
        "<rtcp-mux/><rtcp-reduced-size/>"
        "<encryption required='true'><crypto crypto-suite='AES_CM_128_HMAC_SHA1_80' key-params='inline:k'"
        " session-params='KDR=1' tag='1'/></encryption>"
        "<bandwidth type='AS'>128</bandwidth>"
        "<rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='transport-cc'/>"
        "<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='100'/>"
        "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='4096' uri='urn:x' senders='initiator'>"
        "<parameter name='p'/></rtp-hdrext>"
        "<extmap-allow-mixed xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0'/>"
        "<stream xmlns='urn:xmpp:jingle:apps:rtp:msid:0' id='m' track='t'/>"
        "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'><source ssrc='1'/>"
        "<source ssrc='2'/></ssrc-group>"
        "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='1'><parameter name='cname' value='c'/></source>"
        "</description>",
        rtp.RtpDescription(
            media="video",
            ssrc=4294967295,
            payload_types=(
                rtp.PayloadType(
                    id=111,
                    name="opus",
                    clockrate=48000,
                    channels=2,
                    ptime=20,
                    maxptime=60,
                    parameters=(
                        rtp.Parameter(name="useinbandfec", value="1"),
                        rtp.Parameter(value="0-15"),
                        rtp.Parameter(name="111/111"),
                    ),
                    feedback=(
                        rtp.Feedback(
                            type="nack", subtype="pli", parameters=(rtp.FeedbackParameter(name="a", value="b"),)
                        ),
                    ),
                    feedback_interval=rtp.FeedbackInterval(value=0),
                ),
            ),
            rtcp_mux=True,
            rtcp_reduced_size=True,
            encryption=rtp.Encryption(
                required=True,
                cryptos=(
                    rtp.Crypto(
                        crypto_suite="AES_CM_128_HMAC_SHA1_80",
                        key_params="inline:k",
                        session_params="KDR=1",
                        tag="1",
                    ),
                ),
            ),
            bandwidth=rtp.Bandwidth(type="AS", value="128"),
            feedback=(rtp.Feedback(type="transport-cc"),),
            feedback_interval=rtp.FeedbackInterval(value=100),
            header_extensions=(
                rtp.HeaderExtension(
                    id=4096,
                    uri="urn:x",
                    senders=Senders.INITIATOR,
                    parameters=(rtp.HeaderExtensionParameter(name="p"),),
                ),
            ),
            extmap_allow_mixed=True,
            streams=(rtp.MediaStream(id="m", track="t"),),
            source_groups=(rtp.SourceGroup(semantics="FID", sources=(rtp.Source(ssrc=1), rtp.Source(ssrc=2))),),
            sources=(rtp.Source(ssrc=1, parameters=(rtp.SourceParameter(name="cname", value="c"),)),),
        ),
    ),
    ("<crypto-required xmlns='urn:xmpp:jingle:apps:rtp:errors:1'/>", rtp.CryptoRequired()),
    ("<invalid-crypto xmlns='urn:xmpp:jingle:apps:rtp:errors:1'/>", rtp.InvalidCrypto()),
    ("<active xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>", rtp.Active()),
    ("<hold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>", rtp.Hold()),
    ("<unhold xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>", rtp.Unhold()),
    ("<mute xmlns='urn:xmpp:jingle:apps:rtp:info:1'/>", rtp.Mute()),
    ("<unmute xmlns='urn:xmpp:jingle:apps:rtp:info:1' creator='initiator'/>", rtp.Unmute(creator=Role.INITIATOR)),
    (
        "<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='#' duration='400' volume='42'/>",
        rtp.Dtmf(code="#", duration=400, volume=42),
    ),
    (
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'>"
        "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass' required='true'>"
        "AB:CD</fingerprint>"
        "<sctpmap xmlns='urn:xmpp:jingle:transports:dtls-sctp:1' number='5000' protocol='webrtc-datachannel'"
        " streams='9'/>"
        "<channel xmlns='urn:xmpp:jingle:transports:webrtc-datachannel:0' id='1' maxPacketLifeTime='2'"
        " maxRetransmits='3' negotiated='true' ordered='false' protocol='x'/>"
        f"<candidate {HOST} generation='0' id='i' network='1' rel-addr='0.0.0.0' rel-port='7' tcptype='active'/>"
        "<remote-candidate component='1' ip='192.0.2.2' port='5'/><gathering-complete/></transport>",
        ice_udp.IceUdpTransport(
            ufrag="u",
            pwd="p",
            fingerprints=(ice_udp.Fingerprint(hash="sha-256", setup=Setup.ACTPASS, required=True, value="AB:CD"),),
            sctp_map=ice_udp.SctpMap(number=5000, protocol="webrtc-datachannel", streams=9),
            channels=(
                ice_udp.Channel(
                    id=1, max_packet_life_time=2, max_retransmits=3, negotiated=True, ordered=False, protocol="x"
                ),
            ),
            candidates=(
                ice_udp.Candidate(
                    **HOST_FIELDS,
                    generation=0,
                    id="i",
                    network=1,
                    rel_addr="0.0.0.0",
                    rel_port=7,
                    tcptype=TcpType.ACTIVE,
                ),
            ),
            remote_candidates=(ice_udp.RemoteCandidate(component=1, ip="192.0.2.2", port=5),),
            gathering_complete=True,
        ),
    ),
    (
        f"<transport xmlns='urn:xmpp:jingle:transports:ice:0' ice2='true'><candidate {HOST}/>"
        "<remote-candidate component='2' ip='::1' port='5'/><gathering-complete/></transport>",
        ice_udp.IceTransport(
            ice2=True,
            candidates=(ice_udp.IceCandidate(**HOST_FIELDS),),
            remote_candidates=(ice_udp.IceRemoteCandidate(component=2, ip="::1", port=5),),
            gathering_complete=True,
        ),
    ),
    (
        "<transport xmlns='urn:xmpp:jingle:transports:webrtc-datachannel:1' sctp-port='5000' max-message-size='262144'>"
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></transport>",
        ice_udp.DataChannelTransport(sctp_port=5000, max_message_size=262144, transport=ice_udp.IceUdpTransport()),
    ),
    (
        "<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'>"
        "<candidate component='1' generation='0' id='a' ip='192.0.2.1' port='9' type='host'/></transport>",
        raw_udp.RawUdpTransport(
            candidates=(
                raw_udp.RawCandidate(
                    component=1, generation=0, id="a", ip="192.0.2.1", port=9, type=CandidateType.HOST
                ),
            )
        ),
    ),
    (
        "<transport xmlns='urn:xmpp:jingle:transports:s5b:1' dstaddr='d' mode='tcp' sid='s'>"
        "<candidate cid='c' host='192.0.2.1' jid='p@x' port='1086' priority='8257636' type='assisted'/>"
        "<candidate-used cid='c'/><candidate-error/><activated cid='c'/><proxy-error/></transport>",
        s5b.Socks5Transport(
            dstaddr="d",
            mode=s5b.Mode.TCP,
            sid="s",
            candidates=(
                s5b.StreamhostCandidate(
                    cid="c",
                    host="192.0.2.1",
                    jid="p@x",
                    port=1086,
                    priority=8257636,
                    type=s5b.StreamhostType.ASSISTED,
                ),
            ),
            candidate_used=s5b.CandidateUsed(cid="c"),
            candidate_error=True,
            activated=s5b.Activated(cid="c"),
            proxy_error=True,
        ),
    ),
    (
        "<query xmlns='http://jabber.org/protocol/bytestreams' sid='s' mode='udp' dstaddr='d'>"
        "<streamhost jid='p@x' host='h' port='7777'/><streamhost-used jid='p@x'/><activate>b@y/r</activate></query>",
        s5b.BytestreamsQuery(
            sid="s",
            mode=s5b.Mode.UDP,
            dstaddr="d",
            streamhosts=(s5b.Streamhost(jid="p@x", host="h", port=7777),),
            streamhost_used=s5b.StreamhostUsed(jid="p@x"),
            activate="b@y/r",
        ),
    ),
    ("<udpsuccess xmlns='http://jabber.org/protocol/bytestreams' dstaddr='d'/>", s5b.UdpSuccess(dstaddr="d")),
    (
        "<transport xmlns='urn:xmpp:jingle:transports:ibb:1' block-size='65535' sid='s' stanza='message'/>",
        ibb.IbbTransport(block_size=65535, sid="s", stanza=ibb.StanzaKind.MESSAGE),
    ),
    ("<open xmlns='http://jabber.org/protocol/ibb' block-size='4096' sid='s'/>", ibb.Open(block_size=4096, sid="s")),
    (
        "<data xmlns='http://jabber.org/protocol/ibb' seq='65535' sid='s'>AAEC/w==</data>",
        ibb.Data(seq=65535, sid="s", data=b"\x00\x01\x02\xff"),
    ),
    ("<close xmlns='http://jabber.org/protocol/ibb' sid='s'/>", ibb.Close(sid="s")),
    (
        "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><media-type>text/plain</media-type>"
        "<name>a.txt</name><date>2015-07-26T21:46:00Z</date><size>0</size><desc>d</desc>"
        "<range offset='1' length='2'><hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>AAEC</hash></range>"
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>AAEC</hash><hash-used xmlns='urn:xmpp:hashes:2' algo='sha-1'/>"
        "<thumbnail xmlns='urn:xmpp:thumbs:1' uri='cid:a' media-type='image/png' width='65535' height='0'/>"
        "</file></description>",
        file_transfer.FileDescription(
            file=file_transfer.File(
                media_type="text/plain",
                name="a.txt",
                date="2015-07-26T21:46:00Z",
                size=0,
                desc="d",
                range=file_transfer.Range(
                    offset=1, length=2, hashes=(hashes.Hash(algo="sha-1", value=b"\x00\x01\x02"),)
                ),
                hashes=(hashes.Hash(algo="sha-256", value=b"\x00\x01\x02"),),
                hashes_used=(hashes.HashUsed(algo="sha-1"),),
                thumbnails=(file_transfer.Thumbnail(uri="cid:a", media_type="image/png", width=65535, height=0),),
            )
        ),
    ),
    (
        "<checksum xmlns='urn:xmpp:jingle:apps:file-transfer:5' creator='initiator' name='f'><file/></checksum>",
        file_transfer.Checksum(creator=Role.INITIATOR, name="f", file=file_transfer.File()),
    ),
    ("<received xmlns='urn:xmpp:jingle:apps:file-transfer:5' name='f'/>", file_transfer.Received(name="f")),
    (
        "<file-not-available xmlns='urn:xmpp:jingle:apps:file-transfer:errors:0'/>",
        file_transfer.FileNotAvailable(),
    ),
    ("<file-too-large xmlns='urn:xmpp:jingle:apps:file-transfer:errors:0'/>", file_transfer.FileTooLarge()),
    (
        "<propose xmlns='urn:xmpp:jingle-message:0' id='i'>"
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>"
        "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/></propose>",
        initiation.Propose(id="i", descriptions=(rtp.RtpDescription(media="audio"), rtp.RtpDescription(media="video"))),
    ),
    ("<ringing xmlns='urn:xmpp:jingle-message:0' id='i'/>", initiation.Ringing(id="i")),
    ("<proceed xmlns='urn:xmpp:jingle-message:0' id='i'/>", initiation.Proceed(id="i")),
    ("<accept xmlns='urn:xmpp:jingle-message:0' id='i'/>", initiation.Accept(id="i")),
    (
        "<retract xmlns='urn:xmpp:jingle-message:0' id='i'><reason xmlns='urn:xmpp:jingle:1'><cancel/></reason>"
        "<tie-break/></retract>",
        initiation.Retract(id="i", reason=core.Reason(condition=ReasonCondition.CANCEL), tie_break=True),
    ),
    (
        "<reject xmlns='urn:xmpp:jingle-message:0' id='i'><reason xmlns='urn:xmpp:jingle:1'><expired/></reason>"
        "<tie-break/></reject>",
        initiation.Reject(id="i", reason=core.Reason(condition=ReasonCondition.EXPIRED), tie_break=True),
    ),
    (
        "<finish xmlns='urn:xmpp:jingle-message:0' id='i'><migrated to='j'/></finish>",
        initiation.Finish(id="i", migrated=initiation.Migrated(to="j")),
    ),
    (
        "<finish xmlns='urn:xmpp:jingle-message:0' id='i'><migrated xmlns='urn:xmpp:jingle:1' to='j'/></finish>",
        initiation.Finish(id="i", migrated=initiation.MigratedInJingle(to="j")),
    ),
    (
        "<invite xmlns='urn:xmpp:call-invites:0' video='true' audio='false'><jingle sid='s' jid='a@x'/>"
        "<external uri='tel:+1'/></invite>",
        invite.Invite(
            video=True,
            audio=False,
            jingle=invite.JingleWay(sid="s", jid="a@x"),
            externals=(invite.ExternalWay(uri="tel:+1"),),
        ),
    ),
    (
        "<accept xmlns='urn:xmpp:call-invites:0' id='i'><jingle sid='s'/></accept>",
        invite.InviteAccept(id="i", jingle=invite.JingleWay(sid="s")),
    ),
    ("<reject xmlns='urn:xmpp:call-invites:0' id='i'/>", invite.InviteReject(id="i")),
    ("<retract xmlns='urn:xmpp:call-invites:0' id='i'/>", invite.InviteRetract(id="i")),
    ("<left xmlns='urn:xmpp:call-invites:0' id='i'/>", invite.InviteLeft(id="i")),
    (
        "<services xmlns='urn:xmpp:extdisco:2' type='turn'><service action='modify'"
        " expires='2026-11-23T20:00:00Z' host='h'"
        " name='n' password='p' port='3478' restricted='true' transport='udp' type='turn' username='u'/></services>",
        services.Services(
            type="turn",
            services=(
                services.Service(
                    action="modify",
                    expires="2026-11-23T20:00:00Z",
                    host="h",
                    name="n",
                    password="p",
                    port=3478,
                    restricted=True,
                    transport="udp",
                    type="turn",
                    username="u",
                ),
            ),
        ),
    ),
    (
        "<credentials xmlns='urn:xmpp:extdisco:2'><service host='h' type='turn'/></credentials>",
        services.Credentials(services=(services.Service(host="h", type="turn"),)),
    ),
    ("<store xmlns='urn:xmpp:hints'/>", messages.Store()),
    ("<no-store xmlns='urn:xmpp:hints'/>", messages.NoStore()),
    ("<no-permanent-store xmlns='urn:xmpp:hints'/>", messages.NoPermanentStore()),
    ("<no-copy xmlns='urn:xmpp:hints'/>", messages.NoCopy()),
    ("<request xmlns='urn:xmpp:receipts'/>", messages.ReceiptRequest()),
    ("<received xmlns='urn:xmpp:receipts' id='i'/>", messages.Receipt(id="i")),
    (
        "<query xmlns='http://jabber.org/protocol/disco#info' node='n'><identity category='client' type='pc' name='x'/>"
        "<feature var='a'/><feature var='b'/></query>",
        disco.DiscoInfo(
            node="n",
            identities=(disco.Identity(category="client", type="pc", name="x"),),
            features=(disco.Feature(var="a"), disco.Feature(var="b")),
        ),
    ),
    (
        "<query xmlns='http://jabber.org/protocol/disco#items' node='n'><item jid='a@x' node='m' name='x'/></query>",
        disco.DiscoItems(node="n", items=(disco.Item(jid="a@x", node="m", name="x"),)),
    ),
    (
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>",
        disco.Capabilities(hash="sha-1", node="n", ver="v"),
    ),
    ("<ping xmlns='urn:xmpp:ping'/>", disco.Ping()),
    (
        "<security xmlns='urn:xmpp:jingle:security:xtls:0'><fingerprint algo='sha-256'>ab:cd</fingerprint>"
        "<method name='x509'/><method name='srp'/></security>",
        security.XtlsSecurity(
            fingerprint=security.CertificateFingerprint(algo="sha-256", value="ab:cd"),
            methods=(security.SecurityMethod(name="x509"), security.SecurityMethod(name="srp")),
        ),
    ),
    (
        "<session xmlns='urn:jingle-toolkit:sdp:0' name='talk' origin='- 1 2 IN IP4 127.0.0.1'>"
        "<line type='i' value='about it'/><attribute name='ice-lite'/></session>",
        sdp_extension.SdpSession(
            origin="- 1 2 IN IP4 127.0.0.1",
            name="talk",
            lines=(sdp_extension.SdpLine(type="i", value="about it"),),
            attributes=(sdp_extension.SdpAttribute(name="ice-lite"),),
        ),
    ),
    (
        "<media xmlns='urn:jingle-toolkit:sdp:0' connection='IN IP4 192.0.2.1' formats='t38' media='image' mid='false' "
        "port='9' port-count='2' profile='udptl' rtcp=''><attribute name='rid' value='hi send'/></media>",
        sdp_extension.SdpMedia(
            media="image",
            port=9,
            port_count=2,
            profile="udptl",
            formats="t38",
            connection="IN IP4 192.0.2.1",
            rtcp="",
            mid=False,
            attributes=(sdp_extension.SdpAttribute(name="rid", value="hi send"),),
        ),
    ),
    (
        "<data xmlns='urn:xmpp:bob' cid='sha1+8f35fef110ffc5df08d579a50083ff9308fb6242@bob.xmpp.org' max-age='86400' "
        "type='image/png'>AAEC/w==</data>",
        bob.BobData(
            cid="sha1+8f35fef110ffc5df08d579a50083ff9308fb6242@bob.xmpp.org",
            max_age=86400,
            type="image/png",
            data=b"\x00\x01\x02\xff",
        ),
    ),
    (
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'>"
        f"<candidate {HOST}><extension xmlns='urn:jingle-toolkit:sdp:0' name='network-id' value='1'/></candidate>"
        "<trickle xmlns='http://gultsch.de/xmpp/drafts/jingle/transports/ice-udp/option'/>"
        "<renomination xmlns='http://gultsch.de/xmpp/drafts/jingle/transports/ice-udp/option'/></transport>",
        ice_udp.IceUdpTransport(
            candidates=(
                ice_udp.Candidate(
                    **HOST_FIELDS, extra=(sdp_extension.CandidateExtension(name="network-id", value="1"),)
                ),
            ),
            extra=(ice_options.Trickle(), ice_options.Renomination()),
        ),
    ),
]


@pytest.mark.parametrize(("source", "model"), MEANINGS, ids=[type(model).__qualname__ for _, model in MEANINGS])
def test_meaning(source: str, model: Element) -> None:
    parsed = from_string(source)
    assert parsed == model
    assert parsed.arrival is None, "the table spells everything as the models do"
    assert ET.canonicalize(to_string(model)) == ET.canonicalize(source)


def test_every_model_has_its_meaning_spelled_out() -> None:
    told = {type(part) for _, model in MEANINGS for part in parts_of(model)}
    assert set(MODELS) - told == set()


@pytest.mark.parametrize("condition", ReasonCondition)
def test_every_condition(condition: ReasonCondition) -> None:
    source = f"<reason xmlns='urn:xmpp:jingle:1'><{condition.value}/></reason>"
    assert from_string(source) == core.Reason(condition=condition)
    assert to_string(core.Reason(condition=condition)) == source


@pytest.mark.parametrize(
    ("inside", "condition", "sid"),
    [
        ("<failed_transport/>", ReasonCondition.FAILED_TRANSPORT, None),
        ("<failed_application/>", ReasonCondition.FAILED_APPLICATION, None),
        ("<bancel/>", ReasonCondition.GENERAL_ERROR, None),
        ("<busy xml:lang='en'/>", ReasonCondition.BUSY, None),
        ("<busy>very</busy>", ReasonCondition.BUSY, None),
        ("<busy/><cancel/>", ReasonCondition.BUSY, None),
        ("<alternative-session/>", ReasonCondition.ALTERNATIVE_SESSION, None),
        ("<alternative-session><x/></alternative-session>", ReasonCondition.ALTERNATIVE_SESSION, None),
        ("<alternative-session><sid a='b'>s</sid></alternative-session>", ReasonCondition.ALTERNATIVE_SESSION, "s"),
        ("<alternative-session><sid><x/></sid></alternative-session>", ReasonCondition.ALTERNATIVE_SESSION, ""),
        ("<alternative-session><sid/>x</alternative-session>", ReasonCondition.ALTERNATIVE_SESSION, ""),
        ("<alternative-session><sid>s</sid><sid/></alternative-session>", ReasonCondition.ALTERNATIVE_SESSION, "s"),
    ],
)
def test_odd_reasons(inside: str, condition: ReasonCondition, sid: str | None) -> None:
    """What is beside the XEP is understood as far as it goes, and written back as it came."""
    source = f"<reason xmlns='urn:xmpp:jingle:1'>{inside}</reason>"
    reason = from_string(source)
    assert isinstance(reason, core.Reason)
    assert (reason.condition, reason.alternative_session) == (condition, sid)
    assert ET.canonicalize(to_string(reason)) == ET.canonicalize(source)


def test_an_alternative_session_needs_its_condition() -> None:
    with pytest.raises(LocalProtocolError, match="a <sid/> that belongs in <alternative-session/> only"):
        to_string(core.Reason(condition=ReasonCondition.BUSY, alternative_session="s"))


def test_an_application_specific_condition_is_kept() -> None:
    reason = from_string(
        "<reason xmlns='urn:xmpp:jingle:1'><security-error/>"
        "<crypto-required xmlns='urn:xmpp:jingle:apps:rtp:errors:1'/></reason>"
    )
    assert reason == core.Reason(condition=ReasonCondition.SECURITY_ERROR, extra=(rtp.CryptoRequired(),))


def test_what_absence_means() -> None:
    content = core.Content(creator=Role.INITIATOR, name="a")
    assert (content.effective_senders, content.effective_disposition) == (Senders.BOTH, "session")
    content = core.Content(creator=Role.INITIATOR, name="a", senders=Senders.NONE, disposition="x")
    assert (content.effective_senders, content.effective_disposition) == (Senders.NONE, "x")
    assert rtp.PayloadType(id=0).effective_channels == 1
    assert rtp.PayloadType(id=0, channels=2).effective_channels == 2
    assert rtp.HeaderExtension(id=1, uri="u").effective_senders is Senders.BOTH
    assert rtp.HeaderExtension(id=1, uri="u", senders=Senders.NONE).effective_senders is Senders.NONE
    assert rtp.Dtmf(code="1").effective_duration == 100
    assert rtp.Dtmf(code="1", duration=0).effective_duration == 0
    assert ice_udp.Candidate(**HOST_FIELDS).effective_generation == 0
    assert ice_udp.Candidate(**HOST_FIELDS, generation=3).effective_generation == 3
    assert file_transfer.Range().effective_offset == 0
    assert file_transfer.Range(offset=5).effective_offset == 5
    assert services.Service(host="h", type="t").effective_action == "add"
    assert services.Service(host="h", type="t", action="remove").effective_action == "remove"
    assert (invite.Invite().effective_video, invite.Invite().effective_audio) == (False, True)
    assert (invite.Invite(video=True).effective_video, invite.Invite(audio=False).effective_audio) == (True, False)
    assert ibb.Open(block_size=1, sid="s").effective_stanza is ibb.StanzaKind.IQ
    assert ibb.Open(block_size=1, sid="s", stanza=ibb.StanzaKind.MESSAGE).effective_stanza is ibb.StanzaKind.MESSAGE
    candidate = s5b.StreamhostCandidate(cid="c", host="h", jid="j", priority=1)
    assert (candidate.effective_port, candidate.effective_type) == (1080, s5b.StreamhostType.DIRECT)
    candidate = s5b.StreamhostCandidate(cid="c", host="h", jid="j", priority=1, port=1, type=s5b.StreamhostType.PROXY)
    assert (candidate.effective_port, candidate.effective_type) == (1, s5b.StreamhostType.PROXY)
    assert s5b.Streamhost(jid="j", host="h").effective_port == 1080
    assert s5b.Streamhost(jid="j", host="h", port=7777).effective_port == 7777
    assert s5b.Socks5Transport(sid="s").effective_mode is s5b.Mode.TCP
    assert s5b.Socks5Transport(sid="s", mode=s5b.Mode.UDP).effective_mode is s5b.Mode.UDP


def test_roles_and_groups() -> None:
    assert Role.INITIATOR.other is Role.RESPONDER
    assert Role.RESPONDER.other is Role.INITIATOR
    assert core.Group.of("LS", ("a", "b")).names == ("a", "b")
    assert disco.DiscoInfo(features=(disco.Feature(var="a"),)).names == {"a"}
    assert len(Action) == 15
    assert len(ReasonCondition) == 17


def test_white_space_in_fingerprints_means_nothing() -> None:
    assert ice_udp.Fingerprint(hash="sha-1", value="\n 02:1a:\n cc ").digest == "02:1A:CC"
    assert security.CertificateFingerprint(value=" 02:1a\ncc").digest == "021ACC"


@pytest.mark.parametrize(
    ("attributes", "port"),
    [
        ("rel-port='7'", 7),
        ("rel_port='8'", 8),
        ("rel-port='7' rel_port='8'", 7),
        ("rel_port='65536'", None),
        ("rel_port='many'", None),
        ("", None),
    ],
)
def test_related_port(attributes: str, port: int | None) -> None:
    """Monal writes `rel_port`; what cannot be read there is no reason to refuse the candidate."""
    candidate = from_string(f"<candidate xmlns='urn:xmpp:jingle:transports:ice-udp:1' {HOST} {attributes}/>")
    assert isinstance(candidate, ice_udp.Candidate)
    assert candidate.related_port == port


def test_the_media_type_under_either_spelling() -> None:
    file = from_string("<file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><mediaType>a/b</mediaType></file>")
    assert isinstance(file, file_transfer.File)
    assert file.effective_media_type == "a/b"
    assert file_transfer.File(media_type="c/d", camel_media_type="a/b").effective_media_type == "c/d"
    assert file_transfer.File().effective_media_type is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01", 0),
        (" 1970-01-02T00:00:01.5Z ", 86401.5),
        ("2015-07-26T21:46:00+01:00", 1437943560),
        ("2015-07-26T21:46:00-01:30", 1437952560),
        ("2026-11-23T20:00:00+00:00Z", 1795464000),  # Gajim
        ("2026-11-23T20:00:00.250000+00:00", 1795464000.25),
        ("2026-11-23T20:00:00", 1795464000),
        ("0000-01-01", None),
        ("2026-13-01", None),
        ("2026-00-01", None),
        ("2026-01-32", None),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01T00:60:00Z", None),
        ("2026-01-01T00:00:61Z", None),
        ("\u0662\u0660\u0662\u0666-01-01", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_timestamps(text: str, seconds: float | None) -> None:
    assert timestamp(text) == seconds
    assert services.Service(host="h", type="t", expires=text).expires_at == seconds
    assert file_transfer.File(date=text).modified_at == seconds


def test_no_timestamp() -> None:
    assert services.Service(host="h", type="t").expires_at is None
    assert file_transfer.File().modified_at is None
