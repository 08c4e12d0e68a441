"""A bare `RTCPeerConnection` of aiortc, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
from collections.abc import AsyncIterator
from typing import Any

import av
import numpy as np
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from tests.e2e.sound import Heard, measure

from .stack import WAIT

RATE = 48000
FRAME = RATE // 50


class Tone(AudioStreamTrack):
    """A tone in real time."""

    def __init__(self, frequency: int) -> None:
        super().__init__()
        self._frequency = frequency
        self._position = 0
        self._began: float | None = None

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._began = self._began if self._began is not None else loop.time()
        await asyncio.sleep(max(0.0, self._began + self._position / RATE - loop.time()))
        moments = (self._position + np.arange(FRAME)) / RATE
        samples = (16000 * np.sin(2 * np.pi * self._frequency * moments)).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._position, fractions.Fraction(1, RATE)
        self._position += FRAME
        return frame


class Colour(VideoStreamTrack):
    """A colour in real time."""

    def __init__(self, colour: int) -> None:
        super().__init__()
        pixel = np.array([colour >> 16, colour >> 8 & 255, colour & 255], np.uint8)
        self._pixels = np.tile(pixel, (240, 320, 1))

    async def recv(self) -> VideoFrame:
        frame = VideoFrame.from_ndarray(self._pixels, format="rgb24")
        frame.pts, frame.time_base = await self.next_timestamp()
        return frame


class AiortcStack:
    """Implements `stack.Stack`; aiortc gathers before it describes, and trickles nothing."""

    def __init__(self, frequency: int, *, codec: str = "", colour: int = 0) -> None:
        self.trickled: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self.connection = RTCPeerConnection()
        self._tracks = [Tone(frequency), *([Colour(colour)] if codec else [])]
        self._codec = codec
        self._seen: VideoFrame | None = None
        self._heard = np.zeros(0, np.int16)
        self._connected = asyncio.Event()
        self._ears: list[asyncio.Task[None]] = []
        self.connection.on("track", self._listen)
        self.connection.on("connectionstatechange", self._changed)

    async def offer(self) -> str:
        self._send()
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self._described()

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        self._send()
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self._described()

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))

    async def add(self, mid: str, line: str) -> None:
        candidate = candidate_from_sdp(line.removeprefix("candidate:"))
        candidate.sdpMid = mid
        await self.connection.addIceCandidate(candidate)

    async def connected(self) -> None:
        await asyncio.wait_for(self._connected.wait(), WAIT)

    async def hear(self) -> Heard:
        return measure(self._heard, RATE, least=1.0)

    async def look(self) -> tuple[int, ...]:
        if self._seen is None:
            return (0, 0, 0)
        picture = self._seen.to_ndarray(format="rgb24")
        return tuple(int(value) for value in picture[picture.shape[0] // 2, picture.shape[1] // 2])

    async def aclose(self) -> None:
        """Close the connection."""
        await self.connection.close()
        await asyncio.gather(*self._ears)

    def _send(self) -> None:
        for track in self._tracks:
            self.connection.addTrack(track)
        for transceiver in self.connection.getTransceivers():
            if transceiver.kind == "video":
                able = RTCRtpSender.getCapabilities("video").codecs
                transceiver.setCodecPreferences([each for each in able if each.name == self._codec])

    def _described(self) -> str:
        text: str = self.connection.localDescription.sdp
        return text

    def _changed(self) -> None:
        if self.connection.connectionState == "connected":
            self._connected.set()

    def _listen(self, track: MediaStreamTrack) -> None:
        sense = self._hear if track.kind == "audio" else self._watch
        self._ears.append(asyncio.ensure_future(sense(track)))

    async def _watch(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):  # it ends
            while True:
                frame: Any = await track.recv()
                self._seen = frame

    async def _hear(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        with contextlib.suppress(MediaStreamError):  # it ends
            while True:
                frame: Any = await track.recv()
                parts = [each.to_ndarray().reshape(-1) for each in resampler.resample(frame)]
                self._heard = np.concatenate([self._heard, *parts])[-RATE:]


@contextlib.asynccontextmanager
async def aiortc_stack(frequency: int, *, codec: str = "", colour: int = 0) -> AsyncIterator[AiortcStack]:
    """Make one that says a tone of this frequency, and where a `codec` for it is given, shows a colour (0xRRGGBB)."""
    stack = AiortcStack(frequency, codec=codec, colour=colour)
    try:
        yield stack
    finally:
        await stack.aclose()
