from __future__ import annotations

import asyncio
import socket
import struct
import threading

import pytest
from aioice import stun

from jingle.transports import ice_gathering
from jingle.transports.ice_gathering import (
    MAX_ADDRESSES,
    IceSocket,
    ask_reflexive,
    foundation,
    local_addresses,
    make_candidate,
    open_host,
    resolve,
)

from .ice_helpers import only_loopback, stun_server


class Receiver:
    """What a socket reports to."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.requests: list[stun.Message] = []

    def data_received(self, data: bytes, component: int) -> None:
        self.data.append(data)

    def request_received(self, message: stun.Message, addr: tuple[str, int], protocol: object) -> None:
        self.requests.append(message)

    def protocol_lost(self, protocol: object) -> None:
        pass


def make_socket(receiver: Receiver) -> IceSocket:
    return IceSocket(receiver)  # type: ignore[arg-type]


def test_loopback_comes_last_and_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch, "192.0.2.2", "127.0.0.2", "2001:db8::2")
    assert local_addresses(loopback=False) == ["192.0.2.2", "2001:db8::2"]
    assert local_addresses(loopback=True) == ["192.0.2.2", "2001:db8::2", "127.0.0.1", "::1"]


def test_loopback_is_used_when_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)
    assert local_addresses(loopback=False) == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("loopback", [False, True])
def test_addresses_are_bounded(monkeypatch: pytest.MonkeyPatch, loopback: bool) -> None:
    only_loopback(monkeypatch, *(f"192.0.2.{n}" for n in range(1, 60)))
    addresses = local_addresses(loopback=loopback)
    assert len(addresses) == MAX_ADDRESSES
    assert ("127.0.0.1" in addresses) is loopback


def test_foundations_are_numbers_and_tell_kinds_bases_and_servers_apart() -> None:
    seen = {
        foundation(kind, base, server)
        for kind in ("host", "relay")
        for base in ("192.0.2.1", "::1")
        for server in ("", "x")
    }
    assert len(seen) == 8
    assert all(value.isdigit() and len(value) <= 32 for value in seen)


@pytest.mark.parametrize(
    ("kind", "rank", "priority"),
    [("host", 0, 2130706431), ("srflx", 0, 1694498815), ("host", 1, 2130706175), ("relay", 0, 16777215)],
)
def test_priorities_follow_the_formula(kind: str, rank: int, priority: int) -> None:
    """The first two are those of XEP-0176's example 1."""
    assert make_candidate(kind, ("192.0.2.1", 1), base="192.0.2.1", rank=rank).priority == priority


async def test_a_name_is_resolved_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [
        (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("2001:db8::1", 3478, 0, 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 3478)),
        (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("192.0.2.1", 3478)),
    ]
    threads = []

    def getaddrinfo(*args: object, **kwargs: object) -> object:
        threads.append(threading.current_thread())
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert await resolve("stun.example", 3478) == (("2001:db8::1", 3478), ("192.0.2.1", 3478))
    assert threads[0].daemon


@pytest.mark.parametrize("name", ["192.0.2.7", "::1"])
async def test_an_address_needs_no_resolver(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert await resolve(name, 5) == ((name, 5),)


@pytest.mark.parametrize("error", [socket.gaierror("unknown"), UnicodeError("label too long")])
async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def getaddrinfo(*args: object, **kwargs: object) -> object:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(type(error)):
        await resolve("nowhere.example", 3478)


async def test_a_resolver_that_hangs_can_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: done.wait(10) and [])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(resolve("slow.example", 3478), 0.05)
    done.set()  # its late answer finds nobody waiting
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("attribute", ["XOR-MAPPED-ADDRESS", "MAPPED-ADDRESS"])
async def test_a_stun_server_tells_the_translated_address(address: str, attribute: str) -> None:
    protocol = await open_host(lambda: make_socket(Receiver()), address, rank=0)
    async with stun_server(address, attribute) as (server, _):
        found = await ask_reflexive(protocol, (server.host, server.port), rank=0)
    await protocol.close()
    assert found is not None
    assert (found.type, found.host) == ("srflx", "203.0.113.7")
    assert (found.related_address, found.related_port) == (address, protocol.local_candidate.port)


async def test_an_address_that_is_not_translated_gives_no_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = await open_host(lambda: make_socket(Receiver()), "127.0.0.1", rank=0)

    async def request(*args: object) -> tuple[stun.Message, tuple[str, int]]:
        response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)
        response.attributes["XOR-MAPPED-ADDRESS"] = ("127.0.0.1", protocol.local_candidate.port)
        return response, ("127.0.0.1", 3478)

    monkeypatch.setattr(protocol, "request", request)
    assert await ask_reflexive(protocol, ("127.0.0.1", 3478), rank=0) is None
    await protocol.close()


def binding_request() -> bytes:
    return bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))


MALFORMED = struct.pack("!HHI12s", 1, 8, stun.COOKIE, bytes(12)) + struct.pack("!HH", 0x24, 2) + b"\1\2\0\0"
"""A PRIORITY of two bytes: aioice unpacks four, and raises `struct.error`."""


def test_what_arrives_is_told_apart_and_never_raises() -> None:
    receiver = Receiver()
    sock = ice_gathering.IceSocket.__new__(ice_gathering.IceSocket)
    sock.receiver, sock.transactions, sock.id = receiver, {}, 0  # type: ignore[assignment]
    dtls, rtp = b"\x16\xfe\xff", b"\x80\x00"
    for datagram in (b"", MALFORMED, MALFORMED[:21], b"\0", dtls, rtp, binding_request(), "text"):
        sock.datagram_received(datagram, ("192.0.2.1", 1))
    with pytest.raises(struct.error):
        stun.parse_message(MALFORMED)
    assert receiver.data == [dtls, rtp]
    assert len(receiver.requests) == 1
