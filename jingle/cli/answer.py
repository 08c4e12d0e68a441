"""`jingle answer`: wait for calls and answer them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from ..client import Call, IncomingCall, Offer, Peer
from ..errors import JingleError
from .media import check_recording, media_options, ready_sources, ready_speaker, sources
from .options import Online, Seconds, gather, online_options, set_up_logging
from .output import Output
from .report import Report, check_report, reported
from .run import run
from .status import Status, ended_status, explain


@click.command(short_help="Wait for calls and answer them.")
@media_options
@click.option("--once", is_flag=True, help="End after the first call.")
@click.option("--timeout", metavar="N", type=Seconds(min=0), help="Give up waiting after N seconds.")
@click.option(
    "--from",
    "allow",
    metavar="JID",
    multiple=True,
    help="Who may call, besides the roster; '*' for anyone; repeatable.",
)
@click.option("--decline", "decline", is_flag=True, help="Decline every call instead.")
@click.option(
    "--ring",
    metavar="N",
    type=Seconds(min=0),
    default=0.0,
    help="Let it ring N seconds first, as an answering machine does.",
)
@online_options
def answer(**options: Any) -> None:
    """Wait for calls and answer them, one at a time; a second caller hears that we are busy.

    \b
    Example (after `jingle server --user alice:secret --user bob:secret`):
      jingle answer --jid bob@localhost --password secret --server 127.0.0.1 \\
          --ca-file jingle-ca.pem --play tone --record heard.wav --once
    """
    output = Output(as_json=options.pop("as_json"), verbosity=options["verbosity"])
    set_up_logging(options.pop("verbosity"))
    online = gather(options, allow=options.pop("allow"))
    run(lambda: _answer(online, output, **options), output)


async def _answer(
    online: Online,
    output: Output,
    *,
    play: str | None,
    video: str | None,
    speaker: str | None,
    record: Path | None,
    report: Path | None,
    seconds: float | None,
    once: bool,
    timeout: float | None,
    decline: bool,
    ring: float,
) -> Status:
    await (await ready_sources(play, video)).aclose()  # what cannot be played is told before anybody calls
    check_recording(record)
    check_report(report)
    page = Report(path=report) if report is not None else None
    if (heard := await ready_speaker(speaker)) is not None:
        await heard.aclose()  # nobody else has to do without it while nobody calls
    try:
        me = await online.connect(output.event if page is None else page.beside(output.event))
    except JingleError as exc:
        return output.fail(explain(exc, online=False))
    async with me:
        status: Status | None = None
        later: deque[Offer] = deque()
        async for offer in _calls(me, timeout, later):
            if ring and not offer.replaces and (await asyncio.wait([offer.gone], timeout=ring))[0]:
                continue  # somebody else took it, or the caller gave up: that was no call of ours
            if decline:
                await offer.decline()
                status = Status.DONE
            else:
                status = await _talk(me, offer, (later, once), output, (play, video, speaker), record, seconds, page)
            if once and not later:
                return status
        if status is None:
            output.say("nobody called")
        return Status.NOT_REACHED if status is None else status


async def _calls(me: Peer, timeout: float | None, waiting: deque[Offer]) -> AsyncIterator[IncomingCall]:
    """Those that wait, and incoming calls until `timeout` seconds pass without one."""
    offers = me.incoming()
    while True:
        try:
            offer = waiting.popleft() if waiting else await asyncio.wait_for(anext(offers), timeout)
        except TimeoutError:
            return
        if isinstance(offer, IncomingCall):
            yield offer
        else:
            await offer.decline()  # `jingle receive` takes those


async def _talk(
    me: Peer,
    offer: IncomingCall,
    after: tuple[deque[Offer], bool],
    output: Output,
    shown: tuple[str | None, str | None, str | None],
    record: Path | None,
    seconds: float | None,
    page: Report | None,
) -> Status:
    refusing = asyncio.ensure_future(_refuse_others(me, offer, *after))
    try:
        call: Call
        play, video, speaker = shown
        ours = await sources(play, video)
        async with offer.accept(
            audio=ours.audio, video=ours.video if "video" in offer.media else None, record=record
        ) as call:
            if (heard := await ready_speaker(speaker)) is not None:
                await call.audio.add(heard)
            return await reported(_listen(call, seconds), call, page)
    except JingleError as exc:
        await offer.decline("media-error")  # where it rings still
        return output.fail(explain(exc))
    finally:
        refusing.cancel()
        await asyncio.gather(refusing, return_exceptions=True)


async def _listen(call: Call, seconds: float | None) -> Status:
    ending = await call.wait(seconds)
    if ending is None:
        ending = await call.hang_up()
    return ended_status(ending.reason)


async def _refuse_others(me: Peer, current: IncomingCall, later: deque[Offer], once: bool) -> None:
    """Nobody can talk to two.

    Whoever calls while the end of the call before is being cleared away comes next, and so does the same person from
    another device, with whom the call goes on.
    """
    async for offer in me.incoming():
        continues = isinstance(offer, IncomingCall) and offer.replaces == current.sid
        if continues or (current.is_over and not once):
            later.append(offer)
        else:
            await offer.decline("busy")
