"""Sending files: to which device, in which session, one content each (XEP-0234)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..applications.file_transfer.sender import FileSender
from ..applications.file_transfer.source import OutgoingFile, files_of
from ..elements.core import Role, Senders
from ..elements.file_transfer import NS as NS_FILES
from ..errors import LocalProtocolError, SessionEnded, TransportFailed
from ..peer.content import LiveContent
from ..peer.live import LiveSession
from ..session import events
from ..signalling.discovery import best_device
from ..transports.base import Kind
from ..transports.selection import common_precondition
from .session import tell_connected, tell_the_end, until_accepted
from .transfer import Transfer, Transfers, hooks_of

if TYPE_CHECKING:
    from .peer import Peer

FilePath = str | PathLike[str]

MAX_FILES = 16
"""Files in one session; more go in several, one after another. Each is a content with a transport of its own."""


@dataclass(frozen=True, kw_only=True)
class SendPlan:
    """What to send, to whom."""

    to: str
    files: tuple[OutgoingFile, ...]
    algorithms: tuple[str, ...]
    accept_timeout: float | None


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


class OutgoingFiles:
    """One attempt to send files to somebody, in one session."""

    def __init__(self, peer: Peer, plan: SendPlan) -> None:
        self._pump = peer.pump
        self._plan = plan
        self.id = str(uuid.uuid4())
        self._live: LiveSession | None = None

    async def send(self) -> Transfers:
        """Offer the files; returns once the peer has accepted at least one of them.

        Raises:
            SessionEnded: The peer declined, did not answer, or has no device that takes files.
            TransportFailed: There is no transport that both sides may use.
        """
        plan, pump = self._plan, self._pump
        device = await self._device()
        features = await pump.discovery.features_of(device)
        applications = {f"file{number}": self._sender(f"file{number}", file) for number, file in enumerate(plan.files)}
        contents = [self._content(device, features, name, sender) for name, sender in applications.items()]
        live = self._live = await pump.initiate(device, self.id, contents)
        tell_the_end(pump, live, "file")
        try:
            await until_accepted(live, plan.accept_timeout)
        except asyncio.CancelledError:
            await live.close("cancel")
            raise
        live.connected.add_done_callback(lambda done: None if done.cancelled() else self._tell_connected(live))
        return Transfers(
            [
                Transfer(live, sender, name=sender.metadata.name or name, size=sender.metadata.size)
                for name, sender in applications.items()
            ]
        )

    async def _device(self) -> str:
        """The full JID of the device that takes files.

        Raises:
            SessionEnded: There is none online that we can see.
        """
        to, pump = self._plan.to, self._pump
        if "/" in to:
            return to
        devices = await pump.discovery.devices(to, contact=pump.binding.is_contact(to))
        best = best_device(devices, frozenset({NS_FILES}))
        if best is not None:
            return best.jid
        if devices:
            raise self._over("unsupported-applications", "none of their devices takes files")
        raise self._over("gone", "they are not online, or do not show it; send to a full JID instead")

    def _sender(self, name: str, file: OutgoingFile) -> FileSender:
        called = file.metadata.name or name
        return FileSender(
            file,
            name=name,
            algorithms=self._plan.algorithms,
            hooks=hooks_of(lambda: self._live, name, lambda: called, self._pump.emit, done="sent"),
        )

    def _content(self, device: str, features: frozenset[str], name: str, sender: FileSender) -> LiveContent:
        pump = self._pump
        protect = common_precondition(pump.preconditions, features)
        selection = pump.select(Kind.STREAMING, features or None, protect)
        choice = selection.next()
        if choice is None:
            raise TransportFailed("no transport that both sides may use", reason="unsupported-transports")
        return LiveContent(
            id=events.ContentId(Role.INITIATOR, name),
            application=sender,
            choice=choice,
            selection=selection,
            make_transport=pump.transports_of(Role.INITIATOR, device, self.id, name),
            precondition=protect(Role.INITIATOR) if protect is not None else None,
            senders=Senders.INITIATOR,
        )

    def _tell_connected(self, live: LiveSession) -> None:
        files = [{"name": each.metadata.name, "size": each.metadata.size} for each in self._plan.files]
        tell_connected(self._pump, live, kind="file", files=files)

    def _over(self, reason: str, text: str) -> SessionEnded:
        """Tell that it ended before there was a session."""
        self._pump.emit("ended", kind="file", peer=self._plan.to, sid=self.id, reason=reason, text=text, seconds=0.0)
        return SessionEnded(reason, text)
