"""RFC 6121 section 3: who may see whose presence, for two users of one server.

Both sides are here, so each step changes both rosters at once. Where both have asked, both have agreed.
"""

from __future__ import annotations

from ..errors import RemoteProtocolError
from . import roster
from .domain import Account, Contact, Domain
from .framing import Stanza
from .jids import Jid
from .markup import reply
from .session import Session

TYPES = ("subscribe", "subscribed", "unsubscribe", "unsubscribed")


def handle(domain: Domain, account: Account, stanza: Stanza, to: Jid) -> None:
    """Handle a subscription stanza that a device of `account` sent."""
    other = domain.accounts.get(to.local)
    if other is account:
        return
    if stanza.type == "subscribe":
        _subscribe(domain, account, to.bare, other, stanza)
    elif other is not None:
        {"subscribed": _approve, "unsubscribe": _leave, "unsubscribed": _refuse}[stanza.type or ""](
            domain, account, other
        )


def befriend(domain: Domain, one: Account, two: Account) -> None:
    """Make two users see each other, without asking either."""
    _let_see(domain, one, two)
    _let_see(domain, two, one)


def show(seen: Session, viewer: Session) -> None:
    """Send a device's presence to one that may see it."""
    if seen.presence is not None:
        viewer.deliver(seen.presence.serialize(sender=seen.jid, to=viewer.account.jid))


def _let_see(domain: Domain, viewer: Account, seen: Account) -> None:
    """`seen` agrees that `viewer` sees its presence; both rosters and all devices hear of it."""
    theirs = seen.contact(viewer.jid, domain.limits)
    ours = viewer.contact(seen.jid, domain.limits)
    seen.requests.pop(viewer.jid, None)
    if not (ours.to and theirs.from_):
        ours.to, ours.ask, theirs.from_ = True, False, True
        roster.push(seen, viewer.jid)
        roster.push(viewer, seen.jid)
    for device in viewer.available():
        for other in seen.available():
            show(other, device)


def _subscribe(domain: Domain, account: Account, jid: str, other: Account | None, stanza: Stanza) -> None:
    ours = account.contact(jid, domain.limits)
    if ours.to:
        return
    theirs = other.roster.get(account.jid) if other else None
    if other is not None and theirs is not None and (theirs.ask or theirs.from_):
        if theirs.ask:
            _let_see(domain, other, account)
            _tell(account, "subscribed", other)
        _let_see(domain, account, other)
        _tell(other, "subscribed", account)
        return
    ours.ask = True
    roster.push(account, jid)
    if other is None:
        return  # it stays unanswered, as with someone who never looks
    if len(other.requests) >= domain.limits.contacts:
        raise RemoteProtocolError("too many requests wait there already", condition="resource-constraint")
    other.requests[account.jid] = stanza
    for device in other.available():
        device.deliver(stanza.serialize(sender=account.jid, to=other.jid))


def _approve(domain: Domain, account: Account, other: Account) -> None:
    if other.jid in account.requests:
        _let_see(domain, other, account)
        _tell(account, "subscribed", other)


def _leave(domain: Domain, account: Account, other: Account) -> None:
    """`account` no longer wants to see `other`."""
    other.requests.pop(account.jid, None)
    _stop_seeing(account, other)
    _tell(account, "unsubscribe", other)


def _refuse(domain: Domain, account: Account, other: Account) -> None:
    """`account` no longer shows itself to `other`, or never did."""
    if account.requests.pop(other.jid, None) is None and not account.roster.get(other.jid, Contact()).from_:
        return
    _stop_seeing(other, account)
    _tell(account, "unsubscribed", other)


def part(domain: Domain, account: Account, jid: str) -> None:
    """Undo both directions, as the removal of a roster entry does (section 2.5.2)."""
    other = domain.account(jid)
    if other is not None and other is not account:
        _leave(domain, account, other)
        _refuse(domain, account, other)


def _stop_seeing(viewer: Account, seen: Account) -> None:
    ours, theirs = viewer.roster.get(seen.jid), seen.roster.get(viewer.jid)
    if ours is not None and (ours.to or ours.ask):
        ours.to = ours.ask = False
        roster.push(viewer, seen.jid)
    if theirs is None or not theirs.from_:
        return
    theirs.from_ = False
    roster.push(seen, viewer.jid)
    for device in seen.available():
        leave = reply("presence", "unavailable", id_=None, sender=device.jid, to=viewer.jid)
        for target in viewer.available():
            target.deliver(leave)


def _tell(sender: Account, type_: str, to: Account) -> None:
    data = reply("presence", type_, id_=None, sender=sender.jid, to=to.jid)
    for device in to.available():
        device.deliver(data)
