"""A real Prosody with a configuration, certificate, data directory and ports of its own."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import itertools
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import require_program

from .accounts import PASSWORD, XmppServer
from .coturn import Coturn
from .process import free_ports, is_root, running

HIBERNATION = 5
"""Seconds a stream that broke can be resumed (XEP-0198)."""

CONFIG = """
run_as_root = {root}
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}/certs"
log = {{ info = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
s2s_direct_tls_ports = {{}}
http_ports = {{ {http_port} }}
http_interfaces = {{ "127.0.0.1" }}
http_default_host = "localhost"
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
modules_disabled = {{ "s2s" }}
smacks_hibernation_time = {hibernation}
{turn}
VirtualHost "localhost"
  ssl = {{ key = "{folder}/certs/localhost.key", certificate = "{folder}/certs/localhost.crt" }}

Component "proxy.localhost" "proxy65"
  proxy65_address = "127.0.0.1"
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
        websocket: Where clients in browsers connect (RFC 7395).
        process: What runs.
        start: Runs it again, after its process was ended.
    """

    process: subprocess.Popen[bytes]
    start: Callable[[], None]

    def __init__(self, folder: Path, port: int, *, proxy_port: int, http_port: int, offers_relay: bool) -> None:
        super().__init__(port=port, ca_file=folder / "certs" / "localhost.crt")
        self.proxy_port = proxy_port
        self.websocket = f"ws://127.0.0.1:{http_port}/xmpp-websocket"
        self.offers_relay = offers_relay
        self._data = folder / "data" / "localhost"
        self._numbers = itertools.count(1)

    def make_accounts(self, names: Sequence[str], friends: Sequence[tuple[str, str]]) -> dict[str, str]:
        """New accounts: the files are what Prosody's internal storage reads at each login."""
        number = next(self._numbers)
        made = {name: f"{name}{number}" for name in names}
        contacts: dict[str, list[str]] = {name: [] for name in names}
        for one, two in friends:
            contacts[one].append(two)
            contacts[two].append(one)
        for name, user in made.items():
            self._write("accounts", user, f'["password"] = "{PASSWORD}";')
            items = [
                f'["{made[other]}@localhost"] = {{ ["subscription"] = "both"; ["groups"] = {{}}; }};'
                for other in contacts[name]
            ]
            self._write("roster", user, f"[false] = {{ ['version'] = 1; }}; {' '.join(items)}")
        return {name: f"{user}@localhost" for name, user in made.items()}

    def _write(self, store: str, user: str, content: str) -> None:
        folder = self._data / store
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{user}.dat").write_text(f"return {{ {content} }};\n")


@contextlib.contextmanager
def prosody(folder: Path, turn: Coturn | None = None) -> Iterator[Prosody]:
    """Run a Prosody in `folder` that hands out credentials for `turn` (XEP-0215)."""
    program = require_program("prosody")
    port, proxy_port, http_port = free_ports(3)
    (folder / "certs").mkdir(parents=True)
    (folder / "data").mkdir()
    write_certificate(folder / "certs")
    config = folder / "prosody.cfg.lua"
    config.write_text(
        CONFIG.format(
            root="true" if is_root() else "false",
            folder=folder,
            port=port,
            proxy_port=proxy_port,
            http_port=http_port,
            hibernation=HIBERNATION,
            modules=', "turn_external"' if turn is not None else "",
            turn=TURN.format(turn=turn) if turn is not None else "",
        )
    )
    server = Prosody(folder, port, proxy_port=proxy_port, http_port=http_port, offers_relay=turn is not None)
    command = [program, "--config", str(config), "-F"]
    with contextlib.ExitStack() as lives:

        def start() -> None:
            server.process = lives.enter_context(running(command, port=port, also=(http_port,), folder=folder))

        server.start = start
        start()
        yield server


def write_certificate(folder: Path, name: str = "localhost") -> Path:
    """A certificate that is its own CA, with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.crt"
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(private)
    return path
