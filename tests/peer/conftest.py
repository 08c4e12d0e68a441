"""Waits that are bounded end soon."""

from __future__ import annotations

import pytest

from jingle.peer import live as module


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANGUP_GRACE", 0.05)
    monkeypatch.setattr(module, "REPLACE_GRACE", 0.05)
    monkeypatch.setattr(module, "TERMINATE_TIMEOUT", 0.05)
