"""A pump among fakes: transports and applications that do what a test says, and a stream whose far end is the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from jingle.elements.core import Action, Content, Jingle, Reason, ReasonCondition, Role, Senders
from jingle.elements.declare import Element
from jingle.elements.initiation import Initiation
from jingle.elements.model import Unknown
from jingle.errors import ProtocolError, SignallingError, TransportFailed
from jingle.peer.content import LiveContent
from jingle.peer.events import Event
from jingle.peer.live import LiveSession
from jingle.peer.policy import Policy
from jingle.peer.pump import Pump
from jingle.session import events
from jingle.session import initiation_events as proposals
from jingle.signalling.binding import Binding
from jingle.signalling.discovery import Discovery
from jingle.signalling.messages import ReceivedMessage
from jingle.signalling.services import ExternalServices
from jingle.transports.base import IceServer, Kind, Path, Security, Transport, TransportContext, TransportOptions
from tests.session.helpers import SID, content, description, jingle, transport

OWN, PEER = "juliet@capulet.example/balcony", "romeo@montague.example/orchard"
APP, METHOD, OTHER = "urn:example:stub", "urn:example:stub", "urn:example:other"
SUCCESS = Reason(condition=ReasonCondition.SUCCESS)


class FakeLink:
    """A connected transport; `lost` ends it."""

    security = Security.DTLS

    def __init__(self) -> None:
        self._ended: asyncio.Future[TransportFailed | None] = asyncio.get_running_loop().create_future()

    async def ended(self) -> TransportFailed | None:
        return await asyncio.shield(self._ended)

    is_alive = True

    async def responds(self, patience: float) -> bool:
        await asyncio.sleep(0)
        return self.is_alive

    def lose(self, failure: TransportFailed | None) -> None:
        self._ended.set_result(failure)


class FakeTransport:
    """A transport; `connecting` decides what becomes of `connect()`."""

    namespace: ClassVar[str] = METHOD
    kind: ClassVar[Kind] = Kind.DATAGRAM
    name: ClassVar[str] = "fake"
    priority: ClassVar[int] = 1
    features: ClassVar[tuple[str, ...]] = (METHOD,)
    security: ClassVar[Security] = Security.DTLS
    made: ClassVar[list[FakeTransport]]
    broken: ClassVar[dict[str, Exception]]
    """By method: what it raises."""

    def __init__(self, context: TransportContext) -> None:
        self.context = context
        self.took: list[Element] = []
        self.informed: list[Element] = []
        self.connecting: asyncio.Future[FakeLink] = asyncio.get_running_loop().create_future()
        self.link: FakeLink | None = None
        self.closed = 0
        self.made.append(self)

    def _may_break(self, where: str) -> None:
        if where in self.broken:
            raise self.broken[where]

    async def describe(self) -> Element:
        await asyncio.sleep(0)
        self._may_break("describe")
        return transport("ours", self.namespace.rpartition(":")[2])

    async def accept(self, remote: Element) -> None:
        await asyncio.sleep(0)
        self._may_break("accept")
        self.took.append(remote)

    async def info(self, remote: Element) -> None:
        await asyncio.sleep(0)
        self._may_break("info")
        self.informed.append(remote)

    async def connect(self) -> FakeLink:
        self._may_break("connect")
        self.link = await asyncio.shield(self.connecting)
        return self.link

    def succeed(self) -> None:
        self.connecting.set_result(FakeLink())

    @property
    def path(self) -> Path | None:
        return None

    async def aclose(self) -> None:
        self.closed += 1
        self.connecting.cancel()
        self._may_break("aclose")


class OtherTransport(FakeTransport):
    namespace: ClassVar[str] = OTHER
    name: ClassVar[str] = "other"
    priority: ClassVar[int] = 0
    features: ClassVar[tuple[str, ...]] = (OTHER,)


class FakeApplication:
    """An application; `broken` says where it fails."""

    namespace: ClassVar[str] = APP
    kind: ClassVar[Kind] = Kind.DATAGRAM
    features: ClassVar[tuple[str, ...]] = (APP,)
    infos: ClassVar[tuple[type[Element], ...]] = (Unknown,)
    components = 1

    def __init__(self, broken: dict[str, Exception] | None = None) -> None:
        self.broken = broken or {}
        self.told: list[tuple[str, object]] = []

    def _note(self, what: str, value: object = None) -> None:
        self.told.append((what, value))
        if what in self.broken:
            raise self.broken[what]

    def described(self, what: str) -> list[object]:
        """The values of everything of one kind that it was told."""
        return [value for name, value in self.told if name == what]

    def describe(self) -> Element:
        self._note("describe")
        return description("ours")

    def answer(self, remote: Element) -> Element:
        self._note("answer", remote)
        return description("ours")

    def accepted(self, remote: Element | None) -> None:
        self._note("accepted", remote)

    def set_senders(self, senders: Senders) -> None:
        self._note("senders", senders)

    async def start(self, connection: Any) -> None:
        await asyncio.sleep(0)
        self._note("start", connection)

    def info(self, payload: Element) -> bool:
        self._note("info", payload)
        return True

    def description_info(self, remote: Element) -> None:
        self._note("description-info", remote)

    async def stop(self, reason: str | None = None, text: str | None = None) -> None:
        self._note("stop", reason)


@dataclass
class Sent:
    """An IQ-set that left."""

    to: str
    jingle: Jingle
    on_answer: Callable[[SignallingError | None], None]
    is_answered: bool = False

    def answer(self, error: SignallingError | None = None) -> None:
        """Let the peer acknowledge or refuse it."""
        self.is_answered = True
        self.on_answer(error)


@dataclass
class Reply:
    """What a stanza of the peer's was answered with."""

    error: ProtocolError | None = None
    count: int = 0


class FakeBinding:
    """A stream whose far end is the test."""

    def __init__(self) -> None:
        self.local = OWN
        self.sent: list[Sent] = []
        self.messages: list[tuple[str, list[Element], str]] = []
        self.presences: list[tuple[str, bool]] = []
        self.contacts = {"romeo@montague.example"}
        self.may_reach: Callable[[str], bool]
        self.on_jingle: Callable[..., None]
        self.on_message: Callable[[ReceivedMessage], None]
        self.on_unavailable: Callable[[str], None]

    def is_contact(self, jid: str) -> bool:
        return jid.partition("/")[0] in self.contacts

    def send_request(self, to: str, payload: Jingle, on_answer: Callable[[SignallingError | None], None]) -> None:
        self.sent.append(Sent(to, payload, on_answer))

    def send_message(self, to: str, payloads: Sequence[Element], *, id: str) -> None:
        self.messages.append((to, list(payloads), id))

    def send_presence(self, to: str, *, available: bool = True) -> None:
        self.presences.append((to, available))


class FakeServices:
    async def ice_servers(self) -> tuple[IceServer, ...]:
        return (IceServer(scheme="stun", host="stun.example", port=3478),)


@dataclass
class Stage:
    """A pump and everything around it."""

    pump: Pump
    binding: FakeBinding
    happened: list[Event]
    applications: list[FakeApplication] = field(default_factory=list)
    broken: dict[str, Exception] = field(default_factory=dict)
    """What the next applications do wrong."""

    sessions: list[LiveSession] = field(default_factory=list)
    """Those of the peer that were handed on."""

    proposed: list[proposals.InitiationEvent] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    @property
    def transports(self) -> list[FakeTransport]:
        return FakeTransport.made

    def actions(self) -> list[str]:
        """The actions that left so far."""
        return [sent.jingle.action.value for sent in self.binding.sent]

    def last(self, action: Action) -> Sent:
        """The last stanza of this action that left."""
        return [sent for sent in self.binding.sent if sent.jingle.action is action][-1]

    def receive(self, stanza: Jingle, sender: str = PEER) -> Reply:
        """Let a stanza of the peer's arrive."""
        answer = Reply()

        def reply(error: ProtocolError | None) -> None:
            answer.error, answer.count = error, answer.count + 1

        self.binding.on_jingle(sender, stanza, reply)
        assert answer.count == 1, "each stanza is answered at once, and once"
        return answer

    def message(self, element: Element, *more: Element, sender: str = PEER, **fields: Any) -> None:
        """Let a message of the peer's arrive."""
        given = {"recipient": OWN, "id": "m1", "type": "chat"} | fields
        self.binding.on_message(ReceivedMessage(sender=sender, payloads=(element, *more), **given))

    def initiations(self) -> list[tuple[str, type[Initiation]]]:
        """The messages of XEP-0353 that left so far."""
        return [
            (to, type(payloads[0])) for to, payloads, _ in self.binding.messages if isinstance(payloads[0], Initiation)
        ]

    def offered(self, *contents: Content, sid: str = SID) -> LiveSession:
        """Let the peer initiate a session."""
        before = len(self.pump.sessions)
        reply = self.receive(jingle(Action.SESSION_INITIATE, *(contents or (content(),)), sid=sid))
        assert reply.error is None
        assert len(self.pump.sessions) == before + 1
        return list(self.pump.sessions.values())[-1]

    async def initiated(self, *names: str) -> LiveSession:
        """Initiate a session of ours."""
        contents = [self.proposal(name) for name in names or ("voice",)]
        live = await self.pump.initiate(PEER, SID, contents)
        self.sessions.append(live)
        return live

    def proposal(self, name: str) -> LiveContent:
        application = FakeApplication(dict(self.broken))
        self.applications.append(application)
        selection = self.pump.select(Kind.DATAGRAM, None, None)
        choice = selection.next()
        assert choice is not None
        return LiveContent(
            id=events.ContentId(Role.INITIATOR, name),
            application=application,
            choice=choice,
            selection=selection,
            make_transport=self.pump.transports_of(Role.INITIATOR, PEER, SID, name),
        )

    def accepted(self, *names: str) -> None:
        """Let the peer acknowledge and accept."""
        self.last(Action.SESSION_INITIATE).answer()
        contents = [content(name, detail="theirs") for name in names or ("voice",)]
        assert self.receive(jingle(Action.SESSION_ACCEPT, *contents)).error is None

    async def answered(self, live: LiveSession) -> None:
        """Accept what the peer offered."""
        await settle()
        live.accept(await live.describe(), ())

    def answer_all(self, error: SignallingError | None = None) -> None:
        """Let the peer answer everything that waits for it, and forget what has left."""
        waiting, self.binding.sent = self.binding.sent, []
        for sent in waiting:
            if not sent.is_answered:
                sent.answer(error)


async def settle() -> None:
    """Let every task run as far as it gets by itself."""
    for _ in range(25):
        await asyncio.sleep(0)


@asynccontextmanager
async def stage(
    transports: Sequence[type[FakeTransport]] = (FakeTransport,), allow: Sequence[str] = ()
) -> AsyncIterator[Stage]:
    FakeTransport.made, FakeTransport.broken = [], {}
    binding = FakeBinding()
    happened: list[Event] = []
    set_up: list[Stage] = []

    def make(live: LiveSession, offer: Content) -> FakeApplication:
        application = FakeApplication(dict(set_up[0].broken))
        set_up[0].applications.append(application)
        return application

    before = asyncio.all_tasks()
    pump = Pump(
        cast(Binding, binding),
        cast(Discovery, None),
        cast(ExternalServices, FakeServices()),
        options=TransportOptions(),
        transports=cast(Sequence[type[Transport]], transports),
        applications={APP: make},
        policy=Policy(binding.is_contact, allow),
        on_event=happened.append,
    )
    it = Stage(pump, binding, happened)
    set_up.append(it)
    pump.on_session = lambda live, event: it.sessions.append(live)
    pump.proposals.on_event = it.proposed.append
    pump.on_unavailable = it.gone.append
    yield it
    await pump.aclose()
    await settle()
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}
    assert pump.sessions == {}
    for each in FakeTransport.made:
        assert each.closed, "a transport was left open"
    for application in it.applications:
        assert application.described("stop"), "an application was left running"
