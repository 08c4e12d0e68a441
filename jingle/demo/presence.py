"""RFC 6121 section 4: presence, broadcast to contacts, sent to one address, probed, and taken back."""

from __future__ import annotations

from ..errors import RemoteProtocolError
from . import subscriptions
from .domain import Account, Domain
from .framing import Stanza
from .jids import Jid, parse_jid
from .markup import reply
from .session import Session


def handle(domain: Domain, session: Session, stanza: Stanza, to: Jid | None) -> None:
    """Handle presence from a client."""
    if to is None:
        if stanza.type is None:
            _available(domain, session, stanza)
        elif stanza.type == "unavailable":
            _unavailable(domain, session, stanza.serialize(sender=session.jid))
        return
    if to.domain != domain.name:
        if stanza.type != "error":
            raise RemoteProtocolError(f"this server knows {domain.name} only", condition="remote-server-not-found")
    elif stanza.type in subscriptions.TYPES:
        subscriptions.handle(domain, session.account, stanza, to)
    elif stanza.type == "probe":
        _answer_probe(domain, session, to)
    elif stanza.type in (None, "unavailable", "error"):
        _directed(domain, session, stanza, to)


def gone(domain: Domain, session: Session) -> None:
    """A session has ended without saying so itself: everyone who saw it is told (section 4.5.2)."""
    _unavailable(domain, session, reply("presence", "unavailable", id_=None, sender=session.jid, to=None))


def _available(domain: Domain, session: Session, stanza: Stanza) -> None:
    session.priority = _priority(stanza)  # first of all: it may be refused
    initial, session.presence = session.presence is None, stanza
    _broadcast(domain, session.account, stanza.serialize(sender=session.jid))
    if not initial:
        return
    for other in session.account.available():
        if other is not session:
            subscriptions.show(other, session)
    for jid, contact in list(session.account.roster.items()):
        account = domain.account(jid) if contact.to else None
        for other in account.available() if account else ():
            subscriptions.show(other, session)
    for jid, request in list(session.account.requests.items()):
        session.deliver(request.serialize(sender=jid))


def _unavailable(domain: Domain, session: Session, data: bytes) -> None:
    if session.presence is not None:
        session.presence = None
        _broadcast(domain, session.account, data)
    for jid in session.directed:
        for target in _targets(domain, parse_jid(jid)):
            target.deliver(data)
    session.directed.clear()


def _broadcast(domain: Domain, account: Account, data: bytes) -> None:
    """Send to everyone who may see the account, its own devices included (section 4.2.2)."""
    for jid, contact in list(account.roster.items()):
        other = domain.account(jid) if contact.from_ else None
        for target in other.available() if other else ():
            target.deliver(data)
    for target in account.available():
        target.deliver(data)


def _priority(stanza: Stanza) -> int:
    if "jabber:client}priority" not in stanza.children:
        return 0
    text = (stanza.element().findtext("{jabber:client}priority") or "").strip()
    try:
        priority = int(text[:5])
    except ValueError:
        priority = 128
    if not -128 <= priority <= 127:
        raise RemoteProtocolError("a priority is a number from -128 to 127")
    return priority


def _answer_probe(domain: Domain, session: Session, to: Jid) -> None:
    account = domain.accounts.get(to.local)
    contact = account.roster.get(session.account.jid) if account else None
    if account is not None and (account is session.account or (contact is not None and contact.from_)):
        for other in account.available():
            if to.resource in ("", other.resource):
                subscriptions.show(other, session)


def _targets(domain: Domain, to: Jid) -> list[Session]:
    account = domain.accounts.get(to.local)
    if account is None:
        return []
    if not to.resource:
        return account.available()
    return [account.sessions[to.resource]] if to.resource in account.sessions else []


def _directed(domain: Domain, session: Session, stanza: Stanza, to: Jid) -> None:
    written = stanza.attributes["to"]
    if stanza.type is None:
        if len(session.directed) >= domain.limits.contacts:
            raise RemoteProtocolError("directed presence to too many", condition="resource-constraint")
        session.directed.add(written)
    elif stanza.type == "unavailable":
        session.directed.discard(written)
    data = stanza.serialize(sender=session.jid)
    for target in _targets(domain, to):
        target.deliver(data)
