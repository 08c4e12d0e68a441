"""XEP-0234 as the file sender: offering a file, or answering a request for one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ...elements.core import Role
from ...elements.declare import Element
from ...elements.file_transfer import Checksum, File, FileDescription, Range, Received
from ...errors import ApplicationFailed, JingleError, LocalProtocolError, TransportFailed
from ...transports.base import ByteStream
from . import digests
from .digests import Digester
from .metadata import ByteRange, FileMetadata, file_of
from .source import OutgoingFile, Reader
from .transfer import NO_HOOKS, USUAL_TIMING, FileResult, Hooks, Timing, Transfer
from .worker import FileWorker, Ring

FIRST_SLICE = 64 * 1024
SMALLEST_SLICE = 4096
LARGEST_SLICE = 1 << 20
SHORT, LONG = 0.05, 0.2
"""Seconds that handing over a slice should take: shorter and it costs, longer and progress jerks."""


class FileSender(Transfer):
    """Sends one file. See `Transfer` for what is common.

    Where the offer has no digest, the file is hashed while it is sent and the peer gets a `<checksum/>` just before
    the last bytes: behind them it would meet a session that many clients have ended by then.

    Args:
        file: What to send: a path, or an `OutgoingFile`.
        name: The content's name.
        creator: Who created the content: we, unless this answers a request.
        algorithms: Of `digests.ALGORITHMS`, what to hash with; clients are known that go by the first one alone and
            know `sha-1`, `sha-256` and `sha-512` only.
        hooks: Who is told what.
        timing: How long to wait for a peer.

    Raises:
        MediaError: The file cannot be read.
        LocalProtocolError: An algorithm is not known.
    """

    infos: ClassVar[tuple[type[Element], ...]] = (Received,)

    def __init__(
        self,
        file: OutgoingFile | str | os.PathLike[str],
        *,
        name: str,
        creator: Role = Role.INITIATOR,
        algorithms: Sequence[str] = (digests.DEFAULT,),
        hooks: Hooks = NO_HOOKS,
        timing: Timing = USUAL_TIMING,
    ) -> None:
        if not algorithms or digests.known(algorithms) != tuple(algorithms):
            raise LocalProtocolError(f"hash functions are {', '.join(digests.ALGORITHMS)}, each once")
        self._file = file if isinstance(file, OutgoingFile) else OutgoingFile.from_path(file)
        worker = FileWorker(is_inline=self._file.is_in_memory)
        super().__init__(name=name, creator=creator, hooks=hooks, timing=timing, worker=worker)
        self._algorithms = tuple(algorithms)
        self._range: ByteRange | None = None
        self._confirmed = asyncio.Event()
        self._is_sent = self._is_believed = False
        self._reader: Reader | None = None

    @property
    def metadata(self) -> FileMetadata:
        """What the peer is told about the file."""
        known = self._file.metadata
        return known if known.digests else replace(known, algorithms=self._algorithms)

    # Negotiation

    def describe(self) -> Element:
        """Our offer."""
        return FileDescription(file=self.metadata.to_element())

    def answer(self, remote: Element) -> Element:
        """Take a request and return what will be sent (section 6.2).

        Raises:
            RemoteProtocolError: It describes no file.
            ApplicationFailed: It means another file, or a part that is not there.
        """
        request = file_of(remote)
        if not request.selects(self.metadata):
            raise ApplicationFailed("there is no such file", condition="file-not-available")
        self._take_range(request.range)
        return FileDescription(file=replace(self.metadata, range=request.range).to_element())

    def accepted(self, remote: Element | None) -> None:
        """Take the answer to our offer, of which the range alone matters; some leave all of it out.

        Raises:
            RemoteProtocolError: It is no description of a file.
            ApplicationFailed: It asks for a part that is not there.
        """
        if isinstance(remote, FileDescription) and remote.file is None:
            remote = None
        self._take_range(ByteRange() if remote is None else file_of(remote).range)

    def info(self, payload: Element) -> bool:
        """Take a `<received/>`; `False` where it is not about this file."""
        if not isinstance(payload, Received) or not self._is_about_us(payload):
            return False
        self._is_believed = True
        self._confirmed.set()
        return True

    def _take_range(self, wanted: ByteRange) -> None:
        if wanted.offset and not self._file.metadata.is_ranged:
            raise ApplicationFailed("this file can be sent from its beginning only", reason="incompatible-parameters")
        wanted.end(self._file.metadata.size)
        self._range = wanted

    # Bytes

    def _is_agreed(self) -> bool:
        return self._range is not None

    async def _run(self, stream: ByteStream) -> FileResult:
        assert self._range is not None
        offered = self._file.metadata
        plan = self._plan = _Plan.of(self._range, offered)
        self._digester = Digester(tuple(dict.fromkeys((*self._algorithms, *offered.digests))))
        reader = self._reader = Reader(self._file, self._digester)
        ring = self._worker.ring(None if plan.length is None else max(plan.offset, plan.length))
        await self._worker.submit(reader.open, 0 if plan.is_whole else plan.offset)
        self.progress.begin(plan.offset, None if plan.length is None else plan.offset + plan.length)
        if plan.is_whole and plan.offset:
            buffer = ring.take()
            await self._worker.submit(reader.hash, plan.offset, buffer, lambda: self._worker.is_abandoned)
            ring.give_back(buffer)
        sent = await self._send_all(stream, ring, reader)
        self._is_sent = True
        await self._wait_for_confirmation(stream)
        found = self._digester.digests() if plan.is_whole else dict(offered.digests) if plan.is_to_end else {}
        return FileResult(
            name=offered.name or self._name,
            size=offered.size if offered.size is not None else plan.offset + sent,
            digests=found,
            seconds=self._seconds(),
            is_verified=self._is_believed,
        )

    async def _send_all(self, stream: ByteStream, ring: Ring, reader: Reader) -> int:
        """Read ahead and send; the checksum leaves when all is read and the last buffer is still here."""
        left, sent, slice_size, is_told = self._plan.length, 0, FIRST_SLICE, False
        at_end = left == 0
        while True:
            while not at_end and not ring.is_full:
                buffer = ring.take()
                part = buffer if left is None else buffer[: min(len(buffer), left)]
                ring.put(self._worker.submit(self._read, reader, part, left is not None), buffer)
                left = None if left is None else left - len(part)
                at_end = left == 0
            if not len(ring):
                break
            count, buffer = await ring.next()
            if left is None and count < len(buffer):
                at_end = True
            if not is_told and (at_end and not len(ring) or left is None and at_end):
                self._tell_checksum(sent + count)
                is_told = True
            slice_size = await self._send(stream, buffer[:count], slice_size)
            sent += count
            ring.give_back(buffer)
        if not is_told:
            self._tell_checksum(sent)
        return sent

    def _read(self, reader: Reader, part: memoryview, is_whole: bool) -> int:
        return 0 if self._worker.is_abandoned else reader.read(part, is_whole=is_whole)

    async def _send(self, stream: ByteStream, data: memoryview, slice_size: int) -> int:
        """Send a buffer in slices that suit the stream's pace, and return the size that did."""
        loop = asyncio.get_running_loop()
        while len(data):
            part, data = data[:slice_size], data[slice_size:]
            before = loop.time()
            await stream.send(part)
            took = loop.time() - before
            self.progress.add(len(part))
            if took < SHORT:
                slice_size = min(slice_size * 2, LARGEST_SLICE)
            elif took > LONG:
                slice_size = max(slice_size // 2, SMALLEST_SLICE)
        return slice_size

    def _tell_checksum(self, sent: int) -> None:
        """Send the digests that the peer does not have; a file that is not what was offered ends here."""
        plan, found, offered = self._plan, self._digester.digests(), self._file.metadata.digests
        if plan.is_whole and any(found[name] != value for name, value in offered.items()):
            raise ApplicationFailed("the file has changed since it was offered", reason="media-error")
        if plan.is_to_end and offered:
            return
        hashes = digests.elements_of({name: found[name] for name in self._algorithms})
        file = File(hashes=hashes)
        if not plan.is_to_end:
            file = File(range=Range(offset=plan.offset, length=sent, hashes=hashes))
        self._hooks.send_info(Checksum(creator=self._creator, name=self._name, file=file))

    # The end

    async def _wait_for_confirmation(self, stream: ByteStream) -> None:
        """Wait for `<received/>` or a session-terminate with success."""
        if self._plan.length is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._confirmed.wait(), self._timing.end)
        if self._confirmed.is_set():
            return
        patience = max(self._timing.confirm, self._seconds())
        failure: JingleError = ApplicationFailed("the file was not confirmed in time", reason="timeout")
        try:
            await stream.send_eof()
        except TransportFailed as exc:
            # A receiver that has all of it closes the stream, and its word may come long after by another road.
            patience, failure = self._timing.drain, exc
        try:
            await asyncio.wait_for(self._confirmed.wait(), patience)
        except TimeoutError:
            raise failure from None

    async def _completes(self, task: asyncio.Task[None], reason: str | None) -> bool:
        """A receiver has the file when it says success; one that ends without a reason may have it."""
        if reason != "success" and not (reason is None and self._is_sent):
            return False
        self._is_believed |= reason == "success"
        self._confirmed.set()
        await asyncio.wait([task], timeout=self._timing.hangup)
        return task.done()

    def _close_file(self) -> None:
        if self._reader is not None:
            self._reader.close()


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Which bytes go over, and what is hashed."""

    offset: int
    length: int | None
    """`None` where only the end of the file tells."""

    is_to_end: bool
    """The last byte of the file is among them."""

    is_whole: bool
    """All of the file is hashed, also what the receiver has already; otherwise what is sent."""

    @classmethod
    def of(cls, wanted: ByteRange, file: FileMetadata) -> _Plan:
        end = wanted.end(file.size)
        is_to_end = end == file.size
        return cls(
            offset=wanted.offset,
            length=None if end is None else end - wanted.offset,
            is_to_end=is_to_end,
            # Where the digest is in the offer already, nothing needs the bytes that the receiver has.
            is_whole=is_to_end and (wanted.offset == 0 or not file.digests),
        )
