"""What foreign software is run with; each worker of the run has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .chromium import Chromium, chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running
