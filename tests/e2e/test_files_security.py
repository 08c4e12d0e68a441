"""What protects the bytes, who insists on it, and who may send at all."""

from __future__ import annotations

import pytest

from .commands import JINGLE
from .conftest import World
from .files import WITHOUT_TLS, arrived, make_file, only, receive, send, went_well

SIZE = 30_000


@pytest.mark.parametrize("without", ["sender", "receiver"])
@pytest.mark.parametrize("transport", ["s5b", "ibb"])
async def test_a_peer_without_tls(on_loopback: World, without: str, transport: str) -> None:
    """The bytes go in the clear, and both sides are told so."""
    world = on_loopback
    file = make_file(world.folder / "report.bin", SIZE)
    program = {side: WITHOUT_TLS if side == without else JINGLE for side in ("sender", "receiver")}
    bob = await receive(world, "--once", "--loopback", *only(transport), program=program["receiver"])
    alice = await send(world, "--loopback", *only(transport), file.name, program=program["sender"])
    connected = await went_well(alice, bob)
    assert await bob.exit() == 0
    arrived(world, alice, bob, file)
    assert (connected["transport"], connected["security"]) == (transport, "none")


async def test_the_sender_requires_encryption(on_loopback: World) -> None:
    world = on_loopback
    make_file(world.folder / "report.bin", SIZE)
    bob = await receive(world, "--loopback", *only("s5b", "ibb"), program=WITHOUT_TLS)
    alice = await send(world, "--loopback", "--require-encryption", "--trace", "alice", "report.bin")
    assert await alice.exit() == 5, alice
    (error,) = alice.told("error")
    assert error["condition"] == "unsupported-transports"
    assert error["advice"]
    assert not any("session-initiate" in line.get("stanza", "") for line in world.trace("alice"))
    bob.interrupt()
    assert await bob.exit() == 130
    assert bob.names() == ["online"]


async def test_the_receiver_requires_encryption(on_loopback: World) -> None:
    world = on_loopback
    make_file(world.folder / "report.bin", SIZE)
    bob = await receive(world, "--loopback", "--require-encryption")
    alice = await send(world, "--loopback", *only("s5b", "ibb"), "report.bin", program=WITHOUT_TLS)
    assert await alice.exit() == 5, alice
    (over,) = alice.told("ended")
    assert over["reason"] in ("security-error", "unsupported-transports"), alice
    assert not alice.told("connected") + alice.told("sent")
    bob.interrupt()
    assert await bob.exit() == 130
    assert not any((world.folder / "inbox").iterdir())


async def test_both_require_encryption(world: World) -> None:
    file = make_file(world.folder / "report.bin", SIZE)
    bob = await receive(world, "--once", "--loopback", "--require-encryption")
    alice = await send(world, "--loopback", "--require-encryption", file.name)
    assert (await went_well(alice, bob))["security"] in ("tls", "dtls")
    arrived(world, alice, bob, file)


@pytest.mark.server
async def test_strangers(on_prosody: World) -> None:
    """A stranger costs no disk and learns nothing, by the account or by the device."""
    world = on_prosody
    make_file(world.folder / "report.bin", SIZE)
    bob = await receive(world)
    device = bob.events[0]["jid"]
    for to in (world.bob, device):
        carol = await send(world, "report.bin", to=to, as_jid=world.carol)
        assert await carol.exit() == 4, carol
        assert [event["reason"] for event in carol.told("ended")] == ["gone"]
        assert carol.told("error")[0]["condition"] == "gone"
    assert (await bob.event("refused"))["peer"] == carol.events[0]["jid"]
    bob.interrupt()
    assert await bob.exit() == 130
    assert bob.names() == ["online", "refused"]
    assert not any((world.folder / "inbox").iterdir())


@pytest.mark.server
@pytest.mark.parametrize("allowed", ["*", "carol"])
async def test_from_lets_strangers_in(on_prosody: World, allowed: str) -> None:
    world = on_prosody
    file = make_file(world.folder / "report.bin", SIZE)
    bob = await receive(world, "--loopback", "--once", "--from", world.carol if allowed == "carol" else allowed)
    carol = await send(world, "--loopback", file.name, to=bob.events[0]["jid"], as_jid=world.carol)
    await went_well(carol, bob)
    assert await bob.exit() == 0
    arrived(world, carol, bob, file)
