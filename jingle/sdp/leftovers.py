"""What a `<content/>` says and SDP has no word for: carried in SDP as XML, one element an attribute.

`a=jingle-element:<transport xmlns='...' pwd='...'/>` says: give the element that this one names these attributes and
children. SDP requires that attributes nobody knows are passed over (RFC 8866 section 6), and browsers do.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

from ..elements import ice_udp, raw_udp, rtp
from ..elements.core import Content, Role
from ..elements.declare import Element, Unknown, parse, serialize
from ..elements.ice_options import Renomination, Trickle
from ..elements.model import plan_of, plan_of_tag
from ..elements.sdp_extension import NS, CandidateExtension, SdpMedia
from ..elements.source import split, to_text
from ..errors import LocalProtocolError, RemoteProtocolError
from .draft import completed
from .rules_rtp import says_nothing, sources_said, ssrc_of
from .rules_transport import raw_id, read_raw

ELEMENT = "jingle-element"

FORBIDDEN_IN_LINE = re.compile("[\t\n\x7f\x85\u2028\u2029]")

MAPPED: tuple[tuple[type[Element], tuple[type[Element], ...]], ...] = (
    (Content, (SdpMedia,)),
    (rtp.RtpDescription, (rtp.Bandwidth,)),
    (ice_udp.AnyIceTransport, (Trickle, Renomination)),
    (ice_udp.AnyCandidate, (CandidateExtension,)),
)
"""Elements that a mapping rule looks for in the `extra` of others."""

PARAMETER = f"{{{rtp.NS}}}parameter"

PLACE = f"{{{NS}}}place"
"""The attribute that tells how many of its like stand before the one that is named."""

IDENTITY: dict[str, tuple[str, ...]] = {
    "candidate": ("component", "ip", "port"),
    "content": (),
    "crypto": ("tag",),
    "description": (),
    "encryption": (),
    "fingerprint": ("hash",),
    "payload-type": ("id",),
    "rtp-hdrext": ("id", "uri"),
    "sctpmap": (),
    "source": ("ssrc",),
    "stream": ("id",),
    "transport": (),
}
"""Which attributes tell an element from its like; of any other element all attributes do."""


# What is left over of an element, beside what it has no field for.


NOTHING: tuple[dict[str, str], list[Element]] = ({}, [])


def _of_description(description: rtp.RtpDescription) -> tuple[dict[str, str], list[Element]]:
    said = sources_said(description.sources)
    kept: dict[str, str] = {}
    if description.ssrc is not None and description.ssrc != ssrc_of(said):
        kept["ssrc"] = str(description.ssrc)
    told = {id(source) for source in said}
    children: list[Element] = [source for source in description.sources if id(source) not in told]
    seen: set[int] = set()
    for kind in description.payload_types:
        if kind.id in seen:
            children.append(kind)
        seen.add(kind.id)
    if description.encryption is not None and not description.encryption.cryptos:
        children.append(description.encryption)
    return kept, children


def _of_payload_type(kind: rtp.PayloadType) -> tuple[dict[str, str], list[Element]]:
    _, clockrate, channels = completed(kind.id, kind.name, kind.clockrate, kind.channels)
    kept = {}
    if kind.clockrate not in (None, clockrate):
        kept["clockrate"] = str(kind.clockrate)
    if kind.channels not in (None, 1, channels):
        kept["channels"] = str(kind.channels)
    return kept, [each for each in kind.parameters if says_nothing(each)]


def _is_complete(kind: rtp.PayloadType) -> bool:
    """Whether SDP can say all of a payload type: one look for each, for most are."""
    if kind.name is None or kind.clockrate is None:
        return False
    return not (kind.parameters and any(map(says_nothing, kind.parameters)))


def _of_stream(stream: rtp.MediaStream) -> tuple[dict[str, str], list[Element]]:
    return ({"track": ""} if stream.track == "" else {}), []


def _of_raw(transport: raw_udp.RawUdpTransport) -> tuple[dict[str, str], list[Element]]:
    placed = read_raw(transport)
    return {}, [each for each in transport.candidates if all(each is not other for other in placed)]


def _of_raw_candidate(candidate: raw_udp.RawCandidate) -> tuple[dict[str, str], list[Element]]:
    kept = {}
    if candidate.generation:
        kept["generation"] = str(candidate.generation)
    if candidate.type is not None:
        kept["type"] = candidate.type.value
    if candidate.id is not None and candidate.id != raw_id(candidate.component, candidate.ip, candidate.port):
        kept["id"] = candidate.id
    return kept, []


def _of_required(element: Any) -> tuple[dict[str, str], list[Element]]:
    return ({} if element.required is None else {"required": "true" if element.required else "false"}), []


def _of_ice2(transport: ice_udp.IceTransport) -> tuple[dict[str, str], list[Element]]:
    kept, children = _of_ice(transport)
    return kept if transport.ice2 is None else {"ice2": "true" if transport.ice2 else "false"}, children


def _of_ice(transport: ice_udp.AnyIceTransport) -> tuple[dict[str, str], list[Element]]:
    return {}, list(transport.channels)


MAPPED_TRANSPORTS = (ice_udp.AnyIceTransport, ice_udp.DataChannelTransport, raw_udp.RawUdpTransport)

LEFT: dict[type[Element], Callable[[Any], tuple[dict[str, str], list[Element]]]] = {
    rtp.RtpDescription: _of_description,
    rtp.PayloadType: _of_payload_type,
    rtp.Encryption: _of_required,
    rtp.MediaStream: _of_stream,
    ice_udp.Fingerprint: _of_required,
    ice_udp.IceUdpTransport: _of_ice,
    ice_udp.IceTransport: _of_ice2,
    raw_udp.RawUdpTransport: _of_raw,
    raw_udp.RawCandidate: _of_raw_candidate,
}


def collect(
    content: Content,
    remarkable: list[Element],
    *,
    told: tuple[bool, bool],
    has_senders: bool,
    of_sctp_map: dict[str, str],
) -> list[str]:
    """Return what SDP cannot say of a content, as the values of the attributes that carry it.

    Args:
        content: What the section was made from.
        remarkable: What `find_remarkable` found in the parts of it that are told.
        told: Whether the section will become a description, and a transport, in the action it came in.
        has_senders: The direction of the section will become `senders`, which it does in some actions only.
        of_sctp_map: Attributes of a `<sctpmap/>` that the section does not tell.
    """
    description = content.description if not (told[0] and is_said(content.description)) else None
    transport = content.transport if not (told[1] and is_said(content.transport)) else None
    parts = (description, transport, content.security, *_foreign(content))
    kept = {} if content.disposition is None else {"disposition": content.disposition}
    if content.creator is not Role.INITIATOR:
        kept["creator"] = content.creator.value
    if not has_senders and content.senders is not None:
        kept["senders"] = content.senders.value
    shells = [_shell(content, kept, [part for part in parts if part is not None])]
    places: dict[int, deque[int]] | None = None
    for element in remarkable:
        left = LEFT.get(element.__class__)
        attributes, children = left(element) if left is not None else NOTHING
        if element.__class__ is ice_udp.SctpMap:
            attributes = of_sctp_map
        shell = _shell(element, attributes, [*children, *_foreign(element)])
        if shell is not None:
            places = _places(content) if places is None else places
            place = places[id(element)].popleft()
            if place:
                shell.set(PLACE, str(place))
            shells.append(shell)
    return [one_line(shell) for shell in shells if shell is not None]


def _places(content: Content) -> dict[int, deque[int]]:
    """Return how many of its like stand before each element in the document; an object may be there several times."""
    seen: Counter[tuple[str | None, ...]] = Counter()
    found: dict[int, deque[int]] = {}
    for part in (content.description, content.transport):
        for each in _in_document(part) if part is not None and is_said(part) else ():
            key = _key(serialize(each))
            found.setdefault(id(each), deque()).append(seen[key])
            seen[key] += 1
    return found


def _in_document(element: Element) -> Iterator[Element]:
    """Yield an element and those in its fields in the order they are written in, without what is carried whole."""
    yield element
    whole = _whole(element)
    for field in _fields(element):
        value = getattr(element, field)
        for child in value if isinstance(value, tuple) else () if value is None else (value,):
            if id(child) not in whole:
                yield from _in_document(child)


def _fields(element: Element) -> tuple[str, ...]:
    return (_WALKS.get(element.__class__) or _walk(element.__class__))[0]


def _whole(element: Element) -> set[int]:
    """Return which of an element's children are carried with all that is in them."""
    left = LEFT.get(element.__class__)
    return {id(child) for child in left(element)[1]} if left is not None else set()


def is_said(part: Element | None) -> bool:
    """Whether SDP has words for a description or transport."""
    if isinstance(part, ice_udp.DataChannelTransport):
        # A section cannot have the one without the other, nor tell of two associations.
        return part.transport is not None and part.transport.sctp_map is None
    return isinstance(part, (rtp.RtpDescription, *MAPPED_TRANSPORTS))


def find_remarkable(part: Element | None) -> list[Element]:
    """Return what is in a description or transport, and may hold more than SDP can say."""
    if part is None or not is_said(part):
        return []
    found, remarkable = [part], []
    for each in found:
        values, kind = each.__dict__, each.__class__
        holding, may_leave = _WALKS.get(kind) or _walk(kind)
        whole: set[int] = set()
        if may_leave and not (isinstance(each, rtp.PayloadType) and _is_complete(each)):
            remarkable.append(each)
            whole = _whole(each)
        elif values["extra"] or values["extra_attributes"]:
            remarkable.append(each)
        for field in holding:
            value = values[field]
            if value.__class__ is tuple:
                found += [child for child in value if id(child) not in whole] if whole else value
            elif value is not None and id(value) not in whole:
                found.append(value)
    return remarkable


def _foreign(element: Element) -> list[Element]:
    """Return what no rule looks for in the `extra` of an element."""
    if not element.extra:
        return []
    mapped = tuple(kind for holder, kinds in MAPPED if isinstance(element, holder) for kind in kinds)
    return [each for each in element.extra if not isinstance(each, mapped)]


def one_line(xml: ET.Element) -> str:
    """Write an element so that it fits into the value of an attribute."""
    return FORBIDDEN_IN_LINE.sub(lambda found: f"&#{ord(found.group())};", to_text(xml))


_WALKS: dict[type[Element], tuple[tuple[str, ...], bool]] = {}
"""What `_walk` has worked out."""


def _walk(model: type[Element]) -> tuple[tuple[str, ...], bool]:
    """Work out the fields of a model that hold elements, and whether SDP may lack words for it."""
    slots = plan_of(model).in_order
    holding = [slot.field for slot in slots if slot.kind in ("child", "children")]
    fields = tuple([field for field in holding if field not in ("extra", "channels")])
    _WALKS[model] = fields, model in LEFT or model is ice_udp.SctpMap
    return _WALKS[model]


def _identity(xml: ET.Element) -> dict[str, str | None]:
    """Return the attributes that tell an element from its like, those that are absent too."""
    names = IDENTITY.get(split(xml.tag)[1])
    if names is None:
        plan = plan_of_tag(xml.tag)
        names = tuple(plan.attributes if plan is not None else sorted(xml.keys()))
    found = {name: xml.get(name) for name in names}
    if xml.tag == PARAMETER and not found["name"]:
        found = {"name": found["value"], "value": None}  # as SDP gives it back
    return found


def _key(xml: ET.Element) -> tuple[str | None, ...]:
    return (xml.tag, *_identity(xml).values())


def _shell(element: Element, kept: dict[str, str], children: list[Element]) -> ET.Element | None:
    """Return an element that names another one, with nothing but these attributes and children; or none at all."""
    if not kept and not children and not element.extra_attributes:
        return None
    written = serialize(element)
    shell = ET.Element(written.tag)
    for name, value in (*_identity(written).items(), *kept.items(), *element.extra_attributes):
        if value is not None:
            shell.set(name, value)
    fields = [getattr(element, field) for field in _fields(element)] if children else []
    places = {id(child): place for value in fields if isinstance(value, tuple) for place, child in enumerate(value)}
    for child in children:
        made = serialize(child)
        if id(child) in places:
            made.set(PLACE, str(places[id(child)]))
        shell.append(made)
    return shell


def bare(part: Element | None, remarkable: list[Element]) -> Element | None:
    """Return a description or transport without what `collect` takes out of it: text could not carry it on."""
    if part is None or not any(each.extra_attributes or _foreign(each) for each in remarkable):
        return part
    return _stripped(part)


def _stripped(element: Element) -> Element:
    foreign = _foreign(element)
    kept = [each for each in element.extra if all(each is not other for other in foreign)]
    changes: dict[str, Any] = {"extra": tuple(kept), "extra_attributes": ()}
    for field in _fields(element):
        value = getattr(element, field)
        if isinstance(value, tuple):
            changes[field] = tuple([_stripped(each) for each in value])
        elif value is not None:
            changes[field] = _stripped(value)
    return replace(element, **changes)


def _taken_place(xml: ET.Element) -> int | None:
    """Take off the number that tells how many of its like stand before an element."""
    place = xml.attrib.pop(PLACE, "")
    return int(place) if place.isdecimal() and place.isascii() and len(place) < 5 else None


def _put_in(parent: ET.Element, child: ET.Element) -> None:
    """Put a child where it was among its like, else behind all others."""
    place = _taken_place(child)
    like = [position for position, each in enumerate(parent) if each.tag == child.tag] if place is not None else []
    parent.insert(like[place] if place is not None and place < len(like) else len(parent), child)


def restore(content: Content, kept: Iterable[str]) -> Content:
    """Give a content back what `collect` found; what no longer has its place is left out.

    Raises:
        LocalProtocolError: An attribute that carries XML carries something else.
    """
    root = serialize(content)
    like: dict[tuple[str | None, ...], list[ET.Element]] = {}
    for part in root.iter():
        like.setdefault(_key(part), []).append(part)
    # Found before anything is put in: what is put in may look the same.
    targets = []
    for source in kept:
        shell = serialize(Unknown(namespace="", name="", source=source))
        place, same = _taken_place(shell) or 0, like.get(_key(shell), [])
        if place < len(same):
            targets.append((same[place], shell))
    for target, shell in targets:
        for name, value in shell.items():
            target.set(name, value)
        for child in shell:
            _put_in(target, child)
    try:
        restored = parse(root)
    except RemoteProtocolError as exc:
        raise LocalProtocolError(f"with what a={ELEMENT} carries: {exc}") from None
    assert isinstance(restored, Content)
    return restored
