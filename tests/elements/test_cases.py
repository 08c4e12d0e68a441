"""What others wrote is read, understood and written back the same."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle.elements.declare import from_string, parse, serialize, to_string
from jingle.elements.model import REGISTRY
from jingle.errors import RemoteProtocolError

from .cases import CASES, WIRE, XEP, canonical, known_elements, left_over

# Examples that break their own XEP's schema, and what is said about it.
BROKEN = {
    # The gateway's raw-udp candidate has no component, which XEP-0177's schema requires.
    "xep/0176-07": ["<candidate/> lacks the attribute 'component'"],
    "xep/0176-08": ["<candidate/> lacks the attribute 'component'"],
    "xep/0371-07": ["<candidate/> lacks the attribute 'component'"],
    "xep/0371-08": ["<candidate/> lacks the attribute 'component'"],
    # Schematic: the values are descriptions of values.
    "xep/0181-01": ["<dtmf code='0-9,#,*,A-D'/> is longer than 1 characters"],
    "xep/0320-01": ["<fingerprint setup='role'/> is not one of active, passive, actpass, holdconn"],
    "xep/0339-01": ["<source ssrc='ssrc-id'/> is not a whole number"],
    "xep/0339-03": ["<source ssrc='ssrc-id'/> is not a whole number"],
    # A misplaced ">" ends the tag before its attributes.
    "xep/0293-04": ["<jingle/> lacks the attribute 'action'"],
    "xep/0298-01": ["<jingle/> lacks the attribute 'action'"],
    "xep/0298-02": ["<jingle/> lacks the attribute 'action'"],
    "xep/0370-04": ["<jingle/> lacks the attribute 'sid'"],
}
# What no model has a field for: elements of other XEPs, and mistakes of the examples.
LEFT_OVER = {
    "xep/0167-09": {"reason/{urn:xmpp:jingle:apps:rtp:errors:1}invalid-crypto"},
    "xep/0167-10": {"reason/{urn:xmpp:jingle:apps:rtp:errors:1}crypto-required"},
    "xep/0167-11": {"reason/{urn:xmpp:jingle:apps:rtp:errors:1}crypto-required"},
    "xep/0234-15": {"reason/{urn:xmpp:jingle:apps:file-transfer:errors:0}file-not-available"},
    "xep/0234-16": {"reason/{urn:xmpp:jingle:apps:file-transfer:errors:0}file-too-large"},
    "xep/0251-01": {"text in transport"},  # "[ ... ]"
    "xep/0251-04": {"text in transport"},
    "xep/0251-05": {"reason/{urn:xmpp:jingle:transfer:0}transferred"},
    "xep/0251-06": {"text in transport"},
    "xep/0251-07": {"text in transport"},
    "xep/0251-10": {"text in transport"},
    "xep/0251-11": {"reason/{urn:xmpp:jingle:transfer:0}transferred"},
    "xep/0251-12": {"reason/{urn:xmpp:jingle:transfer:0}transferred"},
    "xep/0262-03": {"encryption/{urn:xmpp:jingle:apps:rtp:zrtp:1}zrtp-hash"},
    "xep/0262-04": {"encryption/{urn:xmpp:jingle:apps:rtp:zrtp:1}zrtp-hash"},
    "xep/0269-02": {"transport@pwd", "transport@ufrag"},  # ICE credentials on a raw-udp transport
    "xep/0272-06": {"invite/{urn:xmpp:jingle:muji:0}muji"},
    "xep/0284-03": {"jingle@host"},
    "xep/0338-03": {"text in content"},  # "[ ... ]"
    "xep/0507-01": {"description/{urn:xmpp:jingle:apps:category:0}category"},
    "xep/0517-02": {"description/{urn:xmpp:jingle:apps:rtt-sync:0}rtt-sync"},
}
# Dino's OMEMO device beside its proceed is all that deployed clients say and we do not understand.
LEFT_OVER_ON_THE_WIRE = {"proceed/{http://gultsch.de/xmpp/drafts/omemo/dlts-srtp-verification}device"}


def name(path: Path) -> str:
    return str(path.relative_to(CASES).with_suffix(""))


def complaints(path: Path) -> list[str]:
    found = []
    for xml in known_elements(path):
        try:
            parse(xml)
        except RemoteProtocolError as exc:
            found.append(exc.text)
    return found


@pytest.mark.parametrize("path", XEP, ids=name)
def test_only_broken_examples_are_refused(path: Path) -> None:
    assert known_elements(path)
    assert complaints(path) == BROKEN.get(name(path), [])


@pytest.mark.parametrize("path", [path for path in XEP if name(path) not in BROKEN], ids=name)
def test_examples_are_understood(path: Path) -> None:
    found = set()
    for xml in known_elements(path):
        found |= left_over(parse(xml))
    assert found == LEFT_OVER.get(name(path), set())


def test_deployed_clients_are_understood() -> None:
    found = set()
    for path in WIRE:
        for xml in known_elements(path):
            found |= left_over(parse(xml))
    assert found == LEFT_OVER_ON_THE_WIRE


@pytest.mark.parametrize("path", WIRE, ids=name)
def test_every_recorded_stanza_is_written_back(path: Path) -> None:
    """With all that is in it: nothing is there but what has a model, errors, and the name that a server gave."""
    for record in ET.parse(path).getroot():
        for stanza in record:
            written = ET.fromstring(ET.tostring(stanza))
            for place, child in enumerate(stanza):
                if child.tag not in ("error", "{jabber:client}error", "{urn:ietf:params:xml:ns:xmpp-bind}bind"):
                    assert child.tag in REGISTRY
                    written[place] = serialize(parse(child))
            assert canonical(written) == canonical(stanza)


@pytest.mark.parametrize("path", [*XEP, *WIRE], ids=name)
def test_parse_and_serialize_gives_the_same_xml(path: Path) -> None:
    for xml in known_elements(path):
        try:
            model = parse(xml)
        except RemoteProtocolError:
            assert name(path) in BROKEN
            continue
        assert canonical(serialize(model)) == canonical(xml)
        assert from_string(to_string(model)) == model
        assert canonical(ET.fromstring(to_string(model))) == canonical(xml)
