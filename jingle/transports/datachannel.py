"""XEP-0343: Signaling WebRTC datachannels in Jingle (v0.3.1), and the transport of its own that Conversations speaks.

Both are a byte stream on an SCTP association, on DTLS, on ICE, and both are encrypted. They differ in two things:

- `DataChannelTransport`: `<sctpmap/>` in an ice-udp transport (stanza.js). The offerer opens one channel, and both
  write on it. How large a message may be is not said.
- `WrappedDataChannelTransport`: `urn:xmpp:jingle:transports:webrtc-datachannel:1` around an ice-udp transport, in no
  XEP. Each side opens a channel, and writes on its own.

Which one a peer has its disco features tell. Deviations: the answer says `active` or `passive`, never `actpass` as in
the XEP's examples (RFC 8842 section 5.2); an answer need not repeat `<sctpmap/>` (section 4.3 has SHOULD); `streams`
of `<sctpmap/>` may be absent (stanza.js) and is not sent.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import ClassVar

from ..elements import ice_udp as elements
from ..elements.declare import Element
from ..elements.ice_udp import NS, NS_DATACHANNEL, NS_DTLS, NS_SCTP, Channel, SctpMap
from ..errors import RemoteProtocolError, TransportFailed
from .base import Kind, Path, Security, TransportContext
from .datachannel_stream import MAX_MESSAGE, DataChannelStream, message_size
from .ice_settings import IceSettings
from .ice_udp import IceUdpTransport
from .link import IceDtlsLink

SCTP_PORT = 5000
PROTOCOL = "webrtc-datachannel"
LABEL = "filetransfer"

UNKNOWN_MAX_MESSAGE = 1 << 14
"""Bytes of a message where the peer does not say what it takes: every browser has always taken that."""

LEAST_MAX_MESSAGE = 256
"""With less, a peer would have us send next to nothing but headers."""

OPEN_TIMEOUT = 15.0
"""Seconds from DTLS to an open channel: enough for a few lost packets of SCTP's handshake."""


class DataChannelTransport:
    """A data channel on ICE-UDP, announced by `<sctpmap/>`."""

    namespace: ClassVar[str] = NS
    kind: ClassVar[Kind] = Kind.STREAMING
    name: ClassVar[str] = "datachannel"
    priority: ClassVar[int] = 200
    features: ClassVar[tuple[str, ...]] = (NS, NS_DTLS, NS_SCTP)
    security: ClassVar[Security] = Security.DTLS

    def __init__(self, context: TransportContext, *, settings: IceSettings | None = None) -> None:
        inner = dataclasses.replace(context, send_info=lambda element: context.send_info(self._wrap_info(element)))
        self.ice = IceUdpTransport(inner, settings=settings)
        self._link: IceDtlsLink | None = None
        self._stream: DataChannelStream | None = None
        self._answering = self._described = False
        self._remote_port = SCTP_PORT
        self._max_message = UNKNOWN_MAX_MESSAGE
        self._negotiated: int | None = None

    def hide(self) -> None:
        """Reveal no address of this machine; call it before `describe()`."""
        self.ice.hide()

    # Describing ourselves

    async def describe(self) -> Element:
        """Our `<transport/>`: host candidates now, others follow in transport-infos."""
        self._described = True
        described = await self.ice.describe()
        assert isinstance(described, elements.IceUdpTransport)
        return self._wrap(described)

    def _wrap(self, transport: elements.IceUdpTransport) -> Element:
        channels = (Channel(id=self._negotiated, negotiated=True),) if self._negotiated is not None else ()
        return dataclasses.replace(transport, sctp_map=SctpMap(number=SCTP_PORT, protocol=PROTOCOL), channels=channels)

    def _wrap_info(self, info: Element) -> Element:
        return info

    # The peer

    async def accept(self, remote: Element) -> None:
        """Take the peer's `<transport/>`, from an offer or an answer.

        Raises:
            RemoteProtocolError: It announces no data channel that could be used.
            TransportFailed: Its certificate cannot be verified later, or its channels may lose bytes.
        """
        self._answering = not self._described
        await self.ice.accept(self._unwrap(remote))

    def _unwrap(self, remote: Element) -> elements.IceUdpTransport:
        if not isinstance(remote, elements.IceUdpTransport):
            raise RemoteProtocolError("not an ice-udp transport")
        if remote.sctp_map is None:
            if self._answering:
                raise RemoteProtocolError("an ice-udp transport without a data channel")
        elif remote.sctp_map.protocol != PROTOCOL:
            raise RemoteProtocolError(f"SCTP for {remote.sctp_map.protocol!r}, which is no data channel")
        else:
            self._take_port(remote.sctp_map.number)
        if self._answering:
            self._take_channels(remote.channels)
        return remote

    def _take_port(self, port: int) -> None:
        if not port:
            raise RemoteProtocolError("0 is no SCTP port")
        self._remote_port = port

    def _take_channels(self, channels: tuple[Channel, ...]) -> None:
        """Use the first channel that needs no opening, if there is one."""
        agreed = next((channel for channel in channels if channel.negotiated and channel.id is not None), None)
        if agreed is None:
            return
        if agreed.ordered is False or agreed.max_retransmits is not None or agreed.max_packet_life_time is not None:
            raise TransportFailed("the peer offers a data channel that may lose or reorder bytes")
        self._negotiated = agreed.id

    async def info(self, remote: Element) -> None:
        """Take a `<transport/>` of a transport-info; see `IceUdpTransport.info`.

        Raises:
            RemoteProtocolError: It cannot be understood.
            TransportFailed: It changes the peer's fingerprint.
        """
        await self.ice.info(self._unwrap_info(remote))

    def _unwrap_info(self, remote: Element) -> Element:
        return remote

    async def restart(self) -> None:
        """Find another path under the stream; see `IceUdpTransport.restart`.

        Raises:
            TransportFailed: There is none, or the peer knows no restarts.
        """
        await self.ice.restart()

    def crosses(self, remote: Element) -> bool:
        """Whether this is a restart that crosses ours, and ours stands; see `IceUdpTransport.crosses`."""
        try:
            return self.ice.crosses(self._unwrap_info(remote))
        except RemoteProtocolError:
            return False

    async def refused(self, text: str) -> None:
        """Take it that the peer answered a transport-info with an error."""
        await self.ice.refused(text)

    # The stream

    async def connect(self) -> DataChannelStream:
        """Return the stream once there is a channel to write on.

        Raises:
            TransportFailed: No path, no DTLS (reason `security-error` if the peer is another one), or no channel.
        """
        self._link = await self.ice.connect()
        self._stream = DataChannelStream(self._link.batching_dtls, port=SCTP_PORT, max_message=self._max_message)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                await self._open(self._stream)
        except TimeoutError:
            raise TransportFailed(f"ICE and DTLS connected ({self.path}), no data channel opened in time") from None
        return self._stream

    async def _open(self, stream: DataChannelStream) -> None:
        if self._answering and self._negotiated is None:
            await stream.wait_for_channel(self._remote_port)
        else:
            await stream.open(self._remote_port, label=LABEL, negotiated=self._negotiated)

    @property
    def message_size(self) -> int:
        """Bytes of the messages that we send, once the peer has described itself."""
        return message_size(self._max_message)

    @property
    def path(self) -> Path | None:
        """The selected ICE pair once connected."""
        return self.ice.path

    async def aclose(self) -> None:
        """Free everything, the stream included; what it has not delivered is lost."""
        if self._stream is not None:
            self._stream.abort()
        await self.ice.aclose()


class WrappedDataChannelTransport(DataChannelTransport):
    """A data channel as a transport of its own, as Conversations 2.13 and later have it."""

    namespace: ClassVar[str] = NS_DATACHANNEL
    priority: ClassVar[int] = 201
    features: ClassVar[tuple[str, ...]] = (NS_DATACHANNEL,)

    def _wrap(self, transport: elements.IceUdpTransport) -> Element:
        return elements.DataChannelTransport(sctp_port=SCTP_PORT, max_message_size=MAX_MESSAGE, transport=transport)

    def _wrap_info(self, info: Element) -> Element:
        assert isinstance(info, elements.IceUdpTransport)
        return self._wrap(info)

    def _unwrap(self, remote: Element) -> elements.IceUdpTransport:
        if not isinstance(remote, elements.DataChannelTransport):
            raise RemoteProtocolError("not a data channel transport")
        if remote.transport is None:
            raise RemoteProtocolError("a data channel transport without an ice-udp transport in it")
        self._take_port(remote.sctp_port)
        limit = remote.max_message_size or MAX_MESSAGE  # 0: as large as one likes (RFC 8841 section 6)
        if limit < LEAST_MAX_MESSAGE:
            raise TransportFailed(f"the peer takes messages of {limit} bytes only")
        self._max_message = limit
        return remote.transport

    def _unwrap_info(self, remote: Element) -> Element:
        if not isinstance(remote, elements.DataChannelTransport) or remote.transport is None:
            raise RemoteProtocolError("not a data channel transport with an ice-udp transport in it")
        return remote.transport

    async def _open(self, stream: DataChannelStream) -> None:
        await stream.open(self._remote_port, label=LABEL, protocol="xmpp-jingle")
