"""RFC 8831: a byte stream on data channels. Messages have no meaning: their bytes follow each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from aiortc import RTCDataChannel

from ..errors import TransportFailed
from .base import Security
from .dtls import BatchingDtls
from .sctp import BINARY, BINARY_EMPTY, ChannelListener, SctpAssociation
from .sctp_packets import FIRST
from .sctp_sending import FRAGMENT

HIGH_WATER = 1 << 19
LOW_WATER = 1 << 18
"""Bytes of ours that wait to be sent for the first time: at the first, `send` waits for the second."""

MAX_MESSAGE = 1 << 18
"""Bytes of a message that we take, and say that we take."""

OUR_MESSAGE = 1 << 16
"""Bytes of a message that we send where the peer takes as many: more gains nothing."""

CLOSE_TIMEOUT = 2.0
"""Seconds for which `aclose` lets arrive what was sent."""


@dataclass(frozen=True, kw_only=True)
class DataChannelStatistics:
    """Counters of one stream, for events and reports."""

    bytes_queued: int
    """Of ours, not sent yet."""

    bytes_held: int
    """Of the peer's, not read yet; with what each packet costs beside."""

    packets_sent: int
    packets_retransmitted: int
    congestion_window: int
    """Bytes."""

    round_trip_time: float | None
    """Seconds, smoothed; `None` before the first acknowledgement."""


class DataChannelStream(ChannelListener):
    """A `ByteStream` on a DTLS association that has no SCTP yet.

    It is written to on one channel, which is `write_on`, and read from whichever channel the peer writes on: the
    same one, or one that the peer opened itself (as Conversations does).

    Args:
        dtls: Connected.
        port: Our SCTP port.
        max_message: The most bytes that the peer takes in one message.

    Attributes:
        security: Always `DTLS`.
    """

    security = Security.DTLS

    def __init__(self, dtls: BatchingDtls, *, port: int, max_message: int) -> None:
        self._association = SctpAssociation(dtls, self, port=port)
        self._max_message = max_message
        self._message = message_size(max_message)
        self._written: RTCDataChannel | None = None
        self._theirs: RTCDataChannel | None = None
        self._read_from: int | None = None
        self._parts: deque[bytes] = deque()
        self._position = 0
        self._message_size = 0
        self._eof = self._eof_sent = self._closed = False
        self._failure: TransportFailed | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def statistics(self) -> DataChannelStatistics:
        """The counters as of now."""
        outbound = self._association.outbound
        return DataChannelStatistics(
            bytes_queued=outbound.queued,
            bytes_held=self._association.held,
            packets_sent=outbound.sent,
            packets_retransmitted=outbound.retransmitted,
            congestion_window=outbound.cwnd,
            round_trip_time=outbound.round_trip_time,
        )

    # Opening

    async def open(
        self, remote_port: int, *, label: str = "", protocol: str = "", negotiated: int | None = None
    ) -> None:
        """Open a channel of ours and return once the peer knows it.

        Raises:
            TransportFailed: The association ended.
        """
        await self._association.associate(remote_port, self._max_message)
        self._written = self._association.open_channel(label, protocol, negotiated)
        await self._until(lambda: self._is_open(self._written))

    async def wait_for_channel(self, remote_port: int) -> None:
        """Write on the channel that the peer opens; returns once it has.

        Raises:
            TransportFailed: The association ended, or the channel is not a reliable one.
        """
        await self._association.associate(remote_port, self._max_message)
        await self._until(lambda: self._is_open(self._theirs))
        self._written = self._theirs

    @staticmethod
    def _is_open(channel: RTCDataChannel | None) -> bool:
        return channel is not None and channel.readyState == "open"

    def channel_opened(self, channel: RTCDataChannel) -> None:
        """Take the peer's channel; one is all it may open."""
        reliable = channel.ordered and channel.maxRetransmits is None and channel.maxPacketLifeTime is None
        if self._theirs is not None:
            self._fail("the peer opened more than one data channel")
        elif not reliable:
            self._fail("the peer opened a data channel that may lose or reorder bytes")
        else:
            self._theirs = channel
            self._wake()

    # Receiving

    def received(self, stream: int, flags: int, protocol: int, payload: bytes) -> None:
        """Take a part of a message (see `ChannelListener`)."""
        if self._read_from is None and stream in (_id(self._written), _id(self._theirs)):
            self._read_from = stream
        if protocol == BINARY_EMPTY or self._failure is not None or self._eof:
            self._association.release(len(payload), 1)
        elif stream != self._read_from:
            self._fail("the peer sent data on a second channel")
        elif protocol != BINARY:
            self._fail("the peer sent text where bytes belong")
        else:
            self._message_size = len(payload) + (0 if flags & FIRST else self._message_size)
            if self._message_size > MAX_MESSAGE:
                self._fail(f"the peer sent a message of more than {MAX_MESSAGE} bytes")
            else:
                self._parts.append(payload)
                if self._waiting:
                    self._wake()

    async def receive_into(self, buffer: memoryview) -> int:
        """Fill part of `buffer`; see `ByteStream.receive_into`."""
        while not self._parts:
            if self._eof and not self._closed:
                return 0
            self._check()
            await self._wait()
        filled, room, count, parts = 0, len(buffer), 0, self._parts
        while parts and filled < room:
            part = parts[0]
            size = len(part) - self._position
            if size > room - filled:
                take = room - filled
                buffer[filled:] = part[self._position : self._position + take]
                self._position += take
                filled = room
                break
            buffer[filled : filled + size] = part[self._position :] if self._position else part
            filled += size
            self._position = 0
            parts.popleft()
            count += 1
        self._association.release(filled, count)
        return filled

    def reset(self, stream: int) -> None:
        """The peer has ended its direction of a channel."""
        expected = _id(self._theirs or self._written) if self._read_from is None else self._read_from
        self._eof = self._eof or stream == expected
        if stream != _id(self._written) or self._eof_sent:
            self._association.close_channel(stream)  # nothing of ours follows there
        elif stream != expected:
            self._fail("the peer closed the data channel that we send on")
        self._wake()

    # Sending

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; see `ByteStream.send`."""
        outbound, association = self._association.outbound, self._association
        with memoryview(data).cast("B") as view:
            position = 0
            while True:
                self._check()
                if self._eof_sent:
                    raise TransportFailed("the sending side was closed before")
                stream = _id(self._written)
                assert stream is not None
                while position < len(view) and outbound.queued < HIGH_WATER:
                    message = bytes(view[position : position + self._message])
                    association.send(stream, message)
                    position += len(message)
                association.flush()
                if outbound.queued < HIGH_WATER and position == len(view):
                    return
                await self._until(lambda: outbound.queued <= LOW_WATER)

    def progressed(self) -> None:
        """Wake who waits for room, or for the peer."""
        if self._waiting and self._association.outbound.queued <= LOW_WATER:
            self._wake()

    async def send_eof(self) -> None:
        """Close the channel that we send on once all has arrived; the peer may go on sending (see `sctp`).

        Raises:
            TransportFailed: The stream broke before all had arrived.
        """
        self._eof_sent = True
        await self._until(lambda: self._association.outbound.is_idle)
        stream = _id(self._written)
        assert stream is not None
        self._association.close_channel(stream)
        await self._until(lambda: self._association.is_told(stream))

    # The end

    def ended(self, cause: TransportFailed) -> None:
        """The association is over; what came before can still be read."""
        self._failure = self._failure or cause
        self._wake()

    def _fail(self, text: str) -> None:
        self._association.fail(TransportFailed(text))

    async def aclose(self) -> None:
        """Let arrive what was sent, for a moment, and end the association; see `ByteStream.aclose`."""
        if self._closed:
            return
        with suppress(TransportFailed, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                if self._written is not None:
                    await self.send_eof()
        self.abort()

    def abort(self) -> None:
        """End the association at once: what has not arrived is lost."""
        self._closed = True
        self._association.fail(TransportFailed("the stream was closed on this side"))
        self._parts.clear()
        self._wake()

    def _check(self) -> None:
        if self._closed:
            raise TransportFailed("the stream was closed on this side")
        if self._failure is not None:
            raise self._failure

    # Waiting

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._check()
            await self._wait()

    async def _wait(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)


def message_size(limit: int) -> int:
    """Bytes of the messages that we send to a peer who takes at most `limit`: whole packets, where it takes one."""
    size = min(limit, OUR_MESSAGE)
    return size // FRAGMENT * FRAGMENT or size


def _id(channel: RTCDataChannel | None) -> int | None:
    return channel.id if channel is not None else None
