"""Two accounts on the loopback server, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

import jingle
from jingle.demo import LoopbackServer


class World:
    """A server, and peers that are closed with it; `events[name]` holds what each was told."""

    def __init__(self, server: LoopbackServer, stack: AsyncExitStack) -> None:
        self.server = server
        self.events: dict[str, list[jingle.Event]] = {}
        self._stack = stack

    async def peer(self, name: str, *, resource: str | None = None, **options: Any) -> jingle.Peer:
        told = self.events.setdefault(name if resource is None else f"{name}/{resource}", [])
        jid = f"{name}@localhost" if resource is None else f"{name}@localhost/{resource}"
        return await self._stack.enter_async_context(
            jingle.connect(
                jid,
                "secret",
                ca_file=self.server.ca_file,
                on_event=told.append,
                loopback=True,
                **{"server": (self.server.host, self.server.port)} | options,
            )
        )

    def told(self, name: str, event: str) -> list[dict[str, Any]]:
        return [dict(each.fields) for each in self.events[name] if each.name == event]

    async def ended(self, name: str) -> list[dict[str, Any]]:
        """The `ended` events, once there is one."""
        for _ in range(500):
            if self.told(name, "ended"):
                break
            await asyncio.sleep(0.01)
        return self.told(name, "ended")

    def names(self, name: str) -> list[str]:
        return [each.name for each in self.events[name]]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    users = dict.fromkeys(("alice", "bob", "carol"), "secret")
    async with LoopbackServer(users=users) as server, AsyncExitStack() as stack:
        server.subscribe("alice", "bob")
        server.subscribe("alice", "carol")
        yield World(server, stack)


Answer = Callable[[jingle.Peer], Any]
