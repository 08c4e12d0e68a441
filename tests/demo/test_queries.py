"""XEP-0030, XEP-0199, XEP-0215: what the server answers itself."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from jingle.demo import LoopbackServer

from .clients import Wire
from .conftest import Dial, Login

EXTDISCO = b"urn:xmpp:extdisco:2"


async def test_disco_of_the_server(login: Login) -> None:
    info = await (await login("alice@localhost/a")).info("localhost")
    assert ("server", "im") in {identity[:2] for identity in info["disco_info"]["identities"]}
    assert {"urn:xmpp:extdisco:2", "urn:xmpp:carbons:2", "urn:xmpp:ping"} <= info["disco_info"]["features"]


async def test_disco_items_of_the_server(login: Login) -> None:
    items = await (await login("alice@localhost/a")).plugin["xep_0030"].get_items(JID("localhost"))
    assert items["disco_items"]["items"] == set()


@pytest.mark.parametrize("jid", ["alice@localhost", "bob@localhost"])
async def test_disco_of_an_account_one_may_see(login: Login, jid: str) -> None:
    info = await (await login("alice@localhost/a")).info(jid)
    assert ("account", "registered") in {identity[:2] for identity in info["disco_info"]["identities"]}


@pytest.mark.parametrize("jid", ["carol@localhost", "nobody@localhost"])
async def test_strangers_and_nobodies_look_alike(login: Login, jid: str) -> None:
    alice = await login("alice@localhost/a")
    with pytest.raises(IqError) as caught:
        await alice.info(jid)
    assert caught.value.condition == "service-unavailable"


async def test_disco_of_a_node(login: Login) -> None:
    alice = await login("alice@localhost/a")
    with pytest.raises(IqError) as caught:
        await alice.info("localhost", node="x")
    assert caught.value.condition == "item-not-found"


async def ask(wire: Wire, payload: bytes, type_: bytes = b"get", to: bytes = b"localhost") -> bytes:
    wire.send(b"<iq type='%b' id='q' to='%b'>%b</iq>" % (type_, to, payload))
    return await wire.until(b"</iq>")


@dataclass
class Stun:
    type: str = "stun"
    host: str = "127.0.0.1"
    port: int = 3478
    transport: str | None = "udp"


TURN = {"type": "turn", "host": "127.0.0.1", "port": 3479, "username": "u<", "password": "p", "restricted": True}


async def test_services(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "alice")
    query = b"<services xmlns='%b'/>" % EXTDISCO
    assert b'<services xmlns="%b" />' % EXTDISCO in await ask(wire, query)
    server.services += [Stun(), TURN]
    stun = b'<service host="127.0.0.1" port="3478" transport="udp" type="stun" />'
    turn = b'<service host="127.0.0.1" port="3479" type="turn" username="u&lt;" password="p" restricted="true" />'
    assert stun + turn in await ask(wire, query)
    only = await ask(wire, b"<services xmlns='%b' type='turn'/>" % EXTDISCO)
    assert b'<services xmlns="%b" type="turn">%b</services>' % (EXTDISCO, turn) in only


async def test_credentials(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "alice")
    server.services += [Stun(), TURN]
    query = b"<credentials xmlns='%b'><service %%b/></credentials>" % EXTDISCO
    found = await ask(wire, query % b"type='turn' host='127.0.0.1' port='3479'")
    assert found.count(b"<service ") == 1
    assert b'password="p"' in found
    assert b"<item-not-found" in await ask(wire, query % b"type='turn' host='127.0.0.2'")
    assert b"<bad-request" in await ask(wire, query % b"type='turn'")
    assert b"<bad-request" in await ask(wire, b"<credentials xmlns='%b'/>" % EXTDISCO)


async def test_ping_and_session(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "alice")
    for payload, type_ in (
        (b"<ping xmlns='urn:xmpp:ping'/>", b"get"),
        (b"<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>", b"set"),
    ):
        for to in (b"localhost", b"alice@localhost", b"localhost/x"):
            wire.send(b"<iq type='%b' id='q' to='%b'>%b</iq>" % (type_, to, payload))
            assert (await wire.until(b"/>")).startswith(b'<iq type="result" id="q" from="%b"' % to)


async def test_binding_twice(server: LoopbackServer, dial: Dial) -> None:
    wire = await (await dial()).log_in(server, "alice")
    assert b"<service-unavailable" in await wire.bind("another")
