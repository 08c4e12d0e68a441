"""Two connected ICE-UDP transports within one process: real sockets on loopback, signalling in memory.

async with linked_pair() as (ours, theirs):
    ...                             # two `IceDtlsLink`s: RTP senders and receivers go on `.dtls`
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..elements.core import Role
from ..elements.declare import Element, parse, serialize
from ..errors import SignallingError
from ..transports.base import AddressMonitor, IceServer, PathChange, TransportContext, TransportOptions
from ..transports.ice_agent import IceAgent
from ..transports.ice_settings import IceSettings
from ..transports.ice_udp import IceUdpTransport
from ..transports.link import IceDtlsLink


class NoStanzas:
    """A `StanzaPort` for transports that need none: every request fails."""

    async def request(self, to: str, payload: Element, *, kind: str = "set", timeout: float = 30) -> Element | None:
        """Fail like a server that does not know the recipient.

        Raises:
            SignallingError: Always.
        """
        raise SignallingError("item-not-found", to)

    def on_request(
        self, namespace: str, handler: Callable[[str, Element], Awaitable[Element | None]]
    ) -> Callable[[], None]:
        """Accept a handler that will never be called."""
        return lambda: None

    async def find_proxies(self) -> Sequence[Any]:
        """No proxies."""
        return ()


async def no_servers() -> tuple[IceServer, ...]:
    """An XMPP server that offers neither STUN nor TURN."""
    return ()


def make_context(
    role: Role,
    send_info: Callable[[Element], None],
    *,
    options: TransportOptions | None = None,
    ice_servers: Callable[[], Awaitable[tuple[IceServer, ...]]] = no_servers,
    addresses: AddressMonitor | None = None,
    report: Callable[[PathChange], None] = lambda change: None,
) -> TransportContext:
    """The context of a transport whose transport-infos go to `send_info`; loopback only unless `options` say more."""
    names = ("romeo@montague.example/orchard", "juliet@capulet.example/balcony")
    local, remote = names if role is Role.INITIATOR else names[::-1]
    return TransportContext(
        role=role,
        local=local,
        remote=remote,
        sid="a73sjjvkla37jfea",
        port=NoStanzas(),
        options=options or TransportOptions(loopback=True),
        send_info=send_info,
        ice_servers=ice_servers,
        addresses=addresses,
        report=report,
    )


class TransportPair:
    """Two ICE-UDP transports, the initiator's and the responder's, whose transport-infos reach each other.

    Every element crosses as XML, in order, and as a stanza would: later, not within the call that sent it.

    Args:
        options: What both users decided; loopback candidates if `None`.
        settings: Timing of both ICE agents.
        ice_servers: What both XMPP servers offer.
        addresses: Tells both when the addresses of their machines change.

    Attributes:
        initiator: The initiator's transport.
        responder: The responder's transport.
        infos: All transport-infos so far, each with the role of its sender.
        ties: Those of them that were answered with a tie-break.
        changes: What became of their paths, each with the role of who told it.
    """

    def __init__(
        self,
        *,
        options: TransportOptions | None = None,
        settings: IceSettings | None = None,
        ice_servers: Callable[[], Awaitable[tuple[IceServer, ...]]] = no_servers,
        addresses: AddressMonitor | None = None,
    ) -> None:
        self.ties: list[Element] = []
        self.changes: list[tuple[Role, PathChange]] = []
        self.infos: list[tuple[Role, Element]] = []
        self._wire: asyncio.Queue[tuple[Role, Element]] = asyncio.Queue()
        self._carrier: asyncio.Task[None] | None = None
        self.initiator, self.responder = (
            IceUdpTransport(
                make_context(
                    role,
                    self._sender(role),
                    options=options,
                    ice_servers=ice_servers,
                    addresses=addresses,
                    report=self._reporter(role),
                ),
                settings=settings,
            )
            for role in (Role.INITIATOR, Role.RESPONDER)
        )

    def _reporter(self, role: Role) -> Callable[[PathChange], None]:
        return lambda change: self.changes.append((role, change))

    def _sender(self, role: Role) -> Callable[[Element], None]:
        def send(payload: Element) -> None:
            self.infos.append((role, payload))
            self._wire.put_nowait((role, payload))

        return send

    def start_carrying(self) -> None:
        """Deliver transport-infos from now on; until then they wait."""
        self._carrier = self._carrier or asyncio.create_task(self._carry())

    async def _carry(self) -> None:
        while True:
            sender, payload = await self._wire.get()
            receiver = self.responder if sender is Role.INITIATOR else self.initiator
            element = over_the_wire(payload)
            if receiver.crosses(element):
                self.ties.append(element)  # which leaves the sender's restart as it is
            else:
                await receiver.info(element)

    async def negotiate(self) -> None:
        """Offer and answer, each carried as XML; from now on transport-infos are delivered too.

        Raises:
            TransportFailed: A side refused what the other described.
        """
        await self.responder.accept(over_the_wire(await self.initiator.describe()))
        answer = over_the_wire(await self.responder.describe())
        self.start_carrying()
        await self.initiator.accept(answer)

    async def connect(self) -> tuple[IceDtlsLink, IceDtlsLink]:
        """Negotiate and connect both sides.

        Raises:
            TransportFailed: They could not connect.
        """
        await self.negotiate()
        ours, theirs = await asyncio.gather(self.initiator.connect(), self.responder.connect())
        return ours, theirs

    async def aclose(self) -> None:
        """Close both transports."""
        if self._carrier:
            self._carrier.cancel()
            await asyncio.gather(self._carrier, return_exceptions=True)
        await asyncio.gather(self.initiator.aclose(), self.responder.aclose())


def over_the_wire(payload: Element) -> Element:
    """What arrives when `payload` is written as XML and read again."""
    return parse(serialize(payload))


def drop_when(pair: TransportPair, lost: Callable[[bytes], bool]) -> None:
    """Lose every datagram, in both directions, for which `lost(datagram)` is true; STUN is never lost.

    Call it before connecting.
    """
    for transport in (pair.initiator, pair.responder):
        impair(transport.shared.agent, lost)


def impair(agent: IceAgent, lost: Callable[[bytes], bool]) -> None:
    """Lose every datagram that an agent sends for which `lost(datagram)` is true; call it before connecting."""
    send_many = agent.send_many

    def send_many_or_lose(data: bytes, size: int) -> None:
        for start in range(0, len(data), size):
            if not lost(datagram := data[start : start + size]):
                send_many(datagram, size)

    agent.send = _lossy(agent.send, lost)  # type: ignore[method-assign]
    agent.send_many = send_many_or_lose  # type: ignore[method-assign]


def _lossy(send: Callable[[bytes], Awaitable[None]], lost: Callable[[bytes], bool]) -> Any:
    async def send_or_lose(data: bytes) -> None:
        if not lost(data):
            await send(data)

    return send_or_lose


@asynccontextmanager
async def linked_pair(
    *, lost: Callable[[bytes], bool] | None = None, settings: IceSettings | None = None
) -> AsyncIterator[tuple[IceDtlsLink, IceDtlsLink]]:
    """Two connected links, the initiator's first; leaving the block closes both.

    Args:
        lost: Says of each datagram whether it is lost, the DTLS handshake included; `None` loses none.
        settings: Timing of both ICE agents.

    Raises:
        TransportFailed: They could not connect.
    """
    pair = TransportPair(settings=settings)
    if lost:
        drop_when(pair, lost)
    try:
        yield await pair.connect()
    finally:
        await pair.aclose()
