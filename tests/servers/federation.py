"""What servers of different domains need to reach one another: names, and certificates that all of them believe."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .certificates import Authority
from .names import Names, names


@dataclass(frozen=True)
class Federation:
    """Who takes part finds the others by `names`, and believes who has a certificate of `authority`.

    Attributes:
        impostors: Signs certificates that nobody believes.
    """

    names: Names
    authority: Authority
    impostors: Authority


@contextlib.contextmanager
def federation(folder: Path) -> Iterator[Federation]:
    """Let servers federate until the block ends."""
    with names() as known:
        yield Federation(known, Authority(folder / "authority"), Authority(folder / "impostors"))
