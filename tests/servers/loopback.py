"""The loopback server, as `jingle server` starts it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from .accounts import PASSWORD, XmppServer
from .process import end

ACCOUNTS = 360


class Loopback(XmppServer):
    """Where it is. Its accounts are all contacts of one another."""

    def __init__(self, port: int, ca_file: Path, users: list[str]) -> None:
        super().__init__(port=port, ca_file=ca_file)
        self._unused = users

    def add_account(self, name: str) -> str:
        """One out of those that the server was started with."""
        return f"{self._unused.pop()}@localhost"

    def add_contact(self, jid: str, contact: str) -> None:
        """They all are."""


@contextlib.contextmanager
def loopback(folder: Path, *, prefix: Sequence[str] = ()) -> Iterator[Loopback]:
    """Run `jingle server` with its CA in `folder`, and with `prefix` before the command."""
    users = [f"user{number}" for number in range(ACCOUNTS)]
    ca_file = folder / "ca.pem"
    accounts = [argument for user in users for argument in ("--user", f"{user}:{PASSWORD}")]
    command = [sys.executable, "-m", "jingle", "server", "--json", "--port", "0", "--ca-file", str(ca_file)]
    with (folder / "server.err").open("wb") as errors:
        process = subprocess.Popen(
            [*prefix, *command, *accounts], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout is not None
        with process.stdout:
            told = json.loads(process.stdout.readline())
            assert told["event"] == "listening"
            yield Loopback(told["port"], ca_file, users)
    finally:
        end(process)
