"""A slixmpp stream without a network: a test says what arrives and sees what leaves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree as ET

from slixmpp import ClientXMPP, ComponentXMPP
from slixmpp.basexmpp import BaseXMPP

OWN = "juliet@capulet.example/balcony"
PEER = "romeo@montague.example/orchard"
COMPONENT = "calls.capulet.example"


class Wire:
    """One end of a stream.

    Attributes:
        xmpp: The slixmpp object.
        sent: What left, in order.
    """

    def __init__(self, xmpp: BaseXMPP) -> None:
        self.xmpp = xmpp
        self.sent: asyncio.Queue[ET.Element] = asyncio.Queue()
        xmpp._always_send_everything = True
        stream: Any = xmpp
        stream.send_raw = self._leave
        stream.session_bind_event.set()
        self._sender = asyncio.ensure_future(xmpp.run_filters())

    def _leave(self, data: str) -> None:
        stream = f"<stream xmlns='{self.xmpp.default_ns}' xmlns:stream='http://etherx.jabber.org/streams'>"
        self.sent.put_nowait(ET.fromstring(f"{stream}{data}</stream>")[0])

    async def take(self) -> ET.Element:
        """The next stanza that leaves."""
        return await asyncio.wait_for(self.sent.get(), 2)

    async def silence(self) -> None:
        """Nothing leaves."""
        for _ in range(10):
            await asyncio.sleep(0)
        assert self.sent.empty(), ET.tostring(self.sent.get_nowait())

    def receive(self, xml: str) -> None:
        """Let a stanza arrive."""
        self.xmpp._spawn_event(ET.fromstring(f"<stream xmlns='{self.xmpp.default_ns}'>{xml}</stream>")[0])

    async def aclose(self) -> None:
        self._sender.cancel()
        await asyncio.gather(self._sender, return_exceptions=True)
        for name in list(self.xmpp.scheduled_events):
            self.xmpp.cancel_schedule(name)


def client(jid: str = OWN) -> ClientXMPP:
    """A client with an empty trust store: reading the system's takes 0.1 s."""
    return ClientXMPP(jid, "secret", ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@asynccontextmanager
async def wired(xmpp: BaseXMPP | None = None) -> AsyncIterator[Wire]:
    wire = Wire(xmpp or client())
    try:
        yield wire
    finally:
        await wire.aclose()


def component() -> ComponentXMPP:
    return ComponentXMPP(COMPONENT, "secret", "127.0.0.1", 1)
