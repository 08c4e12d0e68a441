"""Two calls that talk to each other through this program."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from types import TracebackType

from ..applications.rtp.call import RtpApplication
from ..applications.rtp.relay import Relay, RelayClock
from ..errors import MediaError
from ..media.base import Frame, Kind, Sink
from ..media.sources import Frames

DELAY = 10
"""Frames that may wait where sound or pictures have to be encoded anew: 0.2 s of sound."""


class Bridge:
    """What the peer of either call sends goes to the peer of the other; `Call.bridge` makes it.

        async with first.bridge(second):
            await first.wait()

    Leaving the block parts the two. What the calls play themselves is not heard meanwhile, and goes on afterwards
    where nothing had to be encoded; hold, mute, recording and key presses work as ever.
    """

    def __init__(self, first: Iterable[RtpApplication], second: Iterable[RtpApplication]) -> None:
        here = {each.medium: each for each in first}
        there = {each.medium: each for each in second}
        clocks = RelayClock(), RelayClock()
        self._ways = [
            way
            for medium in here
            if medium in there
            for way in (_Way(here[medium], there[medium], clocks[0]), _Way(there[medium], here[medium], clocks[1]))
        ]

    @property
    def media(self) -> tuple[str, ...]:
        """What goes to and fro: `audio`, `video`."""
        return tuple(dict.fromkeys(way.source.medium for way in self._ways))

    @property
    def packets(self) -> int:
        """How many packets were passed on as they came, both ways together."""
        return sum(way.packets for way in self._ways)

    @property
    def encoded(self) -> frozenset[str]:
        """The media that are decoded and encoded again, at least one way: the two have agreed on different codecs."""
        return frozenset(way.source.medium for way in self._ways if way.is_encoding)

    async def __aenter__(self) -> Bridge:
        """Let the two talk to each other.

        Raises:
            LocalProtocolError: One of them is bridged already.
        """
        try:
            for way in self._ways:
                way.open()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Part the two; safe to call twice."""
        for way in self._ways:
            await way.aclose()


class _Way:
    """One medium in one direction: its packets, or its frames where the other side does not take the codec."""

    def __init__(self, source: RtpApplication, target: RtpApplication, clock: RelayClock) -> None:
        self.source, self._target, self._clock = source, target, clock
        self._encoding: asyncio.Task[None] | None = None
        self._frames: _Pushing | None = None
        self._relay: Relay | None = None

    @property
    def packets(self) -> int:
        return 0 if self._relay is None else self._relay.packets

    @property
    def is_encoding(self) -> bool:
        return self._encoding is not None

    def open(self) -> None:
        self._relay = self.source.relay(self._target, clock=self._clock, on_refused=self._encode)

    async def aclose(self) -> None:
        if self._relay is not None:
            await self.source.end_relay(self._relay)
        if self._encoding is not None:
            self._encoding.cancel()
            await asyncio.wait([self._encoding])
        if self._frames is not None:
            frames, self._frames = self._frames, None
            await self.source.received.remove(frames)
            await self._target.replace(None)

    def _encode(self) -> None:
        if self._encoding is None:
            self._encoding = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        self._frames = frames = _Pushing("video" if self.source.medium == "video" else "audio")
        await self._target.replace(frames.source)
        await self.source.received.add(frames)


class _Pushing(Sink):
    """Pushes what it is given into a source; what finds no room is left out."""

    def __init__(self, kind: Kind) -> None:
        self.source = Frames(kind, maxsize=DELAY)

    def write(self, frame: Frame) -> None:
        with contextlib.suppress(MediaError):  # the encoder is behind: better a gap than a delay that grows
            self.source.push_nowait(frame)

    async def aclose(self) -> None:
        self.source.end()
