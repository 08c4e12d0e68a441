"""`jingle doctor [JID]`: what keeps calls from working, check by check, each with a verdict and advice."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import click

from ..client import Event
from ..client.doctor import Finding, Verdict, examine
from .options import Online, full_or_bare, gather, online_options, set_up_logging
from .output import Output, printable
from .run import run
from .status import Status, explain

MARKS = {Verdict.GOOD: "ok", Verdict.WARNING: "warning", Verdict.BAD: "FAILED", Verdict.SKIPPED: "skipped"}
COLOURS = {Verdict.GOOD: "green", Verdict.WARNING: "yellow", Verdict.BAD: "red", Verdict.SKIPPED: None}


@click.command(short_help="Check what calls need, and say what to do about it.")
@click.argument("jid_to_call", metavar="[JID]", required=False, callback=full_or_bare)
@online_options
def doctor(jid_to_call: str | None, **options: Any) -> None:
    """Check what calls need: DNS, login, the server, STUN and TURN, NAT, and, with JID, that peer's devices.

    \b
    Example (after `jingle server --user alice:secret`):
      jingle doctor --jid alice@localhost --password secret --server 127.0.0.1 --ca-file jingle-ca.pem
    """
    output = Output(as_json=options.pop("as_json"), verbosity=options["verbosity"])
    set_up_logging(options.pop("verbosity"))
    online = gather(options)
    run(lambda: _doctor(online, output, jid_to_call), output)


async def _doctor(online: Online, output: Output, peer: str | None) -> Status:
    status = Status.DONE
    async for finding in examine(online.jid, online.password, peer=peer, **online.options()):
        if finding.check == "login" and finding.error is not None and not finding.advice:
            finding = replace(finding, advice=explain(finding.error, online=False).advice)
        _tell(finding, output)
        if finding.verdict is Verdict.BAD and status is Status.DONE:
            status = _status(finding)
    return status


def _status(finding: Finding) -> Status:
    match finding.check:
        case "dns" | "login":
            return Status.NO_LOGIN
        case "peer":
            return Status.NOT_REACHED
        case _:
            return Status.NO_TRANSPORT


def _tell(finding: Finding, output: Output) -> None:
    if output.as_json:
        fields = {"check": finding.check, "verdict": finding.verdict.value, "text": finding.text}
        output.event(Event(name="check", time=time.time(), fields={**fields, "advice": finding.advice}))
        return
    mark = click.style(f"{MARKS[finding.verdict]:<8}", fg=COLOURS[finding.verdict])
    click.echo(f"{mark} {finding.check:<9} {printable(finding.text)}")
    if finding.advice:
        click.echo(f"{'':<18} {finding.advice}")
