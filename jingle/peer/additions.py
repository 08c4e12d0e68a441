"""Contents that come while a session runs, from either side, and may fail without ending it (XEP-0166 section 7.2.1).

Dialects: Conversations adds contents without a transport of their own, since it takes for granted that the link is
shared, and answers the same way; it ends the call where an answer has other `senders` than it proposed. Dino, Monal and
QXmpp share no link. Movim answers with a session-accept, which the engine understands.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ..elements.core import Content, Group, Senders
from ..errors import ApplicationFailed, LocalProtocolError, MediaError, ProtocolError, TransportFailed
from ..session import events
from .content import LiveContent
from .ending import reason_of

if TYPE_CHECKING:
    from .live import LiveSession

log = logging.getLogger(__name__)

MAX_PROPOSED = 8
"""Contents of a running session that wait for somebody to decide; more are refused."""

BUNDLE = "BUNDLE"
"""The semantics of a group that shares one transport (XEP-0338, RFC 9143)."""

Decide = Callable[[LiveContent], Awaitable[Senders | None]]


class Additions:
    """Proposes contents, and answers those that the peer proposes.

    Attributes:
        decide: Asked about each content that the peer adds: who is to send in it comes back, or `None` to decline.
            Where there is nobody to ask, everything is refused.
        on_change: Called with a content and what became of it: `added` and running, `removed`, or `changed` in who may
            send.
    """

    def __init__(self, live: LiveSession, content_of: Callable[[LiveSession, Content], LiveContent]) -> None:
        self.decide: Decide | None = None
        self.on_change: Callable[[LiveContent, str], None] = lambda content, state: None
        self._live = live
        self._content_of = content_of
        self._outcomes: dict[str, asyncio.Future[None]] = {}
        self._superseded: set[str] = set()

    # Ours

    async def propose(self, content: LiveContent, *, timeout: float | None) -> None:
        """Add a content; returns once it runs.

        Args:
            content: What to add.
            timeout: Seconds that the peer may take to decide; then the proposal is withdrawn. `None` for any time.

        Raises:
            ApplicationFailed: The peer rejected it, withdrew it or did not decide in time; `reason` says which.
            TransportFailed: No way for it was found.
            MediaError: What is to be sent cannot be read.
            LocalProtocolError: The session cannot have it (any more).
        """
        live = self._live
        outcome = self.outcome(content)
        content.is_extra = True
        live.proposed[content.name] = content
        try:
            groups = await self._share(content)
            offer = await content.propose()
            live.act(lambda session: session.add_content([offer], groups=groups))
            async with asyncio.timeout(timeout):
                await asyncio.shield(outcome)
        except TimeoutError:
            await self.remove(content, "timeout")
            raise ApplicationFailed("the peer did not decide in time", reason="timeout") from None
        except BaseException:
            await asyncio.shield(self.remove(content, "cancel"))
            raise
        finally:
            self._outcomes.pop(content.name, None)

    def outcome(self, content: LiveContent) -> asyncio.Future[None]:
        """Done once an added content runs; with an exception where it does not come to that.

        To be asked for while the content is proposed or on its way; of one that is over nothing more is heard.
        """
        return self._outcomes.setdefault(content.name, asyncio.get_running_loop().create_future())

    def supersede(self, content: LiveContent) -> None:
        """Take back a proposal of ours in favour of the peer's, which crossed it: if it is accepted, it is removed."""
        self._superseded.add(content.name)

    async def _share(self, content: LiveContent) -> tuple[Group, ...]:
        """Let our content share the link that the peer shares already (RFC 9143 section 7.5)."""
        head = self._live.head
        if head is None:
            return ()
        await content.bundle_with(head)
        members = [each.name for each in self._live.contents.values() if each.shares_with(head)]
        return (Group.of(BUNDLE, (*members, content.name)),) if content.shares_with(head) else ()

    async def remove(self, content: LiveContent, reason: str) -> None:
        """Remove a content, or withdraw it, and free what it has; the session goes on."""
        live = self._live
        if live.find(content.name) is content:
            why = reason_of(reason)
            with contextlib.suppress(LocalProtocolError):  # it is gone already, or was never sent
                live.act(lambda session: session.remove_content(content.id, reason=why))
            await live.discard(content.name, reason)

    async def take_answers(self, event: events.ContentAccepted) -> None:
        """The peer accepted contents of ours: connect them."""
        for answer in event.contents:
            content = self._live.proposed.get(answer.name)
            if content is None:
                continue
            if content.name in self._superseded:
                await self.remove(content, "cancel")
                continue
            try:
                await self._settle(content, answer, event.groups)
                await content.take_answer(answer)
            except (ApplicationFailed, TransportFailed, ProtocolError) as exc:
                self.fail(content, exc)
                await self.remove(content, getattr(exc, "reason", "failed-application"))
                continue
            content.narrow(self._live.session.contents.require(content.id).senders)
            self._live.begin(content)

    async def _settle(self, content: LiveContent, answer: Content, groups: Sequence[Group]) -> None:
        """Use a link of our own where the peer does not share (RFC 9143 section 7.4): then it describes its own."""
        head = self._live.head
        is_shared = any(group.semantics == BUNDLE and content.name in group.names for group in groups)
        if head is not None and not is_shared and not head.is_meant_by(answer):
            await content.settle_bundle((), head.name)

    # The peer's

    async def take_offers(self, event: events.ContentAdded) -> None:
        """The peer adds contents: refuse what we cannot do, and have the rest decided on."""
        taken: set[str] = set()
        for offer in event.contents:
            if offer.name in taken:
                continue  # an alternative (section 7.3): the first that we can do is taken
            try:
                content = await self._prepare(offer, event.groups)
            except (ApplicationFailed, TransportFailed, ProtocolError) as exc:
                log.info("< %s %s cannot be added: %s", self._live.sid, offer.name, exc)
                if offer is [each for each in event.contents if each.name == offer.name][-1]:
                    self._refuse(offer, getattr(exc, "reason", "failed-application"))
                continue
            taken.add(offer.name)
            content.task = self._live.spawn(self._answer(content, event.groups))

    async def _prepare(self, offer: Content, groups: Sequence[Group]) -> LiveContent:
        """Find out whether we can do it at all.

        Raises:
            ApplicationFailed: We cannot, or nobody wants to know.
            TransportFailed: Its transport is not protected, or is none.
            ProtocolError: It cannot be understood.
        """
        live = self._live
        if self.decide is None or live.is_ringing:
            raise ApplicationFailed("nothing can be added", reason="unsupported-applications")
        if len(live.proposed) >= MAX_PROPOSED:
            raise ApplicationFailed("too much is proposed", reason="general-error")
        if live.find(offer.name) is not None:
            # Section 7.3 allows it with another creator, but most clients know contents by their names alone.
            raise ApplicationFailed("there is a content of that name", reason="general-error")
        content = self._content_of(live, offer)
        content.is_extra = True
        live.proposed[content.name] = content
        try:
            content.take_description()
            head = live.head
            is_shared = any(group.semantics == BUNDLE and content.name in group.names for group in groups)
            if head is not None and (is_shared or head.is_meant_by(offer)):
                await content.bundle_with(head)
            await content.take_transport()
        except BaseException:
            await live.discard(content.name)
            raise
        return content

    async def _answer(self, content: LiveContent, groups: Sequence[Group]) -> None:
        assert content.offer is not None
        try:
            await self._accept(content, groups)
        except (ApplicationFailed, TransportFailed, MediaError, ProtocolError) as exc:
            log.info("session %s: %s is not added: %s", self._live.sid, content.name, exc)
            self._refuse(content.offer, getattr(exc, "reason", "failed-application"))
            await self._live.discard(content.name, "failed-application")

    async def _accept(self, content: LiveContent, groups: Sequence[Group]) -> None:
        """Have it decided on, and accept it.

        Raises:
            ApplicationFailed: It was declined.
            TransportFailed: Its transport cannot be used.
            MediaError: What is to be sent in it cannot be read.
            LocalProtocolError: It was withdrawn.
        """
        assert self.decide is not None
        assert content.offer is not None
        senders = await self.decide(content)
        if senders is None:
            raise ApplicationFailed("it was declined", reason="decline")
        content.application.set_senders(senders)
        if not content.is_bare(content.offer):
            content.senders = senders  # Conversations has to hear what it said, whoever sends in fact
        answer = await content.answer()
        members = {*self._live.contents, content.name}
        common = tuple(
            Group.of(group.semantics, tuple(name for name in group.names if name in members))
            for group in groups
            if group.semantics == BUNDLE and content.is_bundled
        )
        self._live.act(lambda session: session.accept_content([answer], groups=common))
        self._live.begin(content)

    def _refuse(self, offer: Content, reason: str) -> None:
        refused, why = events.ContentId(offer.creator, offer.name), reason_of(reason)
        with contextlib.suppress(LocalProtocolError):  # it was withdrawn meanwhile
            self._live.act(lambda session: session.reject_content(refused, reason=why))

    # What became of it

    def started(self, content: LiveContent) -> None:
        """An added content runs."""
        outcome = self._outcomes.pop(content.name, None)
        if outcome is not None and not outcome.done():
            outcome.set_result(None)
        if content.is_extra:
            self.on_change(content, "added")

    def fail(self, content: LiveContent, error: Exception) -> None:
        """A content could not be added."""
        outcome = self._outcomes.pop(content.name, None)
        if outcome is not None and not outcome.done():
            outcome.set_exception(error)

    def close(self, error: Exception) -> None:
        """The session has ended."""
        for outcome in self._outcomes.values():
            if not outcome.done():
                outcome.set_exception(error)

    def gone(self, content: LiveContent, reason: str | None) -> None:
        """A content was removed, or never came to run."""
        self.fail(content, ApplicationFailed(f"it was not taken ({reason or 'no reason'})", reason=reason or "decline"))
        if content.started:
            self.on_change(content, "removed")
