"""Going online: from an account to a `Peer`."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal

from ..applications.file_transfer.receiver import FileReceiver
from ..applications.rtp.call import RtpApplication
from ..applications.rtp.options import MediaOptions
from ..elements.core import FEATURE_GROUPING, Content
from ..elements.core import NS as NS_JINGLE
from ..elements.file_transfer import NS as NS_FILES
from ..elements.initiation import NS as NS_INITIATION
from ..elements.messages import NS_RECEIPTS
from ..elements.rtp import NS as NS_RTP
from ..errors import LocalProtocolError
from ..peer.events import Event, EventHandler
from ..peer.live import LiveSession
from ..peer.policy import ANYONE, Policy
from ..peer.pump import Pump
from ..signalling.binding import Binding, XmppStream, address
from ..signalling.connection import Account, XmppConnection
from ..signalling.discovery import Discovery
from ..signalling.proxies import ProxyFinder
from ..signalling.services import ExternalServices
from ..signalling.strangers import hide_from_strangers
from ..transports.base import IceServer, SecurityPrecondition, Transport, TransportOptions
from ..transports.datachannel import DataChannelTransport, WrappedDataChannelTransport
from ..transports.ibb import IbbStreamTransport
from ..transports.ice_udp import IceUdpTransport
from ..transports.s5b import S5bTransport
from ..transports.tls import XtlsPrecondition
from .opening import Opening
from .peer import Peer
from .receiving import application_for as file_application_for
from .session import application_for
from .thumbnails import FEATURES as THUMBNAIL_FEATURES
from .trace import Trace

DEFAULT_TRANSPORTS: tuple[type[Transport], ...] = (
    IceUdpTransport,
    S5bTransport,
    WrappedDataChannelTransport,
    DataChannelTransport,
    IbbStreamTransport,
)
"""What is offered and understood where nothing else is asked for."""


STRANGERS: Literal["strangers"] = "strangers"
RelayOnly = bool | Literal["strangers"]
"""From whom addresses of this machine are kept: from nobody, from everybody, or from everybody outside the roster."""

PRECONDITIONS: tuple[type[SecurityPrecondition], ...] = (XtlsPrecondition,)
"""What may protect the bytes of a file on transports that carry them in the clear."""


def connect(
    jid: str,
    password: str,
    *,
    # Where
    server: tuple[str, int] | None = None,
    ca_file: str | PathLike[str] | None = None,
    # How bits may move
    ice_servers: Sequence[IceServer] = (),
    relay_only: RelayOnly = False,
    loopback: bool = False,
    transports: Sequence[type[Transport]] = DEFAULT_TRANSPORTS,
    require_encryption: bool = False,
    # Media
    codecs: Sequence[str] | None = None,
    dtx: bool = False,
    video_codecs: Sequence[str] | None = None,
    video_bit_rate: int | None = None,
    # Who may reach us
    allow: Iterable[str] = (),
    # What happens
    on_event: EventHandler | None = None,
    trace: str | PathLike[str] | None = None,
    login_timeout: float = 30,
) -> Opening[Peer]:
    """Log in; the `Peer` is ready once we are online.

    Enter the result, and leaving the block ends every call and logs out; or await it, and `aclose()` it yourself.

        async with jingle.connect("alice@example.org", "secret") as me:
            ...

    Args:
        jid: The account; a bare JID gets a resource.
        password: Its password.
        server: (host, port) to connect to instead of what DNS SRV says.
        ca_file: Trust this CA (PEM) for the server instead of the system's.
        ice_servers: STUN and TURN servers beside those that the server offers (XEP-0215).
        relay_only: Never reveal an address of this machine; `"strangers"` for all but contacts of the roster and our
            own devices. A call or file can be hidden by itself (`Peer.call(relay_only=True)`).
        loopback: Gather loopback addresses too.
        transports: What to offer and understand, in order of preference.
        require_encryption: Files: refuse transports that would carry the bytes in the clear.
        codecs: Names of the audio codecs to use, the best first; `None` for all.
        dtx: Opus: send nothing while there is nothing to hear.
        video_codecs: Names of the video codecs to use (`VP8`, `H264`), the best first; `None` for all.
        video_bit_rate: Bits per second of pictures at most; `None` for 1500000.
        allow: JIDs that may reach us besides contacts and our own devices; `*` for anyone.
        on_event: Called with each `Event`.
        trace: File for every stanza and event, one JSON object a line.
        login_timeout: Seconds.

    Raises:
        SignallingError: `not-authorized` for a refused password, `certificate` for an untrusted server,
            `remote-server-not-found` where nothing answers, `timeout`.
        LocalProtocolError: `jid` or one of `allow` is not a JID, `relay_only` is none of the three, or the trace file
            cannot be written.
    """
    allowed = [each if each == ANYONE else address(each) for each in allow]
    account = Account(jid=jid, password=password, server=server, ca_file=Path(ca_file) if ca_file is not None else None)
    from_all, from_strangers = hidden_from(relay_only)
    options = TransportOptions(relay_only=from_all, loopback=loopback, ice_servers=tuple(ice_servers))
    media = MediaOptions(
        codecs=tuple(codecs) if codecs is not None else None,
        dtx=dtx,
        video_codecs=tuple(video_codecs) if video_codecs is not None else None,
        video_bit_rate=video_bit_rate,
    )

    async def start() -> Peer:
        connection = XmppConnection(account, resource=f"jingle-{secrets.token_hex(3)}")
        tracing = Trace(Path(trace)) if trace is not None else None

        def tell(event: Event) -> None:
            if tracing is not None:
                tracing.event(event)
            if on_event is not None:
                on_event(event)

        peer = bind(
            connection.xmpp,
            options=options,
            hide_from_strangers=from_strangers,
            transports=transports,
            require_encryption=require_encryption,
            media=media,
            allow=allowed,
            on_event=tell,
            connection=connection,
        )
        hide_from_strangers(connection.xmpp, peer.pump.may_see)
        if tracing is not None:
            peer.pump.binding.tap(tracing.stanza)

        def changed(state: str) -> None:
            if tracing is not None:
                tracing.state(state)
                if state == "offline":  # the last that can happen
                    tracing.close()
            if state == "restarted":
                peer.pump.moved(connection.jid)

        connection.on_state = changed
        connection.on_lost = peer.lost
        peer.pump.addresses.subscribe(connection.addresses_changed)
        try:
            await connection.open(login_timeout)
        except BaseException:
            await peer.aclose()
            raise
        peer.pump.moved(connection.jid)
        peer.pump.emit("online", jid=peer.jid)
        return peer

    return Opening(start)


def bind(
    xmpp: XmppStream,
    *,
    options: TransportOptions,
    hide_from_strangers: bool = False,
    transports: Sequence[type[Transport]] = DEFAULT_TRANSPORTS,
    require_encryption: bool = False,
    media: MediaOptions = MediaOptions(),  # noqa: B008  (frozen)
    allow: Iterable[str] = (),
    on_event: EventHandler | None = None,
    connection: XmppConnection | None = None,
) -> Peer:
    """Put Jingle on a slixmpp stream, logged in or not yet; `connect` does it for a stream of its own."""
    binding = Binding(xmpp, message_namespaces=(NS_INITIATION, NS_RECEIPTS))
    discovery = Discovery(xmpp)
    domain = str(xmpp.boundjid.domain)
    discovery.announce(features(transports))

    def application(live: LiveSession, offer: Content) -> RtpApplication:
        return application_for(pump, live, offer, options=media)

    binding.proxies = ProxyFinder(binding, domain).find
    pump = Pump(
        binding,
        discovery,
        ExternalServices(binding, domain),
        options=options,
        transports=transports,
        applications={NS_RTP: application, NS_FILES: lambda live, offer: file_application_for(pump, live, offer)},
        preconditions=PRECONDITIONS,
        require_encryption=require_encryption,
        in_order=tuple(transports) != DEFAULT_TRANSPORTS,
        hide_from_strangers=hide_from_strangers,
        policy=Policy(binding.is_contact, [jid if jid == ANYONE else address(jid) for jid in allow]),
        on_event=on_event or (lambda event: None),
    )
    discovery.may_see = pump.may_see
    return Peer(pump, options=media, connection=connection)


def hidden_from(relay_only: RelayOnly) -> tuple[bool, bool]:
    """Whether addresses of this machine are kept from everybody, and whether from strangers.

    Raises:
        LocalProtocolError: It is none of the three: what looks like a wish to be hidden must not be passed over.
    """
    if not isinstance(relay_only, bool) and relay_only != STRANGERS:
        raise LocalProtocolError(f'relay_only is True, False or "{STRANGERS}", not {relay_only!r}')
    return relay_only is True, relay_only == STRANGERS


def features(transports: Sequence[type[Transport]]) -> frozenset[str]:
    """What disco#info says: it follows from the registered parts (XEP-0166 section 11)."""
    parts = [
        RtpApplication.features,
        FileReceiver.features,
        THUMBNAIL_FEATURES,
        *(each.features for each in PRECONDITIONS),
    ]
    parts += [transport.features for transport in transports]
    return frozenset({NS_JINGLE, NS_INITIATION, FEATURE_GROUPING}.union(*parts))
