"""What happens, told in the words of the command line's JSON events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..transports.base import PathChange


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened; `name` and `fields` are those of `jingle --json`."""

    name: str
    """`online`, `incoming`, `missed`, `refused`, `ringing`, `connected`, `stats`, `dtmf`, `info`, `media`,
    `network`, `ended`, `error` and those of files."""

    time: float
    """Seconds since the epoch."""

    fields: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of the command line."""
        return {"event": self.name, "time": round(self.time, 6), **self.fields}


def path_fields(change: PathChange) -> dict[str, Any]:
    """What the `network` event says of a change of path."""
    fields: dict[str, Any] = {"state": change.state, "cause": change.cause}
    if change.state != "restarting":
        fields["seconds"] = round(change.seconds, 3)
    if change.text is not None:
        fields["text"] = change.text
    if change.path is not None:
        fields["local_candidate"], fields["remote_candidate"] = change.path.local.type, change.path.remote.type
    return fields


EventHandler = Callable[[Event], None]
