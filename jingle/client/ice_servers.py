"""STUN and TURN servers as people write them (RFC 7064, RFC 7065)."""

from __future__ import annotations

import re

from ..transports.base import IceServer

_ADDRESS = re.compile(
    r"(?P<scheme>stun|turns?):"
    r"(?:(?P<user>[^:@]*):(?P<password>.*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:@/?\[\]]+)"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
_DEFAULT_PORTS = {"stun": 3478, "turn": 3478, "turns": 5349}


def parse_ice_server(text: str) -> IceServer:
    """Read `stun:HOST[:PORT]` or `turn[s]:USER:PASS@HOST[:PORT][?transport=udp|tcp]`.

    Raises:
        ValueError: It is neither, or a TURN server has no user and password.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is neither stun:HOST:PORT nor turn:USER:PASS@HOST:PORT")
    scheme = match["scheme"]
    port = int(match["port"] or _DEFAULT_PORTS[scheme])
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port")
    if scheme != "stun" and not (match["user"] and match["password"]):
        raise ValueError(f"a TURN server needs a user and a password: {scheme}:USER:PASS@{match['host']}:{port}")
    if scheme == "turns" and match["transport"] == "udp":
        raise ValueError("turns: is TLS over TCP")
    return IceServer(
        scheme=scheme,
        host=match["host"].strip("[]"),
        port=port,
        transport="tcp" if scheme == "turns" else match["transport"] or "udp",
        username=match["user"],
        password=match["password"],
    )
