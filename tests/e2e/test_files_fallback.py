"""Which transport a file takes: what both have, in order of preference, and the next where one does not work."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack

import pytest

from tests.servers.doorway import doorways
from tests.servers.namespace import network

from .conftest import World, over_every_server
from .files import SECURITY, TRANSPORTS, arrived, make_file, only, receive, send, went_well

SIZE = 70_000


@pytest.mark.parametrize(
    ("ours", "theirs", "used"),
    [
        ((), ("ibb",), "ibb"),
        (("ibb", "s5b"), (), "ibb"),
        (("s5b", "ibb"), (), "s5b"),
        (("ibb", "s5b"), ("s5b",), "s5b"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "all",
)
async def test_what_both_have(on_loopback: World, ours: Sequence[str], theirs: Sequence[str], used: str) -> None:
    """In the order of whoever offers, and nothing that the other does not have."""
    world = on_loopback
    file = make_file(world.folder / "report.bin", SIZE)
    bob = await receive(world, "--once", "--loopback", *only(*theirs))
    alice = await send(world, "--loopback", "--trace", "alice", *only(*ours), file.name)
    assert (await went_well(alice, bob))["transport"] == used
    assert await bob.exit() == 0
    arrived(world, alice, bob, file)
    assert not any("transport-replace" in line.get("stanza", "") for line in world.trace("alice"))


async def test_nothing_in_common(world: World) -> None:
    make_file(world.folder / "report.bin", SIZE)
    bob = await receive(world, "--loopback", *only("ibb"))
    alice = await send(world, "--loopback", *only("s5b"), "report.bin")
    assert await alice.exit() == 5, alice
    (error,) = alice.told("error")
    assert error["condition"] == "unsupported-transports"
    bob.interrupt()
    assert await bob.exit() == 130
    assert bob.names() == ["online"]


@over_every_server
@pytest.mark.parametrize("hidden", ["alice", "bob", "both"])
async def test_relay_only(world: World, hidden: str) -> None:
    """Nobody's address is told: over the server's proxy where it has one, over the server itself otherwise.

    Where both hide and each has a server of the own, neither trusts what the other one calls a proxy.
    """
    file = make_file(world.folder / "report.bin", SIZE)
    options = {name: ["--relay-only"] if hidden in (name, "both") else [] for name in ("alice", "bob")}
    common = ["--loopback", *only("s5b", "ibb")]
    bob = await receive(world, "--once", "--trace", "bob", *common, *options["bob"])
    alice = await send(world, "--trace", "alice", *common, *options["alice"], file.name)
    connected = await went_well(alice, bob)
    assert await bob.exit() == 0
    arrived(world, alice, bob, file)
    if world.server.proxy_port is not None and not (hidden == "both" and len(world.servers) > 1):
        for side in (alice, bob):
            (event,) = side.told("connected")
            assert (event["transport"], event["local_candidate"], event["remote_candidate"]) == (
                "s5b",
                "proxy",
                "proxy",
            )
    else:
        assert connected["transport"] == "ibb"
    assert connected["security"] == "tls"
    for name, given in options.items():
        if given:
            sent = [line["stanza"] for line in world.trace(name) if line.get("direction") == ">"]
            assert not any("type='direct'" in stanza or 'type="direct"' in stanza for stanza in sent)


@pytest.mark.parametrize(
    ("world", "ground", "reaches_proxy"),
    [
        *(("prosody", ground, reaches) for ground in ("refused", "silent") for reaches in (True, False)),
        ("ejabberd", "refused", True),
        ("prosody_and_ejabberd", "refused", True),
    ],
    indirect=["world"],
)
@pytest.mark.server
async def test_apart(world: World, ground: str, reaches_proxy: bool) -> None:
    """Two networks between which nothing goes but through the server and its proxy.

    They have addresses that are offered and tried, and lead nowhere.
    """
    file = make_file(world.folder / "report.bin", SIZE)
    proxies = [each.proxy_port for each in world.servers if each.proxy_port is not None]
    assert len(proxies) == len(world.servers)
    ports = [*(each.port for each in world.servers), *(proxies if reaches_proxy else [])]
    with ExitStack() as networks:
        places = []
        for number in (1, 2):
            address = f"10.77.0.{number}"
            kind = {"silent": f"{address}/24"} if ground == "silent" else {}
            places.append(networks.enter_context(network(*(() if kind else (address,)), **kind)))
        async with AsyncExitStack() as doors:
            for place in places:
                await doors.enter_async_context(doorways(place, *ports))
            bob = await receive(world, "--once", "--loopback", "--trace", "bob", prefix=places[1])
            alice = await send(world, "--loopback", "--trace", "alice", file.name, prefix=places[0])
            connected = await went_well(alice, bob)
            assert await bob.exit() == 0
    arrived(world, alice, bob, file)
    sent = [line["stanza"] for line in world.trace("alice") if line.get("direction") == ">"]
    assert any("10.77.0.1" in stanza for stanza in sent)
    if reaches_proxy:
        assert (connected["transport"], connected["local_candidate"]) == ("s5b", "proxy")
        assert not any("transport-replace" in stanza for stanza in sent)
    else:
        assert connected["transport"] == "ibb"
        assert sum("transport-replace" in stanza for stanza in sent) == len(TRANSPORTS) - 1
    assert connected["security"] == SECURITY[connected["transport"]]
