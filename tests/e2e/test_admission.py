"""Who may call whom: strangers, those named with --from, and devices that take no calls."""

from __future__ import annotations

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from tests.servers.plain_client import plain_client

from .conftest import World
from .endings import both_connected, ended


@pytest.fixture
def strangers(on_prosody: World) -> World:
    """Bob and carol share no roster there."""
    return on_prosody


@pytest.mark.server
async def test_a_stranger_learns_nothing_from_one_device(strangers: World) -> None:
    """The session-initiate gets what a client without Jingle answers (XEP-0166 section 6.3.2)."""
    bob = await strangers.answer("--once")
    device = bob.events[0]["jid"]
    carol = await strangers.call(to=device, as_jid=strangers.carol)
    online = await carol.event("online")
    await ended(carol, "gone", since=online["time"], exit=4)
    assert (await bob.event("refused"))["peer"] == online["jid"]
    bob.interrupt()
    assert await bob.exit() == 130
    assert bob.names() == ["online", "refused"]


@pytest.mark.server
async def test_a_stranger_sees_no_feature_of_ours(strangers: World) -> None:
    """Who knows our full JID is told that nobody is there; a contact sees all."""
    bob = await strangers.answer("--once")
    device = JID(bob.events[0]["jid"])
    async with plain_client(strangers.server, strangers.carol) as plain:
        with pytest.raises(IqError) as caught:
            await plain.plugin["xep_0030"].get_info(device, local=False)
        assert caught.value.condition == "service-unavailable"
    async with plain_client(strangers.server, strangers.alice) as plain:
        info = (await plain.plugin["xep_0030"].get_info(device, local=False))["disco_info"]
        assert {"urn:xmpp:jingle:1", "urn:xmpp:jingle-message:0"} <= set(info["features"])


@pytest.mark.server
async def test_a_strangers_proposal_meets_silence(strangers: World) -> None:
    """Any answer would tell that we are online (XEP-0353 section 6)."""
    bob = await strangers.answer("--once")
    carol = await strangers.call("--ring-timeout", "1", as_jid=strangers.carol)
    online = await carol.event("online")
    await ended(carol, "timeout", since=online["time"] + 1, exit=4)
    assert (await bob.event("refused"))["peer"] == online["jid"]
    assert "ringing" not in carol.names()
    bob.interrupt()
    assert await bob.exit() == 130
    assert bob.names() == ["online", "refused"]


@pytest.mark.server
@pytest.mark.parametrize("allowed", ["*", "carol", "full"])
async def test_from_lets_strangers_in(strangers: World, allowed: str) -> None:
    jid = f"{strangers.carol}/desk"
    bob = await strangers.answer("--once", "--from", {"*": "*", "carol": strangers.carol, "full": jid}[allowed])
    carol = await strangers.call("--seconds", "0.3", as_jid=jid)
    connected = await both_connected(carol, bob)
    assert connected[1]["peer"] == jid
    since = max(event["time"] for event in connected) + 0.3
    await ended(carol, "success", since=since, exit=0)
    await ended(bob, "success", since=since, exit=0)


async def test_a_full_jid_is_called_directly(world: World) -> None:
    """No proposal goes before the session."""
    bob = await world.answer("--once")
    device = bob.events[0]["jid"]
    alice = await world.call("--seconds", "0.3", "--trace", "alice.trace", to=device)
    connected = await both_connected(alice, bob)
    assert connected[0]["peer"] == device
    since = connected[0]["time"] + 0.3
    await ended(alice, "success", since=since, exit=0)
    await ended(bob, "success", since=since, exit=0)
    assert alice.names() == ["online", "ringing", "connected", "ended"]
    sent = [line["stanza"] for line in world.trace("alice.trace") if line.get("direction") == ">"]
    assert any("session-initiate" in stanza for stanza in sent)
    assert not any("<propose" in stanza for stanza in sent)


@pytest.mark.parametrize("direct", [False, True], ids=["all-devices", "one-device"])
async def test_a_peer_without_jingle(world: World, direct: bool) -> None:
    async with plain_client(world.home(world.bob), world.bob) as plain:
        alice = await world.call(to=str(plain.boundjid.full) if direct else world.bob)
        online = await alice.event("online")
        await ended(alice, "unsupported-applications", since=online["time"], exit=4)
        assert alice.told("ringing") == []
        (error,) = alice.told("error")
        assert error["condition"] == "unsupported-applications"
        assert error["advice"]


async def test_two_devices_ring_and_one_answers(world: World) -> None:
    desk = await world.answer("--ring", "60", "--once", as_jid=f"{world.bob}/desk")
    phone = await world.answer("--ring", "0.5", "--once", as_jid=f"{world.bob}/phone")
    alice = await world.call("--seconds", "0.5")
    await both_connected(alice, phone)
    connected = alice.told("connected")[0]
    assert connected["peer"] == f"{world.bob}/phone"
    assert {event["peer"] for event in alice.told("ringing")} == {f"{world.bob}/desk", f"{world.bob}/phone"}
    over = await desk.event("ended")
    assert over["reason"] == "cancel"
    assert "another device" in over["text"]
    assert over["time"] - connected["time"] < 2
    since = connected["time"] + 0.5
    await ended(alice, "success", since=since, exit=0)
    await ended(phone, "success", since=since, exit=0)
    desk.interrupt()
    assert await desk.exit() == 130
    assert desk.names() == ["online", "incoming", "ended"]


async def test_two_devices_answer_at_once(world: World) -> None:
    """The caller takes one; the other hears so at once, and the call it lost is not one that it answered."""
    devices = [await world.answer("--once", as_jid=f"{world.bob}/{name}") for name in ("desk", "phone")]
    alice = await world.call("--seconds", "0.5")
    connected = await alice.event("connected")
    winner, loser = sorted(devices, key=lambda device: device.events[0]["jid"] != connected["peer"])
    over = await loser.event("ended")
    assert over["reason"] == "cancel"
    assert over["time"] - connected["time"] < 2
    since = connected["time"] + 0.5
    await ended(alice, "success", since=since, exit=0)
    await ended(winner, "success", since=since, exit=0)
    assert loser.told("connected") == []


async def test_the_caller_has_two_devices(world: World) -> None:
    """The copies of our own messages (XEP-0280) make the other device neither ring nor answer."""
    other = await world.answer("--once", as_jid=f"{world.alice}/other")
    bob = await world.answer("--once")
    alice = await world.call("--seconds", "0.5", as_jid=f"{world.alice}/caller")
    connected = await both_connected(alice, bob)
    since = connected[0]["time"] + 0.5
    await ended(alice, "success", since=since, exit=0)
    await ended(bob, "success", since=since, exit=0)
    other.interrupt()
    assert await other.exit() == 130
    assert other.names() == ["online"]
