"""What we can send and receive over RTP, as data: one entry for each codec, one table for each medium."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...errors import LocalProtocolError


@dataclass(frozen=True, kw_only=True)
class Codec:
    """One payload format that we implement."""

    name: str
    """Its media subtype in the spelling of its registration; names are compared without regard to case."""

    clock_rate: int
    """Of the RTP timestamps, in Hz."""

    channels: int = 1
    payload_type: int
    """The id we offer it with: fixed where RFC 3551 fixes it, else from the dynamic range."""

    parameters: tuple[tuple[str, str], ...] = ()
    """What we ask of whoever sends it to us."""

    duration: Callable[[bytes], int] = len
    """How long a payload sounds, in units of the clock; `len` suits codecs of 64 kbit/s with a clock of 8000 Hz."""

    is_event: bool = False
    """Whether it carries key presses (RFC 4733) and not sound."""

    any_channels: bool = False
    """Whether the number of channels in an offer means nothing."""

    feedback: tuple[str, ...] = ()
    """The RTCP feedback that helps it (XEP-0293), type and subtype."""

    repair: int | None = None
    """The id that lost packets are offered to be repeated with (RFC 4588)."""

    fitness: Callable[[Mapping[str, str]], int] = lambda parameters: 1
    """How well the parameters of a payload type of this name are about what we do; 0 where they are not."""


def opus_duration(payload: bytes) -> int:
    """Samples at 48 kHz in an Opus packet, from its first two bytes (RFC 6716 section 3.1); 0 for a malformed one."""
    if not payload:
        return 0
    configuration, code = payload[0] >> 3, payload[0] & 3
    if configuration < 12:
        size = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:
        size = (480, 960)[configuration & 1]
    else:
        size = (120, 240, 480, 960)[configuration & 3]
    count = (1, 2, 2, payload[1] & 0x3F if len(payload) > 1 else 0)[code]
    return size * count if size * count <= MAX_OPUS_PACKET else 0


MAX_OPUS_PACKET = 5760
"""120 ms (RFC 6716 section 3.2.5)."""

# RFC 7587 section 7: always written with two channels, whatever is inside; Gajim writes none, QXmpp also one.
OPUS = Codec(
    name="opus",
    clock_rate=48_000,
    channels=2,
    payload_type=111,
    parameters=(("minptime", "10"), ("useinbandfec", "1")),
    duration=opus_duration,
    any_channels=True,
)
# Sampled at 16 kHz, and yet the clock counts 8000: an error in RFC 1890 that was kept (RFC 3551 section 4.5.2).
G722 = Codec(name="G722", clock_rate=8000, payload_type=9)
PCMU = Codec(name="PCMU", clock_rate=8000, payload_type=0)
PCMA = Codec(name="PCMA", clock_rate=8000, payload_type=8)

# No `events` parameter: without one it means keys 0 to 15 (RFC 4733 section 2.5.1.1), and some peers cannot read a
# parameter that has no name. One for each clock, because key presses share the clock of the audio they interrupt.
EVENTS_48000 = Codec(name="telephone-event", clock_rate=48_000, payload_type=110, is_event=True)
EVENTS_8000 = Codec(name="telephone-event", clock_rate=8000, payload_type=126, is_event=True)


def h264_fitness(parameters: Mapping[str, str]) -> int:
    """Units may be cut into pieces, and the profile is baseline, best the constrained one (RFC 6184 section 8.1).

    GStreamer names no profile.
    """
    profile = parameters.get("profile-level-id", "42e01f").lower()
    if parameters.get("packetization-mode", "0") != "1" or not profile.startswith("42"):
        return 0
    return 2 if profile.startswith("42e0") else 1


VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")

VP8 = Codec(name="VP8", clock_rate=90_000, payload_type=96, repair=97, feedback=VIDEO_FEEDBACK)
# Constrained baseline, level 3.1: what RFC 7742 section 6.2 asks everybody for.
H264 = Codec(
    name="H264",
    clock_rate=90_000,
    payload_type=102,
    repair=103,
    parameters=(("level-asymmetry-allowed", "1"), ("packetization-mode", "1"), ("profile-level-id", "42e01f")),
    feedback=VIDEO_FEEDBACK,
    fitness=h264_fitness,
)

CODECS: Mapping[str, tuple[Codec, ...]] = {
    "audio": (OPUS, G722, PCMU, PCMA, EVENTS_48000, EVENTS_8000),
    "video": (VP8, H264),
}
"""By medium, the best first."""


def select(medium: str, names: Sequence[str] | None = None, *, dtx: bool = False) -> tuple[Codec, ...]:
    """The codecs of a medium in the order a user wants; key presses always stay.

    Args:
        medium: `audio` or `video`; a medium we do not do has no codecs.
        names: Codecs to use, the best first, in any spelling of case; `None` for all.
        dtx: Ask the peer to send nothing while it is silent (RFC 7587 section 6.1).

    Raises:
        LocalProtocolError: One of the names is no codec of ours.
    """
    known = CODECS.get(medium, ())
    if names is not None:
        by_name = {codec.name.lower(): codec for codec in known if not codec.is_event}
        unknown = [name for name in names if name.lower() not in by_name]
        if unknown or not names:
            raise LocalProtocolError(f"no {medium} codec called {', '.join(unknown)!r}; there are {', '.join(by_name)}")
        wanted = tuple(by_name[name.lower()] for name in dict.fromkeys(names))
        known = wanted + tuple(codec for codec in known if codec.is_event)
    if dtx:
        silent_opus = dataclasses.replace(OPUS, parameters=(*OPUS.parameters, ("usedtx", "1")))
        known = tuple(silent_opus if codec is OPUS else codec for codec in known)
    return known
