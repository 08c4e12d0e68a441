"""One content while it lives: its application, the transport in force, and what may replace it (XEP-0166 section 7)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any

from ..applications.base import Application, Idling
from ..elements.core import Content, Role, Senders
from ..elements.declare import Element
from ..errors import TransportFailed
from ..session.contents import namespace_of
from ..session.events import ContentId
from ..transports.base import Bundling, Kind, Restarting, SecurityPrecondition, Transport
from ..transports.selection import Choice, Selection

log = logging.getLogger(__name__)

MakeTransport = Callable[[type[Transport]], Transport]


class LiveContent:
    """Carries out one content.

    Attributes:
        id: Creator and name.
        application: What the bits are.
        transport: The transport in force.
        precondition: What has to protect the bytes, where that was agreed on or is offered.
        offer: What the peer proposed; `None` for our own proposals.
        description: Our answer to the peer's proposal, once it is worked out.
        connection: The connected link or stream, protected where it has to be.
        started: Whether the application runs.
        is_idle: Whether it is there for the peer's sake only: nobody sends in it.
        is_extra: Whether it came while the session ran, so that the session goes on without it.
        task: What connects it, or waits for its end.
    """

    def __init__(
        self,
        *,
        id: ContentId,
        application: Application,
        choice: Choice,
        selection: Selection,
        make_transport: MakeTransport,
        precondition: SecurityPrecondition | None = None,
        offer: Content | None = None,
        senders: Senders | None = None,
    ) -> None:
        """Make a content whose transport has not been described yet.

        Args:
            id: Creator and name.
            application: What the bits are.
            choice: The transport to begin with, taken from `selection`.
            selection: What else may be tried.
            make_transport: Makes a transport for this content.
            precondition: What has to protect the bytes.
            offer: What the peer proposed.
            senders: Who sends, where that is not both.
        """
        self.id = id
        self.application = application
        self.choice = choice
        self.selection = selection
        self.transport = make_transport(choice.transport)
        self.precondition = precondition
        self.offer = offer
        self.senders = offer.senders if offer is not None else senders
        self.description: Element | None = None
        self.connection: Any = None
        self.started = self.is_idle = self.is_extra = False
        self.task: asyncio.Task[None] | None = None
        self.replaced = asyncio.Event()
        self._make = make_transport
        self._proposed: tuple[Choice, Transport] | None = None

    @property
    def name(self) -> str:
        """The content's name."""
        return self.id.name

    @property
    def effective_senders(self) -> Senders:
        """Who may send, as far as was said."""
        return self.senders or Senders.BOTH

    @property
    def is_replacing(self) -> bool:
        """Whether a transport that we proposed waits for its answer."""
        return self._proposed is not None

    @property
    def is_link(self) -> bool:
        """Whether it is connected by a link, over which the peer may be there whatever its server says."""
        return self.connection is not None and self.transport.kind is Kind.DATAGRAM

    @property
    def is_bundled(self) -> bool:
        """Whether it shares its link with other contents."""
        return isinstance(self.transport, Bundling) and self.transport.is_shared

    @property
    def can_share(self) -> bool:
        """Whether other contents may share its link."""
        return isinstance(self.transport, Bundling)

    def shares_with(self, other: LiveContent) -> bool:
        """Whether it uses the link of `other`, or is that itself."""
        return isinstance(self.transport, Bundling) and self.transport.shares_with(other.transport)

    def is_bare(self, described: Content) -> bool:
        """Whether the peer describes no transport: it takes for granted that the link is shared (Conversations)."""
        element = described.transport
        return element is not None and isinstance(self.transport, Bundling) and self.transport.is_bare(element)

    def is_meant_by(self, described: Content) -> bool:
        """Whether the peer describes the link of this content again, or none at all."""
        element = described.transport
        return element is None or (isinstance(self.transport, Bundling) and self.transport.is_meant_by(element))

    @property
    def is_restartable(self) -> bool:
        """Whether its transport can find another path; of those that share a link, one is."""
        is_led = isinstance(self.transport, Bundling) and self.transport.is_bundled
        return isinstance(self.transport, Restarting) and not is_led

    def crosses(self, transport: Element) -> bool:
        """Whether this transport-info is a restart that crosses ours, and ours stands."""
        return isinstance(self.transport, Restarting) and self.transport.crosses(transport)

    async def take_refusal(self, text: str) -> None:
        """The peer refused a transport-info of this session."""
        if isinstance(self.transport, Restarting):
            await self.transport.refused(text)

    async def propose(self) -> Content:
        """Our session-initiate or content-add for it.

        Raises:
            ApplicationFailed: The application cannot be described.
            TransportFailed: The transport cannot be used.
        """
        return Content(
            creator=self.id.creator,
            name=self.id.name,
            senders=self.senders,
            description=self.application.describe(),
            transport=await self.transport.describe(),
            security=self.precondition.describe() if self.precondition is not None else None,
        )

    def take_description(self) -> None:
        """Take the description that the peer proposed; `answer` gives what we say to it.

        Raises:
            RemoteProtocolError: It cannot be understood.
            ApplicationFailed: We cannot do what it asks for.
        """
        assert self.offer is not None
        assert self.offer.description is not None
        self.description = self.application.answer(self.offer.description)
        self.application.set_senders(self.offer.effective_senders)

    def idle(self) -> bool:
        """Take it, after `take_description` failed, as a content in which nobody sends; `False` where that cannot be.

        Raises:
            RemoteProtocolError: It cannot be understood.
        """
        assert self.offer is not None
        assert self.offer.description is not None
        if not isinstance(self.application, Idling):
            return False
        self.description = self.application.idle(self.offer.description)
        self.is_idle, self.senders = True, Senders.NONE
        return True

    async def bundle_with(self, other: LiveContent) -> None:
        """Share the link of `other`, where their transports can; it is for before `take_transport`."""
        transport = self.transport
        if isinstance(transport, Bundling) and type(transport) is type(other.transport):
            await transport.bundle_with(other.transport)

    async def settle_bundle(self, members: Collection[str], head: str) -> None:
        """Take the group of the answer to our proposal: without us, or the content whose link it is, we need our own.

        Args:
            members: The names of the contents that share a link, as the peer answers.
            head: The name of the content whose link we offered to share.
        """
        transport = self.transport
        if isinstance(transport, Bundling) and transport.is_bundled and not {self.name, head} <= set(members):
            await transport.unbundle()

    def narrow(self, senders: Senders) -> None:
        """Answer that fewer send than the peer proposed."""
        self.senders = senders
        self.application.set_senders(senders)

    async def take_transport(self) -> None:
        """Take the transport that the peer proposed, and what has to protect it.

        Raises:
            RemoteProtocolError: It cannot be understood.
            TransportFailed: It is not protected the way it has to be.
        """
        assert self.offer is not None
        assert self.offer.transport is not None
        if self.precondition is not None and self.offer.security is not None:
            self.precondition.accept(self.offer.security)
        await self.transport.accept(self.offer.transport)

    async def answer(self) -> Content:
        """Our session-accept for it; gathering of addresses begins here.

        Raises:
            TransportFailed: The transport cannot be used.
        """
        assert self.offer is not None
        return Content(
            creator=self.id.creator,
            name=self.id.name,
            senders=self.senders,
            description=self.description,
            transport=await self.transport.describe(),
            security=self.precondition.describe() if self.precondition is not None else None,
        )

    async def take_answer(self, answer: Content) -> None:
        """Take what the peer says to our proposal.

        Raises:
            RemoteProtocolError: It cannot be understood.
            ApplicationFailed: We cannot go on with it.
            TransportFailed: It leaves out the protection that we offered; there is no falling back in silence.
        """
        self.application.accepted(answer.description)
        if self.precondition is not None:
            if answer.security is None:
                raise TransportFailed("the peer does not protect the bytes as we offered", reason="security-error")
            self.precondition.accept(answer.security)
        if answer.transport is not None:
            await self.transport.accept(answer.transport)

    async def take_info(self, transport: Element) -> None:
        """Take a transport-info; while a replacement is open its namespace tells which transport it is about.

        Raises:
            RemoteProtocolError: It cannot be understood.
            TransportFailed: It changes what may not change.
        """
        namespace = namespace_of(transport)
        if self._proposed is not None and self._proposed[1].namespace == namespace:
            await self._proposed[1].info(transport)
        elif self.transport.namespace == namespace:
            await self.transport.info(transport)

    async def connect(self) -> Any:
        """Return the connected link or stream, protected where it has to be.

        Raises:
            TransportFailed: There is no way, or the peer is not who it said it is.
        """
        connection = await self.transport.connect()
        if self.choice.precondition is not None:
            assert self.precondition is not None
            connection = await self.precondition.protect(connection)
        return connection

    # Another transport (XEP-0166 sections 7.2.12 to 7.2.15)

    async def propose_next(self) -> Element | None:
        """The description of the next transport to try, for a transport-replace; `None` where nothing is left."""
        choice = self.selection.next()
        if choice is None:
            return None
        transport = self._make(choice.transport)
        self._proposed = (choice, transport)
        return await transport.describe()

    async def take_acceptance(self, remote: Element) -> None:
        """The peer accepted what we proposed: it is in force from now on.

        Raises:
            RemoteProtocolError: Its side of it cannot be understood.
        """
        assert self._proposed is not None
        (choice, transport), self._proposed = self._proposed, None
        await self._switch(choice, transport)
        await transport.accept(remote)

    async def take_rejection(self) -> None:
        """The peer rejected what we proposed."""
        if self._proposed is not None:
            (_, transport), self._proposed = self._proposed, None
            await transport.aclose()

    async def take_replacement(self, remote: Element) -> Element | None:
        """Put what the peer proposes in force and return our side of it; `None` where we do not want it.

        Raises:
            RemoteProtocolError: It cannot be understood.
        """
        choice = self.selection.take(namespace_of(remote))
        if choice is None:
            return None
        transport = self._make(choice.transport)
        try:
            await transport.accept(remote)
            described = await transport.describe()
        except BaseException:
            await transport.aclose()
            raise
        await self._switch(choice, transport)
        self.replaced.set()
        return described

    async def _switch(self, choice: Choice, transport: Transport) -> None:
        old, self.choice, self.transport = self.transport, choice, transport
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
        await old.aclose()

    async def stop(self, reason: str | None, text: str | None = None) -> None:
        """End the application; the transport goes on, so that what is on its way arrives."""
        await self.application.stop(reason, text)

    async def aclose(self) -> None:
        """Free the connection and every transport."""
        # A link may be shared with other contents (BUNDLE), which its transports count; a stream is ours alone.
        if self.connection is not None and self.transport.kind is Kind.STREAMING:
            await self.connection.aclose()
        for transport in [self.transport, *([self._proposed[1]] if self._proposed else [])]:
            await transport.aclose()


def protection(
    precondition: type[SecurityPrecondition] | None, role: Role, siblings: Iterable[LiveContent]
) -> SecurityPrecondition | None:
    """What protects a content, where something has to; the contents of a session share what we prove ourselves with.

    Args:
        precondition: What has to.
        role: Ours in the session.
        siblings: The contents that the session has already.
    """
    if precondition is None:
        return None
    for sibling in siblings:
        if isinstance(sibling.precondition, precondition):
            return sibling.precondition.another()
    return precondition(role)
