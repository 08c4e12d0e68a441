"""XEP-0065: SOCKS5 Bytestreams (v1.8.2), section 6: the proxies that our server offers."""

from __future__ import annotations

import asyncio
import logging

from ..elements.disco import DiscoInfo, DiscoItems, Item
from ..elements.s5b import BytestreamsQuery, Streamhost
from ..errors import SignallingError
from .binding import Binding

log = logging.getLogger(__name__)

MAX_ITEMS = 32
"""Services of the server that are asked what they are."""

MAX_PROXIES = 4
QUERY_TIMEOUT = 5.0


class ProxyFinder:
    """Finds the server's proxies once; they do not come and go."""

    def __init__(self, binding: Binding, domain: str) -> None:
        self._binding = binding
        self._domain = domain
        self._found: tuple[Streamhost, ...] | None = None
        self._lock = asyncio.Lock()

    async def find(self) -> tuple[Streamhost, ...]:
        """The addresses of the proxies.

        Raises:
            SignallingError: The server does not answer.
        """
        async with self._lock:
            if self._found is None:
                self._found = await self._search()
            return self._found

    async def _search(self) -> tuple[Streamhost, ...]:
        answer = await self._binding.request(self._domain, DiscoItems(), kind="get", timeout=QUERY_TIMEOUT)
        items = answer.items[:MAX_ITEMS] if isinstance(answer, DiscoItems) else ()
        asked = await asyncio.gather(*(self._ask(item) for item in items if item.node is None))
        return tuple(host for hosts in asked for host in hosts)[:MAX_PROXIES]

    async def _ask(self, item: Item) -> tuple[Streamhost, ...]:
        try:
            info = await self._binding.request(item.jid, DiscoInfo(), kind="get", timeout=QUERY_TIMEOUT)
            if not isinstance(info, DiscoInfo) or not any(
                (identity.category, identity.type) == ("proxy", "bytestreams") for identity in info.identities
            ):
                return ()
            answer = await self._binding.request(item.jid, BytestreamsQuery(), kind="get", timeout=QUERY_TIMEOUT)
        except SignallingError as exc:
            log.debug("%s is no proxy that we could use: %s", item.jid, exc)
            return ()
        return answer.streamhosts if isinstance(answer, BytestreamsQuery) else ()
