"""Peers of the Python API in the test's own process, against the same servers and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jingle
from jingle.client import DEFAULT_TRANSPORTS
from tests.servers.accounts import PASSWORD

from .conftest import World

BY_NAME = {transport.name: transport for transport in DEFAULT_TRANSPORTS}


class Inbox:
    """Takes every file that a peer is offered.

    Attributes:
        transfers: What was accepted so far.
    """

    def __init__(self, peer: jingle.Peer, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.transfers: list[jingle.Transfer] = []
        self._peer, self._folder = peer, folder
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._serve())

    async def results(self, count: int) -> list[jingle.FileResult]:
        """Wait for so many files to be there."""
        while len(self.transfers) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 30)
        return [await asyncio.wait_for(transfer.result(), 30) for transfer in self.transfers]

    async def _serve(self) -> None:
        async for offer in self._peer.incoming():
            assert isinstance(offer, jingle.IncomingFile)
            self.transfers.append(await offer.accept(self._folder))
            self._news.set()

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Peers:
    """Peers that are closed with the block; `events[name]` holds what each was told."""

    def __init__(self, world: World) -> None:
        self.events: dict[str, list[jingle.Event]] = {}
        self._world = world
        self._stack = AsyncExitStack()

    async def start(self, name: str, *, transports: Sequence[str] = (), **options: Any) -> jingle.Peer:
        """Log in as one of the world's people."""
        told = self.events.setdefault(name, [])
        chosen = tuple(BY_NAME[each] for each in transports) or DEFAULT_TRANSPORTS
        server = self._world.home(self._world.jids[name])
        return await self._stack.enter_async_context(
            jingle.connect(
                self._world.jids[name],
                PASSWORD,
                server=("127.0.0.1", server.port),
                ca_file=server.ca_file,
                on_event=told.append,
                loopback=True,
                transports=chosen,
                **options,
            )
        )

    def take(self, peer: jingle.Peer, folder: Path) -> Inbox:
        """Let it take whatever comes."""
        inbox = Inbox(peer, folder)
        self._stack.push_async_callback(inbox.aclose)
        return inbox

    def told(self, name: str, event: str) -> list[dict[str, Any]]:
        """What a peer was told of one kind."""
        return [dict(each.fields) for each in self.events[name] if each.name == event]

    async def __aenter__(self) -> Peers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
