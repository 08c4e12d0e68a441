"""What a client may try, before and after it has logged in, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import pytest

from jingle.demo import Limits, LoopbackServer

from .clients import HEADER, SASL, STARTTLS, Wire
from .conftest import Dial

Serve: TypeAlias = Callable[[Limits], Awaitable[LoopbackServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    running: list[LoopbackServer] = []

    async def start(limits: Limits) -> LoopbackServer:
        running.append(LoopbackServer(users={"alice": "secret", "bob": "secret"}, limits=limits))
        await running[-1].start()
        return running[-1]

    yield start
    for server in running:
        await server.aclose()


async def still_works(server: LoopbackServer, dial: Dial) -> None:
    await (await dial(server)).log_in(server, "bob", "check")


BOMB = b'<!DOCTYPE l [<!ENTITY a "' + b"a" * 1000 + b'"><!ENTITY b "' + b"&a;" * 1000 + b'">]>'

GARBAGE = [
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"not-well-formed"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"not-well-formed"),
    (b"\x00" * 100, b"not-well-formed"),
    (b"<html></html>", b"invalid-namespace"),
    (BOMB + HEADER + b"<message>&b;</message>", b"restricted-xml"),
    (HEADER + b"<a></b>", b"not-well-formed"),
    (HEADER + b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>" + b"<a>" * 100, b"policy-violation"),
    (HEADER + b"<auth>" + b"A" * 20_000, b"policy-violation"),
    (HEADER + b"<auth x='" + b"A" * 20_000, b"policy-violation"),
    (b"<stream:stream x='" + b"A" * 20_000, b"policy-violation"),
]


@pytest.mark.parametrize(("garbage", "condition"), GARBAGE)
async def test_garbage_before_login(server: LoopbackServer, dial: Dial, garbage: bytes, condition: bytes) -> None:
    wire = await dial()
    wire.send(garbage)
    answer = await wire.rest()
    assert answer.startswith(b"<?xml version='1.0'?><stream:stream ")
    assert b"<stream:error><%b xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" % condition in answer
    await still_works(server, dial)


AFTER = [
    (b"<message>\xff</message>", b"not-well-formed"),
    (b"<message><a></message>", b"not-well-formed"),
    (b"<message>&b;</message>", b"not-well-formed"),
    (b"<!-- -->", b"restricted-xml"),
    (b"<?x?>", b"restricted-xml"),
    (b"text<message/>", b"bad-format"),
    (b"<message>" + b"<a>" * 100, b"policy-violation"),
    (b"<message><body>" + b"x" * 1_100_000 + b"</body></message>", b"policy-violation"),
    (b"<message x='" + b"x" * 1_100_000, b"policy-violation"),
    (b"<hello xmlns='urn:x'/>", b"unsupported-stanza-type"),
    (b"<auth xmlns='%b' mechanism='SCRAM-SHA-1'/>" % SASL, b"unsupported-stanza-type"),
    (STARTTLS, b"unsupported-stanza-type"),
    (b"<c:iq xmlns:c='jabber:client' xmlns='urn:x'/>", b"invalid-namespace"),
]


@pytest.mark.parametrize(("garbage", "condition"), AFTER)
async def test_garbage_after_login(server: LoopbackServer, dial: Dial, garbage: bytes, condition: bytes) -> None:
    wire = await (await dial()).log_in(server, "alice")
    wire.send(garbage)
    assert b"<stream:error><%b xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" % condition in await wire.rest()
    await still_works(server, dial)


async def test_a_stanza_below_the_bound_after_one_above_it(server: LoopbackServer, dial: Dial) -> None:
    alice, bob = await (await dial()).log_in(server, "alice"), await (await dial()).log_in(server, "bob")
    alice.send(b"<message to='bob@localhost/raw'><body>" + b"x" * 1_000_000 + b"</body></message>")
    assert len(await bob.until(b"</message>")) > 1_000_000


async def test_garbage_inside_tls(server: LoopbackServer, dial: Dial) -> None:
    wire = await dial()
    await wire.open()
    wire.send(STARTTLS)
    await wire.until(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    wire.send(b"this is not TLS\n" * 10)
    await wire.rest()
    await still_works(server, dial)


async def test_silence_before_login_has_an_end(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(login_seconds=0.1))
    wire = await dial(server)
    assert b"<connection-timeout " in await wire.rest()


async def test_silence_instead_of_a_handshake_has_an_end(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(login_seconds=0.1))
    wire = await dial(server)
    await wire.open()
    wire.send(STARTTLS)
    await wire.until(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert await wire.rest() == b""


async def test_a_session_may_be_silent(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(login_seconds=0.4))
    wire = await (await dial(server)).log_in(server, "alice")
    await asyncio.sleep(0.5)
    wire.send(b" <presence/>")
    await wire.until(b"<presence ")


async def test_connections_are_counted(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(connections=2))
    first, second, third = [await dial(server) for _ in range(3)]
    await first.open()
    await second.open()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await third.open()
    second.cut()
    await asyncio.sleep(0.05)
    await still_works(server, dial)


async def test_devices_are_counted(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(resources=2))
    wires = [await dial(server) for _ in range(3)]
    for i, wire in enumerate(wires[:2]):
        await wire.log_in(server, "alice", str(i))
    await wires[2].log_in(server, "alice", None)
    assert b"<resource-constraint" in await wires[2].bind("third")


async def test_contacts_and_directed_presence_are_counted(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(contacts=2))
    wire = await (await dial(server)).log_in(server, "alice")
    for i in range(3):
        wire.send(b"<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='%d@localhost'/></query></iq>" % i)
        wire.send(b"<presence to='%d@localhost/x'/>" % i)
    assert (await wire.until(b"</presence>")).count(b"<resource-constraint") == 2


FLOOD = b"<message to='bob@localhost/raw'><body>" + b"x" * 50_000 + b"</body></message>"


async def slow(server: LoopbackServer, dial: Dial, user: str) -> Wire:
    """Someone who logs in and then reads nothing more."""
    wire = await (await dial(server, receive_buffer=4096)).log_in(server, user)
    wire.read_nothing()
    return wire


async def test_a_slow_reader_is_cut_off_and_its_writers_go_on(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(stall_seconds=0.3, backlog_bytes=200_000))
    alice, _ = await (await dial(server)).log_in(server, "alice"), await slow(server, dial, "bob")
    for _ in range(400):
        alice.send(FLOOD)
    # 20 MB are on their way to someone who reads nothing; the server has stopped reading the sender meanwhile.
    assert b"<service-unavailable" in await alice.until(b"</message>")
    await still_works(server, dial)


async def test_a_slow_reader_that_catches_up_loses_nothing(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(stall_seconds=5, backlog_bytes=200_000))
    alice, bob = await (await dial(server)).log_in(server, "alice"), await slow(server, dial, "bob")
    for _ in range(400):
        alice.send(FLOOD)
    alice.send(b"<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    pong = asyncio.ensure_future(alice.until(b'id="p"'))
    await asyncio.sleep(0.3)
    assert not pong.done()  # the server does not read on: the sender is held back
    bob.read_again()
    for _ in range(400):
        assert len(await bob.until(b"</message>")) > 50_000
    await pong


async def test_someone_who_asks_much_and_reads_nothing(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(stall_seconds=0.3, backlog_bytes=50_000))
    wire = await slow(server, dial, "alice")
    wire.send(b"<iq type='get' id='%b' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>" % (b"q" * 5000) * 4000)
    for _ in range(100):
        await asyncio.sleep(0.05)
        if wire.writer.transport.is_closing():
            break
    assert wire.writer.transport.is_closing()
    await still_works(server, dial)


async def test_overflow_is_immediate(serve: Serve, dial: Dial) -> None:
    server = await serve(Limits(stall_seconds=60, backlog_bytes=1_000, overflow_bytes=2_000_000))
    await slow(server, dial, "bob")
    block = b"<message to='bob@localhost/raw'><body>" + b"x" * 1_000_000 + b"</body></message>"
    wires = [await (await dial(server)).log_in(server, "alice", str(i)) for i in range(16)]
    for wire in wires:  # each is held back after its first, so it takes several of them
        wire.send(block)
    wires[-1].send(block)
    assert b"<service-unavailable" in await wires[-1].until(b"</message>")
