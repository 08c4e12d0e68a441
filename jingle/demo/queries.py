"""What the server answers itself, for the domain and on behalf of accounts (RFC 6121 section 8.5.2.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

from ..errors import RemoteProtocolError
from . import carbons, contacts, management, roster
from .domain import Domain
from .framing import Stanza
from .jids import Jid
from .markup import payload
from .session import Session

DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
SERVICES = "urn:xmpp:extdisco:2"

_FEATURES = (
    DISCO_INFO,
    DISCO_ITEMS,
    SERVICES,
    carbons.NAMESPACE,
    roster.NAMESPACE,
    "urn:xmpp:ping",
    management.NAMESPACE,
)
_SERVICE_ATTRIBUTES = ("host", "port", "transport", "type", "username", "password", "expires", "restricted", "name")

Handler: TypeAlias = Callable[[Domain, Session, ET.Element], ET.Element | None]


def answer(domain: Domain, session: Session, stanza: Stanza, to: Jid | None) -> ET.Element | None:
    """Answer an IQ request to the server or to an account; returns the payload of the result.

    Raises:
        RemoteProtocolError: The request cannot be read, or is not served.
    """
    if len(stanza.children) != 1:
        raise RemoteProtocolError("a request holds one element")
    key = (stanza.type, stanza.children[0])
    to_server = to is not None and not to.local
    if to is not None and to.local and to.bare != session.account.jid:
        # All that one user may ask of another's account is whether it is there (XEP-0030 section 8).
        contact = session.account.roster.get(to.bare)
        if key != ("get", f"{DISCO_INFO}}}query") or contact is None or not contact.to:
            raise RemoteProtocolError("not served", condition="service-unavailable")
        return _account_info(domain, session, stanza.element()[0])
    handler = (_OF_SERVER if to_server else _OF_ACCOUNT).get(key)
    if handler is None:
        raise RemoteProtocolError("not served", condition="service-unavailable")
    return handler(domain, session, stanza.element()[0])


def _info(request: ET.Element, category: str, type_: str, features: tuple[str, ...]) -> ET.Element:
    if request.get("node"):
        raise RemoteProtocolError("there are no nodes here", condition="item-not-found")
    query = payload("query", DISCO_INFO)
    ET.SubElement(query, "identity", category=category, type=type_, name="jingle loopback server")
    for feature in features:
        ET.SubElement(query, "feature", var=feature)
    return query


def _server_info(domain: Domain, session: Session, request: ET.Element) -> ET.Element:
    return _info(request, "server", "im", _FEATURES)


def _account_info(domain: Domain, session: Session, request: ET.Element) -> ET.Element:
    return _info(request, "account", "registered", (DISCO_INFO, DISCO_ITEMS, carbons.NAMESPACE))


def _items(domain: Domain, session: Session, request: ET.Element) -> ET.Element:
    return payload("query", DISCO_ITEMS)


def _nothing(domain: Domain, session: Session, request: ET.Element) -> None:
    """An empty result: a ping (XEP-0199), or the session of RFC 3921 that RFC 6121 made a formality."""


def _enable_carbons(domain: Domain, session: Session, request: ET.Element) -> None:
    session.carbons = True


def _disable_carbons(domain: Domain, session: Session, request: ET.Element) -> None:
    session.carbons = False


def _services(domain: Domain, session: Session, request: ET.Element) -> ET.Element:
    """XEP-0215 section 3: all services, or those of one type."""
    found = payload("services", SERVICES)
    wanted = request.get("type")
    if wanted is not None:
        found.set("type", wanted)
    found.extend(service for service in _offered(domain) if wanted in (None, service.get("type")))
    return found


def _credentials(domain: Domain, session: Session, request: ET.Element) -> ET.Element:
    """XEP-0215 section 3.3: the services of one host, with what is needed to log in there."""
    found = payload("credentials", SERVICES)
    wanted = request.find(f"{{{SERVICES}}}service")
    if wanted is None or not wanted.get("host") or not wanted.get("type"):
        raise RemoteProtocolError("name the host and the type of the service")
    asked = {name: wanted.get(name) for name in ("host", "type", "port") if wanted.get(name)}
    found.extend(s for s in _offered(domain) if all(s.get(name) == value for name, value in asked.items()))
    if not len(found):
        raise RemoteProtocolError("no such service", condition="item-not-found")
    return found


def _offered(domain: Domain) -> list[ET.Element]:
    return [ET.Element("service", _attributes(service)) for service in domain.services]


def _attributes(service: Any) -> dict[str, str]:
    """The attributes of a `<service/>` from a mapping or an object that has some of them."""
    given = service if isinstance(service, Mapping) else {n: getattr(service, n, None) for n in _SERVICE_ATTRIBUTES}
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name in _SERVICE_ATTRIBUTES
        if (value := given.get(name)) is not None
    }


_COMMON: dict[tuple[str | None, str], Handler] = {
    ("get", "urn:xmpp:ping}ping"): _nothing,
    ("get", f"{DISCO_ITEMS}}}query"): _items,
    ("set", "urn:ietf:params:xml:ns:xmpp-session}session"): _nothing,
}
_OF_SERVER = {
    **_COMMON,
    ("get", f"{DISCO_INFO}}}query"): _server_info,
    ("get", f"{SERVICES}}}services"): _services,
    ("get", f"{SERVICES}}}credentials"): _credentials,
}
_OF_ACCOUNT = {
    **_COMMON,
    ("get", f"{DISCO_INFO}}}query"): _account_info,
    ("get", contacts.TAG): contacts.get,
    ("set", contacts.TAG): contacts.change,
    ("set", f"{carbons.NAMESPACE}}}enable"): _enable_carbons,
    ("set", f"{carbons.NAMESPACE}}}disable"): _disable_carbons,
}
