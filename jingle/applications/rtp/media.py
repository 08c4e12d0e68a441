"""The two ways of one medium: from a source to packets, and from packets to frames, of sound and of pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aiortc.codecs.base import Decoder, Encoder
from aiortc.mediastreams import MediaStreamTrack

from ...errors import LocalProtocolError
from ...media.codecs import make_decoder, make_encoder
from ...media.switch import SwitchTrack
from ...media.video_codecs import (
    DEFAULT_BIT_RATE,
    MAX_BIT_RATE,
    MIN_BIT_RATE,
    Thread,
    Worker,
    make_video_decoder,
    make_video_encoder,
)
from ...media.video_switch import VideoSwitchTrack
from ...transports.base import DatagramLink, RtpFeedback, RtpPacket, RtpParameters, RtpStream
from .capabilities import Codec
from .media_clock import MediaClock
from .negotiation import Format, Negotiated
from .options import MediaOptions
from .rate import RateController
from .received import ReceivedTrack
from .receiving import AudioReceiver
from .relay import Outlet
from .sending import AudioSender
from .stats import MediaStats
from .video_receiving import VideoReceiver
from .video_sending import VideoSender

FIRST_BIT_RATE = 600_000
"""Bits per second that pictures begin with, before anything is known of the path."""


class Medium(Protocol):
    """What sends and receives one medium. Made on a running event loop; `start` once, `aclose` always and last."""

    track: ReceivedTrack
    """What the peer sends."""

    on_packet: Callable[[RtpPacket], bool]
    """Sees each packet first; what it takes is not decoded."""

    on_feedback: Callable[[RtpFeedback], None]
    """Told what the peer says about what we send."""

    outlet: Outlet | None
    """Where packets of others can go out in the place of our own; `None` before the start."""

    def request_keyframe(self, ssrc: int) -> None:
        """Ask a source of the peer for a picture that builds on no other; nothing happens where it shows none."""
        ...

    def limit(self, bit_rate: int | None) -> None:
        """Ask the peer to send no more than so many bits per second; nothing happens where it cannot be asked."""
        ...

    def replace(self, upstream: MediaStreamTrack | None) -> MediaStreamTrack | None:
        """Send `upstream` from now on, and return what was sent before, still running."""
        ...

    def start(self, connection: DatagramLink, parameters: RtpParameters, negotiated: Negotiated) -> None:
        """Send and receive on a connected link."""
        ...

    def follow(self, negotiated: Negotiated) -> None:
        """Send as the peer wants it from now on; what it receives with is the same as before."""
        ...

    def steer(self, *, is_muted: bool, is_sending: bool, is_listening: bool) -> None:
        """Do as told from now on: cover what the source gives; send at all; hand on what comes in."""
        ...

    async def send_dtmf(self, digits: str) -> None:
        """Press keys; see `AudioSender.send_dtmf`.

        Raises:
            LocalProtocolError: It cannot be done.
        """
        ...

    def stats(self) -> MediaStats:
        """The counters as of now; all zero before the start."""
        ...

    async def aclose(self) -> None:
        """End sending and receiving; safe to call twice."""
        ...


def decodes(packet: RtpPacket) -> bool:
    """Take no packet: all are decoded."""
    return False


def passes_over(feedback: RtpFeedback) -> None:
    """Do nothing about it."""


class _Way:
    """What a `Medium` of sound and one of pictures have in common."""

    _switch: SwitchTrack | VideoSwitchTrack
    _sender: AudioSender | VideoSender | None
    _receiver: AudioReceiver | VideoReceiver | None

    def __init__(self, track: ReceivedTrack) -> None:
        self.track = track
        self.on_packet: Callable[[RtpPacket], bool] = decodes
        self.on_feedback: Callable[[RtpFeedback], None] = passes_over
        self.outlet: Outlet | None = None

    def steer(self, *, is_muted: bool, is_sending: bool, is_listening: bool) -> None:
        """Do as told."""
        self._switch.is_muted = is_muted
        if self.outlet is not None:
            self.outlet.is_covered = is_muted
        if self._sender is not None:
            self._sender.is_paused = not is_sending
        if self._receiver is not None:
            self._receiver.is_enabled = is_listening


class Sound(_Way):
    """A `Medium` of sound."""

    def __init__(self, options: MediaOptions, clock: MediaClock, on_dtmf: Callable[[str], None]) -> None:
        super().__init__(ReceivedTrack("audio"))
        self._options, self._clock, self._on_dtmf = options, clock, on_dtmf
        self._switch = SwitchTrack()
        self._stream: RtpStream | None = None
        self._sender: AudioSender | None = None
        self._receiver: AudioReceiver | None = None
        self._most: int | None = None

    def replace(self, upstream: MediaStreamTrack | None) -> MediaStreamTrack | None:
        """Send `upstream` from now on; `None` is silence."""
        return self._switch.replace(upstream)

    def start(self, connection: DatagramLink, parameters: RtpParameters, negotiated: Negotiated) -> None:
        """Send and receive."""
        self._most = negotiated.bit_rate
        self._receiver = AudioReceiver(self.track, negotiated, _decoder, self._on_dtmf, self._clock)
        self._stream = connection.rtp_stream(parameters, self._receive)
        self._sender = AudioSender(self._switch, self._stream, negotiated, self._encoder)
        self.outlet = Outlet(self._stream, self._sender, negotiated)

    def _receive(self, packet: RtpPacket) -> None:
        assert self._receiver is not None
        if self.on_packet(packet):
            self._receiver.rest()
        else:
            self._receiver.receive(packet)

    def follow(self, negotiated: Negotiated) -> None:
        """Encode anew, where that makes a difference."""
        agreed = negotiated.formats[0]
        if self._sender is not None and (self._sender.format, self._most) != (agreed, negotiated.bit_rate):
            self._most = negotiated.bit_rate
            self._sender.retune(agreed, self._encoder(agreed))

    def request_keyframe(self, ssrc: int) -> None:
        """Do nothing."""

    def limit(self, bit_rate: int | None) -> None:
        """Do nothing: sound is small."""

    async def send_dtmf(self, digits: str) -> None:
        """Press keys; returns when the last is released.

        Raises:
            LocalProtocolError: One is no key, the peer takes none, or media has not started.
        """
        if self._sender is None:
            raise LocalProtocolError("keys can be pressed once the call is connected")
        await self._sender.send_dtmf(digits)

    def stats(self) -> MediaStats:
        """The counters as of now."""
        if self._stream is None or self._sender is None:
            return MediaStats()
        return MediaStats.of(self._stream.statistics, self._sender.format.codec.name)

    async def aclose(self) -> None:
        """End sending and receiving."""
        if self._sender is not None:
            await self._sender.aclose()
        self._switch.stop()
        if self._stream is not None:
            await self._stream.aclose()
        if self._receiver is not None:
            self._receiver.close()
        self.track.stop()

    def _encoder(self, agreed: Format) -> Encoder:
        parameters = {**agreed.parameters, "usedtx": "1"} if self._options.dtx else dict(agreed.parameters)
        if self._most is not None:
            own = parameters.get("maxaveragebitrate", "")
            parameters["maxaveragebitrate"] = str(min(self._most, int(own) if own.isdecimal() else self._most))
        return make_encoder(agreed.codec.name, parameters, bit_rate=self._options.bit_rate)


def _decoder(codec: Codec) -> Decoder:
    return make_decoder(codec.name, dict(codec.parameters))


class Pictures(_Way):
    """A `Medium` of pictures.

    Args:
        options: What the user decided.
        clock: Puts the media of the session in step.
        make_worker: Makes where pictures are encoded, and where they are decoded.
    """

    def __init__(self, options: MediaOptions, clock: MediaClock, make_worker: Callable[[], Worker] = Thread) -> None:
        super().__init__(ReceivedTrack("video"))
        self._options, self._clock = options, clock
        self._make_worker = make_worker
        self._workers: list[Worker] = []
        self._switch = VideoSwitchTrack()
        self._stream: RtpStream | None = None
        self._sender: VideoSender | None = None
        self._receiver: VideoReceiver | None = None
        self._rate: RateController | None = None

    def replace(self, upstream: MediaStreamTrack | None) -> MediaStreamTrack | None:
        """Send `upstream` from now on; `None` is nothing."""
        return self._switch.replace(upstream)

    def start(self, connection: DatagramLink, parameters: RtpParameters, negotiated: Negotiated) -> None:
        """Send and receive."""
        encoding, decoding = self._workers = [self._make_worker(), self._make_worker()]
        receiver = VideoReceiver(
            self.track, negotiated, lambda codec: make_video_decoder(codec.name), self._clock, decoding
        )
        self._receiver = receiver
        self._stream = connection.rtp_stream(parameters, self._receive, self._take_feedback)
        receiver.request_keyframe = self._stream.request_keyframe
        most = self._most_of(negotiated)
        self._rate = rate = RateController(start=min(FIRST_BIT_RATE, most), least=MIN_BIT_RATE, most=most)
        self._sender = VideoSender(
            self._switch,
            self._stream,
            negotiated,
            lambda agreed: make_video_encoder(agreed.codec.name),
            rate,
            encoding,
        )
        self.outlet = Outlet(self._stream, self._sender, negotiated)

    def _receive(self, packet: RtpPacket) -> None:
        assert self._receiver is not None
        if not self.on_packet(packet):
            self._receiver.receive(packet)

    def request_keyframe(self, ssrc: int) -> None:
        """Ask for a picture that builds on no other."""
        if self._stream is not None:
            self._stream.request_keyframe(ssrc)

    def limit(self, bit_rate: int | None) -> None:
        """Ask for no more than this."""
        if self._stream is not None:
            self._stream.limit(bit_rate)

    def _take_feedback(self, feedback: RtpFeedback) -> None:
        self.on_feedback(feedback)
        if self._sender is not None:
            self._sender.take_feedback(feedback)

    def follow(self, negotiated: Negotiated) -> None:
        """Keep to the bit rate."""
        if self._rate is not None:
            self._rate.limit(self._most_of(negotiated))

    def _most_of(self, negotiated: Negotiated) -> int:
        return min(self._options.video_bit_rate or DEFAULT_BIT_RATE, negotiated.bit_rate or MAX_BIT_RATE)

    async def send_dtmf(self, digits: str) -> None:
        """Press no keys.

        Raises:
            LocalProtocolError: Always.
        """
        raise LocalProtocolError("keys are heard, not seen")

    def stats(self) -> MediaStats:
        """The counters as of now."""
        stream, sender, receiver = self._stream, self._sender, self._receiver
        if stream is None or sender is None or receiver is None:
            return MediaStats()
        return MediaStats.of(
            stream.statistics,
            sender.format.codec.name,
            frames_sent=sender.frames,
            frames_received=receiver.frames,
            frames_dropped=sender.dropped + receiver.dropped,
            size_sent=sender.size,
            size_received=receiver.size,
        )

    async def aclose(self) -> None:
        """End sending and receiving."""
        if self._sender is not None:
            await self._sender.aclose()
        self._switch.stop()
        if self._stream is not None:
            await self._stream.aclose()
        if self._receiver is not None:
            await self._receiver.aclose()
        self.track.stop()
        for worker in self._workers:
            worker.close()
