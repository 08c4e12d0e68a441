from __future__ import annotations

from typing import Any, cast

import pytest

from jingle.elements.ibb import NS as IBB
from jingle.elements.s5b import NS as S5B
from jingle.elements.security import NS as XTLS
from jingle.transports.base import Kind, Security, Transport
from jingle.transports.ibb import IbbStreamTransport
from jingle.transports.ice_udp import IceUdpTransport
from jingle.transports.s5b import S5bTransport
from jingle.transports.selection import Choice, Selection, common_precondition
from jingle.transports.tls import XtlsPrecondition


class Encrypted(IbbStreamTransport):
    """A streaming transport that needs no help, between the two others: as the data channel is."""

    name, namespace, features = "encrypted", "urn:example:encrypted", ("urn:example:encrypted",)
    priority = 200
    security = Security.DTLS


TRANSPORTS = cast(tuple[type[Transport], ...], (IbbStreamTransport, Encrypted, IceUdpTransport, S5bTransport))
ALL = frozenset({S5B, IBB, XTLS, *Encrypted.features})


def selection(**options: Any) -> Selection:
    return Selection(options.pop("transports", TRANSPORTS), kind=options.pop("kind", Kind.STREAMING), **options)


def names(choices: tuple[Choice, ...]) -> list[str]:
    return [f"{choice.transport.name}+{choice.security.value}" for choice in choices]


def test_encrypted_comes_first_then_the_higher_priority() -> None:
    assert names(selection(features=ALL, precondition=XtlsPrecondition).left) == [
        "s5b+tls",
        "encrypted+dtls",
        "ibb+tls",
    ]


def test_a_peer_without_tls() -> None:
    assert names(selection(features=ALL - {XTLS}).left) == ["encrypted+dtls", "s5b+none", "ibb+none"]


def test_encryption_required() -> None:
    assert names(selection(features=ALL, require_encryption=True).left) == ["encrypted+dtls"]
    with_tls = selection(features=ALL, require_encryption=True, precondition=XtlsPrecondition)
    assert len(with_tls.left) == 3
    assert selection(features={S5B, IBB}, require_encryption=True).next() is None


def test_only_what_the_peer_has() -> None:
    assert names(selection(features={IBB}).left) == ["ibb+none"]
    assert selection(features=frozenset()).next() is None
    assert len(selection(features=None).left) == 3  # not known: anything is worth a try


def test_only_the_kind_that_the_application_needs() -> None:
    assert names(selection(kind=Kind.DATAGRAM).left) == ["ice-udp+dtls"]


def test_the_user_s_order_counts_but_encrypted_stays_before_plain() -> None:
    mine = cast(tuple[type[Transport], ...], (IbbStreamTransport, S5bTransport))
    assert names(selection(transports=mine, in_order=True).left) == ["ibb+none", "s5b+none"]
    assert names(selection(transports=(*mine, Encrypted), in_order=True).left)[0] == "encrypted+dtls"
    assert names(selection(transports=mine).left) == ["s5b+none", "ibb+none"]


def test_nothing_is_tried_twice() -> None:
    both = selection(features={S5B, IBB})
    first = both.next()
    assert first is not None
    assert first.transport is S5bTransport
    assert both.take(S5B) is None  # Dino replaces S5B by S5B
    taken = both.take(IBB)
    assert taken is not None
    assert taken.transport is IbbStreamTransport
    assert both.next() is None


def test_what_the_peer_offers_it_has() -> None:
    assert selection(features={IBB}).take(S5B) is not None


@pytest.mark.parametrize("namespace", ["urn:example:other", IceUdpTransport.namespace, ""])
def test_what_nobody_has_or_needs_is_refused(namespace: str) -> None:
    assert selection().take(namespace) is None


def test_a_plain_offer_is_refused_where_encryption_is_required() -> None:
    assert selection(require_encryption=True).take(S5B) is None
    choice = selection(require_encryption=True, precondition=XtlsPrecondition).take(S5B)
    assert choice is not None
    assert choice.precondition is XtlsPrecondition
    assert choice.security is Security.TLS


def test_a_precondition_is_used_where_both_have_it() -> None:
    assert common_precondition([XtlsPrecondition], ALL) is XtlsPrecondition
    assert common_precondition([XtlsPrecondition], {S5B}) is None
    assert common_precondition([], ALL) is None
