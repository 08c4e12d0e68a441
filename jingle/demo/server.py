"""A small XMPP server in the process, on loopback addresses only: for the demo, the samples and fast tests.

Clients reach it over real TCP, TLS and SASL, so what works here has left the process and come back. It keeps
everything in memory, knows one domain, and is no server for a network: `LoopbackServer` refuses to listen
anywhere but on this machine.

What it speaks: RFC 6120 and 6121 (streams, STARTTLS, SCRAM, binding, roster, presence, routing), XEP-0030,
XEP-0198 with resumption, XEP-0199, XEP-0215, XEP-0280.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import ipaddress
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..errors import LocalProtocolError
from . import routing, subscriptions
from .bounded import Hub
from .certificate import make_tls_context
from .domain import Account, Domain, Observer
from .limits import Limits
from .stream import Connection

_SAME_PORT_TRIES = 20


class LoopbackServer:
    """An XMPP server for this machine alone.

        async with LoopbackServer(users={"alice": "secret", "bob": "secret"}, contacts="all") as server:
            ...     # clients connect to server.host, server.port and trust server.ca_file

    Attributes:
        domain: The domain of the accounts.
        host: The address to connect to.
        port: The port, on every address it listens on; the chosen one once started.
    """

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        *,
        domain: str = "localhost",
        host: str = "localhost",
        port: int = 0,
        contacts: Literal["all", "none"] = "none",
        limits: Limits | None = None,
    ) -> None:
        """Prepare a server; nothing listens before `start`.

        Args:
            users: Passwords by user name.
            domain: The domain of the accounts.
            host: `localhost` for `127.0.0.1`, and `::1` where the machine has it; or one loopback address.
            port: 0 for a free one.
            contacts: `all` makes every user a contact of every other, as `subscribe` does for two.
            limits: What clients may cost.

        Raises:
            LocalProtocolError: `host` is not a loopback address, or a user name is impossible.
        """
        self._addresses = _loopback_addresses(host)
        self.host = self._addresses[0]
        self.port = port
        self._contacts = contacts
        self._domain = Domain(domain.lower(), limits or Limits())
        self._servers: list[asyncio.Server] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._ca_file: Path | None = None
        self._hub: Hub | None = None
        for user, password in (users or {}).items():
            self.add_user(user, password)

    @property
    def domain(self) -> str:
        """The domain of the accounts."""
        return self._domain.name

    @property
    def ca_file(self) -> Path:
        """The PEM file clients have to trust; it exists while the server runs.

        Raises:
            LocalProtocolError: The server does not run.
        """
        if self._ca_file is None:
            raise LocalProtocolError("the server does not run")
        return self._ca_file

    @property
    def services(self) -> list[Any]:
        """What XEP-0215 offers: mappings or objects with `type`, `host`, `port`, `transport`, `username`, ...

        Change the list at any time; each request is answered from it as it is then.
        """
        return self._domain.services

    @services.setter
    def services(self, services: list[Any]) -> None:
        self._domain.services = services

    @property
    def stanzas(self) -> Observer | None:
        """Called as `stanzas(direction, jid, xml, time)` for every stanza.

        The direction is `received` (from the client with the full JID `jid`, `from` filled in) or `delivered`
        (to it); the time is in seconds since the epoch.
        """
        return self._domain.observer

    @stanzas.setter
    def stanzas(self, observer: Observer | None) -> None:
        self._domain.observer = observer

    def add_user(self, name: str, password: str) -> None:
        """Make an account; may be called while the server runs.

        Raises:
            LocalProtocolError: The name is taken or impossible.
        """
        account = self._domain.add_account(name, password)
        if self._contacts == "all":
            for other in self._domain.accounts.values():
                if other is not account:
                    subscriptions.befriend(self._domain, account, other)

    def subscribe(self, one: str, two: str) -> None:
        """Make two users each other's contact, both ways; devices that are online hear of it.

        Raises:
            LocalProtocolError: One of them has no account here.
        """
        subscriptions.befriend(self._domain, self._account(one), self._account(two))

    def _account(self, name: str) -> Account:
        account = self._domain.accounts.get(name.lower())
        if account is None:
            raise LocalProtocolError(f"there is no user {name!r}")
        return account

    async def start(self) -> None:
        """Listen; returns once clients can connect.

        Raises:
            LocalProtocolError: It runs already.
            OSError: The port is taken.
        """
        if self._folder is not None:
            raise LocalProtocolError("the server runs already")
        self._folder = tempfile.TemporaryDirectory(prefix="jingle-server-")
        try:
            tls, self._ca_file = make_tls_context(self.domain, Path(self._folder.name))
            self._hub = Hub(self._domain, tls)
            self._domain.farewell = functools.partial(routing.farewell, self._domain)
            await self._listen(self._hub)
        except BaseException:
            await self.aclose()
            raise

    async def _listen(self, hub: Hub) -> None:
        """Listen on all addresses with one port, which for port 0 takes finding one that is free on each."""
        loop = asyncio.get_running_loop()
        for attempt in range(_SAME_PORT_TRIES):
            try:
                port = self.port
                for address in self._addresses:
                    server = await loop.create_server(lambda: Connection(hub), address, port)
                    self._servers.append(server)
                    port = server.sockets[0].getsockname()[1]
            except OSError as error:
                self._stop_listening()
                if self.port or error.errno != errno.EADDRINUSE or attempt == _SAME_PORT_TRIES - 1:
                    raise
            else:
                self.port = port
                return

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def aclose(self) -> None:
        """Stop: clients are told `system-shutdown`, sessions end. Returns when nothing of the server is left.

        May be called twice. The accounts stay, so the server can be started again.
        """
        self._stop_listening()
        self._domain.farewell = lambda session, lost: None
        for account in self._domain.accounts.values():
            for session in list(account.sessions.values()):
                self._domain.end(session, lost=False)
        if self._hub is not None:
            await self._close_connections(self._hub)
            self._hub = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = self._ca_file = None

    async def _close_connections(self, hub: Hub) -> None:
        for connection in list(hub.connections):
            connection.close("system-shutdown")
        try:
            while hub.connections:
                await hub.empty.wait()
            while hub.tasks:
                await asyncio.wait(hub.tasks)
        finally:
            for connection in list(hub.connections):  # only when the wait was cancelled
                connection.abort()

    async def __aenter__(self) -> LoopbackServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _loopback_addresses(host: str) -> list[str]:
    if host == "localhost":
        return ["127.0.0.1", *(["::1"] if _has_ipv6() else [])]
    try:
        if ipaddress.ip_address(host).is_loopback:
            return [host]
    except ValueError:
        pass
    raise LocalProtocolError(f"this server listens on loopback addresses only, not on {host!r}")


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        return True
    return False
