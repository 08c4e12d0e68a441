"""The vocabulary that models are declared in: what a field of a model is in the XML.

| field | in the XML |
|---|---|
| `attr`, `key` | an attribute; `key` for what names something for as long as a session lives |
| `text` | the element's own text, or that of a child element |
| `flag` | an empty child element that is there or not |
| `choice` | the name of an empty child element, one of an enumeration |
| `child`, `children` | child elements with models of their own |

The annotation says the rest: `int`, `bool`, `bytes`, `str`, an enumeration, a model; `X | None` with `default=None`
where it may be absent. There is no other default, because an absent attribute and one that spells out its default
are written back as they came; a property tells the effective value where it matters. Every default stands where the
field is declared, `flag(default=False)` and `children(default=())` too: type checkers look for it there.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from . import bounds
from .values import UNSIGNED_INT

MISSING: Any = dataclasses.MISSING


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What the declaration of one field says; the annotation tells the type."""

    kind: str
    name: str | None = None
    namespace: str | None = None
    within: range = UNSIGNED_INT
    longest: int = bounds.ATTRIBUTE
    shortest: int = 0
    secret: bool = False
    inside: str | None = None
    behind: str | None = None
    any_namespace: bool = False
    unknown: Any = None


def _field(default: Any, declared: Declared) -> Any:
    return dataclasses.field(default=default, metadata={"declared": declared})


def attr(
    name: str | None = None,
    *,
    default: Any = MISSING,
    within: range = UNSIGNED_INT,
    longest: int = bounds.ATTRIBUTE,
    secret: bool = False,
    behind: str | None = None,
) -> Any:
    """An attribute.

    Args:
        name: Where it differs from the field's (whose `_` becomes `-`).
        default: `None` where the attribute may be absent.
        within: The range of an `int`.
        longest: The most characters of a `str`.
        secret: Keep the value out of `repr` and so out of logs.
        behind: What separates the value from that of the field declared before it, in the one attribute `name` that
            holds both.
    """
    declared = Declared(kind="attr", name=name, within=within, longest=longest, secret=secret, behind=behind)
    return _field(default, declared)


def key(name: str | None = None, *, default: Any = MISSING) -> Any:
    """An attribute by which something is looked up later: not empty, and short."""
    return _field(default, Declared(kind="attr", name=name, longest=bounds.KEY, shortest=1))


def text(
    name: str | None = None,
    *,
    default: Any = MISSING,
    inside: str | None = None,
    within: range = UNSIGNED_INT,
    longest: int = bounds.TEXT,
) -> Any:
    """The element's own text, or with `name` that of a child element.

    With `inside`, that of a grandchild: `<inside><name>text</name></inside>`, where the field next to it is a
    `choice` that `inside` is one of. The element's own text is always there, if empty: XML cannot tell the two apart.
    """
    declared = Declared(kind="text", name=name, inside=inside, within=within, longest=longest)
    return _field(default, declared)


def flag(name: str | None = None, *, default: Literal[False], namespace: str | None = None) -> Any:
    """True where an empty child of that name is there."""
    return _field(default, Declared(kind="flag", name=name, namespace=namespace))


def choice(*, unknown: Any) -> Any:
    """The empty child element that names a member of an enumeration.

    Any other child in the model's own namespace is read as the member `unknown`, and written back as it came; `_`
    in the place of `-` is understood.
    """
    return _field(MISSING, Declared(kind="choice", unknown=unknown))


def child(name: str | None = None, *, default: Any = MISSING, any_namespace: bool = False) -> Any:
    """One child element of a type that the annotation allows; a second one goes to `extra`.

    With `any_namespace` the child is known by its local name alone and may be any `Element`.
    """
    return _field(default, Declared(kind="child", name=name, any_namespace=any_namespace))


def children(name: str | None = None, *, default: tuple[()], any_namespace: bool = False) -> Any:
    """Every child element of the types that the annotation allows, in order; `Element` takes all that is left over."""
    return _field(default, Declared(kind="children", name=name, any_namespace=any_namespace))
