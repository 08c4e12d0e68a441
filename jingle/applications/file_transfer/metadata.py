"""XEP-0234 section 5: what two peers tell each other about a file. Nothing here touches one."""

from __future__ import annotations

import mimetypes
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from ...elements.file_transfer import File, FileDescription, Range, Thumbnail
from ...elements.hashes import HashUsed
from ...errors import ApplicationFailed, RemoteProtocolError
from . import digests

LONGEST_DESCRIPTION = 4096
"""Characters of a description that are kept."""

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """A part of a file (section 6.4)."""

    offset: int = 0
    """Bytes."""

    length: int | None = None
    """Bytes; `None` is up to the end."""

    @classmethod
    def of(cls, element: Range | None) -> Self:
        """What a `<range/>` asks for; without one, or without attributes, the whole file."""
        return cls() if element is None else cls(offset=element.effective_offset, length=element.length)

    def end(self, size: int | None) -> int | None:
        """Where it ends in a file of `size` bytes; `None` where that is not known.

        Raises:
            ApplicationFailed: It reaches beyond the file.
        """
        end = size if self.length is None else self.offset + self.length
        if size is not None and (self.offset > size or (end is not None and end > size)):
            raise ApplicationFailed(
                f"the range reaches beyond the {size} bytes of the file", reason="incompatible-parameters"
            )
        return end

    def to_element(self) -> Range:
        """The `<range/>` that asks for it."""
        return Range(offset=self.offset, length=self.length)


@dataclass(frozen=True, kw_only=True)
class FileMetadata:
    """What is known about a file, on either side; everything may be missing."""

    name: str | None = None
    """As the sender calls it. A receiver puts it through `names.safe_name` before it means anything to a disk."""

    size: int | None = None
    """Bytes."""

    date: float | None = None
    """When it was changed last, in seconds since 1970."""

    media_type: str | None = None
    """In lower case, without parameters."""

    description: str | None = None
    digests: Mapping[str, bytes] = field(default_factory=dict)
    """Of the whole file, by algorithm; only algorithms that we know."""

    algorithms: tuple[str, ...] = ()
    """In which a digest will follow, as far as we know them."""

    is_ranged: bool = False
    """Whether the sender can begin in the middle."""

    range: ByteRange = ByteRange()
    """What is to be transferred."""

    thumbnails: tuple[Thumbnail, ...] = ()

    @classmethod
    def of(cls, file: File) -> Self:
        """Read what a peer wrote; what makes no sense and does no harm is left out.

        Raises:
            RemoteProtocolError: A digest cannot be one, or two contradict each other.
        """
        empty = [each.algo for each in file.hashes if not each.value]
        return cls(
            name=file.name or None,
            size=file.size,
            date=file.modified_at,
            media_type=_readable_media_type(file.effective_media_type),
            description=(file.desc or "")[:LONGEST_DESCRIPTION].strip() or None,
            digests=digests.digests_of(file.hashes),
            algorithms=digests.known([*(each.algo for each in file.hashes_used), *empty]),
            is_ranged=file.range is not None,
            range=ByteRange.of(file.range),
            thumbnails=file.thumbnails,
        )

    def to_element(self) -> File:
        """The `<file/>` that says all this."""
        return File(
            media_type=self.media_type,
            name=self.name,
            date=None if self.date is None else xmpp_date(self.date),
            size=self.size,
            desc=self.description,
            range=self._range_element(),
            hashes=digests.elements_of(self.digests),
            hashes_used=tuple(HashUsed(algo=name) for name in self.algorithms if name not in self.digests),
            thumbnails=self.thumbnails,
        )

    def is_same_file(self, other: FileMetadata) -> bool:
        """Whether bytes of the one are bytes of the other, as far as that can be told without reading them.

        Name, size and date have to be the same; digests too where both are known, and where they are not, there has
        to be a date.
        """
        if (self.name, self.size, _second(self.date)) != (other.name, other.size, _second(other.date)):
            return False
        if self.name is None or self.size is None:
            return False
        common = self.digests.keys() & other.digests.keys()
        return all(self.digests[each] == other.digests[each] for each in common) and bool(common or self.date)

    def contradicts(self, other: FileMetadata) -> bool:
        """Whether this cannot be the file `other`: both say something of size, date or digest, and not the same."""
        pairs: list[tuple[object, object]] = [
            (self.size, other.size),
            (_second(self.date), _second(other.date)),
            *((value, other.digests.get(name)) for name, value in self.digests.items()),
        ]
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    def or_else(self, other: FileMetadata) -> FileMetadata:
        """The same, with name, size, date, media type and digests of `other` where this says nothing of them."""
        return replace(
            self,
            name=self.name or other.name,
            size=other.size if self.size is None else self.size,
            date=other.date if self.date is None else self.date,
            media_type=self.media_type or other.media_type,
            digests={**other.digests, **self.digests},
        )

    def selects(self, other: FileMetadata) -> bool:
        """Whether this, as the selector of a request (section 6.2, RFC 5547 section 5), means the file `other`.

        Whatever the selector names has to agree, and it has to name something; a digest that the other side has not
        computed is not held against it.
        """
        pairs: list[tuple[object, object]] = [
            (self.name, other.name),
            (self.size, other.size),
            (self.media_type, other.media_type),
        ]
        pairs += [(value, other.digests.get(name, value)) for name, value in self.digests.items()]
        asked = [(wanted, there) for wanted, there in pairs if wanted is not None]
        return bool(asked) and all(wanted == there for wanted, there in asked)

    def _range_element(self) -> Range | None:
        if self.range != ByteRange():
            return self.range.to_element()
        return Range() if self.is_ranged else None


def file_of(description: object) -> FileMetadata:
    """Read the `<description/>` of an offer or a request.

    Raises:
        RemoteProtocolError: It is no description of a file, or describes none.
    """
    if not isinstance(description, FileDescription):
        raise RemoteProtocolError("a file transfer needs a file transfer <description/>")
    if description.file is None:
        raise RemoteProtocolError("the <description/> lacks its <file/>")
    return FileMetadata.of(description.file)


def xmpp_date(date: float) -> str:
    """Spell seconds since 1970 as XEP-0082 wants it, in whole seconds; a date that cannot be is the nearest that can.

    The years before 1000 and after 9999 cannot be spelled with four digits.
    """
    seconds = min(max(int(date), -30610224000), 253402300799)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def media_type_of(name: str) -> str | None:
    """Guess a media type by the extension of a name; `None` where it tells nothing."""
    kind, compression = mimetypes.guess_type(name)
    return _COMPRESSED.get(compression) if compression else kind


def _readable_media_type(text: str | None) -> str | None:
    kind = (text or "").partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE.fullmatch(kind) else None


def _second(date: float | None) -> int | None:
    return None if date is None else int(date)
