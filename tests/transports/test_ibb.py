"""In-band bytestreams between two transports, and single sessions against a peer that the test plays."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.elements.declare import Element, Unknown, from_string
from jingle.elements.ibb import NS_IBB, Close, Data, IbbTransport, Open, StanzaKind
from jingle.errors import RemoteProtocolError, SignallingError, TransportFailed
from jingle.testing.stanza_port import MemoryNetwork, MemoryStanzaPort
from jingle.testing.streams import (
    JULIET,
    ROMEO,
    StreamPair,
    check_byte_stream,
    receive_all,
    receive_exactly,
    send_all,
)
from jingle.transports import ibb, ibb_session
from jingle.transports.base import Security
from jingle.transports.ibb import IbbStreamTransport
from jingle.transports.ibb_router import IbbRouter
from jingle.transports.ibb_session import IbbSession

pytestmark = pytest.mark.usefixtures("nothing_left")


def as_ibb(element: Element) -> IbbTransport:
    return cast(IbbTransport, element)


def sent(port: MemoryStanzaPort, kind: type[Element]) -> list[Any]:
    return [payload for _, payload in port.requests if isinstance(payload, kind)]


# Two transports.


@pytest.mark.parametrize("delay", [0.0, 0.005])
async def test_it_is_a_byte_stream(delay: float) -> None:
    pair = StreamPair(IbbStreamTransport, network=MemoryNetwork(delay=delay))
    async with pair.connected() as (ours, theirs):
        assert ours.security is Security.NONE
        assert pair.initiator.path is not None
        assert pair.initiator.path.remote.type == "in-band"
        await check_byte_stream(ours, theirs)
    assert 2 <= pair.port(ROMEO).most_in_flight <= ibb_session.MAX_WINDOW
    assert [len(opening) for opening in (sent(pair.port(ROMEO), Open), sent(pair.port(JULIET), Open))] == [1, 0]


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=5000), max_size=8), st.integers(1, 6000), st.integers(1, 2000))
def test_any_pieces_and_any_block_size(pieces: list[bytes], piece: int, block_size: int) -> None:
    async def run() -> None:
        ours, theirs, close = sessions(block_size)

        async def send() -> None:
            for part in pieces:
                await ours.send(part)
            await ours.send_eof()

        _, received = await asyncio.gather(send(), receive_all(theirs, piece=piece))
        assert received == b"".join(pieces)
        await close()

    asyncio.run(run())


def sessions(block_size: int = 4096, network: MemoryNetwork | None = None) -> tuple[IbbSession, IbbSession, Any]:
    network = network or MemoryNetwork()
    ports = [network.join(jid) for jid in (ROMEO, JULIET)]
    ours, theirs = IbbSession(ports[0], JULIET, "s", block_size), IbbSession(ports[1], ROMEO, "s", block_size)
    for port, session in zip(ports, (ours, theirs), strict=True):
        session.on_closed = IbbRouter.add(port, session)
        session.opened.set()

    async def close() -> None:
        await ours.aclose()
        await theirs.aclose()

    return ours, theirs, close


async def test_sequence_numbers_wrap_after_65535() -> None:
    ours, theirs, close = sessions(block_size=1)
    ours._send_seq = theirs._receive_seq = 65530
    _, received = await asyncio.gather(send_all(ours, bytes(range(20))), receive_all(theirs))
    assert received == bytes(range(20))
    assert [block.seq for block in sent(cast(MemoryStanzaPort, ours._port), Data)][4:8] == [65534, 65535, 0, 1]
    await close()


@pytest.mark.parametrize(("answered", "used"), [(2048, 2048), (16384, 16384), (65535, 42624)])
async def test_the_smaller_block_size_is_used(answered: int, used: int) -> None:
    """Conversations answers with 8192 bytes at most."""

    class Answering(IbbStreamTransport):
        async def describe(self) -> Element:
            self._block_size = answered
            return await super().describe()

    pair = StreamPair(IbbStreamTransport, make_responder=Answering)
    async with pair.connected() as (ours, theirs):
        _, received = await asyncio.gather(send_all(ours, bytes(400_000)), receive_all(theirs))
        assert len(received) == 400_000
    assert sent(pair.port(ROMEO), Open)[0].block_size == used
    assert max(len(block.data) for block in sent(pair.port(ROMEO), Data)) == used


async def test_an_offer_of_smaller_blocks_is_answered_with_them() -> None:
    pair = StreamPair(IbbStreamTransport)
    await pair.responder.accept(IbbTransport(block_size=4096, sid="from-dino"))
    assert as_ibb(await pair.responder.describe()) == IbbTransport(block_size=4096, sid="from-dino")
    await pair.aclose()


async def test_a_responder_that_proposes_it_listens_before_the_acceptance() -> None:
    """As a transport-replace: the initiator's `<open/>` may overtake what we do with its transport-accept."""
    pair = StreamPair(IbbStreamTransport)
    await pair.initiator.accept(await pair.responder.describe())
    connecting = asyncio.ensure_future(pair.initiator.connect())
    ours = await asyncio.wait_for(connecting, 5)
    await pair.responder.accept(IbbTransport(block_size=2048, sid=as_ibb(await pair.responder.describe()).sid))
    theirs = await asyncio.wait_for(pair.responder.connect(), 5)
    await check_byte_stream(ours, theirs)
    await pair.aclose()


async def test_a_peer_that_wants_smaller_blocks_when_the_stream_is_opened() -> None:
    pair = StreamPair(IbbStreamTransport)

    def too_large(payload: Element) -> SignallingError | None:
        if isinstance(payload, Open) and payload.block_size > 4096:
            return SignallingError("resource-constraint")
        return None

    pair.port(JULIET).refuse = too_large
    async with pair.connected() as (ours, theirs):
        _, received = await asyncio.gather(send_all(ours, bytes(50_000)), receive_all(theirs))
        assert len(received) == 50_000
    assert [opening.block_size for opening in sent(pair.port(ROMEO), Open)] == [42624, 32768, 16384, 8192, 4096]


async def test_what_fills_no_block_waits_for_more_while_others_are_under_way() -> None:
    """A TLS record of 256 KiB is no whole number of blocks; what is left goes with the next one."""
    ours, theirs, close = sessions(block_size=1000)

    async def send() -> None:
        for number in range(30):
            await ours.send(bytes([number]) * 700)
        await ours.send_eof()

    _, received = await asyncio.gather(send(), receive_all(theirs))
    assert received == b"".join(bytes([number]) * 700 for number in range(30))
    blocks = [len(block.data) for block in sent(cast(MemoryStanzaPort, ours._port), Data)]
    assert len(blocks) <= 23
    assert blocks.count(1000) >= 18
    await close()


async def test_what_fills_no_block_leaves_at_once_where_nothing_is_under_way() -> None:
    ours, theirs, close = sessions(block_size=1000)
    await ours.send(b"hello")
    buffer = bytearray(10)
    async with asyncio.timeout(2):
        assert await theirs.receive_into(memoryview(buffer)) == 5
    await asyncio.sleep(0.01)
    await ours.send(b"again")
    async with asyncio.timeout(2):
        assert await theirs.receive_into(memoryview(buffer)) == 5
    await close()


async def test_what_was_kept_for_a_full_block_leaves_when_the_others_have_arrived() -> None:
    ours, theirs, close = sessions(block_size=1000)
    await ours.send(bytes(1000))
    await ours.send(b"and the rest")
    got, buffer = 0, bytearray(5000)
    async with asyncio.timeout(2):
        while got < 1012:
            got += await theirs.receive_into(memoryview(buffer))
    await close()


async def test_nothing_is_sent_after_the_end() -> None:
    ours, theirs, close = sessions(block_size=1000)
    await ours.send_eof()
    with pytest.raises(TransportFailed, match="ended"):
        await ours.send(b"x")
    await close()


@pytest.mark.parametrize("condition", ["resource-constraint", "not-acceptable", "service-unavailable"])
async def test_a_peer_that_refuses_to_open(condition: str) -> None:
    pair = StreamPair(IbbStreamTransport)
    pair.port(JULIET).refuse = lambda payload: SignallingError(condition)
    with pytest.raises(TransportFailed, match=condition):
        await pair.connect()
    assert len(sent(pair.port(ROMEO), Open)) == (7 if condition == "resource-constraint" else 1)
    await pair.aclose()


async def test_a_peer_that_never_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibb, "OPEN_TIMEOUT", 0.05)
    pair = StreamPair(IbbStreamTransport)
    await pair.negotiate()
    with pytest.raises(TransportFailed, match="opened"):
        await pair.responder.connect()
    await pair.aclose()


async def test_slow_servers_are_given_little_at_a_time() -> None:
    """A limit of some blocks a second, as Prosody's: no stanza waits long behind ours, and nothing is given up."""
    network = MemoryNetwork(rate=200_000)
    ours, theirs, close = sessions(4096, network)
    quick, slow = ibb_session.QUICK, ibb_session.SLOW
    ibb_session.QUICK, ibb_session.SLOW = 0.02, 0.06  # a block takes 0.028 s: the same with a tenth of the patience
    try:
        sending = asyncio.ensure_future(send_all(ours, bytes(120_000)))
        await asyncio.sleep(0.4)
        asked = asyncio.get_running_loop().time()
        with pytest.raises(SignallingError):
            await cast(MemoryStanzaPort, ours._port).request(JULIET, Close(sid="another"))
        assert asyncio.get_running_loop().time() - asked < 0.2
        assert len(await receive_all(theirs)) == 120_000
        await sending
    finally:
        ibb_session.QUICK, ibb_session.SLOW = quick, slow
        await close()
    assert cast(MemoryStanzaPort, ours._port).most_in_flight <= 6


async def test_large_blocks_are_for_a_path_that_has_shown_to_be_quick() -> None:
    ours, theirs, close = sessions(65535, MemoryNetwork(delay=0.002))
    receiving = asyncio.ensure_future(receive_all(theirs))
    await ours.send(bytes(1_000_000))
    await ours.send_eof()
    assert len(await receiving) == 1_000_000
    blocks = [len(block.data) for block in sent(cast(MemoryStanzaPort, ours._port), Data)]
    first = blocks.index(65535)
    assert first >= ibb_session.WIDE - 2  # each was acknowledged quickly
    assert set(blocks[:first]) == {ibb_session.MODEST_BLOCK}
    assert set(blocks[first:-1]) == {65535}
    await close()


async def test_blocks_become_smaller_where_a_path_has_become_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs, close = sessions(65535, MemoryNetwork(delay=0.002))
    receiving = asyncio.ensure_future(receive_all(theirs))
    await ours.send(bytes(1_000_000))
    monkeypatch.setattr(ibb_session, "QUICK", 0.0)
    monkeypatch.setattr(ibb_session, "SLOW", 0.0)
    await ours.send(bytes(1_000_000))
    await ours.send_eof()
    assert len(await receiving) == 2_000_000
    blocks = [len(block.data) for block in sent(cast(MemoryStanzaPort, ours._port), Data)]
    last = len(blocks) - blocks[::-1].index(65535)
    assert last < len(blocks) - 20
    assert set(blocks[last + 1 : -2]) == {ibb_session.MODEST_BLOCK}
    await close()


async def test_a_quick_path_fills_the_window() -> None:
    ours, theirs, close = sessions(1024, MemoryNetwork(delay=0.002))
    await asyncio.gather(send_all(ours, bytes(100_000)), receive_all(theirs))
    assert cast(MemoryStanzaPort, ours._port).most_in_flight == ibb_session.MAX_WINDOW
    await close()


async def test_now_and_then_everything_is_acknowledged_before_more_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that reads in pieces, and has got out of step with them, starts anew."""
    monkeypatch.setattr(ibb_session, "RESPITE_INTERVAL", 0.05)
    monkeypatch.setattr(ibb_session, "RESPITE_SHARE", 10)
    ours, theirs, close = sessions(1024, MemoryNetwork(rate=3_000_000))
    in_flight: list[int] = []
    start = ours._start

    def noting(block: bytes) -> None:
        in_flight.append(ours._in_flight)
        start(block)

    monkeypatch.setattr(ours, "_start", noting)
    receiving = asyncio.ensure_future(receive_all(theirs))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await ours.send(bytes(1_000_000))
    took = loop.time() - began
    await ours.send_eof()
    assert len(await receiving) == 1_000_000
    respites = in_flight[1:].count(0)
    assert took / 0.05 / 2 < respites <= took / 0.05 + 3
    assert max(in_flight) == ibb_session.MAX_WINDOW - 1
    await close()


async def test_who_does_not_read_holds_back_who_sends() -> None:
    ours, theirs, close = sessions(16384)
    sending = asyncio.ensure_future(send_all(ours, bytes(2_000_000)))
    await asyncio.sleep(0.2)
    assert not sending.done()
    held = len(sent(cast(MemoryStanzaPort, ours._port), Data)) * 16384
    assert held <= ibb_session.ROOMY + (ibb_session.MAX_WINDOW + 1) * 16384
    assert len(await receive_all(theirs)) == 2_000_000
    await sending
    await close()


async def test_no_acknowledgement_for_long_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibb_session, "STALL_TIMEOUT", 0.1)
    network = MemoryNetwork()
    port, session = network.join(ROMEO), None

    async def never(sender: str, payload: Element) -> Element | None:
        await asyncio.sleep(10)
        return None

    network.join(JULIET).on_request(NS_IBB, never)
    session = IbbSession(port, JULIET, "s", 4096)
    with pytest.raises(TransportFailed, match="acknowledged"):
        await session.send(bytes(100_000))
    await session.aclose()


async def test_slow_acknowledgements_are_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibb_session, "STALL_TIMEOUT", 0.15)
    ours, theirs, close = sessions(1000, MemoryNetwork(rate=20_000))
    _, received = await asyncio.gather(send_all(ours, bytes(8000)), receive_all(theirs))
    assert len(received) == 8000
    await close()


# One session, against a peer that the test plays.


@asynccontextmanager
async def with_peer(block_size: int = 4096) -> AsyncIterator[tuple[IbbSession, MemoryStanzaPort]]:
    network = MemoryNetwork()
    port, peer = network.join(ROMEO), network.join(JULIET)
    peer.on_request(NS_IBB, accepting)
    session = IbbSession(port, JULIET, "s", block_size)
    session.on_closed = IbbRouter.add(port, session)
    try:
        yield session, peer
    finally:
        await session.aclose()


async def accepting(sender: str, payload: Element) -> Element | None:
    return None


async def refused(peer: MemoryStanzaPort, payload: Element) -> str:
    with pytest.raises(SignallingError) as raised:
        await peer.request(ROMEO, payload)
    return raised.value.condition


async def test_blocks_arrive_in_order_and_whole() -> None:
    async with with_peer() as (session, peer):
        await peer.request(ROMEO, Open(block_size=4096, sid="s"))
        for seq, data in enumerate((b"one", b"", b"two")):
            await peer.request(ROMEO, Data(seq=seq, sid="s", data=data))
        await peer_close(peer)
        assert await receive_all(session) == b"onetwo"


async def peer_close(peer: MemoryStanzaPort) -> asyncio.Task[Element | None]:
    closing = asyncio.ensure_future(peer.request(ROMEO, Close(sid="s")))
    await asyncio.sleep(0.01)
    return closing


@pytest.mark.parametrize("seq", [0, 2, 65535])
async def test_a_wrong_sequence_number_ends_the_stream(seq: int) -> None:
    async with with_peer() as (session, peer):
        await peer.request(ROMEO, Data(seq=0, sid="s", data=b"good"))
        assert await refused(peer, Data(seq=seq, sid="s", data=b"bad")) == "unexpected-request"
        assert await refused(peer, Data(seq=1, sid="s", data=b"late")) == "item-not-found"
        assert await receive_exactly(session, 4) == b"good"
        for _ in range(2):
            with pytest.raises(TransportFailed, match="broke the in-band stream"):
                await session.receive_into(memoryview(bytearray(10)))
        with pytest.raises(TransportFailed):
            await session.send(b"x")
        assert len(sent(cast(MemoryStanzaPort, session._port), Close)) == 1


async def test_a_block_that_is_too_large_ends_the_stream() -> None:
    async with with_peer(block_size=10) as (session, peer):
        assert await refused(peer, Data(seq=0, sid="s", data=bytes(11))) == "bad-request"
        with pytest.raises(TransportFailed):
            await receive_all(session)


@pytest.mark.parametrize("size", [1, 4096])
async def test_a_peer_that_does_not_wait_for_acknowledgements_is_cut_off(size: int) -> None:
    async with with_peer() as (session, peer):
        blocks = [
            asyncio.ensure_future(peer.request(ROMEO, Data(seq=seq, sid="s", data=bytes(size)))) for seq in range(1100)
        ]
        results = await asyncio.gather(*blocks, return_exceptions=True)
        conditions = {result.condition for result in results if isinstance(result, SignallingError)}
        assert "resource-constraint" in conditions
        assert session._waiting_bytes <= ibb_session.FULL
        assert len(session._received) <= ibb_session.TOO_MANY


@pytest.mark.parametrize(
    ("opening", "condition"),
    [
        (Open(block_size=8192, sid="s"), "resource-constraint"),
        (Open(block_size=4096, sid="s", stanza=StanzaKind.MESSAGE), "not-acceptable"),
        (Open(block_size=4096, sid="nobody"), "not-acceptable"),
    ],
)
async def test_terms_that_were_not_agreed(opening: Open, condition: str) -> None:
    async with with_peer() as (session, peer):
        assert await refused(peer, opening) == condition
        assert not session.opened.is_set()


async def test_others_cannot_touch_the_stream() -> None:
    async with with_peer() as (session, peer):
        stranger = peer._network.join("mallory@example.org/x")
        for payload in (Data(seq=0, sid="s", data=b"x"), Close(sid="s"), Data(seq=0, sid="other", data=b"x")):
            assert await refused(stranger, payload) == "item-not-found"
        await peer.request(ROMEO, Data(seq=0, sid="s", data=b"mine"))
        assert await receive_exactly(session, 4) == b"mine"


async def test_an_element_that_is_none_of_it() -> None:
    async with with_peer() as (_, peer):
        other = from_string(f"<other xmlns='{NS_IBB}'/>")
        assert await refused(peer, other) == "feature-not-implemented"


@pytest.mark.parametrize("text", ["=AAA", "BBBB=CCC", "AB!D", "A"])
def test_base64_is_checked(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        from_string(f"<data xmlns='{NS_IBB}' seq='0' sid='s'>{text}</data>")


def test_the_xep_s_block() -> None:
    block = cast(
        Data, from_string(f"<data xmlns='{NS_IBB}' seq='0' sid='i781hf64'>\n    qANQR1DB\n    wU4DX7jm\n </data>")
    )
    assert block.data == base64.b64decode("qANQR1DBwU4DX7jm")


@pytest.mark.parametrize("condition", ["item-not-found", "recipient-unavailable", "remote-server-timeout"])
async def test_a_block_that_is_not_taken_ends_the_stream(condition: str) -> None:
    async with with_peer() as (session, peer):
        peer.refuse = lambda payload: SignallingError(condition) if isinstance(payload, Data) else None
        with pytest.raises(TransportFailed, match=condition):
            await session.send(bytes(100_000))
        with pytest.raises(TransportFailed, match=condition):
            await session.receive_into(memoryview(bytearray(1)))
        with pytest.raises(TransportFailed, match=condition):
            await session.send_eof()


# The end.


async def test_a_close_is_answered_when_our_side_has_ended() -> None:
    async with with_peer() as (session, peer):
        closing = await peer_close(peer)
        assert await receive_all(session) == b""
        await session.send(b"the rest")
        assert not closing.done()
        await session.send_eof()
        await asyncio.wait_for(closing, 1)
        assert sent(cast(MemoryStanzaPort, session._port), Close) == []  # theirs has ended both directions
        assert await refused(peer, Data(seq=0, sid="s", data=b"x")) == "service-unavailable"
        with pytest.raises(TransportFailed, match="has ended"):
            await session.send(b"x")


async def test_a_close_is_answered_when_nothing_more_comes_from_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibb_session, "CLOSE_GRACE", 0.05)
    async with with_peer() as (session, peer):
        await asyncio.wait_for(await peer_close(peer), 1)
        with pytest.raises(TransportFailed, match="has ended"):
            await session.send(b"x")


async def test_a_close_while_our_blocks_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibb_session, "CLOSE_GRACE", 0.1)
    ours, theirs, close = sessions(100, MemoryNetwork(delay=0.01))
    data = bytes(40_000)  # takes longer than the grace
    _, _, received = await asyncio.gather(theirs.send_eof(), send_all(ours, data), receive_all(theirs))
    assert received == data
    await close()


async def test_closing_tells_the_peer_once() -> None:
    async with with_peer() as (session, peer):
        await peer.request(ROMEO, Open(block_size=4096, sid="s"))
        await session.aclose()
        await session.aclose()
        assert len(sent(cast(MemoryStanzaPort, session._port), Close)) == 1
        for attempt in (session.send(b"x"), session.send_eof(), session.receive_into(memoryview(bytearray(1)))):
            with pytest.raises(TransportFailed, match="closed on this side"):
                await attempt


async def test_closing_wakes_who_waits() -> None:
    async with with_peer() as (session, _):
        receiving = asyncio.ensure_future(session.receive_into(memoryview(bytearray(1))))
        await asyncio.sleep(0.01)
        await session.aclose()
        with pytest.raises(TransportFailed, match="closed on this side"):
            await receiving


async def test_closing_answers_the_blocks_that_wait() -> None:
    ours, theirs, _ = sessions(65535)
    sending = asyncio.ensure_future(ours.send(bytes(1_000_000)))
    await asyncio.sleep(0.05)
    await theirs.aclose()
    assert theirs.peer == ROMEO
    with pytest.raises(TransportFailed):
        await sending
    await ours.aclose()


async def test_the_handler_goes_with_the_last_stream() -> None:
    network = MemoryNetwork()
    port, peer = network.join(ROMEO), network.join(JULIET)
    peer.on_request(NS_IBB, accepting)
    first, second = IbbSession(port, JULIET, "1", 4096), IbbSession(port, JULIET, "2", 4096)
    removers = [IbbRouter.add(port, session) for session in (first, second)]
    with pytest.raises(RemoteProtocolError, match="already"):
        IbbRouter.add(port, IbbSession(port, JULIET, "2", 4096))
    removers[0]()
    assert await refused(peer, Close(sid="1")) == "item-not-found"
    removers[1]()
    removers[1]()
    assert await refused(peer, Close(sid="1")) == "service-unavailable"
    IbbRouter.add(port, first)()


# What may not be negotiated.


async def test_what_is_refused() -> None:
    pair = StreamPair(IbbStreamTransport)
    transport = pair.responder
    with pytest.raises(TransportFailed, match="messages"):
        await transport.accept(IbbTransport(block_size=4096, sid="s", stanza=StanzaKind.MESSAGE))
    with pytest.raises(TransportFailed, match="has not described"):
        await transport.connect()
    other = Unknown(namespace="urn:example", name="transport", source="<transport xmlns='urn:example'/>")
    with pytest.raises(RemoteProtocolError):
        await transport.accept(other)
    await transport.accept(IbbTransport(block_size=4096, sid="s"))
    with pytest.raises(RemoteProtocolError, match="another stream"):
        await transport.accept(IbbTransport(block_size=4096, sid="t"))
    with pytest.raises(RemoteProtocolError, match="enough"):
        await transport.info(IbbTransport(block_size=4096, sid="second"))
    await pair.aclose()


async def test_a_peer_whose_streams_have_the_same_sid() -> None:
    """Gajim calls every fallback stream `None`."""
    pair = StreamPair(IbbStreamTransport)
    await pair.responder.accept(IbbTransport(block_size=4096, sid="None"))
    second = IbbStreamTransport(dataclasses.replace(cast(Any, pair.responder)._context))
    with pytest.raises(RemoteProtocolError, match="already"):
        await second.accept(IbbTransport(block_size=4096, sid="None"))
    await pair.responder.aclose()
    await second.accept(IbbTransport(block_size=4096, sid="None"))
    await second.aclose()
    await pair.aclose()
