"""An XMPP client that is online and knows nothing of Jingle: what slixmpp is without any plugin for calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from slixmpp import ClientXMPP

from .accounts import PASSWORD, XmppServer

PLUGINS = ("xep_0030", "xep_0115", "xep_0199")


@contextlib.asynccontextmanager
async def plain_client(
    server: XmppServer, jid: str, *, plugins: Sequence[str] = PLUGINS, features: Sequence[str] = ()
) -> AsyncIterator[ClientXMPP]:
    """Log in, send presence, and stay until the block ends; `features` are announced besides."""
    client = ClientXMPP(f"{jid}/plain", PASSWORD)
    client.ssl_context.load_verify_locations(server.ca_file)
    client.enable_direct_tls = False
    for plugin in plugins:
        client.register_plugin(plugin)
    for feature in features:
        client.plugin["xep_0030"].add_feature(feature)
    online = asyncio.Event()
    client.add_event_handler("session_start", lambda _: online.set())
    client.connect("127.0.0.1", server.port)
    try:
        async with asyncio.timeout(10):
            await online.wait()
        await client.get_roster()
        client.send_presence()
        yield client
    finally:
        await client.disconnect(wait=1.0)
        if client._run_out_filters is not None:  # slixmpp leaves it running
            client._run_out_filters.cancel()
            await asyncio.gather(client._run_out_filters, return_exceptions=True)
