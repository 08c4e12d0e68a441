"""Files that somebody offers us: each is accepted or declined by itself (XEP-0234)."""

from __future__ import annotations

import asyncio
from os import PathLike
from typing import TYPE_CHECKING

from ..applications.file_transfer.metadata import FileMetadata
from ..applications.file_transfer.names import safe_path
from ..applications.file_transfer.receiver import FileReceiver
from ..applications.file_transfer.requested import RequestedFile
from ..applications.file_transfer.source import OutgoingFile
from ..applications.file_transfer.storage import Target
from ..elements.core import Content, Senders
from ..elements.declare import Element
from ..elements.jids import bare
from ..errors import LocalProtocolError, SessionEnded
from ..peer.live import LiveSession
from ..peer.pump import Pump
from ..signalling.binding import Binding
from .opening import Opening
from .session import tell_about_files
from .thumbnails import offered_thumbnail
from .transfer import Transfer, hooks_of

if TYPE_CHECKING:
    from .peer import Peer


def application_for(pump: Pump, live: LiveSession, offer: Content) -> FileReceiver | RequestedFile:
    """The application for a file that a peer offers or asks for; the disk is not touched before the program says so."""
    if offer.senders is Senders(live.session.role.value):
        requested = RequestedFile(
            name=offer.name,
            creator=offer.creator,
            hooks=hooks_of(lambda: live, offer.name, lambda: _name_of(requested.wish), pump.emit, done="sent"),
        )
        return requested
    receiver = FileReceiver(
        name=offer.name,
        creator=offer.creator,
        origin=bare(live.peer),
        hooks=hooks_of(lambda: live, offer.name, lambda: _name_of(receiver.metadata), pump.emit, done="received"),
    )
    return receiver


def _name_of(metadata: FileMetadata | None) -> str:
    return "/".join(safe_path(metadata.name if metadata is not None else None))


class _Offered:
    """What files that are offered and files that are asked for have in common."""

    def __init__(self, session: IncomingFiles, content: str, metadata: FileMetadata) -> None:
        path = safe_path(metadata.name)
        self._session = session
        self._content = content
        self.peer = session.live.peer
        self.sid = session.live.sid
        self.name = path[-1]
        self.relative_name = "/".join(path)
        self.size = metadata.size
        self.media_type = metadata.media_type
        self.description = metadata.description
        self.gone: asyncio.Future[tuple[str, str | None]] = asyncio.get_running_loop().create_future()
        self._answered = False

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted or declined."""
        return not (self._answered or self.gone.done())

    async def decline(self, reason: str = "decline", text: str | None = None) -> None:
        """Refuse the file; nothing happens where the offer is over already."""
        if self.is_open:
            self._answered = True
            await self._session.decline(self._content, reason, text)

    def withdraw(self, reason: str, text: str | None) -> None:
        """Take it that the offer is over."""
        if not self.gone.done():
            self.gone.set_result((reason, text))

    async def _accept(self, description: Element, *, relay_only: bool) -> None:
        self._check_open()
        self._answered = True
        if relay_only:
            self._session.live.hide()
        await self._session.accept(self._content, description)

    def _check_open(self) -> None:
        if self.gone.done():
            raise SessionEnded(*self.gone.result())
        if self._answered:
            raise LocalProtocolError("this file was answered before", condition="conflict")


class IncomingFile(_Offered):
    """Somebody offers a file. It waits until `accept`, `decline`, or until the sender gives up.

    Attributes:
        peer: The sender's full JID.
        sid: The session's id.
        name: What the sender calls it, made safe: no folders, no reserved or hidden names.
        relative_name: The same with the folders it came from, each made safe.
        size: Bytes; `None` where the sender does not say.
        media_type: Such as `image/png`; `None` where the sender does not say.
        description: What the sender writes about it, or `None`.
        thumbnail: The picture in small, to be fetched (XEP-0264), or `None`.
        gone: Done with (reason, text) when the offer is over.
    """

    __match_args__ = ("name", "size")

    def __init__(self, session: IncomingFiles, content: str, receiver: FileReceiver) -> None:
        assert receiver.metadata is not None
        super().__init__(session, content, receiver.metadata)
        self._receiver = receiver
        self.thumbnail = offered_thumbnail(session.binding, self.peer, receiver.metadata.thumbnails)

    def accept(
        self,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_size: int | None = None,
        relay_only: bool = False,
    ) -> Opening[Transfer]:
        """Take the file; the transfer that comes back runs by itself.

        Files of one session begin once each of them was accepted or declined.

        Args:
            path: Where to: a folder that exists, or the name of the file. Folders that lead to it are made.
            overwrite: Replace a file of that name; otherwise the new one becomes `name (2).ext`.
            max_size: Bytes; a larger file is refused.
            relay_only: Reveal no address of this machine to the sender; holds for all files of the session.

        Raises:
            SessionEnded: The sender gave up.
            ApplicationFailed: The file is larger than `max_size`, or the disk cannot be read.
            LocalProtocolError: It was answered before.
        """
        return self.accept_into(Target.at(path, overwrites=overwrite, max_size=max_size), relay_only=relay_only)

    def accept_into(self, target: Target, *, relay_only: bool = False) -> Opening[Transfer]:
        """Take the file into a target of your own making; see `accept`."""

        async def start() -> Transfer:
            self._check_open()
            await self._supersede()
            await self._accept(await asyncio.to_thread(self._receiver.choose, target), relay_only=relay_only)
            return Transfer(self._session.live, self._receiver, name=self.name, size=self.size)

        return Opening(start)

    async def _supersede(self) -> None:
        """End what another device of the sender began with the same file, which would keep us from going on with it.

        That device has crashed: its server may hold the connection open for minutes, and says nothing meanwhile.
        """
        mine = self._receiver.metadata
        assert mine is not None
        begun = [
            (live, content.application)
            for live in self._session.sessions_of_other_devices()
            for content in live.contents.values()
            if isinstance(content.application, FileReceiver) and content.started
        ]
        same = [each for each in begun if each[1].metadata is not None and each[1].metadata.is_same_file(mine)]
        for live, _ in same:
            live.terminate("gone", "the file comes from another device")
        # The file is free by then; the transport waits longer for a peer that is not there any more.
        await asyncio.gather(*(receiver.result() for _, receiver in same), return_exceptions=True)


class IncomingRequest(_Offered):
    """Somebody asks for a file of ours. It waits until `accept`, `decline`, or until they give up.

    Attributes:
        peer, sid, gone: As of `IncomingFile`.
        name: The name of the file they want, made safe; it says nothing about where such a file may be.
        size, media_type, description: What else they say about it, or `None`.
        digests: The digests of the file they want, by algorithm.
    """

    __match_args__ = ("name", "size")

    def __init__(self, session: IncomingFiles, content: str, requested: RequestedFile) -> None:
        assert requested.wish is not None
        super().__init__(session, content, requested.wish)
        self.digests = requested.wish.digests
        self._requested = requested

    def accept(self, path: str | PathLike[str], *, relay_only: bool = False) -> Opening[Transfer]:
        """Send a file; the transfer that comes back runs by itself.

        Args:
            path: The file that is meant.
            relay_only: Reveal no address of this machine to them; holds for all files of the session.

        Raises:
            SessionEnded: They gave up.
            ApplicationFailed: It is not what they asked for.
            MediaError: It cannot be read.
            LocalProtocolError: It was answered before.
        """

        async def start() -> Transfer:
            self._check_open()
            file = _under_the_name_asked_for(await asyncio.to_thread(OutgoingFile.from_path, path), self._requested)
            await self._accept(self._requested.choose(file), relay_only=relay_only)
            assert self._requested.sender is not None
            return Transfer(self._session.live, self._requested.sender, name=self.name, size=file.metadata.size)

        return Opening(start)


def _under_the_name_asked_for(file: OutgoingFile, requested: RequestedFile) -> OutgoingFile:
    """The file under the name it was asked for: what it is called on this disk is not the peer's business."""
    wanted = requested.wish.name if requested.wish is not None else None
    return file.named(wanted) if wanted is not None else file


class IncomingFiles:
    """The files of one session, which is accepted once each of them was decided on."""

    def __init__(self, owner: Peer, live: LiveSession) -> None:
        self._pump = owner.pump
        self.live = live
        self.files: list[IncomingFile | IncomingRequest] = []
        for name, content in live.contents.items():
            if isinstance(content.application, FileReceiver):
                self.files.append(IncomingFile(self, name, content.application))
            elif isinstance(content.application, RequestedFile):
                self.files.append(IncomingRequest(self, name, content.application))
        self._undecided = set(live.contents)
        tell_about_files(self._pump, live, self.description)
        live.ended.add_done_callback(lambda _: self._withdraw())

    @property
    def binding(self) -> Binding:
        """Asks for what belongs to the files."""
        return self._pump.binding

    def sessions_of_other_devices(self) -> list[LiveSession]:
        """The sessions with whoever this one is with, on other devices of theirs."""
        ours = self.live.peer
        return [live for live in self._pump.sessions.values() if bare(live.peer) == bare(ours) and live.peer != ours]

    @property
    def description(self) -> list[dict[str, object]]:
        """The files as events list them."""
        return [{"name": each.relative_name, "size": each.size} for each in self.files]

    async def accept(self, content: str, description: Element) -> None:
        """One of them is wanted."""
        self.live.contents[content].description = description
        await self._decided(content)

    async def decline(self, content: str, reason: str, text: str | None) -> None:
        """One of them is not wanted."""
        if len(self.live.contents) == 1:
            await self.live.close(reason, text)
            return
        await self.live.discard(content, reason)
        await self._decided(content)

    async def _decided(self, content: str) -> None:
        self._undecided.discard(content)
        if not self._undecided and self.live.contents and not self.live.ended.done():
            self.live.accept(await self.live.describe(), ())

    def _withdraw(self) -> None:
        ending = self.live.ended.result()
        for file in self.files:
            file.withdraw(ending.reason, ending.text)
