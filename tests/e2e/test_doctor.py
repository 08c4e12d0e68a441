"""`jingle doctor`: what it finds where all is well, and where one thing after another is missing."""

from __future__ import annotations

import socket

import pytest

from tests.servers.coturn import RELAY, Coturn
from tests.servers.plain_client import plain_client

from .commands import Command, Commands
from .conftest import World

CHECKS = ["dns", "login", "server", "services", "proxies", "stun", "turn-udp", "turn-tcp", "turn-tls", "nat"]


def verdicts(command: Command) -> dict[str, str]:
    return {event["check"]: event["verdict"] for event in command.told("check")}


def text(command: Command, check: str) -> str:
    return str(command.told("check", check=check)[0]["text"])


async def doctor(world: World, *arguments: str, as_jid: str | None = None) -> tuple[Command, int]:
    command = await world.start("doctor", *arguments, "--loopback", as_jid=as_jid or world.alice)
    return command, await command.exit(60)


@pytest.mark.server
async def test_where_all_is_well(on_prosody: World, turn_server: Coturn) -> None:
    """Prosody, its proxy, and a coturn that it hands out; and bob, who answers."""
    bob = await on_prosody.answer("--once")
    command, status = await doctor(on_prosody, on_prosody.bob, "--turn", f"{turn_server.url()}?transport=tcp")
    assert [event["check"] for event in command.told("check")] == [*CHECKS, "peer"]
    found = verdicts(command)
    assert found["dns"] == "skipped"
    for check in ("login", "server", "services", "proxies", "stun", "turn-udp", "turn-tcp", "nat", "peer"):
        assert found[check] == "ok", f"{check}: {command}"
    # No TLS there: a warning, which is no failure, with what to do about it.
    assert found["turn-tls"] == "warning"
    assert "--turn turns:" in command.told("check", check="turn-tls")[0]["advice"]
    assert f"relays at {RELAY}:" in text(command, "turn-udp")
    assert "none" in text(command, "nat")
    assert f"127.0.0.1:{on_prosody.server.proxy_port}" in text(command, "proxies")
    assert text(command, "peer").startswith(f"{bob.events[0]['jid']} has voice, video, files")
    assert status == 0
    bob.interrupt()
    assert await bob.exit() == 130


async def test_a_server_with_next_to_nothing(on_loopback: World) -> None:
    command, status = await doctor(on_loopback)
    found = verdicts(command)
    assert list(found) == CHECKS
    assert (found["login"], found["proxies"], found["services"], found["nat"]) == (
        "ok",
        "warning",
        "warning",
        "skipped",
    )
    assert all(event["advice"] for event in command.told("check") if event["verdict"] == "warning")
    assert status == 0


async def test_who_is_hidden_asks_no_stun_server(on_loopback: World, turn_server: Coturn) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stun:
        stun.bind(("127.0.0.1", 0))
        stun.setblocking(False)
        named = ("--stun", f"127.0.0.1:{stun.getsockname()[1]}", "--turn", turn_server.url())
        command, status = await doctor(on_loopback, "--relay-only", *named)
        with pytest.raises(BlockingIOError):
            stun.recv(2000)
    found = verdicts(command)
    assert list(found) == CHECKS
    assert (found["stun"], found["nat"], found["turn-udp"]) == ("skipped", "skipped", "ok")
    assert "learns our address" in text(command, "nat")
    assert status == 0


async def test_servers_that_do_not_answer_or_refuse(on_loopback: World, request: pytest.FixtureRequest) -> None:
    relay = request.getfixturevalue("turn_server")
    wrong = f"turn:nobody:wrong@{relay.host}:{relay.port}"
    command, status = await doctor(
        on_loopback, "--stun", "127.0.0.1:1", "--turn", wrong, "--turn", relay.url() + "?transport=tcp"
    )
    found = verdicts(command)
    assert (found["turn-udp"], found["turn-tcp"]) == ("failed", "ok")
    assert found["stun"] == "failed"
    assert "127.0.0.1:1" in text(command, "stun")
    assert "401" in text(command, "turn-udp") or "nauthorized" in text(command, "turn-udp")
    assert status == 5


async def test_a_wrong_password_ends_it(on_loopback: World) -> None:
    command = await on_loopback.run(
        "doctor", "--jid", on_loopback.alice, "--password", "wrong", "--server",
        f"127.0.0.1:{on_loopback.server.port}", "--ca-file", str(on_loopback.server.ca_file),
    )  # fmt: skip
    assert await command.exit() == 3
    assert list(verdicts(command)) == ["dns", "login"]
    assert "password" in command.told("check", check="login")[0]["advice"]


async def test_a_domain_that_is_not_there(run: Commands) -> None:
    command = await run("doctor", "--jid", "alice@nowhere.invalid", "--password", "x")
    assert await command.exit() == 3
    assert verdicts(command) == {"dns": "failed"}
    assert "nowhere.invalid" in text(command, "dns")


async def test_peers_that_take_no_calls_or_are_away(on_loopback: World) -> None:
    async with plain_client(on_loopback.server, on_loopback.bob):
        command, status = await doctor(on_loopback, on_loopback.bob)
    assert (verdicts(command)["peer"], status) == ("failed", 4)
    command, status = await doctor(on_loopback, on_loopback.carol)
    assert (verdicts(command)["peer"], status) == ("warning", 0)


async def test_for_people(on_loopback: World) -> None:
    command = await on_loopback.start("doctor", as_jid=on_loopback.alice, as_json=False)
    assert await command.exit(60, talks_on_stdout=True) == 0
    assert [line.split()[1] for line in command.lines if not line.startswith(" ")] == CHECKS
