"""Hypothesis strategies for every registered model, derived from what its fields declare."""

from __future__ import annotations

import dataclasses
import enum
import functools
import typing
from typing import Any

from hypothesis import strategies as st

from jingle.elements.declare import Element, Unknown
from jingle.elements.model import Slot, member_types, models_of, plan_of
from jingle.elements.rtp import Mute

from .cases import MODELS

FOREIGN = "urn:example:foreign"
# Every character that XML can carry: no surrogates, no controls but white space, no non-characters.
characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\r\n"
)
names = st.text("abcdefxyz-", min_size=1, max_size=8).map(lambda text: f"x{text}")


# Strategies are made once: Hypothesis checks each new one, which takes longer than drawing from it.
@functools.cache
def texts(shortest: int = 0, longest: int = 12) -> st.SearchStrategy[str]:
    return st.text(characters, min_size=shortest, max_size=min(longest, 12))


@functools.cache
def unknowns(name: str | None = None) -> st.SearchStrategy[Element]:
    def make(local: str, inside: bool) -> Unknown:
        content = f"><y a='1'>text</y></{local}>" if inside else "/>"
        return Unknown(namespace=FOREIGN, name=local, source=f"<{local} xmlns='{FOREIGN}'{content}")

    return st.builds(make, st.just(name) if name else names, st.booleans())


@functools.cache
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


def models(model: type[Element], depth: int = 4) -> st.SearchStrategy[Element]:
    """A model with anything in it that may be written; below `depth`, only what must be there."""
    if (model, depth) not in made:
        made[model, depth] = _models(model, typing.get_type_hints(model), depth)
    return made[model, depth]


made: dict[tuple[type[Element], int], st.SearchStrategy[Element]] = {}
strange_attributes = st.dictionaries(names | names.map(lambda name: f"{{{FOREIGN}}}{name}"), texts(), max_size=2)


@st.composite
def _models(draw: st.DrawFn, model: type[Element], hints: dict[str, Any], depth: int) -> Element:
    plan = plan_of(model)
    slots = {slot.field: slot for slot in (*plan.attributes.values(), *plan.behind, *plan.in_order, *plan.inner)}
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
    return model(**values, extra_attributes=tuple(sorted(draw(strange_attributes).items())))


@functools.cache
def _inside(slot: Slot, kinds: tuple[type[Element], ...], depth: int) -> st.SearchStrategy[Any]:
    if slot.declared.any_namespace:
        known = [models(model, depth - 1) for model in MODELS if slot.name == model.NAME]
        one = st.one_of([unknowns(slot.name), *known])
    elif slot.name == "" or kinds == (Element,):
        one = unknowns() | models(Mute, depth - 1)
    else:
        one = elements(kinds, depth)
    return st.lists(one, max_size=2).map(tuple) if slot.kind == "children" else one
