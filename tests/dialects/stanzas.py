"""What a conforming client would send, for a dialect to differ from in one thing."""

from __future__ import annotations

from jingle.elements.core import Jingle
from jingle.elements.initiation import NS as NS_INITIATION
from jingle.elements.rtp import RtpDescription

RTP, ICE = "urn:xmpp:jingle:apps:rtp:1", "urn:xmpp:jingle:transports:ice-udp:1"
FILES, S5B, IBB = (
    "urn:xmpp:jingle:apps:file-transfer:5",
    "urn:xmpp:jingle:transports:s5b:1",
    "urn:xmpp:jingle:transports:ibb:1",
)
FEATURES = {"urn:xmpp:jingle:1", RTP, ICE, FILES, S5B, IBB, f"{RTP[:-2]}:audio", "urn:xmpp:jingle:apps:dtls:0"}
HOST = "component='1' foundation='1' ip='127.0.0.1' port='40000' priority='2130706431' protocol='udp' type='host'"
FINGERPRINT = (
    "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>"
    f"{':'.join(['AB'] * 32)}</fingerprint>"
)
OPUS = "<payload-type id='111' name='opus' clockrate='48000' channels='2'/>"
REASON = "<reason><success/></reason>"


def description(inside: str = OPUS, *, media: str = "audio", attributes: str = "") -> str:
    """A `<description/>` of RTP."""
    return f"<description xmlns='{RTP}' media='{media}' {attributes}><rtcp-mux/>{inside}</description>"


def transport(inside: str = FINGERPRINT, *, attributes: str = "ufrag='peer' pwd='0123456789abcdef012345'") -> str:
    """A `<transport/>` of ice-udp."""
    return f"<transport xmlns='{ICE}' {attributes}>{inside}</transport>"


def content(*parts: str, name: str = "audio", attributes: str = "creator='initiator' senders='both'") -> str:
    """A `<content/>`."""
    return f"<content {attributes} name='{name}'>{''.join(parts)}</content>"


def jingle(action: str, *parts: str, sid: str = "s1", attributes: str = "") -> str:
    """A `<jingle/>`."""
    return f"<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{sid}' {attributes}>{''.join(parts)}</jingle>"


def offer(*parts: str, **more: str) -> str:
    """A session-initiate with one content, of a call unless `parts` say otherwise."""
    return jingle("session-initiate", content(*(parts or (description(), transport()))), **more)


def file(inside: str = "<name>a.txt</name><size>3</size>") -> str:
    """A `<description/>` of a file."""
    return f"<description xmlns='{FILES}'><file>{inside}</file></description>"


def ibb(sid: str = "stream", size: int = 4096) -> str:
    """A `<transport/>` in-band."""
    return f"<transport xmlns='{IBB}' block-size='{size}' sid='{sid}'/>"


def accepted(initiate: Jingle, *parts: str, attributes: str = "creator='initiator'") -> str:
    """A session-accept to an offer of ours, of a call unless `parts` say otherwise."""
    name = initiate.contents[0].name
    answer = parts or (description(opus_of(initiate)), transport(FINGERPRINT.replace("actpass", "active")))
    return jingle("session-accept", content(*answer, name=name, attributes=attributes), sid=initiate.sid)


def opus_of(initiate: Jingle) -> str:
    """Opus under the number that we gave it."""
    found = initiate.contents[0].description
    assert isinstance(found, RtpDescription)
    number = next(each.id for each in found.payload_types if each.name == "opus")
    return OPUS.replace("111", str(number))


def propose(sid: str = "s1", media: str = "audio") -> str:
    """A proposal, without any hint."""
    return f"<propose xmlns='{NS_INITIATION}' id='{sid}'><description xmlns='{RTP}' media='{media}'/></propose>"
