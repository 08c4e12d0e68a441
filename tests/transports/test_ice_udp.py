"""XEP-0176 between two transports whose elements cross as XML, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.elements import ice_udp
from jingle.elements.core import Role
from jingle.elements.declare import Element, from_string
from jingle.elements.ice_udp import Setup
from jingle.errors import RemoteProtocolError
from jingle.testing.links import TransportPair, make_context, over_the_wire
from jingle.transports.base import DatagramLink, Kind, Security, Transport
from jingle.transports.ice_udp import IceUdpTransport, usable
from jingle.transports.link import DtlsRole, IceDtlsLink

from .conftest import FAST
from .ice_helpers import (
    as_ice,
    connected,
    exchange_data,
    offered,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("nothing_left", "loopback_only")


async def test_description_of_an_offer(pair: TransportPair) -> None:
    offer = as_ice(over_the_wire(await pair.initiator.describe()))
    assert offer.ufrag
    assert offer.pwd
    assert len(offer.pwd) >= 22
    (fingerprint,) = offer.fingerprints
    assert (fingerprint.hash, fingerprint.setup) == ("sha-256", Setup.ACTPASS)
    assert len(fingerprint.digest) == 32 * 3 - 1
    assert {candidate.ip for candidate in offer.candidates} == {"127.0.0.1", "::1"}
    for candidate in offer.candidates:
        assert (candidate.component, candidate.protocol, candidate.type) == (1, "udp", ice_udp.CandidateType.HOST)
        assert (candidate.generation, candidate.network, candidate.rel_addr, candidate.rel_port) == (0, 0, None, None)
        assert candidate.id
        assert candidate.foundation.isdigit()
    assert len({candidate.id for candidate in offer.candidates}) == 2
    assert len({candidate.priority for candidate in offer.candidates}) == 2
    assert not offer.gathering_complete


def test_features_say_what_is_done_and_no_more() -> None:
    assert IceUdpTransport.features == ("urn:xmpp:jingle:transports:ice-udp:1", "urn:xmpp:jingle:apps:dtls:0")


async def test_certificates_and_credentials_are_fresh_for_each_session(pair: TransportPair) -> None:
    ours, theirs = as_ice(await pair.initiator.describe()), as_ice(await pair.responder.describe())
    assert ours.ufrag != theirs.ufrag
    assert ours.pwd != theirs.pwd
    assert ours.fingerprints[0].value != theirs.fingerprints[0].value


async def test_connects(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    assert ours.security is Security.DTLS
    assert ours.dtls.state == theirs.dtls.state == "connected"
    assert ours.path is not None
    assert theirs.path is not None
    assert (ours.path.local, ours.path.remote) == (theirs.path.remote, theirs.path.local)
    assert ours.path.local.type == "host"
    assert pair.initiator.path == ours.path
    await exchange_data(ours, theirs)
    assert ours.bytes_sent == theirs.bytes_received > 0


async def test_the_initiator_controls_and_the_answerer_starts_dtls(pair: TransportPair) -> None:
    await pair.negotiate()
    assert pair.initiator.shared.agent.role == "controlling"
    assert pair.responder.shared.agent.role == "controlled"
    assert (pair.initiator.shared.role, pair.responder.shared.role) == (DtlsRole.SERVER, DtlsRole.CLIENT)


def without_candidates(element: Element) -> ice_udp.IceUdpTransport:
    return replace(as_ice(element), candidates=())


def only_candidates(element: Element, **others: Any) -> list[ice_udp.IceUdpTransport]:
    """One transport-info for each candidate of a description."""
    transport = as_ice(element)
    bare = replace(transport, fingerprints=(), **others)
    return [replace(bare, candidates=(candidate,)) for candidate in transport.candidates]


@pytest.mark.parametrize("silent", [Role.INITIATOR, Role.RESPONDER])
async def test_one_side_never_sends_a_candidate(pair: TransportPair, silent: Role) -> None:
    """Conversations offers none; its address is learnt from its checks (RFC 8445 section 7.3.1.3)."""
    offer = await pair.initiator.describe()
    await pair.responder.accept(without_candidates(offer) if silent is Role.INITIATOR else offer)
    answer = await pair.responder.describe()
    await pair.initiator.accept(without_candidates(answer) if silent is Role.RESPONDER else answer)
    ours, theirs = await connected(pair)
    seen = ours.path if silent is Role.RESPONDER else theirs.path
    assert seen is not None
    assert seen.remote.type == "prflx"
    await exchange_data(ours, theirs)


async def test_candidates_come_late_and_one_by_one(pair: TransportPair) -> None:
    offer = await pair.initiator.describe()
    await pair.responder.accept(without_candidates(offer))
    answer = await pair.responder.describe()
    await pair.initiator.accept(without_candidates(answer))
    connecting = asyncio.ensure_future(connected(pair))
    await asyncio.sleep(0.1)
    assert not connecting.done()
    for info in only_candidates(offer):
        await pair.responder.info(over_the_wire(info))
    ours, theirs = await connecting
    await exchange_data(ours, theirs)


async def test_the_responders_candidates_come_before_its_answer_and_without_pwd(pair: TransportPair) -> None:
    """As stanza sends them: ufrag but no pwd, and no id, generation or network."""
    offer = await pair.initiator.describe()
    await pair.responder.accept(without_candidates(offer))
    answer = await pair.responder.describe()
    for info in only_candidates(answer, pwd=None):
        bare = tuple(replace(candidate, id=None, generation=None, network=None) for candidate in info.candidates)
        await pair.initiator.info(over_the_wire(replace(info, candidates=bare)))
    assert pair.initiator.shared.agent.remote is None
    await pair.initiator.accept(without_candidates(answer))
    ours, theirs = await connected(pair)
    assert ours.path is not None
    assert ours.path.remote.type == "host"


async def test_everything_may_come_in_one_transport_info_instead_of_the_answer(pair: TransportPair) -> None:
    await pair.responder.accept(await pair.initiator.describe())
    answer = await pair.responder.describe()
    await pair.initiator.info(answer)
    await pair.initiator.accept(ice_udp.IceUdpTransport())
    await connected(pair)


async def test_dinos_second_component_and_a_browsers_tcp_are_left_aside(pair: TransportPair) -> None:
    offer = as_ice(await pair.initiator.describe())
    more = tuple(
        replace(candidate, **change)
        for candidate in offer.candidates
        for change in ({"component": 2}, {"protocol": "tcp", "port": 9}, {"ip": "fe80::1%eth0"})
    )
    await pair.responder.accept(over_the_wire(replace(offer, candidates=more + offer.candidates)))
    await pair.initiator.accept(await pair.responder.describe())
    ours, theirs = await connected(pair)
    assert len(pair.responder.shared.agent._newest.remote_candidates) == 2


@pytest.mark.parametrize(
    ("change", "host"),
    [
        ({}, "192.0.2.1"),
        ({"protocol": "UDP"}, "192.0.2.1"),
        ({"ip": " 192.0.2.1 "}, "192.0.2.1"),
        ({"ip": "2001:DB8:0::1"}, "2001:db8::1"),
        ({"ip": "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"}, "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"),
        ({"type": ice_udp.CandidateType.PRFLX}, "192.0.2.1"),
        ({"component": 2}, None),
        ({"protocol": "tcp", "port": 9, "tcptype": ice_udp.TcpType.ACTIVE}, None),
        ({"protocol": "ssltcp"}, None),
        ({"port": 0}, None),
        ({"ip": "fe80::1"}, None),
        ({"ip": "fe80::1%eth0"}, None),
        ({"ip": "2001:db8::1%eth0"}, None),
        ({"ip": "::ffff:192.0.2.1"}, None),
        ({"ip": "0.0.0.0"}, None),
        ({"ip": "::"}, None),
        ({"ip": "224.0.0.1"}, None),
        ({"ip": "ff02::1"}, None),
        ({"ip": ""}, None),
        ({"ip": "localhost"}, None),
        ({"ip": "evil.example"}, None),
        ({"ip": "a.b.local"}, None),
        ({"ip": "192.0.2.1:80"}, None),
        ({"ip": "010.0.0.1"}, None),
        ({"ip": "9" * 5000}, None),
    ],
)
def test_which_candidates_are_used(change: dict[str, object], host: str | None) -> None:
    candidate = usable(offered(**change))
    assert (candidate and candidate.host) == host


@given(
    st.builds(
        offered,
        ip=st.one_of(st.text(), st.ip_addresses().map(str), st.from_regex(r"[0-9a-fA-F:.%]{0,50}", fullmatch=True)),
        port=st.integers(0, 65535),
        component=st.integers(0, 255),
        type=st.sampled_from(ice_udp.CandidateType),
    )
)
def test_whatever_a_peer_offers_is_an_address_that_can_be_sent_to_or_nothing(candidate: ice_udp.Candidate) -> None:
    found = usable(candidate)
    if found is None:
        return
    assert found.port > 0
    assert found.type in ("host", "srflx", "relay")  # what aioice takes
    if not found.host.endswith(".local"):
        address = ipaddress.ip_address(found.host)
        assert str(address) == found.host
        assert not address.is_multicast


def test_it_has_the_shape_of_a_transport_and_its_link() -> None:
    """Checked by mypy; here only that the shapes exist."""
    transport: type[Transport] = IceUdpTransport
    link: type[DatagramLink] = IceDtlsLink
    assert (transport.name, transport.kind) == ("ice-udp", Kind.DATAGRAM)
    assert (link, IceDtlsLink.security) == (IceDtlsLink, Security.DTLS)


@pytest.mark.parametrize(
    "xml",
    [
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='a:b' pwd='x'/>",
        "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='' pwd='x'/>",
        f"<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='a' pwd='{'x' * 300}'/>",
        "<transport xmlns='urn:xmpp:jingle:transports:raw-udp:1'/>",
        "<transport xmlns='urn:example:nothing'/>",
    ],
)
@pytest.mark.parametrize("method", ["accept", "info"])
async def test_elements_that_cannot_be_used(pair: TransportPair, xml: str, method: str) -> None:
    with pytest.raises(RemoteProtocolError):
        await getattr(pair.initiator, method)(from_string(xml))


async def two_contents(pair: TransportPair) -> tuple[IceUdpTransport, IceUdpTransport, list[object]]:
    """A second content for each side of `pair`."""
    infos: list[object] = []
    ours = IceUdpTransport(make_context(Role.INITIATOR, infos.append), settings=FAST)
    theirs = IceUdpTransport(make_context(Role.RESPONDER, infos.append), settings=FAST)
    return ours, theirs, infos


async def test_bundled_contents_share_one_link(pair: TransportPair) -> None:
    ours, theirs, _ = await two_contents(pair)
    await ours.bundle_with(pair.initiator)
    await theirs.bundle_with(pair.responder)
    first, second = as_ice(await pair.initiator.describe()), as_ice(await ours.describe())
    assert (first.ufrag, first.pwd, first.fingerprints) == (second.ufrag, second.pwd, second.fingerprints)
    assert second.candidates == ()
    assert ours.is_bundled
    assert not pair.initiator.is_bundled
    await pair.responder.accept(first)
    await theirs.accept(second)
    answers = await pair.responder.describe(), await theirs.describe()
    await pair.initiator.accept(answers[0])
    # What another m-line's transport says does not count in a bundle (RFC 9143 section 7.1.3), lest it be a restart.
    await ours.accept(replace(as_ice(answers[1]), ufrag="other", pwd="y" * 22))
    a, b, c, d = await asyncio.gather(*(each.connect() for each in (pair.initiator, ours, pair.responder, theirs)))
    assert a is b
    assert c is d
    await pair.initiator.aclose()
    await pair.initiator.aclose()  # twice does not count twice
    await exchange_data(a, c)
    assert not ours.is_bundled
    await ours.aclose()
    assert await asyncio.wait_for(a.ended(), 1) is None
    await theirs.aclose()


async def test_a_group_that_the_peer_does_not_accept(pair: TransportPair) -> None:
    """Dino knows no BUNDLE: the second content connects by itself, with what was announced."""
    ours, theirs, infos = await two_contents(pair)
    await ours.bundle_with(pair.initiator)
    await pair.initiator.describe()
    offer = as_ice(await ours.describe())
    await theirs.accept(offer)
    answer = await theirs.describe()
    await ours.unbundle()
    await ours.accept(answer)
    first, second = await asyncio.gather(ours.connect(), theirs.connect())
    await wait_until(lambda: bool(infos))
    info = as_ice(infos[0])  # type: ignore[arg-type]
    assert (info.ufrag, info.pwd) == (offer.ufrag, offer.pwd)
    assert len(info.candidates) == 2
    await exchange_data(first, second)
    await asyncio.gather(ours.aclose(), theirs.aclose())
