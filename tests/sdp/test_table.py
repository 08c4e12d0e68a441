"""The table in docs/sdp.md, row by row: what it says is what happens, and nothing is missing in it."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle import sdp
from jingle.elements.core import Action, Role
from jingle.elements.declare import serialize
from jingle.sdp import content, leftovers, mapping, rules_rtp, rules_transport
from jingle.sdp.attributes import RULES

from ..elements.cases import WIRE

DOCS = Path(__file__).parent.parent.parent / "docs" / "sdp.md"
CLIENTS = {"dino": "Dino 0.4", "stanza": "stanza 12.22"}
OURS = "urn:jingle-toolkit:sdp:0"

SESSION = ["o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
SECTION = ["c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0", "a=fingerprint:sha-256 02:1A", "a=mid:voice"]
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 96"
DATA = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"


@dataclass(frozen=True)
class Row:
    line: str
    example: str
    element: str
    namespace: str
    wire: str

    @property
    def attributes(self) -> set[str]:
        """The attributes it is about."""
        return set(re.findall("a=([a-z-]+)", self.line))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows() -> list[Row]:
    found = [cells(line) for line in DOCS.read_text().splitlines() if line.startswith("|")]
    return [
        Row(row[0], row[1].strip("`"), row[2].strip("`"), row[3].strip("`"), row[4])
        for row in found
        if len(row) == 6 and row[0] not in ("line", "---")
    ]


ROWS = rows()
CARRIED = [row for row in ROWS if row.namespace]


def jingle(session: list[str], section: list[str]) -> ET.Element:
    text = "\n".join(["v=0", *session, *section])
    return serialize(sdp.to_jingle(sdp.parse(text), role=Role.INITIATOR, action=Action.SESSION_INITIATE, sid="1"))


def with_and_without(row: Row) -> tuple[ET.Element, ET.Element]:
    """The session of a plain description with the line of a row, and without it."""
    begin = row.example[:2] if row.example[0] != "a" else re.match("a=[a-z-]+", row.example)[0]  # type: ignore[index]
    first = DATA if "sctp" in row.example or "message-size" in row.example or "SCTP" in row.example else AUDIO
    session = [line for line in SESSION if not line.startswith(begin)]
    section = [line for line in SECTION if not line.startswith(begin)]
    plain = jingle(SESSION, [first, *SECTION])
    if begin == "m=":
        return jingle(SESSION, [row.example, *SECTION]), plain
    if begin in ("o=", "s=", "t=", "u=", "a=group", "a=ice-lite"):
        with_it = sorted([*session, row.example], key=lambda line: "osutcbka".index(line[0]))
        return jingle(with_it, [first, *SECTION]), plain
    without = plain if begin in ("c=", "a=rtcp") else jingle(SESSION, [first, *section])
    return jingle(SESSION, [first, *section, row.example]), without


def count(xml: ET.Element, row: Row) -> int:
    """How often the element of a row is in there, with its attribute where it is about one."""
    name, _, attribute = row.element.partition("@")
    return sum(not attribute or attribute in each.attrib for each in xml.iter(f"{{{row.namespace}}}{name}"))


@pytest.mark.parametrize("row", CARRIED, ids=[row.line for row in CARRIED])
def test_the_example_becomes_the_element(row: Row) -> None:
    with_it, without = with_and_without(row)
    if row.line.startswith(("`m=` media", "`m=` payload")):
        value = row.example.split()[-1 if "payload" in row.line else 0].removeprefix("m=")
        name, _, attribute = row.element.partition("@")
        found = [each.get(attribute) for each in with_it.iter(f"{{{row.namespace}}}{name}")]
        assert found[-1] == value
    elif row.line == "`a=mid`":
        assert with_it.find("{urn:xmpp:jingle:1}content").get("name") == "voice"  # type: ignore[union-attr]
    else:
        assert count(with_it, row) > count(without, row)


def test_what_goes_without_saying() -> None:
    (row,) = [row for row in ROWS if not row.namespace]
    assert row.attributes == {"sendrecv"}
    with_it, without = with_and_without(row)
    assert ET.tostring(with_it) == ET.tostring(without)


@functools.cache
def recorded() -> dict[str, ET.Element]:
    return {
        client: ET.fromstring(f"<x>{''.join(path.read_text() for path in WIRE if path.parent.name == client)}</x>")
        for client in CLIENTS
    }


@pytest.mark.parametrize("row", CARRIED, ids=[row.line for row in CARRIED])
def test_the_clients_are_those_that_were_recorded(row: Row) -> None:
    found = [CLIENTS[client] for client, sessions in recorded().items() if count(sessions, row)]
    assert row.wire == ", ".join(found)


def test_every_attribute_has_a_row() -> None:
    told = {name for row in ROWS for name in row.attributes}
    assert told == {rule.name for rule in RULES}


def test_every_attribute_of_our_own_is_told() -> None:
    found = [cells(line) for line in DOCS.read_text().splitlines() if line.startswith("|")]
    told = {name for row in found if len(row) == 2 for name in re.findall("jingle-[a-z]+", row[0])}
    assert told == {
        leftovers.ELEMENT,
        content.TRANSPORT,
        mapping.NAME,
        rules_rtp.PTIMES,
        rules_rtp.MAXPTIMES,
        rules_transport.CANDIDATE_ID,
    }
