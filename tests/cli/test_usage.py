"""Command lines that are wrong: exit status 2, a word on stderr that says why, and nothing on stdout."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from jingle.cli.main import main


def refused(*arguments: str, says: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result
    assert result.stdout == ""
    assert "Error" in result.stderr
    assert says in result.stderr


ACCOUNT = ("--jid", "a@localhost", "--password", "x")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("call",), "JID"),
        (("call", "bob@localhost"), "--jid"),
        (("call", "bob@localhost", "--jid", "alice"), "--jid"),
        (("call", "bob@localhost", "--jid", "alice@localhost"), "password"),
        (("call", "bob@localhost", "--no-such-option"), "--no-such-option"),
        (("no-such-command",), "no-such-command"),
        (("answer", *ACCOUNT, "--seconds", "soon"), "soon"),
        (("call", "bob@localhost", *ACCOUNT, "--seconds", "nan"), "'nan' is no number of seconds"),
        (("receive", *ACCOUNT, "--timeout", "1e400"), "'1e400' is no number of seconds"),
        (("answer", *ACCOUNT, "--server", "host:port"), "port"),
        (("answer", *ACCOUNT, "--turn", "turn:nobody"), "turn:"),
        (("answer", *ACCOUNT, "--stun", "a:b:c"), "stun"),
        (("answer", *ACCOUNT, "--transport", "pigeon"), "pigeon"),
        (("answer", *ACCOUNT, "--ca-file", "missing.pem"), "missing.pem"),
        (("server", "--user", "alice"), "alice"),
        (("call", "", *ACCOUNT), "is not a JID"),
        (("send", __file__, "b b@localhost", *ACCOUNT), "'b b@localhost' is not a JID"),
        (("doctor", "@", *ACCOUNT), "is not a JID"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], says: str) -> None:
    refused(*arguments, says=says)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("[accounts.home\n", "config.toml"),
        ("[accounts.work]\njid = 'a@localhost'\npassword = 'x'\n", "accounts.home"),
        ("[accounts.home]\njid = 'a@localhost'\n", "password"),
        ("[accounts.home]\njid = 7\npassword = 'x'\n", "jid"),
        ("accounts = 3\n", "accounts.home"),
        ("[accounts.home]\njid = 'a@localhost'\npassword_command = 'false'\n", "password_command"),
        ("[accounts.home]\njid = 'a@localhost'\npassword_command = 'no-such-program-here'\n", "password_command"),
    ],
)
def test_an_account_that_cannot_be_used(
    tmp_path: Path, config: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "jingle").mkdir()
    (tmp_path / "jingle" / "config.toml").write_text(config)
    refused("answer", "--account", "home", says=says)


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in the environment of whoever runs the tests."""
    for name in ("JINGLE_JID", "JINGLE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["call", "answer", "server", "demo"])
def test_help_shows_an_example(name: str) -> None:
    result = CliRunner().invoke(main, (name, "--help"))
    assert result.exit_code == 0
    assert f"jingle {name}" in result.output
