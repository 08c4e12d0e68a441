"""Models of elements, the registry that finds them by their tag, and the plan each is read and written by."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

from ..errors import LocalProtocolError
from . import values
from .fields import MISSING, Declared, attr, child, children, choice, flag, key, text
from .values import Codec

T = TypeVar("T", bound="Element")


@dataclass(frozen=True, kw_only=True, repr=False)
class Element:
    """Base class of every element model.

    Raises:
        LocalProtocolError: When it is made with a number out of its range or with a text too long.
    """

    NAMESPACE: ClassVar[str]
    NAME: ClassVar[str]
    IS_VOCABULARY: ClassVar[bool]
    arrival: ClassVar[Arrival | None] = None

    extra: tuple[Element, ...] = ()
    """Child elements that the model has no field for, and those it has seen already."""

    extra_attributes: tuple[tuple[str, str], ...] = ()
    """Attributes that the model has no field for, as `(name, value)` in ElementTree's notation, sorted by name."""

    def extra_attribute(self, name: str) -> str | None:
        """Return an attribute that the model has no field for, or `None`."""
        return dict(self.extra_attributes).get(name)

    def __post_init__(self) -> None:
        for slot in plan_of(type(self)).checked:
            value = getattr(self, slot.field)
            if value is not None:
                try:
                    slot.codec.check(value)
                except ValueError as exc:
                    raise LocalProtocolError(slot.complaint(self.NAME, value, str(exc))) from None

    def __repr__(self) -> str:
        shown = []
        for part in dataclasses.fields(self):
            value = getattr(self, part.name)
            if value is None or value == () or value is False:
                continue
            declared = part.metadata.get("declared")
            shown.append(f"{part.name}={'***' if declared and declared.secret else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, kw_only=True, repr=False)
class Unknown(Element):
    """An element no model is registered for, kept as it came; `declare.from_string` makes one from text."""

    namespace: str
    name: str
    source: str
    """The whole element as XML text, with every namespace it needs."""

    def __post_init__(self) -> None:
        """Nothing to check: serializing reads the source again."""


@dataclass(slots=True)
class Arrival:
    """How a parsed element differed in writing from what its model would write: enough to write it as it came.

    It is no field of a model: equality and `dataclasses.replace` know nothing of it, so a changed model is written
    in the model's own way.
    """

    order: tuple[int, ...] | None = None
    """For each child, the position of its slot; `None` where the children came in the model's own order."""

    attributes: dict[str, str] = dataclasses.field(default_factory=dict)
    """Attributes spelled in another way, such as `port='0080'`."""

    text: str | None = None
    sources: dict[int, str] = dataclasses.field(default_factory=dict)
    """Children, by position, whose model field cannot hold all that they carried, such as an `xml:lang`."""

    tails: dict[int, str] = dataclasses.field(default_factory=dict)
    """Text that stood behind the child at that position."""


@dataclass(slots=True, eq=False)
class Slot:
    """One field of a model, ready for reading and writing."""

    field: str
    kind: str
    name: str
    tag: str
    declared: Declared
    is_many: bool = False
    position: int = 0
    codec: Codec = values.BOOLEANS
    members: dict[Any, str] = dataclasses.field(default_factory=dict)
    behind: Slot | None = None
    """The field that the rest of the same attribute is read into."""

    inner: dict[str, Slot] = dataclasses.field(default_factory=dict)
    """Of a choice: the text fields inside the children it names, by the tag of the child."""

    def complaint(self, owner: str, value: object, phrase: str) -> str:
        """The sentence that says what is wrong with a value, naming element and attribute."""
        shown = "***" if self.declared.secret else str(value)
        if len(shown) > 40:
            shown = f"{shown[:40]}..."
        if self.kind == "attr":
            return f"<{owner} {self.name}='{shown}'/> {phrase}"
        name = self.name or owner
        return f"<{name}>{shown}</{name}> {phrase}"

    def absence(self, owner: str) -> str:
        """The sentence that says the field is missing."""
        if self.kind == "attr":
            return f"<{owner}/> lacks the attribute '{self.name}'"
        if self.kind == "choice":
            return f"<{owner}/> lacks a child element that names its condition"
        return f"<{owner}/> lacks the element <{self.name}/>"


def _left_over() -> Slot:
    return Slot("extra", "children", "", "", Declared(kind="children"), is_many=True)


@dataclass(slots=True, eq=False)
class Plan:
    """Everything about a model that reading and writing need, worked out once."""

    model: type[Element]
    tag: str
    defaults: dict[str, Any] = dataclasses.field(default_factory=dict)
    required: list[Slot] = dataclasses.field(default_factory=list)
    size: int = 0
    is_vocabulary: bool = False
    attributes: dict[str, Slot] = dataclasses.field(default_factory=dict)
    behind: list[Slot] = dataclasses.field(default_factory=list)
    """Slots whose value stands behind that of another one in the same attribute."""

    reading: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], str] | None]] = dataclasses.field(
        default_factory=dict
    )
    """For each attribute its field and reader, and the writer where there are several spellings."""

    writing: tuple[tuple[str, str, Callable[[Any], str]], ...] = ()
    """For each attribute its name, field and writer."""

    own_text: Slot | None = None
    by_tag: dict[str, Slot] = dataclasses.field(default_factory=dict)
    by_name: dict[str, Slot] = dataclasses.field(default_factory=dict)
    choice: Slot | None = None
    inner: list[Slot] = dataclasses.field(default_factory=list)
    in_order: list[Slot] = dataclasses.field(default_factory=list)
    """The slots of child elements, in the order they are written in; the last takes what is left over."""

    rest: Slot = dataclasses.field(default_factory=_left_over)
    checked: list[Slot] = dataclasses.field(default_factory=list)


REGISTRY: dict[str, type[Element]] = {}
PLANS: dict[type[Element], Plan] = {}
PLANS_BY_TAG: dict[str, Plan] = {}


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(attr, key, text, flag, choice, child, children)
)
def shape(cls: type[T]) -> type[T]:
    """Make a class the common part of several models: fields, but no tag of its own."""
    return dataclass(frozen=True, kw_only=True, repr=False)(cls)


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(attr, key, text, flag, choice, child, children)
)
def element(namespace: str, name: str, *, is_vocabulary: bool = False) -> Callable[[type[T]], type[T]]:
    """Make a class the model of `<name xmlns='namespace'/>`.

    Args:
        namespace: That of the element.
        name: The local name.
        is_vocabulary: The whole world uses the same few of it, as of feedback messages: equal ones may be one object.

    Raises:
        TypeError: Another class is the model of that element, or a default is not `None`.
    """

    def decorate(cls: type[T]) -> type[T]:
        tag = f"{{{namespace}}}{name}"
        if tag in REGISTRY:
            raise TypeError(f"{tag} has a model already: {REGISTRY[tag].__name__}")
        cls.NAMESPACE, cls.NAME, cls.IS_VOCABULARY = namespace, name, is_vocabulary
        model = shape(cls)
        REGISTRY[tag] = model
        # A shape in some annotation may have one more model now.
        PLANS.clear()
        PLANS_BY_TAG.clear()
        return model

    return decorate


def plan_of(model: type[Element]) -> Plan:
    """Return the plan of a model; it is made at the first use, when every annotation can be resolved."""
    plan = PLANS.get(model)
    if plan is None:
        plan = PLANS[model] = _compile(model)
    return plan


def unchecked(model: type[T], **values: Any) -> T:
    """Make a model of values that have been checked already, in a sixth of the time."""
    made = object.__new__(model)
    object.__setattr__(made, "__dict__", {**(PLANS.get(model) or plan_of(model)).defaults, **values})
    return made


def plan_of_tag(tag: str) -> Plan | None:
    """Return the plan of the model of an element, or `None` where no model is registered for it."""
    plan = PLANS_BY_TAG.get(tag)
    if plan is None and tag in REGISTRY:
        plan = PLANS_BY_TAG[tag] = plan_of(REGISTRY[tag])
    return plan


def member_types(hint: Any) -> tuple[Any, ...]:
    """Return the types in `X | None` and `tuple[X | Y, ...]`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return tuple(t for arg in typing.get_args(hint) for t in member_types(arg) if t is not type(None))
    if typing.get_origin(hint) is tuple:
        return member_types(typing.get_args(hint)[0])
    return (hint,)


def models_of(kind: type[Element]) -> tuple[type[Element], ...]:
    """Return a model itself, or every model that shares a shape."""
    if "NAME" in kind.__dict__:
        return (kind,)
    return tuple(model for model in REGISTRY.values() if issubclass(model, kind))


def _codec(kind: Any, declared: Declared) -> Codec:
    if kind is str:
        return values.strings(declared.longest, declared.shortest)
    if kind is int:
        return values.whole_numbers(declared.within)
    if kind is bool:
        return values.BOOLEANS
    if kind is bytes:
        return values.BASE64
    if issubclass(kind, enum.Enum):
        return values.members(kind)
    raise TypeError(f"no way to read a {kind!r}")


def _compile(model: type[Element]) -> Plan:
    plan = Plan(model, f"{{{model.NAMESPACE}}}{model.NAME}", is_vocabulary=model.IS_VOCABULARY)
    hints = typing.get_type_hints(model)
    for part in dataclasses.fields(model):
        declared: Declared | None = part.metadata.get("declared")
        if part.default is not MISSING:
            plan.defaults[part.name] = part.default
        plan.size += 1
        if declared is None:
            continue  # `extra` and `extra_attributes`
        name = declared.name or part.name.replace("_", "-")
        tag = f"{{{declared.namespace or model.NAMESPACE}}}{name}"
        slot = Slot(part.name, declared.kind, name, tag, declared, is_many=declared.kind == "children")
        if part.default is MISSING:
            plan.required.append(slot)
        _PLACES[declared.kind](plan, slot, member_types(hints[part.name]))
    plan.in_order.append(plan.rest)
    for position, slot in enumerate(plan.in_order):
        slot.position = position
    for name, slot in plan.attributes.items():
        plan.reading[name] = (slot.field, slot.codec.read, None if slot.codec.exact else slot.codec.write)
    plan.writing = tuple([(name, slot.field, slot.codec.write) for name, slot in plan.attributes.items()])
    for slot in plan.inner:
        assert plan.choice is not None, f"{model.__name__}.{slot.field} is inside of a choice that is not there"
        plan.choice.inner[f"{{{model.NAMESPACE}}}{slot.declared.inside}"] = slot
    return plan


def _place_attr(plan: Plan, slot: Slot, kinds: tuple[Any, ...]) -> None:
    slot.codec = _codec(kinds[0], slot.declared)
    plan.checked.append(slot)
    if slot.declared.behind is None:
        plan.attributes[slot.name] = slot
    else:
        plan.attributes[slot.name].behind = slot
        plan.behind.append(slot)


def _place_text(plan: Plan, slot: Slot, kinds: tuple[Any, ...]) -> None:
    slot.codec = _codec(kinds[0], slot.declared)
    plan.checked.append(slot)
    if slot.declared.inside:
        plan.inner.append(slot)
    elif slot.declared.name is None:
        slot.name = ""
        plan.own_text = slot
    else:
        _place_flag(plan, slot, kinds)


def _place_flag(plan: Plan, slot: Slot, _: tuple[Any, ...]) -> None:
    plan.by_tag[slot.tag] = slot
    plan.in_order.append(slot)


def _place_choice(plan: Plan, slot: Slot, kinds: tuple[Any, ...]) -> None:
    namespace = plan.model.NAMESPACE
    slot.members = {member: f"{{{namespace}}}{member.value}" for member in kinds[0]}
    plan.by_tag |= dict.fromkeys(slot.members.values(), slot)
    plan.choice = slot
    plan.in_order.append(slot)


def _place_child(plan: Plan, slot: Slot, kinds: tuple[Any, ...]) -> None:
    if slot.declared.any_namespace:
        plan.by_name[slot.name] = slot
    elif kinds == (Element,):
        plan.rest = slot
        return
    else:
        tags = (f"{{{model.NAMESPACE}}}{model.NAME}" for kind in kinds for model in models_of(kind))
        plan.by_tag |= dict.fromkeys(tags, slot)
    plan.in_order.append(slot)


_PLACES: dict[str, Callable[[Plan, Slot, tuple[Any, ...]], None]] = {
    "attr": _place_attr,
    "text": _place_text,
    "flag": _place_flag,
    "choice": _place_choice,
    "child": _place_child,
    "children": _place_child,
}
