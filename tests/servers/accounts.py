"""What a test needs of an XMPP server, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

PASSWORD = "secret"


class XmppServer(ABC):
    """A running server for the domain `localhost` on 127.0.0.1.

    Attributes:
        port: Where clients connect.
        ca_file: What they have to trust.
        offers_relay: Whether it hands out credentials for a TURN server (XEP-0215).
        proxy_port: Where its SOCKS5 proxy listens (XEP-0065); `None` without one.
    """

    offers_relay = False
    proxy_port: int | None = None

    def __init__(self, *, port: int, ca_file: Path) -> None:
        self.port = port
        self.ca_file = ca_file

    @abstractmethod
    def make_accounts(self, names: Sequence[str], friends: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Bare JIDs of accounts that no test has used, by the name each is wanted under; `friends` are contacts.

        With accounts of its own a test cannot meet what is left of another one.
        """

    def options(self, jid: str) -> list[str]:
        """The options of a command that logs in as `jid`."""
        return ["--jid", jid, "--password", PASSWORD, *self.address()]

    def address(self) -> list[str]:
        """The options of a command that connects to this server."""
        return ["--server", f"127.0.0.1:{self.port}", "--ca-file", str(self.ca_file)]
