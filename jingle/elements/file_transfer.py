"""XEP-0234: Jingle File Transfer (v0.19.1) and XEP-0264: Jingle Content Thumbnails (v0.4.2).

Deviations, each because deployed clients need it:

- Every detail of a file may be absent, and a file may have no bytes at all.
- `creator` of `<checksum/>` and `<received/>` may be absent (Conversations 2.13 and later).
- Conversations writes `<mediaType/>` for `<media-type/>`: `File.effective_media_type` reads both.
- `date` is text, because Gajim's is malformed: `File.modified_at` reads what can be read.
"""

from __future__ import annotations

from . import bounds
from .core import Role
from .declare import Element, attr, child, children, element, shape, text
from .hashes import Hash, HashUsed
from .values import UNSIGNED_LONG, UNSIGNED_SHORT, timestamp

NS = "urn:xmpp:jingle:apps:file-transfer:5"
NS_ERRORS = "urn:xmpp:jingle:apps:file-transfer:errors:0"
NS_THUMBNAILS = "urn:xmpp:thumbs:1"


@element(NS_THUMBNAILS, "thumbnail")
class Thumbnail(Element):
    """A preview."""

    uri: str = attr()
    media_type: str | None = attr(default=None)
    width: int | None = attr(default=None, within=UNSIGNED_SHORT)
    """Pixels."""

    height: int | None = attr(default=None, within=UNSIGNED_SHORT)


@element(NS, "range")
class Range(Element):
    """A part of a file; without attributes it says that parts can be asked for."""

    offset: int | None = attr(default=None, within=UNSIGNED_LONG)
    """Bytes."""

    length: int | None = attr(default=None, within=UNSIGNED_LONG)
    """Bytes; `None` is up to the end."""

    hashes: tuple[Hash, ...] = children(default=())
    """Of the part."""

    @property
    def effective_offset(self) -> int:
        """`offset`, or what its absence means (section 5)."""
        return self.offset or 0


@element(NS, "file")
class File(Element):
    """What is known about a file."""

    media_type: str | None = text("media-type", default=None, longest=bounds.KEY)
    camel_media_type: str | None = text("mediaType", default=None, longest=bounds.KEY)
    name: str | None = text("name", default=None, longest=bounds.KEY)
    """As the peer writes it: any text, `../../etc/passwd` too."""

    date: str | None = text("date", default=None, longest=bounds.KEY)
    size: int | None = text("size", default=None, within=UNSIGNED_LONG)
    """Bytes."""

    desc: str | None = text("desc", default=None)
    range: Range | None = child(default=None)
    hashes: tuple[Hash, ...] = children(default=())
    hashes_used: tuple[HashUsed, ...] = children(default=())
    thumbnails: tuple[Thumbnail, ...] = children(default=())

    @property
    def effective_media_type(self) -> str | None:
        """The media type under either spelling."""
        return self.media_type if self.media_type is not None else self.camel_media_type

    @property
    def modified_at(self) -> float | None:
        """`date` as seconds since 1970; `None` where there is none or it cannot be read."""
        return timestamp(self.date) if self.date is not None else None


@element(NS, "description")
class FileDescription(Element):
    """The file that a content is about; empty in a propose (XEP-0353) or a published offer (XEP-0358)."""

    file: File | None = child(default=None)


@shape
class AboutFile(Element):
    """The content that a session-info is about."""

    creator: Role | None = attr(default=None)
    name: str = attr()


@element(NS, "checksum")
class Checksum(AboutFile):
    """The hashes of the file that has been sent (section 8.2)."""

    file: File = child()


@element(NS, "received")
class Received(AboutFile):
    """The file has arrived."""


@element(NS_ERRORS, "file-not-available")
class FileNotAvailable(Element):
    """The file that was asked for is not there."""


@element(NS_ERRORS, "file-too-large")
class FileTooLarge(Element):
    """The file is larger than the recipient takes."""
