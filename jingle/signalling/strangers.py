"""What whoever may not reach us gets of a client of our own: what the server says where no client is (RFC 6120, 8.5).

A client answers many things by itself: what it can do (XEP-0030), pings (XEP-0199), even what it does not know. Each
answer tells whoever guesses a full JID that it is online.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slixmpp import JID, ClientXMPP
from slixmpp.stanza import Iq, Presence

from ..elements.core import NS
from .stanza_errors import no_such_client, reply_to


def hide_from_strangers(xmpp: ClientXMPP, may_see: Callable[[str], bool]) -> None:
    """Answer every request of a stranger as the server does for a client that is not there, and see no presence.

    Nobody is let into the roster, which is for the user to decide, perhaps in another client.

    Args:
        xmpp: The stream; before it is connected.
        may_see: Whether a full or bare JID may know that we are here. Our own account and server always do.
    """
    xmpp.auto_authorize = None
    xmpp.auto_subscribe = False

    def is_stranger(sender: JID) -> bool:
        ours = xmpp.boundjid
        return sender.bare not in ("", ours.bare, ours.domain) and not may_see(str(sender))

    def keep_out(stanza: Any) -> Any:
        if isinstance(stanza, Iq) and _is_request(stanza) and is_stranger(stanza["from"]):
            reply_to(stanza, no_such_client())
            return None
        if isinstance(stanza, Presence) and is_stranger(stanza["from"]):
            # slixmpp would answer a probe, and keep an entry for everybody who ever showed himself to us.
            return None
        return stanza

    xmpp.add_filter("in", keep_out)


def _is_request(iq: Iq) -> bool:
    """Whether something is wanted of us; a session-initiate is refused in the same words by whoever tells the user."""
    return iq["type"] in ("get", "set") and not any(child.tag == f"{{{NS}}}jingle" for child in iq.xml)
