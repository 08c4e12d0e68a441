"""Who answers whom with what for pictures (XEP-0167, XEP-0293, XEP-0294, XEP-0339, RFC 4588, RFC 6184)."""

from __future__ import annotations

import pytest

from jingle.applications.rtp.capabilities import H264, VP8, select
from jingle.applications.rtp.negotiation import ABS_SEND_TIME, LocalSource, Negotiated, accepted, answer, offer
from jingle.elements.rtp import PayloadType, RtpDescription
from jingle.errors import ApplicationFailed

from .test_negotiation import description, ids, names

OURS = LocalSource(ssrc=1, cname="us", stream="s", track="t", repair_ssrc=11)
ALL = select("video")
FB = "xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0'"
ALL_FEEDBACK = {"nack", "nack pli", "ccm fir", "goog-remb"}


def h264(id: int, profile: str | None, mode: str | None) -> str:
    parameters = "".join(
        f"<parameter name='{name}' value='{value}'/>"
        for name, value in (("profile-level-id", profile), ("packetization-mode", mode))
        if value is not None
    )
    return f"<payload-type id='{id}' name='H264' clockrate='90000'>{parameters}</payload-type>"


def vp8(id: int = 96, *feedback: str) -> str:
    inside = "".join(f"<rtcp-fb {FB} {each}/>" for each in feedback)
    return f"<payload-type id='{id}' name='VP8' clockrate='90000'>{inside}</payload-type>"


def rtx(id: int, apt: str | int) -> str:
    return f"<payload-type id='{id}' name='rtx' clockrate='90000'><parameter name='apt' value='{apt}'/></payload-type>"


# What Chromium offers, in the order in which it does, less what is repeated.
CHROMIUM = (
    vp8(96, "type='goog-remb'", "type='transport-cc'", "type='ccm' subtype='fir'", "type='nack'")
    + rtx(97, 96)
    + h264(103, "42001f", "1")
    + rtx(104, 103)
    + h264(107, "42001f", "0")
    + h264(109, "42e01f", "1")
    + rtx(114, 109)
    + h264(117, "4d001f", "1")
    + "<payload-type id='98' name='VP9' clockrate='90000'/><payload-type id='100' name='red' clockrate='90000'/>"
    + f"<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='2' uri='{ABS_SEND_TIME}'/>"
    + "<rtp-hdrext xmlns='urn:xmpp:jingle:apps:rtp:rtp-hdrext:0' id='13' uri='urn:3gpp:video-orientation'/>"
    + "<ssrc-group xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' semantics='FID'><source ssrc='7'/><source ssrc='8'/>"
    + "</ssrc-group><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='7'/>"
    + "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='8'/>"
)


def take(inside: str, **options: bool) -> tuple[RtpDescription, Negotiated]:
    return answer(description(inside, media="video"), ALL, OURS, **options)


def parameter(described: PayloadType, name: str) -> str | None:
    return next((each.value for each in described.parameters if each.name == name), None)


def feedback(described: PayloadType) -> set[str]:
    return {f"{each.type} {each.subtype}" if each.subtype else each.type for each in described.feedback}


def test_what_chromium_offers_is_answered() -> None:
    ours, negotiated = take(CHROMIUM)
    assert ids(ours) == [96, 97, 109, 114]
    assert names(negotiated) == ["VP8", "H264"]
    assert negotiated.formats[0].feedback == {"goog-remb", "ccm fir", "nack"}
    assert feedback(ours.payload_types[0]) == {"goog-remb", "ccm fir", "nack"}
    assert ours.payload_types[2].feedback == ()
    assert {each.uri: each.id for each in ours.header_extensions} == {ABS_SEND_TIME: 2}
    assert negotiated.repairs == {97: 96, 114: 109}
    assert [found.repair for found in negotiated.formats] == [97, 114]
    assert negotiated.remote_ssrcs == {7}
    assert negotiated.remote_repair_ssrcs == {8: 7}


def test_what_is_repeated_has_a_source_of_its_own() -> None:
    """XEP-0339 section 4: FID, the source itself first (RFC 5576 section 4.2)."""
    for described in (take(CHROMIUM)[0], offer("video", ALL, OURS)):
        (group,) = described.source_groups
        assert (group.semantics, [each.ssrc for each in group.sources]) == ("FID", [1, 11])
        assert [each.ssrc for each in described.sources] == [1, 11]
        assert len({each.parameters for each in described.sources}) == 1
    plain = take(vp8())[0]
    assert (plain.source_groups, [each.ssrc for each in plain.sources]) == ((), [1])


def test_our_offer() -> None:
    offered = offer("video", ALL, OURS, is_bundled=True)
    assert [(each.id, each.name) for each in offered.payload_types] == [
        (96, "VP8"),
        (97, "rtx"),
        (102, "H264"),
        (103, "rtx"),
    ]
    assert [parameter(offered.payload_types[index], "apt") for index in (1, 3)] == ["96", "102"]
    assert feedback(offered.payload_types[0]) == feedback(offered.payload_types[2]) == ALL_FEEDBACK
    assert parameter(offered.payload_types[2], "packetization-mode") == "1"
    assert parameter(offered.payload_types[2], "profile-level-id") == "42e01f"
    assert offered.rtcp_mux


def test_extensions_have_the_same_ids_in_both_media() -> None:
    """RFC 8843 section 9.1, for contents that share a transport."""
    ids_of = [
        {each.uri: each.id for each in offer(medium, select(medium), OURS, is_bundled=True).header_extensions}
        for medium in ("audio", "video")
    ]
    shared = ids_of[0].keys() & ids_of[1].keys()
    assert shared
    assert all(ids_of[0][uri] == ids_of[1][uri] for uri in shared)
    numbers = {id: uri for each in ids_of for uri, id in each.items()}
    assert len(numbers) == len(ids_of[0].keys() | ids_of[1].keys())


@pytest.mark.parametrize(
    ("profile", "mode", "answered"),
    [
        ("42e01f", "1", "42e01f"),
        ("42E034", "1", "42E01f"),  # an answer may change the level (RFC 6184 section 8.2.2)
        ("42001f", "1", "42001f"),  # baseline: what we send is of it too
        (None, "1", "42e01f"),  # GStreamer
        ("42e01f", "0", None),
        ("42e01f", None, None),
        ("64001f", "1", None),  # high: its pictures could not be sent
    ],
)
def test_profiles(profile: str | None, mode: str | None, answered: str | None) -> None:
    ours, negotiated = take(h264(102, profile, mode) + vp8())
    found = [each for each in ours.payload_types if each.name == "H264"]
    assert [parameter(each, "profile-level-id") for each in found] == ([answered] if answered else [])
    assert names(negotiated) == (["H264", "VP8"] if answered else ["VP8"])


def test_feedback_of_the_whole_description_counts_for_every_codec() -> None:
    """XEP-0293 section 3: directly in the description it is about all payload types."""
    whole = f"<rtcp-fb {FB} type='nack'/><rtcp-fb {FB} type='nack' subtype='pli'/>"
    _, negotiated = take(whole + vp8(96, "type='nack'") + h264(102, None, "1"))
    assert [found.feedback for found in negotiated.formats] == [{"nack", "nack pli"}] * 2


@pytest.mark.parametrize(
    "repair",
    [
        rtx(97, 98),
        rtx(97, "x"),
        rtx(97, "9" * 5),
        rtx(80, 96),
        "<payload-type id='97' name='rtx' clockrate='90000'/>",
    ],
)
def test_nonsense_about_repetition_is_left_aside(repair: str) -> None:
    ours, negotiated = take(vp8() + repair)
    assert ids(ours) == [96]
    assert negotiated.repairs == {}
    assert negotiated.formats[0].repair is None


def test_the_answer_decides() -> None:
    offered = offer("video", ALL, OURS)
    chosen = accepted(offered, description(h264(102, "42e01f", "1") + rtx(103, 102), media="video"), ALL)
    assert names(chosen) == ["H264"]
    assert chosen.formats[0].repair == 103
    assert chosen.formats[0].feedback == frozenset()
    # What was offered may come before the answer does (RFC 3264 section 5.1).
    assert chosen.receiving == {96: VP8, 102: H264}
    assert chosen.repairs == {97: 96, 103: 102}


def test_the_user_chooses() -> None:
    only = select("video", ["h264"])
    assert ids(offer("video", only, OURS)) == [102, 103]
    with pytest.raises(ApplicationFailed):
        answer(description(vp8(), media="video"), only, OURS)
    ours, _ = answer(description(CHROMIUM, media="video"), select("video", ["H264", "vp8"]), OURS, own_order=True)
    assert ids(ours) == [109, 114, 96, 97]


@pytest.mark.parametrize(
    ("type", "value", "bits"),
    [("AS", "512", 512_000), ("TIAS", " 300000 ", 300_000), ("as", "1", 1000), ("CT", "5", None), ("AS", "-1", None)],
)
def test_what_the_peer_wants_at_most(type: str, value: str, bits: int | None) -> None:
    """XEP-0167 section 4, RFC 4566 section 5.8 in kilobits, RFC 3890 in bits."""
    _, negotiated = take(vp8() + f"<bandwidth type='{type}'>{value}</bandwidth>")
    assert negotiated.bit_rate == bits
