"""ICE restarts: what brings them about, both dialects, ties, peers that know none, and peers that know no measure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from jingle.elements.core import Role
from jingle.elements.ice_udp import Fingerprint, IceUdpTransport, Setup
from jingle.errors import TransportFailed
from jingle.testing.links import TransportPair
from jingle.transports import ice_agent, ice_restart
from jingle.transports.base import TransportOptions
from jingle.transports.ice_gathering import MAX_ADDRESSES
from jingle.transports.link import IceDtlsLink

from .conftest import FAST
from .ice_helpers import as_ice, exchange_data, offered, wait_until

pytestmark = pytest.mark.usefixtures("nothing_left", "loopback_only")

PATIENT = replace(FAST, consent_expiry=20)
"""Restarts are over before consent is."""


class Monitor:
    """Addresses change when a test says so."""

    def __init__(self) -> None:
        self.subscribers: list[Callable[[frozenset[str], frozenset[str]], None]] = []

    def subscribe(self, changed: Callable[[frozenset[str], frozenset[str]], None]) -> Callable[[], None]:
        self.subscribers.append(changed)
        return lambda: self.subscribers.remove(changed)

    def change(self, *, gone: str | None = None, new: str | None = None) -> None:
        for changed in list(self.subscribers):
            changed(frozenset({gone} if gone else ()), frozenset({new} if new else ()))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Monitor:
    """A machine that has some address."""
    monkeypatch.setattr(ice_restart, "usable_addresses", lambda: frozenset({"192.0.2.1"}))
    return Monitor()


@pytest.fixture
async def watched(machine: Monitor) -> AsyncIterator[TransportPair]:
    pair = TransportPair(settings=PATIENT, addresses=machine)
    yield pair
    await pair.aclose()
    assert machine.subscribers == []


@pytest.fixture
async def pair() -> AsyncIterator[TransportPair]:
    pair = TransportPair(settings=PATIENT)
    yield pair
    await pair.aclose()


def states(pair: TransportPair, role: Role) -> list[tuple[str, str]]:
    return [(change.state, change.cause) for teller, change in pair.changes if teller is role]


def offers(pair: TransportPair, role: Role) -> list[IceUdpTransport]:
    """What a side sent to begin a restart."""
    sent = [as_ice(info) for sender, info in pair.infos if sender is role]
    return [info for info in sent if any(each.setup is Setup.ACTPASS for each in info.fingerprints)]


def base_of(link: IceDtlsLink) -> str:
    assert link.path is not None
    return link.path.local.address.rpartition(":")[0].strip("[]")


# What brings them about


@pytest.mark.parametrize("who", [Role.INITIATOR, Role.RESPONDER])
async def test_an_address_that_is_gone(watched: TransportPair, machine: Monitor, who: Role) -> None:
    ours, theirs = await watched.connect()
    before = ours.path
    base = base_of(ours)
    machine.subscribers.pop(1 if who is Role.INITIATOR else 0)
    machine.change(gone=base)
    await wait_until(lambda: len(watched.changes) == 4)
    assert states(watched, who) == [("restarting", "addresses"), ("restarted", "addresses")]
    assert states(watched, who.other) == [("restarting", "peer"), ("restarted", "peer")]
    assert ours.path != before
    await exchange_data(ours, theirs)
    machine.subscribers.append(lambda gone, new: None)  # for the one that was taken off
    machine.subscribers.clear()
    watched.initiator.shared.restarts._unsubscribe = watched.responder.shared.restarts._unsubscribe = None


async def test_an_address_that_comes(watched: TransportPair, machine: Monitor) -> None:
    """On both machines at the same moment: one restart comes of it."""
    ours, theirs = await watched.connect()
    before = ours.path, theirs.path
    machine.change(new="198.51.100.7")
    await wait_until(lambda: ours.path != before[0] and theirs.path != before[1])
    await exchange_data(ours, theirs)
    await wait_until(lambda: not watched.initiator.shared.agent.is_restarting)
    assert len(offers(watched, Role.INITIATOR)) == 1


async def test_an_address_that_was_not_in_use(watched: TransportPair, machine: Monitor) -> None:
    await watched.connect()
    machine.change(gone="198.51.100.7")
    await asyncio.sleep(0.05)
    assert watched.changes == []


async def test_a_machine_without_any_address_waits(
    watched: TransportPair, machine: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _ = await watched.connect()
    monkeypatch.setattr(ice_restart, "usable_addresses", frozenset)
    machine.change(gone=base_of(ours))
    await asyncio.sleep(0.05)
    assert watched.changes == []


async def test_an_address_that_comes_while_it_rings(
    watched: TransportPair, machine: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is restarted that is not there yet: the address is used as well, and here no other one works."""
    offer = await watched.initiator.describe()
    for protocol in watched.initiator.shared.agent._newest._protocols:
        monkeypatch.setattr(protocol.transport, "sendto", lambda data, addr: None)
    machine.change(gone="192.0.2.7")
    machine.change(new="127.0.0.2")
    await wait_until(lambda: watched.infos)
    await watched.responder.accept(offer)
    answer = await watched.responder.describe()
    watched.start_carrying()
    await watched.initiator.accept(answer)
    ours, theirs = await asyncio.gather(watched.initiator.connect(), watched.responder.connect())
    assert base_of(ours) == "127.0.0.2"
    assert watched.changes == []
    await exchange_data(ours, theirs)


async def test_addresses_without_end(watched: TransportPair, machine: Monitor) -> None:
    await watched.initiator.describe()
    for number in range(2, 60):
        machine.change(new=f"127.0.0.{number}")
    agent = watched.initiator.shared.agent
    await wait_until(lambda: len(agent._newest._protocols) == MAX_ADDRESSES)
    await asyncio.sleep(0.05)
    assert len(agent._newest._protocols) == MAX_ADDRESSES


async def test_whoever_hides_shows_no_address_that_comes(machine: Monitor) -> None:
    pair = TransportPair(settings=PATIENT, options=TransportOptions(relay_only=True), addresses=machine)
    await pair.initiator.describe()
    machine.change(new="127.0.0.2")
    await asyncio.sleep(0.1)
    assert pair.infos == []
    await pair.aclose()


async def test_consent_that_fails(pair: TransportPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path breaks and nobody is told: the checks find out, and another one is found."""
    ours, theirs = await pair.connect()
    for transport in (pair.initiator, pair.responder):
        for protocol in transport.shared.agent._newest._protocols:
            monkeypatch.setattr(protocol.transport, "sendto", lambda data, addr: None)
    before = ours.path, theirs.path
    await wait_until(lambda: ours.path != before[0] and theirs.path != before[1], 5)
    await exchange_data(ours, theirs)
    causes = {change.cause for _, change in pair.changes}
    assert "consent" in causes
    assert causes <= {"consent", "peer"}


async def test_nothing_is_lost_while_the_old_path_works(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    got: list[bytes] = []

    class Receiver:
        async def _handle_data(self, data: bytes) -> None:
            got.append(data)

    theirs.dtls._register_data_receiver(Receiver())
    sent = [bytes([number]) for number in range(100)]

    async def speak() -> None:
        for data in sent:
            await ours.dtls._send_data(data)
            await asyncio.sleep(0.005)

    speaking = asyncio.ensure_future(speak())
    await asyncio.sleep(0.1)
    await pair.initiator.restart()
    await speaking
    await wait_until(lambda: len(got) == len(sent))
    assert sorted(got) == sent


# Dialects


async def test_what_is_sent_suits_both_dialects(pair: TransportPair) -> None:
    """Conversations wants an offer without candidates, the XEP new credentials with a higher generation."""
    await pair.connect()
    first = pair.initiator.shared.agent.local
    pair.infos.clear()
    await pair.initiator.restart()
    mine = [as_ice(info) for role, info in pair.infos if role is Role.INITIATOR]
    assert mine[0].candidates == ()
    assert {info.ufrag for info in mine} == {mine[0].ufrag} != {first.ufrag}
    assert {info.pwd for info in mine} == {mine[0].pwd} != {first.pwd}
    candidates = [candidate for info in mine for candidate in info.candidates]
    assert candidates
    assert {candidate.generation for candidate in candidates} == {1}
    assert all(info.pwd for info in mine)


async def test_a_restart_as_the_xep_has_it(pair: TransportPair) -> None:
    """One element with a candidate of a higher generation and new credentials (section 5.9)."""
    await pair.connect()
    pair.infos.clear()
    await pair.responder.info(
        IceUdpTransport(ufrag="g7qs", pwd="bv71hdn38hgb39hf6xlk33", candidates=(offered(generation=1, port=45665),))
    )
    answer = as_ice(pair.infos[0][1])
    assert answer.candidates
    assert {candidate.generation for candidate in answer.candidates} == {1}
    assert answer.fingerprints[0].setup is Setup.ACTIVE
    newest = pair.responder.shared.agent._newest
    assert newest.remote is not None
    assert newest.remote.ufrag == "g7qs"
    assert [candidate.port for candidate in newest.remote_candidates] == [45665]


async def test_late_candidates_with_old_credentials_are_no_answer(pair: TransportPair) -> None:
    """Most clients repeat ufrag and pwd with every candidate."""
    ours, theirs = await pair.connect()
    old = pair.responder.shared.agent.local
    assert pair._carrier is not None
    pair._carrier.cancel()
    agent = pair.initiator.shared.agent
    await pair.initiator.shared.offer_restart()
    await pair.initiator.info(
        IceUdpTransport(ufrag=old.ufrag, pwd=old.pwd, candidates=(offered(ip="127.0.0.1", port=9),))
    )
    assert agent.is_waiting
    await pair.initiator.info(IceUdpTransport(ufrag="other", candidates=(offered(port=9),)))  # unknown: may come early
    assert agent.is_waiting
    await exchange_data(ours, theirs)


async def test_an_answer_has_candidates_or_waits_for_them() -> None:
    """Without any, as relays come late, it would look like an offer to Conversations."""
    pair = TransportPair(settings=PATIENT, options=TransportOptions(relay_only=True))
    await pair.responder.accept(await pair.initiator.describe())
    await pair.responder.describe()
    await pair.responder.info(IceUdpTransport(ufrag="g7qs", pwd="bv71hdn38hgb39hf6xlk33"))
    assert pair.infos == []
    await pair.aclose()


async def test_an_initiator_that_alone_may_restart(watched: TransportPair, machine: Monitor) -> None:
    """stanza.js ends the call of a responder that restarts; it is known by what it says about its gathering."""
    ours, _ = await watched.connect()
    await watched.responder.info(IceUdpTransport(gathering_complete=True))
    with pytest.raises(TransportFailed, match="initiator only"):
        await watched.responder.restart()
    machine.subscribers[1](frozenset({base_of(ours)}), frozenset())
    await asyncio.sleep(0.05)
    assert watched.changes == []


async def test_with_bundle_there_is_one_restart(pair: TransportPair) -> None:
    """Whoever asks for it; the new credentials are told for every content."""
    sound, picture = pair.initiator, type(pair.initiator)(pair.initiator._context, settings=PATIENT)
    await picture.bundle_with(sound)
    ours, theirs = await pair.connect()
    pair.infos.clear()
    await picture.restart()
    told = offers(pair, Role.INITIATOR)
    assert len(told) == 2
    assert told[0] == told[1]
    assert sound.shared.agent.generation == 1
    await exchange_data(ours, theirs)
    await picture.aclose()


# Both at once


async def test_a_tie_is_the_initiators(pair: TransportPair) -> None:
    """XEP-0371 section 5.10: the initiator answers the responder's with tie-break, and one restart comes of both."""
    ours, theirs = await pair.connect()
    before = ours.path, theirs.path
    await asyncio.gather(pair.initiator.restart(), pair.responder.restart())
    assert [tie.ufrag for tie in map(as_ice, pair.ties)] == [offers(pair, Role.RESPONDER)[0].ufrag]
    await wait_until(lambda: ours.path != before[0] and theirs.path != before[1])
    assert ours.path is not None
    assert theirs.path is not None
    assert (ours.path.local, ours.path.remote) == (theirs.path.remote, theirs.path.local)
    await exchange_data(ours, theirs)


@pytest.mark.parametrize("setup", [Setup.ACTIVE, Setup.PASSIVE])
async def test_an_answer_without_candidates_is_no_tie(pair: TransportPair, setup: Setup) -> None:
    """stanza.js answers so; what tells it from an offer is that the DTLS role is settled."""
    await pair.connect()
    assert pair._carrier is not None
    pair._carrier.cancel()
    await pair.initiator.shared.offer_restart()
    fingerprint = Fingerprint(hash="sha-256", setup=setup, value=pair.responder.shared.fingerprint)
    answer = IceUdpTransport(ufrag="MACX", pwd="bBS091ebMJXB9QuRz1fZVWx", fingerprints=(fingerprint,))
    assert not pair.initiator.crosses(answer)
    assert pair.initiator.crosses(replace(answer, fingerprints=()))
    assert pair.initiator.crosses(replace(answer, fingerprints=(replace(fingerprint, setup=Setup.ACTPASS),)))
    assert not pair.initiator.crosses(replace(answer, fingerprints=(), candidates=(offered(),)))
    await pair.initiator.info(answer)
    assert not pair.initiator.shared.agent.is_waiting


# Peers that know no restarts, or no measure


@pytest.mark.parametrize("how", ["silent", "refuses"])
async def test_a_peer_without_restarts(pair: TransportPair, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dino says nothing, Monal answers with an error; the call goes on over the old path, and we say so."""
    ours, theirs = await pair.connect()
    before = ours.path
    assert pair._carrier is not None
    pair._carrier.cancel()
    if how == "silent":
        monkeypatch.setattr(pair.initiator.shared.agent, "_settings", replace(PATIENT, answer_timeout=0.1))
    restarting = asyncio.ensure_future(pair.initiator.restart())
    await wait_until(lambda: pair.initiator.shared.agent.is_waiting)
    if how == "refuses":
        await pair.initiator.refused("not-authorized")
    with pytest.raises(TransportFailed, match="takes no part" if how == "silent" else "not-authorized"):
        await restarting
    (_, begun), (_, ended) = pair.changes
    assert (begun.state, begun.cause) == ("restarting", "asked")
    assert (ended.state, ended.cause, ended.path) == ("failed", "asked", before)
    assert ended.text
    assert ours.path == before
    await exchange_data(ours, theirs)


async def test_a_peer_that_is_gone_is_not_waited_for_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart that nobody answers does not keep a call alive beyond consent."""
    pair = TransportPair(settings=FAST)
    ours, _ = await pair.connect()
    assert pair._carrier is not None
    pair._carrier.cancel()
    await pair.responder.shared.agent.aclose()
    cause = await asyncio.wait_for(ours.ended(), 2)
    assert cause is not None
    assert "has not answered" in cause.text
    assert states(pair, Role.INITIATOR)[:1] == [("restarting", "consent")]
    await pair.aclose()


async def test_a_peer_that_restarts_without_end(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    agent = pair.responder.shared.agent
    for number in range(ice_agent.RESTARTS * 4):
        await pair.responder.info(IceUdpTransport(ufrag=f"ufrag{number}", pwd="x" * 22))
    assert agent.generation == ice_agent.RESTARTS
    await wait_until(lambda: len(agent._connections) <= 2)
    await exchange_data(ours, theirs)


async def test_a_network_that_flaps(watched: TransportPair, machine: Monitor) -> None:
    await watched.connect()
    for number in range(ice_restart.BURST * 5):
        machine.change(new=f"198.51.100.{number}")
        await asyncio.sleep(0.01)
    assert len(offers(watched, Role.INITIATOR)) <= ice_restart.BURST
    assert watched.initiator.shared.agent.generation <= ice_restart.BURST + ice_agent.RESTARTS


async def test_before_there_is_a_path_nothing_can_be_restarted(pair: TransportPair) -> None:
    await pair.initiator.describe()
    with pytest.raises(TransportFailed, match="nothing is connected"):
        await pair.initiator.restart()


async def test_closing_ends_the_waiting(pair: TransportPair) -> None:
    await pair.connect()
    assert pair._carrier is not None
    pair._carrier.cancel()
    restarting = asyncio.ensure_future(pair.initiator.restart())
    await wait_until(lambda: pair.initiator.shared.agent.is_waiting)
    await pair.aclose()
    with pytest.raises(TransportFailed, match="closed"):
        await restarting


async def test_closing_ends_the_waiting_for_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has restarted too often waits a while, in which all may be over."""
    monkeypatch.setattr(ice_restart, "INTERVAL", 0.2)
    pair = TransportPair(settings=PATIENT)
    await pair.connect()
    while pair.initiator.shared.restarts._allowance.take():
        pass
    restarting = asyncio.ensure_future(pair.initiator.restart())
    await asyncio.sleep(0)
    await pair.aclose()
    with pytest.raises(TransportFailed, match="closed"):
        await asyncio.wait_for(restarting, 10)


async def test_what_is_closed_is_not_restarted(pair: TransportPair) -> None:
    """Nor are sockets opened that nobody would close."""
    await pair.connect()
    pair.infos.clear()
    agent = pair.initiator.shared.agent
    await agent.aclose()
    await pair.initiator.shared.offer_restart()
    assert agent._connections == [agent._current]
    assert pair.infos == []
