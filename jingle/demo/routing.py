"""RFC 6121 section 8: where a stanza goes."""

from __future__ import annotations

from ..errors import RemoteProtocolError
from . import carbons, presence, queries
from .domain import Account, Domain
from .framing import Stanza
from .jids import Jid, parse_jid
from .management import Origin
from .markup import error_element, reply
from .session import Session


def route(domain: Domain, session: Session, stanza: Stanza) -> None:
    """Handle a stanza from a client: deliver it, answer it, or return it as an error."""
    if domain.observer is not None:
        domain.observe("received", session.jid, stanza.serialize(sender=session.jid))
    name = stanza.name
    try:
        written = stanza.attributes.get("to")
        to = parse_jid(written) if written is not None else None
        if name == "message":
            _message(domain, session, stanza, to or parse_jid(session.account.jid))
        elif name == "presence":
            presence.handle(domain, session, stanza, to)
        else:
            _iq(domain, session, stanza, to)
    except RemoteProtocolError as error:
        # An error is never answered with another (RFC 6120 section 8.3.1).
        if stanza.type not in ("error", "result"):
            session.deliver(_bounce(stanza, error, session.jid))


def farewell(domain: Domain, session: Session, lost: bool) -> None:
    """A session has ended: its contacts hear of it, and what it did not get finds another way or goes back."""
    presence.gone(domain, session)
    if not lost or session.management is None:
        return
    for sent in session.management.unacked:
        if sent.origin is not None:
            _return(domain, session.account, sent.origin)


def _return(domain: Domain, account: Account, origin: Origin) -> None:
    """XEP-0198 section 4: treat an unacknowledged stanza as one to a device that is not there."""
    sender = domain.session(parse_jid(origin.sender))
    stanza = origin.stanza
    others = _reachable(account) if stanza.name == "message" else []
    data = stanza.serialize(sender=origin.sender)
    for other in others:
        other.deliver(data, origin)
    if not others and sender is not None and stanza.type not in ("error", "result", "headline"):
        unavailable = RemoteProtocolError("the device is gone", condition="service-unavailable")
        sender.deliver(_bounce(stanza, unavailable, origin.sender))


def _bounce(stanza: Stanza, error: RemoteProtocolError, to: str) -> bytes:
    content = error_element(error.condition, error.text)
    given = stanza.attributes
    return reply(stanza.name, "error", id_=given.get("id"), sender=given.get("to"), to=to, content=content)


def _unavailable() -> RemoteProtocolError:
    # One text for an unknown account and an absent one: who has an account is not told (section 8.5.1).
    return RemoteProtocolError("nobody is there", condition="service-unavailable")


def _check_local(domain: Domain, to: Jid) -> None:
    if to.domain != domain.name:
        raise RemoteProtocolError(f"this server knows {domain.name} only", condition="remote-server-not-found")


def _iq(domain: Domain, session: Session, stanza: Stanza, to: Jid | None) -> None:
    if stanza.type not in ("get", "set", "result", "error") or "id" not in stanza.attributes:
        raise RemoteProtocolError("an iq needs a type and an id")
    if to is not None:
        _check_local(domain, to)
        if to.local and to.resource:
            _forward_iq(domain, session, stanza, to)
            return
    if stanza.type in ("get", "set"):
        result = queries.answer(domain, session, stanza, to)
        sender = stanza.attributes.get("to") or session.account.jid
        data = reply("iq", "result", id_=stanza.attributes["id"], sender=sender, to=session.jid, content=result)
        session.deliver(data)


def _forward_iq(domain: Domain, session: Session, stanza: Stanza, to: Jid) -> None:
    target = domain.session(to)
    if target is not None:
        origin = Origin(session.jid, stanza)
        target.deliver(stanza.serialize(sender=session.jid), origin)
    elif stanza.type in ("get", "set"):
        raise _unavailable()


def _reachable(account: Account) -> list[Session]:
    """Devices that get what is addressed to the account (section 8.5.2.1.1): all with a priority of 0 or more."""
    return [session for session in account.available() if session.priority >= 0]


def _message(domain: Domain, session: Session, stanza: Stanza, to: Jid) -> None:
    if stanza.type == "error" and (to.domain != domain.name or not to.resource):
        return
    _check_local(domain, to)
    account = domain.accounts.get(to.local)
    reached: list[Session] = []
    if account is not None:
        target = account.sessions.get(to.resource) if to.resource else None
        if target is not None:
            reached = [target]
        elif stanza.type not in ("groupchat", "error") and not (to.resource and stanza.type == "headline"):
            # Table 1 of section 8.5.4: a chat with a device that is gone goes on with the ones that are there.
            reached = _reachable(account)
    if not reached and stanza.type not in ("headline", "error"):
        raise _unavailable()
    data, origin = stanza.serialize(sender=session.jid), Origin(session.jid, stanza)
    for target in reached:
        target.deliver(data, origin)
    if account is not None:
        carbons.copy(session, account, stanza, reached)
