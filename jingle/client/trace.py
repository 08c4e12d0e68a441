"""`--trace FILE`: every stanza and every event, one JSON object a line, for bug reports."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from pathlib import Path

from ..errors import LocalProtocolError
from ..peer.events import Event

log = logging.getLogger(__name__)


class Trace:
    """Writes what happens to a file, line by line, so that it is all there when the program dies.

    A disk that is full ends the trace and nothing else.

    Raises:
        LocalProtocolError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as exc:
            raise LocalProtocolError(f"cannot write the trace {path}: {exc.strerror}") from exc

    def stanza(self, direction: str, xml: str) -> None:
        """Write a stanza, `>` sent or `<` received; passwords have been taken out of it."""
        self._write({"time": time.time(), "direction": direction, "stanza": xml})

    def event(self, event: Event) -> None:
        """Write an event."""
        self._write(event.as_dict())

    def state(self, state: str) -> None:
        """Write a change of the XMPP connection."""
        self._write({"time": time.time(), "connection": state})

    def _write(self, line: dict[str, object]) -> None:
        if not self._file.closed:
            try:
                self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
            except OSError as exc:
                log.error("the trace ends here: %s", exc.strerror)
                self.close()

    def close(self) -> None:
        """Close the file; what comes later is left out."""
        with contextlib.suppress(OSError):  # what a full disk did not take is not written now either
            self._file.close()
