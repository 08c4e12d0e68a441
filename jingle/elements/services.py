"""XEP-0215: External Service Discovery (v1.0.0).

Deviation: `action` is any text, because the XEP's table says `remove` where its schema says `delete`. The data forms
of section 4 stay in `extra`.
"""

from __future__ import annotations

from .declare import Element, attr, children, element
from .values import UNSIGNED_SHORT, timestamp

NS = "urn:xmpp:extdisco:2"


@element(NS, "service")
class Service(Element):
    """A STUN, TURN or other server."""

    action: str | None = attr(default=None)
    """In a push: `add`, `delete` (or `remove`), `modify`."""

    expires: str | None = attr(default=None)
    """When the credentials end, as XEP-0082 writes it; `expires_at` reads it."""

    host: str = attr()
    name: str | None = attr(default=None)
    password: str | None = attr(default=None, secret=True)
    port: int | None = attr(default=None, within=UNSIGNED_SHORT)
    restricted: bool | None = attr(default=None)
    """Credentials are needed and have to be asked for."""

    transport: str | None = attr(default=None)
    """`udp` or `tcp`."""

    type: str = attr()
    """`stun`, `stuns`, `turn`, `turns`, ..."""

    username: str | None = attr(default=None)

    @property
    def effective_action(self) -> str:
        """`action`, or what its absence means (section 2)."""
        return self.action if self.action is not None else "add"

    @property
    def expires_at(self) -> float | None:
        """`expires` as seconds since 1970; `None` where there is none or it cannot be read."""
        return timestamp(self.expires) if self.expires is not None else None


@element(NS, "services")
class Services(Element):
    """The services known, or in a request those that are wanted."""

    type: str | None = attr(default=None)
    services: tuple[Service, ...] = children(default=())


@element(NS, "credentials")
class Credentials(Element):
    """Services whose credentials are asked for, or given."""

    services: tuple[Service, ...] = children(default=())
