"""Data channels as a byte stream, between two of ours: both dialects, clean and bad networks, and their ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from jingle.elements import ice_udp
from jingle.elements.core import Role
from jingle.elements.declare import Element, from_string, to_string
from jingle.elements.ice_udp import Channel, SctpMap
from jingle.errors import RemoteProtocolError, TransportFailed
from jingle.testing.links import impair, make_context
from jingle.testing.streams import StreamPair, check_byte_stream, receive_all, receive_exactly, send_all
from jingle.transports import datachannel
from jingle.transports.base import Kind, Security, Transport, TransportContext
from jingle.transports.datachannel import DataChannelTransport, WrappedDataChannelTransport
from jingle.transports.datachannel_stream import HIGH_WATER, OUR_MESSAGE, DataChannelStream
from jingle.transports.ice_settings import IceSettings
from jingle.transports.sctp_receiving import OVERHEAD, WINDOW
from jingle.transports.sctp_sending import FRAGMENT
from jingle.transports.selection import Selection

pytestmark = pytest.mark.usefixtures("nothing_left", "loopback_only")

KINDS = pytest.mark.parametrize("kind", [DataChannelTransport, WrappedDataChannelTransport])
PATIENT = IceSettings(connect_timeout=5)
"""With the real time that consent lasts: a busy machine may need longer than a test of ICE would give it."""

NOISE = random.Random(7).randbytes(600_000)


def quick(kind: type[DataChannelTransport]) -> Callable[[TransportContext], Transport]:
    return lambda context: kind(context, settings=PATIENT)


@asynccontextmanager
async def streams(
    kind: type[DataChannelTransport] = DataChannelTransport, lost: Callable[[bytes], bool] | None = None
) -> AsyncIterator[tuple[DataChannelStream, DataChannelStream]]:
    pair = StreamPair(quick(kind))
    if lost is not None:
        for side in (pair.initiator, pair.responder):
            impair(cast(DataChannelTransport, side).ice.shared.agent, lost)
    async with pair.connected() as (ours, theirs):
        assert isinstance(ours, DataChannelStream)
        assert isinstance(theirs, DataChannelStream)
        yield ours, theirs


# What a byte stream promises


@KINDS
async def test_it_is_a_byte_stream(kind: type[DataChannelTransport]) -> None:
    async with streams(kind) as (ours, theirs):
        assert ours.security is theirs.security is Security.DTLS
        await check_byte_stream(ours, theirs, size=1_000_000)


@KINDS
async def test_it_is_one_from_the_responder_too(kind: type[DataChannelTransport]) -> None:
    async with streams(kind) as (ours, theirs):
        await check_byte_stream(theirs, ours)


@KINDS
@pytest.mark.parametrize("size", [0, 1, 1159, 1160, 1161, 16240, 70_000])
async def test_every_size_arrives(kind: type[DataChannelTransport], size: int) -> None:
    async with streams(kind) as (ours, theirs):
        _, received = await asyncio.gather(send_all(ours, NOISE[:size]), receive_all(theirs))
    assert received == NOISE[:size]


@KINDS
async def test_what_was_sent_before_closing_arrives(kind: type[DataChannelTransport]) -> None:
    async with streams(kind) as (ours, theirs):
        receiving = asyncio.ensure_future(receive_all(theirs))
        await ours.send(NOISE)
        await ours.aclose()
        assert await receiving == NOISE
        with pytest.raises(TransportFailed):
            await ours.send(b"more")


@KINDS
async def test_closing_waits_for_nobody_who_does_not_read(kind: type[DataChannelTransport]) -> None:
    async with streams(kind) as (ours, theirs):
        sending = asyncio.ensure_future(send_all(ours, NOISE * 6))
        # Until there is more on its way than the other side takes unread; less would arrive, and end as it should.
        fits = WINDOW + FRAGMENT + OVERHEAD
        while theirs.statistics.bytes_held + ours.statistics.bytes_queued <= fits:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        async with asyncio.timeout(4):
            await ours.aclose()
        with pytest.raises(TransportFailed):
            await sending
        with pytest.raises(TransportFailed, match="the peer ended the data channel"):
            await receive_all(theirs)


@KINDS
async def test_an_end_without_data_leaves_the_other_direction(kind: type[DataChannelTransport]) -> None:
    async with streams(kind) as ends:
        for ours, theirs in (ends, ends[::-1]):
            await ours.send_eof()
            assert await theirs.receive_into(memoryview(bytearray(1))) == 0
            if ours is ends[0]:
                await theirs.send(NOISE)
                assert await receive_exactly(ours, len(NOISE)) == NOISE


async def test_what_has_ended_cannot_be_sent_on() -> None:
    async with streams() as (ours, _):
        await ours.send_eof()
        with pytest.raises(TransportFailed):
            await ours.send(b"more")


async def test_closing_wakes_who_waits() -> None:
    async with streams() as (ours, _):
        receiving = asyncio.ensure_future(ours.receive_into(memoryview(bytearray(1))))
        await asyncio.sleep(0)
        await ours.aclose()
        with pytest.raises(TransportFailed, match="closed on this side"):
            await receiving


async def test_the_path_is_the_one_of_ice() -> None:
    pair = StreamPair(quick(DataChannelTransport))
    assert pair.initiator.path is None
    async with pair.connected():
        path = pair.initiator.path
        assert path is not None
        assert (path.local.type, path.local.protocol) == ("host", "udp")


# Bad networks


def losing(share: float, seed: int) -> Callable[[bytes], bool]:
    noise = random.Random(seed)
    return lambda datagram: datagram[0] == 23 and noise.random() < share


@KINDS
async def test_losses_are_made_good(kind: type[DataChannelTransport]) -> None:
    async with streams(kind, losing(0.02, 1)) as (ours, theirs), asyncio.timeout(30):
        _, received = await asyncio.gather(send_all(ours, NOISE), receive_all(theirs))
        assert received == NOISE
        assert ours.statistics.packets_retransmitted > 0


async def test_much_loss_is_only_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jingle.transports.sctp_sending.RTO_MIN", 0.05)
    async with streams(DataChannelTransport, losing(0.15, 2)) as (ours, theirs), asyncio.timeout(50):
        _, received = await asyncio.gather(send_all(ours, NOISE[:100_000]), receive_all(theirs))
        assert received == NOISE[:100_000]


@KINDS
async def test_a_path_that_is_gone_breaks_the_stream(kind: type[DataChannelTransport]) -> None:
    pair = StreamPair(quick(kind))
    async with pair.connected() as (ours, theirs):
        await ours.send(b"before")
        await pair.initiator.aclose()
        # What came before the end can be read, and then the end is no regular one.
        assert await receive_exactly(theirs, 6) == b"before"
        with pytest.raises(TransportFailed):
            await theirs.receive_into(memoryview(bytearray(1)))
        with pytest.raises(TransportFailed):
            await theirs.send(b"after")


async def test_the_path_may_change_in_the_middle() -> None:
    pair = StreamPair(quick(DataChannelTransport))
    async with pair.connected() as (ours, theirs), asyncio.timeout(20):
        before = pair.initiator.path
        sending = asyncio.ensure_future(send_all(ours, NOISE * 6))
        half = await receive_exactly(theirs, len(NOISE))
        await cast(DataChannelTransport, pair.initiator).ice.restart()
        while pair.initiator.path == before:
            half += await receive_exactly(theirs, 1000)
        assert half + await receive_all(theirs) == NOISE * 6
        await sending


# Pressure


async def test_a_reader_that_rests_holds_back_the_sender() -> None:
    data = NOISE * 8
    async with streams() as (ours, theirs):
        sending = asyncio.ensure_future(send_all(ours, data))
        sent = -1
        while ours.statistics.packets_sent != sent:
            sent = ours.statistics.packets_sent
            await asyncio.sleep(0.3)
        assert not sending.done()
        assert WINDOW // 2 < theirs.statistics.bytes_held <= WINDOW + FRAGMENT + OVERHEAD
        assert ours.statistics.bytes_queued <= HIGH_WATER + OUR_MESSAGE
        assert await receive_exactly(theirs, len(data)) == data
        await sending


# How it is described


def described(element: Element) -> ice_udp.IceUdpTransport:
    assert isinstance(element, ice_udp.IceUdpTransport)
    return element


async def offer_of(kind: type[DataChannelTransport]) -> Element:
    transport = kind(make_context(Role.INITIATOR, lambda info: None), settings=PATIENT)
    try:
        return await transport.describe()
    finally:
        await transport.aclose()


async def accepts(kind: type[DataChannelTransport], offer: Element) -> Element:
    transport = kind(make_context(Role.RESPONDER, lambda info: None), settings=PATIENT)
    try:
        await transport.accept(from_string(to_string(offer)))
        return await transport.describe()
    finally:
        await transport.aclose()


async def test_the_offer_of_0343() -> None:
    offer = described(await offer_of(DataChannelTransport))
    assert offer.sctp_map == SctpMap(number=5000, protocol="webrtc-datachannel")
    assert offer.fingerprints[0].setup is ice_udp.Setup.ACTPASS
    assert offer.channels == ()
    answer = described(await accepts(DataChannelTransport, offer))
    assert answer.sctp_map == offer.sctp_map
    assert answer.fingerprints[0].setup is ice_udp.Setup.ACTIVE


async def test_the_offer_of_conversations() -> None:
    offer = await offer_of(WrappedDataChannelTransport)
    assert isinstance(offer, ice_udp.DataChannelTransport)
    assert (offer.sctp_port, offer.max_message_size) == (5000, 262144)
    assert offer.transport is not None
    assert offer.transport.sctp_map is None
    answer = await accepts(WrappedDataChannelTransport, offer)
    assert isinstance(answer, ice_udp.DataChannelTransport)
    assert answer.transport is not None
    assert answer.transport.fingerprints[0].setup is ice_udp.Setup.ACTIVE


async def test_candidates_that_follow_are_wrapped_too() -> None:
    sent: list[Element] = []
    transport = WrappedDataChannelTransport(make_context(Role.INITIATOR, sent.append), settings=PATIENT)
    await transport.describe()
    await transport.ice.shared.offer_restart()
    assert all(isinstance(info, ice_udp.DataChannelTransport) for info in sent)
    assert sent
    await transport.aclose()


@pytest.mark.parametrize("number", [0, 70])
async def test_the_port_is_checked(number: int) -> None:
    offer = replace(
        described(await offer_of(DataChannelTransport)), sctp_map=SctpMap(number=number, protocol="webrtc-datachannel")
    )
    if number:
        await accepts(DataChannelTransport, offer)
    else:
        with pytest.raises(RemoteProtocolError):
            await accepts(DataChannelTransport, offer)


@pytest.mark.parametrize("change", [{"sctp_map": None}, {"sctp_map": SctpMap(number=5000, protocol="bfcp")}])
async def test_no_data_channel_is_refused(change: dict[str, Any]) -> None:
    offer = replace(described(await offer_of(DataChannelTransport)), **change)
    with pytest.raises(RemoteProtocolError, match="no data channel|without a data channel"):
        await accepts(DataChannelTransport, offer)


async def test_an_answer_need_not_repeat_the_port() -> None:
    transport = DataChannelTransport(make_context(Role.INITIATOR, lambda info: None), settings=PATIENT)
    answer = described(await accepts(DataChannelTransport, await transport.describe()))
    await transport.accept(replace(answer, sctp_map=None))
    await transport.aclose()


@pytest.mark.parametrize(
    "channel",
    [
        Channel(id=1, negotiated=True, ordered=False),
        Channel(id=1, negotiated=True, max_retransmits=0),
        Channel(id=1, negotiated=True, max_packet_life_time=100),
    ],
)
async def test_a_channel_that_may_lose_is_refused(channel: Channel) -> None:
    offer = replace(described(await offer_of(DataChannelTransport)), channels=(channel,))
    with pytest.raises(TransportFailed, match="lose or reorder"):
        await accepts(DataChannelTransport, offer)


async def test_a_negotiated_channel_is_answered() -> None:
    offered = (Channel(id=6), Channel(id=3, negotiated=True), Channel(id=5, negotiated=True))
    offer = replace(described(await offer_of(DataChannelTransport)), channels=offered)
    assert described(await accepts(DataChannelTransport, offer)).channels == (Channel(id=3, negotiated=True),)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"transport": None}, RemoteProtocolError),
        ({"sctp_port": 0}, RemoteProtocolError),
        ({"max_message_size": 10}, TransportFailed),
    ],
)
async def test_a_bad_wrapper_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    offer = await offer_of(WrappedDataChannelTransport)
    with pytest.raises(error):
        await accepts(WrappedDataChannelTransport, replace(offer, **change))


@KINDS
async def test_another_transport_is_refused(kind: type[DataChannelTransport]) -> None:
    other = WrappedDataChannelTransport if kind is DataChannelTransport else DataChannelTransport
    with pytest.raises(RemoteProtocolError):
        await accepts(kind, await offer_of(other))


async def test_a_message_is_never_larger_than_the_peer_takes() -> None:
    offer = await offer_of(WrappedDataChannelTransport)
    for limit, expected in ((300, 300), (1160, 1160), (5000, 4640), (0, 64960), (1 << 30, 64960)):
        assert isinstance(offer, ice_udp.DataChannelTransport)
        transport = WrappedDataChannelTransport(make_context(Role.RESPONDER, lambda info: None), settings=PATIENT)
        await transport.accept(replace(offer, max_message_size=limit))
        assert transport.message_size == expected
        await transport.aclose()


def test_the_peers_features_choose_the_dialect() -> None:
    def chosen(features: set[str]) -> list[type[Transport]]:
        kinds: list[type[Transport]] = [DataChannelTransport, WrappedDataChannelTransport]
        return [choice.transport for choice in Selection(kinds, kind=Kind.STREAMING, features=features).left]

    stanza = {ice_udp.NS, ice_udp.NS_DTLS, ice_udp.NS_SCTP}
    assert chosen(stanza) == [DataChannelTransport]
    assert chosen({ice_udp.NS, ice_udp.NS_DTLS, ice_udp.NS_DATACHANNEL}) == [WrappedDataChannelTransport]
    assert chosen(stanza | {ice_udp.NS_DATACHANNEL}) == [WrappedDataChannelTransport, DataChannelTransport]
    assert chosen({ice_udp.NS, ice_udp.NS_DTLS}) == []


# When it does not come up


async def test_nobody_to_talk_sctp_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datachannel, "OPEN_TIMEOUT", 0.3)
    pair = StreamPair(quick(DataChannelTransport))
    await pair.negotiate()
    responder = cast(DataChannelTransport, pair.responder)
    results = await asyncio.gather(pair.initiator.connect(), responder.ice.connect(), return_exceptions=True)
    assert isinstance(results[0], TransportFailed)
    assert "no data channel opened in time" in str(results[0])
    await pair.aclose()


async def test_closing_while_connecting() -> None:
    pair = StreamPair(quick(DataChannelTransport))
    await pair.negotiate()
    connecting = asyncio.ensure_future(pair.initiator.connect())
    await asyncio.sleep(0.01)
    await pair.aclose()
    with pytest.raises(TransportFailed):
        await connecting
