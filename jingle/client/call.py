"""A call that is connected: what a program does with it (XEP-0167)."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from os import PathLike
from typing import Any

from ..applications.rtp.call import RtpApplication
from ..applications.rtp.stats import MediaStats
from ..errors import LocalProtocolError, SessionEnded
from ..media.base import Frame, Sink, Source
from ..media.recorder import Recorder
from ..media.sinks import FrameSink
from ..peer.live import Ending, LiveSession

STATS_INTERVAL = 5.0
"""Seconds between two `stats` events."""

Emit = Callable[..., None]


class ReceivedMedia:
    """What the peer sends in one medium: record it, or iterate over its frames.

    async for frame in call.audio:
        ...
    """

    def __init__(self, application: RtpApplication) -> None:
        self._application = application

    def __aiter__(self) -> AsyncIterator[Frame]:
        return self._frames()

    async def _frames(self) -> AsyncIterator[Frame]:
        sink = FrameSink()
        await self._application.received.add(sink)
        try:
            async for frame in sink:
                yield frame
        finally:
            await self._application.received.remove(sink)

    async def add(self, sink: Sink) -> None:
        """Give every frame from now on to `sink`, until the call ends or `remove`.

        Raises:
            MediaError: It could not be opened.
        """
        await self._application.received.add(sink)

    async def remove(self, sink: Sink) -> None:
        """Give `sink` nothing more, and close it."""
        await self._application.received.remove(sink)


class Call:
    """A connected call. Leaving its `async with` block hangs up.

    Attributes:
        audio: What the peer says.
        setup: Seconds from the acceptance until both ends were connected.
    """

    def __init__(self, live: LiveSession, emit: Emit, *, setup: float, until: Source | None) -> None:
        """Take over a connected session.

        Args:
            live: The session.
            emit: Tells the program what happens.
            setup: Seconds it took to connect.
            until: The source whose end is the end of the call; `None` for none.
        """
        self._live = live
        self._emit = emit
        self.setup = setup
        self.audio = ReceivedMedia(self._application("audio"))
        self._tasks = [asyncio.ensure_future(self._report())]
        if until is not None:
            self._tasks.append(asyncio.ensure_future(self._hang_up_after(until)))
        live.ended.add_done_callback(self._over)

    @property
    def peer(self) -> str:
        """The peer's full JID."""
        return self._live.peer

    @property
    def sid(self) -> str:
        """The session's id."""
        return self._live.sid

    @property
    def media(self) -> tuple[str, ...]:
        """What the call carries: `audio`, `video`."""
        return media_of(self._live)

    @property
    def ending(self) -> Ending | None:
        """How the call ended; `None` while it goes on."""
        return self._live.ended.result() if self._live.ended.done() else None

    async def wait(self, seconds: float | None = None) -> Ending | None:
        """Wait until the call has ended; `None` comes back where it still goes on after `seconds`."""
        await asyncio.wait([self._live.ended], timeout=seconds)
        return self.ending

    async def first_sound(self) -> float | None:
        """Wait for sound of the peer: seconds since the call was accepted; `None` where it ended without any."""
        heard = await self._application("audio").first_frame()
        accepted = self._live.accepted_at
        return None if heard is None or accepted is None else heard - accepted

    async def record(self, path: str | PathLike[str], *, seconds: float | None = None) -> None:
        """Record what the peer says until the call ends, or for `seconds`.

        Args:
            path: `.wav`, `.ogg`, `.webm`, `.mkv` or `.mp4`.
            seconds: How long; `None` until the call ends.

        Raises:
            MediaError: It cannot be written there, or could not be any more in the middle.
        """
        recorder = Recorder(path)
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        recorder.on_error = lambda error: None if broken.done() else broken.set_exception(error)
        await self.audio.add(recorder)
        try:
            await first(self._live.ended, broken, timeout=seconds)
        finally:
            await self.audio.remove(recorder)
            if broken.done():
                broken.result()
            broken.cancel()

    async def hang_up(self, reason: str = "success", text: str | None = None) -> Ending:
        """End the call; returns once the peer knows (or does not answer) and everything is freed."""
        return await self._live.close(reason, text)

    async def aclose(self) -> None:
        """Hang up, if the call still goes on."""
        await self.hang_up()

    async def play(self, source: Source | None) -> None:
        """Send `source` from now on, without renegotiation; `None` is silence.

        Raises:
            MediaError: It cannot be read; the one before goes on.
            SessionEnded: The call is over.
        """
        if self.ending is not None:
            raise SessionEnded(self.ending.reason, self.ending.text)
        await self._application("audio").replace(source)

    def mute(self) -> None:
        """Send silence and say so (XEP-0167 section 8)."""
        self._live.inform(self._application("audio").mute())

    def unmute(self) -> None:
        """Send sound again and say so."""
        self._live.inform(self._application("audio").unmute())

    def hold(self) -> None:
        """Put the peer on hold and say so."""
        self._live.inform(self._application("audio").hold())

    def unhold(self) -> None:
        """Take the call up again and say so."""
        self._live.inform(self._application("audio").unhold())

    async def restart_ice(self) -> None:
        """Look for another path to the peer, and return once it is in use (XEP-0176 section 5.9); media goes on.

        That happens by itself where this machine's addresses change or the path stops working; the `network` event
        tells of it.

        Raises:
            TransportFailed: There is none, or the peer knows no restarts; the call goes on over the old path.
        """
        await self._live.restart()

    async def send_dtmf(self, digits: str) -> None:
        """Press keys (RFC 4733); returns when the last is released.

        Raises:
            LocalProtocolError: One is no key, or the peer takes none.
        """
        await self._application("audio").send_dtmf(digits)

    def stats(self) -> dict[str, MediaStats]:
        """The counters by medium, as of now; those at the end once the call has ended."""
        return stats_of(self._live)

    def _application(self, medium: str) -> RtpApplication:
        for application in rtp_applications(self._live):
            if application.medium == medium:
                return application
        raise LocalProtocolError(f"this call has no {medium}")

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(STATS_INTERVAL)
            self._emit("stats", peer=self.peer, sid=self.sid, **stats_fields(self.stats()))

    async def _hang_up_after(self, source: Source) -> None:
        await source.ended()
        await asyncio.sleep(LAST_WORDS)
        await self.hang_up()

    def _over(self, _: Any) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()


LAST_WORDS = 0.2
"""Seconds between the last packet of a file and the hang-up: what is on its way, and in the peer's jitter buffer."""


async def first(*futures: asyncio.Future[Any], timeout: float | None) -> bool:
    """Wait until one of the futures is done; False comes back where none is after `timeout` seconds."""
    done, _ = await asyncio.wait(set(futures), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


def rtp_applications(live: LiveSession) -> list[RtpApplication]:
    """The media of a session in which somebody sends, in the order of its contents."""
    found = (content.application for content in live.active)
    return [application for application in found if isinstance(application, RtpApplication)]


def wanted_media(live: LiveSession) -> tuple[str, ...]:
    """The names of all media of a session, those in which nobody sends included."""
    found = (content.application for content in live.contents.values())
    return tuple(application.medium for application in found if isinstance(application, RtpApplication))


def media_of(live: LiveSession) -> tuple[str, ...]:
    """The names of the media of a session."""
    return tuple(application.medium for application in rtp_applications(live))


def stats_of(live: LiveSession) -> dict[str, MediaStats]:
    """The counters of a session by medium."""
    return {application.medium: application.stats() for application in rtp_applications(live)}


def stats_fields(stats: dict[str, MediaStats]) -> dict[str, Any]:
    """The counters as the `stats` and `ended` events carry them."""
    return {medium: dataclasses.asdict(counted) for medium, counted in stats.items()}


@contextlib.asynccontextmanager
async def prepared(source: Source | None, record: str | PathLike[str] | None) -> AsyncIterator[Recorder | None]:
    """Open the source and the recording; what is not used after all is closed again.

    Raises:
        MediaError: One of the two cannot be opened.
    """
    recorder = Recorder(record) if record is not None else None
    try:
        if source is not None:
            await source.open()
        if recorder is not None:
            await recorder.open()
        yield recorder
    except BaseException:
        if recorder is not None:
            await recorder.aclose()
        if source is not None:
            await source.aclose()
        raise
