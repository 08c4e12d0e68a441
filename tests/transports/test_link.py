"""DTLS on ICE (XEP-0320): whom it lets in, and how a link begins and ends."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile, generate_certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

from jingle.elements import ice_udp
from jingle.elements.core import Role
from jingle.elements.ice_udp import Fingerprint, Setup
from jingle.errors import TransportFailed
from jingle.testing.links import TransportPair, drop_when, over_the_wire
from jingle.transports import link
from jingle.transports.base import RtpPacket, RtpParameters, TransportOptions
from jingle.transports.ice_udp import dtls_role
from jingle.transports.link import DtlsRole

from .conftest import FAST
from .ice_helpers import (
    as_ice,
    connected,
    dead_server,
    exchange_data,
    with_fingerprint,
)

pytestmark = pytest.mark.usefixtures("nothing_left", "loopback_only")


async def test_a_second_transport_waits_for_the_same_link(pair: TransportPair) -> None:
    await pair.negotiate()
    first, second, _ = await asyncio.gather(
        pair.initiator.connect(), pair.initiator.connect(), pair.responder.connect()
    )
    assert first is second


async def test_cancelling_one_who_waits_leaves_the_other(pair: TransportPair) -> None:
    await pair.negotiate()
    impatient = asyncio.ensure_future(pair.initiator.connect())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    await connected(pair)


@pytest.mark.parametrize(
    ("theirs", "answering", "role"),
    [
        # RFC 5763 section 5 and RFC 4145 section 4.1, then what gateways and Dino do.
        (Setup.ACTPASS, True, DtlsRole.CLIENT),
        (Setup.ACTIVE, True, DtlsRole.SERVER),
        (Setup.PASSIVE, True, DtlsRole.CLIENT),
        (None, True, DtlsRole.CLIENT),
        (Setup.ACTIVE, False, DtlsRole.SERVER),
        (Setup.PASSIVE, False, DtlsRole.CLIENT),
        (Setup.ACTPASS, False, DtlsRole.SERVER),
        (None, False, DtlsRole.SERVER),
    ],
)
def test_setup_roles(theirs: Setup | None, answering: bool, role: DtlsRole) -> None:
    assert dtls_role((Fingerprint(hash="sha-256", setup=theirs, value="AB"),), answering=answering) is role


@pytest.mark.parametrize("answering", [True, False])
def test_holdconn_is_refused(answering: bool) -> None:
    with pytest.raises(TransportFailed, match="holdconn") as caught:
        dtls_role((Fingerprint(hash="sha-256", setup=Setup.HOLDCONN, value="AB"),), answering=answering)
    assert caught.value.reason == "security-error"


@pytest.mark.parametrize(
    ("offered", "answered"),
    [(Setup.ACTPASS, Setup.ACTIVE), (Setup.ACTIVE, Setup.PASSIVE), (Setup.PASSIVE, Setup.ACTIVE), (None, Setup.ACTIVE)],
)
async def test_connects_whatever_setup_is_offered(pair: TransportPair, offered: Setup | None, answered: Setup) -> None:
    offer = as_ice(await pair.initiator.describe())
    await pair.responder.accept(with_fingerprint(offer, replace(offer.fingerprints[0], setup=offered)))
    answer = as_ice(await pair.responder.describe())
    assert answer.fingerprints[0].setup is answered
    await pair.initiator.accept(answer)
    await exchange_data(*await connected(pair))


@pytest.mark.parametrize("answered", [Setup.ACTPASS, None])
async def test_an_answer_that_leaves_the_role_open_means_active(pair: TransportPair, answered: Setup | None) -> None:
    await pair.responder.accept(await pair.initiator.describe())
    answer = as_ice(await pair.responder.describe())
    await pair.initiator.accept(with_fingerprint(answer, replace(answer.fingerprints[0], setup=answered)))
    await connected(pair)


WRONG = ":".join(["AB"] * 32)


@pytest.mark.parametrize("cheated", [Role.INITIATOR, Role.RESPONDER])
async def test_a_wrong_fingerprint_ends_it_before_anything_flows(pair: TransportPair, cheated: Role) -> None:
    offer = as_ice(await pair.initiator.describe())
    wrong = Fingerprint(hash="sha-256", setup=Setup.ACTPASS, value=WRONG)
    await pair.responder.accept(with_fingerprint(offer, wrong) if cheated is Role.RESPONDER else offer)
    answer = as_ice(await pair.responder.describe())
    wrong = replace(wrong, setup=Setup.ACTIVE)
    await pair.initiator.accept(with_fingerprint(answer, wrong) if cheated is Role.INITIATOR else answer)
    victim, other = (pair.initiator, pair.responder) if cheated is Role.INITIATOR else (pair.responder, pair.initiator)
    results = await asyncio.gather(victim.connect(), other.connect(), return_exceptions=True)
    assert isinstance(results[0], TransportFailed)
    assert results[0].reason == "security-error"
    assert "does not match the fingerprint" in results[0].text


async def test_the_certificate_in_the_middle_never_gets_keys(
    pair: TransportPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order within the handshake: identity before keys, and no keys without identity."""
    made = []
    validate = link._Dtls._validate_peer_identity

    def remember(self: link._Dtls, parameters: object) -> None:
        made.append(self)
        validate(self, parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(link._Dtls, "_validate_peer_identity", remember)
    await pair.negotiate()
    pair.initiator.shared.certificate = RTCCertificate.generateCertificate()
    results = await asyncio.gather(pair.responder.connect(), pair.initiator.connect(), return_exceptions=True)
    assert isinstance(results[0], TransportFailed)
    assert "does not match" in results[0].text
    refused = next(dtls for dtls in made if dtls.refusal)
    assert refused.state == "failed"
    assert refused._rx_srtp is None
    assert refused._tx_srtp is None
    assert refused._task is None
    for send in (refused._send_rtp, refused._send_data):
        with pytest.raises(ConnectionError):
            await send(b"\x80\x60secret")


@pytest.mark.parametrize("bits", [2048, 4096])
@pytest.mark.parametrize("setup", [Setup.ACTIVE, Setup.PASSIVE])
async def test_a_peer_with_an_rsa_certificate_like_gstreamers(
    pair: TransportPair, setup: Setup, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no suite in common with aiortc's own, where ours starts the handshake.

    FreeSWITCH's has twice the bits, so that what it says takes several datagrams.
    """
    monkeypatch.setattr(link._Dtls, "_write_ssl", _write_records)
    key: Any = rsa.generate_private_key(65537, bits)
    pair.responder.shared.certificate = _Rsa(key, generate_certificate(key))
    offer = as_ice(await pair.initiator.describe())
    ours = {Setup.ACTIVE: Setup.PASSIVE, Setup.PASSIVE: Setup.ACTIVE}[setup]
    await pair.responder.accept(with_fingerprint(offer, replace(offer.fingerprints[0], setup=ours)))
    answer = as_ice(await pair.responder.describe())
    assert answer.fingerprints[0].setup is setup
    await pair.initiator.accept(answer)
    await exchange_data(*await connected(pair))


async def test_a_certificate_that_is_not_valid_yet_like_dinos(pair: TransportPair) -> None:
    """Its validity begins a day after it was made; only the fingerprint counts (RFC 8122 section 6)."""
    key = ec.generate_private_key(ec.SECP256R1())
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tomorrow")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(tomorrow)
        .not_valid_after(tomorrow + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pair.responder.shared.certificate = RTCCertificate(key, certificate)
    await exchange_data(*await pair.connect())


async def _write_records(self: Any) -> None:
    """Send each record by itself; aiortc sends the first 1500 bytes of whatever there is."""
    with contextlib.suppress(SSL.WantReadError):
        data = self._ssl.bio_read(1 << 16)
        while data:
            size = 13 + int.from_bytes(data[11:13], "big")  # RFC 6347 section 4.1
            await self.transport._send(data[:size])
            data = data[size:]


class _Rsa(RTCCertificate):
    """As OpenSSL takes it by itself: with no suite that such a key cannot do."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"DEFAULT")
        return context


async def test_an_offer_without_fingerprint_is_refused_at_once(pair: TransportPair) -> None:
    """Gajim offers plain RTP."""
    offer = with_fingerprint(await pair.initiator.describe())
    with pytest.raises(TransportFailed, match="not encrypted") as caught:
        await pair.responder.accept(offer)
    assert caught.value.reason == "security-error"


async def test_an_answer_without_fingerprint_fails(pair: TransportPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "FINGERPRINT_TIMEOUT", 0.1)
    await pair.responder.accept(await pair.initiator.describe())
    await pair.initiator.accept(with_fingerprint(await pair.responder.describe()))
    waiting = asyncio.ensure_future(pair.responder.connect())
    with pytest.raises(TransportFailed, match="no DTLS fingerprint") as caught:
        await pair.initiator.connect()
    assert caught.value.reason == "security-error"
    await pair.aclose()
    with pytest.raises(TransportFailed):
        await waiting


@pytest.mark.parametrize("before_the_answer", [True, False])
async def test_a_gateways_fingerprint_comes_in_a_transport_info(pair: TransportPair, before_the_answer: bool) -> None:
    await pair.responder.accept(await pair.initiator.describe())
    answer = as_ice(await pair.responder.describe())
    alone = ice_udp.IceUdpTransport(fingerprints=(replace(answer.fingerprints[0], setup=Setup.ACTPASS),))
    if before_the_answer:
        await pair.initiator.info(over_the_wire(alone))
        await pair.initiator.accept(with_fingerprint(answer))
        await connected(pair)
    else:
        await pair.initiator.accept(with_fingerprint(answer))
        connecting = asyncio.ensure_future(connected(pair))
        await asyncio.sleep(0.2)
        assert not connecting.done()
        await pair.initiator.info(over_the_wire(alone))
        await connecting


@pytest.mark.parametrize(
    "hashes",
    [("sha-256",), ("sha-384",), ("sha-512",), ("SHA-512", "sha-256"), ("sha-1", "sha-256"), ("md5", "sha-384")],
)
async def test_strong_fingerprints_of_any_kind_are_accepted(pair: TransportPair, hashes: tuple[str, ...]) -> None:
    offer = as_ice(await pair.initiator.describe())
    digests = {f.algorithm: f.value for f in pair.initiator.shared.certificate.getFingerprints()}
    announced = tuple(
        Fingerprint(hash=name, setup=Setup.ACTPASS, value=f"\n  {digests.get(name.lower(), 'AB:CD').lower()}\n")
        for name in hashes
    )
    await pair.responder.accept(over_the_wire(with_fingerprint(offer, *announced)))
    await pair.initiator.accept(await pair.responder.describe())
    await connected(pair)


async def test_one_of_several_certificates_may_match_but_the_strongest_hash_counts(pair: TransportPair) -> None:
    """RFC 8122 section 5.1."""
    digests = {f.algorithm: f.value for f in pair.initiator.shared.certificate.getFingerprints()}
    offer = as_ice(await pair.initiator.describe())
    announced = (
        Fingerprint(hash="sha-256", setup=Setup.ACTPASS, value=WRONG),
        Fingerprint(hash="sha-256", setup=Setup.ACTPASS, value=digests["sha-256"]),
    )
    await pair.responder.accept(with_fingerprint(offer, *announced))
    await pair.initiator.accept(await pair.responder.describe())
    await connected(pair)


async def test_a_strong_wrong_fingerprint_beside_a_weaker_right_one_is_wrong(pair: TransportPair) -> None:
    digests = {f.algorithm: f.value for f in pair.initiator.shared.certificate.getFingerprints()}
    offer = as_ice(await pair.initiator.describe())
    announced = (
        Fingerprint(hash="sha-512", setup=Setup.ACTPASS, value=":".join(["AB"] * 64)),
        Fingerprint(hash="sha-256", setup=Setup.ACTPASS, value=digests["sha-256"]),
    )
    await pair.responder.accept(with_fingerprint(offer, *announced))
    await pair.initiator.accept(await pair.responder.describe())
    results = await asyncio.gather(pair.responder.connect(), pair.initiator.connect(), return_exceptions=True)
    assert isinstance(results[0], TransportFailed)
    assert "does not match" in results[0].text


@pytest.mark.parametrize("name", ["sha-1", "md5", "rot13", ""])
async def test_a_weak_fingerprint_alone_is_refused(pair: TransportPair, name: str) -> None:
    offer = await pair.initiator.describe()
    weak = Fingerprint(hash=name, setup=Setup.ACTPASS, value="AB:CD")
    with pytest.raises(TransportFailed, match="usable hash") as caught:
        await pair.responder.accept(with_fingerprint(offer, weak))
    assert caught.value.reason == "security-error"


async def test_a_fingerprint_that_changes_during_the_call_is_refused(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    changed = ice_udp.IceUdpTransport(
        ufrag="evil", pwd="x" * 22, fingerprints=(Fingerprint(hash="sha-256", setup=Setup.ACTPASS, value=WRONG),)
    )
    with pytest.raises(TransportFailed, match="changed") as caught:
        await pair.responder.info(over_the_wire(changed))
    assert caught.value.reason == "security-error"
    await exchange_data(ours, theirs)  # and the call goes on with the one it knows
    assert pair.responder.shared.agent.generation == 0


async def test_lost_handshake_packets_are_sent_again(pair: TransportPair) -> None:
    seen: dict[int, int] = {}

    def lost(datagram: bytes) -> bool:
        """The first server hello (RFC 6347 section 4.2.2), without which nothing else is sent."""
        kind = datagram[13] if datagram[0] == 22 else 0
        seen[kind] = seen.get(kind, 0) + 1
        return kind == 2 and seen[kind] == 1

    drop_when(pair, lost)
    ours, theirs = await pair.connect()
    assert seen[2] >= 2
    await exchange_data(ours, theirs)


async def test_a_handshake_that_never_ends_fails_in_time() -> None:
    pair = TransportPair(settings=replace(FAST, connect_timeout=0.6))
    drop_when(pair, lambda datagram: True)
    await pair.negotiate()
    started = time.perf_counter()
    results = await asyncio.gather(pair.initiator.connect(), pair.responder.connect(), return_exceptions=True)
    assert time.perf_counter() - started < 1
    assert all(isinstance(result, TransportFailed) and "handshake" in result.text for result in results)
    await pair.aclose()


async def test_a_peer_that_vanishes_is_noticed(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    started = time.perf_counter()
    await pair.responder.shared.agent.aclose()  # no farewell
    cause = await asyncio.wait_for(ours.ended(), 2)
    assert cause is not None
    assert "has not answered" in cause.text
    assert cause.reason == "connectivity-error"
    # Counted from the last check that was answered, so up to an interval less from the vanishing.
    assert FAST.consent_expiry - 0.1 <= time.perf_counter() - started < 1
    with pytest.raises(ConnectionError):
        await ours.dtls._send_rtp(b"\x80\x60" + bytes(20))


async def test_consent_does_not_outlast_its_time_by_an_interval() -> None:
    """RFC 7675 section 5.1: sending stops when the 30 s are over, not at the next check."""
    pair = TransportPair(settings=replace(FAST, consent_interval=0.25))
    ours, _ = await pair.connect()
    started = time.perf_counter()
    await pair.responder.shared.agent.aclose()
    assert await asyncio.wait_for(ours.ended(), 2) is not None
    assert time.perf_counter() - started < FAST.consent_expiry + 0.1
    await pair.aclose()


async def test_rtp_streams_are_opened_on_a_link(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    heard: asyncio.Queue[RtpPacket] = asyncio.Queue()
    rates = {111: 48000}
    sender = ours.rtp_stream(RtpParameters(clock_rates=rates, ssrc=1, cname="romeo"), lambda packet: None)
    receiver = theirs.rtp_stream(RtpParameters(clock_rates=rates, ssrc=2, cname="juliet"), heard.put_nowait)
    await sender.send(b"wherefore", payload_type=111, timestamp=960)
    packet = await asyncio.wait_for(heard.get(), 1)
    assert (packet.payload, packet.payload_type, packet.ssrc) == (b"wherefore", 111, 1)
    await sender.aclose()
    await receiver.aclose()


async def test_the_peers_farewell_ends_the_link(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    await pair.responder.aclose()
    cause = await asyncio.wait_for(ours.ended(), 1)
    assert cause is not None
    assert "closed" in cause.text
    assert await theirs.ended() is None


async def test_strangers_cannot_end_a_call(pair: TransportPair) -> None:
    ours, theirs = await pair.connect()
    assert ours.path is not None
    host, _, port = ours.path.local.address.rpartition(":")
    with socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in (b"", b"\0", b"\x16", b"\x17\xfe\xfd" + bytes(10), b"\x80", b"\x80\xc8", bytes(1400), b"\xff"):
            stranger.sendto(datagram, (host.strip("[]"), int(port)))
    await asyncio.sleep(0.05)
    await exchange_data(ours, theirs)


@pytest.mark.parametrize("stage", ["new", "described", "accepted", "connecting", "handshake", "connected"])
async def test_closing_at_any_stage_leaves_nothing(stage: str) -> None:
    sockets = count_sockets()
    with dead_server() as stun, dead_server("turn") as turn, dead_server("turns", "tcp") as turns:
        options = TransportOptions(loopback=True, ice_servers=(stun, turn, turns))
        pair = TransportPair(settings=FAST, options=options)
        waiting = None
        if stage == "described":
            await pair.initiator.describe()
        elif stage != "new":
            if stage == "handshake":
                drop_when(pair, lambda datagram: True)
            await pair.negotiate()
        if stage in ("connecting", "handshake"):
            waiting = asyncio.ensure_future(connected(pair))
            await asyncio.sleep(0 if stage == "connecting" else 0.2)
        elif stage == "connected":
            await connected(pair)
        started = time.perf_counter()
        await pair.aclose()
        assert time.perf_counter() - started < 0.5
        if waiting:
            with pytest.raises(TransportFailed, match="closed"):
                await waiting
        await pair.aclose()
    await asyncio.sleep(0.01)
    assert count_sockets() == sockets


def count_sockets() -> int:
    with contextlib.suppress(FileNotFoundError):
        return sum("socket" in str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir())
    return 0
