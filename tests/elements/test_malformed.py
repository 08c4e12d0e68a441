"""What is missing, malformed or out of its range is refused with the element and the attribute named."""

from __future__ import annotations

import pytest

from jingle.elements import bounds
from jingle.elements.declare import from_string
from jingle.errors import RemoteProtocolError

JINGLE = "<jingle xmlns='urn:xmpp:jingle:1' {}>{}</jingle>"
RTP = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>{}</description>"
ICE = "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'>{}</transport>"
FILE = "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file>{}</file></description>"
CANDIDATE = "<candidate component='1' foundation='1' ip='192.0.2.1' port='{}' priority='{}' protocol='udp' type='{}'/>"

ACTIONS = (
    "content-accept, content-add, content-modify, content-reject, content-remove, description-info, security-info, "
    "session-accept, session-info, session-initiate, session-terminate, transport-accept, transport-info, "
    "transport-reject, transport-replace"
)

MALFORMED = [
    (JINGLE.format("sid='a'", ""), "<jingle/> lacks the attribute 'action'"),
    (JINGLE.format("action='session-info'", ""), "<jingle/> lacks the attribute 'sid'"),
    (JINGLE.format("action='session-info' sid=''", ""), "<jingle sid=''/> is empty"),
    (
        JINGLE.format(f"action='session-info' sid='{'x' * 1024}'", ""),
        f"<jingle sid='{'x' * 40}...'/> is longer than 1023 characters",
    ),
    (JINGLE.format("action='session-steal' sid='a'", ""), f"<jingle action='session-steal'/> is not one of {ACTIONS}"),
    (
        JINGLE.format("action='content-add' sid='a'", "<content name='a'/>"),
        "<content/> lacks the attribute 'creator'",
    ),
    (
        JINGLE.format("action='content-add' sid='a'", "<content creator='initiator'/>"),
        "<content/> lacks the attribute 'name'",
    ),
    (
        JINGLE.format("action='content-add' sid='a'", "<content creator='me' name='a'/>"),
        "<content creator='me'/> is not one of initiator, responder",
    ),
    (
        JINGLE.format("action='content-add' sid='a'", "<content creator='initiator' name='a' senders='rejected'/>"),
        "<content senders='rejected'/> is not one of both, initiator, responder, none",
    ),
    (
        JINGLE.format("action='session-terminate' sid='a'", "<reason><text>bye</text></reason>"),
        "<reason/> lacks a child element that names its condition",
    ),
    (RTP.format("<payload-type/>"), "<payload-type/> lacks the attribute 'id'"),
    (RTP.format("<payload-type id='128'/>"), "<payload-type id='128'/> is not between 0 and 127"),
    (RTP.format("<payload-type id='-1'/>"), "<payload-type id='-1'/> is not between 0 and 127"),
    (RTP.format("<payload-type id='1.5'/>"), "<payload-type id='1.5'/> is not a whole number"),
    (RTP.format("<payload-type id='1_0'/>"), "<payload-type id='1_0'/> is not a whole number"),
    (RTP.format("<payload-type id='\u0661'/>"), "<payload-type id='\u0661'/> is not a whole number"),
    (RTP.format("<payload-type id='\u00b2'/>"), "<payload-type id='\u00b2'/> is not a whole number"),
    (RTP.format("<payload-type id=''/>"), "<payload-type id=''/> is not a whole number"),
    (
        RTP.format(f"<payload-type id='{'0' * 21}'/>"),
        f"<payload-type id='{'0' * 21}'/> is not a whole number",
    ),
    (
        RTP.format("<payload-type id='1' clockrate='4294967296'/>"),
        "<payload-type clockrate='4294967296'/> is not between 0 and 4294967295",
    ),
    (RTP.format("<payload-type id='1' channels='256'/>"), "<payload-type channels='256'/> is not between 0 and 255"),
    (RTP.format("<encryption required='maybe'/>"), "<encryption required='maybe'/> is neither true nor false"),
    (
        RTP.format("<encryption><crypto crypto-suite='a' tag='1'/></encryption>"),
        "<crypto/> lacks the attribute 'key-params'",
    ),
    (ICE.format("<candidate/>"), "<candidate/> lacks the attribute 'component'"),
    (ICE.format(CANDIDATE.format(70000, 1, "host")), "<candidate port='70000'/> is not between 0 and 65535"),
    (
        ICE.format(CANDIDATE.format(1, 0, "host")),
        "<candidate priority='0'/> is not between 1 and 18446744073709551615",
    ),
    (
        ICE.format(CANDIDATE.format(1, 1, "stun")),
        "<candidate type='stun'/> is not one of host, prflx, relay, srflx",
    ),
    (FILE.format("<size>-5</size>"), "<size>-5</size> is not between 0 and 18446744073709551615"),
    (FILE.format("<size/>"), "<size></size> is not a whole number"),
    (FILE.format("<hash xmlns='urn:xmpp:hashes:2'>AAAA</hash>"), "<hash/> lacks the attribute 'algo'"),
    (FILE.format("<hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>AA?A</hash>"), "<hash>AA?A</hash> is not base64"),
    (
        FILE.format("<hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>\u00e4</hash>"),
        "<hash>\u00e4</hash> is not base64",
    ),
    (
        FILE.format(f"<hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>{'A' * (bounds.TEXT + 4)}</hash>"),
        f"<hash>{'A' * 40}...</hash> is longer than {bounds.TEXT} characters",
    ),
    (
        "<checksum xmlns='urn:xmpp:jingle:apps:file-transfer:5' name='a'/>",
        "<checksum/> lacks the element <file/>",
    ),
    (
        "<services xmlns='urn:xmpp:extdisco:2'><service type='turn'/></services>",
        "<service/> lacks the attribute 'host'",
    ),
    (
        f"<service xmlns='urn:xmpp:extdisco:2' type='turn' host='a' password='{'p' * 8193}'/>",
        "<service password='***'/> is longer than 8192 characters",
    ),
    ("<open xmlns='http://jabber.org/protocol/ibb' sid='a' block-size='0'/>", "is not between 1 and 65535"),
    ("<propose xmlns='urn:xmpp:jingle-message:0'/>", "<propose/> lacks the attribute 'id'"),
]


@pytest.mark.parametrize(("source", "complaint"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed(source: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        from_string(source)
    assert caught.value.text.endswith(complaint)
    assert caught.value.condition == "bad-request"


def nested(depth: int, name: str = "a") -> str:
    return f"<{name}>" * depth + f"</{name}>" * depth


CONTENT = "<content xmlns='urn:xmpp:jingle:1' creator='initiator' name='a' {}>{}</content>"
BEYOND = [
    (nested(bounds.DEPTH + 1), "elements are more than 32 deep inside each other"),
    (CONTENT.format("", nested(bounds.DEPTH)), "elements are more than 32 deep inside each other"),
    (nested(5000), "elements are more than 32 deep inside each other"),
    (
        "<security xmlns='urn:xmpp:jingle:1'>" + nested(40) + "</security>",
        "elements are more than 32 deep inside each other",
    ),
    (f"<a>{'<b/>' * 1025}</a>", "<a/> has more than 1024 children"),
    (CONTENT.format("", "<b/>" * 1025), "<content/> has more than 1024 children"),
    ("<a {}/>".format(" ".join(f"a{n}='1'" for n in range(65))), "<a/> has more than 64 attributes"),
    (CONTENT.format(" ".join(f"a{n}='1'" for n in range(65)), ""), "<content/> has more than 64 attributes"),
    (f"<a b='{'x' * 8193}'/>", "<a/> has an attribute of more than 8192 characters"),
    (CONTENT.format(f"b='{'x' * 8193}'", ""), "the attribute 'b' of <content/> is longer than 8192 characters"),
    (f"<a>{'x' * 131073}</a>", "a text is longer than 131072 characters"),
    (f"<a><b/>{'x' * 131073}</a>", "a text is longer than 131072 characters"),
    (CONTENT.format("", "x" * 131073), "a text is longer than 131072 characters"),
    (CONTENT.format("", "<b/>" + "x" * 131073), "a text is longer than 131072 characters"),
]


@pytest.mark.parametrize(("source", "complaint"), BEYOND, ids=range(len(BEYOND)))
def test_beyond_a_bound(source: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        from_string(source)
    assert caught.value.text == complaint


def test_the_bounds_themselves_are_accepted() -> None:
    for source in (
        nested(bounds.DEPTH),
        CONTENT.format("", nested(bounds.DEPTH - 1)),
        f"<a>{'<b/>' * bounds.CHILDREN}</a>",
        CONTENT.format("", "<b/>" * bounds.CHILDREN),
        CONTENT.format(" ".join(f"a{n}='1'" for n in range(bounds.ATTRIBUTES - 2)), "x" * bounds.TEXT),
        CONTENT.format(f"b='{'x' * bounds.ATTRIBUTE}'", ""),
        JINGLE.format(f"action='session-info' sid='{'x' * bounds.KEY}'", ""),
    ):
        from_string(source)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("<a", "this is not well-formed XML"),
        ("", "this is not well-formed XML"),
        ("<a>\0</a>", "this is not well-formed XML"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "XML with a document type is not accepted"),
    ],
)
def test_not_xml(source: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint):
        from_string(source)
