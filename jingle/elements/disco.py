"""XEP-0030: Service Discovery (v2.5.0), XEP-0115: Entity Capabilities (v1.6.0) and XEP-0199: XMPP Ping (v2.0.1)."""

from __future__ import annotations

from .declare import Element, attr, children, element

NS_INFO = "http://jabber.org/protocol/disco#info"
NS_ITEMS = "http://jabber.org/protocol/disco#items"
NS_CAPS = "http://jabber.org/protocol/caps"
NS_PING = "urn:xmpp:ping"


@element(NS_INFO, "identity")
class Identity(Element):
    """What kind of entity answers."""

    category: str = attr()
    type: str = attr()
    name: str | None = attr(default=None)


@element(NS_INFO, "feature")
class Feature(Element):
    """Something the entity can do."""

    var: str = attr()


@element(NS_INFO, "query")
class DiscoInfo(Element):
    """The question what an entity is, or the answer; forms of XEP-0128 are in `extra`."""

    node: str | None = attr(default=None)
    identities: tuple[Identity, ...] = children(default=())
    features: tuple[Feature, ...] = children(default=())

    @property
    def names(self) -> frozenset[str]:
        """The features by their names."""
        return frozenset(feature.var for feature in self.features)


@element(NS_ITEMS, "item")
class Item(Element):
    """Another entity, or a node of one."""

    jid: str = attr()
    node: str | None = attr(default=None)
    name: str | None = attr(default=None)


@element(NS_ITEMS, "query")
class DiscoItems(Element):
    """The question what belongs to an entity, or the answer."""

    node: str | None = attr(default=None)
    items: tuple[Item, ...] = children(default=())


@element(NS_CAPS, "c")
class Capabilities(Element):
    """A short sign for the disco#info of the sender, in its presence."""

    hash: str = attr()
    node: str = attr()
    ver: str = attr()


@element(NS_PING, "ping")
class Ping(Element):
    """Is anyone there?"""
