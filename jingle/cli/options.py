"""The options of every command that goes online, and how they become a connected `jingle.Peer`."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ..client import DEFAULT_TRANSPORTS, Event, Opening, Peer, RelayOnly, connect, parse_ice_server
from ..client.connect import STRANGERS
from ..errors import LocalProtocolError
from ..signalling.binding import address
from .config import named_account

F = TypeVar("F", bound=Callable[..., Any])


class Seconds(click.FloatRange):
    """The type of an option that is a time: `nan` and `inf` are numbers to Python, and no times."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds; see `click.ParamType.convert`."""
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return seconds


@dataclass(frozen=True, kw_only=True)
class Online:
    """Everything needed to go online, checked."""

    jid: str
    password: str
    server: tuple[str, int] | None
    ca_file: Path | None
    ice_servers: tuple[Any, ...]
    relay_only: RelayOnly
    loopback: bool
    transports: tuple[Any, ...]
    require_encryption: bool
    trace: Path | None
    allow: tuple[str, ...]

    def connect(self, on_event: Callable[[Event], None]) -> Opening[Peer]:
        """Log in with these options."""
        return connect(self.jid, self.password, on_event=on_event, **self.options())

    def options(self) -> dict[str, Any]:
        """What `connect` takes beside the account."""
        return {
            "server": self.server,
            "ca_file": self.ca_file,
            "ice_servers": self.ice_servers,
            "relay_only": self.relay_only,
            "loopback": self.loopback,
            "transports": self.transports,
            "require_encryption": self.require_encryption,
            "trace": self.trace,
            "allow": self.allow,
        }


def host_and_port(value: str, default: int) -> tuple[str, int]:
    """`HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.

    Raises:
        click.BadParameter: It is none of these.
    """
    host, separator, port = value.rpartition(":")
    if value.startswith("["):
        host, bracket, rest = value[1:].partition("]")
        separator, port = rest[:1], rest[1:]
        if not bracket or separator not in ("", ":"):
            raise click.BadParameter(f"{value!r} is not HOST or HOST:PORT")
    elif not separator or ":" in host:  # no port, or a bare IPv6 address
        host, separator, port = value, "", ""
    if separator and not (port.isdecimal() and 0 < int(port) < 65536):
        raise click.BadParameter(f"{port!r} is not a port")
    if not host:
        raise click.BadParameter(f"{value!r} has no host")
    return host, int(port) if separator else default


def full_or_bare(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The JID of whoever is meant, checked before anything goes online.

    Raises:
        click.BadParameter: It is none.
    """
    try:
        return None if value is None else address(value)
    except LocalProtocolError as exc:
        raise click.BadParameter(exc.text) from None


def _server(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    return None if value is None else host_and_port(value, 5222)


def _stun(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(_ice(f"stun:{value.removeprefix('stun:')}") for value in values)


def _turn(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(_ice(value) for value in values)


def _ice(value: str) -> Any:
    try:
        return parse_ice_server(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from None


TRANSPORT_NAMES = tuple(dict.fromkeys(transport.name for transport in DEFAULT_TRANSPORTS))

_OPTIONS = (
    click.option("--jid", metavar="JID", envvar="JINGLE_JID", help="The account to log in with."),
    click.option("--password", metavar="PW", envvar="JINGLE_PASSWORD", help="Its password."),
    click.option("--account", metavar="NAME", help="An account from ~/.config/jingle/config.toml instead."),
    click.option("--server", metavar="HOST[:PORT]", callback=_server, help="Connect here instead of what DNS says."),
    click.option(
        "--ca-file",
        metavar="PEM",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Trust this CA for the XMPP server instead of the system's.",
    ),
    click.option("--stun", metavar="HOST:PORT", multiple=True, callback=_stun, help="A STUN server; repeatable."),
    click.option(
        "--turn",
        metavar="turn:USER:PASS@HOST:PORT",
        multiple=True,
        callback=_turn,
        help="A TURN server (turn: or turns:, ?transport=udp or tcp); repeatable.",
    ),
    click.option("--relay-only", is_flag=True, help="Never reveal an address of this machine."),
    click.option(
        "--relay-strangers", is_flag=True, help="Reveal none to anybody but contacts of the roster and own devices."
    ),
    click.option("--loopback", is_flag=True, help="Gather loopback addresses too."),
    click.option(
        "--transport",
        "transports",
        multiple=True,
        type=click.Choice(TRANSPORT_NAMES),
        help="Offer only this one; repeatable, in order of preference.",
    ),
    click.option("--require-encryption", is_flag=True, help="Files: never in the clear (calls never are)."),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout for every event."),
    click.option(
        "--trace",
        metavar="FILE",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        help="Every stanza and state change, one JSON object a line.",
    ),
    click.option("-v", "--verbose", "verbosity", count=True, help="Talk more; twice for still more."),
)


def online_options(command: F) -> F:
    """Give a command the options of everything that goes online."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def gather(options: dict[str, Any], *, allow: tuple[str, ...] = ()) -> Online:
    """Take the online options out of a command's keyword arguments and check them.

    Raises:
        click.UsageError: No account was named, or not wholly.
    """
    jid, password, account = options.pop("jid"), options.pop("password"), options.pop("account")
    relay_only: RelayOnly = False
    if account is not None:
        named = named_account(account)
        jid, password, relay_only = named.jid, named.password, named.relay_only
    if options.pop("relay_strangers"):
        relay_only = relay_only or STRANGERS
    if options.pop("relay_only"):
        relay_only = True
    if not jid or "@" not in jid:
        raise click.UsageError("which account? Give --jid JID and --password PW, or --account NAME")
    if password is None:
        raise click.UsageError(f"no password for {jid}: give --password PW, JINGLE_PASSWORD or --account NAME")
    names = options.pop("transports")
    return Online(
        jid=jid,
        password=password,
        server=options.pop("server"),
        ca_file=options.pop("ca_file"),
        ice_servers=options.pop("stun") + options.pop("turn"),
        relay_only=relay_only,
        loopback=options.pop("loopback"),
        transports=tuple(each for name in names for each in DEFAULT_TRANSPORTS if each.name == name)
        or DEFAULT_TRANSPORTS,
        require_encryption=options.pop("require_encryption"),
        trace=options.pop("trace"),
        allow=allow,
    )


def set_up_logging(verbosity: int) -> None:
    """Talk on stderr: errors only, with -v the package's own, with -vv everybody's.

    What libraries find wrong comes as an error of ours in the end; said twice it would only confuse.
    """
    levels = (logging.ERROR, logging.INFO, logging.DEBUG)
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("jingle").setLevel(levels[min(verbosity, 2)])
    for name in ("aioice", "aiortc", "slixmpp"):
        logging.getLogger(name).setLevel(logging.INFO if verbosity > 1 else logging.CRITICAL)
