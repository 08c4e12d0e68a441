"""`jingle send FILE… JID`: send files and folders."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from ..applications.file_transfer.source import OutgoingFile
from ..client import MAX_FILES, Peer, Transfers
from ..client.sending import gather_files
from ..errors import JingleError
from .options import Online, Seconds, full_or_bare, gather, online_options, set_up_logging
from .output import Output
from .progress import Bars
from .run import run
from .status import Status, explain

AT_ONCE = 2
"""Sessions at a time, where there are more files than one session takes."""

Files = tuple[OutgoingFile, ...]


@click.command(short_help="Send files and folders.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.argument("to", metavar="JID", callback=full_or_bare)
@click.option("--description", metavar="TEXT", help="For them to read.")
@click.option("--thumbnails", is_flag=True, help="Show them pictures in small before they accept; servers see these.")
@click.option(
    "--accept-timeout",
    metavar="N",
    type=Seconds(min=1),
    default=120.0,
    show_default=True,
    help="Seconds to wait until they accept.",
)
@online_options
def send(files: tuple[Path, ...], to: str, **options: Any) -> None:
    """Send files and folders to JID; ends when the receiver has confirmed that they arrived whole.

    An interrupted transfer is continued by running the same command again.

    \b
    Example (with `jingle server` and `jingle receive inbox --jid bob@localhost ...` in other terminals):
      jingle send README.md bob@localhost --jid alice@localhost --password secret --server 127.0.0.1 \\
          --ca-file jingle-ca.pem
    """
    output = Output(as_json=options.pop("as_json"), verbosity=options["verbosity"])
    set_up_logging(options.pop("verbosity"))
    online = gather(options)
    run(lambda: _send(online, output, files, to, **options), output)


async def _send(
    online: Online, output: Output, files: tuple[Path, ...], to: str, *, description: str | None, **options: Any
) -> Status:
    try:
        paths = await asyncio.to_thread(gather_files, files, description)
    except JingleError as exc:
        return output.fail(explain(exc))
    with Bars(output) as bars:
        try:
            me = await online.connect(bars.event)
        except JingleError as exc:
            return output.fail(explain(exc, online=False))
        async with me:
            try:
                await _send_all(me, to, paths, options)
            except JingleError as exc:
                return output.fail(explain(exc))
    return Status.DONE


async def _send_all(me: Peer, to: str, files: Files, options: dict[str, Any]) -> None:
    """Send any number of files in sessions of a few each; where one fails, no more are begun.

    While the files of one session flow, the next session is negotiated.
    """
    waiting = iter([files[first : first + MAX_FILES] for first in range(0, len(files), MAX_FILES)])

    async def one_after_another() -> None:
        nonlocal waiting
        try:
            for some in waiting:
                await _send_some(me, to, some, options)
        except JingleError:
            waiting = iter(())
            raise

    lines = [asyncio.ensure_future(one_after_another()) for _ in range(AT_ONCE)]
    try:
        await asyncio.wait(lines)
        for line in lines:
            line.result()
    finally:
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


async def _send_some(me: Peer, to: str, files: Files, options: dict[str, Any]) -> None:
    transfers: Transfers
    async with me.send_files(to, files, **options) as transfers:
        await transfers.results()
