"""Files to send: from a path, a folder or an open file."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ...errors import ApplicationFailed, MediaError
from .digests import Digester
from .metadata import FileMetadata, media_type_of
from .names import sendable_name

SMALL = 1 << 16
"""Bytes up to which a file is read when it is offered and not when it is sent."""


class Readable(Protocol):
    """The part of a binary file object that sending needs; without buffering it copies least."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill part of `buffer`; 0 at the end."""
        ...

    def seekable(self) -> bool:
        """Whether `seek` works."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position and return it."""
        ...

    def close(self) -> None:
        """Free it."""
        ...


@dataclass(frozen=True, kw_only=True)
class OutgoingFile:
    """What is offered, and how to get at the bytes."""

    metadata: FileMetadata
    open: Callable[[], Readable] = field(repr=False)
    """Opens the file at its beginning; raises `OSError`."""

    path: Path | None = None
    """Where it is on the disk."""

    is_in_memory: bool = False
    """No disk has to be waited for."""

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        description: str | None = None,
        digests: Mapping[str, bytes] | None = None,
    ) -> OutgoingFile:
        """Offer a file of the disk; links are followed.

        Args:
            path: A regular file.
            name: What the peer is told; the last component of `path` if `None`.
            description: For a human.
            digests: Of the whole file, by algorithm, where they are known: then they go into the offer.

        Raises:
            MediaError: It is not there, cannot be read, or is no regular file.
        """
        path = Path(path)
        try:
            found = path.stat()
            readable = os.access(path, os.R_OK)
        except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
            raise MediaError(f"{path}: {getattr(exc, 'strerror', None) or exc}") from exc
        if not stat.S_ISREG(found.st_mode):
            raise MediaError(f"{path}: not a regular file")
        if not readable:
            raise MediaError(f"{path}: permission denied")
        name = sendable_name(name or path.name)
        metadata = FileMetadata(
            name=name,
            size=found.st_size,
            date=found.st_mtime,
            media_type=media_type_of(name),
            description=description,
            digests=digests or {},
            is_ranged=True,
        )
        return cls(metadata=metadata, open=lambda: io.FileIO(path, "r"), path=path)

    @classmethod
    def from_object(
        cls,
        file: Readable,
        *,
        name: str,
        size: int | None = None,
        date: float | None = None,
        description: str | None = None,
    ) -> OutgoingFile:
        """Offer an open binary file, which stays open: it is the caller's.

        Args:
            file: Its whole content is sent; what cannot be rewound, from where it is.
            name: What the peer is told.
            size: In bytes, where `file` cannot tell. A peer may refuse a file without size.
            date: Of the last change, in seconds since 1970.
            description: For a human.

        Raises:
            MediaError: It cannot be read from.
        """
        if not hasattr(file, "readinto"):
            raise MediaError(f"{name}: not a binary file that can be read from")
        try:
            is_ranged = file.seekable()
            if is_ranged:
                size = file.seek(0, os.SEEK_END)
                file.seek(0)
        except (OSError, ValueError) as exc:  # ValueError: it is closed
            raise MediaError(f"{name}: {exc}") from exc
        name = sendable_name(name)
        metadata = FileMetadata(
            name=name,
            size=size,
            date=date,
            media_type=media_type_of(name),
            description=description,
            is_ranged=is_ranged,
        )
        return cls(metadata=metadata, open=lambda: _Borrowed(file))

    def named(self, name: str) -> OutgoingFile:
        """The same file under another name."""
        return replace(self, metadata=replace(self.metadata, name=sendable_name(name)))


def read_if_small(file: OutgoingFile, algorithms: Sequence[str]) -> OutgoingFile:
    """The same file, read now if it is small: its digests go into the offer, and no `<checksum/>` has to follow.

    Of many small files the stanzas cost more than the bytes. Where a file cannot be read or has changed, it comes back
    as it is: only that one is not sent then.

    Args:
        file: What is to be offered.
        algorithms: Of `digests.ALGORITHMS`.
    """
    metadata = file.metadata
    if metadata.size is None or metadata.size > SMALL or metadata.digests or not metadata.is_ranged:
        return file
    buffer = bytearray(metadata.size + 1)
    try:
        with contextlib.closing(file.open()) as source:
            source.seek(0)
            count = source.readinto(memoryview(buffer))
    except (OSError, ValueError):  # ValueError: its owner has closed it
        return file
    if count != metadata.size:
        return file
    content = bytes(buffer[:count])
    digester = Digester(algorithms)
    digester.update(content)
    known = replace(metadata, digests=digester.digests())
    return replace(file, metadata=known, open=lambda: io.BytesIO(content), is_in_memory=True)


def files_of(path: str | os.PathLike[str]) -> Iterator[OutgoingFile]:
    """Yield what sending `path` means: the file, or all files of a folder with names such as `holiday/day 1/sea.jpg`.

    A folder is walked in the order of names; links to files are followed and links to folders are not, as they may
    lead in circles. Empty folders are left out: XEP-0234 has no way to say them.

    Raises:
        MediaError: Something cannot be read.
    """
    top = Path(path)
    if not top.is_dir():
        yield OutgoingFile.from_path(top)
        return

    def fail(error: OSError) -> None:
        raise MediaError(f"{error.filename}: {error.strerror}") from error

    # `.` and `..` have no name of their own.
    base = top.name if top.name not in ("", "..") else top.resolve().name
    for folder, folders, names in os.walk(top, onerror=fail):
        folders.sort()
        for name in sorted(names):
            found = Path(folder, name)
            relative = "/".join(part for part in (base, *found.relative_to(top).parts) if part)
            yield OutgoingFile.from_path(found, name=relative)


class Reader:
    """An outgoing file while it is read, on the worker's thread.

    Args:
        file: What to read.
        digester: Hashes what is read, in order.
    """

    def __init__(self, file: OutgoingFile, digester: Digester) -> None:
        self._file, self._digester = file, digester
        self._open: Readable | None = None

    def open(self, offset: int) -> None:
        """Open the file and go to `offset`.

        Raises:
            ApplicationFailed: It is not there any more, or is not what was offered.
        """
        size = self._file.metadata.size
        try:
            self._open = self._file.open()
            if self._open.seekable():
                if size not in (None, self._open.seek(0, os.SEEK_END)):
                    raise ApplicationFailed("the file has changed since it was offered", reason="media-error")
                self._open.seek(offset)
        except OSError as exc:
            raise ApplicationFailed("the file cannot be read any more", condition="file-not-available") from exc

    def hash(self, count: int, buffer: memoryview, is_unwanted: Callable[[], bool]) -> None:
        """Hash the next `count` bytes, which are not sent, through `buffer`; return early once it is unwanted.

        Raises:
            ApplicationFailed: They cannot be read.
        """
        while count and not is_unwanted():
            count -= self.read(buffer[: min(len(buffer), count)], is_whole=True)

    def read(self, buffer: memoryview, *, is_whole: bool) -> int:
        """Fill `buffer` and hash it; return how many bytes there were.

        Args:
            buffer: Filled as far as the file goes.
            is_whole: The file was said to have that many bytes.

        Raises:
            ApplicationFailed: They cannot be read, or are not there.
        """
        assert self._open is not None
        filled = 0
        try:
            while filled < len(buffer) and (count := self._open.readinto(buffer[filled:])):
                filled += count
        except (OSError, ValueError) as exc:  # ValueError: its owner has closed it
            raise ApplicationFailed("the file cannot be read any more") from exc
        if is_whole and filled < len(buffer):
            raise ApplicationFailed("the file became shorter while it was sent", reason="media-error")
        self._digester.update(buffer[:filled])
        return filled

    def close(self) -> None:
        """Free the file; safe to call twice."""
        if self._open is not None:
            self._open.close()
            self._open = None


class _Borrowed:
    """A file of the caller's, which is not to be closed."""

    def __init__(self, file: Readable) -> None:
        self.readinto, self.seekable, self.seek = file.readinto, file.seekable, file.seek

    def close(self) -> None:
        """Leave it open."""
