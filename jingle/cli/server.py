"""`jingle server`: the loopback server by itself, to try the other commands in two terminals."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import click

from ..demo import LoopbackServer
from .output import Output
from .run import run
from .status import Status


@click.command(short_help="Run a small XMPP server, for trying things out.")
@click.option(
    "--port", metavar="N", type=click.IntRange(0, 65535), default=5222, show_default=True, help="0 for a free one."
)
@click.option("--user", "users", metavar="NAME:PASSWORD", multiple=True, help="An account; repeatable.")
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("jingle-ca.pem"),
    show_default=True,
    help="Where to write the CA that clients must trust.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when it is up.")
def server(port: int, users: tuple[str, ...], ca_file: Path, as_json: bool) -> None:
    """Run a small XMPP server on this machine's loopback addresses, for trying things out.

    It keeps nothing, serves only the domain `localhost`, and is no server for real use: take Prosody or ejabberd.

    \b
    Example:
      jingle server --user alice:secret --user bob:secret
    """
    accounts = dict(_account(user) for user in users) or {"alice": "secret", "bob": "secret"}
    output = Output(as_json=as_json, verbosity=0)
    run(lambda: _serve(port, accounts, ca_file, output), output)


def _account(user: str) -> tuple[str, str]:
    name, separator, password = user.partition(":")
    if not (name and separator and password):
        raise click.BadParameter(f"{user!r} is not NAME:PASSWORD", param_hint="--user")
    return name, password


async def _serve(port: int, accounts: dict[str, str], ca_file: Path, output: Output) -> Status:
    try:
        running = LoopbackServer(users=accounts, port=port, contacts="all")
        await running.start()
    except OSError as exc:
        output.say(f"error: cannot listen on port {port}: {exc.strerror or exc}")
        return Status.USAGE
    try:
        try:
            await asyncio.to_thread(shutil.copyfile, running.ca_file, ca_file)
        except OSError as exc:
            output.say(f"error: cannot write the CA to {ca_file}: {exc.strerror or exc}")
            return Status.USAGE
        if output.as_json:
            sys.stdout.write(json.dumps({"event": "listening", "port": running.port, "ca_file": str(ca_file)}) + "\n")
            sys.stdout.flush()
        output.say(f"XMPP server for {running.domain} on {running.host}:{running.port}; its CA is in {ca_file}")
        for name, password in accounts.items():
            output.say(
                f"  --jid {name}@{running.domain} --password {password} "
                f"--server {running.host}:{running.port} --ca-file {ca_file}"
            )
        await asyncio.Event().wait()
    finally:
        await running.aclose()
    return Status.DONE
