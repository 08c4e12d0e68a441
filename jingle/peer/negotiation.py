"""What the engine says of one session, carried out on its contents: offers, answers, transports, what may replace them.

Each event is carried out before the next one is looked at; what takes long, such as connecting, runs in tasks of the
session, which `LiveSession` keeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..elements.core import Action, Content, Group, Reason, ReasonCondition, Role
from ..elements.declare import Element
from ..errors import ApplicationFailed, MediaError, ProtocolError, TransportFailed
from ..session import events
from ..session.answers import GONE
from ..transports.base import Kind
from .additions import BUNDLE
from .content import LiveContent

if TYPE_CHECKING:
    from .live import LiveSession

log = logging.getLogger(__name__)

HANGUP_GRACE = 1.5
"""Seconds a session-terminate may come behind the end of its media: the two travel on different roads."""

REPLACE_GRACE = 5.0
"""Seconds a responder gives the initiator to replace a transport that failed, before it proposes one itself."""


class Negotiation:
    """Carries out what the engine says of one session, and tells it the facts that come back."""

    def __init__(self, live: LiveSession) -> None:
        self._live = live

    def begin(self, name: str) -> None:
        """Connect a content that was accepted."""
        content = self._live.contents[name]
        bring_up = self._bring_up_extra if content.is_extra else self._bring_up
        content.task = self._live.spawn(self._hold_open(content) if content.is_idle else bring_up(content))

    async def carry_out(self, event: events.Event) -> None:
        """Do what an event asks for.

        Raises:
            JingleError: It cannot be done, and the session has to end for it.
        """
        match event:
            case events.SessionInitiated(groups=groups):
                await self._take_offers(groups)
            case events.SessionAccepted(contents=answers, groups=groups):
                await self._take_answers(answers, groups)
            case events.TransportInfo(content=id, transport=transport):
                await self._take_transport_info(id, transport)
            case events.SessionInfo(payload=payload):
                self._take_info(payload)
            case events.DescriptionInfo(content=id, description=description):
                if (described := self._live.contents.get(id.name)) is not None:
                    with contextlib.suppress(ProtocolError):  # advice, never a reason to fail
                        described.application.description_info(description)
            case events.ContentAdded():
                await self._live.additions.take_offers(event)
            case events.ContentAccepted():
                await self._live.additions.take_answers(event)
            case events.ContentRejected(contents=ids, reason=why):
                await self._live.discard_all(ids, why or Reason(condition=ReasonCondition.DECLINE))
            case events.ContentRemoved(contents=ids, reason=why):
                await self._live.discard_all(ids, why)
                if self._live.contents and not self._live.active:
                    self._live.terminate("success")
            case events.ContentModified(content=id, senders=senders):
                if (modified := self._live.find(id.name)) is not None:
                    modified.narrow(senders)
                    self._live.additions.on_change(modified, "changed")
            case events.SecurityInfo(content=id, security=security):
                if (secured := self._live.contents.get(id.name)) is not None and secured.precondition is not None:
                    secured.precondition.accept(security)
            case events.Refused():
                await self._take_refusal(event)
            case events.TransportReplaced(content=id, transport=transport):
                await self._take_replacement(id, transport)
            case events.TransportAccepted(content=id, transport=transport):
                if (accepted := self._live.contents.get(id.name)) is not None:
                    await accepted.take_acceptance(transport)
                    accepted.task = self._live.spawn(self._bring_up(accepted))
            case events.TransportRejected(content=id):
                if (rejected := self._live.contents.get(id.name)) is not None:
                    await self._go_on(rejected)

    async def _take_offers(self, groups: Sequence[Group]) -> None:
        """Take what is offered; what we cannot do, as the video of a call, stays idle or is left out (section 7.2.8).

        Raises:
            ApplicationFailed: There is nothing that we can do.
            TransportFailed: A transport is not protected.
        """
        refusals: dict[str, ApplicationFailed] = {}
        for name, content in self._live.contents.items():
            try:
                content.take_description()
            except ApplicationFailed as exc:
                refusals[name] = exc
        if len(refusals) == len(self._live.contents):
            raise next(iter(refusals.values()))
        for name, refusal in refusals.items():
            if not self._live.contents[name].idle():
                await self._live.discard(name, refusal.reason)
        await self._bundle(groups)
        for content in self._live.contents.values():
            await content.take_transport()

    async def _bundle(self, groups: Sequence[Group]) -> None:
        """Let contents share a transport where the peer offers it: that of the first (RFC 9143 section 7.3.1)."""
        for group in groups:
            if group.semantics == BUNDLE:
                self._live.shares_links = True
                members = [self._live.contents[name] for name in group.names if name in self._live.contents]
                for content in members[1:]:
                    await content.bundle_with(members[0])

    async def _take_answers(self, answers: Sequence[Content], groups: Sequence[Group]) -> None:
        head = next(iter(self._live.contents), "")
        accepted = {answer.name for answer in answers}
        members = [name for group in groups if group.semantics == BUNDLE for name in group.names if name in accepted]
        self._live.shares_links = bool(members)
        for answer in answers:
            content = self._live.contents[answer.name]
            await content.settle_bundle(members, head)
            await content.take_answer(answer)
            # The engine knows that an answer can only narrow what was offered.
            content.application.set_senders(self._live.session.contents.require(content.id).senders)
        # What the peer left out comes as rejected right behind, and is not to be connected before.
        self._live.mark_accepted([answer.name for answer in answers])

    async def _take_transport_info(self, id: events.ContentId, transport: Element) -> None:
        content = self._live.find(id.name)
        if content is None:
            return
        try:
            await content.take_info(transport)
        except ProtocolError as exc:
            log.info("< %s a transport-info that cannot be used: %s", self._live.sid, exc)

    async def _take_replacement(self, id: events.ContentId, transport: Element) -> None:
        content = self._live.contents.get(id.name)
        # While it rings here, our side of it would tell the peer our addresses.
        if self._live.is_ringing:
            content = None
        described = await content.take_replacement(transport) if content is not None else None
        if content is None or described is None:
            reason = Reason(condition=ReasonCondition.UNSUPPORTED_TRANSPORTS)
            self._live.act(lambda session: session.reject_transport(id, reason=reason))
            return
        self._live.act(lambda session: session.accept_transport(id, described))
        content.task = self._live.spawn(self._bring_up(content))

    async def _go_on(self, content: LiveContent) -> None:
        """The peer does not want what we proposed; unless its own proposal is in force by now, try the next."""
        await content.take_rejection()
        if not content.replaced.is_set():
            content.task = self._live.spawn(
                self._try_next(content, TransportFailed("the peer accepts no other transport"))
            )

    async def _bring_up(self, content: LiveContent) -> None:
        try:
            content.connection = await content.connect()
        except TransportFailed as exc:
            # Somebody between us who breaks the encryption must not bring us to do without it.
            if exc.reason == "security-error":
                raise
            await self._try_next(content, exc)
            return
        self._live.session.transport_connected(content.id)
        await content.application.start(content.connection)
        self._live.mark_started(content)
        if content.transport.kind is Kind.DATAGRAM:
            await self._watch(content)

    async def _bring_up_extra(self, content: LiveContent) -> None:
        """The same for an added content, whose failure is not the end of the session."""
        try:
            await self._bring_up(content)
        except (TransportFailed, ApplicationFailed, MediaError) as exc:
            log.info("session %s: %s is removed: %s", self._live.sid, content.name, exc)
            self._live.additions.fail(content, exc)
            await self._live.additions.remove(content, getattr(exc, "reason", "media-error"))

    async def _hold_open(self, content: LiveContent) -> None:
        """Connect a content in which nobody sends: the peer waits for that, and nothing depends on it here."""
        try:
            content.connection = await content.connect()
        except TransportFailed as exc:
            log.info("session %s: %s, in which nobody sends, is not connected: %s", self._live.sid, content.name, exc)

    async def _watch(self, content: LiveContent) -> None:
        """Wait for the end of a link, and for the session-terminate that should explain it."""
        lost = await content.connection.ended()
        if lost is not None:
            await self._let_explain(lost)

    async def _let_explain(self, failure: TransportFailed) -> None:
        """Raise `failure`, unless a session-terminate comes that says why; then this task is cancelled."""
        await asyncio.sleep(HANGUP_GRACE)
        raise failure

    async def _try_next(self, content: LiveContent, failure: TransportFailed) -> None:
        """Replace a transport that failed, or wait for the initiator to do it (XEP-0260 section 3).

        Raises:
            TransportFailed: Nothing is left to try.
        """
        with contextlib.suppress(ProtocolError):  # it was another transport's failure, or is known already
            self._live.session.transport_failed(content.id)
        if self._live.session.role is Role.RESPONDER and not content.is_replacing:
            content.replaced.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(content.replaced.wait(), REPLACE_GRACE)
                return
        described = await content.propose_next()
        if described is None:
            await self._let_explain(failure)
            return
        self._live.act(lambda session: session.replace_transport(content.id, described))

    async def _take_refusal(self, event: events.Refused) -> None:
        if event.action is Action.TRANSPORT_INFO and event.jingle != "tie-break":
            for content in list(self._live.contents.values()):
                await content.take_refusal(event.text or f"the peer refuses it: {event.condition}")
        if event.condition in GONE:
            self._live.paths.lose_sight(event.text or "no stanza reaches the peer")

    def _take_info(self, payload: Element) -> None:
        for content in self._live.active:
            try:
                content.application.info(payload)
            except ProtocolError as exc:
                log.info("< %s a session-info that cannot be used: %s", self._live.sid, exc)
