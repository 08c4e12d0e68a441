"""A call that somebody offers us: accept it, decline it, or let it ring."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

from ..applications.rtp.call import RtpApplication
from ..elements.core import Group, Senders
from ..elements.declare import Element
from ..elements.rtp import RtpDescription
from ..errors import LocalProtocolError, MediaError, SessionEnded
from ..media.base import Source
from ..media.recorder import Recorder
from ..peer.ending import reason_of
from ..peer.live import LiveSession
from ..peer.pump import Pump
from ..session import initiation_events as proposals
from .call import Call, first
from .changes import answered_senders
from .media import wanted_media
from .opening import Opening
from .plan import MediaPlan, prepared
from .session import ANSWER_TIMEOUT, common_groups, raise_end, tell_the_end, until_connected

if TYPE_CHECKING:
    from .peer import Peer


class IncomingCall:
    """Somebody calls. It rings until `accept`, `decline`, or until the caller gives up.

    Attributes:
        peer: The caller's full JID.
        sid: The session's id.
        media: What the caller wants: `audio`, `video`.
        called_at: When the caller began, in seconds since the epoch.
        replaces: The sid of the running call with the same person that goes on as this one, from another device or
            after a break (XEP-0353 section 4.2): whoever took that one has decided already.
        gone: Done with (reason, text) when the caller gave up, or another device of ours took or declined the call.
    """

    def __init__(self, owner: Peer, *, peer: str, sid: str, media: tuple[str, ...], age: float = 0.0) -> None:
        self._owner = owner
        self._pump = owner.pump
        self.peer = peer
        self.sid = sid
        self.media = media
        self.replaces: str | None = None
        self.called_at = time.time() - age
        self.gone: asyncio.Future[tuple[str, str | None]] = asyncio.get_running_loop().create_future()
        self._session: asyncio.Future[LiveSession] = asyncio.get_running_loop().create_future()
        self._groups: tuple[Group, ...] = ()
        self._proposed = False
        self._answered = False

    @classmethod
    def of_proposal(cls, owner: Peer, event: proposals.Incoming) -> IncomingCall:
        """A call that was proposed before its session (XEP-0353)."""
        call = cls(owner, peer=event.peer, sid=event.id, media=media_in(event.descriptions), age=event.age)
        call._proposed = True
        call.replaces = event.replaces
        return call

    @classmethod
    def of_session(cls, owner: Peer, live: LiveSession, groups: tuple[Group, ...]) -> IncomingCall:
        """A call whose session came at once."""
        call = cls(owner, peer=live.peer, sid=live.sid, media=wanted_media(live))
        call.take_session(live, groups)
        return call

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted or declined."""
        return not (self._answered or self.gone.done())

    @property
    def is_over(self) -> bool:
        """Whether it was ended by either side; what it used may still be about to be freed."""
        return self.gone.done() or (self._session.done() and not self._session.result().is_running)

    def accept(
        self,
        *,
        audio: Source | None = None,
        video: Source | None = None,
        media: Sequence[str] | None = None,
        record: str | PathLike[str] | None = None,
        connect_timeout: float | None = 20,
        hang_up_at_end: bool = True,
        relay_only: bool = False,
    ) -> Opening[Call]:
        """Take the call; it is ready once both ends are connected.

        Enter the result, and leaving the block hangs up; or await it, and hang up yourself.

        Args:
            audio: What to send; `None` for silence.
            video: What to show where the caller offers pictures; `None` only receives them.
            media: What to take part in, `audio` and `video`; `None` for all that is offered. The rest stays in the
                session, and nobody sends in it.
            record: Where to record from the first moment: `.wav`, `.ogg`, `.webm`, `.mkv` or `.mp4`.
            connect_timeout: Seconds from acceptance to the connection; `None` for no bound but the transport's own.
            hang_up_at_end: Whether the end of a file that is played ends the call.
            relay_only: Reveal no address of this machine to the caller.

        Raises:
            SessionEnded: The caller gave up, or another device of ours took the call.
            TransportFailed: No way to the caller worked.
            MediaError: A source or the recording cannot be opened.
            LocalProtocolError: It was answered before, or is about none of `media`.

        Cancelling is safe at any point: the caller is told.
        """
        plan = MediaPlan.of(audio, video, media, record, hang_up_at_end)

        async def start() -> Call:
            async with prepared(plan, [each for each in self.media if plan.wants(each)], self._pump.emit) as recorder:
                return await self.connect(plan, recorder, timeout=connect_timeout, relay_only=relay_only)

        return Opening(start)

    async def decline(self, reason: str = "decline", text: str | None = None) -> None:
        """Refuse the call on all our devices; nothing happens where it is over already.

        Args:
            reason: `decline`, or `busy`, which tells that we are in another call.
            text: For the caller to read.

        Raises:
            LocalProtocolError: There is no such reason.
        """
        declined = reason_of(reason, text)
        if not self.is_open:
            return
        self._answered = True
        if self._session.done():
            await self._session.result().close(reason, text)
            return
        self._pump.act(lambda machine: machine.reject(self.sid, declined))
        self._tell_the_end(reason, text)
        self._owner.forget(self)

    # From the peer

    def take_session(self, live: LiveSession, groups: tuple[Group, ...]) -> None:
        """Take the session, once its offer was found to be one that we can answer."""
        if self.gone.done():
            # We told the caller to proceed and thought better of it.
            live.terminate(self.gone.result()[0])
            return
        self._groups = groups
        if not self._session.done():
            self._session.set_result(live)
        tell_the_end(self._pump, live)
        live.ended.add_done_callback(lambda _: self.withdraw(live.ended.result().reason, live.ended.result().text))

    def withdraw(self, reason: str, text: str | None, *, tell: bool = False, elsewhere: bool = False) -> None:
        """Take it that the call is over, or was answered or declined `elsewhere`."""
        self._owner.forget(self)
        is_missed = self.is_open and not elsewhere
        self._close(reason, text, tell=tell)
        if is_missed and self._session.done():
            # Behind its `ended`.
            self._session.result().ended.add_done_callback(lambda _: self._tell_missed())
        elif is_missed:
            self._tell_missed()

    def _close(self, reason: str, text: str | None, *, tell: bool) -> None:
        if not self.gone.done():
            self.gone.set_result((reason, text))
            if tell and not self._session.done():
                self._tell_the_end(reason, text)

    async def connect(
        self, plan: MediaPlan, recorder: Recorder | None, *, timeout: float | None, relay_only: bool
    ) -> Call:
        """Proceed, accept and connect with what is open already; see `accept`."""
        if self.gone.done():
            raise SessionEnded(*self.gone.result())
        if self._answered:
            raise LocalProtocolError("this call was answered before", condition="conflict")
        self._answered = True
        live: LiveSession | None = None
        try:
            live = await self._proceed() if self._proposed else self._session.result()
            if relay_only:
                live.hide()
            await self._take_part(live, plan, recorder)
            answers = await live.describe()
            if not live.is_running:
                await asyncio.wait([live.ended])
                raise_end(live)
            live.accept(answers, common_groups(self._groups, [answer.name for answer in answers]))
            return await until_connected(self._pump, live, timeout=timeout, until=plan.until)
        except BaseException as exc:
            if live is not None:
                await live.close("media-error" if isinstance(exc, MediaError) else "cancel")
            raise

    async def _proceed(self) -> LiveSession:
        pump = self._pump
        pump.show(self.peer)
        pump.dispatcher.expect(self.peer, self.sid, time.monotonic())
        pump.act(lambda machine: machine.proceed(self.sid, time.monotonic()))
        try:
            await first(self._session, self.gone, timeout=ANSWER_TIMEOUT)
        except asyncio.CancelledError:
            self._abandon("cancel", None)
            raise
        if not self._session.done():
            self._abandon("timeout", "the caller did not begin the session")
            raise SessionEnded(*self.gone.result())
        return self._session.result()

    def _abandon(self, reason: str, text: str | None) -> None:
        """Want no session any more, although the caller was told to begin it; if it comes, it is ended at once."""
        if self._session.done():
            self._session.result().terminate(reason, text)
        elif not self.gone.done():
            self._close(reason, text, tell=True)
            asyncio.get_running_loop().call_later(ANSWER_TIMEOUT, self._forget_session)

    def _forget_session(self) -> None:
        self._owner.forget(self)
        with contextlib.suppress(LocalProtocolError):  # it came, and has finished
            self._pump.act(lambda machine: machine.abandon(self.sid))

    async def _take_part(self, live: LiveSession, plan: MediaPlan, recorder: Recorder | None) -> None:
        """Say what we send and receive in each content, and get ready for it.

        Raises:
            LocalProtocolError: It is nothing at all.
            MediaError: A source has nothing of its medium.
        """
        for content in live.active:
            application = content.application
            assert isinstance(application, RtpApplication)
            source = plan.source(application.medium)
            senders = answered_senders(
                content.effective_senders,
                live.session.role,
                sends=application.medium == "audio" or source is not None,
            )
            if not plan.wants(application.medium) or senders is Senders.NONE:
                content.idle()
                continue
            content.narrow(senders)
            await application.replace(source)
            await application.record(recorder)
        if not live.active:
            raise LocalProtocolError("nothing that the caller offers would be taken")

    def _tell_missed(self) -> None:
        tell_missed(self._pump, self.peer, self.sid, self.media, self.called_at)

    def _tell_the_end(self, reason: str, text: str | None) -> None:
        self._pump.emit(
            "ended", kind="call", peer=self.peer, sid=self.sid, reason=reason, text=text, seconds=0.0, stats={}
        )
        self._pump.hide(self.peer)


def media_in(descriptions: Sequence[Element]) -> tuple[str, ...]:
    """The media of a proposal, which may leave them to the session-initiate."""
    return tuple(each.media for each in descriptions if isinstance(each, RtpDescription)) or ("audio",)


def tell_missed(pump: Pump, peer: str, sid: str, media: Sequence[str], called_at: float) -> None:
    """Emit `missed`: somebody called, and nobody of ours took or declined it."""
    pump.emit("missed", kind="call", peer=peer, sid=sid, media=list(media), called_at=round(called_at, 3))
