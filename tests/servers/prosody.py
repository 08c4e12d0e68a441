"""A real Prosody with a configuration, certificate, data directory and ports of its own."""

from __future__ import annotations

import contextlib
import itertools
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import missing, require_program

from .accounts import HIBERNATION, PASSWORD, XmppServer
from .certificates import Authority
from .coturn import Coturn
from .federation import Federation
from .process import free_ports, is_root, running

DOMAIN = "prosody.example"
"""What it serves where it is federated."""

IMPOSTOR = "impostor-prosody.example"

CONFIG = """
run_as_root = {root}
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}"
ssl = {{ cafile = "{ca_file}" }}
log = {{ info = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{ {s2s_ports} }}
s2s_interfaces = {{ "127.0.0.1" }}
s2s_direct_tls_ports = {{}}
http_ports = {{ {http_port} }}
http_interfaces = {{ "127.0.0.1" }}
http_default_host = "{domain}"
https_ports = {{}}
consider_websocket_secure = true
proxy65_ports = {{ {proxy_port} }}
proxy65_interfaces = {{ "127.0.0.1" }}
c2s_require_encryption = true
allow_registration = false
authentication = "internal_plain"
storage = "internal"
modules_enabled = {{
  "roster", "saslauth", "tls", "disco", "carbons", "mam", "offline", "pep", "blocklist", "ping", "smacks",
  "csi_simple", "websocket"{modules}
}}
smacks_hibernation_time = {hibernation}
{turn}
{limits}
{settings}
{others}
VirtualHost "{domain}"
  ssl = {{ key = "{certificate}", certificate = "{certificate}" }}

Component "proxy.{domain}" "proxy65"
  proxy65_address = "127.0.0.1"
  ssl = {{ key = "{certificate}", certificate = "{certificate}" }}
"""

LIMITED = """
limits = { c2s = { rate = "10kb/s"; }; s2sin = { rate = "30kb/s"; }; }
"""
"""What Prosody's own configuration file has, and most servers therefore."""

ALONE = """
modules_disabled = {{ "s2s" }}
"""

FEDERATED = """
s2s_secure_auth = true
s2s_require_encryption = true
unbound = {{
  resolvconf = false, hoststxt = false, forward = "127.0.0.1@{names.port}",
  options = {{ ["do-not-query-localhost:"] = "no" }}
}}
VirtualHost "{impostor}"
  ssl = {{ key = "{certificate}", certificate = "{certificate}" }}
"""

TURN = """
turn_external_secret = "{turn.secret}"
turn_external_host = "{turn.host}"
turn_external_port = {turn.port}
turn_external_ttl = 3600
"""


class Prosody(XmppServer):
    """Where a running Prosody is, and how to get accounts on it.

    Attributes:
        process: What runs.
        start: Runs it again, after its process was ended.
    """

    process: subprocess.Popen[bytes]
    start: Callable[[], None]

    def __init__(
        self, folder: Path, domain: str, ca_file: Path, ports: tuple[int, int, int], *, offers_relay: bool
    ) -> None:
        port, self.proxy_port, http_port = ports
        super().__init__(domain=domain, port=port, ca_file=ca_file)
        self.websocket = f"ws://127.0.0.1:{http_port}/xmpp-websocket"
        self.offers_relay = offers_relay
        # The files are what its internal storage reads at each login; it has its own way of writing names.
        self._data = folder / "data" / re.sub(r"\W", lambda found: f"%{ord(found[0]):02x}", domain)
        self._numbers = itertools.count(1)
        self._contacts: dict[str, list[str]] = defaultdict(list)

    def add_account(self, name: str) -> str:
        """A new one."""
        user = f"{name}{next(self._numbers)}"
        self._write("accounts", user, f'["password"] = "{PASSWORD}";')
        return f"{user}@{self.domain}"

    def add_contact(self, jid: str, contact: str) -> None:
        """In its roster."""
        self._contacts[jid].append(contact)
        items = [f'["{each}"] = {{ ["subscription"] = "both"; ["groups"] = {{}}; }};' for each in self._contacts[jid]]
        self._write("roster", jid.partition("@")[0], f"[false] = {{ ['version'] = 1; }}; {' '.join(items)}")

    def _write(self, store: str, user: str, content: str) -> None:
        folder = self._data / store
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{user}.dat").write_text(f"return {{ {content} }};\n")


@contextlib.contextmanager
def prosody(
    folder: Path,
    turn: Coturn | None = None,
    others: Federation | None = None,
    *,
    is_limited: bool = False,
    settings: str = "",
) -> Iterator[Prosody]:
    """Run a Prosody in `folder`.

    Args:
        folder: Where it keeps everything.
        turn: What it hands out credentials for (XEP-0215).
        others: Whom it federates with, as `prosody.example`; without them it is `localhost` and alone.
        is_limited: Whether clients may send no more than most servers let them.
        settings: More lines of its configuration.
    """
    program = require_program("prosody")
    port, proxy_port, http_port, s2s_port = free_ports(4)
    (folder / "data").mkdir(parents=True)
    authority = others.authority if others is not None else Authority(folder)
    domain = DOMAIN if others is not None else "localhost"
    config = folder / "prosody.cfg.lua"
    config.write_text(
        CONFIG.format(
            root="true" if is_root() else "false",
            folder=folder,
            domain=domain,
            ca_file=authority.file,
            certificate=authority.certify(folder, domain),
            port=port,
            proxy_port=proxy_port,
            http_port=http_port,
            s2s_ports=s2s_port if others is not None else "",
            hibernation=HIBERNATION,
            modules=(', "turn_external"' if turn is not None else "") + (', "limits"' if is_limited else ""),
            limits=LIMITED if is_limited else "",
            settings=settings,
            turn=TURN.format(turn=turn) if turn is not None else "",
            others=_federated(folder, others, s2s_port) if others is not None else ALONE,
        )
    )
    ports = (port, proxy_port, http_port)
    server = Prosody(folder, domain, authority.file, ports, offers_relay=turn is not None)
    if others is not None:
        server.impostor = Prosody(folder, IMPOSTOR, others.impostors.file, ports, offers_relay=turn is not None)
    command = [program, "--config", str(config), "-F"]
    with contextlib.ExitStack() as lives:

        def start() -> None:
            server.process = lives.enter_context(running(command, port=port, also=(http_port,), folder=folder))

        server.start = start
        start()
        yield server


def _federated(folder: Path, others: Federation, port: int) -> str:
    if not any(Path("/usr/lib").glob("*/lua/*/lunbound.so")):
        missing("lua-unbound is not installed: Prosody cannot be told where to look for names")
    for name in (DOMAIN, IMPOSTOR):
        others.names.publish(name, port)
    certificate = others.impostors.certify(folder, IMPOSTOR)
    return FEDERATED.format(names=others.names, impostor=IMPOSTOR, certificate=certificate)
