"""RFC 4733: key presses as RTP telephone events, to and from their payloads. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import LocalProtocolError

DIGITS = "0123456789*#ABCD"
"""Event codes 0 to 15 (RFC 4733 section 3.2)."""

TONE = 0.100
PAUSE = 0.070
"""Seconds a key is held, and between keys: twice what any exchange needs to recognise it (ITU-T Q.24)."""

VOLUME = 10
"""In -dBm0 (RFC 4733 section 2.3.4)."""

INTERVAL = 0.020
"""Seconds between updates of one event."""

END_PACKETS = 3
"""How often the end is said, because a lost end would be a key that hangs (RFC 4733 section 2.5.1.4)."""

KEYS_AT_ONCE = 40
KEYS_A_SECOND = 25
"""Twice what machines dial with (ITU-T Q.24: 40 ms on, 40 ms off), and a long number said at once in messages."""

_END = 0x80


@dataclass(frozen=True)
class EventPacket:
    """One packet of a key press."""

    at: float
    """Seconds after the key went down."""

    first: bool
    payload: bytes


def check_digits(digits: str) -> str:
    """Return `digits` in upper case.

    Raises:
        LocalProtocolError: Something else than `0` to `9`, `*`, `#` and `A` to `D` is among them.
    """
    wrong = sorted(set(digits.upper()) - set(DIGITS))
    if wrong:
        raise LocalProtocolError(f"not a key of a telephone: {', '.join(map(repr, wrong))}")
    return digits.upper()


def press(digit: str, clock_rate: int) -> Iterator[EventPacket]:
    """The packets of one key held for `TONE` seconds; all carry the timestamp of the moment it went down."""
    event, steps = DIGITS.index(digit), round(TONE / INTERVAL)
    for step in range(1, steps):
        yield EventPacket(step * INTERVAL, step == 1, _payload(event, False, step * INTERVAL, clock_rate))
    for _ in range(END_PACKETS):
        yield EventPacket(TONE, False, _payload(event, True, TONE, clock_rate))


def _payload(event: int, end: bool, seconds: float, clock_rate: int) -> bytes:
    return struct.pack("!BBH", event, (_END if end else 0) | VOLUME, round(seconds * clock_rate))


class KeyLimit:
    """How fast a peer may press keys: faster than any thumb, and not so fast that a program drowns in them."""

    def __init__(self) -> None:
        self._left = float(KEYS_AT_ONCE)
        self._since: float | None = None

    def allows(self, now: float) -> bool:
        """Whether one more key, at this moment of a clock that does not jump, is heard."""
        gained = KEYS_A_SECOND * (now - self._since) if self._since is not None else 0.0
        self._left, self._since = min(KEYS_AT_ONCE, self._left + gained), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class KeyReceiver:
    """Tells key presses from the packets that report and repeat them."""

    def __init__(self) -> None:
        self._last: tuple[int, int, int] | None = None  # event, timestamp, duration

    def receive(self, timestamp: int, payload: bytes) -> str | None:
        """Return the digit with the first packet of its press, `None` with every other packet.

        Packets must come in order. Events that are no keys, such as fax tones, are passed over.
        """
        if len(payload) < 4:
            return None
        event, _, duration = struct.unpack_from("!BBH", payload)
        last, self._last = self._last, (event, timestamp, duration)
        if last is not None and last[0] == event and timestamp in (last[1], (last[1] + last[2]) & 0xFFFFFFFF):
            # The same press: an update, or the next segment of one that is too long for the duration field
            # (RFC 4733 section 2.5.1.3), which starts where the segment before it ended.
            return None
        return DIGITS[event] if event < len(DIGITS) else None
