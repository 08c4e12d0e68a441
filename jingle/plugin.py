"""XEP-0166 as a slixmpp plugin: calls for a client or component that exists already.

    import jingle.plugin

    xmpp.register_plugin("xep_0166", {"allow": ["friend@example.org"]}, module=jingle.plugin)
    ...
    peer = xmpp.plugin["xep_0166"].peer          # what `jingle.connect` gives

The client goes on by itself: whoever made it connects and disconnects it.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from slixmpp.plugins import BasePlugin, register_plugin

from .client import Peer
from .client.connect import bind, hidden_from
from .transports.base import TransportOptions


class XEP_0166(BasePlugin):
    """Puts a `jingle.Peer` on the stream; configured with the words of `jingle.connect`.

    Attributes:
        peer: The peer; there from the moment the stream is bound.
    """

    name = "xep_0166"
    description = "XEP-0166: Jingle"
    dependencies: ClassVar[set[str]] = {"xep_0030", "xep_0115"}
    default_config: ClassVar[dict[str, Any]] = {
        "allow": (),
        "ice_servers": (),
        "relay_only": False,
        "loopback": False,
        "on_event": None,
    }

    def plugin_init(self) -> None:
        """Nothing yet: the peer needs the running event loop, which is certain once the stream is bound."""
        self._peer: Peer | None = None
        self._closing: asyncio.Future[None] | None = None

    @property
    def peer(self) -> Peer:
        """The peer of this stream, made at the first use on a running event loop."""
        if self._peer is None:
            from_all, from_strangers = hidden_from(self.config["relay_only"])
            options = TransportOptions(
                relay_only=from_all,
                loopback=self.config["loopback"],
                ice_servers=tuple(self.config["ice_servers"]),
            )
            self._peer = bind(
                self.xmpp,
                options=options,
                hide_from_strangers=from_strangers,
                allow=self.config["allow"],
                on_event=self.config["on_event"],
            )
        return self._peer

    def session_bind(self, jid: Any) -> None:
        """Announce what we can do before the first presence, and follow a new full JID."""
        self.peer.pump.moved(str(jid))

    def plugin_end(self) -> None:
        """End every session in the background."""
        if self._peer is not None:
            self._closing = asyncio.ensure_future(self._peer.aclose())


xep_0166 = XEP_0166
register_plugin(XEP_0166)
