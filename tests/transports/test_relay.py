"""Relayed candidates from a real coturn (RFC 8656), over UDP, TCP and TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from jingle.elements.core import Role
from jingle.elements.declare import Element, serialize
from jingle.errors import TransportFailed
from jingle.testing.links import TransportPair
from jingle.transports import ice_gathering
from jingle.transports.base import IceServer, TransportOptions
from jingle.transports.ice_settings import IceSettings

from .ice_helpers import as_ice, coturn, exchange_data, only_loopback, wait_until, write_certificate

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("nothing_left")]

NAME = "turn.example.org"


@pytest.fixture
async def turn(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    files = write_certificate(tmp_path, certificate, key)
    async with coturn(tmp_path, certificate=files) as port:
        yield port, files[0]


def server(port: int, scheme: str, transport: str, **changes: str) -> IceServer:
    values = {"host": "127.0.0.1", "username": "user", "password": "secret", **changes}
    return IceServer(scheme=scheme, port=port, transport=transport, **values)


def shown_addresses(*elements: Element) -> set[str]:
    """Every address in any attribute of what was sent."""
    found = set()
    for element in elements:
        for node in serialize(element).iter():
            for value in node.attrib.values():
                try:
                    found.add(str(ipaddress.ip_address(value)))
                except ValueError:
                    continue
    return found


WAYS = [("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")]


@pytest.mark.parametrize(("scheme", "transport"), WAYS)
async def test_relay_only_shows_the_relay_and_nothing_else(
    turn: tuple[int, Path], monkeypatch: pytest.MonkeyPatch, scheme: str, transport: str
) -> None:
    only_loopback(monkeypatch, "192.0.2.99")
    port, authority = turn
    settings = IceSettings(connect_timeout=5, turn_tls=ssl.create_default_context(cafile=authority))
    options = TransportOptions(relay_only=True, loopback=True, ice_servers=(server(port, scheme, transport),))
    pair = TransportPair(settings=settings, options=options)
    offer = await pair.initiator.describe()
    assert as_ice(offer).candidates == ()
    await pair.responder.accept(offer)
    answer = await pair.responder.describe()
    pair.start_carrying()
    await pair.initiator.accept(answer)
    ours, theirs = await asyncio.gather(pair.initiator.connect(), pair.responder.connect())
    assert ours.path is not None
    assert theirs.path is not None
    assert ours.path.local.type == theirs.path.local.type == "relay"
    await exchange_data(ours, theirs)
    sent = [as_ice(info) for _, info in pair.infos]
    candidates = [candidate for info in sent for candidate in info.candidates]
    assert len(candidates) == 2
    assert {candidate.type.value for candidate in candidates} == {"relay"}
    assert {(candidate.rel_addr, candidate.rel_port) for candidate in candidates} == {("0.0.0.0", 9)}
    assert shown_addresses(offer, answer, *sent) == {"127.0.0.1", "0.0.0.0"}  # the relay is on 127.0.0.1
    assert {candidate.port for candidate in candidates} == {
        int(path.local.address.rpartition(":")[2]) for path in (ours.path, theirs.path)
    }
    closing = time.perf_counter()
    await pair.aclose()
    assert time.perf_counter() - closing < 0.5


async def test_a_relay_of_one_side_alone_is_enough(turn: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay is found long after the checks have begun, and joins them."""
    only_loopback(monkeypatch)

    async def late() -> tuple[IceServer, ...]:
        await asyncio.sleep(0.2)
        return (server(turn[0], "turn", "udp"),)

    pair = TransportPair(settings=IceSettings(connect_timeout=5), ice_servers=late)
    pair.responder.shared.agent._servers = ()
    await pair.negotiate()
    for protocol in pair.initiator.shared.agent._newest._protocols:
        monkeypatch.setattr(protocol.transport, "sendto", lambda data, addr: None)
    ours, theirs = await asyncio.gather(pair.initiator.connect(), pair.responder.connect())
    assert ours.path is not None
    assert theirs.path is not None
    assert (ours.path.local.type, theirs.path.local.type) == ("relay", "host")
    await exchange_data(ours, theirs)
    await pair.aclose()


async def test_a_restart_shows_no_more_than_the_relay(turn: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another relayed address is got, and neither offer nor answer tells any other."""
    only_loopback(monkeypatch, "192.0.2.99")
    options = TransportOptions(relay_only=True, loopback=True, ice_servers=(server(turn[0], "turn", "udp"),))
    pair = TransportPair(settings=IceSettings(connect_timeout=5), options=options)
    ours, theirs = await pair.connect()
    before = ours.path
    pair.infos.clear()
    await pair.initiator.restart()
    assert ours.path is not None
    assert ours.path.local.type == "relay"
    assert ours.path != before
    await exchange_data(ours, theirs)
    assert shown_addresses(*(info for _, info in pair.infos)) == {"127.0.0.1", "0.0.0.0"}
    answers = [as_ice(info) for role, info in pair.infos if role is Role.RESPONDER]
    assert answers[0].candidates  # without any, it would be an offer to Conversations
    await pair.aclose()


async def test_relays_over_udp_are_preferred_to_tcp_and_tls(turn: tuple[int, Path]) -> None:
    port, authority = turn
    settings = IceSettings(turn_tls=ssl.create_default_context(cafile=authority))
    servers = tuple(server(port, *way) for way in reversed(WAYS))
    pair = TransportPair(settings=settings, options=TransportOptions(relay_only=True, ice_servers=servers))
    await pair.initiator.describe()
    connection = pair.initiator.shared.agent._newest
    await wait_until(lambda: len(connection.local_candidates) == 3)
    best = max(connection.local_candidates, key=lambda candidate: candidate.priority)
    udp = next(p for p in connection._protocols if "udp" in repr(p.client))  # type: ignore[attr-defined]
    assert best is udp.local_candidate
    assert len({candidate.foundation for candidate in connection.local_candidates}) == 3
    await pair.aclose()


@pytest.mark.parametrize(
    ("scheme", "transport", "changes", "problem"),
    [
        ("turn", "udp", {"password": "wrong"}, "401"),
        ("turns", "tcp", {}, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
async def test_a_server_that_refuses_or_is_not_trusted_is_named(
    turn: tuple[int, Path], scheme: str, transport: str, changes: dict[str, str], problem: str
) -> None:
    servers = (server(turn[0], scheme, transport, **changes),)
    pair = TransportPair(options=TransportOptions(relay_only=True, ice_servers=servers))
    await pair.initiator.describe()
    with pytest.raises(TransportFailed, match="no relay") as caught:
        await asyncio.wait_for(pair.initiator.connect(), 3)
    assert problem in caught.value.tried[0]
    assert f"{scheme}:127.0.0.1:{turn[0]}" in caught.value.tried[0]
    assert "secret" not in caught.value.tried[0]
    await pair.aclose()


async def test_a_certificate_for_another_name_is_not_trusted(
    turn: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is verified, not the address it resolves to."""
    port, authority = turn

    async def resolve(host: str, port: int) -> tuple[tuple[str, int], ...]:
        return (("127.0.0.1", port),)

    monkeypatch.setattr(ice_gathering, "resolve", resolve)
    settings = IceSettings(turn_tls=ssl.create_default_context(cafile=authority))
    for host, trusted in (("localhost", True), ("elsewhere.example", False)):
        servers = (server(port, "turns", "tcp", host=host),)
        pair = TransportPair(settings=settings, options=TransportOptions(relay_only=True, ice_servers=servers))
        await pair.initiator.describe()
        connection = pair.initiator.shared.agent._newest
        await asyncio.wait_for(connection.gathered.wait(), 3)
        assert len(connection.local_candidates) == trusted
        assert trusted or "mismatch" in connection.problems[0]
        await pair.aclose()


@pytest.mark.parametrize(("scheme", "transport"), WAYS[:2])
async def test_closing_is_quick_when_the_relay_has_died(tmp_path: Path, scheme: str, transport: str) -> None:
    async with coturn(tmp_path) as port:
        servers = (server(port, scheme, transport),)
        pair = TransportPair(options=TransportOptions(relay_only=True, ice_servers=servers))
        ours, _ = await pair.connect()
    if transport == "tcp":
        cause = await asyncio.wait_for(ours.ended(), 2)
        assert cause is not None
        assert "relay" in cause.text
    started = time.perf_counter()
    await pair.aclose()
    assert time.perf_counter() - started < 0.5
