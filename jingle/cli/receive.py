"""`jingle receive DIR`: wait for files and store them."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from ..client import MAX_FILES, IncomingFile, Offer, Peer
from ..errors import ApplicationFailed, JingleError
from .options import Online, Seconds, gather, online_options, set_up_logging
from .output import Output
from .progress import Bars
from .run import run
from .status import Status, explain

ANOTHER = 3.0
"""With `--once`: seconds for the next session of a sender who fills one with as many files as it takes."""

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


def parse_size(text: str) -> int:
    """Read a number of bytes such as `500000`, `10MB`, `1.5 GiB`.

    Raises:
        click.BadParameter: It is no size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?)B?", text.strip().upper())
    if match is None or match[2] not in _UNITS:
        raise click.BadParameter(f"{text!r} is not a size such as 10MB or 1GiB")
    return int(float(match[1]) * _UNITS[match[2]])


def _size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    return None if value is None else parse_size(value)


@click.command(short_help="Wait for files and store them.")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--once", is_flag=True, help="End after the first file (or all files of one `jingle send`).")
@click.option("--timeout", metavar="N", type=Seconds(min=0), help="Give up waiting after N seconds.")
@click.option("--max-size", metavar="SIZE", callback=_size, help="Refuse larger files: 500000, 10MB, 1GiB.")
@click.option(
    "--from",
    "allow",
    metavar="JID",
    multiple=True,
    help="Who may send, besides the roster; '*' for anyone; repeatable.",
)
@online_options
def receive(folder: Path, **options: Any) -> None:
    """Wait for files and store them in DIR, never over a file that is there.

    A file that was interrupted stays as NAME.part, and is continued when the same file is sent again.

    \b
    Example (after `jingle server --user alice:secret --user bob:secret`):
      jingle receive inbox --once --jid bob@localhost --password secret --server 127.0.0.1 \\
          --ca-file jingle-ca.pem
    """
    output = Output(as_json=options.pop("as_json"), verbosity=options["verbosity"])
    set_up_logging(options.pop("verbosity"))
    online = gather(options, allow=options.pop("allow"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise click.BadParameter(f"cannot make {folder}: {exc.strerror}", param_hint="DIR") from None
    run(lambda: _receive(online, output, folder, **options), output)


async def _receive(
    online: Online, output: Output, folder: Path, *, once: bool, timeout: float | None, max_size: int | None
) -> Status:
    with Bars(output) as bars:
        try:
            me = await online.connect(bars.event)
        except JingleError as exc:
            return output.fail(explain(exc, online=False))
        async with me:
            return await _Inbox(me, output, folder, max_size).serve(once=once, timeout=timeout)


async def _next(offers: AsyncIterator[Offer]) -> Offer:
    return await anext(offers)


class _Inbox:
    """Takes what is offered; several files run at once."""

    def __init__(self, me: Peer, output: Output, folder: Path, max_size: int | None) -> None:
        self._me, self._output = me, output
        self._folder, self._max_size = folder, max_size
        self._running: set[asyncio.Future[Status]] = set()
        self._status = Status.NOT_REACHED
        self._ended = False

    async def serve(self, *, once: bool, timeout: float | None) -> Status:
        """Serve until `timeout` seconds pass without anything, or the first offer is done."""
        offers = self._me.incoming()
        first: IncomingFile | None = None
        offered: Counter[str] = Counter()
        coming = asyncio.ensure_future(_next(offers))
        try:
            while True:
                awaited: list[asyncio.Future[Any]] = [coming, *self._running]
                patience = None if self._running else timeout
                if once and first is not None and not self._running:
                    patience = ANOTHER if max(offered.values()) == MAX_FILES else 0
                await asyncio.wait(awaited, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    offer = coming.result()
                    coming = asyncio.ensure_future(_next(offers))
                    if isinstance(offer, IncomingFile) and (not once or first is None or offer.peer == first.peer):
                        first = first or offer
                        if once:
                            offered[offer.sid] += 1
                        self._start(offer)
                    else:
                        await offer.decline("busy")
                elif not self._running and not self._ended:
                    if first is None:
                        self._output.say("nobody sent anything")
                    break
                self._ended = False
            return self._status
        finally:
            coming.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(coming, *self._running, return_exceptions=True)

    def _start(self, offer: IncomingFile) -> None:
        task = asyncio.ensure_future(self._take(offer))
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Future[Status]) -> None:
        self._running.discard(task)
        self._ended = True
        if not task.cancelled():
            # The worst is what the command ends with.
            before = Status.DONE if self._status is Status.NOT_REACHED else self._status
            self._status = max(before, task.result())

    async def _take(self, offer: IncomingFile) -> Status:
        try:
            if self._max_size is not None and offer.size is not None and offer.size > self._max_size:
                await offer.decline("media-error", f"files of more than {self._max_size} bytes are not taken here")
                raise ApplicationFailed(f"{offer.name} is too large: {offer.size} bytes", reason="media-error")
            async with offer.accept(self._folder, max_size=self._max_size) as transfer:
                await transfer.result()
        except JingleError as exc:
            return self._output.fail(explain(exc))
        return Status.DONE
