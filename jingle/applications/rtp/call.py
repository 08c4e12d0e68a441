"""XEP-0167: Jingle RTP Sessions (v1.2.3): one medium of a call, from its description to its last packet."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from aiortc.codecs.base import Decoder, Encoder

from ...elements.core import Role, Senders
from ...elements.declare import Element
from ...elements.rtp import (
    FEATURE_AUDIO,
    FEATURE_SOURCES,
    NS,
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
from ...media.base import Source
from ...media.codecs import make_decoder, make_encoder
from ...media.sinks import Fanout
from ...media.switch import SwitchTrack
from ...transports.base import DatagramLink, Kind, RtpParameters, RtpStream
from .capabilities import Codec, select
from .dtmf import DIGITS
from .negotiation import MID, Format, LocalSource, Negotiated, accepted, answer, inactive, offer
from .receiving import AudioReceiver, ReceivedTrack
from .sending import AudioSender
from .stats import MediaStats


@dataclass(frozen=True, kw_only=True)
class MediaOptions:
    """What the user decided about codecs."""

    codecs: tuple[str, ...] | None = None
    """Names of those to use, the best first; `None` for all, in the peer's order where it offers."""

    dtx: bool = False
    """Opus: send nothing while there is nothing to hear, and ask the peer for the same (RFC 7587 section 3.1.3)."""

    bit_rate: int | None = None
    """Opus: bits per second; `None` for what suits speech. What the peer allows is not exceeded."""


@dataclass(frozen=True, kw_only=True)
class SessionIdentity:
    """What the contents of one session share, so that the peer plays them in step (RFC 7022, RFC 8830)."""

    cname: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    stream: str = field(default_factory=lambda: str(uuid.uuid4()))


class RtpApplication:
    """One content of a call. Create it on a running event loop.

    Args:
        medium: The `media` of the description; one that we do not do is declined with `unsupported-applications`.
        role: Ours in the session.
        name: The content's name.
        creator: Who created the content.
        source: What to send; `None` for silence until `replace`.
        options: What the user decided.
        identity: What the contents of the session share.
        is_bundled: Whether the content will share its transport (XEP-0338).
        on_info: Called with `ringing`, `hold`, `unhold`, `mute`, `unmute` or `active` when the peer says so.
        on_dtmf: Called with each digit that the peer presses.

    Attributes:
        received: Gives what the peer sends to any number of sinks, which may be added at any time.
        is_muted, is_held: What we do: not speak; not listen either.
        is_muted_by_peer, is_held_by_peer: What the peer said that it does.
    """

    namespace: ClassVar[str] = NS
    kind: ClassVar[Kind] = Kind.DATAGRAM
    features: ClassVar[tuple[str, ...]] = (NS, FEATURE_AUDIO, NS_HEADER_EXTENSIONS, NS_SOURCES, FEATURE_SOURCES)
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
        options: MediaOptions = MediaOptions(),
        identity: SessionIdentity | None = None,
        is_bundled: bool = False,
        on_info: Callable[[str], None] = lambda state: None,
        on_dtmf: Callable[[str], None] = lambda digit: None,
    ) -> None:
        self.medium = medium
        self.is_muted = self.is_held = False
        self.is_muted_by_peer = self.is_held_by_peer = False
        self._role, self._name, self._creator = role, name, creator
        self._options = options
        self._is_bundled = is_bundled
        self._on_info, self._on_dtmf = on_info, on_dtmf
        self._codecs = select(medium, options.codecs, dtx=options.dtx)
        identity = identity or SessionIdentity()
        self._local = LocalSource(
            ssrc=random.getrandbits(32), cname=identity.cname, stream=identity.stream, track=str(uuid.uuid4())
        )
        self._offered: RtpDescription | None = None
        self._negotiated: Negotiated | None = None
        self._may_send = self._may_receive = True
        self._source = source
        self._switch = SwitchTrack()
        self._track = ReceivedTrack()
        self.received = Fanout(self._track)
        self._stream: RtpStream | None = None
        self._sender: AudioSender | None = None
        self._receiver: AudioReceiver | None = None

    # Negotiation

    def describe(self) -> Element:
        """Our offer.

        Raises:
            ApplicationFailed: We do nothing of that medium.
        """
        self._offered = offer(self.medium, self._codecs, self._local, is_bundled=self._is_bundled)
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
        """Take advice about parameters (XEP-0167 section 9), of which none applies to audio.

        Raises:
            RemoteProtocolError: It is no RTP description.
        """
        _rtp(remote)

    def set_senders(self, senders: Senders) -> None:
        """Follow the content's `senders`, at any time: send and listen only where it says so."""
        ours, theirs = Senders(self._role.value), Senders(self._role.other.value)
        self._may_send = senders in (Senders.BOTH, ours)
        self._may_receive = senders in (Senders.BOTH, theirs)
        self._apply()

    # Media

    async def start(self, connection: DatagramLink) -> None:
        """Send and receive on a connected link.

        Raises:
            LocalProtocolError: Nothing was agreed on yet, or it runs already.
            MediaError: The source cannot be read.
        """
        negotiated = self._negotiated
        if negotiated is None or self._stream is not None:
            raise LocalProtocolError("media can be started once, and after both sides have described it")
        if self._source is not None:
            await self._source.open()
            self._switch.replace(self._source.track())
        self._receiver = AudioReceiver(self._track, negotiated, _decoder, self._on_dtmf)
        parameters = RtpParameters(
            clock_rates={id: codec.clock_rate for id, codec in negotiated.receiving.items()}
            | {each.payload_type: each.codec.clock_rate for each in (*negotiated.formats, *negotiated.events)},
            ssrc=self._local.ssrc,
            cname=self._local.cname,
            mid=self._name if MID in negotiated.header_extensions else None,
            remote_ssrcs=negotiated.remote_ssrcs,
            header_extensions=negotiated.header_extensions,
        )
        self._stream = connection.rtp_stream(parameters, self._receiver.receive)
        self._sender = AudioSender(self._switch, self._stream, negotiated, self._encoder)
        self._apply()

    async def replace(self, source: Source | None) -> None:
        """Send `source` from now on, without renegotiation; `None` is silence. The source before is stopped.

        Raises:
            MediaError: It cannot be read; the one before goes on.
        """
        if source is not None:
            await source.open()
        if self._stream is not None:
            old = self._switch.replace(source.track() if source is not None else None)
            if old is not None:
                old.stop()
        self._source = source

    async def send_dtmf(self, digits: str) -> None:
        """Press keys (RFC 4733); returns when the last is released, 0.17 s each.

        Raises:
            LocalProtocolError: One is no key, the peer takes none, or media has not started.
        """
        if self._sender is None:
            raise LocalProtocolError("keys can be pressed once the call is connected")
        await self._sender.send_dtmf(digits)

    async def first_frame(self) -> float | None:
        """Wait for sound of the peer: when it was first there, on the loop's clock; `None` where it ended without."""
        return await self._track.first_frame()

    def stats(self) -> MediaStats:
        """The counters as of now; all zero before the start."""
        codec = self._negotiated.formats[0].codec.name if self._negotiated else None
        return MediaStats(codec=codec) if self._stream is None else MediaStats.of(self._stream.statistics, codec)

    async def stop(self, reason: str | None = None) -> None:
        """End sending and receiving, and close the sinks; safe to call twice."""
        if self._sender is not None:
            await self._sender.aclose()
        self._switch.stop()
        if self._stream is not None:
            await self._stream.aclose()
        if self._receiver is not None:
            self._receiver.close()
        self._track.stop()
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
            case Dtmf(code=code) if code in DIGITS:
                self._on_dtmf(code)
                return True
            case _:
                return False
        self._apply()
        self._on_info(state)
        return True

    def _apply(self) -> None:
        self._switch.is_muted = self.is_muted or self.is_held
        if self._sender is not None:
            # Whoever put us on hold does not listen, and the XEP asks us to be quiet; keeping our sound to ourselves
            # also spares an answering machine from recording it.
            self._sender.is_paused = self.is_held_by_peer or not self._may_send
        if self._receiver is not None:
            self._receiver.is_enabled = self._may_receive and not self.is_held

    def _encoder(self, agreed: Format) -> Encoder:
        parameters = {**agreed.parameters, "usedtx": "1"} if self._options.dtx else agreed.parameters
        return make_encoder(agreed.codec.name, parameters, bit_rate=self._options.bit_rate)


def _decoder(codec: Codec) -> Decoder:
    return make_decoder(codec.name, dict(codec.parameters))


def _rtp(element: Element | None) -> RtpDescription:
    if not isinstance(element, RtpDescription):
        raise RemoteProtocolError("an RTP content needs an RTP <description/>")
    return element
