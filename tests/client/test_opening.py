"""One object, three ways to hold it."""

from __future__ import annotations

from contextlib import suppress

import pytest

from jingle import Opening


class Door:
    opened = 0
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def open_door(door: Door) -> Door:
    door.opened += 1
    return door


async def test_nothing_happens_before_it_is_wanted() -> None:
    door = Door()
    Opening(lambda: open_door(door))
    assert door.opened == 0


async def test_awaited_it_is_ours_to_close() -> None:
    door = Door()
    assert await Opening(lambda: open_door(door)) is door
    assert (door.opened, door.closed) == (1, 0)


async def test_entered_it_closes_itself() -> None:
    door = Door()
    with suppress(KeyError):
        async with Opening(lambda: open_door(door)) as it:
            assert it is door
            assert door.closed == 0
            raise KeyError
    assert (door.opened, door.closed) == (1, 1)


async def test_what_does_not_open_is_not_closed() -> None:
    async def fail() -> Door:
        raise KeyError

    with pytest.raises(KeyError):
        async with Opening(fail):
            raise AssertionError("entered")
