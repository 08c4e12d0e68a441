from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from jingle.demo import LoopbackServer

from .clients import Client, Wire

Login: TypeAlias = Callable[..., Awaitable[Client]]
Dial: TypeAlias = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def server() -> AsyncIterator[LoopbackServer]:
    users = {"alice": "secret", "bob": "secret", "carol": "secret"}
    async with LoopbackServer(users=users) as running:
        running.subscribe("alice", "bob")
        yield running


@pytest.fixture
async def login(server: LoopbackServer) -> AsyncIterator[Login]:
    clients: list[Client] = []

    async def log_in(jid: str, **options: Any) -> Client:
        clients.append(Client(server, jid))
        return await clients[-1].go_online(**options)

    yield log_in
    for client in clients:
        await client.hang_up()


@pytest.fixture
async def dial(server: LoopbackServer) -> AsyncIterator[Dial]:
    wires: list[Wire] = []

    async def connect(to: LoopbackServer = server, **options: Any) -> Wire:
        wires.append(await Wire.dial(to, **options))
        return wires[-1]

    yield connect
    for wire in wires:
        await wire.aclose()
