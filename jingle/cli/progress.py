"""Progress bars on a terminal, and nothing where stderr is none."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ..client import Event
from .output import Output


class Bars:
    """Shows `progress` events as bars with rate and time left; hands every event on to the output."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if sys.stderr.isatty() and not output.as_json:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )

    def event(self, event: Event) -> None:
        """Take an event of the peer."""
        if self._bars is not None and event.name == "progress":
            name = event.fields["name"]
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=event.fields["total"])
            self._bars.update(self._tasks[name], completed=event.fields["bytes"])
        self._output.event(event)

    def __enter__(self) -> Bars:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
