"""Fixtures of the transports' tests; none applies unless asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from jingle.testing.links import TransportPair
from jingle.transports import ice_agent
from jingle.transports.ice_settings import IceSettings

from .ice_helpers import only_loopback

FAST = IceSettings(
    connect_timeout=3, consent_interval=0.05, consent_expiry=0.3, consent_patience=0.2, refresh_interval=0.05
)


@pytest.fixture
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without network, whose restarts do not linger."""
    only_loopback(monkeypatch)
    monkeypatch.setattr(ice_agent, "_LINGER", 0.1)


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """No task outlives the transport that started it."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()] == []


@pytest.fixture
async def pair(nothing_left: None, loopback_only: None) -> AsyncIterator[TransportPair]:
    """The two sides of a session, not yet negotiated, with quick timing."""
    pair = TransportPair(settings=FAST)
    yield pair
    await pair.aclose()
