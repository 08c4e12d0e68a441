"""What goes wrong before a call: exit statuses, one `error` event with advice, and nothing that looks like a crash."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.servers.accounts import PASSWORD
from tests.servers.certificates import Authority
from tests.servers.process import free_ports

from .commands import Command, Commands
from .conftest import World

TELLING = ("condition", "text", "advice")


async def failed(command: Command, exit: int, condition: str) -> str:
    """Assert the one `error` event of a command that never went online; its text comes back."""
    assert await command.exit() == exit, command
    assert command.names() == ["error"], command
    (error,) = command.told("error")
    assert error["condition"] == condition, command
    assert error["text"], command
    assert error["advice"], command
    assert set(error) == {"event", "time", *TELLING}
    return str(error["text"])


async def test_wrong_password(world: World) -> None:
    for command in (("answer", "--play", "silence"), ("call", world.bob, "--play", "silence")):
        started = await world.run(*command, "--jid", world.alice, "--password", "wrong", *world.server.address())
        text = await failed(started, 3, "not-authorized")
        assert "wrong" not in text


async def test_no_such_account(world: World) -> None:
    nobody = ("--jid", f"nobody@{world.server.domain}", "--password", PASSWORD)
    command = await world.run("answer", "--play", "silence", *nobody, *world.server.address())
    await failed(command, 3, "not-authorized")


async def test_untrusted_certificate(world: World, tmp_path: Path) -> None:
    """Neither without a CA nor with another one does a byte of the login leave."""
    other = Authority(tmp_path / "other").file
    server = ("--server", f"127.0.0.1:{world.server.port}")
    for trust in ((), ("--ca-file", str(other))):
        account = ("--jid", world.alice, "--password", PASSWORD)
        command = await world.run("answer", "--play", "silence", *account, *server, *trust, "--trace", "trace")
        await failed(command, 3, "certificate")
        assert not any("stanza" in line for line in world.trace("trace"))


async def test_a_certificate_for_another_name(world: World) -> None:
    account = ("--jid", "alice@elsewhere.example", "--password", PASSWORD)
    command = await world.run("answer", "--play", "silence", *account, *world.server.address())
    assert await command.exit() == 3
    (error,) = command.told("error")
    assert error["condition"] in ("certificate", "host-unknown"), command


async def test_bad_ca_file(world: World, tmp_path: Path) -> None:
    (tmp_path / "nonsense.pem").write_text("this is no certificate")
    account = ("--jid", world.alice, "--password", PASSWORD, "--server", f"127.0.0.1:{world.server.port}")
    command = await world.run("answer", "--play", "silence", *account, "--ca-file", "nonsense.pem", "--trace", "trace")
    assert "nonsense.pem" in await failed(command, 3, "certificate")


async def test_nobody_listens_there(run: Commands) -> None:
    (port,) = free_ports(1)
    for server in (f"127.0.0.1:{port}", "no-such-host.invalid"):
        started = time.monotonic()
        account = ("--jid", "alice@localhost", "--password", PASSWORD, "--server", server)
        command = await run("call", "bob@localhost", "--play", "silence", *account)
        await failed(command, 3, "remote-server-not-found")
        assert time.monotonic() - started < 10


async def test_an_unknown_domain(run: Commands) -> None:
    account = ("--jid", "alice@no-such-domain.invalid", "--password", PASSWORD)
    await failed(await run("answer", "--play", "silence", *account), 3, "remote-server-not-found")


async def test_an_account_by_name_and_one_from_the_environment(on_loopback: World, tmp_path: Path) -> None:
    world = on_loopback
    (tmp_path / "jingle").mkdir()
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "jingle" / "config.toml").write_text(
        f"[accounts.home]\njid = '{world.bob}'\npassword_command = 'cat {tmp_path}/password'\n"
    )
    address = world.server.address()
    bob = await world.run(
        "answer", "--account", "home", "--once", "--play", "silence", *address, env={"XDG_CONFIG_HOME": str(tmp_path)}
    )
    await bob.event("online")
    environment = {"JINGLE_JID": world.alice, "JINGLE_PASSWORD": PASSWORD}
    alice = await world.run("call", world.bob, "--seconds", "0.2", "--play", "silence", *address, env=environment)
    assert await alice.exit() == 0, alice
    assert await bob.exit() == 0, bob


async def test_a_file_that_is_not_there_rings_nobody(on_loopback: World, tmp_path: Path) -> None:
    """Found before going online."""
    (tmp_path / "noise.ogg").write_bytes(os.urandom(4000))
    for source in ("missing.ogg", "noise.ogg", "."):
        for command in (("answer",), ("call", on_loopback.bob)):
            started = await on_loopback.start(*command, "--play", source, as_jid=on_loopback.alice)
            await failed(started, 2, "media-error")


async def test_a_recording_that_cannot_be_written(on_loopback: World, tmp_path: Path) -> None:
    """Found before going online: nobody's call is answered only to be dropped."""
    for target in ("heard.xyz", "nowhere/heard.wav"):
        for command in (("answer",), ("call", on_loopback.bob)):
            options = ("--play", "silence", "--record", target)
            started = await on_loopback.start(*command, *options, as_jid=on_loopback.alice)
            await failed(started, 2, "media-error")


async def test_a_trace_that_cannot_be_written(on_loopback: World) -> None:
    command = await on_loopback.start("answer", "--play", "silence", "--trace", "nowhere/x", as_jid=on_loopback.bob)
    assert await command.exit() == 2, command
    assert "nowhere" in command.talk + "".join(command.lines)


async def test_errors_for_people(on_loopback: World) -> None:
    """Without --json: what happened and what to do about it on stderr, and an empty stdout."""
    wrong = ("--jid", on_loopback.alice, "--password", "wrong", *on_loopback.server.address())
    command = await on_loopback.run("answer", "--play", "silence", *wrong, as_json=False)
    assert await command.exit() == 3
    first, second = command.talk.splitlines()
    assert first.startswith("error: ")
    assert "password" in second
    missing = await on_loopback.start("call", "x@localhost", "--play", "x.ogg", as_jid=on_loopback.bob, as_json=False)
    assert await missing.exit() == 2
    assert "x.ogg" in missing.talk


async def test_talk_for_people(on_loopback: World) -> None:
    """Without --json a call is told in sentences."""
    bob = await on_loopback.start("answer", "--play", "silence", "--timeout", "30", as_jid=on_loopback.bob)
    await bob.event("online")
    alice = await on_loopback.call("--seconds", "0.3", "-v", as_json=False)
    assert await alice.exit() == 0, alice
    said = alice.talk.splitlines()
    for words in ("online as", "calling", "ringing at", "connected with", "ended after"):
        assert any(line.startswith(words) or words in line for line in said), alice
    bob.interrupt()
    assert await bob.exit() == 130


async def test_the_loopback_servers_own_errors(run: Commands, on_loopback: World) -> None:
    taken = await run("server", "--port", str(on_loopback.server.port), as_json=False)
    assert await taken.exit() == 2
    assert str(on_loopback.server.port) in taken.talk
    unwritable = await run("server", "--port", "0", "--ca-file", "nowhere/ca.pem", as_json=False)
    assert await unwritable.exit() == 2
    assert "nowhere" in unwritable.talk
