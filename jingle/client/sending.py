"""Sending files: to which device, in which session, one content each (XEP-0234)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..applications.base import Application
from ..applications.file_transfer.metadata import FileMetadata
from ..applications.file_transfer.names import safe_path
from ..applications.file_transfer.receiver import FileReceiver
from ..applications.file_transfer.sender import FileSender
from ..applications.file_transfer.source import OutgoingFile, files_of, read_if_small
from ..applications.file_transfer.storage import Target
from ..elements.core import Role, Senders
from ..elements.file_transfer import NS as NS_FILES
from ..elements.jids import bare
from ..errors import LocalProtocolError, SessionEnded, TransportFailed
from ..media.thumbnail import SmallPicture, make_thumbnail
from ..peer.content import LiveContent, protection
from ..peer.live import LiveSession
from ..session import events
from ..signalling.binding import address
from ..signalling.discovery import NS_JINGLE, able_devices
from ..transports.base import Kind
from ..transports.selection import common_precondition
from .session import tell_about_files, until_accepted
from .thumbnails import describe
from .transfer import Transfer, Transfers, hooks_of

if TYPE_CHECKING:
    from .peer import Peer

FilePath = str | PathLike[str]

MAX_FILES = 16
"""Files in one session; more go in several, one after another. Each is a content with a transport of its own."""


BUSY = "busy"
"""The reason of a device that takes no files at the moment."""


@dataclass(frozen=True, kw_only=True)
class SendPlan:
    """What to send, to whom."""

    to: str
    files: tuple[OutgoingFile, ...]
    algorithms: tuple[str, ...]
    accept_timeout: float | None
    relay_only: bool
    thumbnails: bool


def gather_files(paths: Sequence[FilePath | OutgoingFile], description: str | None = None) -> tuple[OutgoingFile, ...]:
    """What the paths name: files, and for folders the files in them with relative names; blocks on the disk.

    Raises:
        MediaError: Something is not there or cannot be read.
        LocalProtocolError: There is nothing to send.
    """
    found: list[OutgoingFile] = []
    for path in paths:
        if isinstance(path, OutgoingFile):
            found.append(path)
        elif Path(path).is_dir():
            found += files_of(path)
        else:
            found.append(OutgoingFile.from_path(path, description=description))
    if not found:
        raise LocalProtocolError("there is no file to send", condition="item-not-found")
    return tuple(found)


class FileSession:
    """A session about files that we initiate."""

    def __init__(self, peer: Peer, to: str, accept_timeout: float | None, *, relay_only: bool) -> None:
        self._pump = peer.pump
        self._relay_only = relay_only
        self._to = to
        self._accept_timeout = accept_timeout
        self.id = str(uuid.uuid4())
        self._live: LiveSession | None = None

    async def _open(
        self, applications: Callable[[], Mapping[str, Application]], senders: Senders, files: Sequence[FileMetadata]
    ) -> LiveSession:
        """Initiate the session and wait until it is accepted.

        A device may be there to send and not to receive, and says that it is busy; then the next is asked.

        Args:
            applications: Makes the contents' applications, anew for each device that is asked.
            senders: Who sends.
            files: What it is about.

        Raises:
            SessionEnded: The peer declined, did not answer, or has no device that knows files.
            TransportFailed: There is no transport that both sides may use.
        """
        *others, last = await self._devices()
        for device in others:
            try:
                return await self._ask(device, applications(), senders, files, is_last=False)
            except SessionEnded as exc:
                if exc.reason != BUSY:
                    raise
            self.id = str(uuid.uuid4())
        return await self._ask(last, applications(), senders, files, is_last=True)

    async def _ask(
        self,
        device: str,
        applications: Mapping[str, Application],
        senders: Senders,
        files: Sequence[FileMetadata],
        *,
        is_last: bool,
    ) -> LiveSession:
        pump = self._pump
        features = await pump.discovery.features_of(device)
        if NS_JINGLE not in features:
            features = frozenset()  # not for us to see, or not there at all, which it will say itself
        contents: list[LiveContent] = []
        for name, each in applications.items():
            contents.append(self._content(device, features, name, each, senders, contents))
        live = self._live = await pump.initiate(device, self.id, contents, is_hidden=self._relay_only)
        tell_about_files(
            pump,
            live,
            [{"name": each.name, "size": each.size} for each in files],
            unless=lambda ending: not is_last and ending.reason == BUSY and live.accepted.cancelled(),
        )
        try:
            await until_accepted(live, self._accept_timeout)
        except asyncio.CancelledError:
            await live.close("cancel")
            raise
        return live

    async def _devices(self) -> list[str]:
        """The full JIDs of the devices that know files, the best first.

        Raises:
            SessionEnded: There is none online that we can see.
        """
        to, pump = self._to, self._pump
        if "/" in to:
            return [to]
        devices = await pump.discovery.devices(to, contact=pump.binding.is_contact(to))
        able = able_devices(devices, frozenset({NS_FILES}))
        if able:
            return [device.jid for device in able]
        if devices:
            raise self._over("unsupported-applications", "none of their devices takes files")
        raise self._over("gone", "they are not online, or do not show it; use a full JID instead")

    def _content(
        self,
        device: str,
        features: frozenset[str],
        name: str,
        application: Application,
        senders: Senders,
        siblings: Sequence[LiveContent],
    ) -> LiveContent:
        pump = self._pump
        protect = common_precondition(pump.preconditions, features)
        selection = pump.select(Kind.STREAMING, features or None, protect)
        choice = selection.next()
        if choice is None:
            raise TransportFailed("no transport that both sides may use", reason="unsupported-transports")
        return LiveContent(
            id=events.ContentId(Role.INITIATOR, name),
            application=application,
            choice=choice,
            selection=selection,
            make_transport=pump.transports_of(Role.INITIATOR, device, self.id, name, is_hidden=self._relay_only),
            precondition=protection(protect, Role.INITIATOR, siblings),
            senders=senders,
        )

    def _over(self, reason: str, text: str) -> SessionEnded:
        """Tell that it ended before there was a session."""
        self._pump.emit("ended", kind="file", peer=self._to, sid=self.id, reason=reason, text=text, seconds=0.0)
        return SessionEnded(reason, text)


class OutgoingFiles(FileSession):
    """One attempt to send files to somebody, in one session."""

    def __init__(self, peer: Peer, plan: SendPlan) -> None:
        super().__init__(peer, plan.to, plan.accept_timeout, relay_only=plan.relay_only)
        self._plan = plan
        self._lending = peer.lending

    async def send(self) -> Transfers:
        """Offer the files; returns once the peer has accepted at least one of them; raises as `FileSession._open`."""
        offered, pictures = await asyncio.to_thread(self._files)
        files = {f"file{number}": file for number, file in enumerate(offered)}
        take_back = self._lending.lend(bare(address(self._plan.to)), pictures)
        senders: dict[str, FileSender] = {}

        def make() -> Mapping[str, Application]:
            senders.update((name, self._sender(name, file)) for name, file in files.items())
            return senders

        try:
            live = await self._open(make, Senders.INITIATOR, [file.metadata for file in files.values()])
        except BaseException:
            take_back()
            raise
        live.ended.add_done_callback(lambda _: take_back())
        return Transfers(
            [
                Transfer(live, sender, name=sender.metadata.name or name, size=sender.metadata.size)
                for name, sender in senders.items()
            ]
        )

    def _files(self) -> tuple[Sequence[OutgoingFile], list[SmallPicture]]:
        """The files as they are offered, and their thumbnails; blocks on the disk."""
        files, pictures = list[OutgoingFile](), list[SmallPicture]()
        for file in self._plan.files:
            picture = _thumbnail_of(file) if self._plan.thumbnails else None
            if picture is not None:
                pictures.append(picture)
                file = replace(file, metadata=replace(file.metadata, thumbnails=(describe(picture),)))
            # stanza.io takes one file in a session, and has it only once a <checksum/> came.
            files.append(read_if_small(file, self._plan.algorithms) if len(self._plan.files) > 1 else file)
        return files, pictures

    def _sender(self, name: str, file: OutgoingFile) -> FileSender:
        called = file.metadata.name or name
        return FileSender(
            file,
            name=name,
            algorithms=self._plan.algorithms,
            hooks=hooks_of(lambda: self._live, name, lambda: called, self._pump.emit, done="sent"),
        )


def _thumbnail_of(file: OutgoingFile) -> SmallPicture | None:
    is_picture = (file.metadata.media_type or "").startswith("image/")
    return make_thumbnail(file.path) if is_picture and file.path is not None else None


class FileRequest(FileSession):
    """One attempt to get a file that somebody has."""

    def __init__(
        self,
        peer: Peer,
        to: str,
        wish: FileMetadata,
        target: Target,
        accept_timeout: float | None,
        *,
        relay_only: bool,
    ) -> None:
        super().__init__(peer, to, accept_timeout, relay_only=relay_only)
        self._wish = wish
        self._target = target

    async def send(self) -> Transfer:
        """Ask for the file; returns once the peer has accepted; raises as `FileSession._open`."""
        name, called = "file", "/".join(safe_path(self._wish.name))
        receivers: list[FileReceiver] = []

        def make() -> Mapping[str, Application]:
            receiver = FileReceiver(
                self._target,
                name=name,
                request=self._wish,
                origin=bare(self._to),
                hooks=hooks_of(lambda: self._live, name, lambda: called, self._pump.emit, done="received"),
            )
            receivers.append(receiver)
            return {name: receiver}

        live = await self._open(make, Senders.RESPONDER, [self._wish])
        metadata = receivers[-1].metadata or self._wish
        return Transfer(live, receivers[-1], name=called, size=metadata.size)
