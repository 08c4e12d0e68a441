"""Where a file that comes in goes: `NAME.part` and what is known about it beside it, and its name once it is complete.

Nothing of this is made before the transfer begins. A file appears under its name in one step and whole. That holds
for whatever happens to this process; against a power cut `Target.is_durable` waits for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ApplicationFailed
from .digests import Digester
from .metadata import FileMetadata
from .names import PART_SUFFIX, SIDECAR_SUFFIX, numbered, safe_path
from .sidecar import Sidecar

MOST_NUMBERS = 999
"""Of files with one name in a folder."""

MOST_GAPS = 4
"""Numbers without an unfinished file behind which none is looked for: those before it may be complete by now."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


def open_file(path: Path, flags: int) -> io.FileIO:
    """Open a file without buffers, with flags of `os.open`; the links of a peer's making are not followed."""

    def opener(name: str, _: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)

    return io.FileIO(str(path), "r+", opener=opener)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a file may go and how."""

    folder: Path
    """Nothing is written outside; it is made if it is not there."""

    name: str | None = None
    """What the file is to be called here, not checked; `None` for what the peer calls it, made safe."""

    overwrites: bool = False
    """Replace a file of that name; otherwise the new one is `name (2).ext`."""

    max_size: int | None = None
    """Bytes; a larger file is refused, one of unknown size cut off there."""

    keeps_folders: bool = True
    """Make the folders that a relative name tells."""

    keeps_hidden: bool = False
    """Take names with a dot in front as they are; a stranger's `.bashrc` does not belong everywhere."""

    is_durable: bool = False
    """Wait until the disk has the file before it gets its name; costs as long as the disk takes."""

    open_file: Callable[[Path, int], io.FileIO] = field(default=open_file, repr=False)
    free_space: Callable[[Path], int] = field(default=lambda folder: shutil.disk_usage(folder).free, repr=False)
    """Bytes that a folder still takes; raises `OSError`."""

    @classmethod
    def at(cls, path: str | os.PathLike[str], *, overwrites: bool = False, max_size: int | None = None) -> Target:
        """The target that a user names: a folder that exists, or the path of the file."""
        place = Path(path)
        if place.is_dir():
            return cls(folder=place, overwrites=overwrites, max_size=max_size)
        return cls(folder=place.parent, name=place.name, overwrites=overwrites, max_size=max_size)

    def path_of(self, name: str | None) -> tuple[str, ...]:
        """Where in the folder a file belongs that the peer calls `name`."""
        if self.name is not None:
            return (self.name,)
        path = safe_path(name, keeps_hidden=self.keeps_hidden)
        return path if self.keeps_folders else path[-1:]

    def check_size(self, size: int) -> None:
        """Refuse a file that is too large.

        Raises:
            ApplicationFailed: It is.
        """
        if self.max_size is not None and size > self.max_size:
            raise too_large(f"the file is larger than the {self.max_size} bytes that are taken here")


class PartFile:
    """A file while it comes in; everything but `claim` is for the worker's thread.

    Args:
        target: Where it goes.
        metadata: What the sender says about it.
        origin: Who sends it, in words of the caller's: nobody else's bytes are continued with.

    Attributes:
        offset: Bytes that are there, of earlier attempts included.
    """

    def __init__(self, target: Target, metadata: FileMetadata, origin: str = "") -> None:
        *folders, self._name = target.path_of(metadata.name)
        self._folders = tuple(folders)
        self._target, self._metadata = target, metadata
        self._known = Sidecar(metadata=metadata, origin=origin)
        self._folder = target.folder.joinpath(*folders)
        self._part: Path | None = None
        self._file: io.FileIO | None = None
        self._broken: ApplicationFailed | None = None
        self.offset = 0

    def claim(self) -> int:
        """Find what an earlier attempt has left, lock it, and return how many bytes there are; nothing is made.

        Raises:
            ApplicationFailed: The disk cannot be read.
        """
        with _told():
            misses, size = 0, self._metadata.size or 0
            for part in self._candidates() if self._leads_inside() else ():
                known = Sidecar.read(_sidecar(part))
                if known is not None and known.continues(self._known) and self._lock(part, at_most=size):
                    break
                misses = misses + 1 if known is None else 0
                if misses == MOST_GAPS:
                    break
        return self.offset

    def open(self) -> None:
        """Make the file and its folders, unless an earlier attempt goes on.

        Raises:
            ApplicationFailed: The disk is full, or says no.
        """
        with _told():
            self._make_folders()
            missing = (self._metadata.size or 0) - self.offset
            if missing > self._target.free_space(self._folder):
                raise too_large("there is not enough space for the file")
            if self._file is None:
                self._create()

    def rehash(self, digester: Digester, buffer: memoryview, is_unwanted: Callable[[], bool]) -> None:
        """Hash what is there of earlier attempts; return early once it is unwanted.

        Raises:
            ApplicationFailed: It cannot be read.
        """
        assert self._file is not None
        with _told():
            left = self.offset
            self._file.seek(0)
            while left and not is_unwanted():
                count = self._file.readinto(buffer[: min(len(buffer), left)])
                if not count:
                    raise ApplicationFailed("what was there of the file is not there any more")
                digester.update(buffer[:count])
                left -= count
            self._file.seek(self.offset)

    def write(self, data: memoryview) -> int:
        """Append all of `data` and return its length.

        Raises:
            ApplicationFailed: The disk is full, or says no; the same for every call after.
        """
        assert self._file is not None
        if self._broken is not None:
            raise self._broken  # what comes behind a gap must not be taken for what is missing
        written = 0
        try:
            with _told():
                while written < len(data):
                    written += self._file.write(data[written:])
        except ApplicationFailed as exc:
            self._broken = exc
            raise
        finally:
            self.offset += written
        return written

    def publish(self) -> Path:
        """Give the complete file its name, and return its path.

        Raises:
            ApplicationFailed: The disk says no.
        """
        assert self._part is not None
        assert self._file is not None
        with _told():
            if self._target.is_durable:
                os.fsync(self._file.fileno())
            path = self._rename(self._part)
            if self._target.is_durable:
                _sync_folder(self._folder)
            self.close()
        return path

    def mark_damaged(self) -> None:
        """Keep the file apart: it will not be continued."""
        assert self._part is not None
        with _told():
            self._known.as_damaged().write(_sidecar(self._part))

    def close(self) -> None:
        """Free the file, and remove it where nothing has come; safe to call twice."""
        if self._file is None:
            return
        assert self._part is not None
        if self.offset == 0 and _is_at(self._file, self._part):
            _remove(_sidecar(self._part))
            _remove(self._part)
        self._file.close()
        self._file = None

    # Finding and making

    def _candidates(self) -> Iterator[Path]:
        return (self._folder / (numbered(self._name, n) + PART_SUFFIX) for n in range(1, MOST_NUMBERS + 1))

    def _leads_inside(self) -> bool:
        """Whether no folder on the way is a link, which could lead anywhere."""
        path = self._target.folder
        for name in self._folders:
            path /= name
            if path.is_symlink():
                return False
        return True

    def _make_folders(self) -> None:
        path = self._target.folder
        path.mkdir(parents=True, exist_ok=True)
        for name in self._folders:
            path /= name
            with contextlib.suppress(FileExistsError):
                path.mkdir()
            if path.is_symlink() or not path.is_dir():
                raise ApplicationFailed("a folder of that name cannot be made here")

    def _create(self) -> None:
        for part in self._candidates():
            try:
                file = self._target.open_file(part, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                file = None  # an attempt may have ended before its first byte, or before it could say what it was
            # Others that run at the same time take the new file for such a one until it is locked.
            if self._lock(part, file, at_most=0):
                break
        else:
            raise ApplicationFailed("there are too many files of that name")
        self._known.write(_sidecar(part))

    def _lock(self, part: Path, file: io.FileIO | None = None, *, at_most: int) -> bool:
        """Open a file that is there, unless another transfer is at it or it is larger than it can be.

        Args:
            part: Where it is.
            file: The same, where it is open already.
            at_most: Bytes that it can have.
        """
        try:
            file = file or self._target.open_file(part, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        size = file.seek(0, os.SEEK_END)
        # Whoever had the lock may have finished in the meantime: then this is no part but the user's file.
        if not _is_at(file, part) or size > at_most:
            file.close()
            return False
        self._file, self._part, self.offset = file, part, size
        return True

    def _rename(self, part: Path) -> Path:
        """Give `part` its name. The sidecar goes first: once `part` is free, another transfer may take it."""
        if self._target.overwrites:
            path = self._folder / self._name
            _remove(_sidecar(part))
            os.replace(part, path)
            return path
        for number in range(1, MOST_NUMBERS + 1):
            path = self._folder / numbered(self._name, number)
            try:
                # Of all ways to give a file a name, this is the one that never takes the name from another file.
                os.link(part, path)
            except FileExistsError:
                continue
            except OSError as exc:
                if exc.errno not in _NO_LINKS:
                    raise
                if os.path.lexists(path):
                    continue
                _remove(_sidecar(part))
                os.rename(part, path)
            else:
                _remove(_sidecar(part))
                os.unlink(part)
            return path
        raise ApplicationFailed("there are too many files of that name")


def too_large(text: str) -> ApplicationFailed:
    """What ends a transfer of more bytes than there is room for (section 9.2)."""
    return ApplicationFailed(text, reason="media-error", condition="file-too-large")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what the disk says into what a peer may know: no path, and no more than it needs."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise too_large("there is no space left for the file") from exc
        raise ApplicationFailed("the file cannot be stored here") from exc


def _sidecar(part: Path) -> Path:
    return part.with_name(part.name.removesuffix(PART_SUFFIX) + SIDECAR_SUFFIX)


def _is_at(file: io.FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except OSError:
        return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
