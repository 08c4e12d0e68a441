"""XEP-0353 between the stream and the program: messages into the proposals' machine, its events out again."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

from ..elements.core import Reason, ReasonCondition
from ..elements.declare import Element
from ..elements.initiation import Initiation, Propose
from ..elements.messages import NoCopy, Receipt, ReceiptRequest, Store
from ..errors import LocalProtocolError
from ..session import events
from ..session import initiation_events as proposals
from ..session.catch_up import CATCH_UP, MAX_STORED
from ..session.initiation import Initiations
from ..session.proposal import ProposalState
from ..signalling.binding import Binding
from ..signalling.messages import ReceivedMessage
from .policy import Policy

PROPOSE_ID = "jm-propose-"
"""What the ids of proposing messages begin with; Conversations recognises receipts by it, and so do we."""


class Proposals:
    """The calls that are proposed before their sessions, of one XMPP address.

    Attributes:
        machine: Decides what is to be done.
        on_event: Called with everything that is not a message to send.
    """

    def __init__(self, binding: Binding, policy: Policy, emit: Callable[..., None]) -> None:
        self.machine = Initiations(local=binding.local, may_reach=policy)
        self.on_event: Callable[[proposals.InitiationEvent], None] = lambda event: None
        self._binding = binding
        self._emit = emit
        self._catching_up: dict[str, asyncio.TimerHandle] = {}

    def close(self) -> None:
        """Wait for nothing any more."""
        while self._catching_up:
            self._catching_up.popitem()[1].cancel()

    def act(self, call: Callable[[Initiations], Any]) -> None:
        """Call a method of the proposals' machine and carry out what follows.

        Raises:
            LocalProtocolError: The machine forbids it.
        """
        call(self.machine)
        self._carry_out()

    def finish(self, sid: str, reason: str) -> None:
        """Tell all devices of both sides that a session which was proposed is over (section 3.7)."""
        condition = ReasonCondition.SUCCESS if reason == "success" else ReasonCondition.EXPIRED
        if self.machine.state(sid) is not None:
            with contextlib.suppress(LocalProtocolError):  # it never proceeded
                self.act(lambda machine: machine.finish(sid, Reason(condition=condition)))

    def receive(self, message: ReceivedMessage) -> None:
        """Take a message with a payload of the XEP, or a receipt for one."""
        if message.error is not None:
            self._receive_bounce(message)
            return
        for payload in message.payloads:
            if isinstance(payload, Initiation):
                self.machine.receive(
                    payload,
                    sender=message.sender,
                    recipient=message.recipient,
                    now=time.monotonic(),
                    age=message.age,
                    is_archived=message.is_archived,
                )
                if isinstance(payload, Propose) and (message.age or message.is_archived):
                    self._catch_up_on(payload.id, message)
            elif isinstance(payload, Receipt) and payload.id.startswith(PROPOSE_ID) and message.carbon is None:
                # Conversations tells by a receipt what others tell by <ringing/>.
                self.on_event(proposals.RingingReceived(id=payload.id.removeprefix(PROPOSE_ID), peer=message.sender))
        self._carry_out(message)

    def _catch_up_on(self, id: str, message: ReceivedMessage) -> None:
        """See what became of a proposal that was stored on the way, once what followed it has come."""

        def look() -> None:
            self._catching_up.pop(id, None)
            self.machine.sweep(time.monotonic())
            self._carry_out(message)

        if id not in self._catching_up and len(self._catching_up) < MAX_STORED:
            self._catching_up[id] = asyncio.get_running_loop().call_later(CATCH_UP, look)

    def _receive_bounce(self, message: ReceivedMessage) -> None:
        if message.id.startswith(PROPOSE_ID):
            self.act(lambda machine: machine.bounced(message.id.removeprefix(PROPOSE_ID), message.sender))

    def _carry_out(self, cause: ReceivedMessage | None = None) -> None:
        for event in self.machine.take_events():
            match event:
                case proposals.SendMessage(to=to, element=element, private=private):
                    self._send_initiation(to, element, private=private)
                case events.CallerRefused(peer=peer):
                    self._emit("refused", peer=peer, reason="not-allowed")
                case proposals.Incoming():
                    self.on_event(event)
                    # To whoever asks, a receipt says what <ringing/> says: none of it where nobody rings.
                    if cause is not None and self.machine.state(event.id) is ProposalState.RINGING:
                        self._acknowledge(cause)
                case _:
                    self.on_event(event)

    def _send_initiation(self, to: str, element: Initiation, *, private: bool) -> None:
        name = type(element).NAME
        id = f"jm-{name}-{element.id}" if name in ("propose", "proceed") else f"jm-{name}-{uuid.uuid4().hex[:12]}"
        # Section 3; and QXmpp takes no message that is not to be stored.
        beside: list[Element] = [Store(), *([NoCopy()] if private else [])]
        if name == "propose":
            beside.append(ReceiptRequest())
        self._binding.send_message(to, [element, *beside], id=id)

    def _acknowledge(self, message: ReceivedMessage) -> None:
        """A receipt beside `<ringing/>`, for clients that know no other sign (XEP-0184)."""
        if message.id and any(isinstance(payload, ReceiptRequest) for payload in message.payloads):
            self._binding.send_message(message.sender, [Receipt(id=message.id), Store()], id=uuid.uuid4().hex)
