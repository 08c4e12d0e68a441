"""Who answers whom with what. Descriptions marked "seen" were captured from that client, others follow its source."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.capabilities import G722, OPUS, PCMA, PCMU, Codec, select
from jingle.applications.rtp.negotiation import (
    AUDIO_LEVEL,
    MID,
    LocalSource,
    Negotiated,
    accepted,
    answer,
    inactive,
    offer,
)
from jingle.elements.core import Senders
from jingle.elements.declare import from_string, to_string
from jingle.elements.rtp import Direction, Feedback, HeaderExtension, Parameter, PayloadType, RtpDescription
from jingle.errors import ApplicationFailed

OURS = LocalSource(ssrc=1, cname="us", stream="s", track="t")
THEIRS = LocalSource(ssrc=2, cname="them", stream="s2", track="t2")
ALL = select("audio")


def description(inside: str, *, mux: bool = True, media: str = "audio") -> RtpDescription:
    parsed = from_string(
        f"<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{media}'>{inside}{'<rtcp-mux/>' * mux}</description>"
    )
    assert isinstance(parsed, RtpDescription)
    return parsed


def ids(answered: RtpDescription) -> list[int]:
    return [each.id for each in answered.payload_types]


def names(negotiated: Negotiated) -> list[str]:
    return [each.codec.name for each in negotiated.formats]


# Seen from Dino 0.4.2.
DINO = """
<payload-type clockrate='48000' id='111' channels='2' name='opus'><parameter value='1' name='useinbandfec'/>
</payload-type>
<payload-type id='112' clockrate='32000' name='speex'/><payload-type id='113' clockrate='16000' name='speex'/>
<payload-type id='114' clockrate='8000' name='speex'/><payload-type id='9' clockrate='8000' name='G722'/>
<payload-type id='0' clockrate='8000' name='PCMU'/><payload-type id='8' clockrate='8000' name='PCMA'/>
<encryption><crypto tag='1' key-params='inline:+7nylA5DSps8f+zHrPnvpuJGepGAcxwr33eIJgp/'
 crypto-suite='AES_CM_128_HMAC_SHA1_80'/></encryption>"""
DINO_ANSWER = """
<payload-type clockrate='48000' id='111' channels='2' name='opus'><parameter value='1' name='useinbandfec'/>
</payload-type>
<encryption><crypto tag='1' key-params='inline:9/LhKhfzEf9U6BiN2FT4F27Pkt79e7I+JM/BmjwD'
 crypto-suite='AES_CM_128_HMAC_SHA1_80'/></encryption>"""

# Seen from stanza 12.22.1 in Chromium 156.
STANZA = """
<payload-type channels="2" clockrate="48000" id="111" name="opus"><parameter name="minptime" value="10"/>
<parameter name="useinbandfec" value="1"/>
<rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="transport-cc"/></payload-type>
<payload-type channels="2" clockrate="48000" id="63" name="red"><parameter name="111/111"/></payload-type>
<payload-type channels="1" clockrate="8000" id="9" name="G722"/>
<payload-type channels="1" clockrate="8000" id="0" name="PCMU"/>
<payload-type channels="1" clockrate="8000" id="8" name="PCMA"/>
<payload-type channels="1" clockrate="8000" id="13" name="CN"/>
<payload-type channels="1" clockrate="48000" id="110" name="telephone-event"/>
<payload-type channels="1" clockrate="8000" id="126" name="telephone-event"/>
<rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="1" uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"/>
<rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="2"
 uri="http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"/>
<rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="4" uri="urn:ietf:params:rtp-hdrext:sdes:mid"/>
<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="3721975905"><parameter name="cname" value="sQ/EmjUKPT8KJUMw"/>
<parameter name="msid" value="2978f0cd 1d19ab1b"/></source>"""

QXMPP = """
<payload-type id='100' name='OPUS' channels='2' clockrate='48000'/>
<payload-type id='99' name='OPUS' channels='1' clockrate='48000'/>
<payload-type id='98' name='SPEEX' channels='2' clockrate='48000'/>
<payload-type id='98' name='SPEEX' channels='1' clockrate='48000'/>
<payload-type id='8' name='PCMA' clockrate='8000' channels='1'/>"""

GAJIM = """
<payload-type name='OPUS' id='96' clockrate='48000'/><payload-type name='SPEEX' id='110' clockrate='16000'/>
<payload-type name='PCMA' id='8' clockrate='8000'/>"""

MONAL = """
<payload-type id='110' name='telephone-event' clockrate='48000'/>
<payload-type id='8' name='PCMA' clockrate='8000' channels='1'/>
<payload-type id='111' name='opus' clockrate='48000' channels='2'><parameter name='useinbandfec' value='true'/>
<parameter name='use_dtx' value='TRUE'/></payload-type>
<payload-type id='13' name='CN' clockrate='8000'/><payload-type id='9' name='G722' clockrate='8000' channels='1'/>"""

# Conversations writes the events of telephone-event as a parameter without name.
CONVERSATIONS = """
<payload-type id='111' name='opus' clockrate='48000' channels='2'><parameter name='minptime' value='10'/></payload-type>
<payload-type id='126' name='telephone-event' clockrate='8000'><parameter value='0-15'/></payload-type>"""


@pytest.mark.parametrize(
    ("offered", "answered", "first"),
    [
        pytest.param(DINO, [111, 9, 0, 8], OPUS, id="Dino"),
        pytest.param(STANZA, [111, 9, 0, 8, 110, 126], OPUS, id="stanza"),
        pytest.param(QXMPP, [100, 8], OPUS, id="QXmpp"),
        pytest.param(GAJIM, [96, 8], OPUS, id="Gajim"),
        pytest.param(MONAL, [111, 9, 8, 110], OPUS, id="Monal"),
        pytest.param(CONVERSATIONS, [111, 126], OPUS, id="Conversations"),
        pytest.param("<payload-type id='0'/><payload-type id='9'/>", [0, 9], PCMU, id="static ids alone"),
        pytest.param("<payload-type id='9' name='G722'/>", [9], G722, id="no clock rate"),
        # XEP-0167 section 4, the example of a description.
        pytest.param(
            "<payload-type id='0' name='PCMU' clockrate='16000'/><payload-type id='8' name='PCMA'/>",
            [0, 8],
            PCMU,
            id="a static id with another clock rate",
        ),
        pytest.param(
            "<payload-type id='0' name='pcmu'/><payload-type id='111' name='Opus' clockrate='48000' channels='2'/>",
            [0, 111],
            PCMU,
            id="a telephone gateway's order",
        ),
        pytest.param("<payload-type id='8'/><payload-type id='8' name='G722'/>", [8], PCMA, id="the first of an id"),
        pytest.param(
            "<payload-type id='77' name='opus' clockrate='48000'/><payload-type id='8'/>",
            [8],
            PCMA,
            id="an id that looks like RTCP",
        ),
    ],
)
def test_offers_of_deployed_clients_are_answered(offered: str, answered: list[int], first: Codec) -> None:
    ours, negotiated = answer(description(offered), ALL, OURS)
    assert ids(ours) == answered
    assert negotiated.formats[0].codec == first
    assert negotiated.formats[0].payload_type == answered[0]
    assert ours.rtcp_mux


def test_qxmpp_gets_its_spelling_back() -> None:
    ours, _ = answer(description(QXMPP), ALL, OURS)
    assert (ours.payload_types[0].name, ours.payload_types[0].channels) == ("OPUS", 2)


def test_gajim_gets_no_channels_back() -> None:
    ours, _ = answer(description(GAJIM), ALL, OURS)
    assert (ours.payload_types[0].name, ours.payload_types[0].channels) == ("OPUS", None)


def test_dino_never_gets_its_keys_back() -> None:
    ours, _ = answer(description(DINO), ALL, OURS)
    assert ours.encryption is None
    assert "crypto" not in to_string(ours)


def test_dino_answers_with_one_codec() -> None:
    negotiated = accepted(offer("audio", ALL, OURS), description(DINO_ANSWER), ALL)
    assert names(negotiated) == ["opus"]
    assert negotiated.formats[0].parameters == {"useinbandfec": "1"}
    assert negotiated.events == ()
    # What was offered may come at any time all the same.
    assert negotiated.receiving[0] == PCMU


def test_monal_means_what_it_writes_differently() -> None:
    _, negotiated = answer(description(MONAL), ALL, OURS)
    assert negotiated.formats[0].parameters == {"useinbandfec": "1", "use-dtx": "1"}


def test_conversations_gets_no_parameter_without_name_or_value() -> None:
    ours, _ = answer(description(CONVERSATIONS), ALL, OURS)
    parameters = [each for payload_type in ours.payload_types for each in payload_type.parameters]
    parameters_of_sources = [each for source in ours.sources for each in source.parameters]
    assert all(each.name and each.value for each in (*parameters, *parameters_of_sources))


def test_the_users_order_wins_over_the_offers() -> None:
    _, negotiated = answer(description(DINO), select("audio", ["PCMA", "opus"]), OURS, own_order=True)
    assert names(negotiated) == ["PCMA", "opus"]


def test_parameters_are_those_of_the_receiver() -> None:
    ours, negotiated = answer(description(DINO), select("audio", dtx=True), OURS)
    assert {each.name: each.value for each in ours.payload_types[0].parameters} == {
        "minptime": "10",
        "useinbandfec": "1",
        "usedtx": "1",
    }
    assert negotiated.formats[0].parameters == {"useinbandfec": "1"}


def test_feedback_and_extensions_are_never_added() -> None:
    ours, negotiated = answer(description(STANZA), ALL, OURS)
    assert all(each.feedback == () for each in ours.payload_types)
    assert [(each.id, each.uri) for each in ours.header_extensions] == [(1, AUDIO_LEVEL), (4, MID)]
    assert negotiated.header_extensions == {AUDIO_LEVEL: 1, MID: 4}
    assert answer(description(DINO), ALL, OURS)[0].header_extensions == ()


@pytest.mark.parametrize(
    ("id", "senders"), [(15, None), (300, None), (0, None), (3, Senders.INITIATOR), (3, Senders.NONE)]
)
def test_extensions_that_cannot_be_used_are_left_out(id: int, senders: Senders | None) -> None:
    extension = HeaderExtension(id=id, uri=AUDIO_LEVEL, senders=senders, parameters=())
    offered = dataclasses.replace(description(DINO), header_extensions=(extension,))
    assert answer(offered, ALL, OURS)[0].header_extensions == ()


@pytest.mark.parametrize(("direction", "is_used"), [(Direction.SENDRECV, True), (Direction.SENDONLY, False)])
def test_an_extension_whose_number_tells_a_direction(direction: Direction, is_used: bool) -> None:
    """As Conversations writes them: `id='1/sendonly'`."""
    extension = HeaderExtension(id=1, direction=direction, uri=AUDIO_LEVEL)
    offered = dataclasses.replace(description(DINO), header_extensions=(extension,))
    assert bool(answer(offered, ALL, OURS)[0].header_extensions) is is_used


def test_an_extension_id_is_used_once() -> None:
    both = tuple(HeaderExtension(id=1, uri=uri, parameters=()) for uri in (MID, AUDIO_LEVEL))
    _, negotiated = answer(dataclasses.replace(description(DINO), header_extensions=both), ALL, OURS)
    assert negotiated.header_extensions == {MID: 1}


def test_sources_are_told_and_read() -> None:
    ours, negotiated = answer(description(STANZA), ALL, OURS)
    assert negotiated.remote_ssrcs == {3721975905}
    assert ours.ssrc == OURS.ssrc
    assert [(each.name, each.value) for each in ours.sources[0].parameters] == [("cname", "us"), ("msid", "s t")]


def test_the_name_extension_is_offered_for_bundles_only() -> None:
    assert MID not in {each.uri for each in offer("audio", ALL, OURS).header_extensions}
    assert MID in {each.uri for each in offer("audio", ALL, OURS, is_bundled=True).header_extensions}


@pytest.mark.parametrize(
    ("answered", "sending", "payload_type"),
    [
        pytest.param("<payload-type id='0'/>", ["PCMU"], 0, id="an id alone"),
        pytest.param("<payload-type id='111'/>", ["opus"], 111, id="one of our dynamic ids alone"),
        pytest.param("<payload-type id='96' name='opus' clockrate='48000'/>", ["opus"], 96, id="an id of its own"),
        pytest.param(
            "<payload-type id='8' name='opus' clockrate='48000'/><payload-type id='0'/>",
            ["PCMU"],
            0,
            id="an id that means something else",
        ),
        pytest.param(
            "<payload-type id='97' name='speex' clockrate='8000'/><payload-type id='9' name='G722'/>",
            ["G722"],
            9,
            id="what was not offered",
        ),
        pytest.param(MONAL, ["opus", "G722", "PCMA"], 111, id="Monal's order"),
        pytest.param("<payload-type id='8'/><payload-type id='111' name='opus'/>", ["PCMA", "opus"], 8, id="its order"),
    ],
)
def test_answers_are_read(answered: str, sending: list[str], payload_type: int) -> None:
    negotiated = accepted(offer("audio", ALL, OURS), description(answered), ALL)
    assert names(negotiated) == sending
    assert negotiated.formats[0].payload_type == payload_type
    assert negotiated.receiving[payload_type] == negotiated.formats[0].codec


def test_an_extension_of_the_answer_must_have_been_offered() -> None:
    extensions = (HeaderExtension(id=5, uri=AUDIO_LEVEL, parameters=()), HeaderExtension(id=2, uri=MID, parameters=()))
    theirs = dataclasses.replace(description(DINO_ANSWER), header_extensions=extensions)
    assert accepted(offer("audio", ALL, OURS), theirs, ALL).header_extensions == {}


@pytest.mark.parametrize(
    ("offered", "mux", "media", "reason"),
    [
        pytest.param("<payload-type id='3'/>", True, "audio", "failed-application", id="no common codec"),
        pytest.param("", True, "audio", "failed-application", id="no codec"),
        pytest.param("<payload-type id='126' name='telephone-event'/>", True, "audio", "failed-application", id="keys"),
        # Without DTLS too, but that is for the transport to refuse.
        pytest.param(GAJIM, False, "audio", "incompatible-parameters", id="Gajim: no rtcp-mux"),
        pytest.param(DINO, True, "video", "failed-application", id="sound called video"),
        pytest.param(DINO, True, "smell", "unsupported-applications", id="unknown medium"),
    ],
)
def test_what_cannot_be_is_declined(offered: str, mux: bool, media: str, reason: str) -> None:
    with pytest.raises(ApplicationFailed) as failure:
        answer(description(offered, mux=mux, media=media), select(media), OURS)
    assert failure.value.reason == reason


def test_what_nobody_sends_is_answered_with_the_first_codec_and_nothing_else() -> None:
    inside = """
        <payload-type id='96' name='VP8' clockrate='90000'><parameter name='max-fr' value='30'/>
          <rtcp-fb xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' type='nack'/></payload-type>
        <payload-type id='97' name='rtx' clockrate='90000'/>
        <rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='4' uri='urn:ietf:params:rtp-hdrext:sdes:mid'/>
        <source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='7'/>
        <encryption><crypto crypto-suite='AES_CM_128_HMAC_SHA1_80' key-params='inline:x' tag='1'/></encryption>"""
    assert inactive(description(inside, media="video")) == description(
        "<payload-type id='96' name='VP8' clockrate='90000'><parameter name='max-fr' value='30'/></payload-type>",
        media="video",
    )
    assert inactive(description("", media="text", mux=False)) == description("", media="text", mux=False)


def test_nothing_is_offered_of_a_medium_we_do_not_do() -> None:
    with pytest.raises(ApplicationFailed) as failure:
        offer("smell", select("smell"), OURS)
    assert failure.value.reason == "unsupported-applications"


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (description("<payload-type id='0'/>", media="video"), "incompatible-parameters"),
        (description("<payload-type id='0'/>", mux=False), "incompatible-parameters"),
        (description("<payload-type id='97' name='speex' clockrate='8000'/>"), "failed-application"),
    ],
)
def test_an_answer_that_leaves_nothing_fails(answered: RtpDescription, reason: str) -> None:
    with pytest.raises(ApplicationFailed) as failure:
        accepted(offer("audio", ALL, OURS), answered, ALL)
    assert failure.value.reason == reason


NAMES = ["opus", "OPUS", "G722", "pcmu", "PCMA", "speex", "telephone-event", "CN", "red", None]
PAYLOAD_TYPES = st.builds(
    PayloadType,
    id=st.sampled_from([0, 3, 8, 9, 13, 63, 72, 96, 97, 98, 111, 126]),
    name=st.sampled_from(NAMES),
    clockrate=st.sampled_from([None, 8000, 16_000, 48_000]),
    channels=st.sampled_from([None, 1, 2]),
    parameters=st.lists(
        st.builds(Parameter, name=st.sampled_from([None, "usedtx", "x_y"]), value=st.sampled_from([None, "1", "true"])),
        max_size=2,
    ).map(tuple),
    feedback=st.just((Feedback(type="nack", parameters=()),)),
)
OFFERS = st.lists(PAYLOAD_TYPES, max_size=8).map(
    lambda found: dataclasses.replace(description(""), payload_types=tuple(found))
)


@given(OFFERS, st.booleans())
def test_an_answer_is_a_subset_in_the_offers_own_words(offered: RtpDescription, own_order: bool) -> None:
    try:
        ours, negotiated = answer(offered, ALL, OURS, own_order=own_order)
    except ApplicationFailed:
        return
    said = {(each.id, each.name, each.clockrate, each.channels) for each in offered.payload_types}
    assert {(each.id, each.name, each.clockrate, each.channels) for each in ours.payload_types} <= said
    assert len(set(ids(ours))) == len(ids(ours))
    assert set(negotiated.receiving) == set(ids(ours))
    assert not any(each.codec.is_event for each in negotiated.formats)
    assert not any(each.feedback for each in ours.payload_types)


SELECTIONS = st.permutations(["opus", "G722", "PCMU", "PCMA"]).flatmap(
    lambda order: st.integers(1, 4).map(lambda count: order[:count])
)


@given(SELECTIONS, SELECTIONS, st.booleans())
def test_both_sides_come_to_the_same(initiator: list[str], responder: list[str], own_order: bool) -> None:
    offering, answering = select("audio", initiator), select("audio", responder)
    offered = offer("audio", offering, THEIRS)
    if not set(initiator) & set(responder):
        with pytest.raises(ApplicationFailed):
            answer(offered, answering, OURS)
        return
    answered, here = answer(offered, answering, OURS, own_order=own_order)
    there = accepted(offered, answered, offering)
    assert [(each.codec.name, each.payload_type) for each in here.formats] == [
        (each.codec.name, each.payload_type) for each in there.formats
    ]
    assert [each.payload_type for each in here.events] == [each.payload_type for each in there.events]
    assert here.header_extensions == there.header_extensions
    assert here.remote_ssrcs == {THEIRS.ssrc}
    assert there.remote_ssrcs == {OURS.ssrc}
    assert names(here) == [
        name for name in (responder if own_order else initiator) if name in {*initiator} & {*responder}
    ]
