from __future__ import annotations

import errno
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from jingle.applications.file_transfer import storage
from jingle.applications.file_transfer.digests import Digester
from jingle.applications.file_transfer.metadata import FileMetadata
from jingle.applications.file_transfer.sidecar import Sidecar
from jingle.applications.file_transfer.storage import PartFile, Target
from jingle.errors import ApplicationFailed

TEN = FileMetadata(name="report.pdf", size=10, date=1000.0, is_ranged=True)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def begin(folder: Path, metadata: FileMetadata = TEN, data: bytes = b"", **options: object) -> PartFile:
    part = PartFile(Target(folder=folder, **options), metadata, "romeo")  # type: ignore[arg-type]
    part.claim()
    part.open()
    if data:
        assert part.write(memoryview(data)) == len(data)
    return part


def left(folder: Path, data: bytes = b"01234", metadata: FileMetadata = TEN) -> None:
    begin(folder, metadata, data).close()


def offset_found(folder: Path, metadata: FileMetadata = TEN, origin: str = "romeo") -> int:
    part = PartFile(Target(folder=folder), metadata, origin)
    try:
        return part.claim()
    finally:
        part.close()


def finish(folder: Path, metadata: FileMetadata = TEN, data: bytes = b"0123456789", **options: object) -> Path:
    return begin(folder, metadata, data, **options).publish()


def test_a_file_appears_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    part = begin(tmp_path, data=b"01234")
    assert names(tmp_path) == ["report.pdf.part", "report.pdf.part.json"]
    part.write(memoryview(b"56789"))
    path = part.publish()
    part.close()
    assert names(tmp_path) == ["report.pdf"]
    assert path == tmp_path / "report.pdf"
    assert path.read_bytes() == b"0123456789"


def test_nothing_is_made_before_it_starts(tmp_path: Path) -> None:
    part = PartFile(Target(folder=tmp_path / "new"), TEN)
    assert part.claim() == 0
    part.close()
    assert list(tmp_path.iterdir()) == []


def test_what_brought_nothing_leaves_nothing(tmp_path: Path) -> None:
    begin(tmp_path).close()
    begin(tmp_path, replace(TEN, size=0)).close()
    assert names(tmp_path) == []


def test_an_attempt_is_continued(tmp_path: Path) -> None:
    left(tmp_path)
    part = PartFile(Target(folder=tmp_path), TEN, "romeo")
    assert part.claim() == 5
    part.open()
    digester = Digester(["sha-256"])
    part.rehash(digester, memoryview(bytearray(2)), lambda: False)
    whole = Digester(["sha-256"])
    whole.update(b"01234")
    assert digester.digests() == whole.digests()
    part.write(memoryview(b"56789"))
    assert part.publish().read_bytes() == b"0123456789"
    assert names(tmp_path) == ["report.pdf"]


@pytest.mark.parametrize(
    ("metadata", "origin"),
    [
        (replace(TEN, size=11), "romeo"),
        (replace(TEN, date=1001.0), "romeo"),
        (replace(TEN, date=None), "romeo"),
        (TEN, "tybalt"),
    ],
)
def test_another_file_or_sender_begins_anew_and_costs_nothing_that_is_there(
    tmp_path: Path, metadata: FileMetadata, origin: str
) -> None:
    left(tmp_path)
    part = PartFile(Target(folder=tmp_path), metadata, origin)
    assert part.claim() == 0
    part.open()
    part.write(memoryview(b"new"))
    assert (tmp_path / "report.pdf.part").read_bytes() == b"01234"
    assert part.publish() == tmp_path / "report.pdf"
    assert offset_found(tmp_path) == 5


def test_digests_decide_where_both_are_known(tmp_path: Path) -> None:
    hashed = replace(TEN, digests={"sha-256": bytes(32)})
    left(tmp_path, metadata=hashed)
    for metadata, offset in ((replace(TEN, digests={"sha-256": bytes([1] * 32)}), 0), (hashed, 5), (TEN, 5)):
        assert offset_found(tmp_path, metadata) == offset


def test_a_damaged_file_stays_apart_and_is_never_continued(tmp_path: Path) -> None:
    part = begin(tmp_path, data=b"0123456789")
    part.mark_damaged()
    part.close()
    assert names(tmp_path) == ["report.pdf.part", "report.pdf.part.json"]
    assert offset_found(tmp_path) == 0
    assert finish(tmp_path) == tmp_path / "report.pdf"
    assert (tmp_path / "report.pdf.part").read_bytes() == b"0123456789"


def test_two_transfers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    left(tmp_path)
    first = begin(tmp_path, data=b"56")
    second = begin(tmp_path, data=b"abc")
    assert (first.offset, second.offset) == (7, 3)
    first.write(memoryview(b"789"))
    second.write(memoryview(b"defghij"))
    assert first.publish().read_bytes() == b"0123456789"
    assert second.publish().name == "report (2).pdf"
    assert names(tmp_path) == ["report (2).pdf", "report.pdf"]


def test_an_attempt_behind_others_that_are_complete_is_found(tmp_path: Path) -> None:
    first, second = begin(tmp_path, data=b"01234"), begin(tmp_path, data=b"0123")
    second.close()
    first.publish()
    assert names(tmp_path) == ["report (2).pdf.part", "report (2).pdf.part.json", "report.pdf"]
    assert offset_found(tmp_path) == 4


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"mine")
    (tmp_path / "report (2).pdf").symlink_to(tmp_path / "nowhere")
    assert finish(tmp_path).name == "report (3).pdf"
    assert (tmp_path / "report.pdf").read_bytes() == b"mine"
    assert finish(tmp_path, overwrites=True).name == "report.pdf"
    assert (tmp_path / "report.pdf").read_bytes() == b"0123456789"
    (tmp_path / "report.pdf").unlink()
    (tmp_path / "report.pdf").mkdir()
    part = begin(tmp_path, data=b"x", overwrites=True)
    with pytest.raises(ApplicationFailed, match="cannot be stored"):
        part.publish()
    part.close()


def test_a_file_of_the_users_that_looks_like_a_part_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "report.pdf.part").write_bytes(b"mine")
    assert finish(tmp_path) == tmp_path / "report.pdf"
    (tmp_path / "report.pdf.part.json").write_text("not json")
    assert finish(tmp_path) == tmp_path / "report (2).pdf"
    assert (tmp_path / "report.pdf.part").read_bytes() == b"mine"


def test_an_attempt_that_ended_before_its_first_byte_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "report.pdf.part").touch()
    part = begin(tmp_path, data=b"x")
    part.close()
    assert part.offset == 1
    assert names(tmp_path) == ["report.pdf.part", "report.pdf.part.json"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    victim = outside / "victim"
    victim.touch()
    (inside / "report.pdf.part").symlink_to(victim)
    (inside / "folder").symlink_to(outside)
    assert finish(inside) == inside / "report.pdf"
    assert victim.read_bytes() == b""
    part = PartFile(Target(folder=inside), replace(TEN, name="folder/victim"))
    assert part.claim() == 0
    with pytest.raises(ApplicationFailed, match="folder of that name"):
        part.open()
    assert names(outside) == ["victim"]


def test_folders_are_made_inside_the_target(tmp_path: Path) -> None:
    relative = replace(TEN, name="holiday/day 1/sea.jpg")
    assert finish(tmp_path, relative) == tmp_path / "holiday" / "day 1" / "sea.jpg"
    assert finish(tmp_path, relative, keeps_folders=False) == tmp_path / "sea.jpg"
    assert finish(tmp_path, replace(TEN, name="../../up"), name="mine.txt") == tmp_path / "mine.txt"
    (tmp_path / "taken").touch()
    with pytest.raises(ApplicationFailed, match="folder of that name"):
        begin(tmp_path, replace(TEN, name="taken/x"))
    left(tmp_path, metadata=relative)
    assert offset_found(tmp_path, relative) == 5


def test_a_target_is_a_folder_or_a_file(tmp_path: Path) -> None:
    assert Target.at(tmp_path, max_size=5) == Target(folder=tmp_path, max_size=5)
    assert Target.at(tmp_path / "x.pdf", overwrites=True) == Target(folder=tmp_path, name="x.pdf", overwrites=True)


def test_a_file_that_is_too_large_is_refused() -> None:
    target = Target(folder=Path(), max_size=10)
    target.check_size(10)
    with pytest.raises(ApplicationFailed) as caught:
        target.check_size(11)
    assert (caught.value.reason, caught.value.condition) == ("media-error", "file-too-large")


def test_a_full_disk_is_seen_before_a_byte_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ApplicationFailed, match="not enough space") as caught:
        begin(tmp_path, free_space=lambda folder: 9)
    assert caught.value.condition == "file-too-large"
    assert names(tmp_path) == []
    left(tmp_path)
    begin(tmp_path, free_space=lambda folder: 5).close()


class FullDisk(io.FileIO):
    """Takes a few bytes, the last of them as part of a larger write, and then says why it takes no more."""

    room = 7
    why = errno.ENOSPC

    def write(self, data: object) -> int:
        part = memoryview(data)[: self.room]  # type: ignore[arg-type]
        if not part:
            raise OSError(self.why, os.strerror(self.why))
        self.room -= len(part)
        return super().write(part)


def full_disk(path: Path, flags: int) -> io.FileIO:
    return FullDisk(str(path), "r+", opener=lambda name, _: os.open(name, flags))


@pytest.mark.parametrize("why", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_is_full_ends_it_in_words_for_the_sender(
    tmp_path: Path, why: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FullDisk, "why", why)
    part = begin(tmp_path, open_file=full_disk)
    with pytest.raises(ApplicationFailed, match="no space left") as caught:
        part.write(memoryview(b"0123456789"))
    assert (caught.value.reason, caught.value.condition) == ("media-error", "file-too-large")
    assert str(tmp_path) not in caught.value.text
    with pytest.raises(ApplicationFailed, match="no space left"):
        part.write(memoryview(b"behind the gap"))
    part.close()
    assert (tmp_path / "report.pdf.part").read_bytes() == b"0123456"
    assert offset_found(tmp_path) == 7


def test_a_disk_that_says_no_is_told_without_its_paths(tmp_path: Path) -> None:
    def refuse(path: Path, flags: int) -> io.FileIO:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with pytest.raises(ApplicationFailed) as caught:
        begin(tmp_path, open_file=refuse)
    assert (caught.value.reason, caught.value.condition) == ("failed-application", None)
    assert caught.value.text == "the file cannot be stored here"
    assert isinstance(caught.value.__cause__, PermissionError)
    (tmp_path / "file").touch()
    with pytest.raises(ApplicationFailed, match="cannot be stored"):
        begin(tmp_path / "file")
    left(tmp_path)
    part = PartFile(Target(folder=tmp_path, open_file=refuse), TEN, "romeo")
    assert part.claim() == 0


def test_a_disk_without_hard_links_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(one: Path, other: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert finish(tmp_path).name == "report.pdf"
    assert finish(tmp_path).name == "report (2).pdf"
    assert names(tmp_path) == ["report (2).pdf", "report.pdf"]

    def broken(one: Path, other: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", broken)
    part = begin(tmp_path, data=b"x")
    with pytest.raises(ApplicationFailed, match="cannot be stored"):
        part.publish()
    part.close()


def test_there_is_an_end_to_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MOST_NUMBERS", 2)
    finish(tmp_path)
    finish(tmp_path)
    third = begin(tmp_path, data=b"x")
    with pytest.raises(ApplicationFailed, match="too many files"):
        third.publish()
    fourth = begin(tmp_path, data=b"x")
    with pytest.raises(ApplicationFailed, match="too many files"):
        begin(tmp_path)
    third.close()
    fourth.close()


def test_a_durable_file_has_reached_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append((tmp_path / "report.pdf").exists()))
    finish(tmp_path, is_durable=True)
    assert synced == [False, True]
    finish(tmp_path)
    assert len(synced) == 2


def test_a_part_that_shrinks_is_noticed(tmp_path: Path) -> None:
    left(tmp_path)
    part = begin(tmp_path)
    os.truncate(tmp_path / "report.pdf.part", 2)
    with pytest.raises(ApplicationFailed, match="not there any more"):
        part.rehash(Digester([]), memoryview(bytearray(10)), lambda: False)
    part.close()


def test_hashing_what_is_there_can_be_given_up(tmp_path: Path) -> None:
    left(tmp_path)
    part, digester = begin(tmp_path), Digester(["sha-256"])
    part.rehash(digester, memoryview(bytearray(1)), lambda: True)
    assert digester.digests() == Digester(["sha-256"]).digests()
    part.close()


def test_a_part_that_was_finished_by_another_is_not_written_to(tmp_path: Path) -> None:
    left(tmp_path)
    part = tmp_path / "report.pdf.part"
    late = PartFile(Target(folder=tmp_path, open_file=lambda path, flags: overtaken(path, flags, part)), TEN, "romeo")
    assert late.claim() == 0
    assert (tmp_path / "report.pdf").read_bytes() == b"01234"


def overtaken(path: Path, flags: int, part: Path) -> io.FileIO:
    """Open a file, and have another process finish it right after."""
    file = storage.open_file(path, flags)
    part.rename(part.with_suffix(""))
    return file


def test_a_part_that_vanishes_while_it_is_looked_at_is_no_obstacle(tmp_path: Path) -> None:
    """Another transfer has just given it its name."""

    def too_late(path: Path, flags: int) -> io.FileIO:
        if flags & os.O_EXCL and path.name == "report.pdf.part":
            raise FileExistsError
        return storage.open_file(path, flags)

    assert finish(tmp_path, open_file=too_late).read_bytes() == b"0123456789"
    assert names(tmp_path) == ["report.pdf"]


def test_a_part_that_another_takes_before_it_is_locked_is_the_others(tmp_path: Path) -> None:
    """Two files of one name begin at the same moment; neither gets bytes of the other."""
    others: list[PartFile] = []

    def slow(path: Path, flags: int) -> io.FileIO:
        file = storage.open_file(path, flags)
        if not others:
            others.append(begin(tmp_path, replace(TEN, size=3), b"abc"))
        return file

    mine = begin(tmp_path, open_file=slow)
    (other,) = others
    mine.write(memoryview(b"0123456789"))
    assert other.publish().read_bytes() == b"abc"
    assert mine.publish().read_bytes() == b"0123456789"
    assert names(tmp_path) == ["report (2).pdf", "report.pdf"]


def test_whoever_takes_the_part_of_a_finished_file_keeps_its_sidecar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(tmp_path, data=b"0123456789")
    unlink, others = os.unlink, list[PartFile]()

    def then_another_comes(path: Path) -> None:
        unlink(path)
        if path.name == "report.pdf.part":
            others.append(begin(tmp_path, replace(TEN, size=7), b"abc"))

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", then_another_comes)
        first.publish()
    others[0].close()
    assert offset_found(tmp_path, replace(TEN, size=7)) == 3


def test_a_part_that_is_larger_than_its_file_is_not_continued(tmp_path: Path) -> None:
    left(tmp_path, b"x" * 11)
    assert offset_found(tmp_path) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        '{"version": 2}',
        '{"version": 1}',
        "[" * 100_000,
        '{"version":1,"name":"n","size":"x","date":1,"digests":{},"origin":"","damaged":false}',
        '{"version":1,"name":"n","size":1,"date":Infinity,"digests":{},"origin":"","damaged":false}',
        '{"version":1,"name":"n","size":1,"date":NaN,"digests":{},"origin":"","damaged":false}',
        '{"version":1,"name":"n","size":1,"date":1,"digests":{"sha-1":"zz"},"origin":"","damaged":false}',
        '{"version":1,"name":"n","size":1,"date":1,"digests":[],"origin":"","damaged":false}',
    ],
)
def test_a_sidecar_that_makes_no_sense_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    assert Sidecar.read(path) is None


def test_a_sidecar_is_read_as_it_was_written(tmp_path: Path) -> None:
    for metadata in (TEN, replace(TEN, name=None, date=None, digests={"sha-256": bytes(32)})):
        sidecar = Sidecar(metadata=replace(metadata, is_ranged=False), origin="romeo@montague.example")
        for each in (sidecar, sidecar.as_damaged()):
            each.write(tmp_path / "x")
            assert Sidecar.read(tmp_path / "x") == each
    assert json.loads((tmp_path / "x").read_text())["damaged"] is True
    assert names(tmp_path) == ["x"]


def test_no_sidecar_is_none(tmp_path: Path) -> None:
    assert Sidecar.read(tmp_path / "missing") is None
