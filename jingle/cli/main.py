"""The `jingle` command: a group whose commands live one to a file."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from .status import Status

COMMANDS = ("call", "answer", "send", "receive", "convert", "doctor", "devices", "server", "demo")


class _Commands(click.Group):
    """Imports a command when it is needed: some bring codecs and more, and that takes its time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f".{cmd_name}", __package__), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # while a command is imported, or one that does not go online works
            sys.exit(int(Status.INTERRUPTED))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jingle-toolkit", prog_name="jingle")
def main() -> None:
    """Voice and video calls, and files, over XMPP with Jingle, from the command line.

    \b
    On one machine, without any account:
      jingle demo
    With two accounts, in two terminals:
      jingle answer --jid bob@example.org --password SECRET --record heard.wav
      jingle call bob@example.org --jid alice@example.org --password SECRET --play hello.ogg
    """
