"""RFC 4585 and RFC 4588: which packets of a peer are missing and to be asked for, and those of ours that it may miss.

Pure: moments are arguments.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from .rtp_statistics import signed

MAX_MISSING = 256
"""Packets that are asked for at most. Behind a longer gap a picture that builds on no other helps sooner."""

PATIENCE = 0.010
"""Seconds a packet may be overtaken by others before it counts as missing."""

REPEAT = 0.030
"""Seconds after which a packet is asked for again, at least; else a round trip and a bit."""

GIVE_UP = 0.6
"""Seconds after which a missing packet is of no use any more."""

MAX_ASKED = 8

HISTORY = 1024
"""Packets of ours that are kept: four seconds of a good picture."""

MIN_PAUSE = 0.020
"""Seconds between two repetitions of the same packet: a peer that asks faster gets no more for it."""

MAX_REPEATED = 10

SHARE, AT_ONCE = 0.5, 30_000
"""What repetitions may take beside what is sent, and bytes of them at once: a path that loses packets because there is
too much on it loses more for every one that is repeated."""

T = TypeVar("T")


class Missing:
    """The packets of one source that are missing.

    Attributes:
        rtt: The round trip in seconds, where it is known.
    """

    def __init__(self) -> None:
        self.rtt: float | None = None
        self._highest: int | None = None
        self._missing: dict[int, list[float]] = {}
        """By number: when it was missed, when to ask next, how often it was asked for."""

    @property
    def wake(self) -> float | None:
        """When to look at `due`, or `None` while nothing is missing."""
        return min((entry[1] for entry in self._missing.values()), default=None)

    def arrived(self, sequence_number: int, now: float) -> None:
        """Take note of a packet."""
        ahead = 1 if self._highest is None else signed(sequence_number - self._highest, 16)
        if ahead <= 0:
            self._missing.pop(sequence_number, None)
            return
        if ahead > MAX_MISSING:
            self._missing.clear()
        elif self._highest is not None:
            for distance in range(1, ahead):
                self._missing[(self._highest + distance) & 0xFFFF] = [now, now + PATIENCE, 0]
            while len(self._missing) > MAX_MISSING:
                del self._missing[next(iter(self._missing))]
        self._highest = sequence_number

    def repaired(self, sequence_number: int) -> None:
        """Take note of a packet that came once more, in a stream of its own."""
        self._missing.pop(sequence_number, None)

    def due(self, now: float) -> list[int]:
        """The packets to ask for now, in order."""
        again = max(REPEAT, (self.rtt or 0.0) * 1.1 + 0.005)
        asked = []
        for number, entry in list(self._missing.items()):
            if now - entry[0] > GIVE_UP or entry[2] >= MAX_ASKED:
                del self._missing[number]
            elif now >= entry[1]:
                asked.append(number)
                entry[1], entry[2] = now + again, entry[2] + 1
        return asked


class History(Generic[T]):
    """The packets that we sent last, by number."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, T, int] | None] = [None] * HISTORY
        self._repeated: dict[int, tuple[float, int]] = {}
        self._budget = float(AT_ONCE)

    def keep(self, sequence_number: int, packet: T, size: int = 0) -> None:
        """Keep a packet of `size` bytes until `HISTORY` others have followed it."""
        self._budget = min(self._budget + SHARE * size, AT_ONCE)
        slot = sequence_number % HISTORY
        if (gone := self._kept[slot]) is not None:
            self._repeated.pop(gone[0], None)
        self._kept[slot] = (sequence_number, packet, size)

    def repeat(self, sequence_number: int, now: float) -> T | None:
        """The packet that the peer misses; `None` where it is gone, was sent once more just now, or too much was."""
        kept = self._kept[sequence_number % HISTORY]
        if kept is None or kept[0] != sequence_number:
            return None
        last, times = self._repeated.get(sequence_number, (-1.0, 0))
        if times >= MAX_REPEATED or (times and now - last < MIN_PAUSE) or kept[2] > self._budget:
            return None
        self._budget -= kept[2]
        self._repeated[sequence_number] = (now, times + 1)
        return kept[1]
