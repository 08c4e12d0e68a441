"""XEP-0047: In-Band Bytestreams (v2.0.1): one stream of blocks in IQ stanzas.

Several blocks are under way at once, as section 2.2 allows: a window that grows while acknowledgements come quickly,
and the blocks with it, and shrinks when they come late, so that a server that limits us has never more than a few
seconds' worth of ours to let through, and the other stanzas of the connection wait no longer than that.

A block is acknowledged once it has been taken or there is plenty of room, which holds back a sender that is faster
than the application. `<close/>` ends one direction: its answer waits until the other direction has ended too, for as
long as anything moves there (section 2.3).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from ..elements.ibb import Close, Data, Open, StanzaKind
from ..errors import RemoteProtocolError, SignallingError, TransportFailed
from .base import Security, StanzaPort
from .socket_stream import closed

log = logging.getLogger(__name__)

SEQUENCE = 1 << 16
"""Sequence numbers wrap here (section 2.2)."""

MAX_WINDOW = 16
"""Blocks under way at once."""

MODEST_BLOCK = 18048
"""The most bytes of a block until `WIDE` of them are under way: three whole records (see `signalling.bursts`), and two
and a half seconds' worth for a server that lets 10 kB a second pass, the slowest rate that one has by default."""

WIDE = 8
"""Blocks under way that only a quick path allows."""

QUICK, SLOW = 0.5, 2.0
"""Seconds to an acknowledgement: below the first the window grows, above the second it shrinks."""

RESPITE_INTERVAL, RESPITE_SHARE = 1.0, 100
"""Seconds, and round trips, after which no block leaves until all are acknowledged. Servers that read in pieces start
anew once nothing is left to read (see `signalling.bursts`); it costs one round trip."""

STALL_TIMEOUT = 120.0
"""Seconds without any acknowledgement after which the stream counts as broken. A block takes two or three of them
through a server that lets 10 kB a second pass, and a peer whose disk is slow may take its time."""

REQUEST_TIMEOUT = 3600.0
"""Seconds for one acknowledgement: the stall is what counts, not how long one block has queued."""

ROOMY = 1 << 18
"""Bytes waiting for the application up to which blocks are acknowledged as they come."""

FULL = 1 << 21
"""Bytes waiting at which a sender that does not wait for acknowledgements is cut off."""

MANY = 64
"""Blocks waiting up to which they are acknowledged as they come, however small they are."""

TOO_MANY = 1024
"""Blocks waiting at which that sender is cut off."""

CLOSE_GRACE = 5.0
"""Seconds that a peer's `<close/>` waits for our side to end when nothing moves on it."""

GOODBYE_TIMEOUT = 1.0
"""Seconds for the answer to our `<close/>` when we give the stream up: nothing depends on it."""


class _Changes:
    """Wakes everybody who waits for something to change."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def tell(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def next(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)


class IbbSession:
    """A `ByteStream` in IQ stanzas.

    One task may receive and another send at the same time. A cancelled `send` may have sent a part.

    Args:
        port: Sends our blocks.
        peer: The peer's full JID.
        sid: Of the stream.
        block_size: The most bytes of a block, either way; `<open/>` may lower it.

    Attributes:
        security: Always `NONE`.
        opened: Set once the peer has opened the stream.
        on_closed: Called when nothing comes in any more.
    """

    security = Security.NONE

    def __init__(self, port: StanzaPort, peer: str, sid: str, block_size: int) -> None:
        self.peer, self.sid, self.block_size = peer, sid, block_size
        self.opened = asyncio.Event()
        self._port = port
        self.on_closed: Callable[[], None] = lambda: None
        self._sending = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._window = 2
        self._in_flight = 0
        self._send_seq = self._receive_seq = 0
        self._rest = bytearray()
        self._progress = self._idle_at = asyncio.get_running_loop().time()
        self._quickest = float("inf")
        self._received: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._changes = _Changes()
        self._failure: TransportFailed | None = None
        self._eof_sent = self._eof_received = self._closed = False

    # Sending.

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; see `ByteStream.send`.

        What does not fill a block waits for more as long as other blocks are under way (RFC 896).
        """
        async with self._sending:
            with memoryview(data).cast("B") as view:
                taken = 0
                while True:
                    await self._until(self._has_room)
                    self._check_open()
                    missing = max(self._next_size - len(self._rest), 0)
                    if missing > len(view) - taken:
                        break
                    self._start(b"".join((self._rest, view[taken : taken + missing])))
                    taken += missing
                self._rest += view[taken:]
            if not self._in_flight:
                self._flush()

    def _has_room(self) -> bool:
        if not self._in_flight:
            return True
        respite = max(RESPITE_INTERVAL, RESPITE_SHARE * self._quickest)
        is_due = asyncio.get_running_loop().time() > self._idle_at + respite
        return self._in_flight < self._window and not is_due

    @property
    def _next_size(self) -> int:
        """Bytes of the next block; the larger ones are for a path that has shown to be quick."""
        return self.block_size if self._window >= WIDE else min(self.block_size, MODEST_BLOCK)

    def _check_open(self) -> None:
        if self._eof_sent:
            raise TransportFailed("the in-band stream has ended")

    def _flush(self) -> None:
        if self._rest:
            self._start(bytes(self._rest))

    def _start(self, block: bytes) -> None:
        """Send a block that begins with what was left."""
        self._rest.clear()
        if not self._in_flight:
            self._progress = self._idle_at = asyncio.get_running_loop().time()
        self._in_flight += 1
        self._spawn(self._send_block(Data(seq=self._send_seq, sid=self.sid, data=block)))
        self._send_seq = (self._send_seq + 1) % SEQUENCE

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_block(self, block: Data) -> None:
        loop = asyncio.get_running_loop()
        sent = loop.time()
        try:
            await self._port.request(self.peer, block, timeout=REQUEST_TIMEOUT)
        except SignallingError as exc:
            self._fail(TransportFailed(f"block {block.seq} was not taken: {exc}", last_error=exc))
        finally:
            self._in_flight -= 1
            self._progress = loop.time()
            self._adapt(self._progress - sent)
            if not (self._in_flight or self._closed or self._failure or self._eof_sent):
                self._flush()
            self._changes.tell()

    def _adapt(self, seconds: float) -> None:
        self._quickest = min(self._quickest, seconds)
        if seconds < QUICK:
            self._window = min(self._window + 1, MAX_WINDOW)
        elif seconds > SLOW:
            self._window = max(self._window // 2, 1)

    async def send_eof(self) -> None:
        """Send `<close/>` once every block is acknowledged; see `ByteStream.send_eof`."""
        async with self._sending:
            await self._until(lambda: not (self._in_flight or self._rest))
            if not self._eof_sent:
                self._eof_sent = True
                if not self._eof_received:
                    self._spawn(self._send_close())
            self._changes.tell()

    async def _send_close(self) -> None:
        try:
            await self._port.request(self.peer, Close(sid=self.sid), timeout=STALL_TIMEOUT)
        except SignallingError as exc:
            # Either way the stream is closed (section 2.3); all blocks have been acknowledged.
            log.info("> %s the peer did not take <close/>: %s", self.sid, exc)
        self._end()

    def _end(self) -> None:
        """Nothing comes in any more; a stream that broke stays broken, lest a part be taken for the whole."""
        self._eof_received = self._failure is None
        self._changes.tell()
        self.on_closed()

    # Receiving.

    async def receive_into(self, buffer: memoryview) -> int:
        """Fill part of `buffer`; see `ByteStream.receive_into`."""
        if not self._received:
            await self._until(lambda: bool(self._received) or self._eof_received, even_failed=True)
        count = 0
        while self._received and count < len(buffer):
            block = self._received.popleft()
            part = block[: len(buffer) - count]
            buffer[count : count + len(part)] = part
            count += len(part)
            if len(part) < len(block):
                self._received.appendleft(block[len(part) :])
        if count:
            self._waiting_bytes -= count
            self._changes.tell()
            await asyncio.sleep(0)  # lets the acknowledgements go out before the next blocks are worked on
        elif len(buffer) and not self._eof_received and self._failure is not None:
            raise self._failure
        return count

    def take_open(self, opening: Open) -> None:
        """Take the peer's `<open/>`.

        Raises:
            RemoteProtocolError: Its terms are not the negotiated ones.
        """
        if opening.effective_stanza is not StanzaKind.IQ:
            raise RemoteProtocolError("blocks in messages are not supported", condition="not-acceptable")
        if opening.block_size > self.block_size:
            raise RemoteProtocolError(f"blocks of {self.block_size} bytes were agreed", condition="resource-constraint")
        self.block_size = opening.block_size
        self.opened.set()

    async def take_block(self, block: Data) -> None:
        """Take a block; returns when it may be acknowledged.

        Raises:
            RemoteProtocolError: It is not the next one, too large, or more than we can hold. The stream is broken.
        """
        wrong = self._complaint(block)
        if wrong is not None:
            if not self._eof_received and self._failure is None:
                self._fail(TransportFailed(f"the peer broke the in-band stream: {wrong}", last_error=wrong))
                self._spawn(self._send_close())
            raise wrong
        self._receive_seq = (self._receive_seq + 1) % SEQUENCE
        if block.data:
            self._received.append(memoryview(block.data))
            self._waiting_bytes += len(block.data)
        self.opened.set()  # some never send <open/>, which the negotiation has made superfluous
        self._changes.tell()
        while not (self._closed or self._failure or (self._waiting_bytes <= ROOMY and len(self._received) <= MANY)):
            await self._changes.next()
        if self._closed:
            raise _gone()  # nobody has taken it

    def _complaint(self, block: Data) -> RemoteProtocolError | None:
        if self._failure is not None or self._eof_received or self._closed:
            return _gone()
        if block.seq != self._receive_seq:
            return RemoteProtocolError(
                f"block {block.seq} came in the place of {self._receive_seq}", condition="unexpected-request"
            )
        if len(block.data) > self.block_size:
            return RemoteProtocolError(f"blocks of {self.block_size} bytes were agreed")
        if self._waiting_bytes + len(block.data) > FULL or len(self._received) >= TOO_MANY:
            return RemoteProtocolError("too many blocks are under way", condition="resource-constraint")
        return None

    async def take_close(self) -> None:
        """Take the peer's `<close/>`; returns when it may be acknowledged."""
        self._eof_received = self._failure is None
        self._changes.tell()
        while not (self._eof_sent or self._closed or self._failure):
            seq = self._send_seq
            try:
                async with asyncio.timeout(CLOSE_GRACE):
                    await self._until(lambda: self._eof_sent, even_failed=True)
            except TimeoutError:
                if seq == self._send_seq and not self._in_flight:
                    break
            except TransportFailed:
                break  # closed on this side
        self._eof_sent = True
        self._end()

    # Both.

    async def _until(self, reached: Callable[[], bool], *, even_failed: bool = False) -> None:
        """Wait for something to become true, for as long as the stream works and moves.

        Raises:
            TransportFailed: It broke, or the peer stopped acknowledging; unless `even_failed`, which then returns.
        """
        while True:
            if self._closed:
                raise closed()
            if self._failure is not None:
                if even_failed:
                    return
                raise self._failure
            if reached():
                return
            try:
                async with asyncio.timeout(self._patience()):
                    await self._changes.next()
            except TimeoutError:
                if self._patience() == 0:
                    self._fail(TransportFailed(f"no block was acknowledged for {STALL_TIMEOUT:g} s"))

    async def aclose(self) -> None:
        """Close both directions; blocks under way are given up."""
        if self._closed:
            return
        is_open = self.opened.is_set() and not (self._eof_sent or self._eof_received)
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._changes.tell()
        self.on_closed()
        if is_open:
            with suppress(SignallingError):
                await self._port.request(self.peer, Close(sid=self.sid), timeout=GOODBYE_TIMEOUT)

    def _patience(self) -> float | None:
        """Seconds until the blocks under way count as lost; `None` where none is."""
        if not self._in_flight:
            return None
        return max(0.0, self._progress + STALL_TIMEOUT - asyncio.get_running_loop().time())

    def _fail(self, failure: TransportFailed) -> None:
        self._failure = self._failure or failure
        self._changes.tell()


def _gone() -> RemoteProtocolError:
    return RemoteProtocolError("this stream is closed", condition="item-not-found")
