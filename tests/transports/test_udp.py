"""UDP many datagrams at a time, and the same where the system cannot."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jingle.transports import udp
from jingle.transports.udp import DatagramsProtocol, UdpTransport, open_udp

from .dtls_pair import eventually


class Box(DatagramsProtocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.batches = 0
        self.errors: list[Exception] = []
        self.is_lost = False
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagrams_received(self, datagrams: list[bytes], address: tuple[Any, ...]) -> None:
        self.datagrams += datagrams
        self.batches += 1

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


@asynccontextmanager
async def two(address: str = "127.0.0.1") -> AsyncIterator[tuple[UdpTransport, UdpTransport, Box]]:
    ours, _ = await open_udp(Box, address)
    theirs, box = await open_udp(Box, address)
    assert isinstance(ours, UdpTransport)
    assert isinstance(theirs, UdpTransport)
    yield ours, theirs, box
    for transport in (ours, theirs):
        transport.close()
        transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert box.is_lost
    assert theirs.is_closing()


def address_of(transport: UdpTransport) -> tuple[Any, ...]:
    address: tuple[Any, ...] = transport.get_extra_info("sockname")
    return address


def numbered(count: int, size: int, last: int) -> list[bytes]:
    return [bytes([n]) * (last if n == count - 1 else size) for n in range(count)]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize(("count", "size", "last"), [(1, 1200, 1200), (40, 1200, 1200), (40, 1200, 1), (3, 5, 2)])
async def test_runs_arrive_as_they_were(address: str, count: int, size: int, last: int) -> None:
    datagrams = numbered(count, size, last)
    async with two(address) as (ours, theirs, box):
        ours.send_many(b"".join(datagrams), size, address_of(theirs))
        await eventually(lambda: len(box.datagrams) == count)
        assert box.datagrams == datagrams
        ours.sendto(b"one more", address_of(theirs))
        await eventually(lambda: box.datagrams[-1] == b"one more")


async def test_it_works_where_the_system_knows_no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "elsewhere")
    datagrams = numbered(20, 1000, 10)
    async with two() as (ours, theirs, box):
        ours.send_many(b"".join(datagrams), 1000, address_of(theirs))
        await eventually(lambda: len(box.datagrams) == 20)
        assert box.datagrams == datagrams


class Stubborn:
    """A socket that refuses at first."""

    def __init__(self, sock: socket.socket, error: int) -> None:
        self.sock, self.error, self.refused = sock, error, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def sendmsg(self, *arguments: Any) -> int:
        self.refused += 1
        raise OSError(self.error, "")

    def sendto(self, *arguments: Any) -> int:
        if self.error == errno.EAGAIN and self.refused < 3:
            self.refused += 1
            raise BlockingIOError(errno.EAGAIN, "")
        return self.sock.sendto(*arguments)


@pytest.mark.parametrize("error", [errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.EAGAIN])
async def test_a_path_without_runs_and_a_full_kernel(error: int) -> None:
    datagrams = numbered(10, 1000, 1000)
    async with two() as (ours, theirs, box):
        ours._sock = stubborn = Stubborn(ours._sock, error)  # type: ignore[assignment]
        ours.send_many(b"".join(datagrams), 1000, address_of(theirs))
        await eventually(lambda: len(box.datagrams) == 10)
        assert box.datagrams == datagrams
        assert stubborn.refused


async def test_what_waits_for_the_kernel_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "MAX_UNSENT", 5000)
    async with two() as (ours, theirs, box):
        ours._sock = Stubborn(ours._sock, errno.EAGAIN)  # type: ignore[assignment]
        for _ in range(50):
            ours.sendto(bytes(1000), address_of(theirs))
        await eventually(lambda: len(box.datagrams) == 5)


async def test_empty_datagrams_and_floods_hold_nobody_up() -> None:
    async with two() as (ours, theirs, box):
        flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for n in range(150):
            flood.sendto(bytes(n % 2), address_of(theirs))
        flood.close()
        turns = 0
        while box.batches < 100 and turns < 1000:
            before = box.batches
            await asyncio.sleep(0)
            assert box.batches - before <= udp.MAX_TAKEN
            turns += 1
        assert box.datagrams.count(b"\0") >= 50


async def test_an_error_of_the_network_is_reported() -> None:
    async with two() as (ours, _, _box):
        protocol = ours._protocol
        assert isinstance(protocol, Box)
        ours.sendto(bytes(70000), address_of(ours))  # larger than any datagram
        assert [type(error) for error in protocol.errors] == [OSError]


async def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(OSError, match="assign"):
        await open_udp(Box, "192.0.2.77")


async def test_where_sockets_know_no_recvmsg_asyncio_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "HAS_RECVMSG", False)
    transport, box = await open_udp(Box, "127.0.0.1")
    assert not isinstance(transport, UdpTransport)
    assert box.transport is transport
    transport.close()
    await asyncio.sleep(0)
