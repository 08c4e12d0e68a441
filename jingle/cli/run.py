"""How every command runs: one event loop, Ctrl-C that tells the peer, errors that become exit statuses."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from .output import Output
from .status import Status, explain


def run(main: Callable[[], Awaitable[Status]], output: Output) -> None:
    """Run a command to its end and leave with its exit status.

    The first Ctrl-C (or SIGTERM, or the terminal that closes) cancels `main`, whose `async with` blocks tell the peer
    and close recordings; the second one leaves at once. What was done but could not be kept is damaged.
    """
    try:
        status = asyncio.run(_supervise(main))
        if status is Status.DONE and output.has_damage:
            status = Status.DAMAGED
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except Exception as exc:
        if output.verbosity > 1:
            raise
        explanation = explain(exc)
        output.error(explanation)
        status = explanation.status
    sys.exit(int(status))


async def _supervise(main: Callable[[], Awaitable[Status]]) -> Status:
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main())
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True
        task.cancel()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(NotImplementedError, AttributeError):  # Windows has neither all of them nor handlers in the loop
            loop.add_signal_handler(getattr(signal, name), interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        if interrupted:
            return Status.INTERRUPTED
        raise
