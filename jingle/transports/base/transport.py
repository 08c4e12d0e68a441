"""What a transport does: describe itself, take the peer's description, connect (XEP-0166 section 12.2)."""

from __future__ import annotations

import enum
from typing import Any, ClassVar, Protocol, runtime_checkable

from ...elements.core import Role
from ...elements.declare import Element
from .connected import ByteStream, Path, Security
from .context import TransportContext


class Kind(enum.Enum):
    """What a transport offers and an application needs (XEP-0166 section 12.1, item 4)."""

    DATAGRAM = "datagram"
    STREAMING = "streaming"


class Transport(Protocol):
    """One transport of one content: describe, accept the peer's, connect. One object for one try."""

    namespace: ClassVar[str]
    kind: ClassVar[Kind]
    name: ClassVar[str]
    """The word the command line uses (`--transport NAME`)."""

    priority: ClassVar[int]
    """Where several would do, the highest is tried first."""

    features: ClassVar[tuple[str, ...]]
    """What to announce in disco#info."""

    security: ClassVar[Security]
    """What protects the bytes without any precondition."""

    def __init__(self, context: TransportContext) -> None: ...

    async def describe(self) -> Element:
        """Our `<transport/>` for session-initiate, session-accept, content-add or transport-replace."""
        ...

    async def accept(self, remote: Element) -> None:
        """Take the peer's `<transport/>`, from an offer or an answer.

        Raises:
            RemoteProtocolError: It cannot be understood or used.
            TransportFailed: It asks for something we refuse, such as no encryption.
        """
        ...

    async def info(self, remote: Element) -> None:
        """Take a `<transport/>` of a transport-info."""
        ...

    async def connect(self) -> Any:
        """Return the connected `ByteStream` or `DatagramLink`; called once both sides have described themselves.

        Raises:
            TransportFailed: Nothing worked; `tried` lists what was tried.
        """
        ...

    @property
    def path(self) -> Path | None:
        """The selected path once connected."""
        ...

    async def aclose(self) -> None:
        """Free everything; safe to call at any time, and twice."""
        ...


@runtime_checkable
class Restarting(Protocol):
    """A `Transport` that finds another path while the one in use goes on (XEP-0176 section 5.9)."""

    async def restart(self) -> None:
        """Look for another path, and return once it is in use; transports that share a link share that.

        Raises:
            TransportFailed: There is none, or the peer knows no restarts; the old one is used as before.
        """
        ...

    def crosses(self, remote: Element) -> bool:
        """Whether this transport-info is a restart of the peer's that crosses ours, and ours stands (XEP-0371)."""
        ...

    async def refused(self, text: str) -> None:
        """Take it that the peer answered a transport-info of ours with an error."""
        ...


@runtime_checkable
class Bundling(Protocol):
    """A `Transport` whose link several contents of a session can share (XEP-0338, RFC 9143)."""

    @property
    def is_bundled(self) -> bool:
        """Whether it uses the link of another transport."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether several use its link, whosever it is."""
        ...

    def shares_with(self, other: Any) -> bool:
        """Whether it uses the same link as `other`, a transport of any class."""
        ...

    def is_bare(self, remote: Element) -> bool:
        """Whether the peer describes nothing of its own in this `<transport/>`."""
        ...

    def is_meant_by(self, remote: Element) -> bool:
        """Whether the peer describes this link again, which is in use, or nothing of its own."""
        ...

    async def bundle_with(self, other: Any) -> None:
        """Share the link of `other`, a transport of the same class; call it before `accept()`."""
        ...

    async def unbundle(self) -> None:
        """Use a link of its own after all; call it before `accept()`."""
        ...


@runtime_checkable
class Hiding(Protocol):
    """A `Transport` that would reveal addresses of this machine, and can do without.

    One that is not `Hiding` must have nothing to reveal, as the one that goes through the XMPP servers.
    """

    def hide(self) -> None:
        """Reveal no address of this machine, as `TransportOptions.relay_only` says; call it before `describe()`."""
        ...


class SecurityPrecondition(Protocol):
    """What has to stand before the bytes of one content flow (the `<security/>` of a content).

    It describes itself, takes the peer's, and wraps a connected byte stream; it outlives a transport-replace. XTLS is
    one, JET (XEP-0391) would be another.
    """

    namespace: ClassVar[str]
    security: ClassVar[Security]
    """What a wrapped stream says of itself."""

    features: ClassVar[tuple[str, ...]]
    """What to announce in disco#info; offer it only to peers that announce it too."""

    def __init__(self, role: Role) -> None: ...

    def another(self) -> SecurityPrecondition:
        """The same for another content of the session: we prove to be the same one."""
        ...

    def describe(self) -> Element:
        """Our `<security/>` for session-initiate, session-accept or content-add."""
        ...

    def accept(self, remote: Element) -> None:
        """Take the peer's `<security/>`, from an offer, an answer or a security-info.

        Raises:
            TransportFailed: It asks for something we refuse (reason `security-error`).
        """
        ...

    async def protect(self, stream: ByteStream) -> ByteStream:
        """Return a stream whose bytes travel over `stream` under protection; closing it closes `stream`.

        Comes back only when the peer has proved to be the one that it described. Where that fails, `stream` is closed
        and nothing of the application's has left.

        Raises:
            TransportFailed: The peer is another one, or never described itself (reason `security-error`), or the
                stream broke.
        """
        ...
