"""People with accounts on a server, and the commands that they use; `tests/servers/fixtures.py` has the servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.servers.accounts import XmppServer
from tests.servers.loopback import Loopback
from tests.servers.prosody import Prosody

from .commands import Command, Commands

NAMES = ("alice", "bob", "carol")
FRIENDS = (("alice", "bob"),)
"""Who is whose contact; on the loopback server, everybody is everybody's."""


class World:
    """A server with accounts that only this test has, and commands that use them.

    Attributes:
        alice: Bare JID; a contact of bob's.
        bob: Bare JID; a contact of alice's.
        carol: Bare JID; on Prosody nobody's contact.
        folder: Where commands run.
    """

    def __init__(self, server: XmppServer, run: Commands) -> None:
        self.server = server
        self.run = run
        self.folder = run.folder
        self.jids = server.make_accounts(NAMES, FRIENDS)
        self.alice, self.bob, self.carol = (self.jids[name] for name in NAMES)

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
        return await self.run(*arguments, *self.server.options(as_jid), **kwargs)

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


@pytest.fixture(params=["loopback", pytest.param("prosody", marks=pytest.mark.server)])
def world(request: pytest.FixtureRequest) -> World:
    """Each test that takes it runs over both servers."""
    found: World = request.getfixturevalue(f"on_{request.param}")
    return found
