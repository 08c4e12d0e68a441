"""How an attribute is read and written: rules, and the shapes that most of them have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .draft import SPACE, Draft, Malformed, number, shown, split

Read = Callable[[Draft, str], None]
Write = Callable[[Any, list[str]], None]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one attribute is read into a draft, and written from a section."""

    name: str
    read: Read
    write: Write
    levels: str = "media"
    """`session`, `media` or `both`."""


def flag(name: str, field: str, levels: str = "media") -> Rule:
    """An attribute without a value."""

    def read(draft: Draft, value: str) -> None:
        draft.values[field] = True

    def write(section: Any, lines: list[str]) -> None:
        if getattr(section, field):
            lines.append(f"a={name}")

    return Rule(name, read, write, levels)


def single(
    name: str, field: str, read_value: Callable[[str], Any], write_value: Callable[[Any], str], levels: str = "media"
) -> Rule:
    """An attribute that a section has once."""

    def read(draft: Draft, value: str) -> None:
        draft.put(field, read_value(value))

    def write(section: Any, lines: list[str]) -> None:
        value = getattr(section, field)
        if value is not None:
            lines.append(f"a={name}:{write_value(value)}")

    return Rule(name, read, write, levels)


def many(
    name: str, field: str, read_value: Callable[[str], Any], write_value: Callable[[Any], str], levels: str = "media"
) -> Rule:
    """An attribute with one line for each of many values."""

    def read(draft: Draft, value: str) -> None:
        draft.add(field, read_value(value))

    def write(section: Any, lines: list[str]) -> None:
        lines.extend([f"a={name}:{write_value(value)}" for value in getattr(section, field)])

    return Rule(name, read, write, levels)


def stripped(parts: list[str]) -> list[str]:
    """Return the parts of a list without the white space around them."""
    return [part.strip(SPACE) for part in parts]


def whole(within: range, what: str) -> Callable[[str], int]:
    """Return a reader of a whole number."""
    return lambda value: number(value.strip(SPACE), within, what)


def word(what: str) -> Callable[[str], str]:
    """Return a reader of one word."""

    def read(value: str) -> str:
        found = split(value)
        if len(found) != 1:
            raise Malformed(f"the {what} {shown(value)} is not one word")
        return found[0]

    return read
