"""A call that is connected: what a program does with it (XEP-0167)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from ..applications.rtp.call import RtpApplication
from ..applications.rtp.history import Sample, StatsHistory
from ..applications.rtp.stats import MediaStats
from ..elements.rtp import Active
from ..errors import LocalProtocolError, SessionEnded
from ..media import AudioFrame
from ..media.base import Source
from ..media.recorder import Recorder
from ..peer.ending import Ending
from ..peer.live import LiveSession
from .bridge import Bridge
from .changes import Changes, OnAdded
from .keys import Features, Keys
from .media import final_stats, media_of, rtp_applications, stats_fields, stats_of
from .received import ReceivedMedia, ReceivedVideo

STATS_INTERVAL = 5.0
"""Seconds between two `stats` events."""

SAMPLE_INTERVAL = 1.0
"""Seconds between two samples of the counters."""

LAST_WORDS = 0.2
"""Seconds between the last packet of a file and the hang-up: what is on its way, and in the peer's jitter buffer."""

Emit = Callable[..., None]


class Call:
    """A connected call. Leaving its `async with` block hangs up.

    Attributes:
        setup: Seconds from the acceptance until both ends were connected.
    """

    def __init__(
        self,
        live: LiveSession,
        emit: Emit,
        *,
        changes: Changes,
        setup: float,
        until: Sequence[Source],
        features: Features,
    ) -> None:
        """Take over a connected session.

        Args:
            live: The session.
            emit: Tells the program what happens.
            changes: Carries out what changes.
            setup: Seconds it took to connect.
            until: The sources of which the first that ends is the end of the call.
            features: Asks what the peer can do.
        """
        self._live = live
        self._emit = emit
        self._changes = changes
        self.setup = setup
        self._keys = Keys(live, features)
        self._history = StatsHistory(asyncio.get_running_loop().time())
        self._tasks = [asyncio.ensure_future(self._report())]
        self._tasks += [asyncio.ensure_future(self._hang_up_after(source)) for source in until]
        live.ended.add_done_callback(self._over)

    @property
    def audio(self) -> ReceivedMedia[AudioFrame]:
        """What the peer says.

        Raises:
            LocalProtocolError: The call has no sound.
        """
        return ReceivedMedia(self._application("audio"))

    @property
    def video(self) -> ReceivedVideo:
        """What the peer shows.

        Raises:
            LocalProtocolError: The call has no pictures.
        """
        return ReceivedVideo(self._application("video"))

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
        """Record what the peer sends until the call ends, or for `seconds`.

        Args:
            path: `.wav`, `.ogg`, `.webm`, `.mkv` or `.mp4`; the last three hold pictures too.
            seconds: How long; `None` until the call ends.

        Raises:
            MediaError: It cannot be written there, or could not be any more in the middle.
        """
        applications = rtp_applications(self._live)
        recorder = Recorder(path, media=[each.kind_of_frames for each in applications])
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        recorder.on_error = lambda error: None if broken.done() else broken.set_exception(error)
        added = [(each, await each.record(recorder)) for each in applications]
        try:
            await first(self._live.ended, broken, timeout=seconds)
        finally:
            for application, part in added:
                if part is not None:
                    await application.received.remove(part)
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
        await self._replace("audio", source)

    async def show(self, source: Source | None) -> None:
        """Send the pictures of `source` from now on, without renegotiation; `None` is nothing.

        Raises:
            MediaError: It cannot be read; the one before goes on.
            SessionEnded: The call is over.
            LocalProtocolError: The call has no pictures.
        """
        await self._replace("video", source)

    async def _replace(self, medium: str, source: Source | None) -> None:
        if self.ending is not None:
            raise SessionEnded(self.ending.reason, self.ending.text)
        await self._application(medium).replace(source)

    def mute(self) -> None:
        """Send silence and black, and say so (XEP-0167 section 8)."""
        for application in rtp_applications(self._live):
            self._live.inform(application.mute())

    def unmute(self) -> None:
        """Send sound and pictures again and say so."""
        for application in rtp_applications(self._live):
            self._live.inform(application.unmute())

    def hold(self) -> None:
        """Put the peer on hold and say so."""
        for payload in {application.hold() for application in rtp_applications(self._live)}:
            self._live.inform(payload)

    def unhold(self) -> None:
        """Take the call up again and say so."""
        for payload in {application.unhold() for application in rtp_applications(self._live)}:
            self._live.inform(payload)

    def active(self) -> None:
        """Take part again after a hold or a mute, and say so, whatever the peer has heard of either."""
        for application in rtp_applications(self._live):
            application.unmute()
            application.unhold()
        self._live.inform(Active())

    # What the call is about

    @property
    def on_added(self) -> OnAdded | None:
        """Asked about each medium that the peer adds, with an `AddedMedia`; may be a coroutine function.

        `None`, and whoever does not decide, receives what is added, and sends nothing in it.
        """
        return self._changes.on_added

    @on_added.setter
    def on_added(self, decide: OnAdded | None) -> None:
        self._changes.on_added = decide

    async def add_video(
        self, source: Source | None = None, *, receive: bool = True, timeout: float | None = 60
    ) -> None:
        """Add pictures to the call (content-add), or send again in those that are there; returns once they run.

        Where both sides add pictures at the same moment, one content comes of it, and both send.

        Args:
            source: What to show; `None` only receives.
            receive: Whether the peer may show something too.
            timeout: Seconds the peer may take to decide; then it is withdrawn. `None` for any time.

        Raises:
            ApplicationFailed: The peer does not want it, or did not decide in time; the call goes on as it is.
            TransportFailed: There is no way for it.
            MediaError: The source cannot be read.
            LocalProtocolError: It is being added already.
            SignallingError: No transport that a call could use is enabled.
            SessionEnded: The call is over.

        Cancelling is safe at any point: the proposal is withdrawn.
        """
        await self._changes.add("video", source, receive=receive, timeout=timeout)

    async def remove_video(self) -> None:
        """Remove the pictures from the call (content-remove), which goes on with the sound.

        Raises:
            LocalProtocolError: There are none, or they are all that the call has.
            SessionEnded: The call is over.
        """
        await self._changes.remove("video")

    async def set_direction(self, medium: str, *, send: bool, receive: bool) -> None:
        """Change who sends in `audio` or `video` (content-modify); returns once the peer has taken it.

        Raises:
            LocalProtocolError: The call has none of it.
            ApplicationFailed: The peer refuses it, or changes it itself at this moment; it stays as it is.
            SessionEnded: The call is over.
        """
        await self._changes.direct(medium, send=send, receive=receive)

    def limit(self, medium: str, bit_rate: int) -> None:
        """Ask the peer to send no more than so many bits per second in `audio` or `video` (description-info).

        That is advice: nobody has to follow it (XEP-0167 section 9).

        Raises:
            LocalProtocolError: The call has none of it (any more).
        """
        self._changes.advise(medium, bit_rate)

    async def restart_ice(self) -> None:
        """Look for another path to the peer, and return once it is in use (XEP-0176 section 5.9); media goes on.

        That happens by itself where this machine's addresses change or the path stops working; the `network` event
        tells of it.

        Raises:
            TransportFailed: There is none, or the peer knows no restarts; the call goes on over the old path.
        """
        await self._live.paths.restart()

    def bridge(self, other: Call) -> Bridge:
        """Let the peers of two calls talk to each other, in every medium that both calls have.

        Packets pass through as they come where both have agreed on the codec, without any decoding; where they have
        not, they are decoded and encoded again.

            async with first.bridge(second):
                await first.wait()
        """
        return Bridge(rtp_applications(self._live), rtp_applications(other._live))

    async def send_dtmf(self, digits: str) -> None:
        """Press keys; returns when the last is released, 0.17 s each.

        They go in RTP (RFC 4733), or in the signalling to a peer that takes them only there (XEP-0181).

        Raises:
            LocalProtocolError: One is no key, or the peer takes none.
            SignallingError: The peer refused a key that went in the signalling.
            SessionEnded: The call ended meanwhile.
        """
        await self._keys.press(self._application("audio"), digits)

    def stats(self) -> dict[str, MediaStats]:
        """The counters and rates by medium, as of now; those at the end once the call has ended."""
        if self.ending is not None:
            return final_stats(self._live, self.ending)
        return self._history.rated(stats_of(self._live), asyncio.get_running_loop().time())

    @property
    def history(self) -> tuple[Sample, ...]:
        """The counters and rates from the beginning on: one sample a second, and fewer of a call that lasts long."""
        return self._history.samples

    def _application(self, medium: str) -> RtpApplication:
        for application in rtp_applications(self._live):
            if application.medium == medium:
                return application
        raise LocalProtocolError(f"this call has no {medium}")

    async def _report(self) -> None:
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL)
            stats = self._history.add(stats_of(self._live), loop.time())
            if loop.time() - told >= STATS_INTERVAL:
                told += STATS_INTERVAL
                self._emit("stats", peer=self.peer, sid=self.sid, **stats_fields(stats))

    async def _hang_up_after(self, source: Source) -> None:
        await source.ended()
        await asyncio.sleep(LAST_WORDS)
        await self.hang_up()

    def _over(self, _: Any) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()


async def first(*futures: asyncio.Future[Any], timeout: float | None) -> bool:
    """Wait until one of the futures is done; False comes back where none is after `timeout` seconds."""
    done, _ = await asyncio.wait(set(futures), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)
