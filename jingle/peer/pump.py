"""The pump: stanzas into the pure engine, its events out to sessions, stanzas and the program.

One input, then all its events, then the next input. Nothing here waits: what takes time runs in the tasks of the live
sessions, so that a stanza is acknowledged before any work begins (XEP-0166 section 6.3.1).
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..applications.base import Discerning
from ..elements.core import Content, Group, Jingle, Role
from ..elements.declare import Element
from ..elements.jids import bare
from ..errors import ApplicationFailed, LocalProtocolError, SignallingError
from ..session import events
from ..session.contents import namespace_of
from ..session.dispatcher import Dispatcher
from ..session.engine import Session
from ..session.initiation import Initiations
from ..signalling.binding import Binding, Replier
from ..signalling.discovery import Discovery
from ..signalling.services import ExternalServices
from ..transports.addresses import AddressWatch
from ..transports.base import Kind, PathChange, SecurityPrecondition, Transport, TransportContext, TransportOptions
from ..transports.selection import Choice, Selection
from .content import LiveContent, MakeTransport, protection
from .events import Event, EventHandler, path_fields
from .live import LiveSession
from .policy import Policy
from .proposing import Proposals

log = logging.getLogger(__name__)

SWEEP_INTERVAL = 5.0

ApplicationFactory = Callable[[LiveSession, Content], Any]


class Pump:
    """Everything Jingle of one XMPP address.

    Attributes:
        sessions: The live sessions, by the engine's side of each.
        addresses: Tells when the addresses of this machine change.
        on_session: Called with each session that a peer initiates, once it is acknowledged and running.
        proposals: The calls that are proposed before their sessions.
        on_unavailable: Called with the full JID of whoever goes offline, after its sessions were ended.
    """

    def __init__(
        self,
        binding: Binding,
        discovery: Discovery,
        services: ExternalServices,
        *,
        options: TransportOptions,
        transports: Sequence[type[Transport]],
        applications: dict[str, ApplicationFactory],
        policy: Policy,
        on_event: EventHandler,
        preconditions: Sequence[type[SecurityPrecondition]] = (),
        require_encryption: bool = False,
        in_order: bool = False,
        hide_from_strangers: bool = False,
    ) -> None:
        self.binding = binding
        self.discovery = discovery
        self.services = services
        self.options = options
        self.transports = tuple(transports)
        self.applications = applications
        self.preconditions = tuple(preconditions)
        self.require_encryption = require_encryption
        self.in_order = in_order
        self.hide_from_strangers = hide_from_strangers
        self.policy = policy
        self.sessions: dict[Session, LiveSession] = {}
        self.addresses = AddressWatch()
        self._is_closed = False
        self._shown: set[str] = set()
        self._early: dict[tuple[str, str], list[tuple[str, Element]]] = {}
        self.on_session: Callable[[LiveSession, events.SessionInitiated], None] = lambda live, event: live.terminate(
            "busy"
        )
        self.on_unavailable: Callable[[str], None] = lambda jid: None
        self._on_event = on_event
        self.dispatcher = Dispatcher(local=binding.local, may_reach=policy, understands=self._understands)
        self.proposals = Proposals(binding, policy, self.emit)
        binding.may_reach = self.may_reach
        binding.on_jingle = self._receive_jingle
        binding.on_message = self.proposals.receive
        binding.on_unavailable = self._receive_unavailable
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="jingle sweep")

    def emit(self, name: str, /, **fields: Any) -> None:
        """Tell the program about something that happened; what it does about that must not break what we do."""
        try:
            self._on_event(Event(name=name, time=time.time(), fields=fields))
        except Exception:
            log.exception("the program failed to take the event %r", name)

    def moved(self, local: str) -> None:
        """Take note of a new full JID: the stream came back as another session."""
        self.dispatcher.local = self.initiations.local = local

    def is_engaged(self, jid: str) -> bool:
        """Whether a session with this full JID is running, so that it may talk to us whoever it is."""
        return any(live.peer == jid for live in self.sessions.values())

    def may_reach(self, jid: str) -> bool:
        """Whether this full JID may know that we have Jingle, and ask something of us."""
        return self.policy(jid) or self.is_engaged(jid)

    def may_see(self, jid: str) -> bool:
        """Whether this full JID may learn what we can do: who may reach us, and whom we show ourselves to."""
        return self.may_reach(jid) or not self._shown.isdisjoint((jid, bare(jid)))

    async def aclose(self) -> None:
        """End every session and wait until they are freed; nothing can be begun any more."""
        self._is_closed = True
        self._sweeper.cancel()
        self.proposals.close()
        await asyncio.gather(self._sweeper, return_exceptions=True)
        await asyncio.gather(*(live.close("gone") for live in list(self.sessions.values())))
        self.addresses.close()

    def check_open(self) -> None:
        """Make sure that something can be begun.

        Raises:
            LocalProtocolError: We have gone offline.
        """
        if self._is_closed:
            raise LocalProtocolError("this peer was closed", condition="gone")

    def show(self, jid: str) -> None:
        """Let somebody who does not see our presence see it until `hide`, so that each side notices the other go."""
        if not self.binding.is_contact(jid):
            self._shown.add(jid)
            self.binding.send_presence(jid)

    def hide(self, jid: str) -> None:
        """Take back what `show` gave, to this full JID or to all devices of its account, unless we still talk."""
        account = bare(jid)
        if any(bare(live.peer) == account for live in self.sessions.values()):
            return
        for shown in {jid, account} & self._shown:
            self._shown.discard(shown)
            self.binding.send_presence(shown, available=False)

    # Sessions

    async def initiate(
        self,
        peer: str,
        sid: str,
        contents: Sequence[LiveContent],
        *,
        groups: tuple[Group, ...] = (),
        is_hidden: bool = False,
    ) -> LiveSession:
        """Describe contents of ours and initiate a session with them; what fails, or is cancelled, is freed.

        With `is_hidden`, contents that are added later reveal no address of this machine either.

        Raises:
            ApplicationFailed: An application cannot be described.
            TransportFailed: A transport cannot be used.
            LocalProtocolError: There is such a session already, or we have gone offline.
        """
        try:
            proposed = [await content.propose() for content in contents]
            self.check_open()
            session = self.dispatcher.initiate(peer, sid, proposed, groups=groups, now=time.monotonic())
        except BaseException:
            for content in contents:
                await content.stop(None)
                await content.aclose()
            raise
        finally:
            early = self._early.pop((peer, sid), [])
        live = self._live(session)
        live.is_hidden = is_hidden
        for content in contents:
            live.add(content)
        self.handle(session, session.take_events())
        for name, info in early:
            live.send_transport_info(name, info)
        return live

    def _understands(self, session: Session, payload: Element) -> bool:
        live = self.sessions.get(session)
        contents = live.contents.values() if live is not None else ()
        applications = [content.application for content in contents]
        return any(
            isinstance(payload, each.infos) and (not isinstance(each, Discerning) or each.understands(payload))
            for each in applications
        )

    def handle(self, session: Session | None, happened: Sequence[events.Event]) -> None:
        """Carry out events of the engine that no stanza is waiting on."""
        for event in happened:
            self._carry_out(session, event, None)

    def _live(self, session: Session) -> LiveSession:
        live = self.sessions[session] = LiveSession(self, session)
        live.ended.add_done_callback(lambda _: self.sessions.pop(session))
        return live

    def _receive_jingle(self, sender: str, jingle: Jingle, reply: Replier) -> None:
        for session, event in self.dispatcher.receive(sender, jingle, time.monotonic()):
            self._carry_out(session, event, reply)

    def _carry_out(self, session: Session | None, event: events.Event, reply: Replier | None) -> None:
        live = self.sessions.get(session) if session is not None else None
        match event:
            case events.Reply(error=error):
                assert reply is not None
                reply(error)
            case events.Send(jingle=jingle, token=token):
                assert session is not None
                if live is not None:
                    live.take(event)
                self._send(session, jingle, token)
            case events.CallerRefused(peer=peer):
                self.emit("refused", peer=peer, reason="service-unavailable")
            case events.SessionInitiated():
                assert session is not None
                self._admit(session, event)
            case _:
                if live is not None:
                    live.take(event)

    def _send(self, session: Session, jingle: Jingle, token: int) -> None:
        def answered(error: SignallingError | None) -> None:
            if error is None:
                session.acknowledged(token)
            elif error.condition == "timeout":
                session.timed_out(token)
            else:
                session.refused(token, error.condition, error.jingle, error.text)
            self.handle(session, session.take_events())

        if session.local == self.dispatcher.local:
            self.binding.send_request(session.peer, jingle, answered)
        else:
            # The stream came back as another session: to the peer, whatever we say comes from somebody else.
            unsaid = SignallingError("gone", "our own address has changed")
            asyncio.get_running_loop().call_soon(answered, unsaid)

    def _admit(self, session: Session, event: events.SessionInitiated) -> None:
        live = self._live(session)
        refusals: list[ApplicationFailed] = []
        for offer in event.contents:
            # Two of one name are alternatives (XEP-0166 section 7.3): the first that we can do is taken.
            if offer.name not in live.contents:
                try:
                    live.add(self.content_of(live, offer))
                except ApplicationFailed as exc:
                    refusals.append(exc)
        if live.contents:
            live.take(event)
            self.on_session(live, event)
        else:
            live.terminate(refusals[0].reason, refusals[0].text)

    def content_of(self, live: LiveSession, offer: Content) -> LiveContent:
        """Find the application and the transport for an offered content.

        Raises:
            ApplicationFailed: There is none; its reason is the one to end the session with, where nothing else is
                offered.
        """
        assert offer.description is not None
        assert offer.transport is not None
        make = self.applications.get(namespace_of(offer.description))
        if make is None:
            raise ApplicationFailed("no such application", reason="unsupported-applications")
        protect = self._precondition_of(offer)
        application = make(live, offer)
        selection = self.select(application.kind, None, protect)
        choice = selection.take(namespace_of(offer.transport))
        if choice is None:
            live.release(application, "unsupported-transports")
            raise ApplicationFailed("no such transport", reason="unsupported-transports")
        return LiveContent(
            id=events.ContentId(offer.creator, offer.name),
            application=application,
            choice=choice,
            selection=selection,
            make_transport=self.transports_of(live.session.role, live.peer, live.sid, offer.name),
            precondition=protection(protect, live.session.role, live.contents.values()),
            offer=offer,
        )

    def _precondition_of(self, offer: Content) -> type[SecurityPrecondition] | None:
        """What protects an offered content.

        Raises:
            ApplicationFailed: Something that we do not know: to go on without it would be falling back in silence.
        """
        if offer.security is None:
            return None
        namespace = namespace_of(offer.security)
        for precondition in self.preconditions:
            if precondition.namespace == namespace:
                return precondition
        raise ApplicationFailed("no such security precondition", reason="security-error")

    def select(
        self, kind: Kind, features: frozenset[str] | None, precondition: type[SecurityPrecondition] | None
    ) -> Selection:
        """The transports for a content, in the order to try them."""
        return Selection(
            self.transports,
            kind=kind,
            features=features,
            precondition=precondition,
            require_encryption=self.require_encryption,
            in_order=self.in_order,
        )

    def select_for_call(self) -> tuple[Selection, Choice]:
        """The same for a content of a call that we propose, with the first of them.

        Raises:
            SignallingError: No transport that carries calls is enabled (`not-acceptable`).
        """
        selection = self.select(Kind.DATAGRAM, None, None)
        choice = selection.next()
        if choice is None:
            raise SignallingError("not-acceptable", "no transport that carries calls is enabled")
        return selection, choice

    def options_for(self, peer: str, *, is_hidden: bool = False) -> TransportOptions:
        """How bits may move to this full JID; `is_hidden` for a session in which no address of ours is revealed."""
        hidden = is_hidden or (self.hide_from_strangers and not self.binding.is_contact(peer))
        return dataclasses.replace(self.options, relay_only=True) if hidden else self.options

    def transports_of(self, role: Role, peer: str, sid: str, name: str, *, is_hidden: bool = False) -> MakeTransport:
        """What makes the transports of one content of a session, which need not be initiated yet.

        Where the session or `is_hidden` says so, and where the peer is a stranger to hide from, they reveal no address
        of this machine.
        """

        def session() -> LiveSession | None:
            return next((live for live in self.sessions.values() if live.origin == (peer, sid)), None)

        def send_info(info: Element) -> None:
            live = session()
            if live is not None:
                live.send_transport_info(name, info)
            else:
                self._early.setdefault((peer, sid), []).append((name, info))

        def report(change: PathChange) -> None:
            self.emit("network", peer=peer, sid=sid, **path_fields(change))

        def make(transport: type[Transport]) -> Transport:
            live = session()
            return transport(
                TransportContext(
                    role=role,
                    local=self.binding.local,
                    remote=peer,
                    sid=sid,
                    port=self.binding,
                    options=self.options_for(peer, is_hidden=is_hidden or (live is not None and live.is_hidden)),
                    send_info=send_info,
                    ice_servers=self.services.ice_servers,
                    addresses=self.addresses,
                    report=report,
                )
            )

        return make

    # Proposals (XEP-0353)

    @property
    def initiations(self) -> Initiations:
        """What is proposed at the moment."""
        return self.proposals.machine

    def act(self, call: Callable[[Initiations], Any]) -> None:
        """Call a method of the proposals' machine and carry out what follows.

        Raises:
            LocalProtocolError: The machine forbids it.
        """
        self.proposals.act(call)

    def finish(self, sid: str, reason: str) -> None:
        """Tell all devices of both sides that a session which was proposed is over (section 3.7)."""
        self.proposals.finish(sid, reason)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            self.act(lambda machine: machine.sweep(time.monotonic()))
            self.dispatcher.sweep(time.monotonic())

    # Presence

    def _receive_unavailable(self, jid: str) -> None:
        for live in list(self.sessions.values()):
            if live.peer == jid:
                live.paths.lose_sight("the peer went offline")
        self.on_unavailable(jid)
