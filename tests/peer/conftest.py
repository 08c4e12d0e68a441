"""Waits that are bounded end soon."""

from __future__ import annotations

import pytest

from jingle.peer import live, negotiation


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negotiation, "HANGUP_GRACE", 0.05)
    monkeypatch.setattr(negotiation, "REPLACE_GRACE", 0.05)
    monkeypatch.setattr(live, "TERMINATE_TIMEOUT", 0.05)
