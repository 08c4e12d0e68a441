"""The account to log in with: options, environment, or `~/.config/jingle/config.toml`."""

from __future__ import annotations

import os
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import click


def config_file() -> Path:
    """Where the accounts are described (XDG base directories are honoured)."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "jingle" / "config.toml"


def named_account(name: str) -> tuple[str, str]:
    """The JID and password of `[accounts.NAME]`.

    Raises:
        click.UsageError: There is no such account, or what is written there cannot be used.
    """
    path = config_file()
    try:
        config: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise click.UsageError(f"--account {name}: there is no {path}") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise click.UsageError(f"--account {name}: cannot read {path}: {exc}") from None
    accounts = config.get("accounts")
    account = accounts.get(name) if isinstance(accounts, dict) else None
    if not isinstance(account, dict) or not isinstance(account.get("jid"), str):
        raise click.UsageError(f"--account {name}: {path} has no [accounts.{name}] with a jid")
    if isinstance(account.get("password"), str):
        return account["jid"], account["password"]
    if isinstance(account.get("password_command"), str):
        return account["jid"], _run(account["password_command"], name)
    raise click.UsageError(f"--account {name}: [accounts.{name}] has neither password nor password_command")


def _run(command: str, name: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise click.UsageError(f"--account {name}: password_command failed: {exc}") from None
    return done.stdout.rstrip("\r\n")
