"""What our program does meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import jingle
from jingle.elements.core import Action, Jingle
from jingle.elements.ice_udp import IceUdpTransport
from jingle.elements.rtp import RtpDescription
from tests.client.far_end import PEER, FarEnd

from .stanzas import accepted, offer

WAIT = 5.0


def calling(us: FarEnd, to: str = PEER) -> asyncio.Task[jingle.Call]:
    """Begin to call."""

    async def call() -> jingle.Call:
        return await us.peer.call(to)

    return asyncio.ensure_future(call())


def sending(us: FarEnd, path: Path, *, accept_timeout: float = WAIT) -> asyncio.Task[jingle.Transfer]:
    """Begin to send a file."""

    async def send() -> jingle.Transfer:
        return await us.peer.send_file(PEER, path, accept_timeout=accept_timeout)

    return asyncio.ensure_future(send())


async def answering(us: FarEnd, *where: Path) -> asyncio.Task[Any]:
    """Begin to take what is offered, a file into the folder that is given."""
    return taking(await us.offered(), *where)


def taking(offered: Any, *where: Path) -> asyncio.Task[Any]:
    """Begin to take this offer."""

    async def accept() -> Any:
        return await offered.accept(*where)

    return asyncio.ensure_future(accept())


async def dropped(task: asyncio.Task[Any]) -> None:
    """Have enough of it."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def outcome(task: asyncio.Task[Any]) -> str:
    """Wait until it has failed; the reason comes back."""
    await asyncio.wait([task], timeout=WAIT)
    return str(getattr(task.exception(), "reason", None))


async def on_the_phone(us: FarEnd) -> jingle.Call:
    """Call, and let the peer accept."""
    task = calling(us)
    initiate = await us.said(Action.SESSION_INITIATE)
    assert await us.jingle(accepted(initiate)) == []
    return await asyncio.wait_for(task, WAIT)


async def take_call(us: FarEnd, xml: str = "") -> Jingle:
    """Let a session-initiate come in, and take the call and leave it; our session-accept comes back."""
    assert await us.jingle(xml or offer()) == []
    async with (await us.offered()).accept():
        accept: Jingle = await us.said(Action.SESSION_ACCEPT)
    return accept


def answer_in(accept: Jingle, name: str = "audio") -> tuple[RtpDescription, IceUdpTransport]:
    """What a session-accept of ours says of a content."""
    [found] = [each for each in accept.contents if each.name == name]
    assert isinstance(found.description, RtpDescription)
    assert isinstance(found.transport, IceUdpTransport)
    return found.description, found.transport
