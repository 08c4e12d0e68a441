"""Data channels with a peer that is none of ours: aiortc's `RTCPeerConnection`, and one that breaks every rule."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from jingle.elements import ice_udp
from jingle.elements.core import Role
from jingle.elements.declare import Element
from jingle.elements.ice_udp import Channel, SctpMap
from jingle.errors import TransportFailed
from jingle.testing.links import linked_pair, make_context
from jingle.testing.streams import receive_all, receive_exactly, send_all
from jingle.transports import sctp_receiving
from jingle.transports.datachannel import DataChannelTransport, WrappedDataChannelTransport
from jingle.transports.datachannel_stream import MAX_MESSAGE, DataChannelStream
from jingle.transports.ice_settings import IceSettings
from jingle.transports.link import IceDtlsLink
from jingle.transports.sctp import (
    BINARY,
    BINARY_EMPTY,
    DCEP,
    MAX_CHANNELS,
    STRING,
    ChannelListener,
    SctpAssociation,
)
from jingle.transports.sctp_packets import FIRST, LAST, Envelope, data_chunk

from .dtls_pair import eventually
from .ice_helpers import as_ice
from .test_foreign_peer import foreigner, to_sdp, to_transport

__all__ = ["foreigner"]

pytestmark = pytest.mark.usefixtures("loopback_only")

NOISE = random.Random(3).randbytes(1_000_000)
PATIENT = IceSettings(connect_timeout=5)
"""aiortc answers to nothing while it is busy with a large window."""

SCTP_MAP = SctpMap(number=5000, protocol="webrtc-datachannel")
Made = DataChannelTransport | WrappedDataChannelTransport


def wrapped(description: RTCSessionDescription, kind: type[DataChannelTransport]) -> Element:
    inner = as_ice(to_transport(description))
    if kind is WrappedDataChannelTransport:
        return ice_udp.DataChannelTransport(sctp_port=5000, max_message_size=65536, transport=inner)
    return ice_udp.IceUdpTransport(
        ufrag=inner.ufrag,
        pwd=inner.pwd,
        fingerprints=inner.fingerprints,
        candidates=inner.candidates,
        sctp_map=SCTP_MAP,
    )


def unwrapped(element: Element) -> Element:
    return element.transport if isinstance(element, ice_udp.DataChannelTransport) and element.transport else element


class Foreigner:
    """What happens on the channels of a foreign peer."""

    def __init__(self, peer: RTCPeerConnection) -> None:
        self.peer = peer
        self.received = bytearray()
        self.changed = asyncio.Event()
        self.closed = False
        self.channels: list[RTCDataChannel] = []
        peer.on("datachannel", self.take)

    def take(self, channel: RTCDataChannel) -> None:
        self.channels.append(channel)
        channel.on("message", self.receive)
        channel.on("close", self.close)
        self.changed.set()

    def receive(self, message: bytes) -> None:
        self.received += message
        self.changed.set()

    def close(self) -> None:
        self.closed = True
        self.changed.set()

    async def until_received(self, size: int) -> bytes:
        async with asyncio.timeout(20):
            while len(self.received) < size:
                self.changed.clear()
                await self.changed.wait()
        return bytes(self.received)

    async def until_closed(self) -> None:
        async with asyncio.timeout(5):
            while not self.closed:
                self.changed.clear()
                await self.changed.wait()

    async def send(self, channel: RTCDataChannel, data: bytes, piece: int = 16384) -> None:
        for start in range(0, len(data), piece):
            channel.send(data[start : start + piece])


@asynccontextmanager
async def connected(
    peer: RTCPeerConnection, role: Role, kind: type[DataChannelTransport]
) -> AsyncIterator[tuple[DataChannelStream, Foreigner, RTCDataChannel]]:
    """Ours and the foreign peer, and the channel that it writes on: its own, or ours where it opened none."""
    transport = kind(make_context(role, lambda info: None), settings=PATIENT)
    foreign = Foreigner(peer)
    if role is Role.RESPONDER or kind is WrappedDataChannelTransport:
        foreign.take(peer.createDataChannel("theirs"))
    try:
        if role is Role.INITIATOR:
            offer = to_sdp(unwrapped(await transport.describe()))
            await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await peer.setLocalDescription(await peer.createAnswer())
            await transport.accept(wrapped(peer.localDescription, kind))
        else:
            await peer.setLocalDescription(await peer.createOffer())
            await transport.accept(wrapped(peer.localDescription, kind))
            answer = to_sdp(unwrapped(await transport.describe()))
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(10):
            stream = await transport.connect()
            await eventually(lambda: [channel.readyState for channel in foreign.channels][:1] == ["open"])
        yield stream, foreign, foreign.channels[0]
        await stream.aclose()
    finally:
        await transport.aclose()


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", [DataChannelTransport, WrappedDataChannelTransport])
async def test_bytes_go_both_ways(foreigner: RTCPeerConnection, role: Role, kind: type[DataChannelTransport]) -> None:
    async with connected(foreigner, role, kind) as (stream, foreign, channel):
        await asyncio.gather(stream.send(NOISE), foreign.send(channel, NOISE))
        assert await receive_exactly(stream, len(NOISE)) == NOISE
        assert await foreign.until_received(len(NOISE)) == NOISE


@pytest.mark.parametrize("role", list(Role))
async def test_our_end_is_theirs(foreigner: RTCPeerConnection, role: Role) -> None:
    async with connected(foreigner, role, DataChannelTransport) as (stream, foreign, _):
        _, received = await asyncio.gather(send_all(stream, NOISE), foreign.until_received(len(NOISE)))
        assert received == NOISE
        await foreign.until_closed()


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", [DataChannelTransport, WrappedDataChannelTransport])
async def test_their_end_is_ours(foreigner: RTCPeerConnection, role: Role, kind: type[DataChannelTransport]) -> None:
    async with connected(foreigner, role, kind) as (stream, foreign, channel):
        await foreign.send(channel, NOISE)
        channel.close()
        assert await receive_all(stream) == NOISE
        await stream.send_eof()
        await foreign.until_closed()


async def test_an_end_without_data(foreigner: RTCPeerConnection) -> None:
    async with connected(foreigner, Role.RESPONDER, DataChannelTransport) as (stream, _, channel):
        channel.send(b"")
        channel.close()
        assert await receive_all(stream) == b""


async def test_a_foreign_sender_that_ignores_our_window_loses_nothing(
    foreigner: RTCPeerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, window = NOISE[:500_000], 100_000
    monkeypatch.setattr(sctp_receiving, "WINDOW", window)
    async with connected(foreigner, Role.RESPONDER, DataChannelTransport) as (stream, foreign, channel):
        await foreign.send(channel, data)
        await eventually(lambda: stream.statistics.bytes_held >= window)
        assert await receive_exactly(stream, len(data)) == data


async def test_a_peer_that_goes_away_in_the_middle(foreigner: RTCPeerConnection) -> None:
    async with connected(foreigner, Role.RESPONDER, DataChannelTransport) as (stream, foreign, channel):
        channel.send(b"half")
        assert await receive_exactly(stream, 4) == b"half"
        await foreign.peer.close()
        with pytest.raises(TransportFailed):
            await receive_exactly(stream, 1)
        with pytest.raises(TransportFailed):
            await stream.send(b"x")


async def test_a_negotiated_channel_needs_no_opening(foreigner: RTCPeerConnection) -> None:
    own = foreigner.createDataChannel("agreed", negotiated=True, id=6)
    foreign = Foreigner(foreigner)
    foreign.take(own)
    transport = DataChannelTransport(make_context(Role.RESPONDER, lambda info: None), settings=PATIENT)
    await foreigner.setLocalDescription(await foreigner.createOffer())
    offer = wrapped(foreigner.localDescription, DataChannelTransport)
    assert isinstance(offer, ice_udp.IceUdpTransport)
    object.__setattr__(offer, "channels", (Channel(id=6, negotiated=True),))
    await transport.accept(offer)
    await foreigner.setRemoteDescription(RTCSessionDescription(to_sdp(await transport.describe()), "answer"))
    stream = await transport.connect()
    await stream.send(b"agreed")
    assert await foreign.until_received(6) == b"agreed"
    own.send(b"indeed")
    assert await receive_exactly(stream, 6) == b"indeed"
    await stream.aclose()
    await transport.aclose()


# A peer that breaks the rules


class Rogue(ChannelListener):
    """The other end of an association, that sends what it likes."""

    def __init__(self, link: IceDtlsLink) -> None:
        self.association = SctpAssociation(link.batching_dtls, self)
        self.cause: TransportFailed | None = None

    async def start(self) -> None:
        await self.association.associate(5000, 1 << 16)
        self.channel = self.association.open_channel("rogue", "", None)

    def ended(self, cause: TransportFailed) -> None:
        self.cause = cause

    @property
    def stream(self) -> int:
        assert self.channel.id is not None
        return self.channel.id

    @property
    def unheard_of(self) -> int:
        """A TSN that the other side has not reached."""
        assert self.association._inbound is not None
        return (self.association._inbound.cumulative + 10) % (1 << 32)

    def packet(self, *chunks: bytes) -> None:
        """Send chunks as they are, in one packet of the association."""
        self.association._dtls.send_packets([self.association._envelope.seal(b"".join(chunks))])

    def data(self, protocol: int, payload: bytes, flags: int = FIRST | LAST, stream: int | None = None) -> None:
        tsn = self.association.outbound.next_tsn
        self.association._receive_sack = lambda body: None  # type: ignore[method-assign]  # for what it never sent
        self.association.outbound.next_tsn = (tsn + 1) % (1 << 32)
        self.packet(data_chunk(flags, tsn, self.stream if stream is None else stream, 0, protocol, payload))


@asynccontextmanager
async def attacked() -> AsyncIterator[tuple[DataChannelStream, Rogue]]:
    async with linked_pair(settings=PATIENT) as (ours, theirs):
        stream, rogue = DataChannelStream(ours.batching_dtls, port=5000, max_message=1 << 16), Rogue(theirs)
        await asyncio.gather(stream.wait_for_channel(5000), rogue.start())
        yield stream, rogue
        await stream.aclose()


def chunk(kind: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack("!BBH", kind, 0, 4 + len(body) if length is None else length) + body


OPEN = struct.pack("!BBHLHH", 3, 0, 0, 0, 1, 0) + b"x"


@pytest.mark.parametrize(
    ("attack", "why"),
    [
        (lambda rogue: rogue.data(STRING, b"text"), "text"),
        (lambda rogue: rogue.data(99, b"?"), "text"),
        (lambda rogue: [rogue.data(DCEP, OPEN, stream=n) for n in (20, 22)], "more than one"),
        (lambda rogue: rogue.data(DCEP, struct.pack("!BBHLHH", 3, 0x80, 0, 0, 0, 0), stream=20), "more than one|lose"),
        (lambda rogue: rogue.data(DCEP, OPEN), "no SCTP"),
        (lambda rogue: rogue.data(DCEP, b"\x03" + bytes(5000), stream=20), "too long"),
        (lambda rogue: rogue.data(DCEP, OPEN[:-1] + b"\xff", stream=20), "no SCTP"),
        (lambda rogue: rogue.data(DCEP, b"\x02", stream=30), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(0, bytes(12))), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(0, b"")), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(3, b"")), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(3, struct.pack("!LLHH", rogue.unheard_of, 5, 0, 0))), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(4, bytes(40))), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(4, b"", 2)), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(4, b"", 200)), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(130, struct.pack("!HH", 13, 4))), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(130, struct.pack("!HHL", 13, 8, 1))), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(130, struct.pack("!HH", 13, 0))), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(1, b"")), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(1, bytes(16))), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(10, b"")), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(7, b"")), "no SCTP"),
        (lambda rogue: rogue.packet(chunk(6, bytes(3) + b"\xff")), "the peer ended"),
        (lambda rogue: rogue.packet(chunk(7, bytes(4)), chunk(14, b"")), "the peer ended"),
    ],
)
async def test_nonsense_breaks_the_stream_and_nothing_else(attack: object, why: str) -> None:
    async with attacked() as (stream, rogue), asyncio.timeout(5):
        rogue.data(BINARY, b"before")
        assert await receive_exactly(stream, 6) == b"before"
        assert callable(attack)
        attack(rogue)
        with pytest.raises(TransportFailed, match=why):
            await receive_exactly(stream, 1)


async def test_a_message_without_end_breaks_the_stream() -> None:
    async with attacked() as (stream, rogue), asyncio.timeout(10):
        reading = asyncio.ensure_future(receive_all(stream))
        rogue.data(BINARY, bytes(1000), flags=FIRST)
        for _ in range(MAX_MESSAGE // 1000):
            rogue.data(BINARY, bytes(1000), flags=0)
            await asyncio.sleep(0)
        with pytest.raises(TransportFailed, match="message of more than"):
            await reading


async def test_data_on_a_second_channel_breaks_the_stream() -> None:
    async with attacked() as (stream, rogue), asyncio.timeout(5):
        rogue.data(BINARY, b"x")
        rogue.data(BINARY, b"y", stream=40)
        with pytest.raises(TransportFailed, match="second channel"):
            await receive_exactly(stream, 2)


async def test_half_opened_channels_are_bounded() -> None:
    async with attacked() as (stream, rogue), asyncio.timeout(5):
        for number in range(MAX_CHANNELS + 1):
            rogue.data(DCEP, OPEN, flags=FIRST, stream=100 + 2 * number)
        with pytest.raises(TransportFailed, match="too many channels"):
            await receive_exactly(stream, 1)


async def test_what_may_be_ignored_is() -> None:
    async with attacked() as (stream, rogue), asyncio.timeout(5):
        rogue.packet(
            chunk(5, bytes(8)), chunk(200, b"what"), chunk(192, bytes(8))
        )  # heartbeat ack, unknown, forward TSN
        rogue.packet()
        rogue.association._dtls.send_packets([b"no SCTP at all", bytes(12), b"\x00"])
        rogue.data(BINARY_EMPTY, b"\0")
        rogue.data(BINARY, b"still here")
        assert await receive_exactly(stream, 10) == b"still here"


async def test_a_late_repeated_init_changes_nothing() -> None:
    async with attacked() as (stream, rogue), asyncio.timeout(5):
        rogue.data(BINARY, b"before")
        assert await receive_exactly(stream, 6) == b"before"
        association = rogue.association
        body = struct.pack(
            "!LLHHL", association._local_verification_tag, 1 << 20, 10, 10, association._reconfig_request_seq
        )
        association._dtls.send_packets([Envelope(5000, 5000, 0).seal(chunk(1, body))])
        strange = struct.pack("!LLHHL", 77, 1 << 20, 10, 10, 1234)
        association._dtls.send_packets([Envelope(5000, 5000, 0).seal(chunk(1, strange))])
        rogue.data(BINARY, b"after")
        assert await receive_exactly(stream, 5) == b"after"
        await stream.send(b"and back")


async def test_random_packets_end_it_at_worst() -> None:
    noise = random.Random(5)
    async with attacked() as (stream, rogue), asyncio.timeout(10):
        reading = asyncio.ensure_future(receive_all(stream))
        for _ in range(300):
            if rogue.cause is not None:
                break
            kind = noise.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, noise.randrange(256)])
            rogue.packet(chunk(kind, noise.randbytes(noise.randrange(60))))
            await asyncio.sleep(0)
        await stream.aclose()
        with pytest.raises(TransportFailed):
            await reading
