"""Bursts leave in whole records, and little leaves at once."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import pytest

from jingle.elements.declare import to_string
from jingle.elements.ibb import Data
from jingle.signalling import bursts
from jingle.signalling.bursts import COMPANY_TIMEOUT, RECORD, BurstClient
from jingle.transports.ibb import BLOCK_SIZE
from jingle.transports.ibb_session import MODEST_BLOCK

from .wire import OWN


class Tls(asyncio.WriteTransport):
    """Keeps what is written, a piece a record."""

    def __init__(self, *, is_encrypted: bool = True) -> None:
        super().__init__({"ssl_object": object()} if is_encrypted else {})
        self.records: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.records.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        for data in list_of_data:
            self.write(data)

    @property
    def written(self) -> bytes:
        return b"".join(self.records)


def client(transport: asyncio.BaseTransport) -> BurstClient:
    made = BurstClient(OWN, "secret", ssl_context=ssl.create_default_context())
    made.transport = transport  # type: ignore[assignment]
    return made


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def after_a_burst() -> tuple[Tls, BurstClient]:
    wire = Tls()
    xmpp = client(wire)
    xmpp.send_raw(b"B" * 20_000)
    await turn()
    return wire, xmpp


async def test_little_leaves_at_once() -> None:
    wire = Tls()
    xmpp = client(wire)
    xmpp.send_raw("<presence/>")
    xmpp.send_raw(b"<a/>")
    assert wire.records == [b"<presence/>", b"<a/>"]


@pytest.mark.parametrize("sizes", [[8192], [8193], [30_000], [5000, 5000, 5000], [24_241] * 16])
async def test_a_burst_leaves_in_whole_records(sizes: list[int]) -> None:
    wire = Tls()
    xmpp = client(wire)
    stanzas = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    for stanza in stanzas:
        xmpp.send_raw(stanza)
    await turn()
    assert {len(each) for each in wire.records} == {RECORD}
    assert wire.written.rstrip(b" ") == b"".join(stanzas)
    assert len(wire.written) - sum(sizes) < RECORD


@pytest.mark.parametrize(("size", "records"), [(MODEST_BLOCK, 3), (BLOCK_SIZE, 7)])
def test_in_band_blocks_nearly_fill_their_records(size: int, records: int) -> None:
    """With room for the addresses."""
    block = Data(seq=65535, sid="0123456789abcdef", data=bytes(size))
    assert records * RECORD - 600 < len(to_string(block)) < records * RECORD - 400


async def test_one_stanza_of_less_than_a_record_is_not_filled() -> None:
    wire = Tls()
    xmpp = client(wire)
    xmpp.send_raw(b"B" * 5000)
    await asyncio.sleep(0.01)
    xmpp.send_raw("<a/>")
    assert wire.records == [b"B" * 5000, b"<a/>"]


async def test_little_waits_for_the_next_burst() -> None:
    wire, xmpp = await after_a_burst()
    before = len(wire.records)
    xmpp.send_raw("<a/>")
    await turn()
    assert len(wire.records) == before
    xmpp.send_raw(b"C" * 20_000)
    await turn()
    assert b"".join(wire.records[before:]).rstrip(b" ") == b"<a/>" + b"C" * 20_000
    assert {len(each) for each in wire.records} == {RECORD}


async def test_little_waits_not_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "BURST_PAUSE", 3600.0)
    wire, xmpp = await after_a_burst()
    before = len(wire.records)
    xmpp.send_raw("<a/>")
    await asyncio.sleep(10 * COMPANY_TIMEOUT)
    assert wire.records[before:] == [b"<a/>".ljust(RECORD)]


async def test_after_the_bursts_little_leaves_at_once_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "BURST_PAUSE", 0.0)
    monkeypatch.setattr(bursts, "FILLING_PAUSE", 0.1)
    wire, xmpp = await after_a_burst()
    await asyncio.sleep(0.101)
    xmpp.send_raw("<a/>")
    assert wire.records[-1] == b"<a/>"


async def test_what_is_not_expected_to_get_company_is_filled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The burst before it may not have been read yet."""
    monkeypatch.setattr(bursts, "BURST_PAUSE", 0.0)
    wire, xmpp = await after_a_burst()
    xmpp.send_raw("<a/>")
    assert wire.records[-1] == b"<a/>", "one burst is no stream of them"
    for _ in range(2):
        xmpp.send_raw(b"C" * 20_000)
        await turn()
    xmpp.send_raw("<a/>")
    await asyncio.sleep(0.001)
    assert wire.records[-1] == b"<a/>".ljust(RECORD)


async def test_without_tls_nothing_is_held_or_filled() -> None:
    wire = Tls(is_encrypted=False)
    xmpp = client(wire)
    xmpp.send_raw(b"B" * 20_000)
    xmpp.send_raw("<a/>")
    assert wire.records == [b"B" * 20_000, b"<a/>"]


async def test_what_was_held_for_a_broken_connection_does_not_go_to_the_next() -> None:
    first, second = Tls(), Tls()
    xmpp = client(first)
    xmpp.send_raw(b"B" * 20_000)
    xmpp.transport = second  # type: ignore[assignment]
    await turn()
    xmpp.send_raw("<a/>")
    await asyncio.sleep(2 * COMPANY_TIMEOUT)
    assert (first.records, second.records) == ([], [b"<a/>"])


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux can be told")
async def test_what_comes_is_acknowledged_without_delay() -> None:
    options: list[tuple[int, int, int]] = []

    class Socket:
        def setsockopt(self, *option: int) -> None:
            options.append(option)  # type: ignore[arg-type]

    class Connected(Tls):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return Socket() if name == "socket" else super().get_extra_info(name, default)

    xmpp = client(Connected())
    xmpp.parser = None  # slixmpp says so in its log, and takes nothing
    xmpp.data_received(b" ")
    assert options == [(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)]
