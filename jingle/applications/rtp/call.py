"""XEP-0167: Jingle RTP Sessions (v1.2.3): one medium of a call, from its description to its last packet."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from typing import ClassVar

from ...elements.core import Role, Senders
from ...elements.declare import Element
from ...elements.rtp import (
    FEATURE_AUDIO,
    FEATURE_SOURCES,
    FEATURE_VIDEO,
    NS,
    NS_DTMF,
    NS_FEEDBACK,
    NS_HEADER_EXTENSIONS,
    NS_SOURCES,
    Active,
    Dtmf,
    Hold,
    Mute,
    Ringing,
    RtpDescription,
    Unhold,
    Unmute,
)
from ...errors import LocalProtocolError, RemoteProtocolError
from ...media.base import Kind as MediaKind
from ...media.base import Sink, Source
from ...media.recorder import Recorder
from ...media.sinks import Fanout
from ...media.video_codecs import Thread, Worker
from ...transports.base import DatagramLink, Kind, RtpPacket, RtpParameters
from .advice import advice, advised
from .capabilities import select
from .dtmf import DIGITS, KeyLimit
from .media import Medium, Pictures, Sound, decodes, passes_over
from .negotiation import MID, LocalSource, Negotiated, accepted, answer, inactive, offer
from .options import MediaOptions, SessionIdentity
from .relay import Relay, RelayClock
from .stats import MediaStats


class RtpApplication:
    """One content of a call. Create it on a running event loop.

    Args:
        medium: The `media` of the description; one that we do not do is declined with `unsupported-applications`.
        role: Ours in the session.
        name: The content's name.
        creator: Who created the content.
        source: What to send; `None` for silence, and no pictures, until `replace`.
        options: What the user decided.
        identity: What the contents of the session share.
        is_bundled: Whether the content will share its transport (XEP-0338).
        on_info: Called with `ringing`, `hold`, `unhold`, `mute`, `unmute` or `active` when the peer says so.
        on_dtmf: Called with each digit that the peer presses.
        make_worker: Makes what works on pictures.

    Attributes:
        is_bundled: Whether the content will share its transport; read by `describe`.
        received: Gives what the peer sends to any number of sinks, which may be added at any time.
        is_muted, is_held: What we do: not speak; not listen either.
        is_muted_by_peer, is_held_by_peer: What the peer said that it does.
    """

    namespace: ClassVar[str] = NS
    kind: ClassVar[Kind] = Kind.DATAGRAM
    features: ClassVar[tuple[str, ...]] = (
        *(NS, FEATURE_AUDIO, FEATURE_VIDEO, NS_DTMF),
        *(NS_FEEDBACK, NS_HEADER_EXTENSIONS, NS_SOURCES, FEATURE_SOURCES),
    )
    infos: ClassVar[tuple[type[Element], ...]] = (Ringing, Hold, Unhold, Mute, Unmute, Active, Dtmf)
    components = 1
    """RTP and RTCP share one, or there is no call."""

    def __init__(
        self,
        medium: str = "audio",
        *,
        role: Role,
        name: str,
        creator: Role = Role.INITIATOR,
        source: Source | None = None,
        options: MediaOptions = MediaOptions(),  # noqa: B008  (frozen)
        identity: SessionIdentity | None = None,
        is_bundled: bool = False,
        on_info: Callable[[str], None] = lambda state: None,
        on_dtmf: Callable[[str], None] = lambda digit: None,
        make_worker: Callable[[], Worker] = Thread,
    ) -> None:
        self.medium = medium
        self.is_muted = self.is_held = False
        self.is_muted_by_peer = self.is_held_by_peer = False
        self._role, self._name, self._creator = role, name, creator
        self._options = options
        self.is_bundled = is_bundled
        self._on_info, self._on_dtmf = on_info, on_dtmf
        self._keys = KeyLimit()
        self._codecs = select(medium, options.codecs_of(medium), dtx=options.dtx)
        self._identity = identity = identity or SessionIdentity()
        self._local = LocalSource(
            ssrc=random.getrandbits(32),
            cname=identity.cname,
            stream=identity.stream,
            track=str(uuid.uuid4()),
            repair_ssrc=random.getrandbits(32) if medium == "video" else None,
        )
        self._offered: RtpDescription | None = None
        self._negotiated: Negotiated | None = None
        self._may_send = self._may_receive = True
        self._source = source
        self._has_started = False
        self._relay: Relay | None = None
        self._relayed_to: RtpApplication | None = None
        self._medium: Medium = (
            Pictures(options, identity.clock, make_worker)
            if medium == "video"
            else Sound(options, identity.clock, self._hear_key)
        )
        self.received = Fanout(self._medium.track)

    # Negotiation

    def describe(self) -> Element:
        """Our offer.

        Raises:
            ApplicationFailed: We do nothing of that medium.
        """
        self._offered = offer(self.medium, self._codecs, self._local, is_bundled=self.is_bundled)
        return self._offered

    def answer(self, remote: Element) -> Element:
        """Take the peer's offer and return our answer.

        Raises:
            RemoteProtocolError: It is no RTP description.
            ApplicationFailed: See `negotiation.answer`.
        """
        own_order = self._options.codecs is not None
        description, self._negotiated = answer(_rtp(remote), self._codecs, self._local, own_order=own_order)
        return description

    def idle(self, remote: Element) -> Element:
        """Answer an offer that `answer` refused, for a content in which nobody sends.

        Raises:
            RemoteProtocolError: It is no RTP description.
        """
        return inactive(_rtp(remote))

    def accepted(self, remote: Element | None) -> None:
        """Take the peer's answer to our offer.

        Raises:
            LocalProtocolError: Nothing was offered.
            RemoteProtocolError: It is no RTP description.
            ApplicationFailed: See `negotiation.accepted`.
        """
        if self._offered is None:
            raise LocalProtocolError("nothing was offered that could be accepted")
        self._negotiated = accepted(self._offered, _rtp(remote), self._codecs)

    def description_info(self, remote: Element) -> None:
        """Follow advice about the parameters of what we send, and its bit rate (XEP-0167 section 9).

        Raises:
            RemoteProtocolError: It is no RTP description.
        """
        description = _rtp(remote)
        if self._negotiated is not None:
            self._negotiated = advised(self._negotiated, description)
            if self._has_started:
                self._medium.follow(self._negotiated)

    def advise(self, bit_rate: int) -> Element:
        """Advice for the peer to send so many bits per second at most, to be told in a description-info.

        Raises:
            LocalProtocolError: Nothing was agreed on yet.
        """
        if self._negotiated is None:
            raise LocalProtocolError("nothing is agreed on that advice could be about")
        return advice(self._negotiated, bit_rate)

    def set_senders(self, senders: Senders) -> None:
        """Follow the content's `senders`, at any time: send and listen only where it says so."""
        ours, theirs = Senders(self._role.value), Senders(self._role.other.value)
        self._may_send = senders in (Senders.BOTH, ours)
        self._may_receive = senders in (Senders.BOTH, theirs)
        self._apply()

    @property
    def kind_of_frames(self) -> MediaKind:
        """What the frames are."""
        return "video" if self.medium == "video" else "audio"

    @property
    def is_active(self) -> bool:
        """Whether anybody may send."""
        return self._may_send or self._may_receive

    # Media

    async def start(self, connection: DatagramLink) -> None:
        """Send and receive on a connected link.

        Raises:
            LocalProtocolError: Nothing was agreed on yet, or it runs already.
            MediaError: The source cannot be read.
        """
        negotiated = self._negotiated
        if negotiated is None or self._has_started:
            raise LocalProtocolError("media can be started once, and after both sides have described it")
        if self._source is not None:
            source = await self._opened(self._source)
            self._medium.replace(source.track())
        self._has_started = True
        self._medium.start(connection, self._parameters(negotiated), negotiated)
        self._apply()

    def _parameters(self, negotiated: Negotiated) -> RtpParameters:
        sending = (*negotiated.formats, *negotiated.events)
        return RtpParameters(
            clock_rates={id: codec.clock_rate for id, codec in negotiated.receiving.items()}
            | {each.payload_type: each.codec.clock_rate for each in sending},
            ssrc=self._local.ssrc,
            cname=self._local.cname,
            mid=self._name if MID in negotiated.header_extensions else None,
            remote_ssrcs=negotiated.remote_ssrcs,
            header_extensions=negotiated.header_extensions,
            feedback=negotiated.formats[0].feedback,
            repairs=negotiated.repairs,
            repair_with={each.payload_type: each.repair for each in sending if each.repair is not None},
            repair_ssrc=self._local.repair_ssrc,
            remote_repair_ssrcs=negotiated.remote_repair_ssrcs,
        )

    async def replace(self, source: Source | None) -> None:
        """Send `source` from now on, without renegotiation; `None` is silence. The source before is stopped.

        Raises:
            MediaError: It cannot be read, or gives nothing of this medium; the one before goes on.
        """
        part = await self._opened(source) if source is not None else None
        if self._has_started:
            old = self._medium.replace(part.track() if part is not None else None)
            if old is not None:
                old.stop()
        self._source = source

    async def _opened(self, source: Source) -> Source:
        """What a source has of our medium, ready to be played."""
        part = source.part(self.kind_of_frames, self._identity.stream)
        await part.open()
        return part

    @property
    def takes_keys(self) -> bool:
        """Whether the peer takes key presses in RTP (RFC 4733)."""
        return self._negotiated is not None and bool(self._negotiated.events)

    async def send_dtmf(self, digits: str) -> None:
        """Press keys (RFC 4733); returns when the last is released, 0.17 s each.

        Raises:
            LocalProtocolError: One is no key, the peer takes none, or media has not started.
        """
        await self._medium.send_dtmf(digits)

    def relay(
        self, target: RtpApplication, *, clock: RelayClock, on_refused: Callable[[], None] = lambda: None
    ) -> Relay:
        """Pass on what our peer sends to the peer of `target`, as it comes, in the place of its own source.

        What is passed on is not decoded, unless somebody takes the frames; key presses are told as ever.

        Args:
            target: Where to; of the same medium.
            clock: The same for all media of our session.
            on_refused: Called where it comes in a codec that `target` has not agreed on, and is not passed on.

        Raises:
            LocalProtocolError: One of the two has not started, or ours is passed on already.
        """
        outlet, negotiated = target._medium.outlet, self._negotiated
        if outlet is None or negotiated is None or not self._has_started or self._relay is not None:
            raise LocalProtocolError("one call at a time can be passed on, once both are connected")
        relay = Relay(
            negotiated.receiving,
            outlet,
            clock=clock,
            request_keyframe=self._medium.request_keyframe,
            limit=self._medium.limit,
            on_refused=on_refused,
        )

        def take(packet: RtpPacket) -> bool:
            if not self._may_receive or self.is_held or not relay.take(packet):
                return False
            return not self.received.sinks and not negotiated.receiving[packet.payload_type].is_event

        self._relay, self._relayed_to = relay, target
        self._medium.on_packet, target._medium.on_feedback = take, relay.take_feedback
        return relay

    async def end_relay(self, relay: Relay) -> None:
        """Pass nothing on any more through what `relay` returned; safe to call twice."""
        if self._relay is relay and self._relayed_to is not None:
            self._medium.on_packet, self._relayed_to._medium.on_feedback = decodes, passes_over
            self._relay = self._relayed_to = None
        await relay.aclose()

    async def first_frame(self) -> float | None:
        """Wait for the peer's first frame: when it was there, on the loop's clock; `None` where it ended without."""
        return await self._medium.track.first_frame()

    async def record(self, recorder: Recorder | None) -> Sink | None:
        """Give what is received to a recording from now on, where it wants this medium; what it was given comes back.

        Raises:
            MediaError: It cannot be opened.
        """
        part = recorder.part(self.kind_of_frames) if recorder is not None else None
        if part is not None:
            await self.received.add(part)
        return part

    def stats(self) -> MediaStats:
        """The counters as of now; all zero before the start."""
        if not self._has_started:
            return MediaStats(codec=self._negotiated.formats[0].codec.name if self._negotiated else None)
        return self._medium.stats()

    async def stop(self, reason: str | None = None, text: str | None = None) -> None:
        """End sending and receiving, and close the sinks; safe to call twice."""
        if self._relay is not None:
            await self.end_relay(self._relay)
        await self._medium.aclose()
        await self.received.ended()

    # State that is told in session-info (XEP-0167 section 8)

    def mute(self) -> Element:
        """Send silence; what comes back is to be told to the peer."""
        self.is_muted = True
        self._apply()
        return Mute(creator=self._creator, name=self._name)

    def unmute(self) -> Element:
        """Send sound again; what comes back is to be told to the peer."""
        self.is_muted = False
        self._apply()
        return Unmute(creator=self._creator, name=self._name)

    def hold(self) -> Element:
        """Send silence and drop what comes in; what comes back is to be told to the peer, once for all contents."""
        self.is_held = True
        self._apply()
        return Hold()

    def unhold(self) -> Element:
        """Take the call up again; what comes back is to be told to the peer, once for all contents."""
        self.is_held = False
        self._apply()
        return Unhold()

    def info(self, payload: Element) -> bool:
        """Take what the peer tells about itself; `False` where it is not about this content."""
        match payload:
            case Ringing():
                state = "ringing"
            case Hold():
                state, self.is_held_by_peer = "hold", True
            case Unhold():
                state, self.is_held_by_peer = "unhold", False
            case Active():
                state, self.is_held_by_peer, self.is_muted_by_peer = "active", False, False
            case Mute(name=name) if name in (None, self._name):
                state, self.is_muted_by_peer = "mute", True
            case Unmute(name=name) if name in (None, self._name):
                state, self.is_muted_by_peer = "unmute", False
            case Dtmf(code=code) if self.understands(payload):
                if payload.effective_duration > 0:
                    self._hear_key(code)
                return True
            case _:
                return False
        self._apply()
        self._on_info(state)
        return True

    def understands(self, payload: Element) -> bool:
        """All of its `infos`, but of keys only those that a telephone has (XEP-0181 section 2)."""
        return not isinstance(payload, Dtmf) or payload.code in set(DIGITS)

    def _hear_key(self, digit: str) -> None:
        if self._keys.allows(asyncio.get_running_loop().time()):
            self._on_dtmf(digit)

    def _apply(self) -> None:
        self._medium.steer(
            is_muted=self.is_muted or self.is_held,
            # Whoever put us on hold does not listen, and the XEP asks us to be quiet; keeping our sound to ourselves
            # also spares an answering machine from recording it.
            is_sending=self._may_send and not self.is_held_by_peer,
            is_listening=self._may_receive and not self.is_held,
        )


def _rtp(element: Element | None) -> RtpDescription:
    if not isinstance(element, RtpDescription):
        raise RemoteProtocolError("an RTP content needs an RTP <description/>")
    return element
