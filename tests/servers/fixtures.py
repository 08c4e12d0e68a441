"""Servers that live as long as the test run; each worker of it has its own, made when a test first asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Commands, commands
from tests.e2e.zygote import Zygote, zygote

from .coturn import Coturn, coturn
from .ejabberd import Ejabberd, ejabberd
from .federation import Federation, federation
from .loopback import Loopback, loopback
from .prosody import Prosody, prosody


@pytest.fixture(scope="session")
def turn_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn(tmp_path_factory.mktemp("coturn")) as server:
        yield server


@pytest.fixture(scope="session")
def prosody_server(tmp_path_factory: pytest.TempPathFactory, turn_server: Coturn) -> Iterator[Prosody]:
    with prosody(tmp_path_factory.mktemp("prosody"), turn_server) as server:
        yield server


@pytest.fixture(scope="session")
def loopback_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with loopback(tmp_path_factory.mktemp("loopback")) as server:
        yield server


@pytest.fixture(scope="session")
def servers_of_others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with federation(tmp_path_factory.mktemp("federation")) as found:
        yield found


@pytest.fixture(scope="session")
def federated_prosody_server(
    tmp_path_factory: pytest.TempPathFactory, turn_server: Coturn, servers_of_others: Federation
) -> Iterator[Prosody]:
    with prosody(tmp_path_factory.mktemp("prosody"), turn_server, servers_of_others) as server:
        yield server


@pytest.fixture(scope="session")
def ejabberd_server(
    tmp_path_factory: pytest.TempPathFactory, turn_server: Coturn, servers_of_others: Federation
) -> Iterator[Ejabberd]:
    with ejabberd(tmp_path_factory.mktemp("ejabberd"), turn_server, servers_of_others) as server:
        yield server


@pytest.fixture(scope="session")
def forker() -> Iterator[Zygote]:
    with zygote() as starting:
        yield starting


@pytest.fixture
async def run(tmp_path: Path, forker: Zygote) -> AsyncIterator[Commands]:
    """Starts commands without an account."""
    async with commands(tmp_path, forker) as started:
        yield started
