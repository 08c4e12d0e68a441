"""People with accounts on a server, and the commands that they use; `tests/servers/fixtures.py` has the servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.servers.accounts import XmppServer
from tests.servers.ejabberd import Ejabberd
from tests.servers.loopback import Loopback
from tests.servers.prosody import Prosody

from .commands import Command, Commands

NAMES = ("alice", "bob", "carol")
FRIENDS = (("alice", "bob"),)
"""Who is whose contact; on the loopback server, everybody is everybody's."""


class World:
    """A server, or two that are federated, with accounts that only this test has, and commands that use them.

    Attributes:
        server: Alice's and carol's.
        alice: Bare JID; a contact of bob's.
        bob: Bare JID; a contact of alice's.
        carol: Bare JID; nobody's contact, but on the loopback server.
        folder: Where commands run.
    """

    def __init__(self, server: XmppServer, run: Commands, *, abroad: XmppServer | None = None) -> None:
        """`abroad` is bob's server, where that is another one."""
        self.server = server
        self.run = run
        self.folder = run.folder
        self._homes = {each.domain: each for each in (server, abroad) if each is not None}
        self.jids = {name: server.add_account(name) for name in NAMES if name != "bob"}
        self.jids["bob"] = (abroad or server).add_account("bob")
        for one, two in FRIENDS:
            for owner, other in ((one, two), (two, one)):
                self.home(self.jids[owner]).add_contact(self.jids[owner], self.jids[other])
        self.alice, self.bob, self.carol = (self.jids[name] for name in NAMES)

    @property
    def servers(self) -> tuple[XmppServer, ...]:
        """All there are, one or two."""
        return tuple(self._homes.values())

    def home(self, jid: str) -> XmppServer:
        """The server where this account is."""
        return self._homes[jid.partition("/")[0].partition("@")[2]]

    async def answer(self, *arguments: str, as_jid: str | None = None, **kwargs: Any) -> Command:
        """`jingle answer` as bob, once it is online; it plays silence unless told otherwise."""
        command = await self.start("answer", *_with_sound(arguments), as_jid=as_jid or self.bob, **kwargs)
        await command.event("online")
        return command

    async def call(self, *arguments: str, to: str | None = None, as_jid: str | None = None, **kwargs: Any) -> Command:
        """`jingle call` as alice to bob; it plays silence unless told otherwise."""
        return await self.start("call", to or self.bob, *_with_sound(arguments), as_jid=as_jid or self.alice, **kwargs)

    async def start(self, *arguments: str, as_jid: str, **kwargs: Any) -> Command:
        """Any command that goes online."""
        return await self.run(*arguments, *self.home(as_jid).options(as_jid), **kwargs)

    def trace(self, name: str) -> list[dict[str, Any]]:
        """What a command wrote with `--trace`."""
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]


def _with_sound(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return arguments if "--play" in arguments else (*arguments, "--play", "silence")


@pytest.fixture
def on_loopback(loopback_server: Loopback, run: Commands) -> World:
    return World(loopback_server, run)


@pytest.fixture
def on_prosody(prosody_server: Prosody, run: Commands) -> World:
    return World(prosody_server, run)


@pytest.fixture
def on_ejabberd(ejabberd_server: Ejabberd, run: Commands) -> World:
    return World(ejabberd_server, run)


@pytest.fixture
def on_prosody_and_ejabberd(federated_prosody_server: Prosody, ejabberd_server: Ejabberd, run: Commands) -> World:
    """Bob is on ejabberd."""
    return World(federated_prosody_server, run, abroad=ejabberd_server)


@pytest.fixture
def on_ejabberd_and_prosody(federated_prosody_server: Prosody, ejabberd_server: Ejabberd, run: Commands) -> World:
    """Bob is on Prosody."""
    return World(ejabberd_server, run, abroad=federated_prosody_server)


REAL = ("prosody", "ejabberd", "prosody_and_ejabberd", "ejabberd_and_prosody")
"""Servers that others wrote: one alone, or alice's and bob's."""


def over(*names: str) -> pytest.MarkDecorator:
    """Run a test over these servers in place of the two that every test runs over."""
    servers = [pytest.param(name, marks=pytest.mark.server if name in REAL else ()) for name in names]
    return pytest.mark.parametrize("world", servers, indirect=True)


over_every_server = over("loopback", *REAL)


@pytest.fixture(params=["loopback", pytest.param("prosody", marks=pytest.mark.server)])
def world(request: pytest.FixtureRequest) -> World:
    """Each test that takes it runs over two servers, or those of `over`."""
    found: World = request.getfixturevalue(f"on_{request.param}")
    return found
