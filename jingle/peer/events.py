"""What happens, told in the words of the command line's JSON events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened; `name` and `fields` are those of `jingle --json`."""

    name: str
    """`online`, `incoming`, `missed`, `refused`, `ringing`, `connected`, `stats`, `dtmf`, `info`, `ended`, `error` and
    those of files."""

    time: float
    """Seconds since the epoch."""

    fields: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of the command line."""
        return {"event": self.name, "time": round(self.time, 6), **self.fields}


EventHandler = Callable[[Event], None]
