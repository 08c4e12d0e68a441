"""A client whose far end speaks as a deployed client does."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.client.far_end import FarEnd, far_end
from tests.transports.ice_helpers import only_loopback


@pytest.fixture
async def us(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarEnd]:
    """Our client; whoever writes to it may reach it."""
    only_loopback(monkeypatch)
    async with far_end() as end:
        yield end
