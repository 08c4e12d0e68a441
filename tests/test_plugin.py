"""Jingle on slixmpp clients that somebody else made."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

import slixmpp

import jingle
import jingle.plugin
from jingle.demo import LoopbackServer


def client(server: LoopbackServer, name: str) -> slixmpp.ClientXMPP:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    xmpp = slixmpp.ClientXMPP(f"{name}@localhost", "secret", ssl_context=context)
    xmpp.enable_direct_tls = False
    xmpp.register_plugin("xep_0166", {"allow": ["*"], "loopback": True}, module=jingle.plugin)
    xmpp.add_event_handler("session_start", lambda _: xmpp.send_presence())
    return xmpp


async def test_two_bots_call_each_other() -> None:
    async with LoopbackServer(users={"alice": "secret", "bob": "secret"}) as server:
        bots = [client(server, name) for name in ("alice", "bob")]
        for bot in bots:
            bot.connect(server.host, server.port)
            await bot.wait_until("session_start", 5)
        plugins: list[Any] = [cast(Any, bot.plugin)["xep_0166"] for bot in bots]
        alice, bob = (plugin.peer for plugin in plugins)
        assert isinstance(alice, jingle.Peer)
        assert isinstance(bob, jingle.Peer)
        bob.listen()

        async def answer() -> jingle.Ending | None:
            async for offer in bob.incoming():
                assert isinstance(offer, jingle.IncomingCall)
                async with offer.accept(audio=jingle.Tone()) as call:
                    return await call.wait(5)
            return None

        answering = asyncio.ensure_future(answer())
        async with alice.call("bob@localhost", audio=jingle.Tone()) as call:
            await call.wait(0.2)
            assert call.stats()["audio"].packets_sent > 0
        ending = await answering
        assert ending is not None
        assert ending.reason == "success"
        features = await alice.pump.discovery.features_of(bob.jid)
        assert {"urn:xmpp:jingle:1", "urn:xmpp:jingle-message:0", "urn:xmpp:jingle:apps:rtp:audio"} <= features
        for bot, plugin in zip(bots, plugins, strict=True):
            manager: Any = bot.plugin
            manager.disable("xep_0166")
            await plugin._closing
            await bot.disconnect(wait=0.5)
            sender = bot._run_out_filters
            if sender is not None:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
