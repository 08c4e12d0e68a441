"""XEP-0234 section 6.2: a file that a peer asks for, and that is found only once the program has been asked."""

from __future__ import annotations

from typing import ClassVar

from ...elements.core import Role, Senders
from ...elements.declare import Element
from ...elements.file_transfer import FileDescription
from ...errors import LocalProtocolError
from ...transports.base import ByteStream, Kind
from .metadata import FileMetadata, file_of
from .sender import FileSender
from .source import OutgoingFile
from .transfer import NO_HOOKS, USUAL_TIMING, Hooks, Timing, Transfer


class RequestedFile:
    """The sender's side of a request: nothing but a wish until `choose` says which file it means.

    Args:
        name: The content's name.
        creator: Who created the content.
        hooks: Who is told what.
        timing: How long to wait for a peer.

    Attributes:
        wish: What the peer asks for; `None` until it did.
        sender: What sends the file, once it was chosen.
    """

    namespace: ClassVar[str] = FileSender.namespace
    kind: ClassVar[Kind] = FileSender.kind
    features: ClassVar[tuple[str, ...]] = FileSender.features
    infos: ClassVar[tuple[type[Element], ...]] = FileSender.infos
    components = FileSender.components

    def __init__(self, *, name: str, creator: Role, hooks: Hooks = NO_HOOKS, timing: Timing = USUAL_TIMING) -> None:
        self.wish: FileMetadata | None = None
        self.sender: FileSender | None = None
        self._name, self._creator = name, creator
        self._hooks, self._timing = hooks, timing
        self._request: Element | None = None

    def describe(self) -> Element:
        """Never: a request comes from the peer.

        Raises:
            LocalProtocolError: Always.
        """
        raise LocalProtocolError("a request is the peer's to make")

    def answer(self, remote: Element) -> Element:
        """Take the request; the answer for the session-accept comes from `choose`.

        Raises:
            RemoteProtocolError: It describes no file.
        """
        self.wish, self._request = file_of(remote), remote
        return FileDescription()

    def choose(self, file: OutgoingFile) -> Element:
        """Send `file`, and return the answer for the session-accept.

        Raises:
            LocalProtocolError: Nothing was requested, or a file was chosen before.
            ApplicationFailed: It is not what was requested, or has not the part that was requested.
        """
        if self._request is None or self.sender is not None:
            raise LocalProtocolError("a file is chosen once, for a request")
        sender = FileSender(file, name=self._name, creator=self._creator, hooks=self._hooks, timing=self._timing)
        answer = sender.answer(self._request)
        self.sender = sender
        return answer

    def accepted(self, remote: Element | None) -> None:
        """Never: there is nothing that a peer could accept.

        Raises:
            LocalProtocolError: Always.
        """
        raise LocalProtocolError("nothing was offered that could be accepted")

    def set_senders(self, senders: Senders) -> None:
        """Nothing changes: a file goes the way in which it was asked for (XEP-0234 section 4.1)."""

    async def start(self, connection: ByteStream) -> None:
        """Send the file that was chosen; see `Transfer.start`."""
        await self._chosen().start(connection)

    def info(self, payload: Element) -> bool:
        """Take a session-info; see `FileSender.info`."""
        return self.sender is not None and self.sender.info(payload)

    def description_info(self, remote: Element) -> None:
        """Take advice about the file; see `Transfer.description_info`."""
        self._chosen().description_info(remote)

    async def stop(self, reason: str | None = None, text: str | None = None) -> None:
        """End it; see `Transfer.stop`."""
        if self.sender is not None:
            await self.sender.stop(reason, text)

    def _chosen(self) -> Transfer:
        if self.sender is None:
            raise LocalProtocolError("no file was chosen yet")
        return self.sender
