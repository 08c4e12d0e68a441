"""What a generator yields, made some items ahead in a thread: one hop for many items instead of one for each."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

from ..errors import MediaError

T = TypeVar("T")
Items = Generator[T, None, None]


class Ahead(Generic[T]):
    """The items of a generator, some ahead of whoever takes them.

    Args:
        make: Makes the generator, which may block; a `MediaError` of it is its end.
        count: How many are made at once.
        again: Whether to begin again at the end.

    Attributes:
        ready: What can be taken, each item with the number of its round.
    """

    def __init__(self, make: Callable[[], Items[T]], count: int, *, again: bool) -> None:
        self.ready: deque[tuple[int, T]] = deque()
        self._count = count
        self._items: Items[tuple[int, T]] | None = _in_rounds(make, again)
        self._making: asyncio.Future[list[tuple[int, T]]] | None = None

    async def fill(self) -> bool:
        """Have more made where few are ready, and wait where none is; False comes back where there is no more."""
        self._make_more()
        while not self.ready and self._making is not None:
            await asyncio.wait([self._making])
            self.collect()
            self._make_more()
        return bool(self.ready)

    def collect(self) -> None:
        """Take over what was made meanwhile."""
        if self._making is not None and self._making.done():
            making, self._making = self._making, None
            self.ready.extend(making.result())

    def close(self) -> None:
        """Make no more, and close the generator once the thread has left it; safe to call twice."""
        self.ready.clear()
        if self._making is not None:
            self._making.add_done_callback(self._close)
        else:
            self._close()

    def _make_more(self) -> None:
        if len(self.ready) < self._count and self._making is None and self._items is not None:
            self._making = asyncio.get_running_loop().run_in_executor(None, self._make)

    def _make(self) -> list[tuple[int, T]]:
        """In the thread; afterwards `_items` is `None` where there are no more."""
        made: list[tuple[int, T]] = []
        try:
            while self._items is not None and len(made) < self._count:
                if (item := next(self._items, None)) is not None:
                    made.append(item)
                else:
                    self._items = None
        except MediaError:
            # It was there when it was opened and is gone in the second round, say: that is an end.
            self._items = None
        return made

    def _close(self, _making: object = None) -> None:
        items, self._items = self._items, None
        if items is not None:
            items.close()


def _in_rounds(make: Callable[[], Items[T]], again: bool) -> Items[tuple[int, T]]:
    number, has_any = 0, True
    # A whole round without an item would turn for ever.
    while has_any:
        has_any = False
        with contextlib.closing(make()) as items:
            for item in items:
                has_any = True
                yield number, item
        if not again:
            return
        number += 1
