"""What an application is: the shape that the pump knows of calls, file transfers and whatever else is to come.

An application knows what the bits are (XEP-0166 section 12.1): it describes itself in a `<description/>`, answers the
peer's, and works on a connection of its kind. It never sees a stanza, a JID or a `<transport/>`. One object is one
content of one session:

    describe, accepted      on the side that proposed the content
    answer                  on the other side
    start                   once the transport is connected
    info, description_info  at any time in between and after
    stop                    always, and last
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from ..elements.core import Senders
from ..elements.declare import Element
from ..transports.base import Kind


class Application(Protocol):
    """One content of a session, from its description to its end."""

    namespace: ClassVar[str]
    """Of its `<description/>`."""

    kind: ClassVar[Kind]
    """What transport it needs."""

    features: ClassVar[tuple[str, ...]]
    """What to announce in disco#info, the namespace included."""

    infos: ClassVar[tuple[type[Element], ...]]
    """What `info` takes. A session-info that holds nothing of what the session's applications take is answered with
    `unsupported-info` (XEP-0166 section 6.8)."""

    @property
    def components(self) -> int:
        """How many components the transport has to connect (XEP-0166 section 12.1, item 5)."""
        ...

    def describe(self) -> Element:
        """Our `<description/>` for session-initiate or content-add.

        Raises:
            ApplicationFailed: It cannot be done here.
        """
        ...

    def answer(self, remote: Element) -> Element:
        """Take the peer's `<description/>` and return ours for session-accept or content-accept.

        Raises:
            RemoteProtocolError: It is none of this application.
            ApplicationFailed: We cannot do what it asks for; `reason` goes into the refusal.
        """
        ...

    def accepted(self, remote: Element | None) -> None:
        """Take the peer's answer to what `describe` gave; `None` where it left the `<description/>` out.

        Raises:
            RemoteProtocolError: It is none of this application.
            ApplicationFailed: We cannot go on with it; `reason` goes into the session-terminate.
        """
        ...

    def set_senders(self, senders: Senders) -> None:
        """Take who may send, whenever that is said or changed (the content's `senders`, a content-modify)."""
        ...

    async def start(self, connection: Any) -> None:
        """Begin on a connected `DatagramLink` or `ByteStream`, whichever `kind` asks for; returns once it runs.

        Raises:
            ApplicationFailed: It cannot be begun.
            MediaError: What is to be sent cannot be read.
        """
        ...

    def info(self, payload: Element) -> bool:
        """Take the payload of a session-info; `False` where it is not about this content."""
        ...

    def description_info(self, remote: Element) -> None:
        """Take the `<description/>` of a description-info, which is advice and never a reason to fail.

        Raises:
            RemoteProtocolError: It is none of this application.
        """
        ...

    async def stop(self, reason: str | None = None, text: str | None = None) -> None:
        """End and free everything, whatever was begun; safe to call twice.

        Args:
            reason: The name of the XEP-0166 section 7.4 reason that the content ended with, where there was one.
            text: What was written with it.
        """
        ...


@runtime_checkable
class Discerning(Protocol):
    """An `Application` that does not take everything of the kinds in its `infos`."""

    def understands(self, payload: Element) -> bool:
        """Whether `info` takes this payload, which is of one of the kinds; else the peer hears that nobody does."""
        ...


@runtime_checkable
class Idling(Protocol):
    """An `Application` that can leave a content of somebody else's session in place without doing it."""

    def idle(self, remote: Element) -> Element:
        """Answer a `<description/>` that `answer` refused, for a content in which nobody is to send.

        The application is not started after that, only stopped.

        Raises:
            RemoteProtocolError: It is none of this application.
        """
        ...
