"""RFC 7622: addresses taken apart."""

from __future__ import annotations

import pytest

from jingle.demo.jids import Jid, parse_jid
from jingle.errors import RemoteProtocolError


@pytest.mark.parametrize(
    ("text", "jid"),
    [
        ("localhost", Jid("", "localhost", "")),
        ("Alice@LocalHost.", Jid("alice", "localhost", "")),
        ("a@d/R@/x", Jid("a", "d", "R@/x")),
        ("d/a@b", Jid("", "d", "a@b")),
    ],
)
def test_parts(text: str, jid: Jid) -> None:
    assert parse_jid(text) == jid


def test_bare() -> None:
    assert parse_jid("A@d/r").bare == "a@d"
    assert parse_jid("d/r").bare == "d"


@pytest.mark.parametrize(
    "text", ["", "@d", "a@", "a@d/", "a b@d", "a@b@d", "<@d", "a@d/\n", "a" * 1024 + "@d", "d" * 4000]
)
def test_no_address(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_jid(text)
    assert caught.value.condition == "jid-malformed"
