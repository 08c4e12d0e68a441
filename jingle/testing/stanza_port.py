"""An XMPP network in memory: `StanzaPort`s that reach each other, with delays, limits and errors to order.

    network = MemoryNetwork(delay=0.01)
    romeo = network.join("romeo@montague.example/orchard")
    juliet = network.join("juliet@capulet.example/balcony")

Payloads are written to XML and read again on the way, as between two machines.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from xml.etree import ElementTree as ET

from ..elements.declare import Element, parse, to_string
from ..elements.s5b import Streamhost
from ..errors import ProtocolError, SignallingError

Handler = Callable[[str, Element], Awaitable[Element | None]]


class MemoryNetwork:
    """The servers between the ports.

    Args:
        delay: Seconds that a stanza takes, one way.
        rate: Bytes a second that each port may send, as a server's limits allow; `None` for no limit.
    """

    def __init__(self, *, delay: float = 0.0, rate: float | None = None) -> None:
        self.delay, self.rate = delay, rate
        self.ports: dict[str, MemoryStanzaPort] = {}

    def join(self, jid: str, *, proxies: Sequence[Streamhost] = ()) -> MemoryStanzaPort:
        """Come online as `jid`, on a server that offers `proxies`."""
        port = self.ports[jid] = MemoryStanzaPort(self, jid, proxies)
        return port


class MemoryStanzaPort:
    """One entity on a `MemoryNetwork`; implements `StanzaPort`.

    Attributes:
        jid: Its address.
        requests: Every payload that it sent, with its recipient, in order.
        in_flight: Requests without an answer so far.
        most_in_flight: The most there have been.
        refuse: Asked for each request that arrives here; what it returns is answered in place of the handler.
    """

    def __init__(self, network: MemoryNetwork, jid: str, proxies: Sequence[Streamhost]) -> None:
        self._network, self.jid = network, jid
        self._proxies = tuple(proxies)
        self._handlers: dict[str, Handler] = {}
        self._sending_until = self._last_arrival = 0.0
        self.requests: list[tuple[str, Element]] = []
        self.in_flight = self.most_in_flight = 0
        self.refuse: Callable[[Element], SignallingError | None] = lambda payload: None

    async def request(self, to: str, payload: Element, *, kind: str = "set", timeout: float = 30) -> Element | None:
        """Send an IQ; see `StanzaPort.request`."""
        source = to_string(payload)
        self.requests.append((to, payload))
        arrival = self._arrival(len(source))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            async with asyncio.timeout(timeout):
                await _at(arrival)
                answer = await self._deliver(to, ET.fromstring(source))
                await asyncio.sleep(self._network.delay)
                return answer
        except TimeoutError:
            raise SignallingError("timeout", f"{to} did not answer within {timeout:g} s") from None
        finally:
            self.in_flight -= 1

    def _arrival(self, size: int) -> float:
        """When a stanza of `size` bytes reaches its recipient, on the loop's clock: never before an earlier one."""
        now = asyncio.get_running_loop().time()
        if self._network.rate is not None:
            self._sending_until = max(now, self._sending_until) + size / self._network.rate
        self._last_arrival = max(
            max(now, self._sending_until) + self._network.delay, math.nextafter(self._last_arrival, math.inf)
        )
        return self._last_arrival

    async def _deliver(self, to: str, xml: ET.Element) -> Element | None:
        payload = parse(xml)
        recipient = self._network.ports.get(to)
        if recipient is None:
            raise SignallingError("item-not-found", f"{to} is not here")
        refusal = recipient.refuse(payload)
        if refusal is not None:
            raise refusal
        handler = recipient._handlers.get(xml.tag[1:].partition("}")[0])
        if handler is None:
            raise SignallingError("service-unavailable")
        try:
            answer = await handler(self.jid, payload)
        except ProtocolError as exc:
            raise SignallingError(exc.condition, exc.text, jingle=exc.jingle) from None
        return parse(ET.fromstring(to_string(answer))) if answer is not None else None

    def on_request(self, namespace: str, handler: Handler) -> Callable[[], None]:
        """Hand requests in `namespace` to `handler`; see `StanzaPort.on_request`."""
        assert namespace not in self._handlers, f"somebody handles {namespace} already"
        self._handlers[namespace] = handler

        def remove() -> None:
            self._handlers.pop(namespace, None)

        return remove

    async def find_proxies(self) -> Sequence[Streamhost]:
        """The proxies that were given to `MemoryNetwork.join`."""
        await asyncio.sleep(self._network.delay)
        return self._proxies

    def leave(self) -> None:
        """Go offline: whoever sends something gets `item-not-found`."""
        self._network.ports.pop(self.jid, None)


async def _at(when: float) -> None:
    """Return at `when` on the loop's clock, and in the order of those times, which `asyncio.sleep` does not promise."""
    loop = asyncio.get_running_loop()
    reached: asyncio.Future[None] = loop.create_future()

    def arrive() -> None:
        if not reached.done():
            reached.set_result(None)

    timer = loop.call_at(when, arrive)
    try:
        await reached
    finally:
        timer.cancel()
