"""Consent (RFC 7675): whether the peer still wants our packets, asked again and again."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from aioice import stun
from aioice.ice import CandidatePair

CHECKS = 4
"""Checks that have to stay without an answer before consent counts as failing: single ones get lost."""

_MAX_WAITING = 64
"""Checks whose answers still count, however late they come."""


class ConsentCheck:
    """One consent request, never retransmitted, whose response counts however late it comes."""

    def __init__(
        self, pair: CandidatePair, request: stun.Message, password: str, grant: Callable[[float], None]
    ) -> None:
        self._key, self._addr, self._grant = password.encode(), pair.remote_addr, grant
        self._sent = asyncio.get_running_loop().time()
        self._transactions, self._id = pair.protocol.transactions, request.transaction_id
        request.add_message_integrity(self._key)
        self._transactions[self._id] = self  # type: ignore[assignment]  # what it needs of a Transaction is below
        pair.protocol.send_stun(request, pair.remote_addr)

    def response_received(self, message: stun.Message, addr: tuple[str, int]) -> None:
        """Take what came back, if it is genuine."""
        genuine = addr == self._addr and message.check_message_integrity(self._key)
        if genuine and message.message_class is stun.Class.RESPONSE:
            self._grant(self._sent)

    def forget(self) -> None:
        """Wait for the response no more."""
        self._transactions.pop(self._id, None)


class Consent:
    """Keeps consent fresh until it expires.

    Args:
        interval: Seconds between two checks, randomised by a fifth (RFC 7675 section 5.1).
        expiry: Seconds without a response after which it has expired.
        patience: Seconds after which it counts as failing, where that check and the next ones, sent meanwhile, all
            stay without an answer.
        check: Sends a check whose answer calls what is given; `None` where there is no pair to check.
        on_failing: Called each time that consent is found to be failing.

    Attributes:
        round_trip_time: Seconds the last answered check took there and back; `None` before the first.
    """

    def __init__(
        self,
        *,
        interval: float,
        expiry: float,
        patience: float,
        check: Callable[[Callable[[float], None]], ConsentCheck | None],
        on_failing: Callable[[], None],
    ) -> None:
        self._interval, self._expiry, self._patience = interval, expiry, patience
        self._check, self._on_failing = check, on_failing
        self.round_trip_time: float | None = None
        self._granted = 0.0
        self._answered = asyncio.Event()
        self._waiting: deque[ConsentCheck] = deque()

    async def keep(self) -> None:
        """Ask again and again; returns when consent has expired."""
        loop = asyncio.get_running_loop()
        self._granted = loop.time()
        try:
            while self._left > 0:
                next_check = loop.time() + self._interval * random.uniform(0.8, 1.2)
                if not await self.is_answered(min(self._patience, max(0.0, self._left))) and self._left > 0:
                    self._on_failing()
                await asyncio.sleep(min(max(0.0, next_check - loop.time()), max(0.0, self._left)))
        finally:
            while self._waiting:
                self._waiting.pop().forget()

    @property
    def _left(self) -> float:
        return self._granted + self._expiry - asyncio.get_running_loop().time()

    async def is_answered(self, patience: float) -> bool:
        """Check; where nothing comes back soon, check again: not a retransmission, which the RFC forbids.

        Args:
            patience: Seconds to wait for any answer.
        """
        self._answered.clear()
        for _ in range(CHECKS):
            self._send()
            try:
                async with asyncio.timeout(patience / CHECKS):
                    await self._answered.wait()
            except TimeoutError:
                continue
            return True
        return False

    def _send(self) -> None:
        check = self._check(self._grant)
        if check is not None:
            self._waiting.append(check)
            if len(self._waiting) > _MAX_WAITING:
                self._waiting.popleft().forget()

    def _grant(self, sent: float) -> None:
        self._granted = max(self._granted, sent)
        self.round_trip_time = asyncio.get_running_loop().time() - sent
        self._answered.set()
