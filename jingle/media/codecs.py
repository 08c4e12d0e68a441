"""Audio encoders and decoders in the shape that aiortc's senders and receivers use (`aiortc.codecs.base`).

Opus (RFC 6716, RFC 7587), G.722, PCMU and PCMA (RFC 3551). A frame of 20 ms takes some 0.3 ms to encode and 0.1 ms to
decode, a hop to a thread and back 0.2 ms: both are meant to be called on the loop.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from fractions import Fraction

import av
import numpy as np
from aiortc.codecs import get_decoder
from aiortc.codecs.base import Decoder, Encoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import convert_timebase
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.frame import Frame
from av.packet import Packet

from ..errors import MediaError
from . import libopus
from .framing import FRAME_SIZE, PTIME, SAMPLE_RATE, Framer, Layout, audio_frame, natural_layout

LEAD_IN = 0.002
"""Seconds by which resampling delays the sound; less, and each frame would have to wait for the next."""

TOLERANCE = 0.005
"""Seconds that a frame's timestamp may be off before the gap shows in the RTP timestamps."""

DTX_SIZE = 2
"""Bytes: a packet of one or two says that there is nothing to hear (RFC 7587 section 3.1.3)."""

MAX_CONCEALED = 0.1
"""Seconds of loss that are covered up; what is made up for longer sounds worse than silence."""

MAX_DTX = 0.6
"""Seconds of comfort noise while the peer sends nothing; encoders refresh it every 0.4 s."""

SHORTEST = SAMPLE_RATE // 400
"""Samples (2.5 ms) in the shortest Opus frame, of which all others are multiples."""

PLAIN = {
    "g722": ("g722", 16_000),
    "pcmu": ("pcm_mulaw", 8_000),
    "pcma": ("pcm_alaw", 8_000),
}
"""Name in lower case -> FFmpeg's codec, and samples per second. The RTP clock of all three is 8000."""

PLAIN_CLOCK = 8_000


def make_encoder(
    name: str, parameters: Mapping[str, str] | None = None, *, bit_rate: int | None = None, packet_loss: int = 10
) -> AudioEncoder:
    """Return an encoder.

    Args:
        name: `opus`, `G722`, `PCMU` or `PCMA`, in upper or lower case.
        parameters: What the *receiver* asks for (RFC 7587 section 6.1: `stereo`, `useinbandfec`, `usedtx`, `cbr`,
            `maxaveragebitrate`, `maxplaybackrate`); unknown ones and nonsense are ignored.
        bit_rate: Bits per second for Opus; `None` for 32000 in mono and 64000 in stereo. The receiver's limit holds.
        packet_loss: Percent of loss that Opus expects at first, where the receiver wants error correction.

    Raises:
        MediaError: There is no such codec.
    """
    if name.lower() == "opus":
        return OpusEncoder(parameters or {}, bit_rate=bit_rate, packet_loss=packet_loss)
    if name.lower() in PLAIN:
        return PlainEncoder(name)
    raise MediaError(f"no encoder for {name}")


def make_decoder(name: str, parameters: Mapping[str, str] | None = None) -> Decoder:
    """Return a decoder. A payload that cannot be decoded gives no frame, and is treated as lost.

    Args:
        name: `opus`, `G722`, `PCMU` or `PCMA`, in upper or lower case.
        parameters: What *we* asked for: with `stereo` Opus is decoded in stereo, otherwise in mono.

    Raises:
        MediaError: There is no such codec.
    """
    if name.lower() == "opus":
        return OpusDecoder("stereo" if is_set(parameters or {}, "stereo") else "mono")
    if name.lower() in PLAIN:
        return PlainDecoder(name)
    raise MediaError(f"no decoder for {name}")


def is_set(parameters: Mapping[str, str], name: str) -> bool:
    """Whether a switch is on; some clients write `true` in place of 1."""
    return parameters.get(name, "0").strip().lower() in ("1", "true")


def number(parameters: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """A number that the peer gave, forced between the limits; `default` where there is none or it is nonsense."""
    text = parameters.get(name, "").strip()
    return min(max(int(text), least), most) if text.isascii() and text.isdigit() and len(text) < 10 else default


class AudioEncoder(Encoder):
    """Encodes frames of any shape into packets of 20 ms.

    Frames of 20 ms, as the sources of this package give them, become one packet or, in DTX, none. The first timestamp
    is 0 and they advance by the input's own time: a gap there is a gap in the RTP timestamps.
    """

    clock: int
    """Units of a second in the timestamps."""

    rate: int
    """Samples per second that are encoded."""

    def __init__(self) -> None:
        self._framer = Framer(layout="mono")
        self._layout: Layout | None = None
        self._position = 0
        self._expected: Fraction | None = None

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        """Return the packets that `frame` completes, each 20 ms after the one before, and the timestamp of the first.

        Raises:
            MediaError: It is not an audio frame.
        """
        if not isinstance(frame, AudioFrame):
            raise MediaError(f"an audio encoder cannot take a {type(frame).__name__}")
        layout = self.choose_layout(frame)
        if layout != self._layout:
            self._layout = layout
            self._framer = Framer(layout=layout, rate=self.rate, size=round(self.rate * PTIME), lead_in=LEAD_IN)
            self.restart(layout)
        self._follow(frame)
        first, packets = self._position, []
        for part in self._framer.push(frame):
            packet = self.code(part)
            if packet is not None:
                packets.append(packet)
            elif not packets:
                first += round(self.clock * PTIME)
            self._position += round(self.clock * PTIME)
        return packets, first

    def pack(self, packet: Packet) -> tuple[list[bytes], int]:  # type: ignore[type-arg]
        """Return a packet that is encoded already, and its timestamp."""
        return [bytes(packet)], convert_timebase(packet.pts or 0, packet.time_base, Fraction(1, self.clock))

    def choose_layout(self, frame: AudioFrame) -> Layout:
        """What to encode `frame` in."""
        return "mono"

    @abstractmethod
    def restart(self, layout: Layout) -> None:
        """Get ready for frames of this layout, the first time and whenever it changes."""

    @abstractmethod
    def code(self, frame: AudioFrame) -> bytes | None:
        """Return the packet for one 20 ms frame of the right shape; `None` where nothing need be sent."""

    def _follow(self, frame: AudioFrame) -> None:
        duration = Fraction(frame.samples, frame.sample_rate)
        if frame.pts is None or not frame.time_base:
            self._expected = None
            return
        begins = frame.pts * Fraction(frame.time_base.numerator, frame.time_base.denominator)
        if self._expected is not None and begins - self._expected > TOLERANCE:
            self._position += round((begins - self._expected) * self.clock)
        self._expected = begins + duration


class OpusEncoder(AudioEncoder):
    """Opus: mono stays mono, and stereo is sent only to a receiver that asks for it (RFC 7587 section 7.1).

    Args:
        parameters: What the receiver asks for.
        bit_rate: Bits per second; `None` for the defaults.
        packet_loss: Percent of loss to expect, where the receiver wants error correction.
    """

    clock = rate = SAMPLE_RATE

    def __init__(self, parameters: Mapping[str, str], *, bit_rate: int | None = None, packet_loss: int = 10) -> None:
        super().__init__()
        self._parameters = parameters
        self._bit_rate = bit_rate
        self._packet_loss = packet_loss
        self._is_stereo = is_set(parameters, "stereo")
        self._coder: libopus.Coder | None = None
        self._is_resting = False

    def choose_layout(self, frame: AudioFrame) -> Layout:
        """Stereo where the frame is and the receiver wants it."""
        return natural_layout(frame) if self._is_stereo else "mono"

    def restart(self, layout: Layout) -> None:
        """Make the encoder."""
        self._coder = libopus.make_coder(layout, self.settings(layout))

    def settings(self, layout: Layout) -> libopus.Settings:
        """What follows from the parameters for this layout."""
        asked = self._parameters
        usual = self._bit_rate or (32_000 if layout == "mono" else 64_000)
        heard = number(asked, "maxplaybackrate", SAMPLE_RATE, least=8_000, most=SAMPLE_RATE)
        fec = is_set(asked, "useinbandfec")
        return libopus.Settings(
            bit_rate=min(usual, number(asked, "maxaveragebitrate", 510_000, least=6_000, most=510_000)),
            max_rate=max(rate for rate in libopus.BANDWIDTHS if rate <= heard),
            is_constant=is_set(asked, "cbr"),
            fec=fec,
            dtx=is_set(asked, "usedtx"),
            packet_loss=self._packet_loss if fec else 0,
        )

    def expect_loss(self, percent: int) -> None:
        """Say how many packets get lost, as the receiver's reports tell; 0 to 100."""
        self._packet_loss = min(max(percent, 0), 100)
        if self._coder is not None and is_set(self._parameters, "useinbandfec"):
            self._coder.expect_loss(self._packet_loss)

    def code(self, frame: AudioFrame) -> bytes | None:
        """Return the packet; of those that say "nothing to hear" only the first in a row."""
        assert self._coder is not None
        packet = self._coder.encode(frame)
        was_resting, self._is_resting = self._is_resting, len(packet) <= DTX_SIZE
        return None if was_resting and self._is_resting else packet


class PlainEncoder(AudioEncoder):
    """G.722, PCMU or PCMA: mono, 64 kbit/s.

    G.722 has 16000 samples a second and yet an RTP clock of 8000 (RFC 3551 section 4.5.2).
    """

    clock = PLAIN_CLOCK

    def __init__(self, name: str) -> None:
        super().__init__()
        self._codec_name, self.rate = PLAIN[name.lower()]
        self._codec: AudioCodecContext | None = None

    def restart(self, layout: Layout) -> None:
        """Make the encoder."""
        codec = av.CodecContext.create(self._codec_name, "w")
        assert isinstance(codec, AudioCodecContext)
        codec.format, codec.layout, codec.sample_rate = "s16", layout, self.rate
        codec.time_base = Fraction(1, self.rate)
        self._codec = codec

    def code(self, frame: AudioFrame) -> bytes | None:
        """Return the packet."""
        assert self._codec is not None
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class OpusDecoder(Decoder):
    """Opus, with lost packets made good: from the error correction in the next one, or by extrapolation.

    Frames are s16 at 48 kHz; their timestamps are those of the packets. Where nothing came for long there is a gap.

    Args:
        layout: What to decode to, whatever the sender encoded.
    """

    def __init__(self, layout: Layout = "mono") -> None:
        self._layout = layout
        self._restorer = libopus.make_restorer(layout)
        self._expected: int | None = None
        self._is_resting = False

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Return the frames of a packet, after those that stand in for lost ones before it."""
        packet, timestamp = bytes(encoded_frame.data), encoded_frame.timestamp
        if not packet:
            return []
        missing = 0 if self._expected is None else _difference(timestamp, self._expected)
        if -SAMPLE_RATE < missing < 0:
            # It came after it had been given up, or twice.
            return []
        frames: list[Frame] = list(self._recover(packet, missing, timestamp))
        try:
            samples = self._restorer.decode(packet)
        except ValueError:
            return frames
        frame = self._frame(samples, timestamp)
        self._expected = timestamp + frame.samples
        self._is_resting = len(packet) <= DTX_SIZE
        return [*frames, frame]

    def _recover(self, packet: bytes, missing: int, timestamp: int) -> Iterator[AudioFrame]:
        limit = MAX_DTX if self._is_resting else MAX_CONCEALED
        if not 0 < missing <= limit * SAMPLE_RATE:
            return
        while missing >= SHORTEST:
            samples = min(missing, FRAME_SIZE) // SHORTEST * SHORTEST
            # Only the packet right before this one is described in it.
            is_last = missing - samples < SHORTEST
            yield self._frame(self._restorer.recover(packet if is_last else None, samples), timestamp - missing)
            missing -= samples

    def _frame(self, samples: bytes, timestamp: int) -> AudioFrame:
        return audio_frame(np.frombuffer(samples, np.int16), self._layout, pts=timestamp)


def _difference(later: int, earlier: int) -> int:
    """How far two RTP timestamps are apart, which wrap around at 32 bits."""
    return (later - earlier + 2**31) % 2**32 - 2**31


class PlainDecoder(Decoder):
    """G.722, PCMU or PCMA: mono, s16 at 16 or 8 kHz."""

    def __init__(self, name: str) -> None:
        self._decoder = get_decoder(
            RTCRtpCodecParameters(mimeType=f"audio/{name}", clockRate=PLAIN_CLOCK, channels=1, payloadType=0)
        )

    def decode(self, encoded_frame: JitterFrame) -> list[Frame]:
        """Return the frame of a packet."""
        # FFmpeg takes an empty packet for the end of everything, and decodes no more after it.
        return self._decoder.decode(encoded_frame) if encoded_frame.data else []
