"""The account to log in with: options, environment, or `~/.config/jingle/config.toml`."""

from __future__ import annotations

import os
import shlex
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from ..client import RelayOnly
from ..client.connect import STRANGERS


def config_file() -> Path:
    """Where the accounts are described (XDG base directories are honoured)."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "jingle" / "config.toml"


@dataclass(frozen=True, kw_only=True)
class NamedAccount:
    """What `[accounts.NAME]` says."""

    jid: str
    password: str = field(repr=False)
    relay_only: RelayOnly = False
    """As of `jingle.connect`."""


def named_account(name: str) -> NamedAccount:
    """Read `[accounts.NAME]`.

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
    relay_only = account.get("relay_only", False)
    if not isinstance(relay_only, bool) and relay_only != STRANGERS:
        raise click.UsageError(f'--account {name}: relay_only is true, false or "{STRANGERS}", not {relay_only!r}')
    if isinstance(account.get("password"), str):
        return NamedAccount(jid=account["jid"], password=account["password"], relay_only=relay_only)
    if isinstance(account.get("password_command"), str):
        password = _run(account["password_command"], name)
        return NamedAccount(jid=account["jid"], password=password, relay_only=relay_only)
    raise click.UsageError(f"--account {name}: [accounts.{name}] has neither password nor password_command")


def _run(command: str, name: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise click.UsageError(f"--account {name}: password_command failed: {exc}") from None
    return done.stdout.rstrip("\r\n")
