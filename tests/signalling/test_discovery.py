"""Who is online, what they can do, and which device is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

import pytest

from jingle.signalling import discovery as module
from jingle.signalling.connection import Account, XmppConnection
from jingle.signalling.discovery import NS_JINGLE, Device, Discovery, best_device
from tests.signalling.wire import OWN, Wire, client, component, wired

ROMEO = "romeo@montague.example"
INFO = "http://jabber.org/protocol/disco#info"
WANTED = frozenset({"urn:xmpp:jingle:apps:rtp:1"})


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with wired(client()) as wire:
        wire.xmpp.register_plugin("xep_0030")
        yield wire


@pytest.fixture
async def discovery(wire: Wire) -> AsyncIterator[Discovery]:
    discovery = Discovery(wire.xmpp)
    yield discovery
    discovery.close()
    discovery.close()


def come(
    wire: Wire, resource: str, *, priority: int = 0, show: str = "", account: str = ROMEO, caps: str | None = None
) -> None:
    inside = f"<priority>{priority}</priority>"
    if show:
        inside += f"<show>{show}</show>"
    if caps:
        inside += f"<c xmlns='http://jabber.org/protocol/caps' node='urn:client' hash='sha-1' ver='{caps}'/>"
    wire.receive(f"<presence from='{account}/{resource}'>{inside}</presence>")


def go(wire: Wire, resource: str) -> None:
    wire.receive(f"<presence from='{ROMEO}/{resource}' type='unavailable'/>")


async def question(wire: Wire) -> ET.Element:
    """The next disco#info query that leaves; our own answers to roster presence are left aside."""
    while True:
        stanza = await wire.take()
        if stanza.tag.endswith("}iq") and stanza.get("type") == "get":
            return stanza


def answer(wire: Wire, query: ET.Element, *features: str) -> None:
    found = "".join(f"<feature var='{feature}'/>" for feature in features)
    wire.receive(
        f"<iq type='result' from='{query.get('to')}' to='{OWN}' id='{query.get('id')}'>"
        f"<query xmlns='{INFO}'><identity category='client' type='pc'/>{found}</query></iq>"
    )


async def ask(wire: Wire, discovery: Discovery, jid: str, *features: str) -> frozenset[str]:
    asking = asyncio.ensure_future(discovery.features_of(jid))
    answer(wire, await question(wire), *features)
    return await asking


async def test_devices_by_priority_with_their_features(wire: Wire, discovery: Discovery) -> None:
    come(wire, "phone", priority=-1)
    come(wire, "desk", priority=5, show="dnd")
    come(wire, "tablet", show="away")
    come(wire, "other", account="mercutio@montague.example")
    asking = asyncio.ensure_future(discovery.devices(ROMEO, contact=True))
    for _ in range(3):
        query = await question(wire)
        answer(wire, query, f"of {query.get('to')}")
    assert await asking == tuple(
        Device(jid=f"{ROMEO}/{name}", priority=priority, features=frozenset({f"of {ROMEO}/{name}"}))
        for name, priority in (("desk", 5), ("tablet", 0), ("phone", -1))
    )


async def test_a_device_that_goes_is_forgotten(wire: Wire, discovery: Discovery) -> None:
    come(wire, "desk")
    go(wire, "desk")
    assert await discovery.devices(ROMEO, contact=False) == ()


async def test_we_are_no_device_of_our_own_to_call(wire: Wire, discovery: Discovery) -> None:
    own, _, resource = OWN.partition("/")
    come(wire, resource, account=own)
    assert await discovery.devices(own, contact=False) == ()


async def test_features_are_asked_once_while_nothing_changes(wire: Wire, discovery: Discovery) -> None:
    come(wire, "desk")
    assert await ask(wire, discovery, f"{ROMEO}/desk", "a") == {"a"}
    assert await discovery.features_of(f"{ROMEO}/desk") == {"a"}
    come(wire, "desk", show="away")
    assert await ask(wire, discovery, f"{ROMEO}/desk", "b") == {"b"}
    go(wire, "desk")
    assert await ask(wire, discovery, f"{ROMEO}/desk", "c") == {"c"}
    # Nobody would tell us of the end of this, so it is asked each time.
    assert await ask(wire, discovery, f"{ROMEO}/desk", "d") == {"d"}


async def test_features_that_the_caps_say_are_the_same_are_kept(wire: Wire, discovery: Discovery) -> None:
    come(wire, "desk", caps="v1")
    assert await ask(wire, discovery, f"{ROMEO}/desk", "a") == {"a"}
    come(wire, "desk", caps="v1", show="away")
    assert await discovery.features_of(f"{ROMEO}/desk") == {"a"}
    come(wire, "desk", caps="v2")
    assert await ask(wire, discovery, f"{ROMEO}/desk", "b") == {"b"}


async def test_nobody_is_asked_because_of_his_presence() -> None:
    """A question would tell a stranger that we are online."""
    connection = XmppConnection(Account(jid=OWN, password="secret", ca_file=None), resource="x")
    async with wired(connection.xmpp) as wire:
        come(wire, "desk", caps="v1")
        await wire.silence()


async def test_an_answer_that_a_presence_overtook_is_not_kept(wire: Wire, discovery: Discovery) -> None:
    come(wire, "desk")
    asking = asyncio.ensure_future(discovery.features_of(f"{ROMEO}/desk"))
    query = await question(wire)
    come(wire, "desk")
    answer(wire, query, "old")
    assert await asking == {"old"}
    assert await ask(wire, discovery, f"{ROMEO}/desk", "new") == {"new"}


async def test_whoever_does_not_answer_has_no_features(
    wire: Wire, discovery: Discovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUERY_TIMEOUT", 0.05)
    come(wire, "desk")
    assert await discovery.features_of(f"{ROMEO}/desk") == frozenset()
    asking = asyncio.ensure_future(discovery.features_of(f"{ROMEO}/desk"))
    await question(wire)
    query = await question(wire)
    wire.receive(f"<iq type='error' from='{query.get('to')}' id='{query.get('id')}'><error type='cancel'/></iq>")
    assert await asking == frozenset()


async def test_presence_is_waited_for_just_after_login(wire: Wire, discovery: Discovery) -> None:
    wire.xmpp.event("session_start")
    asking = asyncio.ensure_future(discovery.devices(ROMEO, contact=True))
    await asyncio.sleep(0.02)
    come(wire, "desk", account="mercutio@montague.example")
    await asyncio.sleep(0)
    assert not asking.done()
    come(wire, "desk")
    answer(wire, await question(wire), "a")
    assert [device.jid for device in await asyncio.wait_for(asking, 0.5)] == [f"{ROMEO}/desk"]


async def test_another_server_tells_of_one_device_after_the_other(wire: Wire, discovery: Discovery) -> None:
    """Romeo's phone comes online as we do, and is heard of before the desk, which was there all the time."""
    wire.xmpp.event("session_start")
    asking = asyncio.ensure_future(discovery.devices(ROMEO, contact=True))
    come(wire, "phone")
    await asyncio.sleep(0.02)
    come(wire, "desk", priority=1)
    for _ in range(2):
        answer(wire, await question(wire), "a")
    assert [device.jid for device in await asyncio.wait_for(asking, 0.9)] == [f"{ROMEO}/desk", f"{ROMEO}/phone"]


async def test_presence_is_waited_for_no_longer_than_that(
    wire: Wire, discovery: Discovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert await discovery.devices(ROMEO, contact=True) == ()
    assert loop.time() - before < 0.1
    monkeypatch.setattr(module, "PRESENCE_GRACE", 0.2)
    wire.xmpp.event("session_start")
    assert await discovery.devices(ROMEO, contact=False) == ()
    assert loop.time() - before < 0.2
    assert await discovery.devices(ROMEO, contact=True) == ()
    assert loop.time() - before >= 0.2


async def test_a_fresh_session_begins_without_knowledge(wire: Wire, discovery: Discovery) -> None:
    come(wire, "desk")
    wire.xmpp.event("disconnected")
    assert discovery._devices_of(ROMEO) == [(f"{ROMEO}/desk", 0)], "a resumed stream brings no presence again"
    wire.xmpp.event("session_start")
    assert discovery._devices_of(ROMEO) == []


async def test_what_is_remembered_and_asked_is_bounded(
    wire: Wire, discovery: Discovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN_DEVICES", 3)
    monkeypatch.setattr(module, "MAX_DEVICES_ASKED", 1)
    for number in range(5):
        come(wire, str(number), priority=number)
    assert len(discovery._online) == 3
    asking = asyncio.ensure_future(discovery.devices(ROMEO, contact=True))
    query = await question(wire)
    assert query.get("to") == f"{ROMEO}/4"
    answer(wire, query)
    assert len(await asking) == 1


async def test_what_we_announce(wire: Wire, discovery: Discovery) -> None:
    discovery.announce(["urn:b", "urn:a", "urn:b"])
    wire.receive(f"<iq type='get' from='{ROMEO}/desk' to='{OWN}' id='i1'><query xmlns='{INFO}'/></iq>")
    info = await wire.take()
    assert {"urn:a", "urn:b"} <= {feature.get("var") for feature in info.iter(f"{{{INFO}}}feature")}


async def test_a_component_has_no_roster_and_looks_all_the_same() -> None:
    async with wired(component()) as wire:
        wire.xmpp.register_plugin("xep_0030")
        discovery = Discovery(wire.xmpp)
        assert await discovery.devices(ROMEO, contact=False) == ()
        discovery.close()


def device(name: str, priority: int, *features: str) -> Device:
    return Device(jid=f"{ROMEO}/{name}", priority=priority, features=frozenset(features))


def test_the_best_device() -> None:
    chat, calls = device("chat", 9, "urn:x"), device("calls", 3, NS_JINGLE, *WANTED)
    files, other = device("files", 5, NS_JINGLE), device("other", 1, NS_JINGLE, *WANTED, "urn:x")
    assert best_device([chat, files, calls, other], WANTED) is calls
    assert best_device([device("half", 1, *WANTED)], WANTED) is None
    assert best_device([], frozenset()) is None


# What others are told about us (XEP-0166 section 6.3.2)

OURS = {"urn:xmpp:jingle:1", "urn:xmpp:jingle:apps:rtp:1"}


async def told(wire: Wire, jid: str, node: str = "") -> set[str]:
    """The features that somebody is told who asks us."""
    address = f" from='{jid}'" if jid else ""
    wire.receive(f"<iq type='get' to='{OWN}' id='q1'{address}><query xmlns='{INFO}'{node}/></iq>")
    reply = await wire.take()
    assert (reply.get("type"), reply.get("id"), reply.get("to", "")) == ("result", "q1", jid)
    [query] = reply
    assert query.find(f"{{{INFO}}}identity") is not None
    return {feature.get("var", "") for feature in query.iter(f"{{{INFO}}}feature")}


async def test_a_stranger_is_told_what_a_client_without_jingle_tells(wire: Wire, discovery: Discovery) -> None:
    wire.xmpp.plugin["xep_0030"].add_feature(INFO)
    before = await told(wire, f"{ROMEO}/orchard")
    discovery.announce(OURS)
    discovery.may_see = lambda jid: jid.startswith(ROMEO)
    assert await told(wire, "mercutio@montague.example/street") == before
    assert await told(wire, f"{ROMEO}/orchard") == before | OURS
    assert await told(wire, "mercutio@montague.example/street") == before


@pytest.mark.parametrize("server", ["", "capulet.example"])
async def test_our_own_server_is_told_all(wire: Wire, discovery: Discovery, server: str) -> None:
    """It would take our presence's caps for forged, and it forwards everything anyway."""
    discovery.announce(OURS)
    discovery.may_see = lambda jid: False
    assert await told(wire, server) >= OURS


async def test_nothing_is_left_out_once_it_is_closed(wire: Wire, discovery: Discovery) -> None:
    discovery.announce(OURS)
    discovery.may_see = lambda jid: False
    discovery.close()
    assert await told(wire, "mercutio@montague.example/street") >= OURS
