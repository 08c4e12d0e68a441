"""The thread of one transfer: reading, writing and hashing, in order, beside the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

CHUNK = 512 * 1024
"""Bytes of a buffer: hashing it takes half a millisecond, which is long against handing it over."""

BUFFERS = 3
"""Of one transfer: one at the network, one at the disk, one between them."""


class FileWorker:
    """Runs calls one after another on a thread of its own, which begins with the first.

    One thread and no more, because the bytes of a file have to be hashed in order.

    Attributes:
        is_abandoned: Set when the results are not wanted any more; a long call looks at it.
    """

    def __init__(self) -> None:
        self.is_abandoned = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="jingle file")

    def submit(self, call: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run `call` behind all that was submitted before; await the future for what it returns or raises."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, call, *args)
        # Of several that fail one is told, and those of a transfer that was stopped interest nobody.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Run `call` and wait for it; cancelling ends the wait and not the call."""
        return await asyncio.shield(self.submit(call, *args))

    async def aclose(self, last: Callable[[], None]) -> None:
        """Let what was submitted end, run `last`, which frees the file, and end the thread."""
        self.is_abandoned = True
        try:
            await self.run(last)
        finally:
            self._executor.shutdown(wait=False)


class Ring:
    """The buffers that a transfer goes through, and what the worker still does with them.

    Args:
        longest: Bytes that will pass, if that is known: a small file needs no large buffers.
        spare: Bytes that each buffer has on top of `size`.

    Attributes:
        size: Bytes that a buffer is for.
    """

    def __init__(self, longest: int | None = None, *, spare: int = 0) -> None:
        self.size = CHUNK if longest is None else max(1, min(CHUNK, longest))
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
        # A call that waits for its turn would be dropped with the future, and its bytes would be a gap in the file.
        result = await asyncio.shield(work)
        self._busy.popleft()
        return result, buffer

    def give_back(self, buffer: memoryview) -> None:
        """Say that `buffer` is free again."""
        self._free.append(buffer)
