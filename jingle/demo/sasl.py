"""RFC 6120 section 6 and RFC 5802: SASL on the server's side, SCRAM only.

A name nobody has goes through the same steps as a wrong password, with a salt that stays the same for that
name, and ends in the same `not-authorized`: logging in does not tell who has an account.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import scramp

from ..errors import RemoteProtocolError

NAMESPACE = "urn:ietf:params:xml:ns:xmpp-sasl"

_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}


class Credentials(NamedTuple):
    """What a server keeps instead of a password, for one hash (RFC 5802 section 3)."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


def make_credentials(password: str) -> dict[str, Credentials]:
    """Derive what is kept of a password, by mechanism."""
    return {name: Credentials(*scramp.ScramMechanism(name).make_auth_info(password)) for name in _HASHES}


def mechanisms(tls_unique: bytes | None) -> list[str]:
    """Name the mechanisms to offer, best first.

    Channel binding is offered where Python can compute it, which is TLS 1.2 (`tls-unique`).
    """
    plain = list(_HASHES)
    return [f"{plain[0]}-PLUS", *plain] if tls_unique else plain


class Exchange:
    """One attempt to log in.

    Attributes:
        username: The account that logged in; `None` until `respond` has returned its last answer.
    """

    _fallback_secret = secrets.token_bytes(32)

    def __init__(
        self, mechanism: str, find: Callable[[str], Mapping[str, Credentials] | None], tls_unique: bytes | None
    ) -> None:
        """Begin with `mechanism`.

        Args:
            mechanism: The client's choice.
            find: Looks up the credentials of a user name.
            tls_unique: What TLS gave to bind the login to, if it did.

        Raises:
            RemoteProtocolError: It was not offered (`invalid-mechanism`).
        """
        if mechanism not in mechanisms(tls_unique):
            raise RemoteProtocolError(f"{mechanism[:40]!r} is not offered", condition="invalid-mechanism")
        self.username: str | None = None
        self._find = find
        self._hash = mechanism.removesuffix("-PLUS")
        self._claimed = ""
        self._started = False
        binding = ("tls-unique", tls_unique) if tls_unique else None
        self._server: Any = scramp.ScramMechanism(mechanism).make_server(self._look_up, binding)

    def respond(self, message: bytes) -> str:
        """Take the client's next message (base64, as on the wire) and make the answer to it.

        Once `username` is set the answer is the additional data of `<success/>`; before, that of a challenge.

        Raises:
            RemoteProtocolError: The login is refused; `condition` is the SASL condition (RFC 6120 section 6.5).
        """
        text = _decode(message)
        try:
            if not self._started:
                self._started = True
                self._server.set_client_first(text)
                return _encode(self._server.get_server_first())
            self._server.set_client_final(text)
            answer = _encode(self._server.get_server_final())
        except scramp.ScramException as error:
            raise RemoteProtocolError("refused", condition="not-authorized") from error
        self.username = self._claimed
        return answer

    def _look_up(self, username: str) -> Credentials:
        self._claimed = username
        found = self._find(username)
        if found is not None:
            return found[self._hash]
        # Keys nobody can have, under a salt that does not change from try to try.
        seed = hmac.digest(self._fallback_secret, username.encode(), hashlib.sha256)
        size = hashlib.new(_HASHES[self._hash]).digest_size
        return Credentials(seed, secrets.token_bytes(size), secrets.token_bytes(size), 4096)


def _decode(message: bytes) -> str:
    # RFC 6120 section 6.4.2: "=" stands for an empty message.
    try:
        return b64decode(b"" if message == b"=" else message, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise RemoteProtocolError("not base64 of UTF-8", condition="incorrect-encoding") from error


def _encode(message: str) -> str:
    return b64encode(message.encode()).decode()
