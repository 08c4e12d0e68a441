"""RFC 6121 sections 2.1 to 2.5: how a client reads and changes its roster."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from ..errors import RemoteProtocolError
from . import roster, subscriptions
from .domain import Domain
from .jids import parse_jid
from .markup import payload
from .session import Session

TAG = f"{roster.NAMESPACE}}}query"

_MAX_GROUPS = 32
_MAX_TEXT = 1023


def get(domain: Domain, session: Session, request: ET.Element) -> ET.Element:
    """Answer with the whole roster; from now on the device gets pushes."""
    session.interested = True
    query = payload("query", roster.NAMESPACE)
    query.extend(roster.item(session.account, jid) for jid in session.account.roster)
    return query


def change(domain: Domain, session: Session, request: ET.Element) -> None:
    """Add, rename, regroup or remove an entry (sections 2.3 to 2.5).

    Raises:
        RemoteProtocolError: Not exactly one entry, an impossible address, texts beyond reason, a full roster.
    """
    items = request.findall(f"{{{roster.NAMESPACE}}}item")
    if len(items) != 1:
        raise RemoteProtocolError("a roster set holds one item")
    item, account = items[0], session.account
    jid = parse_jid(item.get("jid", "")).bare
    if item.get("subscription") == "remove":
        if jid not in account.roster:
            raise RemoteProtocolError("no such contact", condition="item-not-found")
        subscriptions.part(domain, account, jid)
        del account.roster[jid]
        roster.push_removal(account, jid)
        return
    groups = tuple(dict.fromkeys(group.text or "" for group in item.findall(f"{{{roster.NAMESPACE}}}group")))
    name = item.get("name", "")
    if "" in groups or len(groups) > _MAX_GROUPS or any(len(text) > _MAX_TEXT for text in (name, *groups)):
        raise RemoteProtocolError("names and groups are short and not empty", condition="not-acceptable")
    contact = account.contact(jid, domain.limits)
    contact.name, contact.groups = name, groups
    roster.push(account, jid)
