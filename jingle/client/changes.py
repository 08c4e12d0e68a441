"""What changes while a call runs: media that come and go, and who sends in them (XEP-0166 sections 7.2.1 to 7.2.5)."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..applications.rtp.call import RtpApplication
from ..elements.core import Content, Role, Senders
from ..elements.ice_options import Renomination, Trickle
from ..elements.rtp import NS as NS_RTP
from ..elements.rtp import RtpDescription
from ..errors import ApplicationFailed, LocalProtocolError, SessionEnded, SignallingError
from ..media.base import Source
from ..peer.content import LiveContent
from ..peer.ending import reason_of
from ..peer.live import LiveSession
from ..peer.pump import Pump
from ..session import events
from ..session.contents import DIRECTIONS

log = logging.getLogger(__name__)


class AddedMedia:
    """A medium that the peer wants to add to a call. Who does not decide about it only receives.

    Attributes:
        medium: `audio` or `video`.
        peer: The peer's full JID.
    """

    def __init__(self, medium: str, peer: str) -> None:
        self.medium = medium
        self.peer = peer
        self.source: Source | None = None
        self.refusal: str | None = None

    def accept(self, source: Source | None = None) -> None:
        """Take part, and send `source`; `None` only receives pictures, and says nothing."""
        self.source, self.refusal = source, None

    def decline(self, reason: str = "decline") -> None:
        """Refuse it; the call goes on as it is.

        Raises:
            LocalProtocolError: There is no such reason.
        """
        reason_of(reason)
        self.refusal = reason


OnAdded = Callable[[AddedMedia], Awaitable[None] | None]


@dataclass
class _Adding:
    """A medium that we are adding."""

    source: Source | None
    rival: LiveContent | None = None
    """What the peer adds at the same moment, where that stands instead."""


class Changes:
    """Carries out the changes of one call, wanted from either side.

    Attributes:
        on_added: Asked about each medium that the peer adds; may be a coroutine function that takes its time. `None`
            receives whatever is added, and sends nothing in it but silence.
    """

    def __init__(self, pump: Pump, live: LiveSession) -> None:
        self.on_added: OnAdded | None = None
        self._pump, self._live = pump, live
        self._adding: dict[str, _Adding] = {}
        live.additions.decide = self._decide
        live.additions.on_change = self._tell

    # Ours

    async def add(self, medium: str, source: Source | None, *, receive: bool, timeout: float | None) -> None:
        """Add a medium, or send again in one that is there already; returns once it runs.

        Raises:
            ApplicationFailed: The peer does not want it, or did not say so in time.
            TransportFailed: There is no way for it.
            MediaError: The source cannot be read.
            LocalProtocolError: It is being added, or the call has it already and cannot be changed.
            SignallingError: No transport that a call could use is enabled.
            SessionEnded: The call is over.
        """
        self._check_running()
        content = self.content(medium)
        if content is not None:
            await self._application(content).replace(source)
            sends, receives = self.directions(content)
            await self.direct(medium, send=sends or source is not None, receive=receives or receive)
            return
        if medium in self._adding:
            raise LocalProtocolError(f"{medium} is being added", condition="conflict")
        adding = self._adding[medium] = _Adding(source)
        try:
            await self._propose(await self._make(medium, source, receive=receive), adding, timeout)
        finally:
            del self._adding[medium]

    async def _propose(self, content: LiveContent, adding: _Adding, timeout: float | None) -> None:
        additions = self._live.additions
        try:
            await additions.propose(content, timeout=timeout)
        except ApplicationFailed:
            # The peer added the same at the same moment; where it is the initiator, its proposal stands.
            medium = self._application(content).medium
            rival = adding.rival or next((each for each in self._live.proposed.values() if _is(each, medium)), None)
            if rival is None or self._live.find(rival.name) is not rival:
                raise
            if not rival.started:
                await additions.outcome(rival)

    async def _make(self, medium: str, source: Source | None, *, receive: bool) -> LiveContent:
        """A content of ours for it.

        Raises:
            ApplicationFailed: We do nothing of that medium.
            MediaError: The source cannot be read.
            SignallingError: No transport that carries calls is enabled.
        """
        live, pump = self._live, self._pump
        role, name = live.session.role, self._unused(medium)
        # What would answer such an offer can make one too.
        wanted = Content(creator=role, name=name, description=RtpDescription(media=medium))
        application = pump.applications[NS_RTP](live, wanted)
        try:
            await application.replace(source)
            application.is_bundled = live.head is not None
            selection, choice = pump.select_for_call()
        except BaseException:
            live.release(application, "cancel")
            raise
        sends = source is not None or medium == "audio"
        return LiveContent(
            id=events.ContentId(role, name),
            application=application,
            choice=choice,
            selection=selection,
            make_transport=pump.transports_of(role, live.peer, live.sid, name),
            senders=senders_of(role, send=sends, receive=receive),
        )

    def _unused(self, medium: str) -> str:
        """A name for a content: never used before in the session, nor by the peer at this moment."""
        session = self._live.session
        used = {record.id.name for record in session.contents}
        stem = medium if session.role is Role.INITIATOR else f"{medium}-{session.role.value}"
        names = (stem, *(f"{stem}-{number}" for number in range(2, len(used) + 3)))
        return next(name for name in names if name not in used)

    async def remove(self, medium: str) -> None:
        """Remove a medium; the call goes on with the others.

        Raises:
            LocalProtocolError: The call has none of it, or nothing else.
            SessionEnded: The call is over.
        """
        self._check_running()
        content = self.content(medium)
        if content is None:
            raise LocalProtocolError(f"this call has no {medium}")
        if self._live.active == [content]:
            raise LocalProtocolError(f"{medium} is all that the call has: hang up instead")
        if self._ends_calls_over_removals(content):
            await self._application(content).replace(None)
            await self.direct(medium, send=False, receive=False)
        else:
            await self._live.additions.remove(content, "success")

    def _ends_calls_over_removals(self, content: LiveContent) -> bool:
        """Whether the peer is a Conversations, by an option of its transports: to it, a content-remove is the end."""
        record = self._live.session.contents.require(content.id)
        described = (*record.offers, *((record.answer,) if record.answer is not None else ()))
        transports = [each.transport for each in described if each.transport is not None]
        return any(isinstance(option, Trickle | Renomination) for each in transports for option in each.extra)

    async def direct(self, medium: str, *, send: bool, receive: bool) -> None:
        """Change who sends in a medium (content-modify); returns once the peer has taken it.

        Raises:
            LocalProtocolError: The call has none of it.
            ApplicationFailed: The peer refuses it, or changes it itself at this moment; it stays as it is.
            SessionEnded: The call is over.
        """
        self._check_running()
        content = self.content(medium)
        if content is None:
            raise LocalProtocolError(f"this call has no {medium}")
        senders = senders_of(self._live.session.role, send=send, receive=receive)
        if senders is not content.effective_senders:
            try:
                await self._live.ask(lambda session: session.modify_content(content.id, senders))
            except SignallingError as exc:
                raise ApplicationFailed(f"the peer does not change the direction: {exc}", reason="decline") from exc
            content.narrow(senders)
            self._tell(content, "changed")

    def advise(self, medium: str, bit_rate: int) -> None:
        """Ask the peer to send so many bits per second at most.

        Raises:
            LocalProtocolError: The call has none of it (any more).
        """
        content = self.content(medium)
        if content is None:
            raise LocalProtocolError(f"this call has no {medium}")
        description = self._application(content).advise(bit_rate)
        self._live.act(lambda session: session.description_info(content.id, description))

    def content(self, medium: str) -> LiveContent | None:
        """The content of a medium that runs, whoever sends in it."""
        return next((each for each in self._live.active if each.started and _is(each, medium)), None)

    def directions(self, content: LiveContent) -> tuple[bool, bool]:
        """Whether we send in a content, and whether the peer does."""
        roles, ours = DIRECTIONS[content.effective_senders], self._live.session.role
        return ours in roles, ours.other in roles

    def _check_running(self) -> None:
        if self._live.ended.done():
            ending = self._live.ended.result()
            raise SessionEnded(ending.reason, ending.text)

    def _application(self, content: LiveContent) -> RtpApplication:
        assert isinstance(content.application, RtpApplication)
        return content.application

    # The peer's

    async def _decide(self, content: LiveContent) -> Senders | None:
        application = self._application(content)
        adding = self._adding.get(application.medium)
        if adding is not None:
            adding.rival = content
            for ours in [each for each in self._live.proposed.values() if each is not content]:
                if _is(ours, application.medium):
                    self._live.additions.supersede(ours)
            source = adding.source
        else:
            added = AddedMedia(application.medium, self._live.peer)
            await self._ask(added)
            if added.refusal is not None:
                raise ApplicationFailed("it was declined", reason=added.refusal)
            source = added.source
        await application.replace(source)
        sends = source is not None or application.medium == "audio"
        return answered_senders(content.effective_senders, self._live.session.role, sends=sends)

    async def _ask(self, added: AddedMedia) -> None:
        if self.on_added is None:
            return
        try:
            decision = self.on_added(added)
            if inspect.isawaitable(decision):
                await decision
        except Exception:
            log.exception("the program failed to decide about %s, which is declined", added.medium)
            added.decline()

    def _tell(self, content: LiveContent, state: str) -> None:
        if isinstance(content.application, RtpApplication):
            sends, receives = self.directions(content) if state != "removed" else (False, False)
            self._pump.emit(
                "media",
                peer=self._live.peer,
                sid=self._live.sid,
                state=state,
                medium=content.application.medium,
                sends=sends,
                receives=receives,
            )


def _is(content: LiveContent, medium: str) -> bool:
    return isinstance(content.application, RtpApplication) and content.application.medium == medium


def senders_of(role: Role, *, send: bool, receive: bool) -> Senders:
    """Who sends, in the words of XEP-0166, where we are `role`."""
    roles = frozenset({role} if send else ()) | frozenset({role.other} if receive else ())
    return next(senders for senders, those in DIRECTIONS.items() if those == roles)


def answered_senders(offered: Senders, role: Role, *, sends: bool) -> Senders:
    """Who sends in a content that the peer offers, where we, who are `role`, do or do not: it can only be narrowed."""
    roles = DIRECTIONS[offered]
    return senders_of(role, send=sends and role in roles, receive=role.other in roles)
