"""What federated tests stand on: the servers find each other by name, and believe each other for a reason."""

from __future__ import annotations

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from tests.servers.plain_client import plain_client

from .conftest import World, over

PLUGINS = ("xep_0030", "xep_0199")


@over("prosody_and_ejabberd", "ejabberd_and_prosody")
async def test_a_server_believes_no_other_without_a_certificate(world: World) -> None:
    """Nobody gets an answer from a domain that shows a false one, nor with a false one from another domain."""
    there = world.home(world.bob)
    assert there.impostor is not None
    async with plain_client(world.server, world.alice, plugins=PLUGINS) as alice:
        await alice.plugin["xep_0199"].send_ping(JID(there.domain))
        with pytest.raises(IqError) as refused:
            await alice.plugin["xep_0199"].send_ping(JID(there.impostor.domain))
    assert refused.value.condition in ("remote-server-not-found", "remote-server-timeout")
    mallory = there.impostor.add_account("mallory")
    async with plain_client(there.impostor, mallory, plugins=PLUGINS) as client:
        await client.plugin["xep_0199"].send_ping(JID(there.impostor.domain))
        with pytest.raises(IqError) as refused:
            await client.plugin["xep_0199"].send_ping(JID(world.server.domain))
    assert refused.value.condition in ("remote-server-not-found", "remote-server-timeout")
