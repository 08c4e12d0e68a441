"""XMPP Transport Layer Security (ProtoXEP, v0.0.4): TLS 1.3 on any byte stream, as a precondition of a content.

Each side makes a certificate for the session and announces its SHA-256 fingerprint in `<security/>`; on the connected
stream the initiator is the TLS client and the responder the server, and either ends the handshake unless the other
shows the certificate that was announced. Who has not proved itself gets none of the application's bytes.

Deviations:

- Method `x509` only; the draft's `srp` has disappeared from TLS 1.3, and from most libraries.
- A fingerprint without `algo` is taken for SHA-256 (Gajim sends none); weaker hashes are refused.
- The dialect of Gajim before 1.5.4 is not spoken: TLS beneath SOCKS5 on direct connections, nothing at all over
  proxies and in-band, certificates in an IQ of their own. Gajim took it out in November 2022.
- An answer without `<security/>` never continues in the clear, where the draft leaves that to the user: our offer has
  it only if the peer announced the feature, so its absence from the answer means that somebody took it out.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from contextlib import suppress
from typing import ClassVar, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from ..elements.core import Role
from ..elements.declare import Element
from ..elements.security import NS, CertificateFingerprint, SecurityMethod, XtlsSecurity
from ..errors import RemoteProtocolError, TransportFailed
from .base import ByteStream, Security
from .socket_stream import SocketStream, broken, closed

log = logging.getLogger(__name__)

METHOD = "x509"
ALGORITHM = "sha-256"
DIGEST_DIGITS = 64
"""Hexadecimal digits of a SHA-256 hash."""

HANDSHAKE_TIMEOUT = 30.0
"""Seconds for the handshake; in-band streams need some of them."""

LIFETIME = datetime.timedelta(days=30)
"""How long a certificate is valid from now on; clocks may be a day apart, and nobody should check anyway."""

RECORD = 1 << 14
"""The most bytes of one TLS record (RFC 8446 section 5.1)."""

OVERHEAD = 22
"""Bytes that a record has on top: header, content type and authentication tag (RFC 8446 section 5.2)."""

_PARTIAL_WRITE = 0x1  # SSL_MODE_ENABLE_PARTIAL_WRITE, which pyOpenSSL sets without naming it

PIECE = 1 << 18
"""The most bytes that are encrypted before any of them is sent."""

MEMORY_PIECE = 1 << 16
"""The same, encrypted, where it is kept in memory on its way: whole blocks of a stream in stanzas."""


class Identity:
    """A key and its certificate, made for one session, and what OpenSSL makes of them.

    Attributes:
        key: The private key, on P-256.
        certificate: Signed with it.
    """

    def __init__(self) -> None:
        now = datetime.datetime.now(datetime.UTC)
        # A name that says nothing: the certificate crosses the network in the open only as a fingerprint, but the
        # peer sees it.
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "jingle")])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + LIFETIME)
            .sign(self.key, hashes.SHA256())
        )
        self._contexts: dict[Role, SSL.Context] = {}

    def context(self, role: Role) -> SSL.Context:
        """The context of connections in that role; the digest that each expects is its application data."""
        if role not in self._contexts:
            self._contexts[role] = _context(role, self)
        return self._contexts[role]

    @property
    def fingerprint(self) -> str:
        """The SHA-256 hash of the certificate, in capitals with colons."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class XtlsPrecondition:
    """TLS between the two sides of a session; see `SecurityPrecondition`."""

    namespace: ClassVar[str] = NS
    security: ClassVar[Security] = Security.TLS
    features: ClassVar[tuple[str, ...]] = (NS,)

    def __init__(self, role: Role, identity: Identity | None = None) -> None:
        self._role = role
        self._identity = identity or Identity()
        self._expected: str | None = None

    def another(self) -> XtlsPrecondition:
        """The same certificate for another content; see `SecurityPrecondition.another`."""
        return XtlsPrecondition(self._role, self._identity)

    def describe(self) -> Element:
        """Our fingerprint, and the one method that we have."""
        return XtlsSecurity(
            fingerprint=CertificateFingerprint(algo=ALGORITHM, value=self._identity.fingerprint),
            methods=(SecurityMethod(name=METHOD),),
        )

    def accept(self, remote: Element) -> None:
        """Take the peer's fingerprint; it stays the same for the whole session. See `SecurityPrecondition.accept`."""
        if not isinstance(remote, XtlsSecurity):
            raise RemoteProtocolError("this is no XTLS security precondition")
        if remote.methods and METHOD not in {method.name for method in remote.methods}:
            raise TransportFailed("the peer has no TLS method in common with us", reason="security-error")
        fingerprint = remote.fingerprint
        if fingerprint is None:
            return  # a security-info names the method alone; whoever never announces one fails in `protect`
        if (fingerprint.algo or ALGORITHM).lower() != ALGORITHM or len(fingerprint.digest) != DIGEST_DIGITS:
            raise TransportFailed("the peer's TLS fingerprint is not a SHA-256 hash", reason="security-error")
        if self._expected not in (None, fingerprint.digest):
            raise TransportFailed("the peer's TLS fingerprint changed", reason="security-error")
        self._expected = fingerprint.digest

    async def protect(self, stream: ByteStream) -> TlsStream:
        """Return TLS over `stream`; see `SecurityPrecondition.protect`."""
        protected = TlsStream(stream, self._role, self._identity, self._expected or "")
        try:
            if self._expected is None:
                raise TransportFailed("the peer announced no TLS fingerprint", reason="security-error")
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                await protected.shake_hands()
        except BaseException as exc:
            await protected.aclose()
            if isinstance(exc, TimeoutError):
                raise TransportFailed(f"no TLS handshake within {HANDSHAKE_TIMEOUT:g} s", last_error=exc) from exc
            raise
        return protected


def _context(role: Role, identity: Identity) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD if role is Role.INITIATOR else SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.use_certificate(identity.certificate)
    context.use_privatekey(identity.key)
    # One call encrypts all that it is given. Otherwise it returns after each record, and a gigabyte has 65536 of them.
    context.clear_mode(_PARTIAL_WRITE)

    def verify(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
        # The chain means nothing here; the certificate itself is known by its hash.
        return depth > 0 or _digest(certificate.to_cryptography()) == connection.get_app_data()

    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
    return context


def _digest(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex().upper()


class _Carrier(Protocol):
    """What brings the encrypted bytes to the peer and back."""

    connection: SSL.Connection

    async def more(self) -> None:
        """Return once there may be more to read; also after the end, which OpenSSL then reports."""
        ...

    async def room(self) -> None:
        """Return once there may be room to write."""
        ...

    async def flush(self) -> None:
        """Send what has been encrypted so far."""
        ...


class _OnSocket:
    """OpenSSL reads and writes the socket itself: nothing is copied but by the kernel."""

    piece = PIECE

    def __init__(self, context: SSL.Context, stream: SocketStream) -> None:
        self._stream = stream
        self.connection = SSL.Connection(context, stream.socket)

    async def more(self) -> None:
        await self._stream.readiness.readable()

    async def room(self) -> None:
        await self._stream.readiness.writable()

    async def flush(self) -> None:
        """Nothing is ever held back."""


class _InMemory:
    """OpenSSL works in memory, and the stream carries what comes out."""

    piece = MEMORY_PIECE - MEMORY_PIECE // RECORD * OVERHEAD

    def __init__(self, context: SSL.Context, stream: ByteStream) -> None:
        self._stream = stream
        self.connection = SSL.Connection(context, None)
        self._buffer = memoryview(bytearray(MEMORY_PIECE))
        self._sending = asyncio.Lock()
        self._receiving = asyncio.Lock()

    async def more(self) -> None:
        if not self._sending.locked():
            # Else whoever sends takes along what there is; waiting for it would let two sides that both send wait for
            # each other to receive.
            await self.flush()
        async with self._receiving:
            count = await self._stream.receive_into(self._buffer)
            if count:
                self.connection.bio_write(self._buffer[:count])
            else:
                self.connection.bio_shutdown()

    async def room(self) -> None:
        await self.flush()

    async def flush(self) -> None:
        async with self._sending:
            while True:
                try:
                    encrypted = self.connection.bio_read(MEMORY_PIECE)
                except SSL.WantReadError:
                    return
                await self._stream.send(encrypted)


class TlsStream:
    """A `ByteStream` under TLS 1.3.

    One task may receive and another send at the same time. A cancelled `send` may have sent a part, and nothing can be
    sent after it.

    Args:
        stream: What carries it; closed with it.
        role: The initiator is the TLS client.
        identity: What we prove ourselves with.
        expected: The SHA-256 hash of the peer's certificate, in capitals.

    Attributes:
        security: Always `TLS`.
    """

    security = Security.TLS

    def __init__(self, stream: ByteStream, role: Role, identity: Identity, expected: str) -> None:
        self._stream, self._expected = stream, expected
        context = identity.context(role)
        self._carrier: _OnSocket | _InMemory = (
            _OnSocket(context, stream) if isinstance(stream, SocketStream) else _InMemory(context, stream)
        )
        self._connection = self._carrier.connection
        self._connection.set_app_data(expected)
        if role is Role.INITIATOR:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self._sending = asyncio.Lock()
        self._ended = self._closed = self._stuck = False
        self._failure: TransportFailed | None = None

    async def shake_hands(self) -> None:
        """Return once both sides have shown the certificates that they announced.

        The client's side returns before the server has looked at the client's certificate (RFC 8446 section 2): what
        it sends reaches nobody but the server that it has verified.

        Raises:
            TransportFailed: The peer is another one (reason `security-error`), or the stream broke.
        """
        while True:
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                await self._carrier.more()
            except SSL.WantWriteError:
                await self._carrier.room()
            except SSL.Error as exc:
                with suppress(TransportFailed):
                    await self._carrier.flush()  # the alert that tells the peer
                raise _failure(exc) from exc
            else:
                break
        await self._carrier.flush()
        # OpenSSL asks us about the certificate while it shakes hands; this does not depend on its asking.
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or _digest(certificate) != self._expected:
            raise TransportFailed("the peer's certificate is not the one it announced", reason="security-error")

    async def receive_into(self, buffer: memoryview) -> int:
        """Fill part of `buffer`; see `ByteStream.receive_into`."""
        if not len(buffer):
            return 0
        while not self._ended:
            count = self._decrypt_into(buffer)
            if count:
                if isinstance(self._stream, SocketStream):
                    await self._stream.breathe(count)
                return count
            if not self._ended:
                await self._carrier.more()
        return 0

    def _decrypt_into(self, buffer: memoryview) -> int:
        """Decrypt the records that are there, as far as they fit."""
        if self._closed:
            raise closed()
        count = 0
        while count < len(buffer) and self._failure is None:
            try:
                count += self._connection.recv_into(buffer[count:], min(RECORD, len(buffer) - count))
            except (SSL.WantReadError, SSL.WantWriteError):
                break
            except SSL.ZeroReturnError:  # close_notify: the peer's side has ended
                self._ended = True
                break
            except SSL.Error as exc:
                self._failure = _failure(exc)
                break
        if self._failure is not None and not count:  # what came before the error is good
            raise self._failure
        return count

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; see `ByteStream.send`."""
        with memoryview(data).cast("B") as view:
            async with self._sending:
                for start in range(0, len(view), self._carrier.piece):
                    await self._encrypt(view[start : start + self._carrier.piece])

    async def _encrypt(self, piece: memoryview) -> None:
        if self._stuck:
            raise TransportFailed("an earlier send failed or was cancelled within a record")
        self._stuck = True  # what OpenSSL has begun has to be ended with the same bytes
        sent = 0
        while sent < len(piece):
            if self._closed:
                raise closed()
            try:
                sent += self._connection.send(piece[sent:])
            except SSL.WantWriteError:
                await self._carrier.room()
            except SSL.WantReadError:
                await self._carrier.more()
            except SSL.Error as exc:
                raise _failure(exc) from exc
        await self._carrier.flush()
        self._stuck = False
        if isinstance(self._stream, SocketStream):
            await self._stream.breathe(len(piece))

    async def send_eof(self) -> None:
        """Send the closing alert, and end our side of what carries it; see `ByteStream.send_eof`."""
        async with self._sending:
            if self._closed:
                raise closed()
            await self._say_goodbye()
            await self._stream.send_eof()

    async def _say_goodbye(self) -> None:
        while True:
            try:
                self._connection.shutdown()
            except SSL.WantWriteError:
                await self._carrier.room()
            except SSL.WantReadError:
                break  # our alert is out; the peer's has not come
            except SSL.Error as exc:
                raise _failure(exc) from exc
            else:
                break
        await self._carrier.flush()

    async def aclose(self) -> None:
        """Close both directions, and what carries them."""
        self._closed = True
        await self._stream.aclose()


def _failure(error: SSL.Error) -> TransportFailed:
    if isinstance(error, SSL.SysCallError):
        return broken(error)
    # The last of OpenSSL's errors says why: (library, function, reason).
    why = error.args[0][-1][-1] if error.args and error.args[0] else "TLS failed"
    return TransportFailed(f"TLS: {why}", last_error=error, reason="security-error")
