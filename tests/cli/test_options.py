"""What is typed, and what becomes of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from jingle.cli import call as call_module
from jingle.cli import media as media_module
from jingle.cli.config import NamedAccount, config_file, named_account
from jingle.cli.main import main
from jingle.cli.media import audio_source
from jingle.cli.options import Online, host_and_port
from jingle.client import File, Microphone, Silence, Tone
from jingle.errors import MediaError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org", ("example.org", 5222)),
        ("example.org:1", ("example.org", 1)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("::1", ("::1", 5222)),
        ("2001:db8::1", ("2001:db8::1", 5222)),
        ("[::1]", ("::1", 5222)),
        ("[::1]:5223", ("::1", 5223)),
    ],
)
def test_an_address(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text, 5222) == expected


@pytest.mark.parametrize(
    "text", ["", ":5222", "host:", "host:0", "host:65536", "host:http", "[]", "[::1", "[::1]x", "[::1]:", "[::1]5222"]
)
def test_no_address(text: str) -> None:
    with pytest.raises(click.BadParameter):
        host_and_port(text, 5222)


class Asked(Exception):
    """A command was about to go online."""


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Online, dict[str, Any]]]:
    """What `jingle call` would do, in place of doing it."""
    seen: list[tuple[Online, dict[str, Any]]] = []

    def note(main: Any, output: Any) -> None:
        cells = dict(zip(main.__code__.co_freevars, (cell.cell_contents for cell in main.__closure__), strict=True))
        seen.append((cells["online"], cells["options"]))

    monkeypatch.setattr(call_module, "run", note)
    for name in ("JINGLE_JID", "JINGLE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return seen


def call(*arguments: str) -> None:
    result = CliRunner().invoke(main, ["call", "bob@localhost", *arguments])
    assert result.exit_code == 0, result.output


def test_the_account_and_all_that_is_about_the_way(online: list[tuple[Online, dict[str, Any]]], tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("")
    call(
        *("--jid", "alice@localhost", "--password", "secret", "--server", "127.0.0.1:5000", "--ca-file", str(ca_file)),
        *("--stun", "stun.example", "--stun", "stun:other.example:1", "--turn", "turn:u:p@relay.example"),
        *("--relay-only", "--loopback", "--transport", "ice-udp", "--trace", str(tmp_path / "trace")),
    )
    ((given, options),) = online
    assert (given.jid, given.password, given.server) == ("alice@localhost", "secret", ("127.0.0.1", 5000))
    assert (given.ca_file, given.trace) == (ca_file, tmp_path / "trace")
    assert [(each.scheme, each.host, each.port) for each in given.ice_servers] == [
        ("stun", "stun.example", 3478),
        ("stun", "other.example", 1),
        ("turn", "relay.example", 3478),
    ]
    assert given.relay_only
    assert given.loopback
    assert [each.name for each in given.transports] == ["ice-udp"]
    assert options["ring_timeout"] == 60
    assert "jid" not in options


def test_the_account_from_the_environment(
    online: list[tuple[Online, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JINGLE_JID", "alice@localhost")
    monkeypatch.setenv("JINGLE_PASSWORD", "secret")
    call()
    assert (online[0][0].jid, online[0][0].password) == ("alice@localhost", "secret")


def test_the_account_from_the_configuration(
    online: list[tuple[Online, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("JINGLE_JID", "somebody@else")
    config_file().parent.mkdir()
    config_file().write_text("[accounts.home]\njid = 'alice@localhost'\npassword = 'secret'\n")
    call("--account", "home")
    assert (online[0][0].jid, online[0][0].password) == ("alice@localhost", "secret")


def test_a_password_from_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config_file().parent.mkdir()
    command = f"{sys.executable} -c 'print(\\\"s3 cret\\\")'"
    config_file().write_text(f'[accounts.home]\njid = "alice@localhost"\npassword_command = "{command}"\n')
    assert named_account("home") == NamedAccount(jid="alice@localhost", password="s3 cret")


@pytest.mark.parametrize(
    ("said", "options", "expected"),
    [
        ("", (), False),
        ("", ("--relay-only",), True),
        ("", ("--relay-strangers",), "strangers"),
        ("", ("--relay-only", "--relay-strangers"), True),
        ("relay_only = true", (), True),
        ("relay_only = true", ("--relay-strangers",), True),
        ('relay_only = "strangers"', (), "strangers"),
        ('relay_only = "strangers"', ("--relay-only",), True),
    ],
)
def test_from_whom_addresses_are_kept(
    online: list[tuple[Online, dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    said: str,
    options: tuple[str, ...],
    expected: object,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config_file().parent.mkdir()
    config_file().write_text(f"[accounts.home]\njid = 'alice@localhost'\npassword = 'secret'\n{said}\n")
    call("--account", "home", *options)
    assert online[0][0].relay_only == expected


@pytest.mark.parametrize("said", ["1", "'all'", "'true'"])
def test_a_wish_to_be_hidden_that_is_misspelt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config_file().parent.mkdir()
    config_file().write_text(f"[accounts.home]\njid = 'a@localhost'\npassword = 'x'\nrelay_only = {said}\n")
    with pytest.raises(click.UsageError, match="relay_only"):
        named_account("home")


def test_where_the_configuration_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_file() == tmp_path / ".config" / "jingle" / "config.toml"


@pytest.mark.parametrize(("digits", "fine"), [("0123456789*#ABCDabcd", True), ("12-34", False), ("", False)])
def test_digits(online: list[tuple[Online, dict[str, Any]]], digits: str, fine: bool) -> None:
    arguments = ["call", "bob@localhost", "--jid", "a@localhost", "--password", "x", "--dtmf", digits]
    assert CliRunner().invoke(main, arguments).exit_code == (0 if fine else 2)


def test_what_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_microphone() -> Microphone:
        raise MediaError("none")

    monkeypatch.setattr(media_module, "Microphone", no_microphone)
    assert isinstance(audio_source("tone"), Tone)
    assert isinstance(audio_source("silence"), Silence)
    assert isinstance(audio_source("hello.ogg"), File)
    assert isinstance(audio_source(None), Silence)
    with pytest.raises(MediaError):
        audio_source("mic")
