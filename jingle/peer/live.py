"""One session while it lives: its contents, its tasks, its end.

The engine says what is to be done, one event after another, and `Negotiation` does it. All tasks of a session are kept
in one set here, so that nothing survives its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Protocol

from ..applications.base import Application
from ..elements.core import Action, Content, Group, Reason, Role
from ..elements.declare import Element
from ..errors import (
    ApplicationFailed,
    JingleError,
    MediaError,
    ProtocolError,
    SessionEnded,
    SignallingError,
    TransportFailed,
)
from ..session import events
from ..session.engine import Session
from ..session.state import SessionState
from ..transports.base import Hiding, Kind
from .additions import Additions
from .content import LiveContent
from .ending import Ending, reason_of, told
from .negotiation import Negotiation
from .outbox import Info, Outbox
from .paths import Paths

log = logging.getLogger(__name__)

MAX_BACKLOG = 256
"""Events of one session that may wait for slow transports; a peer that sends more is cut off."""

MAX_GONE = 32
"""Contents of one session that were removed and are remembered; a peer can add and remove them without end."""

TERMINATE_TIMEOUT = 1.0
"""Seconds to wait for the answer to our session-terminate before transports are closed under it."""


class Host(Protocol):
    """What a live session needs of the pump."""

    def handle(self, session: Session | None, happened: Sequence[events.Event]) -> None:
        """Carry out events of the engine, in order."""
        ...

    def content_of(self, live: LiveSession, offer: Content) -> LiveContent:
        """Find the application and the transport for an offered content.

        Raises:
            ApplicationFailed: There is none.
        """
        ...


class LiveSession:
    """Runs the contents of one session.

    Attributes:
        session: The engine's side of it.
        origin: The peer's full JID and the sid as they were at first; a redirection changes the peer.
        contents: What runs, by name.
        proposed: What either side has added and the other has not accepted yet, by name.
        additions: What adds contents and answers those that are added.
        paths: What looks after the ways to the peer.
        shares_links: Whether the peer lets contents share a link (XEP-0338).
        gone: What was removed, by name; the last `MAX_GONE` of them.
        accepted: Done once the session is accepted, by either side.
        accepted_at: When that was, on the event loop's clock.
        begun: Done once the first content runs, with it and the seconds it took since the session was accepted.
        connected: Done once every content runs, with the seconds it took since the session was accepted.
        ended: Done with the `Ending`, once everything is freed.
        failure: What went wrong on our side, where that was the end.
        shared: What the applications of this session have in common; theirs to set.
        is_hidden: Whether no address of this machine is revealed to the peer (see `hide`).
    """

    def __init__(self, host: Host, session: Session) -> None:
        loop = asyncio.get_running_loop()
        self.session = session
        self.origin = (session.peer, session.sid)
        self.contents: dict[str, LiveContent] = {}
        self.proposed: dict[str, LiveContent] = {}
        self.shares_links = False
        self.additions = Additions(self, host.content_of)
        self.gone: dict[str, LiveContent] = {}
        self.accepted: asyncio.Future[None] = loop.create_future()
        self.begun: asyncio.Future[tuple[LiveContent, float]] = loop.create_future()
        self.connected: asyncio.Future[float] = loop.create_future()
        self.ended: asyncio.Future[Ending] = loop.create_future()
        self.on_event: Callable[[events.Event], None] = lambda event: None
        self._host = host
        self._backlog: asyncio.Queue[events.Event] = asyncio.Queue(maxsize=MAX_BACKLOG)
        self.failure: Exception | None = None
        self.shared: object = None
        self.is_hidden = False
        self._over = asyncio.Event()
        self._reason: events.SessionEnded | None = None
        self._ended_at: float | None = None
        self._told = asyncio.Event()
        self._told.set()
        self.accepted_at: float | None = None
        self._connected_at: float | None = None
        self._asked: dict[int, asyncio.Future[events.Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._freeing: set[asyncio.Future[None]] = set()
        self.paths = Paths(self)
        self._negotiation = Negotiation(self)
        self._outbox = Outbox(self._send_infos, self._end_contents)
        self._keeper = loop.create_task(self._keep(), name=f"jingle session {session.sid}")

    @property
    def sid(self) -> str:
        """The session's id."""
        return self.session.sid

    @property
    def peer(self) -> str:
        """The peer's full JID."""
        return self.session.peer

    @property
    def overruled_by(self) -> str | None:
        """The sid of the peer's session that stands instead of ours, where both were initiated at once."""
        reason = self._reason.reason if self._reason is not None else None
        return reason.alternative_session if reason is not None else None

    @property
    def active(self) -> list[LiveContent]:
        """The contents that run, or are to run; the others nobody sends in."""
        return [content for content in self.contents.values() if not content.is_idle]

    def find(self, name: str) -> LiveContent | None:
        """A content that runs, or is proposed."""
        return self.contents.get(name) or self.proposed.get(name)

    @property
    def head(self) -> LiveContent | None:
        """The content whose link added ones may share; `None` where the peer shares none."""
        return next((each for each in self.contents.values() if self.shares_links and each.can_share), None)

    # From the pump

    def take(self, event: events.Event) -> None:
        """Take an event of the engine; what needs waiting is done in order by the session's own task."""
        match event:
            case events.SessionEnded():
                self._reason = event
                self._ended_at = asyncio.get_running_loop().time()
                self._over.set()
                return
            case events.Send(jingle=jingle):
                if jingle.action is Action.SESSION_TERMINATE:
                    self._told.clear()
                return
            case events.Acknowledged() | events.Refused() | events.TimedOut():
                if event.action is Action.SESSION_TERMINATE:
                    self._told.set()
                if (asked := self._asked.pop(event.token, None)) is not None and not asked.done():
                    asked.set_result(event)
                    return
                if not isinstance(event, events.Refused):
                    return
        try:
            self._backlog.put_nowait(event)
        except asyncio.QueueFull:
            self.terminate("general-error", "more than can be handled at once")

    # From the client

    def add(self, content: LiveContent) -> None:
        """Run `content` as a part of this session."""
        self.contents[content.id.name] = content

    @property
    def is_ringing(self) -> bool:
        """Whether it is the peer's, and nobody here has accepted it yet."""
        return self.session.role is Role.RESPONDER and not self.accepted.done()

    def hide(self) -> None:
        """Reveal no address of this machine to the peer, neither now nor later; call it before `describe`."""
        self.is_hidden = True
        for content in self.contents.values():
            if isinstance(content.transport, Hiding):
                content.transport.hide()

    def mark_accepted(self, names: Iterable[str]) -> None:
        """Note the moment of acceptance: the time to connect counts from here, and connecting begins."""
        self.accepted_at = asyncio.get_running_loop().time()
        if not self.accepted.done():
            self.accepted.set_result(None)
        for name in names:
            self._negotiation.begin(name)

    def mark_started(self, content: LiveContent) -> None:
        """Note that the application of a content runs."""
        content.started = True
        if not self.begun.done() and self.accepted_at is not None:
            self.begun.set_result((content, asyncio.get_running_loop().time() - self.accepted_at))
        self.additions.started(content)
        self._note_connected()

    def begin(self, content: LiveContent) -> None:
        """Connect an added content, which was accepted."""
        self.contents[content.name] = self.proposed.pop(content.name)
        self._negotiation.begin(content.name)

    def accept(self, answers: Sequence[Content], groups: tuple[Group, ...]) -> None:
        """Send the session-accept and begin to connect."""
        self.act(lambda session: session.accept(answers, groups=groups))
        self.mark_accepted([answer.name for answer in answers])

    def terminate(self, reason: str, text: str | None = None) -> None:
        """End the session at once, media included; nothing happens where it has ended already.

        Raises:
            LocalProtocolError: There is no such reason.
        """
        given = reason_of(reason, text)
        if self.is_running:
            self.act(lambda session: session.terminate(given))

    @property
    def is_running(self) -> bool:
        """Whether something can still be said in it."""
        return self.session.state in (SessionState.PENDING, SessionState.ACTIVE)

    def act(self, call: Callable[[Session], Any]) -> None:
        """Call a method of the engine and carry out what follows.

        Raises:
            LocalProtocolError: The engine forbids it.
        """
        call(self.session)
        self._host.handle(self.session, self.session.take_events())

    async def discard(self, name: str, reason: str | None = None, text: str | None = None) -> None:
        """Stop a content and free what it has, without telling the peer; others go on."""
        content = self.contents.pop(name, None) or self.proposed.pop(name, None)
        if content is not None:
            self.gone[name] = content
            while len(self.gone) > MAX_GONE:
                del self.gone[next(iter(self.gone))]
            self.additions.gone(content, reason)
            if content.task is not None and content.task is not asyncio.current_task():
                content.task.cancel()
            # The end of the session may cancel whoever waits here, and has to find everything freed all the same.
            await asyncio.shield(self._free_aside(self._free_content(content, reason, text)))
            self._note_connected()

    def release(self, application: Application, reason: str) -> None:
        """Free an application that was made for a content and is not wanted after all."""
        self._free_aside(self._free(application.stop(reason)))

    def _free_aside(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        freeing = asyncio.ensure_future(coroutine)
        self._freeing.add(freeing)
        freeing.add_done_callback(self._freeing.discard)
        return freeing

    async def discard_all(self, ids: Iterable[events.ContentId], why: Reason | None) -> None:
        """Discard several contents at once."""
        reason, text = told(why)
        await asyncio.gather(*(self.discard(id.name, reason, text) for id in ids))

    async def _free_content(self, content: LiveContent, reason: str | None, text: str | None) -> None:
        await self._free(content.stop(reason, text))
        await self._free(content.aclose())

    def finish(self, name: str, reason: Reason) -> None:
        """End one content; with the last one the session ends (XEP-0166 section 7.2.5)."""
        content = self.contents.get(name)
        if content is None or self.session.state is not SessionState.ACTIVE:
            self.terminate(reason.condition.value, reason.text)
        elif self.active == [content]:
            self.act(lambda session: session.terminate(reason))
        elif content.application.kind is Kind.STREAMING:
            self._outbox.add_end(name, reason)
        else:
            self._end_contents([name], reason)

    def _end_contents(self, names: Sequence[str], reason: Reason) -> None:
        contents = [self.contents[name] for name in names if name in self.contents]
        if not contents or not self.is_running:
            return
        if all(content in contents for content in self.active):
            self.act(lambda session: session.terminate(reason))
            return
        self.act(lambda session: session.remove_content(*(content.id for content in contents), reason=reason))
        for content in contents:
            self.spawn(self.discard(content.name, reason.condition.value, reason.text))

    def inform(self, payload: Element) -> None:
        """Send a session-info; nothing happens where the session has ended."""
        if self.is_running:
            self.act(lambda session: session.info(payload))

    async def ask(self, call: Callable[[Session], int]) -> None:
        """Send a request by a method of the engine, and return once the peer has taken it.

        Raises:
            SignallingError: It refused, or did not answer in time (`timeout`).
            SessionEnded: The session has ended.
            LocalProtocolError: The engine forbids it.
        """
        if not self.is_running:
            raise self._over_error()
        answer: asyncio.Future[events.Event] = asyncio.get_running_loop().create_future()

        def send(session: Session) -> None:
            self._asked[call(session)] = answer

        self.act(send)
        waiting: list[asyncio.Future[Any]] = [answer, self.ended]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise self._over_error()
        match answer.result():
            case events.Refused(condition=condition, text=text, jingle=jingle):
                raise SignallingError(condition, text, jingle=jingle)
            case events.TimedOut():
                raise SignallingError("timeout", f"{self.peer} did not answer")

    def _over_error(self) -> SessionEnded:
        reason, text = told(self._reason.reason if self._reason is not None else None)
        return SessionEnded(reason or "success", text)

    def send_transport_info(self, name: str, transport: Element) -> None:
        """Send a `<transport/>` of a content; the engine keeps it back until the peer knows the session."""
        content = self.find(name)
        if (
            content is not None
            and len(self.contents) > 1
            and (content.application.kind is Kind.STREAMING or content.is_bundled)
        ):
            # What is said about a shared link is said for all contents at once: some peers ask no more than the first.
            self._outbox.add_info(name, transport)
        else:
            self._send_infos([(name, transport)])

    def _send_infos(self, infos: Sequence[Info]) -> None:
        known = [(found.id, transport) for name, transport in infos if (found := self.find(name)) is not None]
        if known and self.is_running:
            with contextlib.suppress(ProtocolError):  # a content was removed meanwhile
                self.act(lambda session: session.transport_infos(known))

    async def describe(self) -> list[Content]:
        """Our answers to what the peer offered, for the session-accept; gathering of candidates begins.

        Raises:
            TransportFailed: A transport cannot be used.
        """
        return [await content.answer() for content in self.contents.values()]

    async def close(self, reason: str = "success", text: str | None = None) -> Ending:
        """End the session if it has not ended, and return how it ended once everything is freed."""
        self.terminate(reason, text)
        return await asyncio.shield(self.ended)

    # The session's tasks

    async def _keep(self) -> None:
        self.spawn(self._work())
        await self._over.wait()
        self._outbox.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._tear_down()
        finally:
            self._settle()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a task of the session's: it ends with the session, and what goes wrong in it ends the session."""
        task = asyncio.get_running_loop().create_task(self._guard(coroutine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is cancelled before its first step would leave the coroutine behind, and Python complain about it.
        task.add_done_callback(lambda _: coroutine.close())
        return task

    async def _guard(self, coroutine: Any) -> None:
        """Turn what goes wrong into the end of the session, with the reason that the peer deserves."""
        try:
            await coroutine
        except (TransportFailed, ApplicationFailed) as exc:
            self._fail(exc, exc.reason, exc.text)
        except MediaError as exc:
            self._fail(exc, "media-error", str(exc))
        except ProtocolError as exc:
            self._fail(exc, "failed-application", exc.text)
        except Exception as exc:
            # A bug of ours must not leave a call hanging.
            log.exception("session %s broke", self.sid)
            self._fail(exc, "general-error", "an internal error")

    def _fail(self, error: Exception, reason: str, text: str) -> None:
        self.failure = self.failure or error
        self.terminate(reason, text)

    async def _work(self) -> None:
        while True:
            event = await self._backlog.get()
            await self._guard(self._work_off(event))

    async def _work_off(self, event: events.Event) -> None:
        await self._negotiation.carry_out(event)
        self.on_event(event)

    def _note_connected(self) -> None:
        if self.connected.done() or self.accepted_at is None or not self.active:
            return
        if all(content.started for content in self.active):
            self._connected_at = asyncio.get_running_loop().time()
            self.connected.set_result(self._connected_at - self.accepted_at)

    async def _tear_down(self) -> None:
        """Stop the media at once, give our session-terminate its moment, and close the transports."""
        assert self._reason is not None
        reason, text = told(self._reason.reason)
        contents = [*self.contents.values(), *self.proposed.values()]
        await asyncio.gather(*(self._free(content.stop(reason, text)) for content in contents))
        # The end of the media travels faster than the terminate through two servers; ours first, so that the peer
        # hears the reason and not a broken connection.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), TERMINATE_TIMEOUT)
        await asyncio.gather(*(self._free(content.aclose()) for content in contents), *self._freeing)

    async def _free(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except JingleError as exc:
            log.warning("session %s: %s", self.sid, exc)
        except Exception:
            # What else there is has to be freed all the same.
            log.exception("session %s: something was not freed", self.sid)

    def _settle(self) -> None:
        self.accepted.cancel()
        self.begun.cancel()
        self.connected.cancel()
        reason, text = told(self._reason.reason if self._reason is not None else None)
        self.additions.close(self._over_error())
        if not self.ended.done():
            self.ended.set_result(
                Ending(
                    reason=reason or "success",
                    text=text,
                    by_peer=self._reason.by_peer if self._reason is not None else False,
                    seconds=self._ended_at - self._connected_at
                    if self._connected_at is not None and self._ended_at is not None
                    else 0.0,
                )
            )
