"""XEP-0198: Stream Management, version 1.6: what was sent and not yet acknowledged, and what was handled."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ..errors import RemoteProtocolError
from .framing import Stanza
from .limits import Limits
from .markup import STANZA_ERRORS, attribute

NAMESPACE = "urn:xmpp:sm:3"
REQUEST = f"<r xmlns='{NAMESPACE}'/>".encode()

_WRAP = 1 << 32  # section 4: `h` is an unsigned 32-bit counter


class Origin(NamedTuple):
    """Where a delivered stanza came from, so that it can be returned."""

    sender: str
    stanza: Stanza


class Sent(NamedTuple):
    """A stanza on its way: its bytes, and whom to tell when it never arrives."""

    data: bytes
    origin: Origin | None


class StreamManagement:
    """The counters and the queue of one session; they outlive its TCP connections.

    Attributes:
        resume_id: The SM-ID, `None` where resumption was not asked for.
        handled: Stanzas received from the client, modulo 2^32.
        requested: An `<r/>` is on its way and was not answered yet.
    """

    def __init__(self, resume_id: str | None, limits: Limits) -> None:
        self.resume_id = resume_id
        self.handled = 0
        self.requested = False
        self._limits = limits
        self._acknowledged = 0
        self._queue: deque[Sent] = deque()
        self._bytes = 0

    @property
    def unacked(self) -> tuple[Sent, ...]:
        """What was sent and not acknowledged, oldest first."""
        return tuple(self._queue)

    @property
    def waiting(self) -> bool:
        """Whether an acknowledgement should be asked for now."""
        return bool(self._queue) and not self.requested

    def count(self) -> None:
        """Note a stanza from the client."""
        self.handled = (self.handled + 1) % _WRAP

    def remember(self, sent: Sent) -> bool:
        """Queue what is being sent; `False` when more is unacknowledged than is kept."""
        self._queue.append(sent)
        self._bytes += len(sent.data)
        return len(self._queue) <= self._limits.unacked_stanzas and self._bytes <= self._limits.unacked_bytes

    def acknowledge(self, h: str | None) -> None:
        """Drop what the client has handled (section 4).

        Raises:
            RemoteProtocolError: `h` is no number, or counts more than was sent (section 6).
        """
        if h is None or not (h.isascii() and h.isdigit() and len(h) <= 10):
            raise RemoteProtocolError("h is not a number")
        count = (int(h) - self._acknowledged) % _WRAP
        if count > len(self._queue):
            raise RemoteProtocolError("more was acknowledged than was sent", condition="undefined-condition")
        for _ in range(count):
            self._bytes -= len(self._queue.popleft().data)
        self._acknowledged = int(h) % _WRAP
        self.requested = False

    def answer(self) -> bytes:
        """The `<a/>` to a client's `<r/>`."""
        return f"<a xmlns='{NAMESPACE}' h='{self.handled}'/>".encode()


def failed(condition: str) -> bytes:
    """A `<failed/>` (section 6)."""
    return f"<failed xmlns='{NAMESPACE}'><{condition} xmlns='{STANZA_ERRORS}'/></failed>".encode()


def enabled(management: StreamManagement, seconds: float) -> bytes:
    """An `<enabled/>` (section 3)."""
    resume = ""
    if management.resume_id is not None:
        resume = f"{attribute('id', management.resume_id)} resume='true' max='{int(seconds)}'"
    return f"<enabled xmlns='{NAMESPACE}'{resume}/>".encode()


def resumed(management: StreamManagement) -> bytes:
    """A `<resumed/>` (section 5)."""
    head = f"<resumed xmlns='{NAMESPACE}' h='{management.handled}'"
    return f"{head}{attribute('previd', management.resume_id or '')}/>".encode()
