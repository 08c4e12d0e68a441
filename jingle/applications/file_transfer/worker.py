"""The thread of one transfer: reading, writing and hashing, in order, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar
from weakref import WeakSet

T = TypeVar("T")

CHUNK = 1 << 20
"""Bytes of a buffer: hashing it takes some 700 microseconds, handing it to the thread and back some 50."""

BUFFERS = 2
"""Of one transfer: one at the network while the other is at the disk. A third did not make it faster."""


SMALLEST_CHUNK = 1 << 16

BUDGET = 8 << 20
"""Bytes of all buffers together, about: a session of two hundred files must not take two hundred times the memory."""


class FileWorker:
    """Runs calls one after another on a thread of its own, which begins with the first.

    One thread and no more, because the bytes of a file have to be hashed in order. It is not a `ThreadPoolExecutor`,
    which takes twice as long to hand over a call.

    Args:
        is_inline: The bytes are in memory and few: calls run at once, where they are submitted.

    Attributes:
        is_abandoned: Set when the results are not wanted any more; a long call looks at it.
    """

    def __init__(self, *, is_inline: bool = False) -> None:
        self.is_abandoned = False
        self._is_inline = is_inline
        self._calls: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ring: Ring | None = None

    def ring(self, longest: int | None, *, spare: int = 0) -> Ring:
        """The buffers of this transfer, which it has until `aclose`; see `Ring`."""
        self._ring = Ring(longest, spare=spare)
        return self._ring

    def submit(self, call: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run `call` behind all that was submitted before; await the future for what it returns or raises.

        It runs also where nobody waits any more: bytes that were left out would be a gap in a file.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        # Of several that fail one is told, and those of a transfer that was stopped interest nobody.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._is_inline:
            _settle(future, *_outcome(call, args))
            return future
        self._calls.put((call, args, future))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, args=(loop,), name="jingle file", daemon=True)
            self._thread.start()
        return future

    async def aclose(self, last: Callable[[], None]) -> None:
        """Let what was submitted end, run `last`, which frees the file, and end the thread."""
        self.is_abandoned = True
        ended = self.submit(last)
        if not self._is_inline:
            self._calls.put(None)
        if self._ring is not None:
            self._ring.retire()
        await ended

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (item := self._calls.get()) is not None:
            call, args, future = item
            result, error = _outcome(call, args)
            with contextlib.suppress(RuntimeError):  # the loop was closed, and nobody is left to be told
                loop.call_soon_threadsafe(_settle, future, result, error)
            # Or the buffer stays referenced while the thread waits for the next call.
            del item, call, args, future, result, error


def _outcome(call: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    try:
        return call(*args), None
    except BaseException as exc:
        return None, exc


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class Ring:
    """The buffers that a transfer goes through, and what the worker still does with them.

    Args:
        longest: Bytes that will pass in one go, if that is known: a small file needs no large buffers.
        spare: Bytes that each buffer has on top of `size`.

    Attributes:
        size: Bytes that a buffer is for.
    """

    def __init__(self, longest: int | None = None, *, spare: int = 0) -> None:
        _rings.add(self)
        share = max(SMALLEST_CHUNK, min(CHUNK, BUDGET // BUFFERS // len(_rings) // SMALLEST_CHUNK * SMALLEST_CHUNK))
        self.size = share if longest is None else max(1, min(share, longest))
        self._spare = spare
        self._free: list[memoryview] = []
        self._made = 0
        self._busy: deque[tuple[asyncio.Future[int], memoryview]] = deque()

    def __len__(self) -> int:
        return len(self._busy)

    @property
    def is_full(self) -> bool:
        """Whether all buffers are in use."""
        return not self._free and self._made == BUFFERS

    def take(self) -> memoryview:
        """A buffer that nobody uses; only where `is_full` does not hold."""
        if self._free:
            return self._free.pop()
        self._made += 1
        return memoryview(bytearray(self.size + self._spare))

    def put(self, work: asyncio.Future[int], buffer: memoryview) -> None:
        """Say that `work` uses `buffer`."""
        self._busy.append((work, buffer))

    async def next(self) -> tuple[int, memoryview]:
        """Wait for the oldest work: what it returned, and its buffer, which the caller has now."""
        work, buffer = self._busy[0]
        result = await work
        self._busy.popleft()
        return result, buffer

    def give_back(self, buffer: memoryview) -> None:
        """Say that `buffer` is free again."""
        self._free.append(buffer)

    def retire(self) -> None:
        """Leave the memory to others; what is under way is not disturbed."""
        _rings.discard(self)


_rings: WeakSet[Ring] = WeakSet()
