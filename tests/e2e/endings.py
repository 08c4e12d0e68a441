"""What every ending owes: the reason on both sides, in time, and nothing left behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .commands import Command
from .sound import read

IN_TIME = 2.0
"""Seconds from what ends a call until both sides say so."""

LEAVING = 4.0
"""Seconds until the process has gone: saying goodbye to the server, and Python's own end."""


async def ended(
    command: Command, reason: str, *, since: float, exit: int, within: float = IN_TIME, text: str | None = None
) -> dict[str, Any]:
    """Assert that a command tells the end once, in time, and leaves with the status that belongs to it."""
    event = await command.event("ended", timeout=max(0.0, since - now()) + within + 10)
    assert event["reason"] == reason, command
    assert event["kind"] == "call"
    assert event["time"] - since < within, f"{event['time'] - since:.2f} s: {command}"
    if text is not None:
        assert text in (event["text"] or ""), command
    assert await command.exit() == exit, command
    assert command.ended_at is not None
    assert command.ended_at - since < within + LEAVING, f"{command.ended_at - since:.2f} s: {command}"
    assert len(command.told("ended")) == 1, command
    return event


async def both_connected(*sides: Command) -> list[dict[str, Any]]:
    """Wait until both ends say that they talk."""
    return [await side.event("connected") for side in sides]


async def ended_well(*sides: Command) -> None:
    """Wait for an end that everybody calls a success, and leaves with."""
    for side in sides:
        assert (await side.event("ended"))["reason"] == "success", side
        assert await side.exit() == 0, side


def playable(path: Path, *, least: float) -> None:
    """Assert that a recording is complete: it can be read, and holds so many seconds."""
    assert len(read(path)) / 8000 >= least


def now() -> float:
    """The present, on the clock of the events."""
    return time.time()
