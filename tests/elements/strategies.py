"""Hypothesis strategies for every registered model, derived from what its fields declare."""

from __future__ import annotations

import dataclasses
import enum
import typing
from typing import Any

from hypothesis import strategies as st

from jingle.elements.declare import Element, Unknown
from jingle.elements.model import REGISTRY, Slot, member_types, models_of, plan_of

FOREIGN = "urn:example:foreign"
# Every character that XML can carry: no surrogates, no controls but white space, no non-characters.
characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from("\t\r\n")
names = st.text("abcdefxyz-", min_size=1, max_size=8).map(lambda text: f"x{text}")


def texts(shortest: int = 0, longest: int = 12) -> st.SearchStrategy[str]:
    return st.text(characters, min_size=shortest, max_size=min(longest, 12))


def unknowns(name: str | None = None) -> st.SearchStrategy[Element]:
    def make(local: str, inside: bool) -> Unknown:
        content = f"><y a='1'>text</y></{local}>" if inside else "/>"
        return Unknown(namespace=FOREIGN, name=local, source=f"<{local} xmlns='{FOREIGN}'{content}")

    return st.builds(make, st.just(name) if name else names, st.booleans())


def scalars(kind: type[Any], slot: Slot) -> st.SearchStrategy[Any]:
    if issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    if kind is bool:
        return st.booleans()
    if kind is int:
        within = slot.declared.within
        return st.integers(within.start, within.stop - 1) | st.sampled_from([within.start, within.stop - 1])
    if kind is bytes:
        return st.binary(max_size=24)
    return texts(slot.declared.shortest, slot.declared.longest)


def elements(kinds: tuple[type[Element], ...], depth: int) -> st.SearchStrategy[Element]:
    return st.one_of([models(model, depth - 1) for kind in kinds for model in models_of(kind)])


@st.composite
def models(draw: st.DrawFn, model: type[Element], depth: int = 4) -> Element:
    """A model with anything in it that may be written; below `depth`, only what must be there."""
    plan = plan_of(model)
    hints = typing.get_type_hints(model)
    slots = {slot.field: slot for slot in (*plan.attributes.values(), *plan.in_order, *plan.inner)}
    if plan.own_text is not None:
        slots[plan.own_text.field] = plan.own_text
    values: dict[str, Any] = {}
    for field in dataclasses.fields(model):
        slot = slots.get(field.name)
        optional = field.default is None
        if slot is None or (optional and draw(st.booleans())):
            continue
        kinds = member_types(hints[field.name])
        if slot.kind in ("attr", "text"):
            values[field.name] = draw(scalars(kinds[0], slot))
        elif slot.kind == "choice":
            values[field.name] = draw(st.sampled_from(list(slot.members)))
        elif slot.kind == "flag":
            values[field.name] = draw(st.booleans())
        elif depth > 0 or not (optional or slot.kind == "children"):
            values[field.name] = draw(_inside(slot, kinds, depth))
    if plan.choice is not None:
        for tag, inner in plan.choice.inner.items():
            if plan.choice.members[values[plan.choice.field]] != tag:
                values.pop(inner.field, None)
    strange = draw(st.dictionaries(names | names.map(lambda name: f"{{{FOREIGN}}}{name}"), texts(), max_size=2))
    return model(**values, extra_attributes=tuple(sorted(strange.items())))


def _inside(slot: Slot, kinds: tuple[type[Element], ...], depth: int) -> st.SearchStrategy[Any]:
    if slot.declared.any_namespace:
        known = [models(model, depth - 1) for model in REGISTRY.values() if slot.name == model.NAME]
        one = st.one_of([unknowns(slot.name), *known])
    elif slot.name == "" or kinds == (Element,):
        one = unknowns() | models(REGISTRY["{urn:xmpp:jingle:apps:rtp:info:1}mute"], depth - 1)
    else:
        one = elements(kinds, depth)
    return st.lists(one, max_size=2).map(tuple) if slot.kind == "children" else one


