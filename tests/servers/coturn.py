"""A real coturn with a configuration and ports of its own."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import require_program

from .process import free_ports, running

RELAY = "127.0.0.2"
"""Where relayed candidates are: an address that no candidate of the machine itself has."""

CONFIG = """
listening-ip=127.0.0.1
relay-ip={relay}
listening-port={port}
realm=localhost
use-auth-secret
static-auth-secret={secret}
fingerprint
no-tls
no-dtls
no-cli
allow-loopback-peers
userdb={folder}/turndb
pidfile={folder}/turnserver.pid
log-file=stdout
simple-log
"""


@dataclass(frozen=True)
class Coturn:
    """Where a running coturn is, and the secret that credentials are made from."""

    port: int
    secret: str = "swordfish"
    host: str = "127.0.0.1"

    def url(self) -> str:
        """What `--turn` takes: credentials good for an hour, as a server would make them."""
        user = str(int(time.time()) + 3600)
        digest = hmac.new(self.secret.encode(), user.encode(), hashlib.sha1).digest()
        return f"turn:{user}:{base64.b64encode(digest).decode()}@{self.host}:{self.port}"


@contextlib.contextmanager
def coturn(folder: Path) -> Iterator[Coturn]:
    """Run a coturn in `folder`."""
    program = require_program("turnserver")
    (port,) = free_ports(1)
    folder.mkdir(parents=True, exist_ok=True)
    server = Coturn(port)
    config = folder / "turnserver.conf"
    config.write_text(CONFIG.format(relay=RELAY, port=port, secret=server.secret, folder=folder))
    with running([program, "-c", str(config)], port=port, folder=folder):
        yield server
