"""TLS over byte streams: who proves what, and that nothing leaves before."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import ssl
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.elements.core import Role
from jingle.elements.declare import Element, Unknown, from_string
from jingle.elements.security import CertificateFingerprint, SecurityMethod, XtlsSecurity
from jingle.errors import RemoteProtocolError, TransportFailed
from jingle.testing.links import over_the_wire
from jingle.testing.stanza_port import MemoryNetwork
from jingle.testing.streams import StreamPair, check_byte_stream, receive_all, receive_exactly, send_all
from jingle.transports import tls
from jingle.transports.base import ByteStream, Security
from jingle.transports.ibb import IbbStreamTransport
from jingle.transports.s5b import S5bTransport
from jingle.transports.socket_stream import SocketStream
from jingle.transports.tls import Identity, XtlsPrecondition

from .stream_helpers import Relayed, introduced, protected, stream_pair, tcp_pair

SECRET = b"what must not be seen by anybody else"


def as_security(element: Element) -> XtlsSecurity:
    return cast(XtlsSecurity, element)


def with_fingerprint(element: Element, value: str, algo: str | None = "sha-256") -> XtlsSecurity:
    return dataclasses.replace(as_security(element), fingerprint=CertificateFingerprint(algo=algo, value=value))


def fingerprint_of(precondition: XtlsPrecondition) -> str:
    fingerprint = as_security(precondition.describe()).fingerprint
    assert fingerprint is not None
    return fingerprint.value


async def outcomes(
    initiator: XtlsPrecondition, responder: XtlsPrecondition, ours: ByteStream, theirs: ByteStream
) -> tuple[ByteStream | BaseException, ByteStream | BaseException]:
    first, second = await asyncio.gather(initiator.protect(ours), responder.protect(theirs), return_exceptions=True)
    return first, second


# The stream.


@pytest.mark.parametrize("relayed", [False, True])
async def test_it_is_a_byte_stream(relayed: bool) -> None:
    async with stream_pair() as (ours, theirs):
        ends = (Relayed(ours), Relayed(theirs)) if relayed else (ours, theirs)
        initiator, responder = await protected(*ends)
        assert initiator.security is Security.TLS
        await check_byte_stream(initiator, responder, size=2_000_000)


async def test_one_end_on_a_socket_and_the_other_in_memory() -> None:
    async with stream_pair() as (ours, theirs):
        initiator, responder = await protected(ours, Relayed(theirs))
        await check_byte_stream(responder, initiator)


async def test_over_a_socks5_bytestream() -> None:
    async with StreamPair(S5bTransport).connected() as ends:
        await check_byte_stream(*await protected(*ends))


async def test_over_an_in_band_stream() -> None:
    async with StreamPair(IbbStreamTransport, network=MemoryNetwork(delay=0.002)).connected() as ends:
        await check_byte_stream(*await protected(*ends))


async def test_nothing_is_readable_on_the_way() -> None:
    async with stream_pair() as (ours, theirs):
        relayed = Relayed(ours)
        initiator, responder = await protected(relayed, theirs)
        _, received = await asyncio.gather(send_all(initiator, SECRET * 100), receive_all(responder))
        assert received == SECRET * 100
        assert len(relayed.sent) > len(received)
        assert SECRET not in relayed.sent


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=40_000), max_size=8), st.integers(1, 70_000), st.booleans())
def test_any_pieces(pieces: list[bytes], piece: int, relayed: bool) -> None:
    async def run() -> None:
        async with stream_pair() as (ours, theirs):
            initiator, responder = await protected(ours, Relayed(theirs) if relayed else theirs)

            async def send() -> None:
                for part in pieces:
                    await responder.send(part)
                await responder.send_eof()

            _, received = await asyncio.gather(send(), receive_all(initiator, piece=piece))
            assert received == b"".join(pieces)

    asyncio.run(run())


async def test_python_s_own_tls_as_the_peer(tmp_path: Path) -> None:
    """Another implementation in the place of ours, as client and with our fingerprint check on its certificate."""
    ours, theirs = tcp_pair()
    identity, precondition = Identity(), XtlsPrecondition(Role.RESPONDER)
    precondition.accept(XtlsSecurity(fingerprint=CertificateFingerprint(value=identity.fingerprint.lower())))
    pem = tmp_path / "identity.pem"
    pem.write_bytes(
        identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + identity.certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(pem)

    (reader, writer), stream = await asyncio.gather(
        asyncio.open_connection(sock=theirs, ssl=context, server_hostname=""),
        precondition.protect(SocketStream(ours)),
    )
    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert x509.load_der_x509_certificate(shown).fingerprint(hashes.SHA256()).hex(":").upper() == (
        fingerprint_of(precondition)
    )
    writer.write(SECRET)
    assert await receive_exactly(stream, len(SECRET)) == SECRET
    await stream.send(SECRET)
    assert await reader.readexactly(len(SECRET)) == SECRET
    writer.close()
    await stream.aclose()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


# Who proves what.


@pytest.mark.parametrize("relayed", [False, True])
@pytest.mark.parametrize("deceived", Role)
async def test_another_certificate_than_announced(deceived: Role, relayed: bool) -> None:
    initiator, responder = introduced()
    victim, other = (initiator, responder) if deceived is Role.INITIATOR else (responder, initiator)
    victim._expected = XtlsPrecondition(Role.INITIATOR)._identity.fingerprint.replace(":", "")
    async with stream_pair() as (ours, theirs):
        ends = (Relayed(ours), Relayed(theirs)) if relayed else (ours, theirs)
        results = dict(zip((initiator, responder), await outcomes(initiator, responder, *ends), strict=True))
        failure = results[victim]
        assert isinstance(failure, TransportFailed)
        assert failure.reason == "security-error"
        if deceived is Role.RESPONDER and not isinstance(results[other], BaseException):
            # TLS 1.3 lets the client finish first; the server's refusal reaches it with the first use.
            stream = cast(ByteStream, results[other])
            with pytest.raises(TransportFailed):
                await stream.receive_into(memoryview(bytearray(1)))
            await stream.aclose()
        else:
            assert isinstance(results[other], TransportFailed)


async def test_contents_of_a_session_share_a_certificate_and_expect_each_its_own() -> None:
    """A peer may have one for each content; what was said for one proves nothing for another."""
    initiator, responder = introduced()
    second, stranger = initiator.another(), XtlsPrecondition(Role.RESPONDER)
    assert fingerprint_of(second) == fingerprint_of(initiator)
    stranger.accept(over_the_wire(second.describe()))
    async with stream_pair() as (ours, theirs):
        for stream in await outcomes(initiator, responder, ours, theirs):
            assert isinstance(stream, tls.TlsStream)
            await stream.aclose()
    async with stream_pair() as (ours, theirs):
        failure, _ = await outcomes(second, stranger, ours, theirs)
        assert isinstance(failure, TransportFailed)
        assert failure.reason == "security-error"  # it was announced for no content yet
    second.accept(over_the_wire(stranger.describe()))
    for theirs_of_second, is_right in ((responder, False), (stranger, True)):
        async with stream_pair() as (ours, theirs):
            outcome, other = await outcomes(second, theirs_of_second, ours, theirs)
            assert isinstance(outcome, tls.TlsStream if is_right else TransportFailed)
            for each in (outcome, other):
                if isinstance(each, tls.TlsStream):
                    await each.aclose()


async def test_a_peer_without_a_certificate() -> None:
    ours, theirs = tcp_pair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    _, responder = introduced()
    client, server = await asyncio.gather(
        asyncio.open_connection(sock=theirs, ssl=context, server_hostname=""),
        responder.protect(SocketStream(ours)),
        return_exceptions=True,
    )
    assert isinstance(server, TransportFailed)
    assert server.reason == "security-error"
    if not isinstance(client, BaseException):
        client[1].close()
        await asyncio.gather(client[1].wait_closed(), return_exceptions=True)


async def test_a_peer_with_old_tls_only(tmp_path: Path) -> None:
    ours, theirs = tcp_pair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    _, responder = introduced()
    client, server = await asyncio.gather(
        asyncio.open_connection(sock=theirs, ssl=context, server_hostname=""),
        responder.protect(SocketStream(ours)),
        return_exceptions=True,
    )
    assert isinstance(client, ssl.SSLError)
    assert isinstance(server, TransportFailed)
    assert server.reason == "security-error"


async def test_a_peer_that_never_announced_a_fingerprint() -> None:
    initiator = XtlsPrecondition(Role.INITIATOR)
    initiator.accept(XtlsSecurity(methods=(SecurityMethod(name="x509"),)))  # a security-info may name the method only
    async with stream_pair() as (ours, theirs):
        with pytest.raises(TransportFailed, match="announced no TLS fingerprint") as raised:
            await initiator.protect(ours)
        assert raised.value.reason == "security-error"
        assert await receive_all(theirs) == b""


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n" * 4, bytes(100), SECRET])
@pytest.mark.parametrize("role", Role)
async def test_a_peer_that_speaks_no_tls(role: Role, garbage: bytes) -> None:
    precondition = dict(zip(Role, introduced(), strict=True))[role]
    async with stream_pair() as (ours, theirs):
        await theirs.send(garbage)
        with pytest.raises(TransportFailed) as raised:
            await precondition.protect(ours)
        assert raised.value.reason == "security-error"


async def test_a_silent_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT", 0.05)
    initiator, _ = introduced()
    async with stream_pair() as (ours, theirs):
        with pytest.raises(TransportFailed, match=r"no TLS handshake within 0\.05 s"):
            await initiator.protect(ours)
        assert (await receive_all(theirs))[:1] == b"\x16"  # our hello, and then the end


@pytest.mark.parametrize("relayed", [False, True])
async def test_a_peer_that_hangs_up_within_the_handshake(relayed: bool) -> None:
    initiator, _ = introduced()
    async with stream_pair() as (ours, theirs):
        await theirs.aclose()
        with pytest.raises(TransportFailed):
            await initiator.protect(Relayed(ours) if relayed else ours)


@pytest.mark.parametrize("relayed", [False, True])
async def test_an_end_without_a_goodbye_is_no_end(relayed: bool) -> None:
    async with stream_pair() as (ours, theirs):
        initiator, responder = await protected(ours, Relayed(theirs) if relayed else theirs)
        await initiator.send(SECRET)
        await ours.send_eof()  # beneath TLS: anybody on the way can do that
        buffer = memoryview(bytearray(1000))
        assert await responder.receive_into(buffer) == len(SECRET)
        for _ in range(2):
            with pytest.raises(TransportFailed):
                await responder.receive_into(buffer)


@pytest.mark.parametrize("relayed", [False, True])
async def test_a_changed_byte_is_noticed(relayed: bool) -> None:
    async with stream_pair() as (ours, theirs):
        initiator, responder = await protected(Relayed(ours), Relayed(theirs) if relayed else theirs)
        await initiator.send(SECRET)
        assert await receive_exactly(responder, len(SECRET)) == SECRET
        await ours.send(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that nobody encrypted
        with pytest.raises(TransportFailed) as raised:
            await responder.receive_into(memoryview(bytearray(100)))
        assert raised.value.reason == "security-error"


async def test_nothing_goes_after_close() -> None:
    async with stream_pair() as (ours, theirs):
        initiator, _ = await protected(ours, theirs)
        await initiator.aclose()
        await initiator.aclose()
        for attempt in (
            initiator.send(b"x"),
            initiator.send_eof(),
            initiator.receive_into(memoryview(bytearray(1))),
        ):
            with pytest.raises(TransportFailed):
                await attempt


async def test_after_a_cancelled_send_nothing_is_sent() -> None:
    async with stream_pair() as (ours, theirs):
        initiator, _ = await protected(ours, theirs)
        sending = asyncio.ensure_future(initiator.send(bytes(1 << 26)))
        await asyncio.sleep(0.05)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        with pytest.raises(TransportFailed, match="cancelled within a record"):
            await initiator.send(b"x")


# The negotiation.


def test_what_is_announced() -> None:
    precondition = XtlsPrecondition(Role.INITIATOR)
    element = as_security(over_the_wire(precondition.describe()))
    assert element.fingerprint is not None
    assert element.fingerprint.algo == "sha-256"
    assert len(element.fingerprint.digest) == 64
    assert [method.name for method in element.methods] == ["x509"]
    assert fingerprint_of(precondition) == fingerprint_of(precondition)
    assert fingerprint_of(precondition) != fingerprint_of(XtlsPrecondition(Role.INITIATOR))


def test_the_certificate_says_nothing_about_us() -> None:
    certificate = Identity().certificate
    assert certificate.subject.rfc4514_string() == "CN=jingle"
    assert certificate.issuer == certificate.subject


VALUE = ":".join(f"{byte:02X}" for byte in hashlib.sha256(b"a certificate").digest())


@pytest.mark.parametrize(
    ("value", "algo"),
    [(VALUE, "sha-256"), (VALUE.lower(), "SHA-256"), (VALUE.replace(":", ""), None), (f"\n  {VALUE}\n ", None)],
)
def test_spellings_of_a_fingerprint(value: str, algo: str | None) -> None:
    precondition = XtlsPrecondition(Role.INITIATOR)
    for _ in range(2):
        precondition.accept(with_fingerprint(XtlsSecurity(), value, algo))
    assert precondition._expected == VALUE.replace(":", "")


@pytest.mark.parametrize(
    ("value", "algo"),
    [(VALUE, "sha-1"), (VALUE[:59], "sha-1"), (VALUE[:59], None), ("", None), (VALUE + ":00", None), (VALUE, "md5")],
)
def test_fingerprints_that_prove_too_little(value: str, algo: str | None) -> None:
    with pytest.raises(TransportFailed) as raised:
        XtlsPrecondition(Role.INITIATOR).accept(with_fingerprint(XtlsSecurity(), value, algo))
    assert raised.value.reason == "security-error"


def test_a_fingerprint_never_changes() -> None:
    precondition = XtlsPrecondition(Role.INITIATOR)
    precondition.accept(with_fingerprint(XtlsSecurity(), VALUE))
    with pytest.raises(TransportFailed, match="changed") as raised:
        precondition.accept(with_fingerprint(XtlsSecurity(), "00" * 32))
    assert raised.value.reason == "security-error"


def test_no_method_in_common() -> None:
    with pytest.raises(TransportFailed, match="method"):
        XtlsPrecondition(Role.INITIATOR).accept(XtlsSecurity(methods=(SecurityMethod(name="srp"),)))


def test_the_draft_s_example() -> None:
    security = from_string(
        "<security xmlns='urn:xmpp:jingle:security:xtls:0'><fingerprint>RomeoX509CertificateHash</fingerprint>"
        "<method name='x509'/><method name='srp'/></security>"
    )
    with pytest.raises(TransportFailed, match="not a SHA-256 hash"):
        XtlsPrecondition(Role.RESPONDER).accept(security)


def test_another_element() -> None:
    other = Unknown(namespace="urn:example", name="security", source="<security xmlns='urn:example'/>")
    with pytest.raises(RemoteProtocolError):
        XtlsPrecondition(Role.RESPONDER).accept(other)
