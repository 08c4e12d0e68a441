"""One generation of ICE: what is changed of aioice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aioice
import pytest

from jingle.elements import ice_udp
from jingle.testing.links import TransportPair, over_the_wire
from jingle.transports import ice_gathering, ice_trickling
from jingle.transports.base import TransportOptions

from .ice_helpers import (
    as_ice,
    connected,
    offered,
    only_loopback,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("nothing_left", "loopback_only")


async def test_a_role_conflict_is_repaired(pair: TransportPair) -> None:
    """Both believe to be the initiator; RFC 8445 section 7.3.1.1."""
    await pair.negotiate()
    pair.responder.shared.agent._newest.ice_controlling = True
    ours, theirs = await connected(pair)
    assert {pair.initiator.shared.agent.role, pair.responder.shared.agent.role} == {"controlling", "controlled"}


async def test_consent_goes_on_with_slow_answers(pair: TransportPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A satellite's second there and back is no reason to end a call: 0.1 s here, with checks every 0.05 s."""
    ours, theirs = await pair.connect()
    connection = pair.responder.shared.agent._newest
    received = connection.request_received

    def later(*args: Any) -> None:
        asyncio.get_running_loop().call_later(0.1, received, *args)

    monkeypatch.setattr(connection, "request_received", later)
    await asyncio.sleep(0.6)
    assert ours.dtls.state == "connected"
    assert ours.round_trip_time is not None
    assert 0.1 <= ours.round_trip_time < 0.2


async def test_loopback_of_the_peer_is_checked_from_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a peer could have us send to the services of our own machine."""
    only_loopback(monkeypatch, "192.0.2.99")
    pair = TransportPair(options=TransportOptions(loopback=True))
    monkeypatch.setattr(ice_trickling, "open_host", open_anywhere)
    await pair.initiator.describe()
    connection = pair.initiator.shared.agent._newest
    for address in ("127.0.0.1", "198.51.100.1"):
        await connection.add_remote(aioice.Candidate("1", 1, "udp", 1, address, 631, "host"))
    seen = {(pair.local_candidate.host, pair.remote_candidate.host) for pair in connection._check_list}
    assert seen == {("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "198.51.100.1"), ("192.0.2.99", "198.51.100.1")}
    await pair.aclose()


async def test_a_pair_that_the_peers_own_check_made_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chromium checks us from 127.0.0.1; it would take with it a pair that works already."""
    only_loopback(monkeypatch, "192.0.2.99")
    pair = TransportPair(options=TransportOptions(loopback=False))
    monkeypatch.setattr(ice_trickling, "open_host", open_anywhere)
    await pair.initiator.describe()
    connection = pair.initiator.shared.agent._newest
    learnt = aioice.Candidate("1", 1, "udp", 1, "127.0.0.1", 50_000, "prflx")
    connection._remote_candidates.append(learnt)
    works = aioice.ice.CandidatePair(connection._protocols[0], learnt)
    works.state = aioice.ice.CandidatePair.State.SUCCEEDED
    connection._check_list.append(works)
    await connection.add_remote(aioice.Candidate("2", 1, "udp", 2, "127.0.0.1", 50_000, "host"))
    assert connection._check_list == [works]
    await pair.aclose()


async def open_anywhere(factory: object, address: str, *, rank: int) -> object:
    """A host base that claims to be on `address`."""
    real = "::1" if ":" in address else "127.0.0.1"
    protocol = await ice_gathering.open_host(factory, real, rank=rank)  # type: ignore[arg-type]
    protocol.local_candidate.host = protocol.local_candidate._network_host = address
    return protocol


async def test_mdns_names_are_bounded_and_asked_for_beside_everything_else(
    pair: TransportPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def resolve(candidate: aioice.Candidate) -> None:
        asked.append(candidate.host)
        await asyncio.Event().wait()

    await pair.initiator.describe()
    connection = pair.initiator.shared.agent._newest
    monkeypatch.setattr(connection, "add_remote_candidate", resolve)
    names = tuple(offered(ip=f"{n}.local") for n in range(40))
    await asyncio.wait_for(pair.initiator.info(ice_udp.IceUdpTransport(ufrag="a", pwd="b", candidates=names)), 0.1)
    await asyncio.sleep(0.01)
    assert len(asked) == 8


class FixedNames:
    """Multicast DNS in which every name is the loopback address."""

    async def resolve(self, name: str) -> str:
        return "127.0.0.1"


async def test_a_browsers_mdns_candidate_is_reached(pair: TransportPair, monkeypatch: pytest.MonkeyPatch) -> None:
    async def names(subscriber: object) -> FixedNames:
        return FixedNames()

    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", names)
    offer = as_ice(await pair.initiator.describe())
    hidden = replace(next(c for c in offer.candidates if c.ip == "127.0.0.1"), ip="1f4712db-ea17-4bcf-a596.local")
    await pair.responder.accept(over_the_wire(replace(offer, candidates=(hidden,))))
    assert pair.responder.shared.agent._newest.remote_candidates == []  # a name is not looked up while it rings
    await pair.responder.describe()
    await wait_until(lambda: pair.responder.shared.agent._newest.remote_candidates)
    (known,) = pair.responder.shared.agent._newest.remote_candidates
    assert (known.host, known._network_host, known.port) == (hidden.ip, "127.0.0.1", hidden.port)


async def test_without_multicast_an_mdns_candidate_is_let_go(
    pair: TransportPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def names(subscriber: object) -> FixedNames:
        raise OSError("port 5353 is taken")

    monkeypatch.setattr(aioice.ice, "get_or_create_mdns_protocol", names)
    await pair.initiator.describe()
    info = ice_udp.IceUdpTransport(ufrag="a", pwd="b", candidates=(offered(ip="a.local"),))
    await pair.initiator.info(info)
    await asyncio.sleep(0.01)
    assert pair.initiator.shared.agent._newest.remote_candidates == []
    assert pair.initiator.shared.agent._newest._resolving == 0


async def test_a_check_without_priority_is_ignored(pair: TransportPair) -> None:
    """Only the peer can sign a check, but it must not stop ours with one."""
    await pair.negotiate()
    connection = pair.initiator.shared.agent._newest
    message = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
    connection.check_incoming(message, ("192.0.2.99", 9), connection._protocols[0])
    assert all(candidate.host != "192.0.2.99" for candidate in connection.remote_candidates)
    await connected(pair)


async def test_a_peer_that_never_agrees_on_a_role_is_given_up(
    pair: TransportPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pair.negotiate()
    connection = pair.initiator.shared.agent._newest
    for _ in range(20):
        connection.switch_role(False)
    failed: list[object] = []
    monkeypatch.setattr(connection, "check_complete", failed.append)
    (pair_to_check, *_) = connection._check_list
    await connection.check_start(pair_to_check)
    assert failed == [pair_to_check]
