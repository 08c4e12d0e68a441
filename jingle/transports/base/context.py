"""What a transport may know and use: the XMPP connection, servers, this machine, what the user decided."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ...elements.core import Role
from ...elements.declare import Element
from ...elements.s5b import Streamhost
from .connected import Path


@dataclass(frozen=True, kw_only=True)
class PathChange:
    """What becomes of the way that the bits of a connected transport take."""

    state: str
    """`restarting`, then `restarted` with the new path or `failed` with the old one, which is used as before."""

    cause: str
    """`addresses` of this machine changed, `consent` is not given any more, `peer` or `asked`: somebody wants it."""

    seconds: float = 0.0
    """Since it began."""

    text: str | None = None
    """Why it failed."""

    path: Path | None = None
    """The path in use at the end."""


class AddressMonitor(Protocol):
    """Knows when the addresses of this machine change."""

    def subscribe(self, changed: Callable[[frozenset[str], frozenset[str]], None]) -> Callable[[], None]:
        """Call `changed(gone, new)` after every change; the function that comes back ends that."""
        ...


class StanzaPort(Protocol):
    """What a transport may ask of the XMPP connection: IBB sends its bytes through it, S5B asks proxies."""

    async def request(self, to: str, payload: Element, *, kind: str = "set", timeout: float = 30) -> Element | None:
        """Send an IQ and return the payload of its result (`None` where it is empty).

        IQs leave in the order in which their calls began to run, however many wait for their results.

        Raises:
            SignallingError: An error came back, or nothing did in time.
        """
        ...

    def on_request(
        self, namespace: str, handler: Callable[[str, Element], Awaitable[Element | None]]
    ) -> Callable[[], None]:
        """Hand every IQ-set whose payload is in `namespace` to `handler(sender, payload)`.

        The handler returns the payload of the result or raises a `RemoteProtocolError`, which becomes the error.
        Handlers start in the order the IQs came, each without waiting for the end of those before: IBB answers a
        block once it has been taken, and one slow stream must not hold up the others.
        The function that comes back takes the handler off again.
        """
        ...

    async def find_proxies(self) -> Sequence[Streamhost]:
        """The `<streamhost/>` elements of the SOCKS5 proxies that our server offers (XEP-0065 section 6)."""
        ...


@dataclass(frozen=True, kw_only=True)
class IceServer:
    """A STUN or TURN server (XEP-0215, `--stun`, `--turn`)."""

    scheme: str
    """`stun`, `turn` or `turns`."""

    host: str
    port: int
    transport: str = "udp"
    """`udp` or `tcp`; `turns` is always TLS over `tcp`."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class TransportOptions:
    """What the user decided about how bits may move."""

    relay_only: bool = False
    """Never reveal an address of this machine: only relayed candidates are gathered and offered."""

    loopback: bool = False
    """Gather loopback addresses too (they are used anyway when the machine has no other)."""

    ice_servers: tuple[IceServer, ...] = ()
    """Configured servers, used beside those that the XMPP server offers."""

    proxies: tuple[Streamhost, ...] = ()
    """Configured SOCKS5 proxies (XEP-0065), used beside those that the XMPP server offers."""


@dataclass(kw_only=True)
class TransportContext:
    """What a transport of one content of one session may know and use."""

    role: Role
    """Our role in the session; the initiator is the ICE controlling side (XEP-0176 section 5.6)."""

    local: str
    """Our full JID."""

    remote: str
    """The peer's full JID."""

    sid: str
    """The session's id."""

    port: StanzaPort
    options: TransportOptions
    send_info: Callable[[Element], None]
    """Send a `<transport/>` in a transport-info; may be called before the session is acknowledged (it is queued)."""

    ice_servers: Callable[[], Awaitable[tuple[IceServer, ...]]]
    """STUN and TURN servers that the XMPP server offers just now; may take long, so never wait for it with an offer."""

    features: frozenset[str] = frozenset()
    """What the peer's disco#info says, where it is known."""

    addresses: AddressMonitor | None = None
    """Tells when the addresses of this machine change, so that another path is looked for."""

    report: Callable[[PathChange], None] = lambda change: None
    """Told when another path is looked for, and what comes of it."""
