from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.elements.core import Role
from jingle.elements.s5b import Streamhost, StreamhostCandidate, StreamhostType
from jingle.transports import s5b_candidates
from jingle.transports.s5b_candidates import (
    names_to_accept,
    names_to_ask_for,
    nominate,
    offerable,
    priority_of,
    worth_trying,
)
from jingle.transports.socks5 import destination

ME, PEER = "juliet@capulet.lit/balcony", "romeo@montague.lit/orchard"


def candidate(
    host: str = "192.0.2.1",
    priority: int = 8257636,
    *,
    kind: StreamhostType | None = None,
    port: int | None = 5086,
    cid: str = "c",
) -> StreamhostCandidate:
    return StreamhostCandidate(cid=cid, host=host, jid=PEER, port=port, priority=priority, type=kind)


def hosts(*candidates: StreamhostCandidate, loopback: bool = False) -> list[str]:
    return [each.host for each in worth_trying(candidates, loopback=loopback)]


@given(st.sampled_from(StreamhostType), st.integers(0, 15), st.sets(st.integers(600_000, 9_000_000)))
def test_priorities_differ_from_the_peers(kind: StreamhostType, rank: int, taken: set[int]) -> None:
    value = priority_of(kind, rank, taken)
    assert value not in taken
    assert value > 0
    # and of the peer's very own kind, where it used our formula for the same candidate
    assert priority_of(kind, rank, {value}) != value


def test_direct_comes_before_proxies_and_earlier_before_later() -> None:
    order = [priority_of(kind, rank, ()) for kind in s5b_candidates.TYPE_PREFERENCES for rank in range(8)]
    assert order == sorted(order, reverse=True)


def test_the_most_wanted_is_tried_first_and_each_place_once() -> None:
    assert hosts(
        candidate("192.0.2.1", 1), candidate("192.0.2.2", 3), candidate("192.0.2.3", 2), candidate("192.0.2.2", 1)
    ) == ["192.0.2.2", "192.0.2.3", "192.0.2.1"]


@pytest.mark.parametrize(
    "hostile",
    ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "fe80::1",
     "fe80::1%eth0", "", "localhost", "ldap.internal.example", "-", "a" * 300, "192.0.2.1:80", "192.0.2.1/8"],
)  # fmt: skip
def test_places_that_nobody_should_send_us_to(hostile: str) -> None:
    assert hosts(candidate(hostile)) == []


def test_loopback_where_the_user_wants_it() -> None:
    assert hosts(candidate("127.0.0.1"), candidate("0.0.0.0"), loopback=True) == ["127.0.0.1"]


def test_names_are_for_proxies() -> None:
    proxy = candidate("proxy.example", kind=StreamhostType.PROXY)
    assert hosts(proxy, candidate("peer.example"), candidate("a" * 300, kind=StreamhostType.PROXY)) == [proxy.host]
    assert hosts(candidate("prøxy.example", kind=StreamhostType.PROXY)) == []


def test_port_zero_and_no_port() -> None:
    assert hosts(candidate(port=0)) == []
    assert [each.effective_port for each in worth_trying([candidate(port=None)], loopback=False)] == [1080]


def test_only_so_many() -> None:
    many = [candidate(f"192.0.2.{number}", number + 1) for number in range(200)]
    assert len(worth_trying(many, loopback=False)) == s5b_candidates.MAX_CANDIDATES


def test_relay_only_connects_to_proxies_that_we_know() -> None:
    ours = candidate("proxy.example", kind=StreamhostType.PROXY)
    theirs = candidate("trap.example", kind=StreamhostType.PROXY)
    disguised = candidate("proxy.example", port=6000)
    usable = worth_trying([ours, theirs, disguised], loopback=False, proxies_only={("proxy.example", 5086)})
    assert usable == [ours]


def test_a_proxy_is_not_offered_twice() -> None:
    proxies = [Streamhost(jid=f"proxy{n}.example", host=f"192.0.2.{n // 2}", port=7777) for n in range(20)]
    offered = offerable(proxies, {("192.0.2.3", 7777)})
    assert len({proxy.host for proxy in offered}) == len(offered) == s5b_candidates.MAX_PROXIES
    assert "192.0.2.3" not in {proxy.host for proxy in offered}
    assert offerable([Streamhost(jid="p.example", host="p.example", port=0)], ()) == []


def test_a_listener_knows_every_order_in_use() -> None:
    names = names_to_accept("stream", "session", ME, PEER)
    assert destination("stream", ME, PEER) in names  # XEP-0260: the owner first
    assert destination("stream", PEER, ME) in names  # Gajim: the initiator first
    assert destination("session", PEER, ME) in names  # Gajim's listener hashes the session's sid


def test_names_to_ask_for() -> None:
    """Conversations announces none, so that it has to be worked out."""
    proper, announced = destination("stream", PEER, ME), "f" * 40
    as_responder = names_to_ask_for("stream", "session", ME, PEER, Role.RESPONDER, announced)
    assert as_responder[:2] == [announced, proper]
    as_initiator = names_to_ask_for("stream", "session", ME, PEER, Role.INITIATOR, None)
    assert as_initiator == [proper, destination("stream", ME, PEER), destination("session", ME, PEER)]
    # what the peer announces is asked for once, however it is spelled, and nothing that no SOCKS5 request can carry
    assert names_to_ask_for("stream", "stream", ME, PEER, Role.RESPONDER, f" {proper.upper()}") == [proper]
    for unusable in ("", "é" * 40, "a" * 256):
        assert names_to_ask_for("stream", "stream", ME, PEER, Role.RESPONDER, unusable) == [proper]


HIGH, LOW = candidate(priority=2), candidate(priority=1)
OTHER_LOW = candidate("192.0.2.9", priority=1)


@pytest.mark.parametrize(
    ("used_by_us", "used_by_peer", "nominated"),
    [(None, None, None), (HIGH, None, HIGH), (None, LOW, LOW), (HIGH, LOW, HIGH), (LOW, HIGH, HIGH)],
)
@pytest.mark.parametrize("role", Role)
def test_the_better_one_is_used(
    used_by_us: StreamhostCandidate | None,
    used_by_peer: StreamhostCandidate | None,
    nominated: StreamhostCandidate | None,
    role: Role,
) -> None:
    assert nominate(role, used_by_us, used_by_peer) is nominated


def test_equal_priorities_are_decided_by_the_initiator() -> None:
    # Section 2.4, point 4: the candidate chosen by the initiator; both sides come to the same.
    assert nominate(Role.INITIATOR, LOW, OTHER_LOW) is LOW
    assert nominate(Role.RESPONDER, OTHER_LOW, LOW) is LOW
