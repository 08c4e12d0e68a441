"""Streaming transports in pairs, and a conformance check for what they connect.

pair = StreamPair(S5bTransport, network=MemoryNetwork())
async with pair.connected() as (ours, theirs):
    await check_byte_stream(ours, theirs)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ..elements.core import Role
from ..elements.declare import Element
from ..transports.base import ByteStream, Transport, TransportContext, TransportOptions
from .links import no_servers, over_the_wire
from .stanza_port import MemoryNetwork, MemoryStanzaPort

ROMEO, JULIET = "romeo@montague.example/orchard", "juliet@capulet.example/balcony"


class StreamPair:
    """Two transports of one content, the initiator's and the responder's; every element crosses as XML.

    Args:
        make: The transport's class, or what makes one of a context.
        network: What both are online on; who is not there yet joins without proxies.
        options: What both users decided; loopback candidates if `None`.
        responder_options: What the responder's user decided, where that differs.
        make_responder: What makes the responder's transport, where that differs.

    Attributes:
        initiator: The initiator's transport.
        responder: The responder's transport.
        infos: All transport-infos so far, each with the role of its sender.
        change_info: Looks at each transport-info on its way; `None` from it loses it.
    """

    def __init__(
        self,
        make: Callable[[TransportContext], Transport],
        *,
        network: MemoryNetwork | None = None,
        options: TransportOptions | None = None,
        responder_options: TransportOptions | None = None,
        make_responder: Callable[[TransportContext], Transport] | None = None,
    ) -> None:
        self.network = network or MemoryNetwork()
        self.infos: list[tuple[Role, Element]] = []
        self.change_info: Callable[[Role, Element], Element | None] = lambda role, payload: payload
        self._wire: asyncio.Queue[tuple[Role, Element]] = asyncio.Queue()
        self._carrier: asyncio.Task[None] | None = None
        options = options or TransportOptions(loopback=True)
        self.initiator = make(self._context(Role.INITIATOR, options))
        self.responder = (make_responder or make)(self._context(Role.RESPONDER, responder_options or options))

    def _context(self, role: Role, options: TransportOptions) -> TransportContext:
        local, remote = (ROMEO, JULIET) if role is Role.INITIATOR else (JULIET, ROMEO)

        def send_info(payload: Element) -> None:
            self.infos.append((role, payload))
            self._wire.put_nowait((role, payload))

        return TransportContext(
            role=role,
            local=local,
            remote=remote,
            sid="a73sjjvkla37jfea",
            port=self.port(local),
            options=options,
            send_info=send_info,
            ice_servers=no_servers,
        )

    def port(self, jid: str) -> MemoryStanzaPort:
        """The stanza port of `jid`."""
        return self.network.ports.get(jid) or self.network.join(jid)

    async def negotiate(self) -> None:
        """Offer and answer; from now on transport-infos are delivered too.

        Raises:
            TransportFailed: A side refused what the other described.
        """
        await self.responder.accept(over_the_wire(await self.initiator.describe()))
        await self.initiator.accept(over_the_wire(await self.responder.describe()))
        self._carrier = asyncio.ensure_future(self._carry())

    async def _carry(self) -> None:
        while True:
            sender, payload = await self._wire.get()
            await asyncio.sleep(self.network.delay)
            changed = self.change_info(sender, payload)
            if changed is not None:
                receiver = self.responder if sender is Role.INITIATOR else self.initiator
                await receiver.info(over_the_wire(changed))

    async def connect(self) -> tuple[ByteStream, ByteStream]:
        """Negotiate and connect both sides; the initiator's stream comes first.

        Raises:
            TransportFailed: They could not connect.
        """
        await self.negotiate()
        connecting = [asyncio.ensure_future(side.connect()) for side in (self.initiator, self.responder)]
        try:
            ours, theirs = await asyncio.gather(*connecting)
        except BaseException:
            for task in connecting:
                task.cancel()
            await asyncio.gather(*connecting, return_exceptions=True)
            raise
        return ours, theirs

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[ByteStream, ByteStream]]:
        """Connect, and close everything at the end."""
        try:
            yield await self.connect()
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close both sides."""
        if self._carrier is not None:
            self._carrier.cancel()
            await asyncio.gather(self._carrier, return_exceptions=True)
        await self.initiator.aclose()
        await self.responder.aclose()


async def send_all(stream: ByteStream, data: bytes, *, piece: int = 1 << 16) -> None:
    """Send `data` in pieces, and end our side."""
    view = memoryview(data)
    for start in range(0, len(view), piece):
        await stream.send(view[start : start + piece])
    await stream.send_eof()


async def receive_all(stream: ByteStream, *, piece: int = 1 << 16) -> bytes:
    """Receive until the peer ends its side."""
    buffer, data = memoryview(bytearray(piece)), bytearray()
    while count := await stream.receive_into(buffer):
        data += buffer[:count]
    return bytes(data)


async def receive_exactly(stream: ByteStream, count: int) -> bytes:
    """Receive `count` bytes; fewer come back where the peer ends its side before."""
    buffer = memoryview(bytearray(count))
    got = 0
    while got < count and (more := await stream.receive_into(buffer[got:])):
        got += more
    return bytes(buffer[:got])


async def check_byte_stream(ours: ByteStream, theirs: ByteStream, *, size: int = 300_000, seed: int = 1) -> None:
    """Check what `ByteStream` promises on two connected ends; both are closed afterwards.

    Raises:
        AssertionError: A promise is broken.
    """
    noise = random.Random(seed)
    forth, back = noise.randbytes(size), noise.randbytes(size)
    # Both ways at once, in pieces that match neither each other nor any block.
    await asyncio.gather(ours.send(b""), theirs.send(bytearray(b"")))
    _, received = await asyncio.gather(ours.send(memoryview(forth)), receive_exactly(theirs, size))
    assert received == forth, "what arrived is not what was sent"
    _, _, at_ours, at_theirs = await asyncio.gather(
        send_all(ours, forth, piece=7919),
        theirs.send(back),
        receive_exactly(ours, size),
        receive_all(theirs, piece=997),
    )
    assert (at_ours, at_theirs) == (back, forth), "both ways at once, something got lost or mixed"
    # Our side has ended; theirs goes on (half-closed).
    _, rest = await asyncio.gather(send_all(theirs, back[:1000]), receive_all(ours))
    assert rest == back[:1000], "after send_eof() nothing is received any more"
    assert await ours.receive_into(memoryview(bytearray(1))) == 0, "the end is not there for good"
    for stream in (ours, theirs, ours, theirs):
        await stream.aclose()
