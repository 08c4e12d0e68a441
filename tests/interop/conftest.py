"""What foreign software is run with; each worker of the run has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

import jingle
from tests.e2e.commands import Commands
from tests.e2e.conftest import World
from tests.servers.accounts import PASSWORD

from .chromium import BrowserClient, Chromium, chromium

REFUSING = "Could not process request [object Object],[object Object]"
"""What it says to itself about a request that it knows and refuses; tests marked `refuses` bring it to that."""

THEIRS = 1000
"""Hz of what the browser says."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


@pytest.fixture
def world(run: Commands, request: pytest.FixtureRequest) -> World:
    """Alice is the one in the browser; the test's parameter names her server, and then bob's where that is another."""
    servers: tuple[str, ...] = getattr(request, "param", ("prosody",))
    here, *abroad = (request.getfixturevalue(f"{name}_server") for name in servers)
    return World(here, run, abroad=abroad[0] if abroad else None)


@pytest.fixture
async def alice(world: World, browser: Chromium, request: pytest.FixtureRequest) -> AsyncIterator[BrowserClient]:
    """Online in the browser; her candidates are names where the test's parameter says so."""
    async with browser.client("alice") as client:
        shows_addresses = getattr(request, "param", "addresses") == "addresses"
        await client.login(world.server.websocket, world.alice, frequency=THEIRS, shows_addresses=shows_addresses)
        yield client
        assert not client.told("error"), client
        # What we send may cross its session-terminate.
        crossed = {f"Unknown session {each['sid']}" for each in client.told("terminated")}
        refused = {REFUSING} if request.node.get_closest_marker("refuses") else set()
        assert {each["text"].strip() for each in client.told("log")} <= crossed | refused, client


@pytest.fixture
async def bob(world: World) -> AsyncIterator[tuple[jingle.Peer, list[jingle.Event]]]:
    """Online in this process, for what takes a decision; with what he was told."""
    told: list[jingle.Event] = []
    home = world.home(world.bob)
    server = ("127.0.0.1", home.port)
    async with jingle.connect(world.bob, PASSWORD, server=server, ca_file=home.ca_file, on_event=told.append) as peer:
        peer.listen()
        yield peer, told
