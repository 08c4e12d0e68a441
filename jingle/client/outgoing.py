"""Calling somebody: which device, the proposal (XEP-0353), the session (XEP-0166), until both ends are connected."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..applications.rtp.call import RtpApplication
from ..applications.rtp.options import MediaOptions, SessionIdentity
from ..elements.core import Reason, ReasonCondition, Role, Senders
from ..elements.jids import bare
from ..elements.rtp import NS as NS_RTP
from ..elements.rtp import RtpDescription
from ..errors import LocalProtocolError, SessionEnded
from ..media.base import Kind
from ..media.recorder import Recorder
from ..peer.content import LiveContent
from ..peer.live import LiveSession
from ..session import events
from ..session import initiation_events as proposals
from ..signalling.discovery import NS_JINGLE, NS_JINGLE_MESSAGE, Device, best_device
from .call import Call, first
from .incoming import IncomingCall
from .plan import MediaPlan, prepared
from .session import ANSWER_TIMEOUT, bundle, tell_the_end, until_accepted, until_connected

if TYPE_CHECKING:
    from .peer import Peer

Answer = proposals.Proceeded | proposals.Rejected | IncomingCall


@dataclass(frozen=True, kw_only=True)
class CallPlan:
    """What to call with."""

    to: str
    media: MediaPlan
    ring_timeout: float | None
    connect_timeout: float | None
    relay_only: bool


class OutgoingCall:
    """One attempt to call somebody."""

    def __init__(self, peer: Peer, plan: CallPlan, options: MediaOptions) -> None:
        self._peer = peer
        self._pump = peer.pump
        self._plan = plan
        self._options = options
        self.id = str(uuid.uuid4())
        self._answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._live: LiveSession | None = None
        self._overruled = False
        self._ringing: set[str] = set()

    async def place(self) -> Call:
        """Ring, connect, and return the call; see `Peer.call`."""
        plan = self._plan
        async with prepared(plan.media, plan.media.offered, self._pump.emit) as recorder:
            self._peer.outgoing[self.id] = self
            try:
                device = await self._direct_device()
                if device is not None:
                    return await self._call(await self._initiate(device, recorder), answer_timeout=plan.ring_timeout)
                answer = await self._propose()
                if isinstance(answer, IncomingCall):
                    return await self._take_theirs(answer, recorder)
                return await self._call(await self._go_on(answer.peer, recorder), answer_timeout=ANSWER_TIMEOUT)
            finally:
                self._peer.outgoing.pop(self.id, None)

    async def _take_theirs(self, offer: IncomingCall, recorder: Recorder | None) -> Call:
        """They called us at the same moment, and theirs stands: answering it is what both sides want."""
        plan = self._plan
        return await offer.connect(plan.media, recorder, timeout=plan.connect_timeout, relay_only=plan.relay_only)

    def take(self, event: proposals.InitiationEvent) -> None:
        """Take what happens to our proposal."""
        match event:
            case proposals.RingingReceived(peer=peer) if bare(peer) == bare(self._plan.to):
                self._tell_ringing(peer)
            case proposals.Overruled():
                self._overruled = True
            case proposals.Rejected(peer=peer, tie_break=True):
                # Their own proposal, which stands instead, comes behind this, or rings here already.
                self._overruled = True
                offer = self._peer.offer_of(peer)
                if offer is not None:
                    self.give_way(offer)
            case proposals.Proceeded() | proposals.Rejected():
                if not self._answer.done():
                    self._answer.set_result(event)

    def give_way(self, offer: IncomingCall) -> None:
        """Go on with the peer's call, which crossed ours and stands."""
        if not self._answer.done():
            self._answer.set_result(offer)

    def gives_way_to(self, peer: str, sid: str) -> bool:
        """Whether this call of the peer's is the one that crossed ours and stands.

        Two proposals (XEP-0353 section 4.1), or two sessions (XEP-0166 section 7.2.16).
        """
        if self._live is not None:
            return self._live.overruled_by == sid and self._live.peer == peer
        return self._overruled and bare(peer) == bare(self._plan.to)

    def give_up(self) -> None:
        """Take the proposal back: we go offline."""
        if not self._answer.done():
            self._retract()
            reason = Reason(condition=ReasonCondition.CANCEL)
            self._answer.set_result(proposals.Rejected(id=self.id, peer=self._plan.to, reason=reason))

    # Which device

    async def _direct_device(self) -> str | None:
        """The full JID to call directly, or `None` to propose to all devices.

        Raises:
            SessionEnded: Devices of theirs are online, and none of them can be called.
        """
        to = self._plan.to
        if "/" in to:
            return to
        devices = await self._pump.discovery.devices(to, contact=self._pump.binding.is_contact(to))
        known: list[Device] = [device for device in devices if device.features]
        if not known or any(NS_JINGLE_MESSAGE in device.features for device in known):
            return None
        _, choice = self._pump.select_for_call()
        best = best_device(known, frozenset({NS_RTP, choice.transport.namespace}))
        if best is not None:
            return best.jid
        if len(known) == len(devices):
            can = "take this kind of call" if any(NS_JINGLE in device.features for device in known) else "take calls"
            raise self._over("unsupported-applications", f"none of their devices can {can}")
        return None

    # The proposal

    async def _propose(self) -> proposals.Proceeded | IncomingCall:
        plan, pump = self._plan, self._pump
        pump.check_open()
        pump.show(plan.to)
        descriptions = tuple(RtpDescription(media=medium) for medium in plan.media.offered)
        pump.act(lambda machine: machine.propose(plan.to, self.id, descriptions, time.monotonic()))
        try:
            async with asyncio.timeout(plan.ring_timeout):
                answer = await self._answer
        except TimeoutError:
            self._retract()
            raise self._over("timeout", "nobody answered") from None
        except asyncio.CancelledError:
            self._retract()
            self._over("cancel", None)
            raise
        if isinstance(answer, proposals.Rejected):
            reason = answer.reason
            raise self._over(reason.condition.value if reason else "decline", reason.text if reason else None)
        return answer

    def _retract(self) -> None:
        reason = Reason(condition=ReasonCondition.CANCEL)
        with contextlib.suppress(LocalProtocolError):  # it was overruled, or rejected in the same moment
            self._pump.act(lambda machine: machine.retract(self.id, reason))

    def _over(self, reason: str, text: str | None) -> SessionEnded:
        """Tell that the call ended before there was a session."""
        self._pump.emit(
            "ended", kind="call", peer=self._plan.to, sid=self.id, reason=reason, text=text, seconds=0.0, stats={}
        )
        self._pump.hide(self._plan.to)
        return SessionEnded(reason, text)

    # The session

    async def _go_on(self, device: str, recorder: Recorder | None) -> LiveSession:
        """Initiate the session that was proposed; whoever waits for it hears where that comes to nothing."""
        try:
            return await self._initiate(device, recorder)
        except BaseException:
            self._retract()
            self._over("cancel", None)
            raise

    async def _initiate(self, device: str, recorder: Recorder | None) -> LiveSession:
        identity, media = SessionIdentity(), self._plan.media.offered
        contents: list[LiveContent] = []
        for medium in media:
            application = self._application(medium, device, identity, is_bundled=len(media) > 1)
            await application.record(recorder)
            contents.append(self._content(application, device))
        for content in contents[1:]:
            await content.bundle_with(contents[0])
        live = self._live = await self._pump.initiate(
            device, self.id, contents, groups=(bundle(media),), is_hidden=self._plan.relay_only
        )
        live.shared = identity
        tell_the_end(self._pump, live)
        return live

    def _application(self, medium: Kind, device: str, identity: SessionIdentity, *, is_bundled: bool) -> RtpApplication:
        return RtpApplication(
            medium,
            role=Role.INITIATOR,
            name=medium,
            source=self._plan.media.source(medium),
            options=self._options,
            identity=identity,
            is_bundled=is_bundled,
            on_info=lambda state: self._on_info(device, medium, state),
            on_dtmf=lambda digit: self._pump.emit("dtmf", peer=device, sid=self.id, digit=digit),
        )

    def _content(self, application: RtpApplication, device: str) -> LiveContent:
        pump, medium = self._pump, application.medium
        selection, choice = pump.select_for_call()
        return LiveContent(
            id=events.ContentId(Role.INITIATOR, medium),
            application=application,
            choice=choice,
            selection=selection,
            make_transport=pump.transports_of(Role.INITIATOR, device, self.id, medium, is_hidden=self._plan.relay_only),
            # Silence is sent where there is nothing to say; where there is nothing to show, nothing is sent.
            senders=Senders.RESPONDER if medium == "video" and self._plan.media.video is None else None,
        )

    async def _call(self, live: LiveSession, *, answer_timeout: float | None) -> Call:
        plan = self._plan
        try:
            await until_accepted(live, answer_timeout)
            return await until_connected(self._pump, live, timeout=plan.connect_timeout, until=plan.media.until)
        except SessionEnded:
            if live.overruled_by is None:
                raise
        except BaseException:
            await live.close("cancel")
            raise
        await first(self._answer, timeout=ANSWER_TIMEOUT)
        offer = self._answer.result() if self._answer.done() else None
        if not isinstance(offer, IncomingCall):
            raise SessionEnded("alternative-session", "both sides called, and the peer's call came to nothing")
        # What was to be recorded into was closed with our session; nothing had been heard in it.
        async with prepared(MediaPlan(record=plan.media.record), offer.media, self._pump.emit) as recorder:
            return await self._take_theirs(offer, recorder)

    def _on_info(self, device: str, medium: str, state: str) -> None:
        if state == "ringing":
            self._tell_ringing(device)
        else:
            self._pump.emit("info", peer=device, sid=self.id, state=state, medium=medium)

    def _tell_ringing(self, device: str) -> None:
        """Once for each device: some say it twice, by `<ringing/>` and by a receipt."""
        if device not in self._ringing:
            self._ringing.add(device)
            self._pump.emit("ringing", peer=device, sid=self.id)
