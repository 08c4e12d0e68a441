"""What a command prints: events as JSON lines on stdout, or talk for a person on stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

from ..client import Event
from .status import Explanation, Status


def printable(text: str) -> str:
    """The text without anything in it that would command the terminal: much of what is printed others said."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


class Output:
    """Prints events; with `as_json` one object a line on stdout and nothing else there."""

    def __init__(self, *, as_json: bool, verbosity: int) -> None:
        self.as_json = as_json
        self.verbosity = verbosity
        self.has_damage = False
        """Whether something that should have been kept was not, while everything else went on: a full disk."""

    def event(self, event: Event) -> None:
        """Print one event of the peer."""
        if event.name == "error" and event.fields["condition"] == "media-error":
            self.has_damage = True
        self._event(event)

    def _event(self, event: Event) -> None:
        if self.as_json:
            self._print(json.dumps(event.as_dict(), ensure_ascii=False))
            return
        line = _sentence(event.name, event.fields)
        if line and (event.name != "stats" or self.verbosity):
            self.say(line)

    def say(self, line: str) -> None:
        """Talk: one line on stderr, without anything in it that would command the terminal."""
        sys.stderr.write(printable(line) + "\n")
        sys.stderr.flush()

    def _print(self, line: str) -> None:
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read us is gone, and we go as upon Ctrl-C; nothing more can be written, not even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            signal.raise_signal(signal.SIGTERM)

    def fail(self, explanation: Explanation) -> Status:
        """Print an error with its advice, and return the exit status that goes with it."""
        self.error(explanation)
        return explanation.status

    def error(self, explanation: Explanation) -> None:
        """Print an error with its advice."""
        fields = {"condition": explanation.condition, "text": explanation.text, "advice": explanation.advice}
        if self.as_json:
            self._event(Event(name="error", time=time.time(), fields=fields))
            return
        self.say(f"error: {explanation.text}")
        if explanation.advice:
            self.say(f"       {explanation.advice}")


NETWORK = {
    "restarting": "looking for another path",
    "restarted": "another path is in use",
    "failed": "no other path was found, the call goes on over the old one",
}
CAUSES = {
    "addresses": "this machine's addresses have changed",
    "consent": "nobody answers on the one in use",
    "peer": "the other side wants it",
    "asked": "as asked for",
}
"""The words of the `network` event."""


def _sentence(name: str, fields: Any) -> str | None:
    peer = fields.get("peer", "")
    match name:
        case "online":
            return f"online as {fields['jid']}"
        case "incoming":
            if fields["kind"] == "call":
                return f"{'+'.join(fields['media'])} call from {peer}"
            return f"{', '.join(_file(file) for file in fields['files'])} from {peer}"
        case "missed":
            return (
                f"missed call from {peer} at {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(fields['called_at']))}"
            )
        case "refused":
            return f"refused {peer}: {fields['reason']}"
        case "ringing":
            return f"ringing at {peer}"
        case "connected":
            return (
                f"connected with {peer} in {fields['setup']:.2f} s: {_carried(fields)} over "
                f"{fields['transport']} ({fields['security']}), "
                f"{fields['local_candidate']} to {fields['remote_candidate']}"
            )
        case "stats":
            audio = fields.get("audio", {})
            return (
                f"sent {audio.get('packets_sent', 0)}, received {audio.get('packets_received', 0)}, "
                f"lost {audio.get('packets_lost', 0)} packets, jitter {1000 * (audio.get('jitter') or 0):.1f} ms"
            )
        case "sent" | "received":
            where = f" as {fields['path']}" if "path" in fields else ""
            rate = fields["size"] / fields["seconds"] / 1e6 if fields["seconds"] else 0.0
            return (
                f"{name} {fields['name']}{where}: {fields['size']} bytes in {fields['seconds']:.1f} s "
                f"({rate:.1f} MB/s over {fields['transport']}), sha256 {fields['sha256']}"
            )
        case "dtmf":
            return f"digit {fields['digit']}"
        case "info":
            medium = f" {fields['medium']}" if fields.get("medium") else ""
            return f"{peer or 'peer'}: {fields['state']}{medium}"
        case "media":
            return f"{peer}: {fields['medium']} {fields['state']}"
        case "network":
            return f"{NETWORK[fields['state']]} ({fields.get('text') or CAUSES[fields['cause']]})"
        case "ended":
            text = f" ({fields['text']})" if fields.get("text") else ""
            return f"ended after {fields['seconds']:.1f} s: {fields['reason']}{text}"
    return None


def _carried(fields: Any) -> str:
    return "+".join(fields["media"]) if fields["kind"] == "call" else ", ".join(map(_file, fields["files"]))


def _file(file: Any) -> str:
    return f"{file['name']} ({file['size']} bytes)" if file["size"] is not None else str(file["name"])
