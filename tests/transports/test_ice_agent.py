"""The ICE agent: servers that are slow or dead, bounds, failures, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import threading
import time
from dataclasses import replace

import pytest
from aioice import Candidate

from jingle.elements import ice_udp
from jingle.elements.core import Role
from jingle.elements.ice_udp import Setup
from jingle.errors import TransportFailed
from jingle.testing.links import TransportPair, over_the_wire
from jingle.transports import ice_agent
from jingle.transports.base import IceServer, TransportOptions
from jingle.transports.ice import MAX_REMOTE_CANDIDATES, IceConnection

from .conftest import FAST
from .ice_helpers import (
    as_ice,
    dead_server,
    exchange_data,
    offered,
    stun_server,
    wait_until,
)

PROMPT = 0.2
"""Seconds: a description takes 10 ms on an idle machine; waiting for any server would take 0.5 s at least."""

pytestmark = pytest.mark.usefixtures("nothing_left", "loopback_only")


async def blocked() -> tuple[IceServer, ...]:
    await asyncio.Event().wait()
    return ()


async def broken() -> tuple[IceServer, ...]:
    raise ConnectionResetError("the stream is gone")


@pytest.mark.parametrize("source", [blocked, broken])
async def test_a_dead_server_query_delays_nothing(source: object) -> None:
    pair = TransportPair(settings=FAST, ice_servers=source)  # type: ignore[arg-type]
    try:
        started = time.perf_counter()
        assert as_ice(await pair.initiator.describe()).candidates
        assert time.perf_counter() - started < PROMPT
        await pair.connect()
        assert time.perf_counter() - started < 1
    finally:
        await pair.aclose()


# Before we gather


async def test_nothing_of_the_peers_makes_us_gather_or_look_up(
    pair: TransportPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a call rings, its caller can change credentials as it likes."""
    looked_up: list[str] = []

    async def look_up(self: IceConnection, candidate: Candidate) -> None:
        looked_up.append(candidate.host)

    monkeypatch.setattr(IceConnection, "_resolve_remote", look_up)
    await pair.responder.accept(await pair.initiator.describe())
    agent = pair.responder.shared.agent
    before = agent.local
    for ufrag in ("second", "third"):
        named = dataclasses.replace(offered(), ip="somebody.local")
        await pair.responder.info(ice_udp.IceUdpTransport(ufrag=ufrag, pwd="p" * 22, candidates=(named,)))
    assert [candidate for sender, candidate in pair.infos if sender is Role.RESPONDER] == []
    assert (agent.local, agent.generation, agent._newest.local_candidates, looked_up) == (before, 0, [], [])
    described = as_ice(await pair.responder.describe())
    assert (described.ufrag, described.pwd) == (before.ufrag, before.pwd)
    await wait_until(lambda: looked_up)
    assert agent.remote is not None
    assert (agent.remote.ufrag, looked_up) == ("third", ["somebody.local"])


async def test_hidden_at_the_last_moment(pair: TransportPair) -> None:
    offer = as_ice(await pair.initiator.describe())
    await pair.responder.accept(offer)
    before = pair.responder.shared.agent.local
    pair.responder.hide()
    pair.responder.hide()
    described = as_ice(await pair.responder.describe())
    assert described.candidates == ()
    assert (described.ufrag, described.pwd) == (before.ufrag, before.pwd)
    agent = pair.responder.shared.agent
    assert agent.remote is not None
    assert agent.remote.ufrag == offer.ufrag
    assert [each.host for each in agent._newest.remote_candidates] == [each.ip for each in offer.candidates]
    with pytest.raises(RuntimeError):
        agent.hide()


@pytest.mark.parametrize(("scheme", "transport"), [("stun", "udp"), ("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")])
async def test_a_dead_server_delays_nothing(scheme: str, transport: str) -> None:
    with dead_server(scheme, transport) as server:
        options = TransportOptions(loopback=True, ice_servers=(server,))
        pair = TransportPair(settings=FAST, options=options)
        started = time.perf_counter()
        assert as_ice(await pair.initiator.describe()).candidates
        assert time.perf_counter() - started < PROMPT
        await pair.connect()
        assert time.perf_counter() - started < 1
        closing = time.perf_counter()
        await pair.aclose()
        assert time.perf_counter() - closing < 0.5


async def test_a_name_that_resolves_never_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(5) and [])
    server = IceServer(scheme="stun", host="stun.example", port=3478)
    pair = TransportPair(settings=FAST, options=TransportOptions(loopback=True, ice_servers=(server,)))
    started = time.perf_counter()
    await pair.initiator.describe()
    assert time.perf_counter() - started < PROMPT
    await pair.aclose()
    assert time.perf_counter() - started < 0.5
    release.set()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_reflexive_candidate_follows_in_a_transport_info(address: str) -> None:
    async with stun_server(address) as (server, _):

        async def offered() -> tuple[IceServer, ...]:
            await asyncio.sleep(0.05)
            return (server,)

        pair = TransportPair(settings=FAST, ice_servers=offered)
        offer = as_ice(await pair.initiator.describe())
        assert all(candidate.type is ice_udp.CandidateType.HOST for candidate in offer.candidates)
        await wait_until(lambda: bool(pair.infos))
        (role, info) = pair.infos[0]
        assert role is Role.INITIATOR
        info = as_ice(over_the_wire(info))
        assert (info.ufrag, info.pwd, info.fingerprints) == (offer.ufrag, offer.pwd, ())
        (candidate,) = info.candidates
        base = next(other for other in offer.candidates if other.ip == address)
        assert (candidate.type.value, candidate.ip, candidate.port) == ("srflx", "203.0.113.7", base.port)
        assert (candidate.rel_addr, candidate.rel_port) == (address, base.port)
        await pair.aclose()


async def test_while_it_rings_a_nat_is_kept_awake() -> None:
    async with stun_server() as (server, behind):
        pair = TransportPair(settings=FAST, options=TransportOptions(loopback=True, ice_servers=(server,)))
        await pair.initiator.describe()
        await wait_until(lambda: behind.requests >= 3)
        assert len(pair.infos) == 1  # and says nothing twice
        await pair.aclose()


async def test_servers_are_bounded() -> None:
    with contextlib.ExitStack() as stack:
        servers = tuple(stack.enter_context(dead_server()) for _ in range(20))
        pair = TransportPair(settings=FAST, options=TransportOptions(loopback=True, ice_servers=servers + servers))
        await pair.initiator.describe()
        await asyncio.sleep(0.01)
        assert len(pair.initiator.shared.agent._newest._servers) == 4
        await pair.aclose()


async def test_relay_only_without_a_relay_fails_at_once_and_shows_nothing() -> None:
    options = TransportOptions(relay_only=True, loopback=True)
    pair = TransportPair(options=options)
    async with stun_server() as (server, behind):
        pair = TransportPair(options=replace(options, ice_servers=(server,)))
        offer = as_ice(await pair.initiator.describe())
        assert offer.candidates == ()
        await pair.responder.accept(offer)
        await pair.initiator.accept(await pair.responder.describe())
        with pytest.raises(TransportFailed, match="no relay") as caught:
            await asyncio.wait_for(pair.initiator.connect(), 1)
        assert caught.value.reason == "connectivity-error"
        assert behind.requests == 0
        assert pair.infos == []
        await pair.aclose()


async def test_a_peer_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = TransportPair(settings=replace(FAST, connect_timeout=0.3))
    await pair.responder.accept(await pair.initiator.describe())
    answer = as_ice(await pair.responder.describe())
    await pair.responder.aclose()
    await pair.initiator.accept(answer)
    with pytest.raises(TransportFailed, match=r"no candidate pair worked within 0\.3 s") as caught:
        await pair.initiator.connect()
    assert caught.value.reason == "connectivity-error"
    assert len(caught.value.tried) == 2
    assert caught.value.tried[0].startswith("host 127.0.0.1:")
    assert caught.value.tried[0].endswith("in_progress")
    await pair.aclose()


async def test_a_peer_that_never_sends_credentials() -> None:
    pair = TransportPair(settings=replace(FAST, connect_timeout=0.1))
    await pair.initiator.describe()
    await pair.initiator.accept(ice_udp.IceUdpTransport())
    with pytest.raises(TransportFailed, match="no ICE credentials"):
        await pair.initiator.connect()
    await pair.aclose()


async def test_a_flood_before_the_handshake_is_bounded(pair: TransportPair) -> None:
    agent = pair.initiator.shared.agent
    for _ in range(ice_agent.MAX_DATAGRAMS * 2):
        agent._receive([b"\x80"])
    assert len(agent._datagrams) == ice_agent.MAX_DATAGRAMS


async def test_candidates_without_end_are_bounded(pair: TransportPair) -> None:
    await pair.initiator.describe()
    agent = pair.initiator.shared.agent
    many = [
        ice_udp.IceUdpTransport(
            ufrag="abcd",
            candidates=tuple(offered(port=1000 + 50 * n + k) for k in range(50)),
        )
        for n in range(6)
    ]
    for info in many:
        await pair.initiator.info(info)
    assert len(agent._early) == ice_agent.MAX_EARLY
    await pair.initiator.info(ice_udp.IceUdpTransport(ufrag="abcd", pwd="x" * 22))
    assert agent._early == []
    for info in many:
        await pair.initiator.info(info)
    assert len(agent._newest.remote_candidates) == MAX_REMOTE_CANDIDATES
    connecting = asyncio.ensure_future(pair.initiator.connect())
    await asyncio.sleep(0.1)
    await pair.aclose()
    with pytest.raises(TransportFailed) as caught:
        await connecting
    assert len(caught.value.tried) <= 100


@pytest.mark.parametrize("by", [Role.INITIATOR, Role.RESPONDER])
async def test_a_restart_moves_the_link_without_ending_it(pair: TransportPair, by: Role) -> None:
    ours, theirs = await pair.connect()
    before = ours.path
    pair.infos.clear()
    restarting = pair.initiator if by is Role.INITIATOR else pair.responder
    await restarting.restart()
    # Deployed clients take an element without candidates for the offer, and one with them for the answer.
    role, offer = pair.infos[0][0], as_ice(pair.infos[0][1])
    assert (role, offer.candidates) == (by, ())
    assert offer.fingerprints[0].setup is Setup.ACTPASS
    await wait_until(
        lambda: ours.path != before and theirs.path and ours.path and theirs.path.remote == ours.path.local
    )
    assert ours.path is not None
    assert theirs.path is not None
    assert (ours.path.local, ours.path.remote) == (theirs.path.remote, theirs.path.local)
    answer = next(as_ice(info) for role, info in pair.infos if role is not by)
    assert answer.candidates
    assert all(candidate.generation == 1 for candidate in answer.candidates)
    assert answer.fingerprints[0].setup is (Setup.PASSIVE if by is Role.RESPONDER else Setup.ACTIVE)
    await exchange_data(ours, theirs)
    await wait_until(lambda: len(pair.initiator.shared.agent._connections) == 1)
    await exchange_data(ours, theirs)


async def test_both_restart_at_once(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    before = ours.path, theirs.path
    await asyncio.gather(pair.initiator.restart(), pair.responder.restart())
    await wait_until(lambda: ours.path != before[0] and theirs.path != before[1])
    await exchange_data(ours, theirs)


async def test_a_restart_that_fails_keeps_the_old_path(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = TransportPair(settings=FAST)
    ours, theirs = await pair.connect()
    before = ours.path
    agent = pair.initiator.shared.agent
    monkeypatch.setattr(agent, "_settings", replace(FAST, answer_timeout=0.1))
    assert pair._carrier is not None
    pair._carrier.cancel()
    with pytest.raises(TransportFailed, match="takes no part"):
        await pair.initiator.restart()
    await wait_until(lambda: len(agent._connections) == 1)
    assert ours.path == before
    await exchange_data(ours, theirs)
    await pair.aclose()


async def test_a_restart_saves_a_path_that_is_gone(pair: TransportPair, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = await pair.connect()
    for transport in (pair.initiator, pair.responder):
        for protocol in transport.shared.agent._newest._protocols:
            monkeypatch.setattr(protocol.transport, "sendto", lambda data, addr: None)
    await asyncio.sleep(FAST.consent_expiry / 2)
    await pair.initiator.restart()
    await asyncio.sleep(FAST.consent_expiry)
    await wait_until(lambda: ours.dtls.state == "connected" and pair.initiator.shared.agent.lost is None)
    await exchange_data(ours, theirs)
