"""Pressing keys in a call: in RTP (RFC 4733), or in the signalling where the peer takes them only there (XEP-0181)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..applications.rtp.call import RtpApplication
from ..applications.rtp.dtmf import PAUSE, TONE, check_digits
from ..elements.rtp import NS_DTMF, Dtmf
from ..errors import LocalProtocolError
from ..peer.live import LiveSession

Features = Callable[[str], Awaitable[frozenset[str]]]
"""What a full JID can do."""


class Keys:
    """The keys of one call, pressed one after the other whoever presses them."""

    def __init__(self, live: LiveSession, features: Features) -> None:
        self._live = live
        self._features = features
        self._lock = asyncio.Lock()

    async def press(self, application: RtpApplication, digits: str) -> None:
        """Press keys of the call's sound; returns when the last is released. See `Call.send_dtmf`."""
        digits = check_digits(digits)
        async with self._lock:
            if application.takes_keys:
                await application.send_dtmf(digits)
            elif NS_DTMF in await self._features(self._live.peer):
                for digit in digits:
                    await self._tell(digit)
            else:
                raise LocalProtocolError("the peer takes no key presses")

    async def _tell(self, digit: str) -> None:
        released = asyncio.get_running_loop().time() + TONE + PAUSE
        key = Dtmf(code=digit, duration=round(1000 * TONE))
        await self._live.ask(lambda session: session.info(key))
        # As in RTP: who listens to a person is used to a person's pace.
        await asyncio.sleep(released - asyncio.get_running_loop().time())
