"""A media stack that speaks SDP, made into an XMPP client by the mapping: `jingle.sdp`, and nothing else of a call's.

The client has no engine of sessions: it says in Jingle what the stack says in SDP and the other way round, as a gateway
would do it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from slixmpp import ClientXMPP

from jingle import sdp
from jingle.elements import initiation
from jingle.elements.core import Action, Jingle, Reason, ReasonCondition, Role
from jingle.elements.declare import Element
from jingle.errors import SignallingError
from jingle.signalling.binding import Binding, Replier
from jingle.signalling.messages import ReceivedMessage
from tests.e2e.sound import Heard
from tests.servers.accounts import XmppServer
from tests.servers.plain_client import PLUGINS, plain_client

WAIT = 30.0
"""Seconds for whatever has no bound of its own: generous, for the machine may be busy."""

SID = "stack-1"
FEATURES = (
    "urn:xmpp:jingle:apps:rtp:video",
    "urn:xmpp:jingle:1",
    "urn:xmpp:jingle:apps:rtp:1",
    "urn:xmpp:jingle:apps:rtp:audio",
    "urn:xmpp:jingle:apps:dtls:0",
    "urn:xmpp:jingle:transports:ice-udp:1",
    initiation.NS,
)


class Stack(Protocol):
    """One connection of a media stack, which says a tone.

    Attributes:
        trickled: The candidates it has found since its description: the mid and the line, which is `None` at the end.
    """

    trickled: asyncio.Queue[tuple[str, str | None]]

    async def offer(self) -> str:
        """Make an offer and stand by it."""
        ...

    async def answer(self, offer: str) -> str:
        """Take the peer's offer, and answer."""
        ...

    async def accept(self, answer: str) -> None:
        """Take the peer's answer."""
        ...

    async def add(self, mid: str, line: str) -> None:
        """Take a candidate of the peer's."""
        ...

    async def connected(self) -> None:
        """Wait until ICE and DTLS are done."""
        ...

    async def hear(self) -> Heard:
        """Measure the last second of what came in."""
        ...

    async def look(self) -> tuple[int, ...]:
        """The colour of the middle of the last picture that came in: red, green, blue."""
        ...


class StackClient:
    """Online, and its one call is the stack's.

    Attributes:
        jid: Its full JID.
        actions: What the peer did, in order.
        reason: Why the session ended.
    """

    def __init__(self, xmpp: ClientXMPP, stack: Stack) -> None:
        self.binding = Binding(xmpp, message_namespaces=[initiation.NS])
        self.binding.on_jingle = self._receive
        self.binding.on_message = self._read
        self.jid = self.binding.local
        self.actions: list[Action] = []
        self.refusals: list[SignallingError] = []
        self.ended: asyncio.Future[Reason | None] = asyncio.get_running_loop().create_future()
        self._stack = stack
        self._peer, self._sid, self._role = "", "", Role.RESPONDER
        self._ours: sdp.SessionDescription | None = None
        self._offer: sdp.SessionDescription | None = None
        # Each stanza is worked off before the next one, as the stack would have it.
        self._work: asyncio.Queue[Jingle] = asyncio.Queue()
        self._tasks = [asyncio.ensure_future(self._serve())]

    async def call(self, peer: str) -> None:
        """Initiate a session with a full JID."""
        self._peer, self._sid, self._role = peer, SID, Role.INITIATOR
        self._say(Action.SESSION_INITIATE, await self._stack.offer())

    def hang_up(self) -> None:
        """Terminate the session."""
        reason = Reason(condition=ReasonCondition.SUCCESS)
        self._send(Jingle(action=Action.SESSION_TERMINATE, sid=self._sid, reason=reason))

    def _say(self, action: Action, text: str) -> None:
        self._ours = sdp.parse(text)
        self._send(sdp.to_jingle(self._ours, role=self._role, action=action, sid=self._sid))
        self._tasks.append(asyncio.ensure_future(self._trickle()))

    def _send(self, jingle: Jingle) -> None:
        self.binding.send_request(self._peer, jingle, self._answered)

    def _answered(self, error: SignallingError | None) -> None:
        if error is not None:
            self.refusals.append(error)

    async def _trickle(self) -> None:
        assert self._ours is not None
        # Of a bundle only the first section gathers.
        ufrag, pwd = self._ours.media[0].ice_ufrag, self._ours.media[0].ice_pwd
        while True:
            mid, line = await self._stack.trickled.get()
            trickled = sdp.Trickled(
                mid=mid,
                candidates=(sdp.parse_candidate(line),) if line else (),
                ice_ufrag=ufrag,
                ice_pwd=pwd,
                end_of_candidates=line is None,
            )
            self._send(sdp.to_transport_info(trickled, sid=self._sid))

    def _receive(self, sender: str, jingle: Jingle, reply: Replier) -> None:
        reply(None)
        self.actions.append(jingle.action)
        self._peer, self._sid = sender, jingle.sid
        self._work.put_nowait(jingle)

    async def _serve(self) -> None:
        while True:
            await self._do(await self._work.get())

    async def _do(self, jingle: Jingle) -> None:
        match jingle.action:
            case Action.SESSION_INITIATE:
                self._offer = sdp.from_jingle(jingle, role=Role.INITIATOR)
                self._say(Action.SESSION_ACCEPT, await self._stack.answer(sdp.format(self._offer)))
            case Action.SESSION_ACCEPT:
                answer = sdp.from_jingle(jingle, role=Role.RESPONDER, offer=self._ours)
                await self._stack.accept(sdp.format(answer))
            case Action.TRANSPORT_INFO:
                for trickled in sdp.from_transport_info(jingle):
                    for candidate in trickled.candidates:
                        await self._stack.add(trickled.mid, sdp.format_candidate(candidate))
            case Action.SESSION_TERMINATE:
                self.ended.set_result(jingle.reason)

    def _read(self, message: ReceivedMessage) -> None:
        for payload in message.payloads:
            if isinstance(payload, initiation.Propose):
                self._write(message.sender, initiation.Proceed(id=payload.id))

    def _write(self, to: str, element: Element) -> None:
        self.binding.send_message(to, [element], id=f"jm-{element.NAME}")

    async def aclose(self) -> None:
        """Leave the stream."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.binding.aclose()
        for each in ended:
            if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError):
                raise each


@contextlib.asynccontextmanager
async def stack_client(server: XmppServer, jid: str, stack: Stack) -> AsyncIterator[StackClient]:
    """Log in and stay until the block ends."""
    async with plain_client(server, jid, plugins=PLUGINS, features=FEATURES) as xmpp:
        client = StackClient(xmpp, stack)
        try:
            yield client
        finally:
            await client.aclose()


def decoded(pcm: str) -> NDArray[np.int16]:
    """Samples that came as text."""
    return np.frombuffer(base64.b64decode(pcm), np.int16)
