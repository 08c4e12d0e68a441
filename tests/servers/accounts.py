"""What a test needs of an XMPP server, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

PASSWORD = "secret"

HIBERNATION = 5
"""Seconds a stream that broke can be resumed on the real servers (XEP-0198)."""


class XmppServer(ABC):
    """A running server on 127.0.0.1.

    Attributes:
        domain: What it serves.
        port: Where clients connect.
        ca_file: What they have to trust.
        offers_relay: Whether it hands out credentials for a TURN server (XEP-0215).
        proxy_port: Where its SOCKS5 proxy listens (XEP-0065); `None` without one.
        websocket: Where clients in browsers connect (RFC 7395); empty where they cannot.
        impostor: Another domain that it serves where it is federated, with a certificate that no server believes.
    """

    offers_relay = False
    proxy_port: int | None = None
    websocket = ""
    impostor: XmppServer | None = None

    def __init__(self, *, port: int, ca_file: Path, domain: str = "localhost") -> None:
        self.domain = domain
        self.port = port
        self.ca_file = ca_file

    @abstractmethod
    def add_account(self, name: str) -> str:
        """The bare JID of a new account, named something like `name`.

        With accounts of its own a test cannot meet what is left of another one.
        """

    @abstractmethod
    def add_contact(self, jid: str, contact: str) -> None:
        """Let an account made here have a contact, subscribed both ways; the contact's own server is told apart."""

    def options(self, jid: str) -> list[str]:
        """The options of a command that logs in as `jid`."""
        return ["--jid", jid, "--password", PASSWORD, *self.address()]

    def address(self) -> list[str]:
        """The options of a command that connects to this server."""
        return ["--server", f"127.0.0.1:{self.port}", "--ca-file", str(self.ca_file)]
