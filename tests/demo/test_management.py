"""XEP-0198 section 4: counters that wrap, and a queue with an end."""

from __future__ import annotations

import pytest

from jingle.demo.limits import Limits
from jingle.demo.management import Sent, StreamManagement
from jingle.errors import RemoteProtocolError


def filled(count: int, limits: Limits | None = None) -> StreamManagement:
    state = StreamManagement("id", limits or Limits())
    for i in range(count):
        state.remember(Sent(b"%d" % i, None))
    return state


def test_acknowledged_is_forgotten() -> None:
    state = filled(5)
    state.acknowledge("3")
    assert [sent.data for sent in state.unacked] == [b"3", b"4"]
    state.acknowledge("3")
    assert len(state.unacked) == 2
    state.acknowledge("5")
    assert not state.unacked


@pytest.mark.parametrize("h", [None, "", "-1", "x", "1.0", "\u0663", "4" * 30, "6"])
def test_impossible_counts(h: str | None) -> None:
    state = filled(5)
    with pytest.raises(RemoteProtocolError):
        state.acknowledge(h)
    assert len(state.unacked) == 5


def test_less_than_before_is_refused() -> None:
    state = filled(5)
    state.acknowledge("4")
    with pytest.raises(RemoteProtocolError):
        state.acknowledge("3")


def test_counters_wrap() -> None:
    state = StreamManagement("id", Limits())
    state._acknowledged = state.handled = 2**32 - 2
    for _ in range(4):
        state.count()
        state.remember(Sent(b"x", None))
    assert state.answer() == b"<a xmlns='urn:xmpp:sm:3' h='2'/>"
    state.acknowledge("1")
    assert len(state.unacked) == 1


def test_full() -> None:
    state = filled(2, Limits(unacked_stanzas=3, unacked_bytes=10))
    assert state.remember(Sent(b"x", None))
    assert not state.remember(Sent(b"x", None))
    state.acknowledge("4")
    assert not state.remember(Sent(b"x" * 11, None))
    state.acknowledge("5")
    assert state.remember(Sent(b"x" * 10, None))


def test_one_request_at_a_time() -> None:
    state = filled(0)
    assert not state.waiting
    state.remember(Sent(b"x", None))
    assert state.waiting
    state.requested = True
    assert not state.waiting
    state.remember(Sent(b"x", None))
    state.acknowledge("1")
    assert state.waiting
