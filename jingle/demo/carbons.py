"""XEP-0280: Message Carbons, version 1.0.1: the other devices of both sides get copies."""

from __future__ import annotations

from collections.abc import Sequence

from .domain import Account
from .framing import Stanza
from .markup import attribute
from .session import Session

NAMESPACE = "urn:xmpp:carbons:2"

# Section 9 wants both on a private message; either one alone is honoured, as what it says is clear.
_PRIVATE = {f"{NAMESPACE}}}private", "urn:xmpp:hints}no-copy"}
# Section 6.1, and the call messages of XEP-0353, which calls on them to be copied whatever their type.
_PAYLOADS = (
    "urn:xmpp:jingle-message:",
    "urn:xmpp:receipts}",
    "urn:xmpp:chat-markers:",
    "http://jabber.org/protocol/chatstates}",
)


def copy(sender: Session, account: Account, stanza: Stanza, reached: Sequence[Session]) -> None:
    """Copy a message from `sender` to `account` to the carbons-enabled devices that have not had it.

    Args:
        sender: The device that sent it.
        account: Whom it was addressed to.
        stanza: The message.
        reached: Devices that got the message itself.
    """
    if not _eligible(stanza):
        return
    for kind, owner in (("sent", sender.account), ("received", account)):
        for device in list(owner.sessions.values()):
            if device.carbons and device is not sender and device not in reached:
                device.deliver(_wrap(kind, device, stanza, sender.jid))
        if sender.account is account:  # a message to oneself is copied once
            return


def _eligible(stanza: Stanza) -> bool:
    if stanza.type in ("groupchat", "headline", "error") or not _PRIVATE.isdisjoint(stanza.children):
        return False
    if stanza.type == "chat" or "jabber:client}body" in stanza.children:
        return True
    return any(child.startswith(_PAYLOADS) for child in stanza.children)


def _wrap(kind: str, device: Session, stanza: Stanza, sender: str) -> bytes:
    type_ = attribute("type", stanza.type) if stanza.type else ""
    head = f"<message{attribute('from', device.account.jid)}{attribute('to', device.jid)}{type_}>"
    copied = stanza.serialize(sender=sender, namespace="jabber:client")
    forwarded = b"<forwarded xmlns='urn:xmpp:forward:0'>%b</forwarded>" % copied
    return head.encode() + f"<{kind} xmlns='{NAMESPACE}'>".encode() + forwarded + f"</{kind}></message>".encode()
