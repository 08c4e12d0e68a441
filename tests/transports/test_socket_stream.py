from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from jingle.errors import TransportFailed
from jingle.testing.streams import check_byte_stream, receive_all, send_all
from jingle.transports.base import Security
from jingle.transports.socket_stream import SocketStream

from .stream_helpers import stream_pair, tcp_pair


async def test_it_is_a_byte_stream() -> None:
    async with stream_pair() as (ours, theirs):
        assert ours.security is Security.NONE
        await check_byte_stream(ours, theirs, size=3_000_000)


async def test_nothing_goes_after_close() -> None:
    async with stream_pair() as (ours, theirs):
        await ours.aclose()
        with pytest.raises(TransportFailed, match="closed on this side"):
            await ours.send(b"x")
        with pytest.raises(TransportFailed, match="closed on this side"):
            await ours.receive_into(memoryview(bytearray(1)))
        with pytest.raises(TransportFailed, match="closed on this side"):
            await ours.send_eof()
        assert await theirs.receive_into(memoryview(bytearray(1))) == 0


async def test_closing_wakes_who_waits() -> None:
    async with stream_pair() as (ours, _):
        receiving = asyncio.ensure_future(ours.receive_into(memoryview(bytearray(1))))
        sending = asyncio.ensure_future(ours.send(bytes(1 << 26)))
        await asyncio.sleep(0.02)
        await ours.aclose()
        for task in (receiving, sending):
            with pytest.raises(TransportFailed, match="closed on this side"):
                await task


async def test_cancelling_who_waits_leaves_the_stream_usable() -> None:
    async with stream_pair() as (ours, theirs):
        buffer = memoryview(bytearray(4))
        receiving = asyncio.ensure_future(ours.receive_into(buffer))
        await asyncio.sleep(0.01)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        await theirs.send(b"here")
        assert await ours.receive_into(buffer) == 4
        assert bytes(buffer) == b"here"


async def test_two_may_wait_for_the_same() -> None:
    async with stream_pair() as (ours, theirs):
        first, second = (asyncio.ensure_future(ours.readiness.readable()) for _ in range(2))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        await theirs.send(b"x")
        await asyncio.wait_for(second, 1)


async def test_a_reset_is_a_failure_of_the_transport() -> None:
    ours, theirs = tcp_pair()
    stream = SocketStream(ours)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    with pytest.raises(TransportFailed, match="the connection broke") as raised:
        await stream.receive_into(memoryview(bytearray(1)))
    assert raised.value.reason == "connectivity-error"
    assert isinstance(raised.value.last_error, OSError)
    with pytest.raises(TransportFailed, match="the connection broke"):
        await stream.send(b"x")
    with pytest.raises(TransportFailed, match="the connection broke"):
        await stream.send_eof()
    await stream.aclose()


async def test_closing_with_something_unread_does_not_destroy_what_was_sent() -> None:
    async with stream_pair() as (ours, theirs):
        await theirs.send(b"never read")
        await asyncio.sleep(0.01)
        data = bytes(100_000)
        await send_all(ours, data)
        await ours.aclose()
        assert await receive_all(theirs) == data


async def test_a_fast_peer_does_not_keep_others_from_running() -> None:
    async with stream_pair() as (ours, theirs):
        turns = 0

        async def somebody_else() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.ensure_future(somebody_else())
        size = 64 << 20
        _, received = await asyncio.gather(send_all(ours, bytes(size), piece=1 << 20), receive_all(theirs))
        assert len(received) == size
        other.cancel()
        assert turns > 32
