from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.file_transfer.metadata import (
    ByteRange,
    FileMetadata,
    file_of,
    media_type_of,
    xmpp_date,
)
from jingle.elements.core import Jingle
from jingle.elements.declare import from_string, to_string
from jingle.elements.file_transfer import File, FileDescription, Range, Received, Thumbnail
from jingle.elements.hashes import Hash, HashUsed
from jingle.errors import ApplicationFailed, RemoteProtocolError

DIGEST = bytes(range(32))
FULL = FileMetadata(
    name="test.txt",
    size=6144,
    date=1437943560.0,
    media_type="text/plain",
    description="a test",
    digests={"sha-256": DIGEST},
    algorithms=("sha-512",),
    is_ranged=True,
    range=ByteRange(offset=1024, length=100),
    thumbnails=(Thumbnail(uri="cid:sha1+x@bob.xmpp.org"),),
)


def described(inner: str) -> FileMetadata:
    ns = "urn:xmpp:jingle:apps:file-transfer:5"
    return file_of(from_string(f"<description xmlns='{ns}'><file>{inner}</file></description>"))


def test_everything_survives_the_wire() -> None:
    crossed = from_string(to_string(FileDescription(file=FULL.to_element())))
    assert file_of(crossed) == FULL


def test_nothing_at_all_survives_too() -> None:
    assert described("") == FileMetadata()
    assert FileMetadata().to_element() == File()


def test_the_offer_of_the_xep_is_read() -> None:
    read = described(
        "<date>1969-07-21T02:56:15Z</date><desc>This is a test. If this were a real file...</desc>"
        "<media-type>text/plain</media-type><name>test.txt</name><range/><size>6144</size>"
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha-1'>w0mcJylzCn+AfvuGdqkty2+KP48=</hash>"
    )
    assert (read.name, read.size, read.date, read.media_type) == ("test.txt", 6144, -14159025.0, "text/plain")
    assert read.is_ranged
    assert read.range == ByteRange()
    assert read.digests["sha-1"].hex() == "c3499c2729730a7f807efb8676a92dcb6f8a3f8f"


def test_what_deployed_clients_send_is_read() -> None:
    gajim = described("<date>2026-11-23T20:00:00+00:00Z</date><desc/><name>a</name><size>1</size>")
    assert (gajim.date, gajim.description) == (1795464000.0, None)
    conversations = described("<mediaType>image/JPEG; q=1</mediaType><name>b</name><size>2</size>")
    assert conversations.media_type == "image/jpeg"
    empty_hash = described("<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'/>")
    assert (dict(empty_hash.digests), empty_hash.algorithms) == ({}, ("sha-256",))


def test_what_makes_no_sense_is_left_out() -> None:
    read = described(
        f"<date>yesterday</date><media-type>../../x</media-type><desc>{'d' * 9000}</desc><name/>"
        "<hash-used xmlns='urn:xmpp:hashes:2' algo='rot13'/>"
    )
    assert (read.date, read.media_type, read.name, read.algorithms) == (None, None, None, ())
    assert read.description == "d" * 4096


def test_a_description_has_to_be_one() -> None:
    for other in (None, Received(name="x"), Jingle):
        with pytest.raises(RemoteProtocolError, match="needs a file transfer"):
            file_of(other)
    with pytest.raises(RemoteProtocolError, match="lacks its <file/>"):
        file_of(FileDescription())


def test_a_digest_in_the_offer_needs_no_announcement() -> None:
    written = replace(FULL, algorithms=("sha-256", "sha-512")).to_element()
    assert written.hashes == (Hash(algo="sha-256", value=DIGEST),)
    assert written.hashes_used == (HashUsed(algo="sha-512"),)


@pytest.mark.parametrize(
    ("metadata", "element"),
    [
        (FileMetadata(), None),
        (FileMetadata(is_ranged=True), Range()),
        (FileMetadata(is_ranged=True, range=ByteRange(offset=7)), Range(offset=7)),
        (FileMetadata(range=ByteRange(length=7)), Range(offset=0, length=7)),
    ],
)
def test_ranges_are_spelled(metadata: FileMetadata, element: Range | None) -> None:
    assert metadata.to_element().range == element


@pytest.mark.parametrize(
    ("wanted", "size", "end"),
    [
        (ByteRange(), 10, 10),
        (ByteRange(), 0, 0),
        (ByteRange(), None, None),
        (ByteRange(offset=10), 10, 10),
        (ByteRange(offset=3, length=4), 10, 7),
        (ByteRange(offset=3, length=0), 10, 3),
        (ByteRange(offset=3, length=4), None, 7),
        (ByteRange(offset=3), None, None),
    ],
)
def test_the_end_of_a_range(wanted: ByteRange, size: int | None, end: int | None) -> None:
    assert wanted.end(size) == end


@pytest.mark.parametrize(
    "wanted", [ByteRange(offset=11), ByteRange(offset=3, length=8), ByteRange(offset=2**64 - 1, length=2**64 - 1)]
)
def test_a_range_beyond_the_file_is_refused(wanted: ByteRange) -> None:
    with pytest.raises(ApplicationFailed) as caught:
        wanted.end(10)
    assert caught.value.reason == "incompatible-parameters"


@given(st.integers(0, 2**64 - 1), st.none() | st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_no_range_leaves_the_file(offset: int, length: int | None, size: int) -> None:
    wanted = ByteRange.of(Range(offset=offset, length=length))
    try:
        end = wanted.end(size)
    except ApplicationFailed:
        assert offset > size or (length is not None and offset + length > size)
    else:
        assert end is not None
        assert 0 <= offset <= end <= size


SAME = replace(FULL, range=ByteRange(), is_ranged=False, algorithms=())


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (SAME, True),
        (replace(SAME, date=1437943560.9), True),
        (replace(SAME, description=None, media_type=None), True),
        (replace(SAME, digests={}), True),
        (replace(SAME, digests={"sha-1": bytes(20)}), True),
        (replace(SAME, digests={"sha-256": bytes(32)}), False),
        (replace(SAME, name="other"), False),
        (replace(SAME, size=6145), False),
        (replace(SAME, date=1437943561.0), False),
        (replace(SAME, date=None), False),
    ],
)
def test_what_counts_as_the_same_file(other: FileMetadata, is_same: bool) -> None:
    assert SAME.is_same_file(other) is is_same
    assert other.is_same_file(SAME) is is_same


def test_without_a_date_only_a_digest_tells() -> None:
    undated = replace(SAME, date=None)
    assert undated.is_same_file(undated)
    assert not replace(undated, digests={}).is_same_file(undated)
    for missing in ({"name": None}, {"size": None}):
        unknown = replace(SAME, **missing)  # type: ignore[arg-type]
        assert not unknown.is_same_file(unknown)


@pytest.mark.parametrize(
    ("other", "contradicts"),
    [
        (SAME, False),
        (FileMetadata(), False),
        (replace(SAME, name="other"), False),
        (replace(SAME, size=1), True),
        (replace(SAME, date=1.0), True),
        (replace(SAME, digests={"sha-256": bytes(32)}), True),
        (replace(SAME, digests={"sha-1": bytes(20)}), False),
    ],
)
def test_what_contradicts(other: FileMetadata, contradicts: bool) -> None:
    assert SAME.contradicts(other) is contradicts
    assert other.contradicts(SAME) is contradicts


def test_what_one_does_not_say_the_other_does() -> None:
    assert FileMetadata(is_ranged=True).or_else(SAME) == replace(SAME, is_ranged=True, description=None, thumbnails=())
    assert SAME.or_else(FileMetadata(name="x", size=1, date=2.0, media_type="a/b", digests={"sha-1": b"1"})) == replace(
        SAME, digests={"sha-256": DIGEST, "sha-1": b"1"}
    )


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        (FileMetadata(), False),
        (FileMetadata(date=1437943560.0), False),
        (FileMetadata(name="test.txt"), True),
        (FileMetadata(name="test.txt", size=6144, media_type="text/plain"), True),
        (FileMetadata(digests={"sha-256": DIGEST}), True),
        (FileMetadata(digests={"sha-256": bytes(32)}), False),
        (FileMetadata(name="test.txt", digests={"sha-1": bytes(20)}), True),
        (FileMetadata(name="test.txt", size=1), False),
        (FileMetadata(name="../test.txt"), False),
        (FileMetadata(media_type="image/png"), False),
    ],
)
def test_what_a_selector_means(selector: FileMetadata, selects: bool) -> None:
    assert selector.selects(FULL) is selects


@pytest.mark.parametrize(
    ("date", "text"),
    [
        (0.0, "1970-01-01T00:00:00Z"),
        (1437943560.9, "2015-07-26T20:46:00Z"),
        (1e18, "9999-12-31T23:59:59Z"),
        (-1e18, "1000-01-01T00:00:00Z"),
    ],
)
def test_dates_are_spelled(date: float, text: str) -> None:
    assert xmpp_date(date) == text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", "text/plain"),
        ("a.JPG", "image/jpeg"),
        ("a.tar.gz", "application/gzip"),
        ("a.csv.xz", "application/x-xz"),
        ("a.unheard-of", None),
        ("README", None),
    ],
)
def test_media_types_are_guessed(name: str, kind: str | None) -> None:
    assert media_type_of(name) == kind
