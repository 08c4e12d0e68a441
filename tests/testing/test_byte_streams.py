from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from jingle.errors import TransportFailed
from jingle.testing.byte_streams import MemoryByteStream, memory_pair
from jingle.transports.base import ByteStream, Security


async def read_all(stream: ByteStream, size: int = 100) -> bytes:
    got, buffer = bytearray(), memoryview(bytearray(size))
    while count := await stream.receive_into(buffer):
        got += buffer[:count]
    return bytes(got)


async def test_bytes_arrive_in_order_and_both_ways() -> None:
    ours, theirs = memory_pair(capacity=10, security=Security.TLS)
    data = bytes(range(256))
    for one, other in ((ours, theirs), (theirs, ours)):
        reading = asyncio.create_task(read_all(other, 7))
        await one.send(memoryview(data))
        await one.send_eof()
        assert await reading == data
    assert ours.security is Security.TLS
    assert (ours.received, theirs.received) == (256, 256)


async def test_a_buffer_can_be_used_again_once_it_was_sent() -> None:
    ours, theirs = memory_pair()
    buffer = bytearray(b"abc")
    await ours.send(buffer)
    buffer[:] = b"xyz"
    await ours.send_eof()
    assert await read_all(theirs) == b"abc"


async def test_sending_waits_for_room() -> None:
    ours, theirs = memory_pair(capacity=10)
    sending = asyncio.create_task(ours.send(bytes(11)))
    await asyncio.sleep(0.01)
    assert not sending.done()
    assert await theirs.receive_into(memoryview(bytearray(5))) == 5
    await sending


async def test_chunks_come_in_the_sizes_that_are_asked_for() -> None:
    sizes = itertools.cycle((1, 3)).__next__
    ours, theirs = memory_pair(chunk=sizes)
    await ours.send(bytes(100))
    buffer = memoryview(bytearray(50))
    assert [await theirs.receive_into(buffer) for _ in range(4)] == [1, 3, 1, 3]
    ours, theirs = memory_pair(chunk=4)
    await ours.send(bytes(100))
    assert await theirs.receive_into(buffer) == 4


async def test_a_slow_reader_is_slow() -> None:
    ours, theirs = memory_pair(pause=0.02)
    await ours.send(b"x")
    before = time.monotonic()
    await theirs.receive_into(memoryview(bytearray(1)))
    assert time.monotonic() - before >= 0.019


@pytest.mark.parametrize("quiet", [False, True])
async def test_a_connection_breaks_where_it_is_told_to(quiet: bool) -> None:
    ours, theirs = memory_pair(breaks_at=10, ends_quietly=quiet)
    waiting = asyncio.create_task(ours.receive_into(memoryview(bytearray(1))))
    await asyncio.sleep(0)
    with pytest.raises(TransportFailed, match="broke"):
        await ours.send(bytes(11))
    buffer = memoryview(bytearray(20))
    assert await theirs.receive_into(buffer) == 10
    for end in (theirs.receive_into(buffer), waiting):
        if quiet:
            assert await end == 0
        else:
            with pytest.raises(TransportFailed, match="broke"):
                await end


async def test_a_connection_may_be_broken_from_the_beginning() -> None:
    ours, theirs = memory_pair(breaks_at=0)
    with pytest.raises(TransportFailed):
        await ours.send(b"x")
    with pytest.raises(TransportFailed):
        await theirs.receive_into(memoryview(bytearray(1)))


async def test_closing_ends_both_sides() -> None:
    async def close(stream: MemoryByteStream) -> None:
        await stream.aclose()
        await stream.aclose()

    ours, theirs = memory_pair(capacity=5)
    await ours.send(b"hello")
    sending = asyncio.create_task(ours.send(b"more"))
    await asyncio.sleep(0)
    await close(ours)
    with pytest.raises(TransportFailed, match="this side"):
        await sending
    with pytest.raises(TransportFailed, match="this side"):
        await ours.receive_into(memoryview(bytearray(1)))
    assert await read_all(theirs) == b"hello"
    with pytest.raises(TransportFailed, match="broke"):
        await theirs.send(b"x")
