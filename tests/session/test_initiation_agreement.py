"""Two users with two devices each and a slow server between them: whatever crosses, all devices agree in the end."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jingle.elements.core import Reason, ReasonCondition
from jingle.elements.initiation import Initiation
from jingle.elements.jids import bare
from jingle.errors import LocalProtocolError
from jingle.session import initiation_events as events
from jingle.session.initiation import Initiations
from jingle.session.proposal import Proposal, ProposalState

from .helpers import description

USERS = ("romeo@montague.example", "juliet@capulet.example")
OPEN = (ProposalState.PROPOSED, ProposalState.RINGING)
SUCCESS = Reason(condition=ReasonCondition.SUCCESS)


@dataclass
class Message:
    element: Initiation
    sender: str
    recipient: str


@dataclass
class Device:
    machine: Initiations
    inbox: deque[Message] = field(default_factory=deque)
    log: list[events.InitiationEvent] = field(default_factory=list)

    @property
    def known(self) -> dict[str, Proposal]:
        return self.machine._proposals


class Agreement(RuleBasedStateMachine):
    """The server copies as XEP-0280 says: what a device sends and what another one gets, unless it is private."""

    devices: dict[str, Device]

    @initialize()
    def begin(self) -> None:
        self.devices = {jid: Device(Initiations(local=jid)) for user in USERS for jid in (f"{user}/a", f"{user}/b")}
        self.proposals = 0

    def flush(self, device: Device) -> None:
        sender = device.machine.local
        for event in device.machine.take_events():
            device.log.append(event)
            if not isinstance(event, events.SendMessage):
                continue
            message = Message(event.element, sender, event.to)
            for jid, other in self.devices.items():
                addressed = event.to in (jid, bare(jid))
                copied = not event.private and bare(jid) in (bare(sender), bare(event.to)) and jid != sender
                if addressed or copied:
                    other.inbox.append(message)

    @precondition(lambda self: any(device.inbox for device in self.devices.values()))
    @rule(data=st.data(), count=st.integers(1, 4))
    def deliver(self, data: st.DataObject, count: int) -> None:
        busy = [jid for jid, device in self.devices.items() if device.inbox]
        device = self.devices[data.draw(st.sampled_from(busy))]
        for _ in range(min(count, len(device.inbox))):
            self.take(device)

    def take(self, device: Device) -> None:
        message = device.inbox.popleft()
        device.machine.receive(message.element, sender=message.sender, recipient=message.recipient, now=0)
        self.flush(device)

    @rule()
    def settle(self) -> None:
        while any(device.inbox for device in self.devices.values()):
            for device in self.devices.values():
                if device.inbox:
                    self.take(device)

    @precondition(lambda self: self.proposals < 4)
    @rule(who=st.integers(0, 3), id=st.integers(0, 99))
    def propose(self, who: int, id: int) -> None:
        device = list(self.devices.values())[who]
        other = USERS[1] if device.machine.local.startswith("romeo") else USERS[0]
        # Unique, with an order that the numbers do not give away.
        self.proposals += 1
        device.machine.propose(other, f"{id:02}-{self.proposals}", [description()], now=0)
        self.flush(device)

    @precondition(lambda self: self.proposals)
    @rule(who=st.integers(0, 3), pick=st.integers(0, 5), act=st.sampled_from("ring proceed proceed reject".split()))
    def answer(self, who: int, pick: int, act: str) -> None:
        self.act(who, pick, act)

    @precondition(lambda self: self.proposals)
    @rule(who=st.integers(0, 3), pick=st.integers(0, 5), act=st.sampled_from(["retract", "finish"]))
    def end(self, who: int, pick: int, act: str) -> None:
        self.act(who, pick, act)

    def act(self, who: int, pick: int, act: str) -> None:
        device = list(self.devices.values())[who]
        if not device.known:
            return
        id = list(device.known)[pick % len(device.known)]
        with contextlib.suppress(LocalProtocolError):
            if act == "finish":
                device.machine.finish(id, SUCCESS)
            elif act == "proceed":
                device.machine.proceed(id, now=0)
            else:
                getattr(device.machine, act)(id)
        self.flush(device)

    @invariant()
    def all_agree_when_nothing_is_in_flight(self) -> None:
        if any(device.inbox for device in self.devices.values()):
            return
        for jid, device in self.devices.items():
            for id, proposal in device.known.items():
                if proposal.role.value == "initiator":
                    self.check(id, jid, proposal)

    def check(self, id: str, initiator: str, proposal: Proposal) -> None:
        others = {jid: device.known.get(id) for jid, device in self.devices.items() if bare(jid) != bare(initiator)}
        states = {jid: known.state for jid, known in others.items() if known is not None}
        if proposal.state in OPEN:
            assert all(state in OPEN for state in states.values()), states
            assert len(states) == 2
        elif proposal.state is ProposalState.PROCEEDED:
            assert states.pop(proposal.peer) is ProposalState.PROCEEDED
            assert all(state is ProposalState.ENDED for state in states.values()), states
        else:
            assert all(state is ProposalState.ENDED for state in states.values()), states

    @invariant()
    def every_ringing_is_ended_by_something(self) -> None:
        ends = (
            events.Retracted,
            events.AnsweredElsewhere,
            events.RejectedElsewhere,
            events.Finished,
            events.Migrated,
        )
        for device in self.devices.values():
            rang = {event.id for event in device.log if isinstance(event, events.Incoming)}
            said = {
                event.element.id
                for event in device.log
                if isinstance(event, events.SendMessage) and event.element.NAME in ("reject", "proceed", "finish")
            }
            told = {event.id for event in device.log if isinstance(event, ends)}
            for id in rang:
                assert device.known[id].state is not ProposalState.ENDED or id in said | told

    def teardown(self) -> None:
        if hasattr(self, "devices"):
            self.settle()
            self.all_agree_when_nothing_is_in_flight()


Agreement.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestAgreement = Agreement.TestCase
