"""Hypothesis strategies for session descriptions: everything the model can hold and SDP can say."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from jingle import sdp
from jingle.elements import ice_udp, rtp
from jingle.elements.ice_udp import CandidateType, Setup, TcpType
from jingle.sdp.attributes import RULES
from jingle.sdp.draft import STATIC

KNOWN = {rule.name for rule in RULES}
# What a word of SDP may hold without having a meaning there: no separators of any attribute.
characters = st.characters(categories=["Lu", "Ll", "Nd", "Lo"], include_characters="-_.+/{}")
words = st.text(characters, min_size=1, max_size=8)
tokens = st.text("abcXYZ019-_.!", min_size=1, max_size=6)
values = st.text(st.characters(categories=["Lu", "Nd", "Po", "Zs"], exclude_characters="\u2028"), max_size=10)
lines = values.filter(lambda text: text.isprintable() and text == text.strip())
numbers = st.integers(0, 2**32 - 1)
ports = st.integers(0, 65535)


def lists(strategy: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=most).map(tuple)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def in_order(found: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Lines in the one order that RFC 8866 section 5 has, several of a kind as they are."""
    return tuple(sorted(found, key=lambda each: "iuepk".index(each[0])))


origins = st.builds(
    sdp.Origin,
    username=words,
    session_id=st.integers(0, 2**63 - 1).map(str),
    version=st.integers(0, 2**31).map(str),
    address=st.just("192.0.2.1"),
)
addresses = st.sampled_from(["192.0.2.1", "2001:db8::1", "x.local", "0.0.0.0", "233.252.0.1/127"])
connections = st.builds(
    sdp.Connection, address_type=st.sampled_from(["IP4", "IP6"]), address=addresses, network_type=st.just("IN")
)
bandwidths = st.builds(rtp.Bandwidth, type=tokens, value=st.integers(0, 10**7).map(str))
fingerprints = st.builds(sdp.Fingerprint, hash=st.sampled_from(["sha-1", "sha-256"]), value=words)
kept = st.builds(sdp.Attribute, name=tokens.map(lambda name: f"x-{name}"), value=maybe(lines))
directions = st.sampled_from(sdp.Direction)
header_extensions = st.builds(
    sdp.HeaderExtension,
    id=st.integers(1, 65535),
    uri=words,
    direction=maybe(directions),
    attributes=lists(st.builds(rtp.HeaderExtensionParameter, name=words, value=maybe(words)), 2),
)
candidates = st.builds(
    sdp.Candidate,
    foundation=words,
    component=st.integers(1, 255),
    transport=st.sampled_from(["udp", "tcp", "ssltcp"]),
    priority=st.integers(1, 2**31 - 1),
    address=addresses,
    port=ports,
    type=st.sampled_from(CandidateType),
    related_address=maybe(addresses),
    related_port=maybe(ports),
    tcp_type=maybe(st.sampled_from(TcpType)),
    generation=st.integers(0, 255),
    network=maybe(numbers),
    extensions=lists(
        st.tuples(st.sampled_from(["ufrag", "network-id", "network-cost", "x-y"]), words)
        | st.tuples(st.just("tcptype"), st.just("unheard-of"))
    ),
)
parameters = st.builds(
    rtp.Parameter, name=words.filter(lambda name: name != "*"), value=maybe(words | st.just("a=b c"))
)
feedback = st.builds(
    rtp.Feedback,
    type=tokens,
    subtype=maybe(tokens),
).flatmap(
    lambda each: (
        st.just(each)
        if each.subtype is None
        else st.builds(
            rtp.Feedback,
            type=st.just(each.type),
            subtype=st.just(each.subtype),
            parameters=lists(st.builds(rtp.FeedbackParameter, name=tokens, value=maybe(tokens)), 2),
        )
    )
)
intervals = st.builds(rtp.FeedbackInterval, value=numbers)


@st.composite
def payload_types(draw: st.DrawFn) -> tuple[rtp.PayloadType, ...]:
    found = []
    for id in draw(st.lists(st.integers(0, 127), unique=True, max_size=5)):
        name = draw(maybe(tokens)) if id not in STATIC else STATIC[id][0]
        rate = None if name is None else draw(maybe(numbers)) if id not in STATIC else STATIC[id][1]
        channels = None if rate is None else draw(maybe(st.integers(2, 255))) if id not in STATIC else STATIC[id][2]
        found.append(
            rtp.PayloadType(
                id=id,
                name=name,
                clockrate=rate,
                channels=channels,
                parameters=draw(lists(parameters)),
                feedback=draw(lists(feedback)),
                feedback_interval=draw(maybe(intervals)),
            )
        )
    return tuple(found)


sources = st.lists(numbers, unique=True, max_size=3).flatmap(
    lambda found: st.tuples(
        *[
            st.builds(
                rtp.Source,
                ssrc=st.just(ssrc),
                parameters=st.lists(
                    st.builds(rtp.SourceParameter, name=tokens, value=maybe(lines)), min_size=1, max_size=3
                ).map(tuple),
            )
            for ssrc in found
        ]
    )
)
source_groups = st.builds(
    rtp.SourceGroup,
    semantics=st.sampled_from(["FID", "SIM", "FEC-FR"]),
    sources=lists(st.builds(rtp.Source, ssrc=numbers)),
)
streams = st.builds(rtp.MediaStream, id=words, track=maybe(words))
rids = st.builds(
    sdp.Rid,
    id=tokens,
    direction=st.sampled_from(["send", "recv"]),
    restrictions=lists(st.tuples(tokens, maybe(tokens)), 2),
)
alternatives = st.lists(st.lists(tokens, min_size=1, max_size=2).map(tuple), min_size=1, max_size=2).map(tuple)
simulcasts = st.builds(sdp.Simulcast, send=alternatives) | st.builds(
    sdp.Simulcast, send=alternatives, receive=alternatives
)
cryptos = st.builds(
    rtp.Crypto,
    tag=st.integers(1, 9).map(str),
    crypto_suite=tokens,
    key_params=tokens.map(lambda key: f"inline:{key}|2^20|1:32"),
    session_params=maybe(st.just("KDR=1 UNENCRYPTED_SRTCP")),
)

common: dict[str, Any] = {
    "connection": maybe(connections),
    "bandwidths": lists(bandwidths, 2),
    "direction": maybe(directions),
    "ice_ufrag": maybe(words),
    "ice_pwd": maybe(words),
    "ice_options": st.lists(st.sampled_from(["trickle", "renomination", "ice2", "x"]), unique=True).map(tuple),
    "fingerprints": lists(fingerprints, 2),
    "setup": maybe(st.sampled_from(Setup)),
    "end_of_candidates": st.booleans(),
    "header_extensions": lists(header_extensions, 2),
    "extmap_allow_mixed": st.booleans(),
    "attributes": lists(kept),
}
media_lines = lists(st.tuples(st.sampled_from(["i", "k"]), lines), 2).map(in_order)
of_media: dict[str, Any] = {
    **common,
    "lines": media_lines,
    "port": st.sampled_from([0, 9, 9, 5000]),
    "port_count": maybe(st.integers(1, 4)),
    "bundle_only": st.booleans(),
    "rtcp": maybe(st.builds(sdp.Rtcp, port=ports, connection=maybe(connections))),
    "rtcp_mux": st.booleans(),
    "rtcp_reduced_size": st.booleans(),
    "ptime": maybe(numbers),
    "maxptime": maybe(numbers),
    "feedback": lists(feedback),
    "feedback_interval": maybe(intervals),
    "streams": lists(streams, 2),
    "source_groups": lists(source_groups, 2),
    "sources": sources,
    "rids": lists(rids, 2),
    "simulcast": maybe(simulcasts),
    "cryptos": lists(cryptos, 2),
    "candidates": lists(candidates),
    "remote_candidates": lists(
        st.builds(sdp.RemoteCandidate, component=st.integers(1, 255), address=addresses, port=ports), 2
    ),
    "sctp_port": maybe(ports),
    "sctp_map": maybe(st.builds(ice_udp.SctpMap, number=ports, protocol=tokens, streams=maybe(numbers))),
    "max_message_size": maybe(st.integers(0, 2**64 - 1)),
}


@st.composite
def some_of(draw: st.DrawFn, fields: dict[str, Any], most: int = 8) -> dict[str, Any]:
    """A few of the fields: all of them at once make every example slow and none clearer."""
    chosen = draw(st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=most))
    return {name: draw(fields[name]) for name in chosen}


@st.composite
def sections(draw: st.DrawFn, mid: str | None) -> sdp.MediaDescription:
    if draw(st.booleans()):
        profiles = ["UDP/TLS/RTP/SAVPF", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "TCP/RTP/AVP"]
        return sdp.MediaDescription(
            **draw(some_of(of_media)),
            mid=mid,
            media=draw(st.sampled_from(["audio", "video", "text"])),
            profile=draw(st.sampled_from(profiles)),
            payload_types=draw(payload_types()),
        )
    return sdp.MediaDescription(
        **draw(some_of(of_media)),
        mid=mid,
        media=draw(st.sampled_from(["application", "image"])),
        profile=draw(st.sampled_from(["UDP/DTLS/SCTP", "DTLS/SCTP", "udptl", "TCP/DTLS/SCTP"])),
        formats=draw(st.lists(tokens, max_size=2).map(tuple)),
    )


@st.composite
def descriptions(draw: st.DrawFn) -> sdp.SessionDescription:
    mids = draw(st.lists(tokens, unique=True, max_size=3))
    named = [draw(sections(draw(st.sampled_from([mid, mid, None])))) for mid in mids]
    session_lines = draw(lists(st.tuples(st.sampled_from(["e", "i", "p", "u"]), lines), 2))
    return sdp.SessionDescription(
        **draw(some_of(common, 4)),
        lines=in_order(session_lines),
        origin=draw(origins),
        name=draw(lines.filter(bool) | st.just("-")),
        timing=draw(st.just((("t", "0 0"),)) | st.just((("t", "1 2"), ("r", "7d 1h 0"), ("t", "3 4"), ("z", "5 1h")))),
        groups=draw(
            lists(
                st.builds(
                    sdp.Group,
                    semantics=st.sampled_from(["BUNDLE", "LS"]),
                    mids=st.lists(st.sampled_from([*mids, "elsewhere"]), max_size=3).map(tuple),
                ),
                2,
            )
        ),
        ice_lite=draw(st.booleans()),
        media=tuple(named),
    )
