"""RFC 6121 sections 2 to 4: contacts, who sees whom, and who hears that someone is gone."""

from __future__ import annotations

from typing import Any

import pytest
from slixmpp import JID

from jingle.demo import Limits, LoopbackServer

from .clients import Client, Wire
from .conftest import Dial, Login


async def saw(client: Client, event: str, jid: str) -> Any:
    while (stanza := await client.take(event))["from"].full != jid:
        pass
    return stanza


async def settle(client: Client) -> None:
    await client.ping()


async def test_the_roster_and_its_subscriptions(login: Login) -> None:
    alice, carol = await login("alice@localhost/a"), await login("carol@localhost/c")
    assert alice.client_roster["bob@localhost"]["subscription"] == "both"
    assert list(carol.client_roster.keys()) == []


async def test_contacts_see_each_other_come_and_go(login: Login) -> None:
    alice = await login("alice@localhost/a")
    for event in ("got_online", "got_offline", "presence_away"):
        alice.queue(event)
    bob = await login("bob@localhost/b")
    bob.queue("got_online")
    await saw(alice, "got_online", "bob@localhost/b")
    bob.send_presence(pshow="away", pstatus="tea & toast")
    assert (await saw(alice, "presence_away", "bob@localhost/b"))["status"] == "tea & toast"
    await bob.hang_up()
    await saw(alice, "got_offline", "bob@localhost/b")


async def test_a_newcomer_is_shown_who_is_there(login: Login) -> None:
    await login("bob@localhost/b")
    await login("alice@localhost/other")
    alice = Client((await login("carol@localhost/c")).loopback, "alice@localhost/a")
    alice.queue("presence_available")
    await alice.go_online(presence=False)
    alice.send_presence()
    seen = {(await alice.take("presence_available"))["from"].full for _ in range(3)}
    assert seen == {"alice@localhost/a", "alice@localhost/other", "bob@localhost/b"}
    await alice.hang_up()


async def test_strangers_see_nothing(login: Login) -> None:
    alice, carol = await login("alice@localhost/a"), await login("carol@localhost/c")
    carol.queue("presence_available")
    alice.send_presence(pshow="dnd")
    carol.send_presence(pto="alice@localhost", ptype="probe")
    await settle(alice)
    await settle(carol)
    assert carol.happened["presence_available"].empty()


async def test_a_lost_connection_is_told(login: Login, server: LoopbackServer, dial: Dial) -> None:
    alice = await login("alice@localhost/a")
    alice.queue("got_offline")
    wire = await (await dial()).log_in(server, "bob")
    wire.send(b"<presence/>")
    await wire.until(b"<presence ")
    wire.cut()
    await saw(alice, "got_offline", "bob@localhost/raw")


async def test_directed_presence_and_its_end(login: Login) -> None:
    carol, alice = await login("carol@localhost/c"), await login("alice@localhost/a")
    for event in ("presence_available", "presence_unavailable"):
        carol.queue(event)
    alice.send_presence(pto="carol@localhost/c", pstatus="for you")
    assert (await saw(carol, "presence_available", "alice@localhost/a"))["status"] == "for you"
    await alice.hang_up()
    await saw(carol, "presence_unavailable", "alice@localhost/a")


async def test_directed_presence_taken_back(login: Login) -> None:
    carol, alice = await login("carol@localhost/c"), await login("alice@localhost/a")
    carol.queue("presence_unavailable")
    alice.send_presence(pto="carol@localhost")
    alice.send_presence(pto="carol@localhost", ptype="unavailable")
    await saw(carol, "presence_unavailable", "alice@localhost/a")
    await alice.hang_up()
    await settle(carol)
    assert carol.happened["presence_unavailable"].empty()


async def test_a_probe_of_a_contact(login: Login) -> None:
    alice = await login("alice@localhost/a")
    await login("bob@localhost/b")
    await saw(alice, "presence_available", "bob@localhost/b")
    for to in ("bob@localhost", "bob@localhost/b", "alice@localhost"):
        alice.send_presence(pto=to, ptype="probe")
        await alice.take("presence_available")


async def test_slixmpp_subscribes_and_both_see_each_other(login: Login) -> None:
    """slixmpp agrees by itself and asks back."""
    alice, carol = await login("alice@localhost/a"), await login("carol@localhost/c")
    carol.queue("presence_available")
    alice.queue("presence_available")
    alice.send_presence(pto="carol@localhost", ptype="subscribe")
    await saw(alice, "presence_available", "carol@localhost/c")
    await saw(carol, "presence_available", "alice@localhost/a")
    await settle(alice)
    await settle(carol)
    assert alice.client_roster["carol@localhost"]["subscription"] == "both"
    assert carol.client_roster["alice@localhost"]["subscription"] == "both"


async def online(dial: Dial, server: LoopbackServer, user: str) -> Wire:
    wire = await (await dial()).log_in(server, user)
    wire.send(b"<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
    await wire.until(b"<presence ")
    await wire.until(b"/>")
    return wire


async def test_asking_waiting_and_answering(server: LoopbackServer, dial: Dial) -> None:
    alice = await online(dial, server, "alice")
    alice.send(b"<presence to='carol@localhost' type='subscribe'><status>please</status></presence>")
    assert b'jid="carol@localhost" subscription="none" ask="subscribe"' in await alice.until(b"</iq>")
    carol = await (await dial()).log_in(server, "carol")
    carol.send(b"<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
    assert b"<status>please</status>" in await carol.until(b"</presence>")
    carol.send(b"<presence to='alice@localhost' type='subscribed'/>")
    assert b'jid="alice@localhost" subscription="from"' in await carol.until(b"</iq>")
    assert b'jid="carol@localhost" subscription="to"' in await alice.until(b"</iq>")
    assert b'from="carol@localhost/raw"' in await alice.until(b"/>")
    assert b'type="subscribed"' in await alice.until(b"/>")
    carol.send(b"<presence to='alice@localhost' type='unsubscribed'/>")
    assert b'subscription="none"' in await alice.until(b"</iq>")
    assert b'<presence type="unavailable" from="carol@localhost/raw"' in await alice.until(b"/>")
    assert b'type="unsubscribed"' in await alice.until(b"/>")


async def test_both_ask_and_both_have_agreed(server: LoopbackServer, dial: Dial) -> None:
    alice, carol = await online(dial, server, "alice"), await online(dial, server, "carol")
    alice.send(b"<presence to='carol@localhost' type='subscribe'/>")
    await carol.until(b'type="subscribe"/>')
    carol.send(b"<presence to='alice@localhost' type='subscribe'/>")
    await alice.until(b'subscription="both"')
    await carol.until(b'subscription="both"')


async def test_asking_twice_asking_oneself_and_asking_nobody(server: LoopbackServer, dial: Dial) -> None:
    alice = await online(dial, server, "alice")
    for to in (b"bob", b"alice", b"nobody"):
        alice.send(b"<presence to='%b@localhost' type='subscribe'/>" % to)
    alice.send(
        b"<presence to='nobody@localhost' type='unsubscribe'/><presence to='carol@localhost' type='unsubscribed'/>"
    )
    assert b'jid="nobody@localhost" subscription="none" ask="subscribe"' in await alice.until(b"</iq>")
    alice.send(b"<iq type='get' id='r2'><query xmlns='jabber:iq:roster'/></iq>")
    roster = await alice.until(b"</iq>")
    assert roster.count(b"<item ") == 2
    assert b'jid="bob@localhost" subscription="both"' in roster


async def test_requests_are_counted() -> None:
    users = {"alice": "secret", "bob": "secret", "carol": "secret", "dave": "secret"}
    async with LoopbackServer(users=users, limits=Limits(contacts=2)) as server:
        wires = [await (await Wire.dial(server)).log_in(server, user) for user in users]
        for wire in wires[1:]:
            wire.send(b"<presence to='alice@localhost' type='subscribe'/>")
        assert b"<resource-constraint" in await wires[3].until(b"</presence>")
        for wire in wires:
            await wire.aclose()


async def test_a_request_is_taken_back(server: LoopbackServer, dial: Dial) -> None:
    alice = await online(dial, server, "alice")
    alice.send(b"<presence to='carol@localhost' type='subscribe'/>")
    await alice.until(b'ask="subscribe"')
    alice.send(b"<presence to='carol@localhost' type='unsubscribe'/>")
    assert b'jid="carol@localhost" subscription="none" />' in await alice.until(b'"none" />')
    carol = await (await dial()).log_in(server, "carol")
    carol.send(b"<presence/><presence to='alice@localhost' type='subscribed'/>")
    carol.send(b"<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    answer = await carol.until(b"</iq>")
    assert b"subscribe" not in answer
    assert b'<query xmlns="jabber:iq:roster" />' in answer


async def test_entries_for_those_who_are_no_users_here(server: LoopbackServer, dial: Dial) -> None:
    alice = await online(dial, server, "alice")
    for jid in (b"x@elsewhere", b"alice@localhost"):
        alice.send(b"<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='%b'/></query></iq>" % jid)
        assert jid in await alice.until(b"</iq>")
        item = b"<item jid='%b' subscription='remove'/>" % jid
        alice.send(b"<iq type='set' id='r'><query xmlns='jabber:iq:roster'>%b</query></iq>" % item)
        assert b'subscription="remove"' in await alice.until(b"</iq>")


async def test_leaving(server: LoopbackServer, dial: Dial) -> None:
    alice, bob = await online(dial, server, "alice"), await online(dial, server, "bob")
    alice.send(b"<presence to='bob@localhost' type='unsubscribe'/>")
    assert b'jid="bob@localhost" subscription="from"' in await alice.until(b'"from" />')
    await alice.until(b'<presence type="unavailable" from="bob@localhost/raw"')
    assert b'jid="alice@localhost" subscription="to"' in await bob.until(b'"to" />')
    await bob.until(b'type="unsubscribe"')


async def test_approval_that_nobody_asked_for_changes_nothing(server: LoopbackServer, dial: Dial) -> None:
    carol = await online(dial, server, "carol")
    carol.send(b"<presence to='alice@localhost' type='subscribed'/><presence to='carol@localhost' type='subscribe'/>")
    carol.send(b"<iq type='get' id='r2'><query xmlns='jabber:iq:roster'/></iq>")
    assert b"<item" not in await carol.until(b'<query xmlns="jabber:iq:roster" />')


async def test_roster_entries_are_named_grouped_and_removed(server: LoopbackServer, dial: Dial, login: Login) -> None:
    desk, bob = await login("alice@localhost/desk"), await online(dial, server, "bob")
    phone = await online(dial, server, "alice")
    desk.update_roster(JID("bob@localhost"), name="Bob & Co", groups=["work", "tea"])
    pushed = await phone.until(b"</iq>")
    while b'type="set"' not in pushed:
        pushed = await phone.until(b"</iq>")
    assert b'name="Bob &amp; Co"' in pushed
    assert b"<group>work</group><group>tea</group>" in pushed
    assert b'subscription="both"' in pushed
    desk.update_roster(JID("bob@localhost"), subscription="remove")
    await phone.until(b'subscription="remove"')
    await bob.until(b'jid="alice@localhost" subscription="none"')


@pytest.mark.parametrize(
    ("content", "condition"),
    [
        (b"", b"bad-request"),
        (b"<item jid='x@localhost'/><item jid='y@localhost'/>", b"bad-request"),
        (b"<item/>", b"jid-malformed"),
        (b"<item jid='x@localhost' subscription='remove'/>", b"item-not-found"),
        (b"<item jid='x@localhost'><group/></item>", b"not-acceptable"),
        (b"<item jid='x@localhost' name='" + b"n" * 1024 + b"'/>", b"not-acceptable"),
        (
            b"<item jid='x@localhost'>" + b"".join(b"<group>%d</group>" % i for i in range(33)) + b"</item>",
            b"not-acceptable",
        ),
    ],
)
async def test_bad_roster_entries(server: LoopbackServer, dial: Dial, content: bytes, condition: bytes) -> None:
    wire = await (await dial()).log_in(server, "alice")
    wire.send(b"<iq type='set' id='r'><query xmlns='jabber:iq:roster'>" + content + b"</query></iq>")
    assert b"<" + condition in await wire.until(b"</iq>")


async def test_contacts_all() -> None:
    async with LoopbackServer(users={"a": "x", "b": "x"}, contacts="all") as server:
        server.add_user("c", "x")
        client = Client(server, "c@localhost", "x")
        await client.go_online()
        assert {jid: client.client_roster[jid]["subscription"] for jid in client.client_roster} == {
            "a@localhost": "both",
            "b@localhost": "both",
        }
        await client.hang_up()


async def test_a_friendship_made_while_both_are_online(server: LoopbackServer, login: Login) -> None:
    alice, carol = await login("alice@localhost/a"), await login("carol@localhost/c")
    server.subscribe("Alice", "carol")
    await saw(alice, "presence_available", "carol@localhost/c")
    await saw(carol, "presence_available", "alice@localhost/a")
    assert alice.client_roster["carol@localhost"]["subscription"] == "both"
