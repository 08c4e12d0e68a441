"""Who calls while `jingle answer` has somebody on the line."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jingle.cli.answer import _refuse_others


class Caller:
    """An offer; `refused` is the reason it was declined with."""

    def __init__(self, *, is_over: bool = False) -> None:
        self.is_over = is_over
        self.refused: str | None = None

    async def decline(self, reason: str) -> None:
        self.refused = reason


class Line:
    """Two call: one during a call, one just after its end."""

    def __init__(self) -> None:
        self.current, self.second, self.third = Caller(), Caller(), Caller()

    async def incoming(self) -> AsyncIterator[Caller]:
        yield self.second
        self.current.is_over = True
        yield self.third


@pytest.mark.parametrize("goes_on", [True, False])
async def test_whoever_calls_at_the_end_of_a_call_comes_next(goes_on: bool) -> None:
    line: Any = Line()
    later: deque[Any] = deque()
    await _refuse_others(line, line.current, later, not goes_on)
    assert line.second.refused == "busy"
    assert line.third.refused == (None if goes_on else "busy")
    assert list(later) == ([line.third] if goes_on else [])
