"""What a call needs from beginning to end, whoever placed it: its contents, its events, its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..applications.rtp.call import RtpApplication
from ..applications.rtp.options import MediaOptions, SessionIdentity
from ..elements.core import Content, Group
from ..elements.rtp import RtpDescription
from ..errors import ApplicationFailed, SessionEnded, TransportFailed
from ..media.base import Source
from ..peer.additions import BUNDLE
from ..peer.content import LiveContent
from ..peer.ending import Ending
from ..peer.live import LiveSession
from ..peer.pump import Pump
from .call import Call, first
from .changes import Changes
from .media import final_stats, media_of, stats_fields

ANSWER_TIMEOUT = 30.0
"""Seconds for a client that said it proceeds, or that was told to, to do so."""


def application_for(pump: Pump, live: LiveSession, offer: Content, *, options: MediaOptions) -> RtpApplication:
    """The application for an RTP content that a peer offers.

    Raises:
        ApplicationFailed: There is one of this medium already; nobody can listen to two.
    """
    medium = offer.description.media if isinstance(offer.description, RtpDescription) else ""
    if medium in media_of(live):
        raise ApplicationFailed(f"one {medium} is enough", reason="unsupported-applications")
    return RtpApplication(
        medium,
        role=live.session.role,
        name=offer.name,
        creator=offer.creator,
        options=options,
        identity=identity_of(live),
        on_info=lambda state: pump.emit("info", peer=live.peer, sid=live.sid, state=state, medium=medium),
        on_dtmf=lambda digit: pump.emit("dtmf", peer=live.peer, sid=live.sid, digit=digit),
    )


def identity_of(live: LiveSession) -> SessionIdentity:
    """What the contents of a session share; made with the first of them."""
    if live.shared is None:
        live.shared = SessionIdentity()
    assert isinstance(live.shared, SessionIdentity)
    return live.shared


def bundle(names: Sequence[str]) -> Group:
    """The group of contents that share one transport (XEP-0338, RFC 9143)."""
    return Group.of(BUNDLE, tuple(names))


def common_groups(offered: Sequence[Group], accepted: Sequence[str]) -> tuple[Group, ...]:
    """The groups of an offer as the answer repeats them: with the accepted contents only."""
    kept = (
        (group.semantics, tuple(name for name in group.names if name in accepted))
        for group in offered
        if group.semantics == BUNDLE
    )
    return tuple(Group.of(semantics, names) for semantics, names in kept if names)


def tell_the_end(
    pump: Pump, live: LiveSession, kind: str = "call", *, unless: Callable[[Ending], bool] = lambda ending: False
) -> None:
    """Emit `ended` when the session is over, and finish its proposal (XEP-0353 section 3.7).

    Args:
        pump: Tells the program.
        live: The session.
        kind: `call` or `file`.
        unless: Whether this was an attempt that another one follows, which is no end.
    """

    def over(_: Any) -> None:
        ending = live.ended.result()
        if unless(ending):
            return
        pump.finish(live.sid, ending.reason)
        pump.hide(live.peer)
        pump.emit(
            "ended",
            kind=kind,
            peer=live.peer,
            sid=live.sid,
            reason=ending.reason,
            text=ending.text,
            seconds=round(ending.seconds, 3),
            **({"stats": stats_fields(final_stats(live, ending))} if kind == "call" else {}),
        )

    live.ended.add_done_callback(over)


async def until_accepted(live: LiveSession, timeout: float | None) -> None:
    """Wait for the session-accept.

    Raises:
        SessionEnded: It ended instead, or `timeout` seconds passed.
    """
    if not await first(live.accepted, live.ended, timeout=timeout):
        await live.close("timeout", "no answer")
    if live.ended.done():
        raise_end(live)


async def until_connected(pump: Pump, live: LiveSession, *, timeout: float | None, until: Sequence[Source]) -> Call:
    """Wait until every content runs, and return the call.

    Raises:
        SessionEnded: The peer ended it before.
        TransportFailed: No way to the peer worked, or none within `timeout` seconds.
        ApplicationFailed: No common codec.
    """
    changes = Changes(pump, live)
    if not await first(live.connected, live.ended, timeout=timeout):
        await live.close("connectivity-error", "no connection in time")
        raise TransportFailed(f"no connection within {timeout:g} s")
    if not live.connected.done() or live.connected.cancelled():
        await asyncio.wait([live.ended])
        raise_end(live)
    setup = live.connected.result()
    tell_connected(pump, live, next(iter(live.contents.values())), setup, kind="call", media=list(media_of(live)))
    return Call(live, pump.emit, changes=changes, setup=setup, until=until, features=pump.discovery.features_of)


def tell_connected(pump: Pump, live: LiveSession, content: LiveContent, setup: float, **fields: Any) -> None:
    """Emit `connected` with what every session has to say about its connection, which is that of `content`."""
    path = content.transport.path
    pump.emit(
        "connected",
        peer=live.peer,
        sid=live.sid,
        transport=content.transport.name,
        security=content.connection.security.value,
        setup=round(setup, 3),
        local_candidate=path.local.type if path is not None else None,
        remote_candidate=path.remote.type if path is not None else None,
        **fields,
    )


def tell_about_files(
    pump: Pump,
    live: LiveSession,
    files: Sequence[dict[str, object]],
    *,
    unless: Callable[[Ending], bool] = lambda ending: False,
) -> None:
    """Emit `connected` once the first of a session's files is on its way, and `ended` as `tell_the_end` does."""

    def begun(done: asyncio.Future[tuple[LiveContent, float]]) -> None:
        if not done.cancelled():
            tell_connected(pump, live, *done.result(), kind="file", files=files)

    tell_the_end(pump, live, "file", unless=unless)
    live.begun.add_done_callback(begun)


def raise_end(live: LiveSession) -> NoReturn:
    """Raise what ended a session before it was connected: our own error, or the peer's reason."""
    if live.failure is not None:
        raise live.failure
    ending = live.ended.result()
    raise SessionEnded(ending.reason, ending.text)
