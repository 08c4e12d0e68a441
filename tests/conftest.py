"""Fixtures and settings that every test shares."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Generator
from pathlib import PurePath

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.servers.fixtures",)

settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

NO_SKIP = "JINGLE_TESTS_NO_SKIP"
"""Environment variable: `1` makes what a test needs and does not find a failure."""


def missing(what: str) -> None:
    """Leave a test that cannot run here: skipped with its reason, or failed where nothing may be skipped."""
    if os.environ.get(NO_SKIP) == "1":
        pytest.fail(f"{what}, and {NO_SKIP}=1 forbids to skip", pytrace=False)
    pytest.skip(what)


def require_program(name: str) -> str:
    """The path of a program that a test starts; without it the test is skipped or failed, see `missing`."""
    # Servers live where the PATH of an ordinary user does not look.
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        missing(f"{name} is not installed")
    assert path is not None
    return path


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """End by naming each group of tests that could not run here, and why."""
    yield
    groups: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        groups[str(PurePath(report.nodeid.partition("::")[0])), reason.removeprefix("Skipped: ")] += 1
    if groups:
        terminalreporter.section("could not run here", sep="=", yellow=True)
    for (file, reason), count in sorted(groups.items()):
        terminalreporter.line(f"{file}: {count} test{'s' * (count > 1)}: {reason}")
