"""SOCKS5 bytestreams between two transports, through a proxy, and with peers that behave like the deployed ones."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest

from jingle.elements.core import Role
from jingle.elements.declare import Element, Unknown
from jingle.elements.s5b import (
    CandidateUsed,
    Mode,
    Socks5Transport,
    Streamhost,
    StreamhostCandidate,
    StreamhostType,
)
from jingle.errors import RemoteProtocolError, SignallingError, TransportFailed
from jingle.testing.links import over_the_wire
from jingle.testing.stanza_port import MemoryNetwork
from jingle.testing.streams import JULIET, ROMEO, StreamPair, check_byte_stream, receive_exactly
from jingle.transports import s5b
from jingle.transports.base import Hiding, Security, TransportContext, TransportOptions
from jingle.transports.s5b import S5bTransport
from jingle.transports.socks5 import connect, destination

from .ice_helpers import only_loopback
from .socks_proxy import running_proxy

RELAY_ONLY = TransportOptions(loopback=True, relay_only=True)
LOOPBACK = TransportOptions(loopback=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, loopback_only: None) -> None:
    for name, seconds in {
        "STAGGER": 0.05,
        "PROXY_STAGGER": 0.05,
        "ATTEMPT_TIMEOUT": 0.5,
        "OUTCOME_TIMEOUT": 0.5,
        "ARRIVAL_TIMEOUT": 0.3,
        "ACTIVATION_TIMEOUT": 0.5,
        "PROXY_SEARCH": 0.2,
    }.items():
        monkeypatch.setattr(s5b, name, seconds)


pytestmark = pytest.mark.usefixtures("nothing_left")


def as_s5b(element: Element) -> Socks5Transport:
    return cast(Socks5Transport, element)


def said(pair: StreamPair, role: Role) -> list[str]:
    """What one side told the other, in short."""
    words = ("candidate_used", "candidate_error", "activated", "proxy_error")
    infos = [as_s5b(info) for sender, info in pair.infos if sender is role]
    return [word.removeprefix("candidate_") for info in infos for word in words if getattr(info, word)]


async def moves_bytes(pair: StreamPair) -> tuple[str, str]:
    """Connect, check the stream, and return the kinds of path that each side reports."""
    async with pair.connected() as (ours, theirs):
        assert ours.security is Security.NONE
        await check_byte_stream(ours, theirs)
        paths = pair.initiator.path, pair.responder.path
        assert paths[0] is not None
        assert paths[1] is not None
        return paths[0].remote.type, paths[1].remote.type


async def fails(pair: StreamPair) -> TransportFailed:
    try:
        with pytest.raises(TransportFailed) as raised:
            await pair.connect()
        return raised.value
    finally:
        await pair.aclose()


class Deaf(S5bTransport):
    """Offers addresses where nobody listens any more."""

    async def describe(self) -> Element:
        element = await super().describe()
        for listener in self._listeners:
            await listener.aclose()
        return element


# Direct.


async def test_direct() -> None:
    pair = StreamPair(S5bTransport)
    assert await moves_bytes(pair) == ("direct", "direct")
    assert said(pair, Role.INITIATOR) == said(pair, Role.RESPONDER) == ["used"]


@pytest.mark.parametrize("deaf", Role)
async def test_one_reachable_side_is_enough(deaf: Role) -> None:
    makers = (Deaf, S5bTransport) if deaf is Role.INITIATOR else (S5bTransport, Deaf)
    pair = StreamPair(makers[0], make_responder=makers[1])
    assert await moves_bytes(pair) == ("direct", "direct")
    assert said(pair, deaf) == ["used"]
    assert said(pair, deaf.other) == ["error"]


async def test_neither_side_is_reachable() -> None:
    pair = StreamPair(Deaf)
    failure = await fails(pair)
    assert failure.reason == "connectivity-error"
    assert len(failure.tried) == 2
    assert all(line.startswith("direct ") for line in failure.tried)
    assert said(pair, Role.INITIATOR) == said(pair, Role.RESPONDER) == ["error"]


async def test_the_description_says_what_the_xep_wants() -> None:
    """Always with a dstaddr, the one thing that Smack goes by, and never with a mode."""
    pair = StreamPair(S5bTransport)
    offer = as_s5b(over_the_wire(await pair.initiator.describe()))
    assert offer.dstaddr == destination(offer.sid, ROMEO, JULIET)
    assert [each.host for each in offer.candidates] == ["127.0.0.1", "::1"]
    assert {each.jid for each in offer.candidates} == {ROMEO}
    await pair.responder.accept(offer)
    answer = as_s5b(over_the_wire(await pair.responder.describe()))
    assert answer.sid == offer.sid
    assert answer.mode is None
    assert answer.dstaddr == destination(offer.sid, JULIET, ROMEO)
    # equal priorities, about which clients disagree, are avoided by whoever answers
    assert not {each.priority for each in answer.candidates} & {each.priority for each in offer.candidates}
    await pair.aclose()


async def test_loopback_is_offered_and_tried_only_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s5b, "ADDRESSES_FOR", -1)  # ask each time
    only_loopback(monkeypatch, "127.0.0.2")  # counts as loopback, too: still alone
    pair = StreamPair(S5bTransport, options=TransportOptions())
    assert await moves_bytes(pair) == ("direct", "direct")
    only_loopback(monkeypatch, "192.0.2.77")
    pair = StreamPair(S5bTransport, options=TransportOptions(), responder_options=LOOPBACK)
    offer = as_s5b(await pair.initiator.describe())
    assert offer.candidates == ()  # 192.0.2.77 is not an address of this machine
    await pair.responder.accept(offer)
    await pair.initiator.accept(await pair.responder.describe())
    with pytest.raises(TransportFailed) as raised:
        await pair.initiator.connect()
    assert raised.value.tried == ("the peer did not say within 0.5 s what it reached",)  # nothing was connected to
    await pair.aclose()


# Proxies.


async def test_a_proxy_of_the_initiator() -> None:
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        network.join(ROMEO, proxies=[proxy.streamhost])
        pair = StreamPair(Deaf, network=network)
        assert await moves_bytes(pair) == ("proxy", "proxy")
        assert said(pair, Role.INITIATOR) == ["error", "activated"]
        assert said(pair, Role.RESPONDER) == ["used"]
        assert len(proxy.activated) == 1


async def test_a_proxy_of_the_responder() -> None:
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        network.join(JULIET, proxies=[proxy.streamhost])
        pair = StreamPair(Deaf, network=network)
        assert await moves_bytes(pair) == ("proxy", "proxy")
        assert said(pair, Role.RESPONDER) == ["error", "activated"]


async def test_both_have_the_same_proxy() -> None:
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        for jid in (ROMEO, JULIET):
            network.join(jid, proxies=[proxy.streamhost])
        pair = StreamPair(Deaf, network=network)
        assert await moves_bytes(pair) == ("proxy", "proxy")
        assert said(pair, Role.INITIATOR) == ["error", "activated"]  # the responder must not offer it again


async def test_a_configured_proxy() -> None:
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        options = TransportOptions(loopback=True, proxies=(proxy.streamhost,))
        assert await moves_bytes(StreamPair(Deaf, network=network, options=options)) == ("proxy", "proxy")


async def test_direct_wins_over_a_proxy() -> None:
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        network.join(ROMEO, proxies=[proxy.streamhost])
        assert await moves_bytes(StreamPair(S5bTransport, network=network)) == ("direct", "direct")
        assert proxy.activated == []


async def test_relay_only_shows_and_uses_no_address_of_this_machine() -> None:
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        network.join(ROMEO, proxies=[proxy.streamhost])
        pair = StreamPair(S5bTransport, network=network, options=RELAY_ONLY, responder_options=LOOPBACK)
        offer = as_s5b(await pair.initiator.describe())
        assert [each.effective_type for each in offer.candidates] == [StreamhostType.PROXY]
        assert await moves_bytes(pair) == ("proxy", "proxy")
        assert said(pair, Role.INITIATOR) == ["error", "activated"]  # it did not connect to the responder's listener


async def test_relay_only_on_both_sides_without_a_proxy_has_nothing_to_offer() -> None:
    pair = StreamPair(S5bTransport, options=RELAY_ONLY)
    assert (await fails(pair)).tried == ()


async def test_a_proxy_that_cannot_be_activated() -> None:
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        network.join(ROMEO, proxies=[proxy.streamhost])
        network.ports[proxy.jid].refuse = lambda payload: SignallingError("forbidden")
        pair = StreamPair(Deaf, network=network)
        await pair.negotiate()
        results = await asyncio.gather(pair.initiator.connect(), pair.responder.connect(), return_exceptions=True)
        assert all(isinstance(result, TransportFailed) for result in results)
        assert "our proxy proxy.capulet.example cannot be used" in str(results[0])
        assert "the peer cannot use its proxy" in str(results[1])
        assert said(pair, Role.INITIATOR) == ["error", "proxy_error"]
        await pair.aclose()


async def test_a_proxy_that_the_peer_never_activates() -> None:
    """Or that it activates and never says so, as Gajim did once."""
    network = MemoryNetwork()
    async with running_proxy(network) as proxy:
        network.join(ROMEO, proxies=[proxy.streamhost])
        pair = StreamPair(Deaf, network=network)
        pair.change_info = lambda role, info: None if as_s5b(info).activated else info
        await pair.negotiate()
        results = await asyncio.gather(pair.initiator.connect(), pair.responder.connect(), return_exceptions=True)
        assert "did not activate" in str(results[1])
        await pair.aclose()


async def test_a_server_that_does_not_name_its_proxies_holds_nothing_up() -> None:
    network = MemoryNetwork(delay=1.0)
    pair = StreamPair(S5bTransport, network=network)
    async with asyncio.timeout(0.5):
        assert as_s5b(await pair.initiator.describe()).candidates
    await pair.aclose()


# Peers as they are.


async def test_a_peer_that_says_nothing_after_a_refusal_like_gajim() -> None:
    pair = StreamPair(Deaf, make_responder=S5bTransport)
    pair.change_info = lambda role, info: None if as_s5b(info).candidate_error else info
    assert await moves_bytes(pair) == ("direct", "direct")


class GajimListener(S5bTransport):
    """Knows one name only: the session's sid, initiator before responder."""

    async def describe(self) -> Element:
        element = as_s5b(await super().describe())
        context = self._context
        first, second = (
            (context.local, context.remote) if context.role is Role.INITIATOR else (context.remote, context.local)
        )
        for listener in self._listeners:
            listener._names = frozenset({destination(context.sid, first, second)})
        return dataclasses.replace(element, dstaddr=None)


@pytest.mark.parametrize("role", Role)
async def test_a_listener_that_hashes_in_its_own_way(role: Role) -> None:
    makers = (GajimListener, Deaf) if role is Role.INITIATOR else (Deaf, GajimListener)
    pair = StreamPair(makers[0], make_responder=makers[1])
    assert await moves_bytes(pair) == ("direct", "direct")


@pytest.mark.parametrize("names", [(ROMEO, JULIET), (JULIET, ROMEO)])
async def test_our_listener_takes_either_order(names: tuple[str, str]) -> None:
    transport = S5bTransport(context_of(Role.INITIATOR))
    offered = as_s5b(await transport.describe())
    stream = await connect("127.0.0.1", offered.candidates[0].port or 0, destination(offered.sid, *names))
    await transport.accept(Socks5Transport(sid=offered.sid))
    await transport.info(used(offered))
    ours = await transport.connect()
    await stream.send(b"hello")
    assert await receive_exactly(ours, 5) == b"hello"
    await stream.aclose()
    await transport.aclose()


async def test_a_peer_that_claims_to_have_connected() -> None:
    transport = S5bTransport(context_of(Role.INITIATOR))
    offered = as_s5b(await transport.describe())
    await transport.accept(Socks5Transport(sid=offered.sid))
    await transport.info(used(offered))
    with pytest.raises(TransportFailed, match="says that it reached"):
        await transport.connect()


def used(offered: Socks5Transport) -> Socks5Transport:
    """What a peer says that reached the first candidate."""
    return Socks5Transport(sid=offered.sid, candidate_used=CandidateUsed(cid=offered.candidates[0].cid))


def silent_server() -> socket.socket:
    """Takes connections into its backlog and never answers."""
    return socket.create_server(("127.0.0.1", 0))


def streamhost(port: int, priority: int, cid: str) -> StreamhostCandidate:
    return StreamhostCandidate(cid=cid, host="127.0.0.1", jid=JULIET, port=port, priority=priority, type=None)


class WithSilent(S5bTransport):
    """Offers a server that never answers before its own candidates."""

    silent: socket.socket

    async def describe(self) -> Element:
        element = as_s5b(await super().describe())
        first = streamhost(self.silent.getsockname()[1], 2**30, "silent")
        return dataclasses.replace(element, candidates=(first, *element.candidates))


async def test_a_candidate_that_does_not_answer_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as WithSilent.silent:
        monkeypatch.setattr(s5b, "ATTEMPT_TIMEOUT", 30.0)
        pair = StreamPair(Deaf, make_responder=WithSilent)
        async with asyncio.timeout(2):
            assert await moves_bytes(pair) == ("direct", "direct")


class OnlySilent(WithSilent):
    """Offers nothing but a server that never answers, of low priority."""

    async def describe(self) -> Element:
        element = as_s5b(await super().describe())
        silent = dataclasses.replace(element.candidates[0], priority=1)
        return dataclasses.replace(element, candidates=(silent,))


async def test_attempts_end_when_the_peer_has_reached_something_better(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_server() as WithSilent.silent:
        monkeypatch.setattr(s5b, "ATTEMPT_TIMEOUT", 30.0)
        pair = StreamPair(S5bTransport, make_responder=OnlySilent)
        async with asyncio.timeout(2):
            assert await moves_bytes(pair) == ("direct", "direct")
        assert said(pair, Role.INITIATOR) == ["error"]


# What may not be.


def context_of(role: Role = Role.RESPONDER) -> TransportContext:
    pair = StreamPair(S5bTransport)
    side = pair.initiator if role is Role.INITIATOR else pair.responder
    return cast(TransportContext, cast(Any, side)._context)


async def test_udp_is_refused() -> None:
    transport = S5bTransport(context_of())
    with pytest.raises(TransportFailed, match="UDP"):
        await transport.accept(Socks5Transport(sid="x", mode=Mode.UDP))


async def test_other_elements_other_streams_and_unknown_candidates_are_refused() -> None:
    transport = S5bTransport(context_of())
    other = Unknown(namespace="urn:example", name="transport", source="<transport xmlns='urn:example'/>")
    refused: list[Callable[[], Any]] = [
        lambda: transport.accept(other),
        lambda: transport.info(other),
        lambda: transport.accept(Socks5Transport(sid="another")),
        lambda: transport.info(Socks5Transport(sid="another")),
        lambda: transport.info(Socks5Transport(sid="x", candidate_used=CandidateUsed(cid="none"))),
    ]
    await transport.accept(Socks5Transport(sid="x"))
    for attempt in refused:
        with pytest.raises(RemoteProtocolError):
            await attempt()
    await transport.aclose()


async def test_connecting_before_the_peer_is_known() -> None:
    with pytest.raises(TransportFailed, match="has not described"):
        await S5bTransport(context_of()).connect()


async def test_a_hundred_candidates_cost_sixteen_attempts_at_most() -> None:
    transport = S5bTransport(context_of())
    candidates = tuple(streamhost(number + 1, number + 1, f"c{number}") for number in range(100))
    await transport.accept(Socks5Transport(sid="x", candidates=candidates))
    with pytest.raises(TransportFailed) as raised:
        await transport.connect()
    assert len([line for line in raised.value.tried if line.startswith("direct")]) == 16


async def test_closing_while_connecting() -> None:
    with silent_server() as WithSilent.silent:
        pair = StreamPair(OnlySilent)
        connecting = asyncio.ensure_future(pair.connect())
        await asyncio.sleep(0.05)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await pair.aclose()
        await pair.aclose()


async def test_closing_the_transport_closes_its_stream() -> None:
    pair = StreamPair(S5bTransport)
    async with pair.connected() as (ours, theirs):
        await pair.initiator.aclose()
        with pytest.raises(TransportFailed):
            await ours.send(b"x")
        assert await theirs.receive_into(memoryview(bytearray(1))) == 0


async def test_a_proxy_host_that_is_hostile() -> None:
    options = TransportOptions(proxies=(Streamhost(jid="p.example", host="nobody.invalid", port=1),), relay_only=True)
    pair = StreamPair(S5bTransport, options=options)
    assert any("nobody.invalid" in line for line in (await fails(pair)).tried)


async def test_closing_that_is_cancelled_still_frees_everything() -> None:
    """Another transport takes the place of one that has just failed, and its connecting task is cancelled for it."""
    transport = StreamPair(S5bTransport).initiator
    assert isinstance(transport, S5bTransport)
    await transport.describe()
    listeners = [listener._door for listener in transport._listeners]
    assert len(listeners) > 1
    failing = asyncio.ensure_future(transport.aclose())
    await asyncio.sleep(0)
    failing.cancel()
    await transport.aclose()
    assert [door._socket.fileno() for door in listeners if door is not None] == [-1] * len(listeners)
    assert failing.cancelled()


async def test_hidden_at_the_last_moment() -> None:
    pair = StreamPair(S5bTransport)
    await pair.responder.accept(await pair.initiator.describe())
    assert isinstance(pair.responder, Hiding)
    pair.responder.hide()
    assert as_s5b(await pair.responder.describe()).candidates == ()
    await pair.aclose()
