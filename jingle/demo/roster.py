"""RFC 6121 section 2: the roster as it is written, and pushed to every device that has read it."""

from __future__ import annotations

import secrets
from xml.etree import ElementTree as ET

from .domain import Account
from .markup import payload, reply

NAMESPACE = "jabber:iq:roster"


def push(account: Account, jid: str) -> None:
    """Tell every device that read the roster what an entry is like now."""
    _send(account, item(account, jid))


def push_removal(account: Account, jid: str) -> None:
    """Tell them that an entry is gone."""
    _send(account, ET.Element("item", jid=jid, subscription="remove"))


def item(account: Account, jid: str) -> ET.Element:
    """Write an entry; the namespace is that of the query it goes into."""
    contact = account.roster[jid]
    item = ET.Element("item", jid=jid, subscription=contact.subscription)
    if contact.name:
        item.set("name", contact.name)
    if contact.ask:
        item.set("ask", "subscribe")
    for group in contact.groups:
        ET.SubElement(item, "group").text = group
    return item


def _send(account: Account, item: ET.Element) -> None:
    query = payload("query", NAMESPACE)
    query.append(item)
    for session in list(account.sessions.values()):
        if session.interested:
            session.deliver(reply("iq", "set", id_=secrets.token_hex(8), sender=None, to=session.jid, content=query))
