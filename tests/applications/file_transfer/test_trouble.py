"""Peers that lie, connections that break, disks that are full, people who change their mind."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import os
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jingle.applications.file_transfer.metadata import FileMetadata
from jingle.applications.file_transfer.receiver import FileReceiver
from jingle.applications.file_transfer.source import OutgoingFile
from jingle.applications.file_transfer.storage import Target
from jingle.applications.file_transfer.transfer import FileResult
from jingle.elements.declare import to_string
from jingle.elements.file_transfer import Checksum, File, FileDescription, FileTooLarge, Range
from jingle.elements.hashes import Hash, HashUsed
from jingle.errors import ApplicationFailed, JingleError, SessionEnded, TransportFailed
from jingle.testing.byte_streams import MemoryByteStream, memory_pair

from .exchange import NAME, QUICK, Exchange, crossed, names, no_threads, outcome, until
from .test_storage import full_disk
from .test_transfer import HASH_USED, Receiving, checksum

DATA = random.Random(2).randbytes(2_000_000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "from").mkdir()
    path = tmp_path / "from" / "report.pdf"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


async def failure_of(peer: Receiving) -> ApplicationFailed:
    failure = await outcome(peer.receiver)
    await peer.receiver.stop("media-error")
    assert isinstance(failure, ApplicationFailed)
    assert peer.seen.failed == [failure]
    assert peer.seen.reason == failure.reason
    assert no_threads()
    return failure


# Lies


@pytest.mark.parametrize("where", ["offer", "checksum"])
async def test_a_wrong_digest_keeps_the_file_apart(inbox: Path, where: str) -> None:
    wrong = Hash(algo="sha-256", value=hashlib.sha256(b"other").digest())
    offered: dict[str, Any] = {"hashes": (wrong,)} if where == "offer" else {"hashes_used": HASH_USED}
    peer = Receiving(inbox, File(name="a.txt", size=5, **offered))
    if where == "checksum":
        peer.receiver.info(Checksum(name=NAME, file=File(hashes=(wrong,))))
    await peer.feed(b"hello")
    failure = await failure_of(peer)
    assert failure.reason == "media-error"
    assert "damaged" in failure.text
    assert names(inbox) == ["a.txt.part", "a.txt.part.json"]
    assert (inbox / "a.txt.part").read_bytes() == b"hello"


async def test_a_checksum_cannot_make_a_wrong_digest_right(inbox: Path) -> None:
    offered = Hash(algo="sha-256", value=hashlib.sha256(b"other").digest())
    peer = Receiving(inbox, File(name="a.txt", size=5, hashes=(offered,)))
    peer.receiver.info(checksum(b"hello"))
    await peer.feed(b"hello")
    assert (await failure_of(peer)).reason == "media-error"


@pytest.mark.parametrize("size", [0, 5, 524_288, 1_048_576])
async def test_a_sender_of_more_than_it_said_is_caught(inbox: Path, size: int) -> None:
    peer = Receiving(inbox, File(name="a.txt", size=size, hashes_used=HASH_USED))
    await peer.feed(DATA[: size + 1])
    failure = await failure_of(peer)
    assert (failure.reason, failure.condition) == ("media-error", "file-too-large")
    assert peer.seen.reasons[0].extra == (FileTooLarge(),)
    assert "a.txt" not in names(inbox)


async def test_a_sender_of_more_that_takes_its_time_is_caught_too(inbox: Path) -> None:
    peer = Receiving(inbox, File(name="a.txt", size=5, hashes_used=HASH_USED))
    await peer.feed(b"hello")
    await asyncio.sleep(0.02)
    await peer.ours.send(b"!")
    assert (await failure_of(peer)).condition == "file-too-large"


async def test_a_sender_of_less_than_it_said_is_caught(inbox: Path) -> None:
    peer = Receiving(inbox, File(name="a.txt", size=5, hashes_used=HASH_USED))
    await peer.feed(b"hell", ends=True)
    failure = await failure_of(peer)
    assert failure.reason == "media-error"
    assert "1 bytes too early" in failure.text
    assert (inbox / "a.txt.part").read_bytes() == b"hell"


async def test_a_file_that_is_too_large_is_refused_before_it_is_taken(inbox: Path) -> None:
    receiver = FileReceiver(Target(folder=inbox, max_size=4), name=NAME)
    with pytest.raises(ApplicationFailed) as caught:
        receiver.answer(FileDescription(file=File(name="a", size=5)))
    assert (caught.value.reason, caught.value.condition) == ("media-error", "file-too-large")
    await receiver.stop()
    assert names(inbox) == []


async def test_a_file_of_unknown_size_is_cut_off_at_the_limit(inbox: Path) -> None:
    receiver = FileReceiver(Target(folder=inbox, max_size=10), name=NAME, timing=QUICK)
    receiver.answer(FileDescription(file=File(name="a")))
    ours, theirs = memory_pair()
    await receiver.start(theirs)
    await ours.send(b"hello world")
    failure = await outcome(receiver)
    assert isinstance(failure, ApplicationFailed)
    assert failure.condition == "file-too-large"
    await receiver.stop()


async def test_a_part_of_a_file_is_no_file(inbox: Path) -> None:
    for part in (Range(offset=2, length=2), Range(length=4), Range(offset=6), Range(length=6)):
        receiver = FileReceiver(Target(folder=inbox), name=NAME)
        with pytest.raises(ApplicationFailed) as caught:
            receiver.answer(FileDescription(file=File(name="a", size=5, range=part)))
        assert caught.value.reason == "incompatible-parameters"
        await receiver.stop()


async def test_a_range_beyond_the_file_is_refused(source: Path) -> None:
    exchange = Exchange(source, Path("unused"))
    for part in (Range(offset=len(DATA) + 1), Range(offset=1, length=len(DATA)), Range(length=2**64 - 1)):
        with pytest.raises(ApplicationFailed) as caught:
            exchange.sender.accepted(FileDescription(file=File(range=part)))
        assert caught.value.reason == "incompatible-parameters"
    await exchange.sender.stop()
    exchange = Exchange(OutgoingFile(metadata=FileMetadata(name="pipe"), open=io.BytesIO), Path("unused"))
    with pytest.raises(ApplicationFailed, match="from its beginning only"):
        exchange.sender.accepted(FileDescription(file=File(range=Range(offset=1))))
    await exchange.sender.stop()


def test_a_stranger_costs_no_disk_and_learns_nothing(inbox: Path) -> None:
    async def asked() -> str:
        receiver = FileReceiver(name=NAME, origin="tybalt")
        offer = File(name="a", size=5, date="2026-11-23T20:00:00Z", range=Range())
        told = receiver.answer(FileDescription(file=offer))
        await receiver.stop("decline")
        return to_string(told)

    inbox.mkdir()
    told = asyncio.run(asked())
    assert names(inbox) == []
    (inbox / "a.part").write_bytes(b"mine")
    assert asyncio.run(asked()) == told


def test_a_target_is_looked_into_and_not_written_to_before_the_start(inbox: Path) -> None:
    async def chosen() -> None:
        receiver = FileReceiver(name=NAME)
        receiver.answer(FileDescription(file=File(name="x/a", size=5)))
        receiver.choose(Target(folder=inbox))
        receiver.choose(Target(folder=inbox, name="b"))
        await receiver.stop("cancel")

    asyncio.run(chosen())
    assert names(inbox) == []


# Files that change, disks that are full


async def test_a_file_that_is_not_what_the_offer_said_is_not_sent_to_its_end(source: Path, inbox: Path) -> None:
    file = OutgoingFile.from_path(source, digests={"sha-256": hashlib.sha256(b"other").digest()})
    exchange = Exchange(file, inbox)
    sent, received = await exchange.run()
    assert isinstance(sent, ApplicationFailed)
    assert (sent.reason, exchange.sending.reason) == ("media-error", "media-error")
    assert isinstance(received, SessionEnded)
    assert "report.pdf" not in names(inbox)


@pytest.mark.parametrize("change", [lambda path: os.truncate(path, 5), lambda path: path.unlink()])
async def test_a_file_that_is_gone_ends_the_session(source: Path, inbox: Path, change: Any) -> None:
    exchange = Exchange(source, inbox)
    exchange.negotiate()
    change(source)
    await exchange.start()
    sent, received = await exchange.results()
    assert isinstance(sent, ApplicationFailed)
    assert isinstance(received, SessionEnded)
    await exchange.terminate("")
    assert names(inbox) == []


async def test_a_full_disk_ends_with_words_that_the_sender_understands(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, Target(folder=inbox, open_file=full_disk))
    sent, received = await exchange.run()
    assert isinstance(received, ApplicationFailed)
    [reason] = exchange.receiving.reasons
    assert (reason.condition.value, reason.text) == ("media-error", "there is no space left for the file")
    assert reason.extra == (FileTooLarge(),)
    assert isinstance(sent, SessionEnded)
    assert sent.reason == "media-error"
    assert (inbox / "report.pdf.part").stat().st_size == 7


async def test_a_folder_that_may_not_be_written_to(source: Path, inbox: Path) -> None:
    def refuse(path: Path, flags: int) -> io.FileIO:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    exchange = Exchange(source, Target(folder=inbox, open_file=refuse))
    sent, received = await exchange.run()
    [reason] = exchange.receiving.reasons
    assert (reason.condition.value, reason.text) == ("failed-application", "the file cannot be stored here")
    assert isinstance(received, ApplicationFailed)
    assert names(inbox) == []


# Ends in between


@pytest.mark.parametrize("after", [1, 100_000, 500_000])
async def test_a_transfer_can_be_cancelled_at_any_time(source: Path, inbox: Path, after: int) -> None:
    before = set(os.listdir("/proc/self/fd"))
    exchange = Exchange(source, inbox)
    exchange.negotiate()
    await exchange.start(capacity=1000)
    assert exchange.streams is not None
    theirs = exchange.streams[1]
    await until(lambda: theirs.received >= after)
    await exchange.terminate("cancel")
    sent, received = await exchange.results()
    assert isinstance(sent, SessionEnded)
    assert isinstance(received, SessionEnded)
    assert sent.reason == received.reason == "cancel"
    assert exchange.sending.reasons == exchange.receiving.reasons == []
    assert names(inbox) == ["report.pdf.part", "report.pdf.part.json"]
    got = (inbox / "report.pdf.part").read_bytes()
    assert 0 < len(got) < len(DATA)
    assert DATA.startswith(got)
    assert no_threads()
    assert set(os.listdir("/proc/self/fd")) == before
    await exchange.sender.stop("cancel")


async def test_a_transfer_can_be_stopped_before_it_starts(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, inbox)
    exchange.negotiate()
    await exchange.terminate("decline")
    sent, received = await exchange.results()
    assert isinstance(sent, SessionEnded)
    assert isinstance(received, SessionEnded)
    assert sent.reason == "decline"
    assert names(inbox) == []


@pytest.mark.parametrize("quiet", [False, True])
async def test_a_broken_connection_is_told_as_one(source: Path, inbox: Path, quiet: bool) -> None:
    exchange = Exchange(source, inbox)
    sent, received = await exchange.run(breaks_at=1_000_000, ends_quietly=quiet)
    assert isinstance(sent, TransportFailed | SessionEnded)
    assert isinstance(received, JingleError)
    assert (inbox / "report.pdf.part").read_bytes() == DATA[:1_000_000]


async def test_the_peers_word_counts_more_than_the_broken_stream(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, inbox, timing=replace(QUICK, hangup=5))
    exchange.negotiate()
    await exchange.start(breaks_at=1_000_000)
    await until(lambda: (inbox / "report.pdf.part").exists() and (inbox / "report.pdf.part").stat().st_size)
    await exchange.terminate("gone")
    for result in await exchange.results():
        assert isinstance(result, SessionEnded)
        assert result.reason == "gone"


async def test_a_receiver_closes_the_stream_before_its_word_arrives(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, inbox, timing=replace(QUICK, hangup=0.01, end=0.01))
    exchange.receiving.on_finish = lambda reason: None

    async def fail() -> None:
        raise TransportFailed("the connection broke: it is not connected")

    exchange.negotiate()
    await exchange.start()
    assert exchange.streams is not None
    exchange.streams[0].send_eof = fail  # type: ignore[method-assign]
    assert isinstance(await outcome(exchange.receiver), FileResult)
    await asyncio.sleep(0.1)
    await exchange.terminate("success")
    sent, _ = await exchange.results()
    assert isinstance(sent, FileResult)
    assert sent.is_verified


async def test_damage_that_shows_after_the_session_has_ended_is_told_to_nobody(inbox: Path) -> None:
    wrong = Hash(algo="sha-256", value=hashlib.sha256(b"other").digest())
    peer = Receiving(inbox, File(name="a.txt", size=5, hashes=(wrong,)))
    await peer.feed(b"hel")
    stopping = asyncio.create_task(peer.receiver.stop("success"))
    await asyncio.sleep(0.01)
    await peer.ours.send(b"lo")
    await stopping
    failure = await outcome(peer.receiver)
    assert isinstance(failure, ApplicationFailed)
    assert peer.seen.failed == [failure]
    assert peer.seen.reasons == []


async def test_a_slow_stream_is_fed_in_small_pieces_so_that_progress_does_not_jerk(source: Path) -> None:
    class SlowStream(MemoryByteStream):
        sizes: list[int] = []

        async def send(self, data: bytes | bytearray | memoryview) -> None:
            self.sizes.append(len(data))
            await asyncio.sleep(len(data) / 300_000)

    os.truncate(source, 200_000)
    exchange = Exchange(source, Path("unused"))
    exchange.sender.accepted(None)
    slow, _ = memory_pair()
    slow.__class__ = SlowStream
    await exchange.sender.start(slow)
    await until(lambda: sum(SlowStream.sizes) == 200_000)
    await exchange.sender.stop("success")
    assert isinstance(await outcome(exchange.sender), FileResult)
    assert SlowStream.sizes[:3] == [65536, 32768, 32768]


# Resuming


async def interrupted(source: Path, inbox: Path, at: int, **options: Any) -> Exchange:
    exchange = Exchange(source, inbox, **options)
    await exchange.run(breaks_at=at, capacity=100_000)
    return exchange


async def test_a_transfer_continues_where_it_stopped(source: Path, inbox: Path) -> None:
    await interrupted(source, inbox, 1_234_567)
    exchange = Exchange(source, inbox)
    offer = crossed(exchange.sender.describe())
    answer = exchange.receiver.answer(offer)
    assert isinstance(answer, FileDescription)
    assert answer.file is not None
    assert answer.file.range == Range(offset=1_234_567)
    exchange.sender.accepted(crossed(answer))
    await exchange.start()
    sent, received = await exchange.results()
    await exchange.terminate("success")
    assert exchange.streams is not None
    assert exchange.streams[1].received == len(DATA) - 1_234_567
    assert isinstance(received, FileResult)
    assert received.path is not None
    assert received.path.read_bytes() == DATA
    assert received.is_verified
    assert received.sha256 == hashlib.sha256(DATA).hexdigest()
    assert isinstance(sent, FileResult)
    assert sent.sha256 == received.sha256
    assert exchange.receiving.progress[0].done == exchange.sending.progress[0].done == 1_234_567
    assert names(inbox) == ["report.pdf"]


async def test_a_digest_in_the_offer_spares_the_sender_what_the_receiver_has(source: Path, inbox: Path) -> None:
    file = OutgoingFile.from_path(source, digests={"sha-256": hashlib.sha256(DATA).digest()})
    await interrupted(file, inbox, 1_000_000)  # type: ignore[arg-type]
    exchange = Exchange(file, inbox)
    sent, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert received.is_verified
    assert isinstance(sent, FileResult)
    assert sent.sha256 == hashlib.sha256(DATA).hexdigest()
    assert exchange.sending.infos == []


async def test_the_last_byte_of_a_large_file_does_not_make_small_buffers(source: Path, inbox: Path) -> None:
    await interrupted(source, inbox, len(DATA) - 1)
    reads: list[int] = []

    class Counting(io.FileIO):
        def readinto(self, buffer: Any) -> int | None:
            reads.append(len(buffer))
            return super().readinto(buffer)

    file = replace(OutgoingFile.from_path(source), open=lambda: Counting(source))
    target = Target(folder=inbox, open_file=lambda path, flags: Counting(path, "r+"))
    exchange = Exchange(file, target)
    _, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert received.is_verified
    assert exchange.streams is not None
    assert exchange.streams[1].received == 1
    assert len(reads) < 10


async def test_a_damaged_beginning_is_found_at_the_end(source: Path, inbox: Path) -> None:
    await interrupted(source, inbox, 1_000_000)
    with io.FileIO(inbox / "report.pdf.part", "r+") as part:
        part.write(bytes(1000))
    sent, received = await Exchange(source, inbox).run()
    assert isinstance(received, ApplicationFailed)
    assert received.reason == "media-error"
    sent, received = await Exchange(source, inbox).run()
    assert isinstance(received, FileResult)
    assert received.path is not None
    assert received.path.read_bytes() == DATA


async def test_a_file_that_changed_in_between_begins_anew(source: Path, inbox: Path) -> None:
    await interrupted(source, inbox, 1_000_000)
    os.utime(source, (1, 1))
    exchange = Exchange(source, inbox)
    _, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert exchange.streams is not None
    assert exchange.streams[1].received == len(DATA)


async def test_a_sender_without_ranges_begins_at_the_beginning(source: Path, inbox: Path) -> None:
    """Dino and Conversations offer no `<range/>`, and would not look at one."""
    file = OutgoingFile.from_path(source)
    await interrupted(file, inbox, 1_000_000)  # type: ignore[arg-type]
    exchange = Exchange(replace(file, metadata=replace(file.metadata, is_ranged=False)), inbox)
    _, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert exchange.streams is not None
    assert exchange.streams[1].received == len(DATA)


async def test_everything_was_there_already(source: Path, inbox: Path) -> None:
    await interrupted(source, inbox, len(DATA))
    part = inbox / "report.pdf.part"
    if not part.exists():  # it was complete before the connection broke, so this is what a crash right then leaves
        (inbox / "report.pdf").rename(part)
        await interrupted(source, inbox, 10)
    exchange = Exchange(source, inbox)
    sent, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert received.is_verified


@pytest.mark.parametrize("have", [0, 3])
async def test_a_sender_that_begins_in_the_middle_by_itself(inbox: Path, have: int) -> None:
    """As in section 6.4, where the sender starts again from what it believes the receiver has."""
    date = "2026-11-23T20:00:00Z"
    if have:
        peer = Receiving(inbox, File(name="a", size=5, date=date, range=Range()))
        await peer.feed(b"hello"[:have])
        await until(lambda: peer.theirs.received == have)
        await peer.receiver.stop("gone")
    peer = Receiving(inbox, File(name="a", size=5, date=date, range=Range(offset=4)))
    assert isinstance(peer.answer, FileDescription)
    assert peer.answer.file is not None
    assert peer.answer.file.range == Range(offset=have)
    await peer.feed(b"hello"[have:])
    result = await peer.receiver.result()
    assert result.path is not None
    assert result.path.read_bytes() == b"hello"


@pytest.mark.parametrize(("offset", "length"), [(0, 1000), (500, 1000), (600_000, 1_000_000), (5, 0)])
async def test_a_part_in_the_middle_is_sent_with_its_own_digest(source: Path, offset: int, length: int) -> None:
    exchange = Exchange(source, Path("unused"))
    exchange.sender.accepted(FileDescription(file=File(range=Range(offset=offset, length=length))))
    ours, theirs = memory_pair(capacity=2_000_000)
    await exchange.sender.start(ours)
    got, buffer = bytearray(), memoryview(bytearray(100_000))
    while count := await theirs.receive_into(buffer):
        got += buffer[:count]
    part = DATA[offset : offset + length]
    assert got == part
    [info] = exchange.sending.infos
    digest = Hash(algo="sha-256", value=hashlib.sha256(part).digest())
    assert isinstance(info, Checksum)
    assert info.file == File(range=Range(offset=offset, length=length, hashes=(digest,)))
    await exchange.sender.stop("success")
    result = await exchange.sender.result()
    assert (result.size, dict(result.digests)) == (len(DATA), {})


async def test_a_request_continues_too(source: Path, inbox: Path) -> None:
    wanted = OutgoingFile.from_path(source).metadata
    request = FileMetadata(name=wanted.name, size=wanted.size, date=wanted.date, is_ranged=True)
    for at in (700_000, 900_000, None):
        exchange = Exchange(source, inbox, receiving={"request": request})
        asked = crossed(exchange.receiver.describe())
        exchange.receiver.accepted(crossed(exchange.sender.answer(asked)))
        await exchange.start(breaks_at=at)
        _, received = await exchange.results()
        await exchange.terminate("gone")
    assert isinstance(received, FileResult)
    assert received.path is not None
    assert received.path.read_bytes() == DATA
    assert exchange.streams is not None
    assert exchange.streams[1].received == len(DATA) - 1_600_000


async def test_an_answer_that_says_nothing_of_a_range_begins_at_the_beginning(inbox: Path) -> None:
    wanted = FileMetadata(name="a", size=5, date=1000.0, is_ranged=True)
    first = FileReceiver(Target(folder=inbox), name=NAME, request=wanted)
    first.describe()
    first.accepted(None)
    ours, theirs = memory_pair()
    await first.start(theirs)
    await ours.send(b"hel")
    await until(lambda: theirs.received == 3)
    await first.stop("gone")
    second = FileReceiver(Target(folder=inbox), name=NAME, request=wanted)
    asked = second.describe()
    assert isinstance(asked, FileDescription)
    assert asked.file is not None
    assert asked.file.range == Range(offset=3)
    second.accepted(FileDescription(file=File(name="a", size=5, date="1970-01-01T00:16:40Z")))
    ours, theirs = memory_pair()
    await second.start(theirs)
    await ours.send(b"hello")
    result = await second.result()
    assert result.path is not None
    assert result.path.read_bytes() == b"hello"
    await second.stop("success")


@settings(max_examples=25)
@given(
    size=st.integers(0, 1_200_000),
    cuts=st.lists(st.integers(0, 1_200_000), max_size=4),
    chunk=st.none() | st.integers(2000, 700_000),
    capacity=st.integers(20_000, 1_000_000),
    quiet=st.booleans(),
    algorithm=st.sampled_from(["sha-256", "sha-1"]),
)
def test_cut_anywhere_and_continued_the_bytes_are_the_same(
    size: int, cuts: list[int], chunk: int | None, capacity: int, quiet: bool, algorithm: str
) -> None:
    async def scenario(folder: Path) -> None:
        source, inbox = folder / "x.bin", folder / "inbox"
        source.write_bytes(DATA[:size])
        moved = 0
        for cut in (*cuts, None):
            exchange = Exchange(
                source, inbox, sending={"algorithms": (algorithm,)}, timing=replace(QUICK, hangup=0, flush=0.001)
            )
            _, received = await exchange.run(breaks_at=cut, ends_quietly=quiet, chunk=chunk, capacity=capacity)
            assert exchange.streams is not None
            moved += exchange.streams[1].received
            if isinstance(received, FileResult):
                break
        assert isinstance(received, FileResult)
        assert received.path is not None
        assert received.path.read_bytes() == DATA[:size]
        assert received.is_verified
        assert names(inbox) == ["x.bin"]
        assert moved == size, "no byte went over twice"

    folder = Path(tempfile.mkdtemp())
    try:
        asyncio.run(scenario(folder))
    finally:
        shutil.rmtree(folder)


def test_hash_used_may_come_with_functions_that_we_do_not_know(inbox: Path) -> None:
    async def scenario() -> None:
        peer = Receiving(inbox, File(name="a", size=1, hashes_used=(HashUsed(algo="md5"), HashUsed(algo="tiger"))))
        await peer.feed(b"x")
        assert not (await peer.receiver.result()).is_verified

    asyncio.run(scenario())
