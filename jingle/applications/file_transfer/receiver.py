"""XEP-0234 as the file receiver: taking an offer, or requesting a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from ...elements.core import Reason, ReasonCondition, Role
from ...elements.declare import Element
from ...elements.file_transfer import Checksum, FileDescription, Received
from ...errors import ApplicationFailed, LocalProtocolError
from ...transports.base import ByteStream
from . import digests
from .digests import Digester
from .metadata import ByteRange, FileMetadata, file_of
from .storage import PartFile, Target, too_large
from .transfer import NO_HOOKS, USUAL_TIMING, FileResult, Hooks, Timing, Transfer
from .worker import Ring


class FileReceiver(Transfer):
    """Receives one file. See `Transfer` for what is common.

    An offer is looked at in `answer`; nothing is looked for on the disk until there is a target, and nothing is made
    there until the transfer starts. Without a target from the beginning, `choose` sets it before the content is
    accepted.

    When the file is there and its digest right, the receiver asks for the end of the session with success, which is
    what tells the sender. A `<received/>` is sent before only where it is asked for: a session of several files needs
    it, and senders built on stanza.io hang on it, but these never send more than one file in a session.

    Args:
        target: Where the file goes; `None` until `choose`.
        name: The content's name.
        creator: Who created the content.
        request: What to ask the peer for, where this is a request: any of name, size, media type and digests.
        origin: Who the peer is, in words of the caller's: an unfinished file is continued only with the same.
        sends_received: Whether to send a `<received/>`; may be changed until the end.
        hooks: Who is told what.
        timing: How long to wait for a peer.

    Attributes:
        metadata: What the peer said about the file; `None` until it did.
    """

    infos: ClassVar[tuple[type[Element], ...]] = (Checksum,)

    def __init__(
        self,
        target: Target | None = None,
        *,
        name: str,
        creator: Role = Role.INITIATOR,
        request: FileMetadata | None = None,
        origin: str = "",
        sends_received: bool = False,
        hooks: Hooks = NO_HOOKS,
        timing: Timing = USUAL_TIMING,
    ) -> None:
        super().__init__(name=name, creator=creator, hooks=hooks, timing=timing)
        self.sends_received = sends_received
        self.metadata: FileMetadata | None = None
        self._target, self._request, self._origin = target, request, origin
        self._part: PartFile | None = None
        self._checksums: list[Mapping[str, bytes]] = []
        self._told = asyncio.Event()
        self._received = 0

    # Negotiation

    def describe(self) -> Element:
        """Our request, for the rest of the file where a part of it is there.

        Raises:
            LocalProtocolError: There is nothing to ask for, or no target.
            ApplicationFailed: The disk cannot be read.
        """
        if self._request is None or self._target is None:
            raise LocalProtocolError("a request says what it wants, and knows where it goes")
        self._claim(self._target, self._request)
        return FileDescription(file=replace(self._request, range=self._rest()).to_element())

    def accepted(self, remote: Element | None) -> None:
        """Take the answer to our request; what it leaves out is as we asked.

        Raises:
            LocalProtocolError: Nothing was requested.
            RemoteProtocolError: It describes no file.
            ApplicationFailed: It is another file or too large, or begins elsewhere.
        """
        if self._request is None or self._part is None or self._target is None:
            raise LocalProtocolError("nothing was requested that could be accepted")
        told = self._request if remote is None else file_of(remote)
        if told.contradicts(self._request):
            raise ApplicationFailed("this is not the file that was requested", reason="incompatible-parameters")
        if remote is not None and told.range.offset != self._part.offset:
            # A sender that does not know ranges says nothing of them, and begins at the beginning.
            self._close_file()
            self._part = PartFile(self._target, self._request, self._origin)
        if told.range.offset not in (0, self._part.offset):
            raise ApplicationFailed("the file begins elsewhere than requested", reason="incompatible-parameters")
        told = told.or_else(self._request)
        if self._part.offset == 0:
            self._close_file()
            self._part = PartFile(self._target, told, self._origin)
        self._take(told)

    def answer(self, remote: Element) -> Element:
        """Take an offer and return our answer to it, for the rest of the file where a part of it is there.

        Raises:
            RemoteProtocolError: It describes no file.
            ApplicationFailed: It is larger than the target takes, or only a part of a file.
        """
        self._take(file_of(remote))
        return self._description()

    def choose(self, target: Target) -> Element:
        """Set where the file goes and return the answer for the session-accept or content-accept.

        Raises:
            LocalProtocolError: Nothing was offered, or the transfer has started.
            ApplicationFailed: The file is larger than the target takes, or the disk cannot be read.
        """
        if self.metadata is None or self._stream is not None:
            raise LocalProtocolError("a target is chosen between the offer and the start")
        self._close_file()
        self._target, self._part = target, None
        self._take(self.metadata)
        return self._description()

    def info(self, payload: Element) -> bool:
        """Take a `<checksum/>`; `False` where it is not about this file.

        Raises:
            RemoteProtocolError: A digest cannot be one.
        """
        if not isinstance(payload, Checksum) or not self._is_about_us(payload):
            return False
        found = digests.digests_of(payload.file.hashes)
        if len(self._checksums) < digests.MOST_HASHES:
            self._checksums.append(found)
        if found:
            self._told.set()
        return True

    def _take(self, metadata: FileMetadata) -> None:
        """Look at what the peer says about the file, and for what is there of it."""
        if metadata.range.end(metadata.size) != metadata.size:
            raise ApplicationFailed("only a part of the file is offered", reason="incompatible-parameters")
        self.metadata = metadata
        if self._target is not None:
            self._target.check_size(metadata.size or 0)
            if self._part is None:
                self._claim(self._target, metadata)

    def _claim(self, target: Target, metadata: FileMetadata) -> None:
        self._part = PartFile(target, metadata, self._origin)
        if self._request is not None or metadata.is_ranged:
            self._part.claim()

    def _rest(self) -> ByteRange:
        return ByteRange(offset=self._part.offset if self._part is not None else 0)

    def _description(self) -> Element:
        """What we were told, because senders go by what comes back (Psi by its size), and the range that we want."""
        assert self.metadata is not None
        file = replace(self.metadata, range=self._rest(), thumbnails=()).to_element()
        if self.metadata.range.offset and not self._rest().offset:
            file = replace(file, range=ByteRange().to_element())  # spelled out: from the beginning after all
        return FileDescription(file=file)

    # Bytes

    def _is_agreed(self) -> bool:
        return self._part is not None and self.metadata is not None

    async def _run(self, stream: ByteStream) -> FileResult:
        assert self._part is not None
        assert self.metadata is not None
        part, metadata = self._part, self.metadata
        self._digester = Digester(digests.choose((*metadata.digests, *metadata.algorithms)))
        offset = part.offset
        ring = self._worker.ring(None if metadata.size is None else max(offset, metadata.size - offset), spare=1)
        await self._worker.submit(part.open)
        self.progress.begin(offset, metadata.size)
        if offset:
            buffer = ring.take()
            ring.put(self._worker.submit(self._rehash, part, buffer), buffer)
        await self._receive_all(stream, ring, part, None if metadata.size is None else metadata.size - offset)
        is_verified = await self._verify(stream)
        path = await self._worker.submit(part.publish)
        return FileResult(
            name=metadata.name or self._name,
            size=part.offset,
            digests=self._digester.digests(),
            seconds=self._seconds(),
            is_verified=is_verified,
            path=path,
        )

    def _rehash(self, part: PartFile, buffer: memoryview) -> int:
        part.rehash(self._digester, buffer, lambda: self._worker.is_abandoned)
        return 0

    def _store(self, part: PartFile, data: memoryview) -> int:
        self._digester.update(data)
        return part.write(data)

    async def _receive_all(self, stream: ByteStream, ring: Ring, part: PartFile, missing: int | None) -> None:
        """Fill buffer after buffer, while the worker stores those before."""
        is_open = True
        while is_open and missing != 0:
            if ring.is_full:
                ring.give_back((await ring.next())[1])
            count, is_open = await self._receive_some(stream, ring, part, missing)
            missing = None if missing is None else missing - count
        while len(ring):
            ring.give_back((await ring.next())[1])
        if missing:
            await self._leave_time_to_explain()
            raise ApplicationFailed(f"the file ended {missing} bytes too early", reason="media-error")

    async def _receive_some(
        self, stream: ByteStream, ring: Ring, part: PartFile, missing: int | None
    ) -> tuple[int, bool]:
        """Fill a buffer, or what there is of it after a while; how many bytes, and whether more may follow."""
        loop = asyncio.get_running_loop()
        buffer, filled, is_open = ring.take(), 0, True
        wanted = ring.size if missing is None else min(ring.size, missing)
        # There is room for one byte more than can be, which shows a sender that has said too little.
        window = buffer if missing == wanted else buffer[:wanted]
        flush_at = loop.time() + self._timing.flush
        try:
            while is_open and filled < wanted and loop.time() < flush_at:
                count = await stream.receive_into(window[filled:])
                is_open = count > 0
                self._count(count)
                filled += count
                if filled > wanted:
                    filled = wanted
                    raise too_large("there are more bytes than the file was said to have")
        finally:
            # What came before a stream broke counts too, for the next attempt.
            if filled:
                ring.put(self._worker.submit(self._store, part, buffer[:filled]), buffer)
            else:
                ring.give_back(buffer)
        return filled, is_open

    def _count(self, count: int) -> None:
        self._received += count
        self.progress.add(count)
        assert self._target is not None
        if self.metadata is None or self.metadata.size is None:
            self._target.check_size(self._received)

    async def _verify(self, stream: ByteStream) -> bool:
        """Compare the digests; whether there was anything to compare.

        Raises:
            ApplicationFailed: One is wrong.
        """
        assert self.metadata is not None
        assert self._part is not None
        if self.metadata.algorithms and not self.metadata.digests:
            await self._wait_for_checksum(stream)
        found = self._digester.digests()
        told = [pair for each in (self.metadata.digests, *self._checksums) for pair in each.items() if pair[0] in found]
        if any(found[name] != value for name, value in told):
            await self._worker.submit(self._part.mark_damaged)
            raise ApplicationFailed("the file arrived damaged: its digest is wrong", reason="media-error")
        return bool(told)

    async def _wait_for_checksum(self, stream: ByteStream) -> None:
        """Wait a while for a `<checksum/>`, and see whether more bytes come instead."""
        told = asyncio.ensure_future(self._told.wait())
        more = asyncio.ensure_future(stream.receive_into(memoryview(bytearray(1))))
        try:
            async with asyncio.timeout(self._timing.checksum):
                await asyncio.wait([told, more], return_when=asyncio.FIRST_COMPLETED)
                if not told.done() and more.exception() is None and more.result():
                    raise too_large("there are more bytes than the file was said to have")
                await told
        except TimeoutError:
            pass  # clients that announce a checksum and never send it are no reason to throw a file away
        finally:
            told.cancel()
            more.cancel()
            await asyncio.gather(told, more, return_exceptions=True)

    # The end

    def _succeed(self, result: FileResult) -> None:
        if self.sends_received and not self._is_stopped:
            self._hooks.send_info(Received(creator=self._creator, name=self._name))
        super()._succeed(result)
        if not self._is_stopped:
            self._hooks.finish(Reason(condition=ReasonCondition.SUCCESS))

    async def _completes(self, task: asyncio.Task[None], reason: str | None) -> bool:
        """A sender may say success as soon as it has written its last byte, and no checksum follows then."""
        if reason != "success":
            return False
        self._told.set()
        await asyncio.wait([task], timeout=self._timing.drain)
        return task.done()

    def _close_file(self) -> None:
        if self._part is not None:
            self._part.close()
