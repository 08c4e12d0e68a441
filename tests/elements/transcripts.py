"""The transcripts in `cases/wire`, each as one of its two sides saw it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from jingle.elements.declare import Element, parse
from jingle.elements.model import REGISTRY

from .cases import CASES

WIRE = CASES / "wire"


@dataclass
class Line:
    """One stanza of a transcript as one side saw it."""

    sent: bool
    name: str
    """Of the stanza: `iq`, `message`."""

    kind: str
    """Its type."""

    id: str
    peer: str
    """Whom it went to, or who it came from."""

    payload: Element | None
    """What is in it, where it is something that we know."""

    xml: ET.Element
    """The stanza itself."""


def lines(path: Path, side: str) -> Iterator[Line]:
    """The stanzas of a transcript; `side` is the JID for transcripts that have both sides in one."""
    for record in ET.parse(path).getroot():
        if len(record) == 0:
            continue
        stanza = record[0]
        by = record.get("by")
        sent = record.tag == "send" if by is None else by == side
        peer = stanza.get("to", "") if sent or by is not None else stanza.get("from", "")
        yield Line(
            sent=sent,
            name=stanza.tag.rpartition("}")[2],
            kind=stanza.get("type", ""),
            id=stanza.get("id", ""),
            peer=by if by is not None and not sent else peer,
            payload=payload_of(stanza),
            xml=stanza,
        )


def payload_of(stanza: ET.Element) -> Element | None:
    """What we know of what a stanza holds."""
    return next((parse(child) for child in stanza if child.tag in REGISTRY), None)


def sides() -> list[tuple[Path, str]]:
    """Every transcript with each of its sides; the side is empty where the transcript is one side's own."""
    found = [(path, "") for path in sorted((WIRE / "stanza").glob("*.xml"))]
    for path in sorted((WIRE / "dino").glob("*.xml")):
        both = {record.get("by", "") for record in ET.parse(path).getroot()}
        found += [(path, side) for side in sorted(both)]
    return found
