"""A whole client whose far end is the test: what comes in is what a test says, what goes out is there to be looked at.

Connections are made at once and carry nothing but the bytes of files.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable
from typing import Any
from xml.etree import ElementTree as ET

import jingle
from jingle.client.connect import bind
from jingle.elements.core import Action, Jingle
from jingle.elements.declare import Element
from jingle.elements.initiation import Initiation
from jingle.errors import TransportFailed
from jingle.testing.byte_streams import MemoryByteStream, memory_pair
from jingle.transports.base import Transport, TransportOptions
from jingle.transports.datachannel import DataChannelTransport
from jingle.transports.ibb import IbbStreamTransport
from jingle.transports.ice_udp import IceUdpTransport
from jingle.transports.s5b import S5bTransport
from tests.elements.transcripts import payload_of
from tests.signalling.wire import Wire, client, wired

from .silence import SilentLink

WAIT = 10.0
INFO = "http://jabber.org/protocol/disco#info"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
US, PEER = "us@localhost/r", "peer@localhost/r"


class FarEnd:
    """The client, and the other end of its stream.

    Attributes:
        peer: The client.
        ours: What it sent: Jingle and messages about it, in order.
        stanzas: The same as XML, stanzas and all.
        messages: Every message that it sent, as XML.
        events: What its program was told.
        features: What whoever it asks can do.
        refuse: The error that requests of ours get from now on; `None` for no answer at all.
        refused: Which action alone gets it.
        is_reachable: Whether streams for files can be connected.
        streams: The other ends of those that were.
    """

    def __init__(self, wire: Wire) -> None:
        self.ours: list[Jingle | Initiation] = []
        self.stanzas: list[ET.Element] = []
        self.messages: list[ET.Element] = []
        self.events: list[jingle.Event] = []
        self.features: set[str] = set()
        self.refuse: str | None = ""
        self.refused: Action | None = None
        self.is_reachable = True
        self.streams: asyncio.Queue[MemoryByteStream] = asyncio.Queue()
        self.wire = wire
        self._news = asyncio.Condition()
        self._answers: dict[str, asyncio.Future[ET.Element]] = {}
        self._ids = itertools.count(1)
        self._reader = asyncio.ensure_future(self._read())
        self.peer = bind(
            wire.xmpp,
            options=TransportOptions(loopback=True),
            transports=self._transports(),
            allow=["*"],
            on_event=self.events.append,
        )
        self.peer.listen()

    # What comes in

    async def give(self, stanza: ET.Element, *, sender: str = PEER) -> ET.Element | None:
        """Let a stanza come in; an IQ's answer comes back."""
        stanza.set("from", sender)
        stanza.set("to", str(self.wire.xmpp.boundjid.full))
        stanza.set("id", stanza.get("id") or f"given{next(self._ids)}")
        text = ET.tostring(stanza, encoding="unicode")
        if not stanza.tag.endswith("iq"):
            self.wire.receive(text)
            return None
        answer = self._answers[stanza.get("id", "")] = asyncio.get_running_loop().create_future()
        self.wire.receive(text)
        return await asyncio.wait_for(answer, WAIT)

    async def jingle(self, xml: str, *, sender: str = PEER) -> list[str]:
        """Let an IQ with this `<jingle/>` come in; the conditions of the error come back, none for a result."""
        reply = await self.give(ET.fromstring(f"<iq xmlns='jabber:client' type='set'>{xml}</iq>"), sender=sender)
        assert reply is not None
        assert reply.get("type") in ("result", "error")
        return [part.tag.partition("}")[2] for error in reply for part in error if not part.tag.endswith("}text")]

    async def message(self, xml: str, *, sender: str = PEER, head: str = "type='chat'") -> None:
        """Let a message with this payload come in."""
        await self.give(ET.fromstring(f"<message xmlns='jabber:client' {head}>{xml}</message>"), sender=sender)

    # What goes out

    async def said(self, what: Any, *, count: int = 1) -> Any:
        """Wait until we have sent so many of a kind: an action, a message, the payload of a session-info; the last."""
        async with self._news:
            try:
                async with asyncio.timeout(WAIT):
                    await self._news.wait_for(lambda: len(self._said(what)) >= count)
            except TimeoutError:
                told = [event.as_dict() for event in self.events]
                raise AssertionError(f"we did not say {what}, only {self.ours}, and {told}") from None
        return self._said(what)[count - 1]

    def _said(self, what: Any) -> list[Jingle | Initiation]:
        if isinstance(what, Action):
            return [each for each in self.ours if isinstance(each, Jingle) and each.action is what]
        return [each for each in self.ours if isinstance(each, what) or _holds(each, what)]

    async def offered(self) -> Any:
        """The next thing that we are offered."""
        async with asyncio.timeout(WAIT):
            async for offer in self.peer.incoming():
                return offer
        raise AssertionError

    def told(self, name: str) -> list[dict[str, Any]]:
        """What the program was told of one kind."""
        return [dict(event.fields) for event in self.events if event.name == name]

    async def _read(self) -> None:
        while True:
            stanza = await self.wire.sent.get()
            kind, name = stanza.get("type"), stanza.tag.rpartition("}")[2]
            if name == "iq" and kind in ("result", "error"):
                answer = self._answers.pop(stanza.get("id", ""), None)
                if answer is not None:
                    answer.set_result(stanza)
            elif name == "iq":
                self.answer(stanza)
            elif name == "message":
                self.messages.append(stanza)
            payload = payload_of(stanza)
            if isinstance(payload, (Jingle, Initiation)):
                async with self._news:
                    self.ours.append(payload)
                    self.stanzas.append(stanza)
                    self._news.notify_all()

    def answer(self, stanza: ET.Element) -> None:
        """Answer a request of ours as the server and a conforming peer do."""
        if stanza.get("type") == "set":
            payload = payload_of(stanza)
            is_meant = isinstance(payload, Jingle) and self.refused in (None, payload.action)
            if not is_meant or self.refuse == "":
                self.reply(stanza)
            elif self.refuse is not None:
                self.reply(stanza, self.refuse, kind="error")
        elif stanza.find(f"{{{INFO}}}query") is not None and "/" in stanza.get("to", ""):
            found = "".join(f"<feature var='{feature}'/>" for feature in self.features)
            self.reply(stanza, f"<query xmlns='{INFO}'>{found}</query>")
        else:
            self.reply(stanza, f"<error type='cancel'><service-unavailable xmlns='{STANZAS}'/></error>", kind="error")

    def reply(self, stanza: ET.Element, xml: str = "", *, kind: str = "result") -> None:
        """Answer a request of ours."""
        head = f"from='{stanza.get('to', '')}' to='{self.wire.xmpp.boundjid.full}' id='{stanza.get('id')}'"
        self.wire.receive(f"<iq type='{kind}' {head}>{xml}</iq>")

    async def aclose(self) -> None:
        """Close the client."""
        await self.peer.aclose()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    # Connections

    def _transports(self) -> tuple[type[Transport], ...]:
        """Ours, connected as soon as both sides have described themselves."""
        end = self

        class Ice(IceUdpTransport):
            async def connect(self) -> Any:
                return SilentLink()

        class Channel(DataChannelTransport):
            async def connect(self) -> Any:
                return end._stream()

        class Socks(S5bTransport):
            async def connect(self) -> Any:
                return end._stream()

        return (Ice, Socks, Channel, IbbStreamTransport)

    def _stream(self) -> MemoryByteStream:
        if not self.is_reachable:
            raise TransportFailed("nobody was reached")
        near, far = memory_pair()
        self.streams.put_nowait(far)
        return near


def _holds(said: Jingle | Initiation, kind: type[Element] | tuple[type[Element], ...]) -> bool:
    payloads: Iterable[Element] = said.payloads if isinstance(said, Jingle) else ()
    return any(isinstance(payload, kind) for payload in payloads)


@contextlib.asynccontextmanager
async def wired_client(jid: str = US) -> AsyncIterator[Wire]:
    """The stream of a client with this full JID."""
    xmpp = client(jid)
    xmpp.register_plugin("xep_0030")
    async with wired(xmpp) as wire:
        yield wire


@contextlib.asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    """A client, until the block ends."""
    async with wired_client() as wire:
        end = FarEnd(wire)
        try:
            yield end
        finally:
            await end.aclose()
