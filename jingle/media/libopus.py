"""The reference implementation of Opus (RFC 6716), called directly where it can be found, else by way of FFmpeg.

FFmpeg's wrapper offers neither DTX nor the forward error correction that packets carry, and its options cannot be
changed once it runs. The library itself is always near, for PyAV's wheels bring it; so it is called through its own
documented C interface. A PyAV that was built by hand may hide it: then FFmpeg is used, and DTX and FEC are left out,
which both sides may do (RFC 7587 section 3.1.3 and 3.3).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import logging
import weakref
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.packet import Packet

from ..errors import MediaError
from .framing import SAMPLE_RATE, Layout, audio_frame, channels, samples_of

logger = logging.getLogger(__name__)

MAX_PACKET = 1275
"""Bytes in the longest packet that holds one frame (RFC 6716 section 3.4)."""

MAX_SAMPLES = 5760
"""Samples in the longest packet: 120 ms (RFC 6716 section 3.4)."""

COMPLEXITY = 7
"""0 to 10. From 7 on the encoder tells speech from music and noise; above, there is little to hear and more to pay."""

AUDIO = 2049
"""`OPUS_APPLICATION_AUDIO`. The one for VoIP also cuts low frequencies, and with them the phase of the voice, as a
microphone in a noisy room asks for; what is played here is often a recording. Speech is coded as speech in both."""

SET_BITRATE, SET_MAX_BANDWIDTH, SET_VBR, SET_COMPLEXITY = 4002, 4004, 4006, 4010
SET_INBAND_FEC, SET_PACKET_LOSS, SET_DTX = 4012, 4014, 4016
BANDWIDTHS = {8_000: 1101, 12_000: 1102, 16_000: 1103, 24_000: 1104, 48_000: 1105}
"""Sample rate that is worth sending -> `OPUS_BANDWIDTH_*`."""

CUTOFFS = {8_000: 4_000, 12_000: 6_000, 16_000: 8_000, 24_000: 12_000, 48_000: 20_000}
"""Sample rate that is worth sending -> FFmpeg's `cutoff`."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to encode."""

    bit_rate: int
    max_rate: int = SAMPLE_RATE
    """One of `BANDWIDTHS`."""

    is_constant: bool = False
    """Whether each packet has the same size."""

    fec: bool = False
    dtx: bool = False
    packet_loss: int = 0
    """Percent of the packets that get lost: how much is spent on error correction."""


class Coder(Protocol):
    """An encoder for frames of 20 ms."""

    def encode(self, frame: AudioFrame) -> bytes:
        """Return the packet; one or two bytes where it need not be sent."""
        ...

    def expect_loss(self, percent: int) -> None:
        """Say how many packets get lost."""
        ...


class Restorer(Protocol):
    """A decoder; all samples are s16, interleaved."""

    def decode(self, packet: bytes) -> bytes:
        """Return the samples.

        Raises:
            ValueError: It is no Opus packet.
        """
        ...

    def recover(self, packet: bytes | None, samples: int) -> bytes:
        """Return so many samples (per channel) in place of a lost packet, from what `packet`, the next, tells of it."""
        ...


@functools.cache
def load() -> ctypes.CDLL | None:
    """The library, ready to be called; `None` where it cannot be found."""
    package = Path(av.__file__).parent
    bundled = [*package.parent.glob("av.libs/*opus*"), *package.glob(".dylibs/*opus*")]
    for name in [*map(str, bundled), ctypes.util.find_library("opus")]:
        if name is None:
            continue
        try:
            return _declare(ctypes.CDLL(name))
        except (OSError, AttributeError) as error:
            logger.debug("%s is not usable: %s", name, error)
    logger.info("libopus was not found: Opus goes without DTX and error correction")
    return None


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    integer, pointer, text = ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("opus_encoder_create", pointer, [integer, integer, integer, ctypes.POINTER(integer)]),
        ("opus_encoder_destroy", None, [pointer]),
        ("opus_encode", integer, [pointer, text, integer, text, integer]),
        # The value that follows is variadic: left out here, ctypes passes it as such.
        ("opus_encoder_ctl", integer, [pointer, integer]),
        ("opus_decoder_create", pointer, [integer, integer, ctypes.POINTER(integer)]),
        ("opus_decoder_destroy", None, [pointer]),
        ("opus_decode", integer, [pointer, text, integer, text, integer, integer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _create(library: ctypes.CDLL, what: str, *arguments: int) -> Any:
    failure = ctypes.c_int()
    state = getattr(library, f"opus_{what}_create")(*arguments, ctypes.byref(failure))
    if not state:
        raise MediaError(f"no Opus {what}: error {failure.value}")
    return state


class NativeCoder:
    """Encodes with the library itself."""

    def __init__(self, library: ctypes.CDLL, layout: Layout, settings: Settings) -> None:
        self._library = library
        self._state = _create(library, "encoder", SAMPLE_RATE, channels(layout), AUDIO)
        self._buffer = ctypes.create_string_buffer(MAX_PACKET)
        weakref.finalize(self, library.opus_encoder_destroy, self._state).atexit = False
        for request, value in (
            (SET_BITRATE, settings.bit_rate),
            (SET_MAX_BANDWIDTH, BANDWIDTHS[settings.max_rate]),
            (SET_VBR, not settings.is_constant),
            (SET_COMPLEXITY, COMPLEXITY),
            (SET_INBAND_FEC, settings.fec),
            (SET_PACKET_LOSS, settings.packet_loss),
            (SET_DTX, settings.dtx),
        ):
            self._set(request, value)

    def encode(self, frame: AudioFrame) -> bytes:
        """Return the packet; one or two bytes where it need not be sent."""
        data = samples_of(frame).tobytes()
        size = self._library.opus_encode(self._state, data, frame.samples, self._buffer, MAX_PACKET)
        if size < 0:
            raise MediaError(f"Opus cannot encode {frame.samples} samples: error {size}")
        return self._buffer.raw[:size]

    def expect_loss(self, percent: int) -> None:
        """Say how many packets get lost; takes effect with the next frame."""
        self._set(SET_PACKET_LOSS, percent)

    def _set(self, request: int, value: int) -> None:
        if failure := self._library.opus_encoder_ctl(self._state, request, ctypes.c_int(value)):
            raise MediaError(f"Opus refuses setting {request} to {value}: error {failure}")


class NativeRestorer:
    """Decodes with the library itself."""

    def __init__(self, library: ctypes.CDLL, layout: Layout) -> None:
        self._library = library
        self._channels = channels(layout)
        self._state = _create(library, "decoder", SAMPLE_RATE, self._channels)
        self._buffer = ctypes.create_string_buffer(MAX_SAMPLES * self._channels * 2)
        weakref.finalize(self, library.opus_decoder_destroy, self._state).atexit = False

    def decode(self, packet: bytes) -> bytes:
        """Return the samples."""
        return self._decode(packet, MAX_SAMPLES, is_lost=False)

    def recover(self, packet: bytes | None, samples: int) -> bytes:
        """Return so many samples for a lost packet, from the error correction in the next one or by extrapolation."""
        try:
            return self._decode(packet, samples, is_lost=True)
        except ValueError:
            # The next one is damaged as well: it tells nothing.
            return self._decode(None, samples, is_lost=True)

    def _decode(self, packet: bytes | None, samples: int, *, is_lost: bool) -> bytes:
        size = 0 if packet is None else len(packet)
        count = self._library.opus_decode(self._state, packet, size, self._buffer, samples, is_lost)
        if count < 0:
            raise ValueError(f"this is no Opus packet (error {count})")
        return self._buffer.raw[: count * self._channels * 2]


class FFmpegCoder:
    """Encodes by way of FFmpeg: no DTX, and the loss that is expected stays what it was."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.format, codec.layout, codec.sample_rate = "s16", layout, SAMPLE_RATE
        codec.bit_rate = settings.bit_rate
        codec.time_base = Fraction(1, SAMPLE_RATE)
        codec.options = {
            "application": "audio",
            "vbr": "off" if settings.is_constant else "on",
            "fec": str(int(settings.fec)),
            "packet_loss": str(settings.packet_loss),
            "cutoff": str(CUTOFFS[settings.max_rate]),
            "compression_level": str(COMPLEXITY),
        }
        self._codec = codec
        self._position = 0

    def encode(self, frame: AudioFrame) -> bytes:
        """Return the packet."""
        layout: Layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
        # FFmpeg complains where timestamps jump, and the packet does not carry them anyway.
        copy = audio_frame(samples_of(frame), layout, pts=self._position)
        self._position += frame.samples
        return b"".join(bytes(packet) for packet in self._codec.encode(copy))

    def expect_loss(self, percent: int) -> None:
        """Cannot be changed while FFmpeg's encoder runs."""


class FFmpegRestorer:
    """Decodes by way of FFmpeg: lost packets are extrapolated, error correction in them is not used."""

    def __init__(self, layout: Layout) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, AudioCodecContext)
        codec.format, codec.layout, codec.sample_rate = "s16", layout, SAMPLE_RATE
        self._codec = codec
        self._channels = channels(layout)
        self._toc = 0

    def decode(self, packet: bytes) -> bytes:
        """Return the samples."""
        try:
            frames = self._codec.decode(Packet(packet))
        except av.FFmpegError as error:
            raise ValueError(f"this is no Opus packet ({error})") from error
        self._toc = packet[0]
        return b"".join(samples_of(frame).tobytes() for frame in frames)

    def recover(self, packet: bytes | None, samples: int) -> bytes:
        """Return so many samples by extrapolation.

        A packet of its first byte alone says that there was nothing to send (RFC 6716 section 3.2.1 and 4.4), and the
        library fills in what it makes up for a lost one.
        """
        nothing = bytes([self._toc & 0xFC])
        wanted, parts = samples * self._channels * 2, b""
        while len(parts) < wanted:
            part = self.decode(nothing)
            parts += part or bytes(wanted)
        return parts[:wanted]


def make_coder(layout: Layout, settings: Settings) -> Coder:
    """The best encoder there is."""
    library = load()
    return FFmpegCoder(layout, settings) if library is None else NativeCoder(library, layout, settings)


def make_restorer(layout: Layout) -> Restorer:
    """The best decoder there is."""
    library = load()
    return FFmpegRestorer(layout) if library is None else NativeRestorer(library, layout)
