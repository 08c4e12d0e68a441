"""The table in docs/dialects.md: each quirk has a test that is named after the client, and a place that names it."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests" / "dialects"
COLUMNS = 5


@dataclass(frozen=True)
class Row:
    clients: tuple[str, ...]
    quirk: str
    where: str
    test: str


def rows() -> list[Row]:
    lines = (ROOT / "docs" / "dialects.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [
        Row(tuple(re.findall(r"[^,]+?(?= [\d.]+|,|$)", row[0])), row[1], row[3].strip("`"), row[4].strip("`"))
        for row in cells
        if row[0] not in ("client", "---")
    ]


ROWS = rows()


@functools.cache
def functions(path: Path) -> dict[str, str]:
    """The tests in a file, each with its source."""
    source = path.read_text()
    lines = source.splitlines()
    return {
        node.name: "\n".join(
            lines[min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1 : node.end_lineno]
        )
        for node in ast.parse(source).body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    }


def names(text: str, client: str) -> bool:
    """Whether a text names a client."""

    def plain(words: str) -> str:
        return re.sub("[^a-z]", "", words.lower())

    return plain(client.strip().removesuffix("s")) in plain(text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.test.rpartition('::')[2]}")
def test_a_row(row: Row) -> None:
    path, _, test = row.test.partition("::")
    assert test in functions(ROOT / path), row.test
    assert any(names(test + functions(ROOT / path)[test], client) for client in row.clients), row
    if row.where:
        assert any(names((ROOT / row.where).read_text(), client) for client in row.clients), row


@pytest.mark.parametrize("path", sorted(TESTS.glob("test_*.py")), ids=lambda path: path.stem)
def test_every_dialect_that_is_tested_has_its_row(path: Path) -> None:
    told = {row.test.partition("::")[2] for row in ROWS}
    # A candidate's `rel_port` is read in the elements, and its row names that test.
    assert set(functions(path)) - told <= {"test_monal_writes_rel_port_with_an_underscore"}
