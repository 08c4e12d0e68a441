"""What a command prints: events as JSON lines on stdout, or talk for a person on stderr."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from ..client import Event
from .status import Explanation


class Output:
    """Prints events; with `as_json` one object a line on stdout and nothing else there."""

    def __init__(self, *, as_json: bool, verbosity: int) -> None:
        self.as_json = as_json
        self.verbosity = verbosity

    def event(self, event: Event) -> None:
        """Print one event."""
        if self.as_json:
            sys.stdout.write(json.dumps(event.as_dict(), ensure_ascii=False) + "\n")
            sys.stdout.flush()
            return
        line = _sentence(event.name, event.fields)
        if line and (event.name != "stats" or self.verbosity):
            self.say(line)

    def say(self, line: str) -> None:
        """Talk: one line on stderr."""
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def error(self, explanation: Explanation) -> None:
        """Print an error with its advice."""
        fields = {"condition": explanation.condition, "text": explanation.text, "advice": explanation.advice}
        if self.as_json:
            self.event(Event(name="error", time=time.time(), fields=fields))
            return
        self.say(f"error: {explanation.text}")
        if explanation.advice:
            self.say(f"       {explanation.advice}")


def _sentence(name: str, fields: Any) -> str | None:
    peer = fields.get("peer", "")
    match name:
        case "online":
            return f"online as {fields['jid']}"
        case "incoming":
            what = "+".join(fields["media"]) + " call" if fields["kind"] == "call" else "file"
            return f"{what} from {peer}"
        case "refused":
            return f"refused {peer}: {fields['reason']}"
        case "ringing":
            return f"ringing at {peer}"
        case "connected":
            return (
                f"connected with {peer} in {fields['setup']:.2f} s: {'+'.join(fields['media'])} over "
                f"{fields['transport']} ({fields['security']}), "
                f"{fields['local_candidate']} to {fields['remote_candidate']}"
            )
        case "stats":
            audio = fields.get("audio", {})
            return (
                f"sent {audio.get('packets_sent', 0)}, received {audio.get('packets_received', 0)}, "
                f"lost {audio.get('packets_lost', 0)} packets, jitter {1000 * (audio.get('jitter') or 0):.1f} ms"
            )
        case "dtmf":
            return f"digit {fields['digit']}"
        case "info":
            medium = f" {fields['medium']}" if fields.get("medium") else ""
            return f"{peer or 'peer'}: {fields['state']}{medium}"
        case "ended":
            text = f" ({fields['text']})" if fields.get("text") else ""
            return f"ended after {fields['seconds']:.1f} s: {fields['reason']}{text}"
    return None
