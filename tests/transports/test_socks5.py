"""SOCKS5 against plain sockets that speak it byte by byte (RFC 1928, XEP-0065 section 10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.errors import TransportFailed
from jingle.transports import socks5
from jingle.transports.socket_stream import SocketStream
from jingle.transports.socks5 import Listener, Refused, answer, ask_for, connect, destination

from .stream_helpers import stream_pair

NAME = destination("vj3hs98y", "romeo@montague.lit/orchard", "juliet@capulet.lit/balcony")
REQUEST = b"\x05\x01\x00\x03\x28" + NAME.encode() + b"\x00\x00"


def test_the_destination_is_that_of_the_xep() -> None:
    # XEP-0260 section 2.2, both sides' dstaddr of the examples
    assert NAME == "972b7bf47291ca609517f67f86b5081086052dad"
    other = destination("vj3hs98y", "juliet@capulet.lit/balcony", "romeo@montague.lit/orchard")
    assert other == "1a12fb7bc625e55f3ed5b29a53dbe0e4aa7d80ba"


async def read(stream: SocketStream, count: int) -> bytes:
    buffer = memoryview(bytearray(count))
    got = 0
    while got < count and (more := await stream.receive_into(buffer[got:])):
        got += more
    return bytes(buffer[:got])


async def test_a_client_says_what_the_xep_says() -> None:
    async with stream_pair() as (client, server):
        asking = asyncio.ensure_future(ask_for(client, NAME))
        assert await read(server, 3) == b"\x05\x01\x00"
        await server.send(b"\x05\x00")
        assert await read(server, len(REQUEST)) == REQUEST
        # a byte at a time, and an IPv4 address, as some proxies answer
        for byte in b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38":
            await server.send(bytes([byte]))
            await asyncio.sleep(0)
        await asking
        await server.send(b"payload")
        assert await read(client, 7) == b"payload"


@pytest.mark.parametrize(
    ("greeting", "reply"),
    [
        (b"\x05\xff", b""),
        (b"\x05\x02", b""),
        (b"\x04\x00", b""),
        (b"HTTP/1.1 400", b""),
        (b"\x05\x00", b"\x05\x05\x00\x01\0\0\0\0\0\0"),
        (b"\x05\x00", b"\x05\x00\x00\x07\0\0\0\0\0\0"),
        (b"\x05\x00", b"\x04\x00\x00\x01\0\0\0\0\0\0"),
        (b"\x05\x00", b"\x05\x00\x00\x03\x28abc"),
        (b"\x05", b""),
        (b"", b""),
    ],
)
async def test_a_client_is_refused(greeting: bytes, reply: bytes) -> None:
    async with stream_pair() as (client, server):
        await server.send(greeting + reply)
        await server.send_eof()
        with pytest.raises(Refused):
            await ask_for(client, NAME)


@pytest.mark.parametrize("asked", [NAME, NAME.upper()])
async def test_a_server_echoes_what_it_was_asked_for(asked: str) -> None:
    """Dino compares it byte by byte."""
    async with stream_pair() as (client, server):
        answering = asyncio.ensure_future(answer(server, {NAME}.__contains__))
        await client.send(b"\x05\x02\x02\x00")
        assert await read(client, 2) == b"\x05\x00"
        request = b"\x05\x01\x00\x03\x28" + asked.encode() + b"\x00\x00"
        await client.send(request)
        assert await read(client, len(request)) == b"\x05\x00" + request[2:]
        assert await answering == NAME


@pytest.mark.parametrize(
    ("greeting", "request_", "status"),
    [
        (b"\x05\x01\x02", b"", None),  # a login is wanted
        (b"\x05\x00", b"", None),  # no method at all
        (b"\x04\x01", b"", None),  # SOCKS4
        (b"GET / HTTP/1.1\r\n\r\n", b"", None),
        (b"\x05\x01\x00", REQUEST.replace(NAME.encode(), b"0" * 40), 2),
        (b"\x05\x01\x00", REQUEST.replace(NAME.encode(), b"\xff" * 40), 2),
        (b"\x05\x01\x00", b"\x05\x02" + REQUEST[2:], 7),  # BIND
        (b"\x05\x01\x00", b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", 2),  # an address, as for an open proxy
        (b"\x05\x01\x00", b"\x05\x01\x00\x09", 8),
        (b"\x05\x01\x00", b"\x04" + REQUEST[1:], 8),
    ],
)
async def test_a_server_refuses(greeting: bytes, request_: bytes, status: int | None) -> None:
    async with stream_pair() as (client, server):
        await client.send(greeting + request_)
        with pytest.raises(Refused):
            await answer(server, {NAME}.__contains__)
        await server.aclose()
        if status is None:
            assert await read(client, 3) == b"\x05\xff"
        else:
            assert (await read(client, 4))[2:] == bytes((5, status))  # behind the choice of the method


@given(st.binary(max_size=600))
def test_a_server_survives_anything(data: bytes) -> None:
    async def run() -> None:
        async with stream_pair() as (client, server):
            await client.send(data)
            await client.send_eof()
            with pytest.raises(TransportFailed):
                await answer(server, {NAME}.__contains__)

    asyncio.run(run())


@asynccontextmanager
async def listening(
    names: frozenset[str] = frozenset({NAME}), on_stream: Callable[[SocketStream], None] | None = None
) -> AsyncIterator[tuple[int, list[SocketStream]]]:
    streams: list[SocketStream] = []
    listener = Listener(names, on_stream or streams.append)
    try:
        yield listener.listen("127.0.0.1"), streams
    finally:
        await listener.aclose()
        for stream in streams:
            await stream.aclose()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not reached():  # noqa: ASYNC110 - there is nothing to wait for but what is looked at
            await asyncio.sleep(0.005)


async def test_a_listener_hands_on_who_knows_the_name() -> None:
    async with listening() as (port, streams):
        ours = await connect("127.0.0.1", port, NAME)
        await until(lambda: len(streams) == 1)
        await ours.send(b"hello")
        assert await read(streams[0], 5) == b"hello"
        await ours.aclose()


async def test_a_listener_closes_who_does_not() -> None:
    async with listening() as (port, streams):
        with pytest.raises(Refused, match="status 2"):
            await connect("127.0.0.1", port, "0" * 40)
        assert streams == []


async def test_silent_connections_are_limited_in_number_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socks5, "HANDSHAKE_TIMEOUT", 0.2)
    async with listening() as (port, streams):
        silent = [await socks5.open_stream("127.0.0.1", port) for _ in range(socks5.MAX_HANDSHAKES)]
        one_more = await socks5.open_stream("127.0.0.1", port)
        assert await read(one_more, 1) == b""  # closed at once
        for stream in silent:
            assert await read(stream, 1) == b""  # and those after their time
        ours = await connect("127.0.0.1", port, NAME)
        await until(lambda: len(streams) == 1)
        for stream in (*silent, one_more, ours):
            await stream.aclose()


async def test_the_peer_gets_a_few_connections_only() -> None:
    async with listening() as (port, streams):
        ours = [await connect("127.0.0.1", port, NAME) for _ in range(socks5.MAX_STREAMS)]
        await until(lambda: len(streams) == socks5.MAX_STREAMS)
        with pytest.raises(TransportFailed):
            await connect("127.0.0.1", port, NAME)
        for stream in ours:
            await stream.aclose()


async def failing(work: Awaitable[object]) -> TransportFailed:
    with pytest.raises(TransportFailed) as raised:
        await work
    return raised.value


async def test_where_nobody_listens() -> None:
    async with listening() as (port, _):
        pass
    assert isinstance((await failing(connect("127.0.0.1", port, NAME))).last_error, OSError)
    assert "does not resolve" in str(await failing(connect("nobody.invalid", 1080, NAME)))
    assert "does not resolve" in str(await failing(connect("." * 300, 1080, NAME)))
