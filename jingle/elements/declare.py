"""Declare an XML element as a frozen dataclass, and read and write it.

    @element("urn:example:lamp", "lamp")
    class Lamp(Element):
        colour: str = attr()
        brightness: int | None = attr(default=None, within=range(101))

    lamp = parse(xml)                   # a Lamp, or RemoteProtocolError
    serialize(lamp)                     # the same XML again

Reading and writing come from the one declaration, so they cannot drift apart. Nothing is lost on the way: attributes
and children that a model does not know stay in `extra_attributes` and `extra`, an element without a model is an
`Unknown`, and the order and spelling of what was parsed are kept beside the model. The vocabulary is in `fields`, the
bounds on what is accepted are in `bounds`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree as ET

from ..errors import LocalProtocolError, RemoteProtocolError
from . import bounds
from .fields import attr, child, children, choice, flag, key, text
from .model import PLANS, PLANS_BY_TAG, Arrival, Element, Plan, Slot, Unknown, element, plan_of, plan_of_tag, shape
from .source import split, to_text
from .values import SPACE

__all__ = [
    "Element",
    "Unknown",
    "attr",
    "child",
    "children",
    "choice",
    "element",
    "flag",
    "from_string",
    "key",
    "parse",
    "serialize",
    "shape",
    "text",
    "to_string",
]

_new = object.__new__
_set = object.__setattr__


def parse(xml: ET.Element) -> Element:
    """Read an element by its registered model, or as `Unknown`; its tail is left out.

    Raises:
        RemoteProtocolError: Something in it is missing, malformed, out of its range or beyond a bound; the text
            names the element and the attribute.
    """
    return _read(xml, 1)


def from_string(source: str) -> Element:
    """Read XML text.

    Raises:
        RemoteProtocolError: It is not well-formed, or what `parse` raises.
    """
    return parse(_well_formed(source))


def serialize(model: Element) -> ET.Element:
    """Write a model as an element.

    Raises:
        LocalProtocolError: A text in it holds a character that XML cannot carry, or the source of an `Unknown` is
            not well-formed.
    """
    try:
        return _write(model)
    except ValueError as exc:
        name = model.name if isinstance(model, Unknown) else model.NAME
        raise LocalProtocolError(f"<{name}/> {exc}") from None


def to_string(model: Element) -> str:
    """Write a model as XML text; raises what `serialize` raises."""
    return to_text(serialize(model))


def _well_formed(source: str) -> ET.Element:
    # XMPP forbids document types (RFC 6120 section 11.1); refusing them keeps entities from being expanded.
    if "<!DOCTYPE" in source:
        raise RemoteProtocolError("XML with a document type is not accepted")
    try:
        return ET.fromstring(source)
    except (ET.ParseError, ValueError) as exc:
        raise RemoteProtocolError(f"this is not well-formed XML: {exc}") from None


# Reading. Instances are filled through their dictionary: a frozen dataclass's `__init__` costs three times as much,
# and what it would check has been checked by then.


def _read(xml: ET.Element, depth: int) -> Element:
    plan = PLANS_BY_TAG.get(xml.tag) or plan_of_tag(xml.tag)
    if plan is None:
        return _unknown(xml, depth)
    attributes, count, text = xml.items(), len(xml), xml.text
    if depth > bounds.DEPTH or count > bounds.CHILDREN or len(attributes) > bounds.ATTRIBUTES:
        raise _beyond(xml, depth)
    if plan.is_vocabulary and not count and not text:
        return _word(attributes, plan)
    values = plan.defaults.copy()
    spelled = _read_attributes(attributes, plan, values) if attributes else None
    stray = _read_text(text, plan, values) if text or plan.own_text else None
    arrival = _read_children(xml, plan, values, depth) if count else None
    return _made(plan, values, spelled, stray, arrival)


def _made(
    plan: Plan, values: dict[str, Any], spelled: dict[str, str] | None, stray: str | None, arrival: Arrival | None
) -> Element:
    if len(values) != plan.size:
        missing = next(slot for slot in plan.required if slot.field not in values)
        raise RemoteProtocolError(missing.absence(plan.model.NAME))
    if spelled or stray or arrival:
        arrival = arrival or Arrival()
        arrival.attributes, arrival.text = spelled or {}, stray
        values["arrival"] = arrival
    made = _new(plan.model)
    _set(made, "__dict__", values)
    return made


_WORDS: dict[tuple[Any, ...], Element] = {}


def _word(attributes: Iterable[tuple[str, str]], plan: Plan) -> Element:
    """Read an empty element of a vocabulary: the same for the same attributes, so it is read once."""
    key = (plan, *attributes)
    word = _WORDS.get(key)
    if word is None:
        values = plan.defaults.copy()
        word = _made(plan, values, _read_attributes(attributes, plan, values), None, None)
        if sum(len(name) + len(raw) for name, raw in attributes) <= bounds.WORD:
            if len(_WORDS) >= bounds.WORDS:
                _WORDS.clear()
            _WORDS[key] = word
    return word


def _value(slot: Slot, raw: str, plan: Plan) -> Any:
    try:
        return slot.codec.read(raw)
    except ValueError as exc:
        raise _malformed(slot, raw, plan, exc) from None


def _malformed(slot: Slot, raw: str, plan: Plan, error: ValueError) -> RemoteProtocolError:
    return RemoteProtocolError(slot.complaint(plan.model.NAME, raw, str(error)))


def _read_attributes(
    attributes: Iterable[tuple[str, str]], plan: Plan, values: dict[str, Any]
) -> dict[str, str] | None:
    """Put the attributes into `values`; return those whose spelling a writer would not choose."""
    reading = plan.reading
    spelled: dict[str, str] | None = None
    strange: list[tuple[str, str]] | None = None
    for name, raw in attributes:
        known = reading.get(name)
        if known is None:
            strange = strange or []
            strange.append((name, _bounded(name, raw, plan)))
            continue
        field, read, respell = known
        try:
            value = values[field] = read(raw)
            as_written = respell is None or respell(value) == raw
        except ValueError as exc:
            slot = plan.attributes[name]
            if slot.behind is None:
                raise _malformed(slot, raw, plan, exc) from None
            as_written = _read_both(slot, slot.behind, raw, plan, values) == raw
        if not as_written:
            spelled = spelled or {}
            spelled[name] = raw
    if strange:
        values["extra_attributes"] = tuple(sorted(strange))
    return spelled


def _bounded(name: str, raw: str, plan: Plan) -> str:
    if len(raw) > bounds.ATTRIBUTE:
        raise RemoteProtocolError(
            f"the attribute '{name[:40]}' of <{plan.model.NAME}/> is longer than {bounds.ATTRIBUTE} characters"
        )
    return raw


def _read_both(slot: Slot, behind: Slot, raw: str, plan: Plan, values: dict[str, Any]) -> str:
    """Put the two fields of one attribute into `values`; return how a writer would spell them."""
    first, separator, second = raw.partition(behind.declared.behind or "")
    one = values[slot.field] = _value(slot, first if separator else raw, plan)
    two = values[behind.field] = _value(behind, second, plan)
    return f"{slot.codec.write(one)}{separator}{behind.codec.write(two)}"


def _read_text(raw: str | None, plan: Plan, values: dict[str, Any]) -> str | None:
    """Put the element's own text into `values`; return it where a writer would not write it like that."""
    slot = plan.own_text
    if slot is not None:
        value = values[slot.field] = _value(slot, raw or "", plan)
        return raw if raw and not slot.codec.exact and slot.codec.write(value) != raw else None
    return _stray(raw)


def _stray(raw: str | None) -> str | None:
    """Return text that stands where the model has none; white space there means nothing."""
    if raw is None or not raw.strip(SPACE):
        return None
    if len(raw) > bounds.TEXT:
        raise RemoteProtocolError(f"a text is longer than {bounds.TEXT} characters")
    return raw


def _read_children(xml: ET.Element, plan: Plan, values: dict[str, Any], depth: int) -> Arrival | None:
    """Put the child elements into `values`; return how they came, where a writer would not write them like that."""
    order: list[int] = []
    sources: dict[int, str] = {}
    tails: dict[int, str] = {}
    lists: dict[str, list[Element]] = {}
    seen: set[str] = set()
    for part in xml:
        slot = plan.by_tag.get(part.tag) or _slot_of(plan, part)
        field = slot.field
        if field in seen:
            slot, field = plan.rest, plan.rest.field
        if slot.is_many:
            found = lists.get(field)
            if found is None:
                found = lists[field] = []
            found.append(_read(part, depth + 1))
        else:
            seen.add(field)
            if slot.kind == "child":
                values[field] = _read(part, depth + 1)
            elif not _read_bare(part, slot, plan, values):
                sources[len(order)] = _unknown(part, depth + 1).source
        tail = part.tail
        if tail and (stray := _stray(tail)):
            tails[len(order)] = stray
        order.append(slot.position)
    for field, found in lists.items():
        values[field] = tuple(found)
    in_order = order == sorted(order)
    if in_order and not sources and not tails:
        return None
    return Arrival(order=None if in_order else tuple(order), sources=sources, tails=tails)


def _slot_of(plan: Plan, part: ET.Element) -> Slot:
    """Find the slot of a child that is not known by its tag."""
    if not isinstance(part.tag, str):
        raise RemoteProtocolError("comments and processing instructions are not accepted")  # RFC 6120 section 11.1
    namespace, name = split(part.tag)
    if name in plan.by_name:
        return plan.by_name[name]
    if plan.choice is not None and namespace == plan.model.NAMESPACE:
        return plan.choice
    return plan.rest


def _read_bare(part: ET.Element, slot: Slot, plan: Plan, values: dict[str, Any]) -> bool:
    """Read a child that is a text, a flag or a choice; return whether its fields hold all that it carries."""
    raw = part.text or ""
    if slot.kind == "text":
        value = values[slot.field] = _value(slot, raw, plan)
        return not part.items() and not len(part) and (slot.codec.exact or slot.codec.write(value) == raw)
    if slot.kind == "flag":
        values[slot.field] = True
        return not part.items() and not len(part) and not _stray(raw)
    tag = part.tag.replace("_", "-")
    member = next((member for member, known in slot.members.items() if known == tag), slot.declared.unknown)
    values[slot.field] = member
    inner = slot.inner.get(part.tag)
    left = list(part)
    if inner is not None and left and left[0].tag == inner.tag:
        content = left.pop(0)
        values[inner.field] = _value(inner, content.text or "", plan)
        if content.items() or len(content) or _stray(content.tail):
            left.append(content)
    return slot.members[member] == part.tag and not part.items() and not left and not _stray(raw)


def _unknown(xml: ET.Element, depth: int) -> Unknown:
    _measure(xml, depth)
    namespace, name = split(xml.tag)
    return Unknown(namespace=namespace, name=name, source=to_text(xml))


def _measure(xml: ET.Element, depth: int) -> None:
    """Hold an element that no model reads to the same bounds.

    Raises:
        RemoteProtocolError: It goes beyond one of them.
    """
    if not isinstance(xml.tag, str):
        raise RemoteProtocolError("comments and processing instructions are not accepted")
    attributes = xml.items()
    if depth > bounds.DEPTH or len(xml) > bounds.CHILDREN or len(attributes) > bounds.ATTRIBUTES:
        raise _beyond(xml, depth)
    if any(len(raw) > bounds.ATTRIBUTE for _, raw in attributes):
        raise RemoteProtocolError(f"<{_name(xml)}/> has an attribute of more than {bounds.ATTRIBUTE} characters")
    _stray(xml.text)
    for part in xml:
        _stray(part.tail)
        _measure(part, depth + 1)


def _name(xml: ET.Element) -> str:
    return split(xml.tag)[1][:40]


def _beyond(xml: ET.Element, depth: int) -> RemoteProtocolError:
    if depth > bounds.DEPTH:
        return RemoteProtocolError(f"elements are more than {bounds.DEPTH} deep inside each other")
    if len(xml) > bounds.CHILDREN:
        return RemoteProtocolError(f"<{_name(xml)}/> has more than {bounds.CHILDREN} children")
    return RemoteProtocolError(f"<{_name(xml)}/> has more than {bounds.ATTRIBUTES} attributes")


# Writing.


def _write(model: Element) -> ET.Element:
    if model.__class__ is Unknown:
        return _rewritten(model.__dict__["source"])
    plan = PLANS.get(model.__class__) or plan_of(model.__class__)
    values = model.__dict__
    attributes = dict(values["extra_attributes"]) if values["extra_attributes"] else {}
    for name, field, write in plan.writing:
        value = values[field]
        if value is not None:
            attributes[name] = write(value)
    for slot in plan.behind:
        value = values[slot.field]
        if value is not None and slot.name in attributes:
            attributes[slot.name] += f"{slot.declared.behind}{slot.codec.write(value)}"
    xml = ET.Element(plan.tag, attributes)
    if plan.own_text is not None:
        xml.text = plan.own_text.codec.write(values[plan.own_text.field]) or None
    for slot in plan.in_order:
        value = values[slot.field]
        if slot.is_many:
            if value:
                xml.extend([_write(part) for part in value])
        elif value is None:
            continue
        elif slot.kind == "child":
            xml.append(_write(value))
        elif value is not False or slot.kind != "flag":
            _write_bare(xml, slot, value, values)
    arrival = values.get("arrival")
    if arrival is not None:
        _as_it_came(xml, arrival)
    return xml


def _write_bare(xml: ET.Element, slot: Slot, value: Any, values: dict[str, Any]) -> None:
    part = ET.SubElement(xml, slot.members[value] if slot.kind == "choice" else slot.tag)
    if slot.kind == "text":
        part.text = slot.codec.write(value) or None
    for tag, inner in slot.inner.items():
        content = values[inner.field]
        if content is not None:
            if tag != part.tag:
                raise ValueError(f"has a <{inner.name}/> that belongs in <{inner.declared.inside}/> only")
            ET.SubElement(part, inner.tag).text = inner.codec.write(content) or None


def _as_it_came(xml: ET.Element, arrival: Arrival) -> None:
    """Give an element as its model writes it the order and spelling it arrived in."""
    for name, raw in arrival.attributes.items():
        xml.set(name, raw)
    if arrival.text is not None:
        xml.text = arrival.text
    if arrival.order is not None:
        order = arrival.order
        # The model writes slot after slot, so its k-th child is the k-th of the arrivals when sorted by slot.
        positions = sorted(range(len(order)), key=order.__getitem__)
        xml[:] = [part for _, part in sorted(zip(positions, xml, strict=True), key=lambda pair: pair[0])]
    for position, source in arrival.sources.items():
        xml[position] = _rewritten(source)
    for position, tail in arrival.tails.items():
        xml[position].tail = tail


def _rewritten(source: str) -> ET.Element:
    try:
        return _well_formed(source)
    except RemoteProtocolError as exc:
        raise ValueError(f"was given a source of its own, and {exc}") from None
