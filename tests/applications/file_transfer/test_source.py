from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest

from jingle.applications.file_transfer.digests import Digester
from jingle.applications.file_transfer.source import SMALL, OutgoingFile, Reader, files_of, read_if_small
from jingle.errors import ApplicationFailed, MediaError


def read_all(file: OutgoingFile, offset: int = 0) -> bytes:
    digester = Digester(["sha-256"])
    reader = Reader(file, digester)
    reader.open(offset)
    buffer = memoryview(bytearray(1000))
    count = reader.read(buffer, is_whole=False)
    reader.close()
    reader.close()
    assert digester.digests()["sha-256"] == hashlib.sha256(buffer[:count]).digest()
    return bytes(buffer[:count])


def test_a_path_tells_what_there_is_to_tell(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"x" * 100)
    os.utime(path, (1437943560, 1437943560))
    link = tmp_path / "link"
    link.symlink_to(path)
    file = OutgoingFile.from_path(path, description="the sea", digests={"sha-1": bytes(20)})
    told = file.metadata
    assert (told.name, told.size, told.date, told.media_type) == ("holiday.jpg", 100, 1437943560.0, "image/jpeg")
    assert (told.description, told.is_ranged, dict(told.digests)) == ("the sea", True, {"sha-1": bytes(20)})
    assert read_all(file) == b"x" * 100
    assert read_all(file, 60) == b"x" * 40
    assert OutgoingFile.from_path(str(link)).metadata.size == 100
    assert OutgoingFile.from_path(path, name="other.png").metadata.media_type == "image/png"
    assert file.named("sub/dir.jpg").metadata.name == "sub/dir.jpg"


def test_what_cannot_be_sent(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path, Path("/dev/null"), Path("nul\x00")):
        with pytest.raises(MediaError):
            OutgoingFile.from_path(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MediaError, match="not a regular file"):
        OutgoingFile.from_path(tmp_path / "pipe")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read anything
    with pytest.raises(MediaError, match="permission denied"):
        OutgoingFile.from_path(path)


def test_an_open_file_is_sent_whole_and_left_open() -> None:
    file = io.BytesIO(b"hello")
    file.read(2)
    outgoing = OutgoingFile.from_object(file, name="greeting.txt", date=5.0, description="d")
    assert (outgoing.metadata.size, outgoing.metadata.is_ranged) == (5, True)
    assert read_all(outgoing) == b"hello"
    assert read_all(outgoing, 3) == b"lo"
    assert not file.closed


def test_a_pipe_has_no_size_and_no_ranges() -> None:
    reading, writing = os.pipe()
    with open(writing, "wb") as write, open(reading, "rb", buffering=0) as read:
        write.write(b"through")
        write.close()
        outgoing = OutgoingFile.from_object(read, name="stdin")
        assert (outgoing.metadata.size, outgoing.metadata.is_ranged) == (None, False)
        assert read_all(outgoing) == b"through"


def test_what_is_no_open_binary_file() -> None:
    with pytest.raises(MediaError, match="not a binary file"):
        OutgoingFile.from_object(io.StringIO("text"), name="x")  # type: ignore[arg-type]
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(MediaError, match="closed"):
        OutgoingFile.from_object(closed, name="x")


def test_a_folder_goes_as_its_files(tmp_path: Path) -> None:
    top = tmp_path / "holiday"
    (top / "day 2" / "empty").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "day 2/c.txt"):
        (top / name).write_text(name)
    (top / "circle").symlink_to(top)
    (top / "link.txt").symlink_to(top / "a.txt")
    names = ["holiday/a.txt", "holiday/b.txt", "holiday/link.txt", "holiday/day 2/c.txt"]
    files = list(files_of(top))
    assert [file.metadata.name for file in files] == names
    assert [read_all(file) for file in files] == [b"a.txt", b"b.txt", b"a.txt", b"day 2/c.txt"]
    assert [file.metadata.name for file in files_of(f"{top}/day 2/..")] == names
    assert [file.metadata.name for file in files_of(top / "a.txt")] == ["a.txt"]


def test_the_folder_one_is_in_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a").touch()
    monkeypatch.chdir(tmp_path / "here")
    assert [file.metadata.name for file in files_of(".")] == ["here/a"]


def test_a_folder_that_cannot_be_read_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()

    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(MediaError, match="Permission denied"):
        list(files_of(tmp_path))


def test_a_file_that_changes_after_the_offer_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    file = OutgoingFile.from_path(path)
    reader = Reader(file, Digester([]))
    reader.open(0)
    os.truncate(path, 3)
    with pytest.raises(ApplicationFailed, match="shorter") as short:
        reader.read(memoryview(bytearray(5)), is_whole=True)
    assert short.value.reason == "media-error"
    reader.close()
    changed = Reader(file, Digester([]))
    with pytest.raises(ApplicationFailed, match="changed since"):
        changed.open(0)
    changed.close()
    path.unlink()
    with pytest.raises(ApplicationFailed) as gone:
        Reader(file, Digester([])).open(0)
    assert gone.value.condition == "file-not-available"
    assert str(tmp_path) not in gone.value.text


def test_a_file_closed_by_its_owner_is_noticed() -> None:
    owned = io.BytesIO(b"x" * 10)
    reader = Reader(OutgoingFile.from_object(owned, name="x"), Digester([]))
    reader.open(0)
    owned.close()
    with pytest.raises(ApplicationFailed, match="cannot be read"):
        reader.read(memoryview(bytearray(5)), is_whole=True)


def test_hashing_what_the_peer_has_can_be_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 100)
    asked = iter([False, False, True])
    digester = Digester(["sha-256"])
    reader = Reader(OutgoingFile.from_path(path), digester)
    reader.open(0)
    reader.hash(100, memoryview(bytearray(10)), lambda: next(asked))
    reader.close()
    assert digester.digests()["sha-256"] == hashlib.sha256(b"x" * 20).digest()


def test_a_small_file_is_read_once_and_offered_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_bytes(b"as it was offered")
    file = read_if_small(OutgoingFile.from_path(path, description="a note"), ["sha-256", "sha-1"])
    path.write_bytes(b"changed")
    assert dict(file.metadata.digests) == {
        "sha-256": hashlib.sha256(b"as it was offered").digest(),
        "sha-1": hashlib.sha1(b"as it was offered").digest(),
    }
    assert (file.metadata.name, file.metadata.size, file.metadata.description) == ("note.txt", 17, "a note")
    assert read_all(file) == read_all(file) == b"as it was offered"
    assert read_all(file, 3) == b"it was offered"
    empty = tmp_path / "empty"
    empty.touch()
    assert read_if_small(OutgoingFile.from_path(empty), ["sha-256"]).metadata.digests == {
        "sha-256": hashlib.sha256(b"").digest()
    }


def test_other_files_are_offered_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(SMALL))
    known = OutgoingFile.from_path(path, digests={"sha-1": bytes(20)})
    assert read_if_small(known, ["sha-256"]) is known
    fits = OutgoingFile.from_path(path)
    assert read_if_small(fits, ["sha-256"]) is not fits
    path.write_bytes(bytes(SMALL + 1))
    assert read_if_small(fits, ["sha-256"]) is fits  # it has grown meanwhile
    large = OutgoingFile.from_path(path)
    assert read_if_small(large, ["sha-256"]) is large
    path.unlink()
    assert read_if_small(fits, ["sha-256"]) is fits
    closed = io.BytesIO(b"abc")
    borrowed = OutgoingFile.from_object(closed, name="borrowed")
    closed.close()
    assert read_if_small(borrowed, ["sha-256"]) is borrowed
    unknown = OutgoingFile.from_object(Endless(), name="endless")
    assert read_if_small(unknown, ["sha-256"]) is unknown


class Endless:
    """It cannot tell how long it is."""

    def readinto(self, buffer: memoryview) -> int:
        raise AssertionError

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError
