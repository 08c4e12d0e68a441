"""XEP-0280: the other devices get copies, once, and only of what may be copied."""

from __future__ import annotations

import pytest

from jingle.demo import LoopbackServer

from .clients import Wire
from .conftest import Dial, Login

PROPOSE = (
    b"<propose xmlns='urn:xmpp:jingle-message:0' id='s'><description xmlns='urn:xmpp:jingle:apps:rtp:1'/></propose>"
)
END = b"<iq type='get' id='end' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"


async def device(server: LoopbackServer, dial: Dial, user: str, resource: str, *, carbons: bool = True) -> Wire:
    wire = await (await dial()).log_in(server, user, resource)
    wire.send(b"<presence><priority>%d</priority></presence>" % (-1 if resource == "shy" else 0))
    await wire.until(b"</presence>")
    if carbons:
        wire.send(b"<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        await wire.until(b'id="c" from="%b@localhost"' % user.encode())
    return wire


async def all_of(wire: Wire) -> bytes:
    wire.send(END)
    return await wire.until(b'id="end"')


async def test_slixmpp_gets_both_kinds(login: Login) -> None:
    alice, desk, phone = [
        await login(jid) for jid in ("alice@localhost/a", "bob@localhost/desk", "bob@localhost/phone")
    ]
    for client in (desk, phone):
        await client.plugin["xep_0280"].enable()
    desk.queue("carbon_sent")
    phone.queue("carbon_received")
    alice.write_to("bob@localhost/desk", "hi", "chat")
    copy = await phone.take("carbon_received")
    assert copy["from"] == "bob@localhost"
    assert copy["carbon_received"]["from"] == "alice@localhost/a"
    assert copy["carbon_received"]["body"] == "hi"
    phone.write_to("alice@localhost/a", "ho", "chat")
    copy = await desk.take("carbon_sent")
    assert copy["carbon_sent"]["to"] == "alice@localhost/a"
    assert copy["carbon_sent"]["body"] == "ho"


@pytest.mark.parametrize(
    "stanza",
    [
        b"<message type='chat' to='%b'><body>hi</body></message>",
        b"<message to='%b'><body>hi</body></message>",
        b"<message type='chat' to='%b'>" + PROPOSE + b"</message>",
        b"<message to='%b'>" + PROPOSE + b"</message>",
        b"<message to='%b'><received xmlns='urn:xmpp:receipts' id='1'/></message>",
        b"<message to='%b'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>",
    ],
)
async def test_copied(server: LoopbackServer, dial: Dial, stanza: bytes) -> None:
    alice, laptop = await device(server, dial, "alice", "raw"), await device(server, dial, "alice", "laptop")
    desk, phone = await device(server, dial, "bob", "desk"), await device(server, dial, "bob", "phone")
    old = await device(server, dial, "bob", "old", carbons=False)
    alice.send(stanza % b"bob@localhost/desk")
    assert b"<forwarded" not in await all_of(alice)
    original = await all_of(desk)
    assert b"<forwarded" not in original
    assert b"<message from=" in original
    inner = stanza.partition(b">")[2].removesuffix(b"</message>")
    for wire, kind in ((laptop, b"sent"), (phone, b"received")):
        copies = await all_of(wire)
        assert copies.count(b"<forwarded") == 1
        assert b"><%b xmlns='urn:xmpp:carbons:2'>" % kind in copies
        assert inner in copies
    assert inner not in await all_of(old)


@pytest.mark.parametrize(
    "stanza",
    [
        b"<message to='%b' type='chat'><body>hi</body><private xmlns='urn:xmpp:carbons:2'/></message>",
        b"<message to='%b' type='chat'><body>hi</body><no-copy xmlns='urn:xmpp:hints'/></message>",
        b"<message to='%b' type='headline'><body>hi</body></message>",
        b"<message to='%b' type='error'><body>hi</body></message>",
        b"<message to='%b'><data xmlns='urn:other'/></message>",
    ],
)
async def test_not_copied(server: LoopbackServer, dial: Dial, stanza: bytes) -> None:
    alice, laptop = await device(server, dial, "alice", "raw"), await device(server, dial, "alice", "laptop")
    desk, phone = await device(server, dial, "bob", "desk"), await device(server, dial, "bob", "phone")
    alice.send(stanza % b"bob@localhost/desk")
    await all_of(alice)
    assert b"<message" in await all_of(desk)
    assert b"<message" not in await all_of(phone)
    assert b"<message" not in await all_of(laptop)


async def test_to_the_bare_jid_everyone_has_it_already(server: LoopbackServer, dial: Dial) -> None:
    alice = await device(server, dial, "alice", "raw")
    desk, phone = await device(server, dial, "bob", "desk"), await device(server, dial, "bob", "phone")
    shy = await device(server, dial, "bob", "shy")
    alice.send(b"<message type='chat' to='bob@localhost'><body>hi</body></message>")
    await all_of(alice)
    for wire in (desk, phone):
        assert (await all_of(wire)).count(b"<body>hi</body>") == 1
    assert (await all_of(shy)).count(b"<received xmlns='urn:xmpp:carbons:2'>") == 1


async def test_to_oneself_once(server: LoopbackServer, dial: Dial) -> None:
    """XEP-0353 section 3.4: a device tells its siblings that it took the call."""
    desk, phone = await device(server, dial, "bob", "raw"), await device(server, dial, "bob", "phone")
    shy = await device(server, dial, "bob", "shy")
    desk.send(b"<message type='chat' to='bob@localhost'><accept xmlns='urn:xmpp:jingle-message:0' id='s'/></message>")
    for wire in (desk, phone, shy):
        assert (await all_of(wire)).count(b"<accept") == 1


async def test_disabled_again(server: LoopbackServer, dial: Dial) -> None:
    alice, phone = await device(server, dial, "alice", "raw"), await device(server, dial, "bob", "phone")
    await device(server, dial, "bob", "desk")
    phone.send(b"<iq type='set' id='d'><disable xmlns='urn:xmpp:carbons:2'/></iq>")
    await phone.until(b'id="d"')
    alice.send(b"<message type='chat' to='bob@localhost/desk'><body>hi</body></message>")
    await all_of(alice)
    assert b"<forwarded" not in await all_of(phone)


async def test_another_account_cannot_be_enabled(server: LoopbackServer, dial: Dial) -> None:
    alice = await device(server, dial, "alice", "raw", carbons=False)
    alice.send(b"<iq type='set' id='c' to='bob@localhost'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    assert b"<service-unavailable" in await alice.until(b"</iq>")
