"""Two ends of a DTLS association in one process, with a wire between them that loses, delays and repeats on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from aiortc import RTCCertificate, RTCIceTransport

from jingle.transports.base import RtpFeedback, RtpPacket, RtpParameters, RtpStream, Security
from jingle.transports.rtp_stream import RtpDtlsTransport

Impairment = Callable[[bytes], Sequence[float]]
"""For each media packet, how much later each of its copies arrives; nothing where it is lost."""


async def eventually(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something is so."""
    for _ in range(round(seconds / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


DELAY = 0.005
"""Seconds that every packet takes from one end to the other."""


def perfect(data: bytes) -> Sequence[float]:
    return (0.0,)


class Wire:
    """What `RTCDtlsTransport` needs of an ICE transport, in memory."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.impair: Impairment = perfect
        self.peer: Wire | None = None
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.is_closed = False
        self.sent = 0

    async def _recv(self) -> bytes:
        data = await self.queue.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        if self.is_closed or self.peer is None:
            raise ConnectionError
        is_media = 127 < data[0] < 192
        for delay in self.impair(data) if is_media else (0.0,):
            # Timers of the same moment come in any order, and packets on a wire do not.
            self.sent += 1
            asyncio.get_running_loop().call_later(DELAY + delay + self.sent * 1e-9, self.peer.queue.put_nowait, data)

    def close(self) -> None:
        self.is_closed = True
        self.queue.put_nowait(None)


class PairedLink:
    """A `DatagramLink` on one end."""

    security = Security.DTLS

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.dtls = RtpDtlsTransport(cast(RTCIceTransport, wire), [RTCCertificate.generateCertificate()])

    async def responds(self, patience: float) -> bool:
        """Both ends are here."""
        return True

    def rtp_stream(
        self,
        parameters: RtpParameters,
        on_packet: Callable[[RtpPacket], None],
        on_feedback: Callable[[RtpFeedback], None] | None = None,
    ) -> RtpStream:
        return self.dtls.rtp.open(parameters, on_packet, on_feedback)


@asynccontextmanager
async def connected_links() -> AsyncIterator[tuple[PairedLink, PairedLink]]:
    wires = Wire("controlling"), Wire("controlled")
    wires[0].peer, wires[1].peer = wires[1], wires[0]
    left, right = (PairedLink(wire) for wire in wires)
    await asyncio.gather(
        left.dtls.start(right.dtls.getLocalParameters()), right.dtls.start(left.dtls.getLocalParameters())
    )
    pumps = [link.dtls._task for link in (left, right) if link.dtls._task is not None]
    try:
        yield left, right
    finally:
        for link in (left, right):
            await link.dtls.stop()
            link.wire.close()
        await asyncio.gather(*pumps, return_exceptions=True)
