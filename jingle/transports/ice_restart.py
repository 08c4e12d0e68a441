"""When ICE is restarted (RFC 8445 section 2.4, XEP-0176 section 5.9): one decision for each link, whoever shares it.

By ourselves when the path in use is about to be lost: its address has gone, another has come that may be better, or
the peer does not answer on it. The media goes on over the old path while a new one is looked for, and stays there where
none is found, or where the peer knows no restarts (Dino, Gajim, Monal, Movim and QXmpp do not).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..errors import TransportFailed
from .addresses import usable_addresses
from .allowance import Allowance
from .base import AddressMonitor, PathChange
from .ice_agent import IceAgent

log = logging.getLogger(__name__)

BURST, INTERVAL = 4, 5.0
"""Restarts of ours at once, and seconds until there may be another: a network that flaps must not bring us to restart
without end."""

PEER, ASKED, ADDRESSES, CONSENT = "peer", "asked", "addresses", "consent"
"""Causes, as the `network` event tells them: the peer wanted it, the program, this machine's addresses have changed, or
nobody answers on the path in use."""

CLOSED = "the transport was closed"


class Restarts:
    """Restarts the ICE of one link when that is called for.

    Args:
        agent: Whose ICE it is.
        offer: Restarts the agent and tells the peer so.
        report: Told about every restart and what became of it.
        addresses: Tells when the addresses of this machine change; `None` for never.

    Attributes:
        refusal: Why the peer must not be asked to restart, where it must not.
    """

    def __init__(
        self,
        agent: IceAgent,
        offer: Callable[[], Awaitable[None]],
        report: Callable[[PathChange], None],
        addresses: AddressMonitor | None,
    ) -> None:
        self.refusal: str | None = None
        self._agent, self._offer, self._report, self._addresses = agent, offer, report, addresses
        self._unsubscribe: Callable[[], None] | None = None
        self._allowance = Allowance(BURST, INTERVAL)
        self._task: asyncio.Task[None] | None = None
        self._outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._cause, self._begun = ASKED, 0.0
        self._closed = False
        agent.on_failing = self._failing
        agent.on_restarted = self._ended

    def watch(self) -> None:
        """Look after the addresses from now on: gathering has begun."""
        if self._addresses is not None and self._unsubscribe is None:
            self._unsubscribe = self._addresses.subscribe(self._addresses_changed)

    def close(self) -> None:
        """Restart no more."""
        self._closed = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
        if not self._outcome.done():
            self._outcome.set_result(CLOSED)

    async def ask(self) -> None:
        """Restart because the program wants it; returns once a new path is in use.

        Raises:
            TransportFailed: No new path was found; the old one is used as before.
        """
        if self._agent.path is None or self._agent.has_ended:
            raise TransportFailed("nothing is connected that could be restarted")
        if self.refusal is not None:
            raise TransportFailed(self.refusal)
        await self._restart(ASKED)
        failure = await asyncio.shield(self._outcome)
        if failure is not None:
            raise TransportFailed(failure)

    def begun_by_peer(self) -> None:
        """Take note that the peer restarts."""
        self._begin(PEER)

    def _addresses_changed(self, gone: frozenset[str], new: frozenset[str]) -> None:
        if self._agent.path is None:
            self._agent.gather_on(sorted(new))
            return
        base = self._agent.base
        is_affected = bool(new) or base is None or base in gone
        # Without any address there is nothing to offer; the next one that comes is another change.
        if is_affected and usable_addresses():
            self._want(ADDRESSES)

    def _failing(self) -> None:
        if not self._agent.is_restarting:
            self._want(CONSENT)

    def _want(self, cause: str) -> None:
        if self._agent.path is None or self._agent.has_ended or (self._task is not None and not self._task.done()):
            return
        if self.refusal is not None:
            log.info("the path is in danger (%s), but %s", cause, self.refusal)
            return
        if cause == CONSENT and self._allowance.pause > 0:
            return  # it will be found failing again
        self._task = asyncio.ensure_future(self._restart(cause))

    async def _restart(self, cause: str) -> None:
        await self._allowance.wait()
        if self._closed:
            raise TransportFailed(CLOSED)
        self._begin(cause)
        await self._offer()

    def _begin(self, cause: str) -> None:
        if self._outcome.done():
            self._outcome = asyncio.get_running_loop().create_future()
        self._cause, self._begun = cause, asyncio.get_running_loop().time()
        self._report(PathChange(state="restarting", cause=cause))

    def _ended(self, failure: str | None) -> None:
        if not self._outcome.done():
            self._outcome.set_result(failure)
        self._report(
            PathChange(
                state="restarted" if failure is None else "failed",
                cause=self._cause,
                seconds=asyncio.get_running_loop().time() - self._begun,
                text=failure,
                path=self._agent.path,
            )
        )
