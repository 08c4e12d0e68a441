"""The server as an object: where it listens, what it refuses, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

import jingle.demo
from jingle.demo import LoopbackServer
from jingle.errors import LocalProtocolError

from .clients import STARTTLS, Client, Wire


def test_exports() -> None:
    assert "LoopbackServer" in jingle.demo.__all__


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", "", "2001:db8::1"])
def test_only_loopback(host: str) -> None:
    with pytest.raises(LocalProtocolError):
        LoopbackServer(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost"])
async def test_it_listens_where_it_says(host: str) -> None:
    async with LoopbackServer(host=host) as server:
        with socket.create_connection((server.host, server.port)) as probe:
            assert probe.getpeername()[0].startswith("127.0.0.")


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no ::1")
async def test_ipv6_has_the_same_port() -> None:
    async with LoopbackServer() as server:
        with socket.create_connection(("::1", server.port)) as probe:
            assert probe.getpeername()[:2] == ("::1", server.port)


async def test_a_port_that_is_taken() -> None:
    async with LoopbackServer() as first:
        second = LoopbackServer(port=first.port)
        with pytest.raises(OSError, match=str(first.port)):
            await second.start()
        with pytest.raises(LocalProtocolError):
            second.ca_file  # noqa: B018 - it raises


@pytest.mark.parametrize("name", ["", "a b", "a@b", "a/b", "x" * 2000])
def test_impossible_users(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        LoopbackServer(users={name: "x"})


def test_users_once() -> None:
    server = LoopbackServer(users={"a": "x"})
    with pytest.raises(LocalProtocolError):
        server.add_user("A", "y")
    with pytest.raises(LocalProtocolError):
        server.subscribe("a", "b")


async def test_started_once_and_closed_twice() -> None:
    server = LoopbackServer()
    await server.start()
    with pytest.raises(LocalProtocolError):
        await server.start()
    await server.aclose()
    await server.aclose()


async def test_started_again_on_the_same_port_with_the_same_users() -> None:
    server = LoopbackServer(users={"alice": "secret"})
    ports = []
    for _ in range(2):
        async with server:
            ports.append(server.port)
            client = Client(server, "alice@localhost/a")
            await client.go_online()
            await client.hang_up()
    assert ports[0] == ports[1]


async def test_nothing_stays_behind() -> None:
    """Connections in every state: just there, in the middle of TLS, logged in, online, lost and waiting."""
    before = asyncio.all_tasks(), threading.active_count()
    server = LoopbackServer(users={"alice": "secret"})
    await server.start()
    ca_file, port = server.ca_file, server.port
    assert ca_file.exists()
    wires = [await Wire.dial(server) for _ in range(5)]
    await wires[1].open()
    wires[1].send(STARTTLS)
    await wires[1].until(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    await wires[2].log_in(server, "alice", None)
    await wires[3].log_in(server, "alice", "online")
    wires[3].send(b"<presence/>")
    await wires[3].until(b"<presence ")
    await wires[4].log_in(server, "alice", "lost")
    wires[4].send(b"<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    await wires[4].until(b"<enabled ")
    wires[4].cut()
    await asyncio.sleep(0.02)
    closing = asyncio.create_task(server.aclose())
    for wire in wires[2:4]:
        assert b"<system-shutdown " in await wire.rest()
    await asyncio.wait_for(closing, 5)
    for wire in wires:
        await wire.aclose()
    assert asyncio.all_tasks() == before[0]
    assert threading.active_count() == before[1]
    assert not ca_file.parent.exists()
    with pytest.raises(OSError, match="refused|Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_closing_does_not_wait_for_those_who_never_read() -> None:
    server = LoopbackServer(users={"alice": "secret"})
    await server.start()
    wire = await (await Wire.dial(server)).log_in(server, "alice")
    wire.read_nothing()
    ask = b"<iq type='get' id='" + b"q" * 500 + b"' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
    wire.send(ask * 20_000)
    await asyncio.sleep(0.2)
    await asyncio.wait_for(server.aclose(), 4)
    await wire.aclose()


async def test_it_closes_when_its_block_fails() -> None:
    server = LoopbackServer()

    async def fail() -> None:
        async with server:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(OSError, match="refused|Connect call failed"):
        await asyncio.open_connection(server.host, server.port)


async def test_a_cancelled_close_cuts_what_is_left() -> None:
    server = LoopbackServer(users={"alice": "secret"})
    await server.start()
    wire = await (await Wire.dial(server)).log_in(server, "alice")
    wire.read_nothing()
    closing = asyncio.create_task(server.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await server.aclose()
    await wire.aclose()
