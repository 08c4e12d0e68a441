"""What the contents of one session have to say at about the same time, said in one stanza (XEP-0166 section 7.2).

A session of many small files would be nothing but stanzas otherwise: each file has several to send, each of them is
acknowledged, and a server stands in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from ..elements.core import Reason
from ..elements.declare import Element

GATHER = 0.01
"""Seconds to wait for what other contents have to say."""

Info = tuple[str, Element]
"""A content's name, and something about its transport."""


class Outbox:
    """Gathers transport-infos and ends of contents.

    Args:
        send_infos: Sends transport-infos, of each content one.
        end: Ends contents, all for one reason.
    """

    def __init__(
        self, send_infos: Callable[[Sequence[Info]], None], end: Callable[[Sequence[str], Reason], None]
    ) -> None:
        self._send_infos, self._end = send_infos, end
        self._infos: list[Info] = []
        self._ends: list[tuple[str, Reason]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add_info(self, name: str, transport: Element) -> None:
        """Send a transport-info in a moment."""
        self._infos.append((name, transport))
        self._wait()

    def add_end(self, name: str, reason: Reason) -> None:
        """End a content in a moment, behind its transport-infos."""
        self._ends.append((name, reason))
        self._wait()

    def close(self) -> None:
        """Forget what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._infos.clear()
        self._ends.clear()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER, self._flush)

    def _flush(self) -> None:
        self._timer = None
        infos, self._infos = self._infos, []
        ends, self._ends = self._ends, []
        while infos:
            first: dict[str, Element] = {}  # what each content said first; order within a content is kept
            for name, info in infos:
                first.setdefault(name, info)
            self._send_infos(list(first.items()))
            infos = [info for info in infos if info[1] is not first[info[0]]]
        while ends:
            reason = ends[0][1]
            self._end([name for name, other in ends if other == reason], reason)
            ends = [(name, other) for name, other in ends if other != reason]
