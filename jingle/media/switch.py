"""A track whose source can be exchanged or silenced while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.frame import AudioFrame

from .framing import PTIME, Framer, natural_layout, silent_frame
from .pacing import MAX_BURST, Pacer

logger = logging.getLogger(__name__)

SLACK = MAX_BURST * PTIME
"""Seconds that an upstream may be late before silence is sent for it, and early before it has to wait."""


STALL = 0.010
"""Seconds that a timer may be late; after more the whole process stood still, and with it an upstream that would have
been in time. It gets another `GRACE`."""

GRACE = 0.020


class SwitchTrack(MediaStreamTrack):
    """An audio track that goes on, frame after frame without a jump in time, whatever happens to its upstream.

    Each frame is 20 ms of s16 at 48 kHz, mono or stereo as the upstream has it. Silence is sent in place of an
    upstream that is not there, has ended, or is late; a frame that comes after its silence was sent is left out, so
    the delay never grows. Muting goes on reading the upstream: a live source stays live.

    Args:
        upstream: What to send; `None` for silence until `replace`.
        on_ended: Called on the loop when an upstream has come to its end (not when it was replaced).
        pacer: Decides when silence is due; `None` for the running loop's clock.

    Attributes:
        is_muted: Whether silence is sent in place of what the upstream says; may be set at any time.
    """

    kind = "audio"

    def __init__(
        self,
        upstream: MediaStreamTrack | None = None,
        *,
        on_ended: Callable[[MediaStreamTrack], None] | None = None,
        pacer: Pacer | None = None,
    ) -> None:
        super().__init__()
        self.is_muted = False
        self._on_ended = on_ended
        self._pacer = pacer or Pacer()
        self._upstream = upstream
        self._framer = Framer()
        self._ready: deque[AudioFrame] = deque()
        self._reading: asyncio.Timeout | None = None
        self._missed = 0  # frames of silence sent because the upstream was late
        self._is_excused = False
        self._position = 0

    @property
    def upstream(self) -> MediaStreamTrack | None:
        """What is sent now."""
        return self._upstream

    def replace(self, upstream: MediaStreamTrack | None) -> MediaStreamTrack | None:
        """Send `upstream` from the next frame on (`None`: silence) and return what was sent before, still running.

        Stopping the old one is up to the caller, who may want it back later.
        """
        old, self._upstream = self._upstream, upstream
        self._framer = Framer()
        self._ready.clear()
        self._missed = 0
        if self._reading is not None:
            # Whoever waits in recv waits for the old one: wake him.
            self._reading.reschedule(asyncio.get_running_loop().time())
        return old

    async def recv(self) -> AudioFrame:
        """Return the next 20 ms when they are due.

        Raises:
            aiortc.mediastreams.MediaStreamError: The track was stopped.
        """
        while self.readyState == "live" and not self._ready:
            if self._upstream is None:
                await self._pacer.sleep()
                if self._upstream is None:
                    self._ready.append(silent_frame())
            else:
                await self._read(self._upstream)
        if self.readyState != "live":
            raise MediaStreamError
        self._pacer.tick()
        frame = self._ready.popleft()
        if self.is_muted:
            frame = silent_frame(natural_layout(frame))
        frame.pts = self._position
        self._position += frame.samples
        return frame

    def stop(self) -> None:
        """End this track, and the upstream with it; safe to call twice."""
        super().stop()
        upstream = self.replace(None)
        if upstream is not None:
            upstream.stop()

    async def _read(self, upstream: MediaStreamTrack) -> None:
        """Add what the upstream says, or silence where it is late."""
        if self._missed == 0:
            # An upstream that keeps no time of its own must not run away.
            await self._pacer.sleep(SLACK)
        patience = self._pacer.ahead + (0 if self._missed else SLACK)
        if self._is_excused:
            patience = max(patience, GRACE)
        loop = asyncio.get_running_loop()
        due = loop.time() + max(0.0, patience)
        try:
            async with asyncio.timeout(patience) as self._reading:
                frame = await upstream.recv()
        except TimeoutError:
            if self._upstream is upstream:
                if not self._is_excused and loop.time() - due > STALL:
                    self._is_excused = True
                else:
                    self._miss()
        except MediaStreamError:
            if self._upstream is upstream:
                self._finish(upstream)
        else:
            if self._upstream is upstream:
                self._take(upstream, frame)
        finally:
            self._reading = None

    def _miss(self) -> None:
        self._is_excused = False
        self._missed += 1
        self._ready.append(silent_frame(self._framer.layout or "mono"))

    def _take(self, upstream: MediaStreamTrack, frame: object) -> None:
        if not isinstance(frame, AudioFrame):
            logger.warning("a %s cannot be sent in place of sound: the source is left", type(frame).__name__)
            self._finish(upstream)
        elif self._missed and self._pacer.ahead > SLACK:
            self._missed -= 1
        else:
            if self._pacer.ahead <= 0:
                self._missed = 0
            self._is_excused = False
            self._ready.extend(self._framer.push(frame))

    def _finish(self, upstream: MediaStreamTrack) -> None:
        self._upstream = None
        self._missed = 0
        self._ready.extend(self._framer.flush())
        if self._on_ended is not None:
            self._on_ended(upstream)
