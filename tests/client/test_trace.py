"""The trace for bug reports."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import jingle
from jingle.client.trace import Trace
from tests.client.conftest import World


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


async def test_everything_is_in_it_but_the_password(world: World, tmp_path: Path) -> None:
    path = tmp_path / "alice.trace"
    alice, bob = await world.peer("alice", trace=path), await world.peer("bob")
    world.server.services = [
        {"type": "turn", "host": "127.0.0.1", "port": 9, "username": "u", "password": "hunter2"},
    ]
    await alice.pump.services.ice_servers()
    with pytest.raises(jingle.SessionEnded):
        await alice.call(bob.jid)
    await alice.aclose()
    found = lines(path)
    text = path.read_text("utf-8")
    assert "hunter2" not in text
    assert "secret" not in text
    assert all(isinstance(line["time"], float) for line in found)
    assert [line["event"] for line in found if "event" in line] == ["online", "ended"]
    assert [line["connection"] for line in found if "connection" in line] == ["online", "offline"]
    stanzas = [(line["direction"], line["stanza"]) for line in found if "stanza" in line]
    (initiate,) = [direction for direction, xml in stanzas if "session-initiate" in xml]
    (terminate,) = [direction for direction, xml in stanzas if "session-terminate" in xml]
    assert (initiate, terminate) == (">", "<")


async def test_a_login_that_fails_is_in_it_too(world: World, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    server = world.server
    with pytest.raises(jingle.SignallingError):
        await jingle.connect(
            "alice@localhost", "wrong", server=(server.host, server.port), ca_file=server.ca_file, trace=path
        )
    assert [line.get("connection") for line in lines(path)] == ["offline"]


async def test_a_file_that_cannot_be_written(world: World, tmp_path: Path) -> None:
    with pytest.raises(jingle.LocalProtocolError):
        await world.peer("alice", trace=tmp_path / "nowhere" / "trace")


def test_a_full_disk_ends_the_trace_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with caplog.at_level(logging.ERROR):
        trace = Trace(full)
        trace.state("online")
        trace.state("offline")
        trace.close()
    assert caplog.text.count("the trace ends here") == 1
