"""RFC 6121 section 8: who gets what, and what comes back where nobody does."""

from __future__ import annotations

import asyncio

import pytest
from slixmpp.exceptions import IqError

from jingle.demo import LoopbackServer

from .clients import Client, Wire
from .conftest import Dial, Login

STANZA_ERRORS = b"urn:ietf:params:xml:ns:xmpp-stanzas"


async def quiet(client: Client) -> None:
    """Nothing more is on its way to `client`: what it asks the server now is answered after all of it."""
    await client.ping()
    assert client.happened["message"].empty()


async def test_to_a_full_jid(login: Login) -> None:
    alice, desk, phone = [
        await login(jid) for jid in ("alice@localhost/a", "bob@localhost/desk", "bob@localhost/phone")
    ]
    alice.write_to("bob@localhost/desk", "hi & <bye>")
    message = await desk.take("message")
    assert (message["from"].full, message["body"]) == ("alice@localhost/a", "hi & <bye>")
    await quiet(phone)


async def test_to_a_bare_jid_goes_to_every_device_that_takes_part(login: Login) -> None:
    alice, desk, phone = [
        await login(jid) for jid in ("alice@localhost/a", "bob@localhost/desk", "bob@localhost/phone")
    ]
    shy = await login("bob@localhost/shy", priority=-1)
    silent = await login("bob@localhost/silent", presence=False)
    alice.write_to("bob@localhost", "hi")
    for device in (desk, phone):
        assert (await device.take("message"))["body"] == "hi"
    await quiet(shy)
    await quiet(silent)


async def test_a_chat_with_a_device_that_is_gone_goes_on_with_the_others(login: Login) -> None:
    alice, bob = await login("alice@localhost/a"), await login("bob@localhost/desk")
    alice.write_to("bob@localhost/gone", "hi", "chat")
    assert (await bob.take("message"))["body"] == "hi"


@pytest.mark.parametrize("type_", ["chat", "normal", "groupchat", "nonsense", ""])
@pytest.mark.parametrize("to", ["bob@localhost", "bob@localhost/x", "nobody@localhost", "localhost"])
async def test_a_message_nobody_gets_comes_back(server: LoopbackServer, dial: Dial, to: str, type_: str) -> None:
    wire = await (await dial()).log_in(server, "alice")
    wire.send(b"<message to='%b' type='%b' id='m'><body>hi</body></message>" % (to.encode(), type_.encode()))
    answer = await wire.until(b"</message>")
    assert answer.startswith(b'<message type="error" id="m" from="%b" to="alice@localhost/raw">' % to.encode())
    assert b"<service-unavailable" in answer


async def ask(wire: Wire, stanza: bytes) -> bytes:
    """Send a stanza that nobody should answer, and a ping behind it; returns what comes before the pong."""
    wire.send(stanza + b"<iq type='get' id='last' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    return (await wire.until(b'<iq type="result" id="last" from="localhost" to="alice@localhost/raw"/>')).partition(
        b'<iq type="result" id="last"'
    )[0]


@pytest.mark.parametrize(
    "stanza",
    [
        b"<message to='bob@localhost' type='headline'/>",
        b"<message to='bob@localhost/x' type='headline'/>",
        b"<message to='bob@localhost/x' type='error'/>",
        b"<message to='bob@localhost' type='error'/>",
        b"<message to='bob@elsewhere' type='error'/>",
        b"<message to='@' type='error'/>",
        b"<iq to='bob@localhost/x' type='result' id='1'/>",
        b"<iq to='bob@localhost/x' type='error' id='1'/>",
        b"<iq to='bob@localhost' type='result' id='1'/>",
        b"<iq type='error' id='1'/>",
        b"<presence to='bob@localhost/x'/>",
        b"<presence to='bob@elsewhere' type='error'/>",
        b"<presence type='probe'/>",
        b"<presence type='nonsense' to='bob@localhost'/>",
    ],
)
async def test_some_are_dropped_without_a_word(server: LoopbackServer, dial: Dial, stanza: bytes) -> None:
    assert await ask(await (await dial()).log_in(server, "alice"), stanza) == b""


@pytest.mark.parametrize(
    ("stanza", "condition"),
    [
        (b"<iq to='bob@localhost/x' type='get' id='1'><q xmlns='urn:q'/></iq>", b"service-unavailable"),
        (b"<iq to='nobody@localhost/x' type='set' id='1'><q xmlns='urn:q'/></iq>", b"service-unavailable"),
        (b"<iq to='bob@localhost' type='get' id='1'><q xmlns='urn:q'/></iq>", b"service-unavailable"),
        (b"<iq to='localhost' type='get' id='1'><q xmlns='urn:q'/></iq>", b"service-unavailable"),
        (b"<iq type='set' id='1'><q xmlns='urn:q'/></iq>", b"service-unavailable"),
        (b"<iq type='get' id='1'/>", b"bad-request"),
        (b"<iq type='get' id='1'><a/><b/></iq>", b"bad-request"),
        (b"<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>", b"bad-request"),
        (b"<iq type='nonsense' id='1'/>", b"bad-request"),
        (b"<iq id='1'/>", b"bad-request"),
        (b"<iq to='a@elsewhere/x' type='get' id='1'><q xmlns='urn:q'/></iq>", b"remote-server-not-found"),
        (b"<message to='a@elsewhere'/>", b"remote-server-not-found"),
        (b"<presence to='a@elsewhere' type='subscribe'/>", b"remote-server-not-found"),
        (b"<message to='not an address'/>", b"jid-malformed"),
        (b"<message to='" + b"x" * 5000 + b"'/>", b"jid-malformed"),
        (b"<presence><priority>300</priority></presence>", b"bad-request"),
        (b"<presence><priority>high</priority></presence>", b"bad-request"),
    ],
)
async def test_errors(server: LoopbackServer, dial: Dial, stanza: bytes, condition: bytes) -> None:
    answer = await ask(await (await dial()).log_in(server, "alice"), stanza)
    assert b' type="error"' in answer
    assert b'<%b xmlns="%b" />' % (condition, STANZA_ERRORS) in answer


async def test_an_iq_goes_there_and_back(login: Login) -> None:
    alice, bob = await login("alice@localhost/a"), await login("bob@localhost/b")
    info = await alice.info("bob@localhost/b")
    assert info["from"] == bob.boundjid
    assert "http://jabber.org/protocol/disco#info" in info["disco_info"]["features"]


async def test_an_iq_to_a_device_without_presence(login: Login) -> None:
    """Section 8.5.3.1: a connected resource is a matching one."""
    alice, bob = await login("alice@localhost/a"), await login("bob@localhost/b", presence=False)
    assert await alice.ping(bob.boundjid.full) < 5


async def test_an_iq_to_nobody(login: Login) -> None:
    alice = await login("alice@localhost/a")
    with pytest.raises(IqError) as caught:
        await alice.info("bob@localhost/gone")
    assert caught.value.condition == "service-unavailable"


async def test_the_sender_is_who_the_server_says(server: LoopbackServer, dial: Dial, login: Login) -> None:
    bob = await login("bob@localhost/b")
    wire = await (await dial()).log_in(server, "alice")
    wire.send(b"<message from='carol@localhost/x' to='bob@localhost'><body>it is me</body></message>")
    assert (await bob.take("message"))["from"] == "alice@localhost/raw"


async def test_payloads_arrive_as_they_were_written(server: LoopbackServer, dial: Dial) -> None:
    alice, bob = await (await dial()).log_in(server, "alice"), await (await dial()).log_in(server, "bob")
    inner = b"<j xmlns='urn:xmpp:jingle:1' sid=\"&apos;\"><x:y xmlns:x='urn:x'>\xe2\x82\xac<![CDATA[<]]></x:y ></j>"
    alice.send(b"<iq type='set' id='1' to='bob@localhost/raw'>" + inner + b"</iq>")
    assert await bob.until(b"</iq>") == (
        b'<iq from="alice@localhost/raw" to="bob@localhost/raw" type="set" id="1">' + inner + b"</iq>"
    )


async def test_an_in_band_block_of_64_kib_fits(server: LoopbackServer, dial: Dial) -> None:
    alice, bob = await (await dial()).log_in(server, "alice"), await (await dial()).log_in(server, "bob")
    block = b"<data xmlns='http://jabber.org/protocol/ibb' seq='0' sid='s'>" + b"A" * 87384 + b"</data>"
    alice.send(b"<iq type='set' id='1' to='bob@localhost/raw'>" + block + b"</iq>")
    assert block in await bob.until(b"</iq>")


async def test_order_is_kept(login: Login) -> None:
    alice, bob = await login("alice@localhost/a"), await login("bob@localhost/b")
    for i in range(300):
        alice.write_to("bob@localhost/b" if i % 2 else "bob@localhost", str(i))
    assert [(await bob.take("message"))["body"] for _ in range(300)] == [str(i) for i in range(300)]


async def test_everything_is_observed(server: LoopbackServer, login: Login) -> None:
    alice, bob = await login("alice@localhost/a"), await login("bob@localhost/b")
    seen: list[tuple[str, str, str, float]] = []
    server.stanzas = lambda *stanza: seen.append(stanza)
    alice.write_to("bob@localhost", "hé")
    await bob.take("message")
    server.stanzas = None
    alice.write_to("bob@localhost", "unseen")
    await bob.take("message")
    await asyncio.sleep(0)
    assert [entry[:2] for entry in seen] == [("received", "alice@localhost/a"), ("delivered", "bob@localhost/b")]
    assert 'from="alice@localhost/a"' in seen[0][2]
    assert "<body>hé</body>" in seen[1][2]
    assert seen[0][3] <= seen[1][3]
