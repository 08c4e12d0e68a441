"""The `jingle` command: a group whose commands live one to a file."""

from __future__ import annotations

import click

from .answer import answer
from .call import call
from .convert import convert
from .demo import demo
from .devices import devices
from .doctor import doctor
from .receive import receive
from .send import send
from .server import server


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jingle-toolkit", prog_name="jingle")
def main() -> None:
    """Voice calls and files over XMPP with Jingle, from the command line.

    \b
    On one machine, without any account:
      jingle demo
    With two accounts, in two terminals:
      jingle answer --jid bob@example.org --password SECRET --record heard.wav
      jingle call bob@example.org --jid alice@example.org --password SECRET --play hello.ogg
    """


for command in (call, answer, send, receive, convert, doctor, devices, server, demo):
    main.add_command(command)
