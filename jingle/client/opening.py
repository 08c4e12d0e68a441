"""One object, three ways to hold it: await it, enter it, or keep it for later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar


class Closable(Protocol):
    """Something that `async with` closes."""

    async def aclose(self) -> None:
        """Close it; safe to call twice."""
        ...


T = TypeVar("T", bound=Closable)


class Opening(Generic[T]):
    """Something that is about to be opened.

    `await opening` gives the opened object, which is then yours to close; `async with opening as it` closes it when
    the block is left. Nothing happens before one of the two, and each opening is used once.
    """

    def __init__(self, start: Callable[[], Awaitable[T]]) -> None:
        self._start = start
        self._opened: T | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        return self._start().__await__()

    async def __aenter__(self) -> T:
        self._opened = await self._start()
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._opened is not None
        await self._opened.aclose()
