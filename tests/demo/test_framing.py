"""RFC 6120 sections 4 and 11, byte by byte: what is cut out, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.demo import framing
from jingle.demo.framing import Closed, Frame, Header, Refused, Stanza, StreamParser

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' to='d'>"
)


def parser(limit: int = 10_000, depth: int = 8) -> StreamParser:
    return StreamParser(limit=limit, depth=depth)


def read(*chunks: bytes, limit: int = 10_000, depth: int = 8) -> list[Frame]:
    reader = parser(limit, depth)
    return [frame for chunk in chunks for frame in reader.feed(chunk)]


def one(body: bytes, header: bytes = HEADER) -> Stanza:
    frames = read(header + body)
    assert len(frames) == 2
    stanza = frames[1]
    assert isinstance(stanza, Stanza)
    return stanza


def refusal(*chunks: bytes, limit: int = 10_000, depth: int = 8) -> str:
    last = read(*chunks, limit=limit, depth=depth)[-1]
    assert isinstance(last, Refused)
    return last.condition


def test_header_and_end() -> None:
    frames = read(HEADER, b"</stream:stream>")
    assert isinstance(frames[0], Header)
    assert (frames[0].attributes, frames[0].namespace) == ({"to": "d"}, "jabber:client")
    assert isinstance(frames[1], Closed)


def test_a_stanza_is_kept_as_it_was_written() -> None:
    inner = b"<body xml:lang='de'>a &amp; b<![CDATA[<c>]]></body><x:y xmlns:x='urn:x' x:z='1'><q/></x:y>"
    stanza = one(b"<message to='b' type='chat'>" + inner + b"</message>")
    assert stanza.tag == "jabber:client}message"
    assert stanza.children == ["jabber:client}body", "urn:x}y"]
    assert stanza.inner == inner
    assert stanza.serialize(sender="a@b/'\"<&>") == (
        b'<message from="a@b/\'&quot;&lt;&amp;&gt;" to="b" type="chat">' + inner + b"</message>"
    )


def test_empty_elements() -> None:
    for body in (b"<presence/>", b"<presence />", b"<presence></presence>", b"<presence\n/>"):
        assert one(body).serialize() == b"<presence/>"


def test_a_closing_bracket_inside_an_attribute() -> None:
    stanza = one(b"<iq id='a>b' type=\"'>\"><x y='/>'/></iq >")
    assert stanza.attributes == {"id": "a>b", "type": "'>"}
    assert stanza.inner == b"<x y='/>'/>"


def test_the_sender_cannot_choose_from() -> None:
    assert one(b"<presence from='eve@x' foo='1'/>").serialize(sender="me@d") == b'<presence from="me@d"/>'


def test_attribute_whitespace_survives() -> None:
    stanza = one(b"<iq id='a&#10;b&quot;c' type='get'/>")
    again = one(stanza.serialize())
    assert again.attributes == stanza.attributes == {"id": 'a\nb"c', "type": "get"}


def test_prefixes_of_the_stream_travel_with_the_stanza() -> None:
    header = HEADER[:-1] + b" xmlns:x='urn:x'>"
    stanza = one(b"<message><x:y/><stream:z/></message>", header)
    assert stanza.declarations == b" xmlns:x='urn:x'"
    assert [child.tag for child in stanza.element()] == ["{urn:x}y", "{http://etherx.jabber.org/streams}z"]


def test_own_prefixes_win_over_those_of_the_stream() -> None:
    header = HEADER[:-1] + b" xmlns:x='urn:x'>"
    stanza = one(
        b"<c:message xmlns:c='jabber:client' xmlns:x='urn:other' to=\"x xmlns:z='q'\"><x:y/></c:message>", header
    )
    assert stanza.element()[0].tag == "{urn:other}y"
    assert b"xmlns:z=" not in stanza.declarations


def test_a_stanza_under_a_foreign_default_is_refused() -> None:
    assert refusal(HEADER, b"<c:iq xmlns:c='jabber:client' xmlns='urn:x'><y/></c:iq>") == "invalid-namespace"


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not-well-formed"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "not-well-formed"),
        (b"<html>", "invalid-namespace"),
        (b"<stream xmlns='urn:other'>", "invalid-namespace"),
        (HEADER + b"<a></b>", "not-well-formed"),
        (HEADER + b"<message>\xff\xfe</message>", "not-well-formed"),
        (HEADER + b"<message>\xed\xa0\x80</message>", "not-well-formed"),
        (HEADER + b"<message>&#0;</message>", "not-well-formed"),
        (HEADER + b"<x:message/>", "not-well-formed"),
        (HEADER + b"<message>&nbsp;</message>", "not-well-formed"),
        (HEADER + b"<!-- hello -->", "restricted-xml"),
        (HEADER + b"<message><!-- hello --></message>", "restricted-xml"),
        (HEADER + b"<message><?php ?></message>", "restricted-xml"),
        (b"<!DOCTYPE x>" + HEADER, "restricted-xml"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + HEADER, "restricted-xml"),
        (
            b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + HEADER + b"<message>&b;</message>",
            "restricted-xml",
        ),
        (HEADER + b"hello<message/>", "bad-format"),
    ],
)
def test_refused(text: bytes, condition: str) -> None:
    assert refusal(text) == condition


def test_nothing_comes_after_a_refusal_but_all_that_came_before() -> None:
    reader = parser()
    frames = reader.feed(HEADER + b"<message/><a></b><presence/>")
    assert [type(frame) for frame in frames] == [Header, Stanza, Refused]
    assert reader.feed(b"<presence/>") == []


def test_size_is_bounded_whole_or_in_pieces() -> None:
    fits = b"<message>" + b"x" * 981 + b"</message>"
    assert len(fits) == 1000
    assert isinstance(read(HEADER, fits, limit=1000)[-1], Stanza)
    assert refusal(HEADER, fits.replace(b"x", b"xx", 1), limit=1000) == "policy-violation"
    assert (
        refusal(HEADER, *(b"<message>" if i == 0 else b"x" * 10 for i in range(110)), limit=1000) == "policy-violation"
    )
    assert refusal(HEADER, b"<message x='" + b"y" * 1000, limit=1000) == "policy-violation"


def test_whitespace_between_stanzas_keeps_nothing() -> None:
    reader = parser(limit=1000)
    reader.feed(HEADER)
    for _ in range(5000):
        assert reader.feed(b" ") == []
    assert len(reader.feed(b"<presence/>")) == 1


def test_depth_is_bounded() -> None:
    def nested(count: int) -> bytes:
        return b"<a>" * count + b"</a>" * count

    assert isinstance(read(HEADER, b"<iq>" + nested(6) + b"</iq>", depth=8)[-1], Stanza)
    assert refusal(HEADER, b"<iq>" + nested(7) + b"</iq>", depth=8) == "policy-violation"


STREAM = (
    HEADER
    + b" <message to='\xc3\xa9@d'><body>h\xc3\xa9</body></message>\n<iq id='1'><q xmlns='urn:q'><r/></q></iq>"
    + b"<presence/> <message><body>"
    + b"y" * 300
    + b"</body></message></stream:stream>"
)


def shape(frames: list[Frame]) -> list[object]:
    return [(f.tag, f.attributes, f.children, f.inner) if isinstance(f, Stanza) else type(f) for f in frames]


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=30))
def test_it_does_not_matter_where_the_packets_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    assert shape(read(*chunks)) == shape(read(STREAM))


def test_the_parser_is_renewed_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renewed after every single byte, in the middle of tags and of characters, it reads the same."""
    expected = shape(read(STREAM))
    monkeypatch.setattr(framing, "RENEW_BYTES", 0)
    assert shape(read(*(STREAM[i : i + 1] for i in range(len(STREAM))))) == expected


def test_invented_names_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "RENEW_BYTES", 10_000)
    reader = parser()
    reader.feed(HEADER)
    known = []
    for i in range(2000):
        assert len(reader.feed(b"<message><invented%d/></message>" % i)) == 1
        known.append(len(reader._parser.intern))
    assert max(known) < 1000


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    for frame in read(HEADER, data):
        assert isinstance(frame, Header | Stanza | Closed | Refused)


@given(
    st.lists(st.sampled_from(["<a>", "</a>", "<iq x='", "'>", "/>", "<!", "--", "&lt;", "]]>", " ", "x", "é", "<?"]))
)
def test_almost_xml_never_raises(parts: list[str]) -> None:
    for frame in read(HEADER, "".join(parts).encode()):
        if isinstance(frame, Stanza):
            frame.element()
