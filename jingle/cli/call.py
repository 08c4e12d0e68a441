"""`jingle call JID`: ring somebody and talk."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import click

from ..client import Call
from ..errors import JingleError
from .media import check_recording, media_options, ready_sources, ready_speaker
from .options import Online, Seconds, full_or_bare, gather, online_options, set_up_logging
from .output import Output
from .report import Report, check_report, reported
from .run import run
from .status import Status, ended_status, explain


def _digits(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch("[0-9*#A-Da-d]+", value):
        raise click.BadParameter(f"{value!r} has something in it that is no key of a telephone")
    return value


@click.command(short_help="Ring somebody and talk.")
@click.argument("jid_to_call", metavar="JID", callback=full_or_bare)
@media_options
@click.option("--dtmf", metavar="DIGITS", callback=_digits, help="Digits to dial once connected (0-9, *, #, A-D).")
@click.option(
    "--ring-timeout",
    metavar="N",
    type=Seconds(min=1),
    default=60.0,
    show_default=True,
    help="Seconds to let it ring.",
)
@online_options
def call(jid_to_call: str, **options: Any) -> None:
    """Ring JID and talk.

    A bare JID rings every device, a full one is called directly. The call ends when the peer hangs up, after
    --seconds N, or when the file given to --play has been played.

    \b
    Example (after `jingle server --user alice:secret --user bob:secret` and `jingle answer --jid bob@localhost ...`):
      jingle call bob@localhost --jid alice@localhost --password secret --server 127.0.0.1 \\
          --ca-file jingle-ca.pem --play tone --seconds 5
    """
    output = Output(as_json=options.pop("as_json"), verbosity=options["verbosity"])
    set_up_logging(options.pop("verbosity"))
    online = gather(options)
    run(lambda: _call(online, output, jid_to_call, **options), output)


async def _call(
    online: Online,
    output: Output,
    jid: str,
    *,
    play: str | None,
    video: str | None,
    speaker: str | None,
    record: Path | None,
    report: Path | None,
    seconds: float | None,
    dtmf: str | None,
    ring_timeout: float,
) -> Status:
    check_recording(record)
    check_report(report)
    page = Report(path=report) if report is not None else None
    shown = await ready_sources(play, video)
    heard = await ready_speaker(speaker)
    try:
        me = await online.connect(output.event if page is None else page.beside(output.event))
    except JingleError as exc:
        await shown.aclose()
        if heard is not None:
            await heard.aclose()
        return output.fail(explain(exc, online=False))
    async with me, contextlib.aclosing(heard) if heard is not None else contextlib.nullcontext():
        output.say(f"calling {jid}")
        try:
            async with me.call(
                jid, audio=shown.audio, video=shown.video, record=record, ring_timeout=ring_timeout
            ) as call:
                if heard is not None:
                    await call.audio.add(heard)
                return await reported(_talk(call, seconds, dtmf), call, page)
        except JingleError as exc:
            return output.fail(explain(exc))


async def _talk(call: Call, seconds: float | None, dtmf: str | None) -> Status:
    if dtmf:
        await call.send_dtmf(dtmf)
    ending = await call.wait(seconds)
    if ending is None:
        ending = await call.hang_up()
    return ended_status(ending.reason)
