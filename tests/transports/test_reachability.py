"""What STUN servers say of a machine, and which NAT that makes."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from aioice import stun

from jingle.errors import TransportFailed
from jingle.transports import ice_gathering, ice_trickling
from jingle.transports.base import IceServer
from jingle.transports.ice_settings import IceSettings
from jingle.transports.reachability import NatMapping, find_mapping, try_server

from . import ice_helpers
from .ice_helpers import TranslatingStun, dead_server, stun_server

SETTINGS = IceSettings(loopback=True, gather_timeout=0.5)

pytestmark = pytest.mark.usefixtures("nothing_left", "loopback_only")


class Symmetric(TranslatingStun):
    """A STUN server behind a NAT that maps each conversation anew."""

    numbers = itertools.count(1)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = stun.parse_message(data)
        response = stun.Message(request.message_method, stun.Class.RESPONSE, transaction_id=request.transaction_id)
        response.attributes[self.attribute] = ("203.0.113.7", 1024 + next(self.numbers))
        self.transport.sendto(bytes(response), addr)


async def test_behind_a_nat_that_does_the_same_to_all() -> None:
    async with stun_server() as (one, _), stun_server() as (other, _):
        assert await find_mapping([one], SETTINGS) is NatMapping.UNKNOWN
        assert await find_mapping([one, one], SETTINGS) is NatMapping.UNKNOWN
        assert await find_mapping([one, other], SETTINGS) is NatMapping.INDEPENDENT
        reached = await try_server(one, SETTINGS)
        assert reached.address is not None
        assert reached.address.startswith("203.0.113.7:")
        assert 0 <= reached.seconds < 5


async def test_behind_a_symmetric_nat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each server sees another address: RFC 4787 calls it address-dependent."""
    monkeypatch.setattr(ice_helpers, "TranslatingStun", Symmetric)
    async with stun_server() as (one, _), stun_server() as (other, _):
        assert await find_mapping([one, other], SETTINGS) is NatMapping.DEPENDENT


async def test_a_server_that_does_not_answer() -> None:
    with dead_server() as dead:
        with pytest.raises(TransportFailed):
            await try_server(dead, SETTINGS)
        with pytest.raises(TransportFailed, match="no STUN server"):
            await find_mapping([dead], SETTINGS)
        async with stun_server() as (one, _):
            assert await find_mapping([dead, one], SETTINGS) is NatMapping.UNKNOWN


@pytest.mark.parametrize(("scheme", "transport"), [("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")])
async def test_a_relay_that_does_not_answer(scheme: str, transport: str) -> None:
    with dead_server(scheme, transport) as dead, pytest.raises(TransportFailed):
        await try_server(dead, SETTINGS)


async def test_a_name_that_takes_its_time_for_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both together take longer than either may."""

    async def slowly(host: str, port: int) -> tuple[tuple[str, int], ...]:
        await asyncio.sleep(2.1)
        return await ice_gathering.resolve(host, port)

    monkeypatch.setattr(ice_trickling, "resolve", slowly)
    with dead_server() as dead, pytest.raises(TransportFailed):
        await try_server(dead, IceSettings(loopback=True, gather_timeout=2.4))


async def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(TransportFailed):
        await try_server(IceServer(scheme="stun", host="nowhere.invalid", port=3478), SETTINGS)
