"""STUN and TURN servers of the XMPP server (XEP-0215): what is believed, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from jingle.elements.declare import Element
from jingle.elements.services import Credentials, Service, Services
from jingle.errors import SignallingError
from jingle.signalling.services import (
    DEFAULT_LIFETIME,
    MAX_SERVERS,
    REFRESH_MARGIN,
    RETRY_AFTER,
    ExternalServices,
    ice_server,
)
from jingle.transports.base import IceServer

DOMAIN = "capulet.example"
NOW = 1_800_000_000.0


class Server:
    """An XMPP server that gives what the test says, and remembers what it was asked."""

    def __init__(self, *services: Service) -> None:
        self.services: tuple[Service, ...] | Exception = services
        self.credentials: Callable[[Service], Sequence[Service]] = lambda asked: ()
        self.asked: list[Element] = []
        self.elapsed = 0.0
        self.patience = asyncio.Event()
        self.patience.set()

    async def request(self, to: str, payload: Element, *, kind: str = "set", timeout: float = 30) -> Element | None:
        assert (to, kind) == (DOMAIN, "get")
        self.asked.append(payload)
        await self.patience.wait()
        if isinstance(payload, Credentials):
            given = self.credentials(payload.services[0])
            if not given:
                raise SignallingError("item-not-found")
            return Credentials(services=tuple(given))
        if isinstance(self.services, Exception):
            raise self.services
        return Services(services=self.services)

    def on_request(
        self, namespace: str, handler: Callable[[str, Element], Awaitable[Element | None]]
    ) -> Callable[[], None]:
        raise NotImplementedError

    async def find_proxies(self) -> Sequence[Any]:
        raise NotImplementedError

    def external(self) -> ExternalServices:
        return ExternalServices(self, DOMAIN, clock=lambda: self.elapsed, wall_clock=lambda: NOW + self.elapsed)


def turn(*, expires: float | None = None, **fields: Any) -> Service:
    stamp = None if expires is None else datetime.fromtimestamp(NOW + expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    given: dict[str, Any] = {"type": "turn", "host": "relay.example", "username": "u", "password": "p"}
    return Service(**(given | {"expires": stamp} | fields))


STUN = Service(type="stun", host="stun.example", port=3479)


async def test_what_the_server_offers() -> None:
    server = Server(STUN, turn(transport="TCP", port=443), Service(type="ftp", host="files.example"))
    assert await server.external().ice_servers() == (
        IceServer(scheme="stun", host="stun.example", port=3479),
        IceServer(scheme="turn", host="relay.example", port=443, transport="tcp", username="u", password="p"),
    )


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (Service(type="stun", host="h"), ("stun", 3478, "udp")),
        (turn(), ("turn", 3478, "udp")),
        (turn(type="turns"), ("turns", 5349, "tcp")),
        (turn(type="turns", transport="udp"), ("turns", 5349, "tcp")),
        (turn(port=0), ("turn", 3478, "udp")),
        (turn(username=None), None),
        (turn(password=None), None),
        (turn(transport="sctp"), None),
    ],
)
def test_one_service(service: Service, expected: tuple[str, int, str] | None) -> None:
    found = ice_server(service)
    assert (None if found is None else (found.scheme, found.port, found.transport)) == expected


async def test_it_is_asked_once_for_as_long_as_the_answer_is_good() -> None:
    server = Server(STUN)
    external = server.external()
    await asyncio.gather(*(external.ice_servers() for _ in range(3)))
    server.elapsed = DEFAULT_LIFETIME - REFRESH_MARGIN - 1
    await external.ice_servers()
    assert len(server.asked) == 1
    server.elapsed += 2
    await external.ice_servers()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("lifetimes", "good_for"),
    [
        ((300,), 300 - REFRESH_MARGIN),
        ((300, 200), 200 - REFRESH_MARGIN),
        ((40,), 20),
        ((0.5,), 1),
        ((-3600,), 1),
        ((86400,), DEFAULT_LIFETIME - REFRESH_MARGIN),
    ],
)
async def test_credentials_are_fetched_again_before_they_expire(lifetimes: tuple[float, ...], good_for: float) -> None:
    server = Server(STUN, *(turn(expires=lifetime) for lifetime in lifetimes))
    external = server.external()
    await external.ice_servers()
    server.elapsed = good_for - 0.6
    await external.ice_servers()
    assert len(server.asked) == 1
    server.elapsed = good_for + 0.1
    server.services = (turn(password="new"),)
    (fresh,) = await external.ice_servers()
    assert fresh.password == "new"


async def test_credentials_are_asked_for_where_they_are_not_listed() -> None:
    """The answer repeats neither port nor transport (XEP-0215 example 8)."""
    server = Server(STUN, turn(username=None, password=None, port=3479, transport="tcp", restricted=True))
    server.credentials = lambda asked: [
        Service(type="turns", host=asked.host, username="wrong"),
        Service(type=asked.type, host=asked.host, username="u2", password="p2"),
    ]
    assert (await server.external().ice_servers())[1] == IceServer(
        scheme="turn", host="relay.example", port=3479, transport="tcp", username="u2", password="p2"
    )
    assert [type(each) for each in server.asked] == [Services, Credentials]


async def test_the_credentials_expiry_counts() -> None:
    server = Server(turn(username=None, password=None))
    server.credentials = lambda asked: [turn(expires=100)]
    external = server.external()
    await external.ice_servers()
    server.elapsed = 51
    await external.ice_servers()
    assert len(server.asked) == 4


@pytest.mark.parametrize("given", [(), (Service(type="turn", host="elsewhere.example", username="u", password="p"),)])
async def test_without_credentials_a_relay_is_left_out(given: tuple[Service, ...]) -> None:
    server = Server(STUN, turn(username=None, password=None))
    server.credentials = lambda asked: given
    assert [each.scheme for each in await server.external().ice_servers()] == ["stun"]


async def test_credentials_of_several_relays_are_asked_for_at_once() -> None:
    server = Server(*(turn(host=f"relay{n}.example", username=None, password=None) for n in range(3)))
    external = server.external()
    asking = asyncio.ensure_future(external.ice_servers())
    await asyncio.sleep(0)
    server.patience.clear()
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(server.asked) == 4
    server.patience.set()
    assert await asking == ()


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (SignallingError("service-unavailable"), DEFAULT_LIFETIME),
        (SignallingError("timeout"), RETRY_AFTER),
    ],
)
async def test_a_server_that_gives_none_is_asked_again_later(error: SignallingError, pause: float) -> None:
    server = Server()
    server.services = error
    external = server.external()
    assert await external.ice_servers() == ()
    server.services = (STUN,)
    server.elapsed = pause - 1
    assert await external.ice_servers() == ()
    server.elapsed = pause + 1
    assert len(await external.ice_servers()) == 1


async def test_what_was_known_stays_while_nobody_answers() -> None:
    server = Server(STUN)
    external = server.external()
    known = await external.ice_servers()
    server.elapsed, server.services = DEFAULT_LIFETIME, SignallingError("timeout")
    assert await external.ice_servers() == known


async def test_a_hostile_list_is_cut() -> None:
    server = Server(*(Service(type="stun", host=f"{number}.example") for number in range(1000)))
    assert len(await server.external().ice_servers()) == MAX_SERVERS


async def test_an_answer_that_is_something_else() -> None:
    class Odd(Server):
        async def request(self, to: str, payload: Element, **options: Any) -> Element | None:
            return None if not self.asked else payload

    assert await Odd().external().ice_servers() == ()
