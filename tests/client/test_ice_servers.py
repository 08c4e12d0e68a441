"""STUN and TURN servers as people write them."""

from __future__ import annotations

import pytest

from jingle import parse_ice_server


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stun:stun.example", ("stun", "stun.example", 3478, "udp", None, None)),
        ("stun:stun.example:19302", ("stun", "stun.example", 19302, "udp", None, None)),
        ("stun:192.0.2.1:1", ("stun", "192.0.2.1", 1, "udp", None, None)),
        ("stun:[2001:db8::1]", ("stun", "2001:db8::1", 3478, "udp", None, None)),
        ("turn:u:p@relay.example", ("turn", "relay.example", 3478, "udp", "u", "p")),
        ("turn:u:p@relay.example:65535?transport=tcp", ("turn", "relay.example", 65535, "tcp", "u", "p")),
        ("turn:u:p@[::1]:3479?transport=udp", ("turn", "::1", 3479, "udp", "u", "p")),
        ("turn:u:p:w@d@relay.example", ("turn", "relay.example", 3478, "udp", "u", "p:w@d")),
        ("turns:u:p@relay.example", ("turns", "relay.example", 5349, "tcp", "u", "p")),
        ("turns:u:p@relay.example:443?transport=tcp", ("turns", "relay.example", 443, "tcp", "u", "p")),
    ],
)
def test_what_is_understood(text: str, expected: tuple[object, ...]) -> None:
    server = parse_ice_server(text)
    found = (server.scheme, server.host, server.port, server.transport, server.username, server.password)
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stun.example",
        "stun:",
        "stun:host:0",
        "stun:host:65536",
        "stun:host:port",
        "stun:ho st",
        "stun:2001:db8::1",
        "stun:[2001:db8::1",
        "stun:host/path",
        "http://host",
        "turn:relay.example",
        "turn:u@relay.example",
        "turn::p@relay.example",
        "turn:u:@relay.example",
        "turn:u:p@relay.example?transport=sctp",
        "turns:u:p@relay.example?transport=udp",
        "stun:host\n",
    ],
)
def test_what_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_ice_server(text)


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(parse_ice_server("turn:u:secret@relay.example"))
