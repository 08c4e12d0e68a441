"""What is known about a file that is not complete: a small JSON file beside it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from .metadata import FileMetadata
from .names import DRAFT

VERSION = 1
LARGEST = 65536
"""Bytes of a sidecar that are read; ours have a few hundred."""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """Which file it is, and whether to go on with it."""

    metadata: FileMetadata
    """Name, size, date and digests as the sender announced them."""

    origin: str
    """Who sends it, in words of the caller's."""

    is_damaged: bool = False
    """It is complete and its digest was wrong."""

    def continues(self, other: Sidecar) -> bool:
        """Whether what was begun like this can go on like `other`."""
        return not self.is_damaged and self.origin == other.origin and self.metadata.is_same_file(other.metadata)

    def as_damaged(self) -> Sidecar:
        """The same, never to be continued."""
        return replace(self, is_damaged=True)

    @classmethod
    def read(cls, path: Path) -> Sidecar | None:
        """Read one; `None` where there is none that makes sense."""
        try:
            with open(path, "rb") as file:
                written = json.loads(file.read(LARGEST))
            if written["version"] != VERSION:
                return None
            metadata = FileMetadata(
                name=written["name"],
                size=int(written["size"]),
                date=None if written["date"] is None else float(int(written["date"])),
                digests={name: bytes.fromhex(value) for name, value in written["digests"].items()},
            )
            return cls(metadata=metadata, origin=written["origin"], is_damaged=written["damaged"])
        except (OSError, ValueError, ArithmeticError, TypeError, LookupError, AttributeError, RecursionError):
            return None

    def write(self, path: Path) -> None:
        """Write it in one step, so that a crash leaves the old one or the new one.

        Raises:
            OSError: The disk says no.
        """
        written = {
            "version": VERSION,
            "name": self.metadata.name,
            "size": self.metadata.size,
            "date": self.metadata.date,
            "digests": {name: value.hex() for name, value in self.metadata.digests.items()},
            "origin": self.origin,
            "damaged": self.is_damaged,
        }
        draft = path.with_name(path.name + DRAFT)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(written, indent=1) + "\n")
        os.replace(draft, path)
