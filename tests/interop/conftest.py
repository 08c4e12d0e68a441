"""What foreign software is run with; each worker of the run has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.commands import Commands, commands
from tests.servers.prosody import Prosody, prosody

from .chromium import Chromium, chromium


@pytest.fixture(scope="session")
def prosody_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    with prosody(tmp_path_factory.mktemp("prosody")) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Commands]:
    """Starts commands without an account."""
    async with commands(tmp_path) as started:
        yield started
