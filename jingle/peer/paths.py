"""The ways to the peer of one session, stanzas and links: others are looked for, and the loss of one is not all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..elements.declare import Element
from ..errors import TransportFailed
from ..session.events import ContentId
from ..session.state import SessionState
from ..transports.base import DatagramLink, Restarting

if TYPE_CHECKING:
    from .live import LiveSession

log = logging.getLogger(__name__)

SIGN_OF_LIFE = 1.0
"""Seconds for a peer that its server says is gone to answer on the link of a call."""


class Paths:
    """Looks after the ways to the peer."""

    def __init__(self, live: LiveSession) -> None:
        self._live = live
        live.session.crosses = self._crosses

    async def restart(self) -> None:
        """Look for other paths for every link, and return once they are in use; media goes on meanwhile.

        Raises:
            TransportFailed: There is none, or the peer knows no restarts; the old one is used as before.
        """
        found = [content.transport for content in self._live.contents.values() if content.is_restartable]
        if not found:
            raise TransportFailed("this session has no transport that could be restarted")
        await asyncio.gather(*(transport.restart() for transport in found if isinstance(transport, Restarting)))

    def _crosses(self, id: ContentId, transport: Element) -> bool:
        content = self._live.find(id.name)
        return content is not None and content.crosses(transport)

    def lose_sight(self, text: str) -> None:
        """Take it that no stanza reaches the peer: a call goes on while its media does, everything else has ended."""
        live = self._live
        links = [content.connection for content in live.contents.values() if content.is_link]
        if live.session.state is SessionState.ACTIVE and links:
            live.spawn(self._outlive(links, text))
        else:
            live.terminate("gone", text)

    async def _outlive(self, links: Sequence[DatagramLink], text: str) -> None:
        if any(await asyncio.gather(*(link.responds(SIGN_OF_LIFE) for link in links))):
            # It ends with the media at the latest, when consent expires; or the peer comes back under the same address.
            log.info("session %s: %s, and the media goes on", self._live.sid, text)
        else:
            self._live.terminate("gone", text)
