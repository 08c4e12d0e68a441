"""The peer: one account that is online, calls and is called."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from os import PathLike
from types import TracebackType

from ..applications.file_transfer.digests import DEFAULT as DEFAULT_HASH
from ..applications.file_transfer.metadata import FileMetadata
from ..applications.file_transfer.receiver import FileReceiver
from ..applications.file_transfer.requested import RequestedFile
from ..applications.file_transfer.source import OutgoingFile
from ..applications.file_transfer.storage import Target
from ..applications.rtp.options import MediaOptions
from ..elements.rtp import Ringing
from ..errors import LocalProtocolError, SignallingError
from ..media.base import Source
from ..peer.live import LiveSession
from ..peer.pump import Pump
from ..session import events
from ..session import initiation_events as proposals
from ..signalling.binding import address
from ..signalling.connection import XmppConnection
from .call import Call, first
from .incoming import IncomingCall, media_in, tell_missed
from .opening import Opening
from .outgoing import CallPlan, OutgoingCall
from .plan import MediaPlan
from .receiving import IncomingFile, IncomingFiles, IncomingRequest
from .sending import MAX_FILES, FilePath, FileRequest, OutgoingFiles, SendPlan, gather_files
from .thumbnails import Lending
from .transfer import Transfer, Transfers

log = logging.getLogger(__name__)

FINISH_GRACE = 1.0
"""Seconds for a session-terminate to follow a `<finish/>`, before the session is ended from here."""

Offer = IncomingCall | IncomingFile | IncomingRequest
"""What others may want of us."""

MAX_RINGING = 180.0
"""Seconds for which a call without a proposal may ring: a caller that vanished never gives up."""

MAX_OFFERS = 64
"""Offers that wait for the program to look at them; what comes on top is told that we are busy."""


class Peer:
    """One account that is online. Made by `jingle.connect` or by the slixmpp plugin.

    Attributes:
        pump: What drives the sessions; for those who extend this package.
        lending: Our thumbnails.
    """

    def __init__(self, pump: Pump, *, options: MediaOptions, connection: XmppConnection | None = None) -> None:
        self.pump = pump
        self.outgoing: dict[str, OutgoingCall] = {}
        self.lending = Lending(pump.binding)
        self._options = options
        self._connection = connection
        self._offers: asyncio.Queue[Offer] = asyncio.Queue(maxsize=MAX_OFFERS)
        self._pending: dict[tuple[str, str], IncomingCall] = {}
        self._declining: set[asyncio.Task[None]] = set()
        self._lost: asyncio.Future[SignallingError] = asyncio.get_running_loop().create_future()
        self._listening = False
        pump.on_session = self._on_session
        pump.proposals.on_event = self._on_proposal
        pump.on_unavailable = self._on_unavailable

    @property
    def jid(self) -> str:
        """Our full JID."""
        return self.pump.binding.local

    def call(
        self,
        to: str,
        *,
        audio: Source | None = None,
        video: Source | None = None,
        media: Sequence[str] | None = None,
        record: str | PathLike[str] | None = None,
        hang_up_at_end: bool = True,
        ring_timeout: float | None = 60,
        connect_timeout: float | None = 20,
        relay_only: bool = False,
    ) -> Opening[Call]:
        """Call someone; the call is ready once both ends are connected.

        A bare JID rings every device of `to` (XEP-0353) and continues with the one that proceeds; a full JID, or the
        best device of somebody without XEP-0353, is called directly (XEP-0166). Enter the result, and leaving the
        block hangs up; or await it, and hang up yourself.

            async with me.call("juliet@example.org", audio=jingle.Tone(440)) as call:
                await call.record("answer.wav", seconds=5)

        Args:
            to: Bare or full JID of the callee.
            audio: What to send; `None` for silence.
            video: What to show; `None` offers no pictures.
            media: What the call is about: `audio`, `video` or both; `None` for sound, and pictures where there is a
                `video`. Pictures without a `video` are only received.
            record: Where to record from the first moment: `.wav`, `.ogg`, `.webm`, `.mkv` or `.mp4`.
            hang_up_at_end: Whether the end of a file that is played ends the call.
            ring_timeout: Seconds to wait for an answer; then the proposal is retracted. `None` waits for ever.
            connect_timeout: Seconds from acceptance to the connection; `None` for no bound but the transport's own.
            relay_only: Reveal no address of this machine to them.

        Raises:
            SessionEnded: They declined, were busy, did not answer, or have no device that takes calls; `reason` says
                which.
            TransportFailed: No way to them worked; `tried` lists what was tried.
            ApplicationFailed: There is no common codec.
            MediaError: A source or the recording cannot be opened.
            SignallingError: The server could not be asked.
            LocalProtocolError: `to` is not a JID, or `media` and the sources contradict each other.

        Cancelling is safe at any point: the peer is told `cancel`.
        """
        plan = CallPlan(
            to=address(to),
            media=MediaPlan.of(audio, video, media, record, hang_up_at_end),
            ring_timeout=ring_timeout,
            connect_timeout=connect_timeout,
            relay_only=relay_only,
        )

        async def start() -> Call:
            return await OutgoingCall(self, plan, self._options).place()

        return Opening(start)

    def send_file(
        self,
        to: str,
        path: FilePath,
        *,
        description: str | None = None,
        algorithms: Sequence[str] = (DEFAULT_HASH,),
        thumbnails: bool = False,
        accept_timeout: float | None = 120,
        relay_only: bool = False,
    ) -> Opening[Transfer]:
        """Send a file; the transfer that comes back was accepted, and runs by itself.

            transfer = await me.send_file("juliet@example.org", "report.pdf")
            async for progress in transfer:
                print(f"{progress.fraction:.0%}")

        An interrupted transfer is continued by sending the same file again (XEP-0234 section 6.4).

        Args:
            to: Bare JID, for the best device of theirs that takes files, or full JID.
            path: The file.
            description: For them to read.
            algorithms: What to hash the file with: `sha-256`, `sha-512`, `sha3-256`, ...
            thumbnails: Let them see a picture in small before they take it (XEP-0264). It goes through the servers,
                which see it, however the file itself is protected.
            accept_timeout: Seconds to wait until they accept; `None` waits for ever.
            relay_only: Reveal no address of this machine to them.

        Raises:
            SessionEnded: They declined, did not answer, or have no device that takes files.
            TransportFailed: There is no transport that both sides may use.
            MediaError: The file cannot be read.

        Cancelling is safe at any point: the peer is told.
        """

        async def start() -> Transfer:
            (transfer,) = await self.send_files(
                to,
                [path],
                description=description,
                algorithms=algorithms,
                thumbnails=thumbnails,
                accept_timeout=accept_timeout,
                relay_only=relay_only,
            )
            return transfer

        return Opening(start)

    def request_file(
        self,
        peer: str,
        name: str,
        path: FilePath,
        *,
        size: int | None = None,
        digests: Mapping[str, bytes] | None = None,
        overwrite: bool = False,
        max_size: int | None = None,
        accept_timeout: float | None = 120,
        relay_only: bool = False,
    ) -> Opening[Transfer]:
        """Ask somebody for a file of theirs (XEP-0234 section 6.2); the transfer that comes back was accepted.

        Args:
            peer: Bare JID, for the best device of theirs that knows files, or full JID.
            name: What they call the file.
            path: Where it goes: a folder that exists, or the name of the file.
            size: Bytes, where they are known.
            digests: Of the file, by algorithm, where they are known.
            overwrite: Replace a file of that name; otherwise the new one becomes `name (2).ext`.
            max_size: Bytes; a larger file is refused.
            accept_timeout: Seconds to wait until they accept; `None` waits for ever.
            relay_only: Reveal no address of this machine to them.

        Raises:
            SessionEnded: They declined, did not answer, have no such file, or no device that knows files.
            TransportFailed: There is no transport that both sides may use.
            ApplicationFailed: The disk cannot be read.
        """
        wish = FileMetadata(name=name, size=size, digests=digests or {})

        async def start() -> Transfer:
            target = await asyncio.to_thread(Target.at, path, overwrites=overwrite, max_size=max_size)
            return await FileRequest(self, peer, wish, target, accept_timeout, relay_only=relay_only).send()

        return Opening(start)

    def send_files(
        self,
        to: str,
        paths: Sequence[FilePath | OutgoingFile],
        *,
        description: str | None = None,
        algorithms: Sequence[str] = (DEFAULT_HASH,),
        thumbnails: bool = False,
        accept_timeout: float | None = 120,
        relay_only: bool = False,
    ) -> Opening[Transfers]:
        """Send several files and folders in one session; they accept or decline each by itself.

        A folder goes as its files with relative names. For arguments and errors see `send_file`.

        Raises:
            LocalProtocolError: There is no file, or there are more than `MAX_FILES`.
        """

        async def start() -> Transfers:
            files = await asyncio.to_thread(gather_files, paths, description)
            if len(files) > MAX_FILES:
                raise LocalProtocolError(f"{len(files)} files are too many for one session: {MAX_FILES} at most")
            plan = SendPlan(
                to=to,
                files=files,
                algorithms=tuple(algorithms),
                thumbnails=thumbnails,
                accept_timeout=accept_timeout,
                relay_only=relay_only,
            )
            return await OutgoingFiles(self, plan).send()

        return Opening(start)

    async def incoming(self) -> AsyncIterator[Offer]:
        """Yield whatever others offer, as it comes, from whoever may reach us.

        From the first use on this device rings; before, calls ring on our other devices only. Offers that were
        withdrawn before the program looked at them are left out.

        Raises:
            SignallingError: The XMPP connection was lost for good.
        """
        self._listening = True
        while True:
            offer = await self._next_offer()
            if offer.is_open:
                yield offer

    async def _next_offer(self) -> Offer:
        waiting = asyncio.ensure_future(self._offers.get())
        try:
            await first(waiting, self._lost, timeout=None)
        except asyncio.CancelledError:
            if not waiting.cancel():
                self._offers.put_nowait(waiting.result())
            raise
        if waiting.cancel():
            raise self._lost.result()
        return waiting.result()

    def listen(self) -> None:
        """Ring from now on, and keep offers for a later `incoming`."""
        self._listening = True

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every session, decline what rings, and go offline; safe to call twice."""
        self._listening = False
        async with contextlib.AsyncExitStack() as stack:
            # In the opposite order, and each whatever becomes of the others.
            if self._connection is not None:
                stack.push_async_callback(self._connection.aclose)
            stack.callback(self.pump.discovery.close)
            stack.push_async_callback(self.pump.binding.aclose)
            stack.push_async_callback(self.pump.aclose)
            for call in list(self.outgoing.values()):
                stack.callback(call.give_up)
            for offer in list(self._pending.values()):
                stack.push_async_callback(offer.decline, "busy")

    def lost(self, error: SignallingError) -> None:
        """Take it that the XMPP connection is gone for good: calls go on, but nothing new can come."""
        if not self._lost.done():
            self._lost.set_result(error)
            self.pump.emit("error", condition=error.condition, text=str(error), advice="")

    # From the pump

    def _on_session(self, live: LiveSession, event: events.SessionInitiated) -> None:
        """A peer initiated a session; it is offered once its contents were found to be usable."""

        def looked_at(happened: events.Event) -> None:
            if happened is event:
                self._offer_session(live, event)

        live.on_event = looked_at

    def _offer_session(self, live: LiveSession, event: events.SessionInitiated) -> None:
        proposed = self._pending.get((live.peer, live.sid))
        crossed = self._crossed(live.peer, live.sid)
        if proposed is not None:
            proposed.take_session(live, event.groups)
        elif crossed is not None:
            offer = IncomingCall.of_session(self, live, event.groups)
            self._pending[offer.peer, offer.sid] = offer
            crossed.give_way(offer)
        elif not self._listening:
            live.terminate("busy")
        elif any(isinstance(content.application, FileReceiver | RequestedFile) for content in live.contents.values()):
            self._offer_files(IncomingFiles(self, live))
        else:
            offer = IncomingCall.of_session(self, live, event.groups)
            live.inform(Ringing())
            self._offer(offer)
            ringing = asyncio.get_running_loop().call_later(MAX_RINGING, self._stop_ringing, live)
            live.ended.add_done_callback(lambda _: ringing.cancel())

    def _offer_files(self, offered: IncomingFiles) -> None:
        live = offered.live
        self.pump.emit("incoming", kind="file", peer=live.peer, sid=live.sid, files=offered.description)
        if self._offers.maxsize - self._offers.qsize() < len(offered.files):
            live.terminate("busy")
            return
        for file in offered.files:
            self._offers.put_nowait(file)

    def _on_proposal(self, event: proposals.InitiationEvent) -> None:
        match event:
            case proposals.Incoming(replaces=ours) if ours in self.outgoing:
                offer = IncomingCall.of_proposal(self, event)
                self._pending[offer.peer, offer.sid] = offer
                self.outgoing[ours].give_way(offer)
            case proposals.Incoming(id=id, peer=peer) if (call := self._crossed(peer, id)) is not None:
                # It was late: their rejection of ours came first.
                offer = IncomingCall.of_proposal(self, event)
                self._pending[offer.peer, offer.sid] = offer
                call.give_way(offer)
            case proposals.Incoming(id=id):
                if self._listening:
                    self.pump.act(lambda machine: machine.ring(id))
                    self._offer(IncomingCall.of_proposal(self, event))
            case proposals.Finished(id=id, migrated_to=str()):
                # It goes on as another session, so that it has not failed (XEP-0353 section 4.2).
                self._withdraw(id, "cancel", "it goes on as another call")
                self._finish(id, "success")
            case proposals.Retracted(id=id, reason=reason) | proposals.Finished(id=id, reason=reason):
                self._withdraw(id, reason.condition.value if reason else "cancel", reason.text if reason else None)
                self._finish(id, reason.condition.value if reason else "success")
            case proposals.AnsweredElsewhere(id=id):
                self._withdraw(id, "cancel", "answered on another device", elsewhere=True)
            case proposals.RejectedElsewhere(id=id):
                self._withdraw(id, "cancel", "declined on another device", elsewhere=True)
            case proposals.Migrated(id=id):
                self._finish(id, "success")
            case proposals.Missed(id=id, peer=peer, descriptions=descriptions, age=age):
                tell_missed(self.pump, peer, id, media_in(descriptions), time.time() - age)
            case _:
                call = self.outgoing.get(getattr(event, "id", ""))
                if call is not None:
                    call.take(event)

    def offer_of(self, peer: str) -> IncomingCall | None:
        """What this full JID offers at the moment."""
        return next((offer for offer in self._pending.values() if offer.peer == peer and offer.is_open), None)

    def _stop_ringing(self, live: LiveSession) -> None:
        if not live.accepted.done():
            live.terminate("timeout", "nobody answered")

    def _crossed(self, peer: str, sid: str) -> OutgoingCall | None:
        """The call of ours that gives way to this one of the peer's."""
        return next((call for call in self.outgoing.values() if call.gives_way_to(peer, sid)), None)

    def forget(self, offer: IncomingCall) -> None:
        """Drop an offer that is over."""
        self._pending.pop((offer.peer, offer.sid), None)

    def _offer(self, offer: IncomingCall) -> None:
        self._pending[offer.peer, offer.sid] = offer
        self.pump.emit("incoming", kind="call", peer=offer.peer, sid=offer.sid, media=list(offer.media))
        self._leave_out_what_is_over()
        try:
            self._offers.put_nowait(offer)
        except asyncio.QueueFull:
            log.warning("too many offers wait: %s is told that we are busy", offer.peer)
            task = asyncio.ensure_future(offer.decline("busy"))
            self._declining.add(task)
            task.add_done_callback(self._declining.discard)

    def _leave_out_what_is_over(self) -> None:
        """Calls that were missed must not take the room of those that ring."""
        for _ in range(self._offers.qsize()):
            offer = self._offers.get_nowait()
            if offer.is_open:
                self._offers.put_nowait(offer)

    def _withdraw(self, id: str, reason: str, text: str | None, *, elsewhere: bool = False) -> None:
        for (_, sid), offer in list(self._pending.items()):
            if sid == id:
                offer.withdraw(reason, text, tell=True, elsewhere=elsewhere)

    def _finish(self, id: str, reason: str) -> None:
        """The peer says the session is over; its session-terminate usually came before, or comes right behind."""
        for live in list(self.pump.sessions.values()):
            if live.sid == id:
                asyncio.get_running_loop().call_later(FINISH_GRACE, live.terminate, reason)

    def _on_unavailable(self, jid: str) -> None:
        for (peer, _), offer in list(self._pending.items()):
            if peer == jid:
                offer.withdraw("gone", "the caller went offline", tell=True)
