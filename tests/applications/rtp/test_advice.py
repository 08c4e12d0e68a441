"""Advice in a description-info: what changes by it, what does not, and what a peer could do with it."""

from __future__ import annotations

import pytest

from jingle.applications.rtp.advice import MOST_PARAMETERS, advice, advised
from jingle.applications.rtp.capabilities import select
from jingle.applications.rtp.negotiation import LocalSource, Negotiated, answer
from jingle.elements.rtp import Bandwidth, Parameter, PayloadType, RtpDescription

OPUS = PayloadType(id=96, name="opus", clockrate=48000, channels=2)
PCMU = PayloadType(id=0, name="PCMU", clockrate=8000)


@pytest.fixture
def negotiated() -> Negotiated:
    """What an offer of Opus with a parameter, and of PCMU, leads to."""
    offered = PayloadType(
        id=96, name="opus", clockrate=48000, channels=2, parameters=(Parameter(name="useinbandfec", value="1"),)
    )
    remote = RtpDescription(media="audio", payload_types=(offered, PCMU), rtcp_mux=True)
    source = LocalSource(ssrc=1, cname="c", stream="s", track="t")
    return answer(remote, select("audio", None, dtx=False), source)[1]


def told(*payload_types: PayloadType, bandwidth: Bandwidth | None = None) -> RtpDescription:
    return RtpDescription(media="audio", payload_types=payload_types, bandwidth=bandwidth)


def opus(**parameters: str) -> PayloadType:
    given = tuple(Parameter(name=name, value=value) for name, value in parameters.items())
    return PayloadType(id=96, name="OPUS", clockrate=48000, channels=2, parameters=given)


def test_parameters_of_a_codec_in_use_change(negotiated: Negotiated) -> None:
    changed = advised(negotiated, told(opus(maxaveragebitrate="16000", useinbandfec="0")))
    assert changed.formats[0].parameters == {"useinbandfec": "0", "maxaveragebitrate": "16000"}
    assert changed.formats[1:] == negotiated.formats[1:]
    assert changed.receiving == negotiated.receiving


@pytest.mark.parametrize(
    "about",
    [
        PayloadType(id=97, name="opus", parameters=(Parameter(name="usedtx", value="1"),)),
        PayloadType(id=96, name="speex", parameters=(Parameter(name="usedtx", value="1"),)),
    ],
)
def test_another_codec_is_nobodys(negotiated: Negotiated, about: PayloadType) -> None:
    assert advised(negotiated, told(about)) == negotiated


@pytest.mark.parametrize(
    ("type", "value", "bit_rate"),
    [("TIAS", "16000", 16000), ("AS", "16", 16000), ("CT", "16", None), ("TIAS", "-1", None), ("AS", "9" * 30, None)],
)
def test_the_bit_rate(negotiated: Negotiated, type: str, value: str, bit_rate: int | None) -> None:
    changed = advised(negotiated, told(bandwidth=Bandwidth(type=type, value=value)))
    assert changed.bit_rate == bit_rate
    assert advised(changed, told()).bit_rate == bit_rate


def test_parameters_do_not_pile_up(negotiated: Negotiated) -> None:
    for number in range(10 * MOST_PARAMETERS):
        negotiated = advised(negotiated, told(opus(**{f"parameter{number}": "1"})))
    assert len(negotiated.formats[0].parameters) <= MOST_PARAMETERS


def test_our_own(negotiated: Negotiated) -> None:
    """In the words of both SDP and Opus; what it asks for is what is understood of it."""
    given = advice(negotiated, 24_000)
    (codec,) = given.payload_types
    assert (given.media, codec.id, codec.name, codec.clockrate, codec.channels) == ("audio", 96, "opus", 48000, 2)
    assert [(each.name, each.value) for each in codec.parameters] == [("maxaveragebitrate", "24000")]
    assert given.bandwidth == Bandwidth(type="TIAS", value="24000")
    assert advised(negotiated, given).bit_rate == 24_000
