"""A real ejabberd with a configuration, certificates, directories and ports of its own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import missing, require_program

from .accounts import HIBERNATION, PASSWORD, XmppServer
from .coturn import Coturn
from .federation import Federation
from .process import free_ports, running

DOMAIN = "ejabberd.example"

IMPOSTOR = "impostor-ejabberd.example"

ANSWER = 20.0
"""Seconds a command may take."""

CONFIG = """
loglevel: info
log_rotate_count: 0
hosts: ["{domain}", "{impostor}"]
certfiles: ["{certificate}", "{false_certificate}"]
ca_file: "{ca_file}"
s2s_use_starttls: required
auth_password_format: plain
listen:
  - {{ module: ejabberd_c2s, ip: "127.0.0.1", port: {port}, starttls_required: true }}
  - {{ module: ejabberd_s2s_in, ip: "127.0.0.1", port: {s2s_port} }}
  - module: ejabberd_http
    ip: "127.0.0.1"
    port: {http_port}
    request_handlers: {{ /api: mod_http_api, /ws: ejabberd_http_ws }}
api_permissions:
  "the tests": {{ from: mod_http_api, who: {{ ip: 127.0.0.1 }}, what: [register, add_rosteritem] }}
modules:
  mod_admin_extra: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_http_api: {{}}
  mod_mam: {{ default: always }}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_proxy65: {{ ip: 127.0.0.1, port: {proxy_port} }}
  mod_pubsub: {{ plugins: [flat, pep] }}
  mod_roster: {{ versioning: true }}
  mod_stream_mgmt: {{ resume_timeout: {hibernation} }}
  mod_stun_disco:
    access: all
    offer_local_services: false
    credentials_lifetime: 3600
    secret: "{turn.secret}"
    services:
      - {{ type: stun, host: {turn.host}, port: {turn.port}, transport: udp }}
      - {{ type: turn, host: {turn.host}, port: {turn.port}, transport: udp, restricted: true }}
"""

RESOLVER = """
{{resolv_conf, ""}}.
{{hosts_file, ""}}.
{{lookup, [file, dns]}}.
{{host, {{127,0,0,1}}, ["localhost"]}}.
{{nameserver, {{127,0,0,1}}, {names.port}}}.
"""


class Ejabberd(XmppServer):
    """Where a running ejabberd is, and how to get accounts on it."""

    offers_relay = True

    def __init__(self, domain: str, ca_file: Path, port: int, *, proxy_port: int, http_port: int) -> None:
        super().__init__(domain=domain, port=port, ca_file=ca_file)
        self.proxy_port = proxy_port
        self.websocket = f"ws://127.0.0.1:{http_port}/ws"
        self._api = f"http://127.0.0.1:{http_port}/api"
        self._numbers = itertools.count(1)

    def add_account(self, name: str) -> str:
        """A new one."""
        user = f"{name}{next(self._numbers)}"
        self._do("register", user=user, host=self.domain, password=PASSWORD)
        return f"{user}@{self.domain}"

    def add_contact(self, jid: str, contact: str) -> None:
        """In its roster."""
        owner, (user, _, host) = jid.partition("@")[0], contact.partition("@")
        whose = {"localuser": owner, "localhost": self.domain}
        self._do("add_rosteritem", **whose, user=user, host=host, nick="", group="", subs="both")

    def _do(self, command: str, **fields: str) -> None:
        request = urllib.request.Request(f"{self._api}/{command}", json.dumps(fields).encode())
        with urllib.request.urlopen(request, timeout=ANSWER) as response:
            response.read()


@contextlib.contextmanager
def ejabberd(folder: Path, turn: Coturn, others: Federation) -> Iterator[Ejabberd]:
    """Run an ejabberd in `folder` that hands out credentials for `turn` (XEP-0215) and federates with `others`."""
    require_program("ejabberdctl")
    program = require_program("erl")
    port, proxy_port, http_port, s2s_port = free_ports(4)
    (folder / "spool").mkdir(parents=True)
    for name in (DOMAIN, IMPOSTOR):
        others.names.publish(name, s2s_port)
    config, resolver = folder / "ejabberd.yml", folder / "inetrc"
    config.write_text(
        CONFIG.format(
            domain=DOMAIN,
            impostor=IMPOSTOR,
            certificate=others.authority.certify(folder, DOMAIN),
            false_certificate=others.impostors.certify(folder, IMPOSTOR),
            ca_file=others.authority.file,
            port=port,
            s2s_port=s2s_port,
            http_port=http_port,
            proxy_port=proxy_port,
            hibernation=HIBERNATION,
            turn=turn,
        )
    )
    resolver.write_text(RESOLVER.format(names=others.names))
    environment = {
        "ERL_LIBS": _libraries(),
        "ERL_INETRC": str(resolver),
        "ERL_CRASH_DUMP": str(folder / "crash.dump"),
        "EJABBERD_CONFIG_PATH": str(config),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
    }
    # Without a name it is no node that others could reach, and needs no epmd.
    command = [program, "-noinput", "+sbwt", "none", "-mnesia", "dir", f'"{folder}/spool"', "-s", "ejabberd"]
    ports = (s2s_port, http_port, proxy_port)
    with running(command, port=port, also=ports, folder=folder, env=os.environ | environment):
        server, server.impostor = (
            Ejabberd(name, ca_file, port, proxy_port=proxy_port, http_port=http_port)
            for name, ca_file in ((DOMAIN, others.authority.file), (IMPOSTOR, others.impostors.file))
        )
        yield server


def _libraries() -> str:
    """Where its code is: what starts it on a server knows, and would take a user and a node of the system's for it."""
    script = Path(require_program("ejabberdctl")).read_text()
    found = re.search(r"^ERL_LIBS='?([^'\n]+)'?$", script, re.MULTILINE)
    if found is None:
        missing("where ejabberd's code is cannot be found out")
    assert found is not None
    return found[1]
