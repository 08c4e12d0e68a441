"""XEP-0198: nothing is lost with a connection, and what is lost for good comes back to its sender."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from jingle.demo import Limits, LoopbackServer

from .clients import Client, Wire
from .conftest import Dial, Login

SM = b"urn:xmpp:sm:3"
ENABLE = b"<enable xmlns='%b' resume='true'/>" % SM


def cut(client: Client) -> None:
    """The cable is pulled: no goodbye, neither of XML nor of TLS."""
    transport = client.transport
    assert transport is not None
    transport.abort()


async def test_slixmpp_resumes_and_gets_what_it_missed(login: Login) -> None:
    alice, bob = await login("alice@localhost/a"), await login("bob@localhost/b")
    alice.queue("got_offline")
    for event in ("session_resumed", "session_end"):
        bob.queue(event)
    cut(bob)
    await bob.take("disconnected")
    for i in range(50):
        alice.write_to("bob@localhost/b" if i % 2 else "bob@localhost", str(i))
    await alice.ping()
    assert bob.happened["message"].empty()
    bob.dial()
    await bob.take("session_resumed")
    assert [(await bob.take("message"))["body"] for _ in range(50)] == [str(i) for i in range(50)]
    assert bob.boundjid.full == "bob@localhost/b"
    assert bob.happened["session_end"].empty()
    assert alice.happened["got_offline"].empty()


async def test_slixmpp_sends_again_what_the_server_missed(login: Login) -> None:
    """Written into a connection that is cut in the same breath: the server's `h` tells the client what to repeat."""
    alice, bob = await login("alice@localhost/a"), await login("bob@localhost/b")
    bob.queue("session_resumed")
    bob.write_to("alice@localhost/a", "before")
    await alice.take("message")
    for i in range(5):
        bob.write_to("alice@localhost/a", str(i))
    while not bob.waiting_queue.empty():
        cut(bob)
        await asyncio.sleep(0)
    await bob.take("disconnected")
    bob.dial()
    await bob.take("session_resumed")
    assert [(await alice.take("message"))["body"] for _ in range(5)] == [str(i) for i in range(5)]
    await bob.ping()
    await alice.ping()
    assert alice.happened["message"].empty()


async def test_resumed_while_the_old_connection_still_stands(server: LoopbackServer, dial: Dial) -> None:
    old, id_ = await managed(server, dial, "bob")
    new = await (await dial()).log_in(server, "bob", None)
    new.send(b"<resume xmlns='%b' previd='%b' h='0'/>" % (SM, id_))
    assert (await new.until(b"/>")).startswith(b"<resumed ")
    assert b"<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in await old.rest()
    new.send(b"<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert b'to="bob@localhost/raw"' in await new.until(b'"bob@localhost/raw"/>')


async def managed(server: LoopbackServer, dial: Dial, user: str, enable: bytes = ENABLE) -> tuple[Wire, bytes]:
    wire = await (await dial(server)).log_in(server, user)
    wire.send(b"<presence/>" + enable)
    await wire.until(b"<enabled ")
    enabled = await wire.until(b"/>")
    return wire, enabled.partition(b'id="')[2].partition(b'"')[0]


async def test_acknowledgements(server: LoopbackServer, dial: Dial) -> None:
    wire, _ = await managed(server, dial, "bob")
    wire.send(b"<r xmlns='%b'/>" % SM)
    assert await wire.until(b"/>") == b"<a xmlns='%b' h='0'/>" % SM
    wire.send(b"<message to='bob@localhost/raw'/> <presence/><r xmlns='%b'/>" % SM)
    assert b"<a xmlns='%b' h='2'/><r xmlns='%b'/>" % (SM, SM) in await wire.until(b"<r xmlns='%b'/>" % SM)
    wire.send(b"<a xmlns='%b' h='1'/>" % SM)
    assert await wire.until(b"/>") == b"<r xmlns='%b'/>" % SM
    wire.send(b"<a xmlns='%b' h='2'/>" % SM)
    wire.send(b"<a xmlns='%b' h='3'/>" % SM)
    assert b"<undefined-condition " in await wire.rest()


@pytest.mark.parametrize("answer", [b"<a xmlns='%b'/>" % SM, b"<a xmlns='%b' h='many'/>" % SM])
async def test_an_acknowledgement_without_a_number(server: LoopbackServer, dial: Dial, answer: bytes) -> None:
    wire, _ = await managed(server, dial, "bob")
    wire.send(answer)
    assert b"<undefined-condition " in await wire.rest()


async def test_out_of_order(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "bob", None)
    wire.send(ENABLE)
    assert b"<unexpected-request " in await wire.until(b"</failed>")
    await wire.bind("raw")
    wire.send(b"<r xmlns='%b'/>" % SM)
    assert b"<unexpected-request " in await wire.until(b"</failed>")
    wire.send(ENABLE)
    await wire.until(b"/>")
    wire.send(ENABLE)
    assert b"<unexpected-request " in await wire.until(b"</failed>")


async def resume(server: LoopbackServer, dial: Dial, user: str, id_: bytes, h: bytes = b"0") -> bytes:
    wire = await (await dial()).log_in(server, user, None)
    wire.send(b"<resume xmlns='%b' previd='%b' h='%b'/>" % (SM, id_, h))
    answer = await wire.until(b">")
    if answer.startswith(b"<failed"):
        answer += await wire.until(b"</failed>")
        assert b"<jid>" in await wire.bind("another")  # section 5: it may bind instead
    return answer


async def test_what_cannot_be_resumed(server: LoopbackServer, dial: Dial) -> None:
    wire, id_ = await managed(server, dial, "bob")
    assert b"<item-not-found " in await resume(server, dial, "bob", b"unknown")
    assert b"<item-not-found " in await resume(server, dial, "alice", id_)
    assert b"<bad-request " in await resume(server, dial, "bob", id_, b"1000")
    wire.send(b"</stream:stream>")
    await wire.rest()
    assert b"<item-not-found " in await resume(server, dial, "bob", id_)


async def test_without_resumption_a_cut_is_the_end(server: LoopbackServer, dial: Dial, login: Login) -> None:
    alice = await login("alice@localhost/a")
    alice.queue("got_offline")
    wire, id_ = await managed(server, dial, "bob", b"<enable xmlns='%b'/>" % SM)
    assert id_ == b""
    wire.cut()
    await alice.take("got_offline")


@pytest.fixture
async def hasty() -> AsyncIterator[LoopbackServer]:
    limits = Limits(resume_seconds=0.2, unacked_stanzas=20)
    async with LoopbackServer(users={"alice": "secret", "bob": "secret"}, contacts="all", limits=limits) as running:
        yield running


async def lost(server: LoopbackServer, dial: Dial) -> Wire:
    """Alice is there, Bob's connection has just been cut."""
    alice = await (await dial(server)).log_in(server, "alice")
    bob, _ = await managed(server, dial, "bob")
    bob.send(b"<message to='alice@localhost/raw'><body>bye</body></message>")
    await alice.until(b"</message>")
    bob.cut()
    return alice


async def test_what_is_never_fetched_comes_back(hasty: LoopbackServer, dial: Dial) -> None:
    alice = await lost(hasty, dial)
    alice.send(b"<presence/>")
    alice.send(b"<message to='bob@localhost/raw' id='m' type='chat'><body>hi</body></message>")
    alice.send(b"<iq to='bob@localhost/raw' id='i' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
    alice.send(b"<iq to='bob@localhost/raw' id='r' type='result'/>")
    after = await alice.until(b'<message type="error" id="m" from="bob@localhost/raw"')
    assert b'<presence type="unavailable" from="bob@localhost/raw"' in after
    assert b"<service-unavailable" in await alice.until(b"</message>")
    assert (await alice.until(b"</iq>")).startswith(b'<iq type="error" id="i"')


async def test_what_is_never_fetched_goes_to_another_device(hasty: LoopbackServer, dial: Dial) -> None:
    alice = await lost(hasty, dial)
    phone = await (await dial(hasty)).log_in(hasty, "bob", "phone")
    phone.send(b"<presence/>")
    alice.send(b"<message to='bob@localhost/raw' id='m' type='chat'><body>hi</body></message>")
    assert b"<body>hi</body>" in await phone.until(b"</message>")


async def test_a_lost_device_gives_its_name_up(server: LoopbackServer, dial: Dial) -> None:
    wire, id_ = await managed(server, dial, "bob")
    wire.cut()
    await asyncio.sleep(0.05)
    assert b"<jid>bob@localhost/raw</jid>" in await (await (await dial()).log_in(server, "bob", None)).bind("raw")
    assert b"<item-not-found " in await resume(server, dial, "bob", id_)


async def test_the_queue_of_a_lost_device_has_an_end(hasty: LoopbackServer, dial: Dial) -> None:
    alice = await lost(hasty, dial)
    for i in range(25):
        alice.send(b"<message to='bob@localhost/raw' id='%d' type='chat'/>" % i)
    for i in range(25):
        assert b'<message type="error" id="%d"' % i in await alice.until(b"</message>")


async def test_a_device_that_never_acknowledges_is_let_go(hasty: LoopbackServer, dial: Dial) -> None:
    alice = await (await dial(hasty)).log_in(hasty, "alice")
    bob, _ = await managed(hasty, dial, "bob")
    for i in range(25):
        alice.send(b"<message to='bob@localhost/raw' id='%d' type='chat'/>" % i)
    assert b"<policy-violation " in await bob.rest()
    for i in range(25):
        assert b'<message type="error" id="%d"' % i in await alice.until(b"</message>")
