"""The conformance check itself: it lets good streams pass and names what is wrong with others."""

from __future__ import annotations

import asyncio

import pytest

from jingle.testing.stanza_port import MemoryNetwork
from jingle.testing.streams import StreamPair, check_byte_stream
from jingle.transports.base import ByteStream, Security
from jingle.transports.ibb import IbbStreamTransport

END = b""


class Pipe:
    """Bytes in memory, with a fault to order."""

    security = Security.NONE

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.rest: bytes | None = None
        self.other = self

    async def receive_into(self, buffer: memoryview) -> int:
        if not self.rest and self.rest != END:
            self.rest = await self.incoming.get()
        assert self.rest is not None
        if self.rest == END:
            if self.fault == "no lasting end":
                self.rest = b"x"
            return 0
        count = min(len(buffer), len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:] or None
        return count

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        sent = bytes(data)
        if self.fault == "damage" and sent:
            sent = sent[:-1] + b"!"
        if self.fault == "loss" and len(sent) == 7919:
            return
        if sent:
            await self.other.incoming.put(sent)
        await asyncio.sleep(0)

    async def send_eof(self) -> None:
        await self.other.incoming.put(END)
        if self.fault == "not half-closed":
            await self.incoming.put(END)

    async def aclose(self) -> None:
        await self.other.incoming.put(END)


def pipes(fault: str = "") -> tuple[ByteStream, ByteStream]:
    ours, theirs = Pipe(fault), Pipe()
    ours.other, theirs.other = theirs, ours
    return ours, theirs


async def test_a_good_stream_passes() -> None:
    await check_byte_stream(*pipes())


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("damage", "not what was sent"),
        ("loss", "lost or mixed"),
        ("not half-closed", "after send_eof"),
        ("no lasting end", "not there for good"),
    ],
)
async def test_a_bad_stream_is_caught(fault: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        await check_byte_stream(*pipes(fault))


async def test_a_pair_on_a_network_of_its_own() -> None:
    async with StreamPair(IbbStreamTransport, network=MemoryNetwork(delay=0.001)).connected() as (ours, theirs):
        await check_byte_stream(ours, theirs, size=50_000)
