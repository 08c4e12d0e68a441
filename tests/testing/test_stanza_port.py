from __future__ import annotations

import asyncio

import pytest

from jingle.elements.declare import Element
from jingle.elements.ibb import NS_IBB, Close, Data
from jingle.elements.s5b import Streamhost
from jingle.errors import RemoteProtocolError, SignallingError
from jingle.testing.stanza_port import MemoryNetwork

ROMEO, JULIET = "romeo@montague.example/orchard", "juliet@capulet.example/balcony"


async def echo(sender: str, payload: Element) -> Element | None:
    assert sender == ROMEO
    return payload


async def test_a_request_crosses_as_xml_and_is_answered() -> None:
    network = MemoryNetwork()
    port = network.join(ROMEO)
    network.join(JULIET).on_request(NS_IBB, echo)
    answer = await port.request(JULIET, Close(sid="s"))
    assert answer == Close(sid="s")
    assert port.requests == [(JULIET, Close(sid="s"))]


async def test_nobody_there_nobody_listening_and_errors() -> None:
    network = MemoryNetwork()
    port = network.join(ROMEO)

    async def conditions() -> str:
        with pytest.raises(SignallingError) as raised:
            await port.request(JULIET, Close(sid="s"))
        return raised.value.condition

    assert await conditions() == "item-not-found"
    other = network.join(JULIET)
    assert await conditions() == "service-unavailable"

    async def refusing(sender: str, payload: Element) -> Element | None:
        raise RemoteProtocolError("no", condition="not-acceptable")

    remove = other.on_request(NS_IBB, refusing)
    assert await conditions() == "not-acceptable"
    other.refuse = lambda payload: SignallingError("forbidden")
    assert await conditions() == "forbidden"
    other.refuse = lambda payload: None
    remove()
    assert await conditions() == "service-unavailable"
    other.leave()
    assert await conditions() == "item-not-found"


async def test_no_answer_in_time() -> None:
    network = MemoryNetwork(delay=10)
    with pytest.raises(SignallingError) as raised:
        await network.join(ROMEO).request(JULIET, Close(sid="s"), timeout=0.01)
    assert raised.value.condition == "timeout"


@pytest.mark.parametrize("rate", [None, 1e6])
async def test_requests_arrive_in_order_and_are_handled_side_by_side(rate: float | None) -> None:
    network = MemoryNetwork(delay=0.001, rate=rate)
    port = network.join(ROMEO)
    arrived: list[int] = []

    async def slowly(sender: str, payload: Element) -> Element | None:
        assert isinstance(payload, Data)
        arrived.append(payload.seq)
        await asyncio.sleep(0.02)
        return None

    network.join(JULIET).on_request(NS_IBB, slowly)
    async with asyncio.timeout(1):
        await asyncio.gather(*(port.request(JULIET, Data(seq=seq, sid="s", data=b"x")) for seq in range(200)))
    assert arrived == list(range(200))
    assert port.most_in_flight == 200
    assert port.in_flight == 0


async def test_a_limit_is_kept() -> None:
    network = MemoryNetwork(rate=100_000)
    port = network.join(ROMEO)
    network.join(JULIET).on_request(NS_IBB, echo)
    started = asyncio.get_running_loop().time()
    block = Data(seq=0, sid="s", data=bytes(3000))  # four kilobytes as base64
    await asyncio.gather(*(port.request(JULIET, block) for _ in range(3)))
    assert 0.12 <= asyncio.get_running_loop().time() - started < 1


async def test_proxies_of_the_server() -> None:
    proxy = Streamhost(jid="proxy.example", host="192.0.2.1", port=7777)
    network = MemoryNetwork()
    assert await network.join(ROMEO, proxies=[proxy]).find_proxies() == (proxy,)
    assert await network.join(JULIET).find_proxies() == ()
