"""Reading and writing SDP: what the typed fields hold, and what is refused in which line."""

from __future__ import annotations

import contextlib
import gc
import time
import tracemalloc

import pytest

from jingle import sdp
from jingle.elements import rtp
from jingle.elements.bounds import ATTRIBUTE, CHILDREN, TEXT
from jingle.elements.ice_udp import CandidateType, SctpMap, Setup, TcpType
from jingle.errors import LocalProtocolError, RemoteProtocolError, SdpError
from jingle.sdp.text import LONGEST

HEAD = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
AUDIO = f"{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111 101\n"


def section(*lines: str, head: str = AUDIO) -> sdp.MediaDescription:
    return sdp.parse(head + "\n".join(lines)).media[0]


def test_the_session_level() -> None:
    description = sdp.parse(
        "v=0\r\no=jdoe 37 38 IN IP6 2001:db8::1\r\ns=A talk\r\ni=about\r\nu=http://x\r\n"
        "c=IN IP4 192.0.2.1\r\nb=CT:128\r\n"
        "t=1 2\r\nr=7d 1h 0\r\na=group:BUNDLE a b\r\na=group:LS a\r\na=ice-lite\r\na=msid-semantic: WMS *\r\n"
    )
    assert description == sdp.SessionDescription(
        origin=sdp.Origin(username="jdoe", session_id="37", version="38", address_type="IP6", address="2001:db8::1"),
        name="A talk",
        lines=(("i", "about"), ("u", "http://x")),
        connection=sdp.Connection(address="192.0.2.1"),
        bandwidths=(rtp.Bandwidth(type="CT", value="128"),),
        timing=(("t", "1 2"), ("r", "7d 1h 0")),
        groups=(sdp.Group(semantics="BUNDLE", mids=("a", "b")), sdp.Group(semantics="LS", mids=("a",))),
        ice_lite=True,
        attributes=(sdp.Attribute(name="msid-semantic", value=" WMS *"),),
    )
    assert description.attribute("msid-semantic") == " WMS *"
    assert description.attribute("nothing") is None


def test_payload_types_are_put_together_from_their_lines() -> None:
    media = section(
        "a=fmtp:111 minptime=10; useinbandfec=1;",
        "a=rtpmap:111\topus/48000/2",
        "a=rtpmap:101 telephone-event/8000/1",
        "a=fmtp:101 0-15",
        "a=rtcp-fb:111 transport-cc",
        "a=rtcp-fb:111 ccm tmmbr smaxpr=120 x",
        "a=rtcp-fb:111 trr-int 100",
        "a=rtcp-fb:111 trr-int 100",
        "a=rtcp-fb:* nack pli",
        "a=rtcp-fb:* trr-int 0",
        "a=rtpmap:99 stray/1",
        "a=fmtp:webrtc-datachannel x",
    )
    assert media.payload_types == (
        rtp.PayloadType(
            id=111,
            name="opus",
            clockrate=48000,
            channels=2,
            parameters=(rtp.Parameter(name="minptime", value="10"), rtp.Parameter(name="useinbandfec", value="1")),
            feedback=(
                rtp.Feedback(type="transport-cc"),
                rtp.Feedback(
                    type="ccm",
                    subtype="tmmbr",
                    parameters=(
                        rtp.FeedbackParameter(name="smaxpr", value="120"),
                        rtp.FeedbackParameter(name="x", value=None),
                    ),
                ),
            ),
            feedback_interval=rtp.FeedbackInterval(value=100),
        ),
        rtp.PayloadType(
            id=101, name="telephone-event", clockrate=8000, parameters=(rtp.Parameter(name="0-15", value=None),)
        ),
    )
    assert media.feedback == (rtp.Feedback(type="nack", subtype="pli"),)
    assert media.feedback_interval == rtp.FeedbackInterval(value=0)
    assert [kept.name for kept in media.attributes] == ["rtpmap", "fmtp"]


def test_static_payload_types_need_no_map() -> None:
    media = section(head=f"{HEAD}m=audio 9 RTP/AVP 0 8 13 99\n")
    assert [(kind.name, kind.clockrate) for kind in media.payload_types] == [
        ("PCMU", 8000),
        ("PCMA", 8000),
        ("CN", 8000),
        (None, None),
    ]


def test_a_candidate() -> None:
    media = section(
        "a=candidate:1 1 UDP 2122 x.local 9 typ srflx raddr 0.0.0.0 rport 0 tcptype so generation 3 network 7 ufrag a",
        "a=candidate:1 1 udp 1 192.0.2.1 9 typ unheard-of",
        "a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype unheard-of generation 1 generation 2",
    )
    assert media.candidates == (
        sdp.Candidate(
            foundation="1",
            component=1,
            transport="udp",
            priority=2122,
            address="x.local",
            port=9,
            type=CandidateType.SRFLX,
            related_address="0.0.0.0",
            related_port=0,
            tcp_type=TcpType.SO,
            generation=3,
            network=7,
            extensions=(("ufrag", "a"),),
        ),
        sdp.Candidate(
            foundation="1",
            component=1,
            transport="tcp",
            priority=1,
            address="192.0.2.1",
            port=9,
            type=CandidateType.HOST,
            generation=1,
            extensions=(("tcptype", "unheard-of"), ("generation", "2")),
        ),
    )
    assert media.attributes == (sdp.Attribute(name="candidate", value="1 1 udp 1 192.0.2.1 9 typ unheard-of"),)


def test_everything_else_of_a_section() -> None:
    media = section(
        "i=title",
        "c=IN IP4 0.0.0.0",
        "c=IN IP4 192.0.2.9",
        "b=AS:64",
        "k=prompt",
        "a=rtcp:9",
        "a=mid:0",
        "a=setup:active",
        "a=sendonly",
        "a=sendonly",
        "a=extmap:2/recvonly urn:x  a=1 b",
        "a=msid:s t",
        "a=msid:- t",
        "a=msid:s",
        "a=ssrc:1 cname:a b",
        "a=ssrc:1 flag",
        "a=ssrc-group:FID 1 2",
        "a=rid:hi send pt=96;max-width=1280",
        "a=rid:lo recv",
        "a=simulcast:send hi,~lo;x recv y",
        "a=crypto:1 SUITE inline:key KDR=1 X",
        "a=ice-options:trickle ice2",
        "a=ice-options:trickle",
        "a=remote-candidates:1 192.0.2.1 9 2 192.0.2.1 10",
        "a=bundle-only",
        "a=sctpmap:5000 webrtc-datachannel",
        "a=max-message-size:0",
        "a=framerate:25",
        "a=flag",
    )
    assert media.lines == (("i", "title"), ("c", "IN IP4 192.0.2.9"), ("k", "prompt"))
    assert media.rtcp == sdp.Rtcp(port=9)
    assert media.setup is Setup.ACTIVE
    assert media.direction is sdp.Direction.SENDONLY
    assert media.header_extensions[0].direction is sdp.Direction.RECVONLY
    assert [(each.name, each.value) for each in media.header_extensions[0].attributes] == [("a", "1"), ("b", None)]
    assert [(stream.id, stream.track) for stream in media.streams] == [("s", "t"), ("-", "t"), ("s", None)]
    assert [(part.name, part.value) for part in media.sources[0].parameters] == [("cname", "a b"), ("flag", None)]
    assert [source.ssrc for source in media.source_groups[0].sources] == [1, 2]
    assert media.rids == (
        sdp.Rid(id="hi", direction="send", restrictions=(("pt", "96"), ("max-width", "1280"))),
        sdp.Rid(id="lo", direction="recv"),
    )
    assert media.simulcast == sdp.Simulcast(send=(("hi", "~lo"), ("x",)), receive=(("y",),))
    assert media.cryptos[0].session_params == "KDR=1 X"
    assert media.ice_options == ("trickle", "ice2")
    assert [each.component for each in media.remote_candidates] == [1, 2]
    assert media.sctp_map == SctpMap(number=5000, protocol="webrtc-datachannel")
    assert media.max_message_size == 0
    assert media.attributes == (
        sdp.Attribute(name="framerate", value="25"),
        sdp.Attribute(name="flag"),
    )
    assert not media.is_rejected
    assert "key" not in repr(media)


def test_the_first_line_may_be_indented_and_the_last_ones_empty() -> None:
    assert sdp.parse(f"   {HEAD}\r\n  \n").media == ()


def test_lines_are_written_in_the_order_of_the_rfc() -> None:
    text = "v=0\no=- 1 2 IN IP4 x\ns=-\ni=x\nu=y\ne=z\np=1\nc=IN IP4 x\nb=A:1\nt=1 2\nr=3 4\nz=5 6\nk=prompt\na=x\n"
    assert sdp.format(sdp.parse(text)) == text.replace("\n", "\r\n")


MALFORMED = [
    (1, "x", "begins with v=0"),
    (1, "v=1", "begins with v=0"),
    (1, "v=0", "the line o= is missing"),
    (1, "v=0\no=- 1 2 IN IP4 x", "the line s= is missing"),
    (2, "v=0\nv=0", "no line 'v='"),
    (2, "v=0\nhello", "'hello' is not of the form x=..."),
    (2, "v=0\n\no=- 1 2 IN IP4 x\ns=-", "'' is not of the form"),
    (2, "v=0\no=- 1 2 IN IP4", "5 parts instead of six"),
    (2, "v=0\no=- one 2 IN IP4 x", "the number 'one'"),
    (3, "v=0\no=- 1 2 IN IP4 x\no=- 1 3 IN IP4 x", "said otherwise before"),
    (4, "v=0\no=- 1 2 IN IP4 x\ns=-\nx=1", "there is no line 'x='"),
    (5, f"{HEAD}a=", "'' is no name"),
    (5, f"{HEAD}a=x y:z", "'x y' is no name"),
    (5, f"{HEAD}c=IN IP4", "the address has 2 of at least 3 parts"),
    (6, f"{HEAD}c=IN IP4 x\nc=IN IP4 y", "one address"),
    (5, f"{HEAD}b=AS", "type:value"),
    (5, f"{HEAD}b=:1", "type:value"),
    (5, f"{HEAD}a=group:", "the group has 0 of at least 1 parts"),
    (5, f"{HEAD}m=audio 9", "the media section has 2 of at least 3 parts"),
    (5, f"{HEAD}m=audio 65536 RTP/AVP 0", "the port 65536 is not between 0 and 65535"),
    (5, f"{HEAD}m=audio 9/x RTP/AVP 0", "number of ports 'x'"),
    (5, f"{HEAD}m=audio 9 RTP/AVP 128", "payload type 128"),
    (5, f"{HEAD}m=audio 9 RTP/AVP opus", "payload type 'opus'"),
    (5, f"{HEAD}m=audio 9 RTP/AVP 0 0", "listed twice"),
    (6, f"{AUDIO}o=- 1 2 IN IP4 x", "no line 'o=' here"),
    (8, f"{AUDIO}a=mid:0\nm=video 9 RTP/AVP 0\na=mid:0", "the mid '0' is used twice"),
    (7, f"{AUDIO}a=mid:0\na=mid:1", "said otherwise before"),
    (6, f"{AUDIO}a=mid:a b", "the mid 'a b' is not a token"),
    (7, f"{AUDIO}a=sendonly\na=recvonly", "said otherwise before"),
    (6, f"{AUDIO}a=rtpmap:x opus/48000", "payload type 'x'"),
    (6, f"{AUDIO}a=rtpmap:111 opus/x", "clock rate 'x'"),
    (6, f"{AUDIO}a=rtpmap:111 opus/1/256", "number of channels 256"),
    (6, f"{AUDIO}a=rtpmap:111 a b", "the encoding 'a b' is not one word"),
    (6, f"{AUDIO}a=rtpmap:111 /8000", "the encoding has no name"),
    (6, f"{AUDIO}a=rtcp-fb:111", "the feedback has 0"),
    (6, f"{AUDIO}a=rtcp-fb:111 trr-int x", "interval 'x'"),
    (7, f"{AUDIO}a=rtcp-fb:111 trr-int 1\na=rtcp-fb:111 trr-int 2", "another interval"),
    (7, f"{AUDIO}a=rtcp-fb:* trr-int 1\na=rtcp-fb:* trr-int 2", "said otherwise"),
    (6, f"{AUDIO}a=extmap:1", "the header extension has 1"),
    (6, f"{AUDIO}a=extmap:x urn:x", "header extension's number 'x'"),
    (6, f"{AUDIO}a=extmap:1/left urn:x", "the direction 'left' is not one of sendrecv"),
    (6, f"{AUDIO}a=ssrc:1", "needs an attribute"),
    (6, f"{AUDIO}a=ssrc:1 a b:c", "needs an attribute"),
    (6, f"{AUDIO}a=x:a\rb", "the character"),
    (6, f"{AUDIO}a=ice-ufrag:a b", "the ufrag 'a b' is not one word"),
    (6, f"{AUDIO}a=ssrc:x cname:1", "source 'x'"),
    (6, f"{AUDIO}a=ssrc-group:FID 1 x", "source 'x'"),
    (6, f"{AUDIO}a=rid:1 left", "neither send nor recv"),
    (6, f"{AUDIO}a=simulcast:send", "1 of at least 2"),
    (6, f"{AUDIO}a=simulcast:send 1 send 2", "is not send and recv"),
    (6, f"{AUDIO}a=simulcast:send 1 recv", "is not send and recv"),
    (6, f"{AUDIO}a=simulcast:left 1", "is not send and recv"),
    (6, f"{AUDIO}a=fingerprint:sha-256", "the fingerprint has 1"),
    (6, f"{AUDIO}a=setup:never", "the setup 'never' is not one of active"),
    (6, f"{AUDIO}a=crypto:1 SUITE", "the key has 2"),
    (6, f"{AUDIO}a=crypto:", "the key has 1"),
    (6, f"{AUDIO}a=candidate:1 1 udp 1 x 9 host", "the candidate has 7"),
    (6, f"{AUDIO}a=candidate:1 1 udp 1 x 9 type host", "in the place of 'typ'"),
    (6, f"{AUDIO}a=candidate:1 1 udp 1 x 9 typ host ufrag", "'ufrag' of a candidate has no value"),
    (6, f"{AUDIO}a=candidate:1 256 udp 1 x 9 typ host", "component 256"),
    (6, f"{AUDIO}a=candidate:1 1 udp 0 x 9 typ host", "priority 0"),
    (6, f"{AUDIO}a=candidate:1 1 udp 1 x 9 typ host rport -1", "related port '-1'"),
    (6, f"{AUDIO}a=remote-candidates:1 x 9 2", "come in threes"),
    (6, f"{AUDIO}a=ptime:20.5", "packet time '20.5'"),
    (6, f"{AUDIO}a=rtcp:nine", "port 'nine'"),
    (6, f"{AUDIO}a=sctp-port:70000", "SCTP port 70000"),
    (6, f"{AUDIO}a=sctpmap:5000", "the SCTP map has 1"),
    (6, f"{AUDIO}a=max-message-size:{10**20}", "message size"),
    (6, f"{AUDIO}a=x:\u2028", "the character '\\u2028'"),
    (6, f"{AUDIO}a=x:\x00", "the character '\\x00'"),
    (6, f"{AUDIO}a=x:\ud800", "the character '\\ud800'"),
    (6, f"{AUDIO}a=x:{'y' * ATTRIBUTE}", f"longer than {ATTRIBUTE}"),
    (6, f"{AUDIO}i={'y' * (ATTRIBUTE + 1)}", f"longer than {ATTRIBUTE}"),
    (6, f"{AUDIO}a=jingle-element:{'y' * TEXT}", f"longer than {ATTRIBUTE}"),
    (6, f"{AUDIO}a=fmtp:111 {'a;' * (CHILDREN + 1)}", f"more than {CHILDREN}"),
    (6, f"{AUDIO}a=ssrc-group:X {'1 ' * (CHILDREN + 1)}", f"more than {CHILDREN} parts"),
    (6 + CHILDREN, AUDIO + "a=x\n" * (CHILDREN + 1), f"more than {CHILDREN}"),
    (6 + CHILDREN, AUDIO + "".join(f"a=ssrc:{n} x\n" for n in range(CHILDREN + 1)), f"more than {CHILDREN}"),
    (6 + CHILDREN, AUDIO + "a=rtcp-fb:111 nack\n" * (CHILDREN + 1), f"more than {CHILDREN}"),
    (5 + CHILDREN, HEAD + "m=audio 9 RTP/AVP 0\n" * (CHILDREN + 1), f"more than {CHILDREN} media sections"),
    (1, "v" * (LONGEST + 1), f"longer than {LONGEST}"),
]


@pytest.mark.parametrize(("line", "text", "reason"), MALFORMED, ids=[reason[:30] for _, _, reason in MALFORMED])
def test_malformed(line: int, text: str, reason: str) -> None:
    with pytest.raises(SdpError) as raised:
        sdp.parse(text)
    assert raised.value.line == line
    assert reason in raised.value.reason
    assert str(raised.value) == f"line {line}: {raised.value.reason}"
    assert isinstance(raised.value, RemoteProtocolError)


def test_a_value_that_would_end_the_line_is_not_written() -> None:
    description = sdp.SessionDescription(origin=sdp.Origin(session_id="1"), name="a\r\na=evil")
    with pytest.raises(LocalProtocolError, match="cannot carry"):
        sdp.format(description)


@pytest.mark.parametrize(
    "unit",
    [
        "a=ssrc:{n} cname:x\n",
        "a=rtcp-fb:111 nack {n}\n",
        "a=x{n}\n",
        "m=audio 9 RTP/AVP 0\na=mid:{n}\n",
        "a=candidate:1 1 udp 1 x 9 typ host a {n}\n",
    ],
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    """Ten times as much takes no hundred times as long."""

    def seconds(count: int) -> float:
        text = AUDIO + "".join(unit.format(n=n) for n in range(count))
        best = 9.0
        for _ in range(3):
            begin = time.process_time()
            sdp.parse(text)
            best = min(best, time.process_time() - begin)
        return best

    assert seconds(1000) < 40 * seconds(100)


def test_a_megabyte_is_refused_or_read_in_no_time() -> None:
    begin = time.process_time()
    for filler in ("a=fmtp:111 " + "x;" * 4000, "a=ssrc-group:FID " + "1 " * 4000, "a=extmap:1 u " + "a " * 4000):
        with pytest.raises(SdpError):
            sdp.parse(AUDIO + f"{filler}\n" * 120)
    with pytest.raises(SdpError):
        sdp.parse(AUDIO + "a=mid:" + " " * 8000 + "x y\n" * 100)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    "unit",
    [
        "a=rtcp-fb:111 a b " + "x " * 1000 + "{n}\n",
        "a=extmap:1 u " + "a " * 1000 + "{n}\n",
        "a=candidate:1 1 udp 1 x 9 typ host " + "a b " * 500 + "{n} c\n",
        "m=audio 9 RTP/AVP 0\n" + "a=x\n" * 1000 + "a=mid:{n}\n",
        "a=rtcp-fb:111 " + "{n} " * 40 + "\n",
    ],
    ids=["feedback", "extensions", "candidates", "sections", "words"],
)
def test_memory_is_bounded(unit: str) -> None:
    """A hundred bytes for each character at most while it is read, and hardly any when it is forgotten."""
    text = AUDIO + "".join(unit.format(n=n) for n in range(300_000 // len(unit)))
    gc.collect()
    tracemalloc.start()
    try:
        with contextlib.suppress(SdpError):
            sdp.parse(text)
        gc.collect()
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100 * len(text)
    assert kept < 3_000_000
