"""Stanzas that others wrote, and what it means for two elements to be the same."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import jingle.elements  # noqa: F401 - registers every model
from jingle.elements.declare import Element
from jingle.elements.model import REGISTRY, Unknown, plan_of
from jingle.elements.values import SPACE

CASES = Path(__file__).parent / "cases"
XEP = sorted((CASES / "xep").glob("*.xml"))
WIRE = sorted((CASES / "wire").rglob("*.xml"))
# Not the registry itself, to which tests add models of their own.
MODELS = tuple(model for model in REGISTRY.values() if model.__module__.startswith("jingle."))


@functools.cache
def known_elements(path: Path) -> tuple[ET.Element, ...]:
    """The outermost elements of a case that have a model.

    A case may hold several stanzas one after the other, or a stray sign between them.
    """
    root = ET.fromstring(f"<case>{path.read_text()}</case>")
    return tuple(_known(root))


def _known(xml: ET.Element) -> Iterator[ET.Element]:
    for child in xml:
        if child.tag in REGISTRY:
            child.tail = None
            yield child
        else:
            yield from _known(child)


def canonical(xml: ET.Element) -> str:
    """C14N of an element without the white space between elements."""
    copy = ET.fromstring(ET.tostring(xml))
    for part in copy.iter():
        part.text = part.text if part.text and part.text.strip(SPACE) else None
        part.tail = part.tail if part.tail and part.tail.strip(SPACE) else None
    return ET.canonicalize(ET.tostring(copy, encoding="unicode"))


def parts_of(model: Element) -> Iterator[Element]:
    """A model and every model inside it."""
    yield model
    for value in vars(model).values():  # `arrival` holds no models
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Element):
                yield from parts_of(part)


def left_over(model: Element) -> set[str]:
    """What a model and those inside it have no field for."""
    found = set()
    for part in parts_of(model):
        found |= {f"{part.NAME}@{name}" for name, _ in part.extra_attributes}
        found |= {f"{part.NAME}/{_tag(other)}" for other in part.extra}
        if part.arrival is not None and part.arrival.text is not None and plan_of(type(part)).own_text is None:
            found.add(f"text in {part.NAME}")
    return found


def _tag(model: Element) -> str:
    return f"{{{model.namespace}}}{model.name}" if isinstance(model, Unknown) else f"{{{model.NAMESPACE}}}{model.NAME}"
