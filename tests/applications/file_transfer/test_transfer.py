"""Files that go over as they should, with peers as they are."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import random
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jingle.applications.base import Application
from jingle.applications.file_transfer.digests import ALGORITHMS
from jingle.applications.file_transfer.metadata import ByteRange, FileMetadata
from jingle.applications.file_transfer.receiver import FileReceiver
from jingle.applications.file_transfer.sender import FileSender
from jingle.applications.file_transfer.source import OutgoingFile
from jingle.applications.file_transfer.storage import Target
from jingle.applications.file_transfer.transfer import FileResult, Timing, end_reason
from jingle.elements.core import Role
from jingle.elements.declare import to_string
from jingle.elements.file_transfer import Checksum, File, FileDescription, Range, Received
from jingle.elements.hashes import Hash, HashUsed
from jingle.elements.rtp import Ringing
from jingle.errors import (
    ApplicationFailed,
    LocalProtocolError,
    RemoteProtocolError,
    SessionEnded,
    TransportFailed,
)
from jingle.testing.byte_streams import memory_pair
from jingle.transports.base import Kind

from .exchange import NAME, QUICK, Exchange, crossed, names, no_threads, outcome, until

MEGABYTES = random.Random(1).randbytes(3_000_001)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "from").mkdir()
    path = tmp_path / "from" / "report.pdf"
    path.write_bytes(MEGABYTES)
    return path


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


def test_both_are_applications() -> None:
    async def made() -> tuple[Application, Application]:
        file = OutgoingFile.from_object(io.BytesIO(), name="x")
        return FileSender(file, name=NAME), FileReceiver(name=NAME)

    for application in asyncio.run(made()):
        assert application.kind is Kind.STREAMING
        assert application.components == 1
        assert application.namespace == application.features[0] == "urn:xmpp:jingle:apps:file-transfer:5"
        assert "urn:xmpp:hashes:2" in application.features


@pytest.mark.parametrize("size", [0, 1, 10_000, 524_287, 524_288, 524_289, 3 * 524_288, 3_000_001])
async def test_a_file_goes_over(source: Path, inbox: Path, size: int) -> None:
    os.truncate(source, size)
    exchange = Exchange(source, inbox)
    sent, received = await exchange.run()
    digest = hashlib.sha256(MEGABYTES[:size])
    assert isinstance(received, FileResult)
    assert received.path == inbox / "report.pdf"
    assert received.path.read_bytes() == MEGABYTES[:size]
    assert (received.name, received.size, received.is_verified) == ("report.pdf", size, True)
    assert received.sha256 == digest.hexdigest()
    assert isinstance(sent, FileResult)
    assert (sent.size, sent.is_verified, sent.path) == (size, True, None)
    assert sent.digests == received.digests
    assert exchange.receiving.done == [received]
    assert exchange.sending.done == [sent]
    assert exchange.receiving.reason == "success"
    assert exchange.sending.reasons == []
    [checksum] = exchange.sending.infos
    assert isinstance(checksum, Checksum)
    assert checksum.file.hashes == (Hash(algo="sha-256", value=digest.digest()),)
    for witness in (exchange.sending, exchange.receiving):
        assert witness.progress[0].done == 0
        assert witness.progress[-1].done == witness.progress[-1].total == size
    assert names(inbox) == ["report.pdf"]


def test_the_offer_says_what_it_should(source: Path) -> None:
    async def offered(**options: Any) -> str:
        return to_string(FileSender(source, name=NAME, **options).describe())

    os.utime(source, (1437943560, 1437943560))
    text = asyncio.run(offered())
    assert text == (
        "<description xmlns='urn:xmpp:jingle:apps:file-transfer:5'><file><media-type>application/pdf</media-type>"
        "<name>report.pdf</name><date>2015-07-26T20:46:00Z</date><size>3000001</size><range/>"
        "<hash-used xmlns='urn:xmpp:hashes:2' algo='sha-256'/></file></description>"
    )
    both = asyncio.run(offered(algorithms=("sha-512", "sha-1")))
    assert both.count("hash-used") == 2
    for wrong in ((), ("md5",), ("sha-1", "sha-1"), ("SHA-1",)):
        with pytest.raises(LocalProtocolError, match="hash functions are sha-256"):
            asyncio.run(offered(algorithms=wrong))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_every_hash_function_verifies(source: Path, inbox: Path, algorithm: str) -> None:
    os.truncate(source, 100_000)
    exchange = Exchange(source, inbox, sending={"algorithms": (algorithm,)})
    sent, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert isinstance(sent, FileResult)
    assert received.is_verified
    assert set(received.digests) == {"sha-256", algorithm}
    assert sent.digests[algorithm] == received.digests[algorithm]
    assert received.sha256 == hashlib.sha256(MEGABYTES[:100_000]).hexdigest()


async def test_a_digest_that_is_known_is_in_the_offer_and_needs_no_checksum(source: Path, inbox: Path) -> None:
    file = OutgoingFile.from_path(source, digests={"sha-1": hashlib.sha1(MEGABYTES).digest()})
    exchange = Exchange(file, inbox)
    sent, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert received.is_verified
    assert exchange.sending.infos == []
    assert isinstance(sent, FileResult)
    assert set(sent.digests) == {"sha-256", "sha-1"}


async def test_the_checksum_leaves_before_the_last_bytes(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, inbox)
    exchange.negotiate()
    ours, theirs = memory_pair(capacity=1000)
    await exchange.sender.start(ours)
    buffer, got = memory_pair_buffer(), 0
    while not exchange.sending.infos:
        got += await theirs.receive_into(buffer)
    assert got < len(MEGABYTES)
    await exchange.sender.stop("cancel")


def memory_pair_buffer() -> memoryview:
    return memoryview(bytearray(65536))


@pytest.mark.parametrize("chunk", [1, 7, 4096, 65535])
async def test_bytes_may_come_in_any_pieces(source: Path, inbox: Path, chunk: int) -> None:
    os.truncate(source, 3000 if chunk < 10 else 3_000_001)
    sent, received = await Exchange(source, inbox).run(chunk=chunk, capacity=10_000)
    assert isinstance(received, FileResult)
    assert received.is_verified


async def test_a_slow_transfer_is_on_the_disk_before_a_buffer_is_full(source: Path, inbox: Path) -> None:
    os.truncate(source, 20_000)
    exchange = Exchange(source, inbox)
    exchange.negotiate()
    await exchange.start(chunk=1000, pause=0.005)
    part = inbox / "report.pdf.part"
    await until(lambda: part.exists() and part.stat().st_size)
    assert 0 < part.stat().st_size < 20_000
    await exchange.results()


async def test_progress_can_be_iterated_over(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, inbox)
    exchange.negotiate()

    async def watch() -> list[float | None]:
        return [progress.fraction async for progress in exchange.receiver.progress]

    watching = asyncio.create_task(watch())
    await exchange.start()
    await exchange.results()
    seen = await watching
    assert seen[-1] == 1.0
    assert seen == sorted(each for each in seen if each is not None) or seen[0] is None


async def test_memory_stays_flat_however_large_the_file(tmp_path: Path, inbox: Path) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 300_000_000)
    null = Target(folder=inbox, open_file=lambda path, flags: Void(str(path)))
    exchange = Exchange(path, null, sending={"algorithms": ("sha-1",)})
    tracemalloc.start()
    try:
        sent, received = await exchange.run(capacity=4 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(received, FileResult)
    assert received.size == 300_000_000
    assert peak < 20_000_000


class Void(io.FileIO):
    """A file that takes everything and keeps nothing, so that the test costs no disk."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "w+")

    def write(self, data: Any) -> int:
        return len(data)


# Peers as they are


class Receiving:
    """A receiver alone, with the test as its peer."""

    def __init__(self, inbox: Path, file: File, **timing: float) -> None:
        unused = OutgoingFile.from_object(io.BytesIO(), name="unused")
        self.exchange = Exchange(unused, inbox, timing=replace(QUICK, **timing))
        self.receiver, self.seen = self.exchange.receiver, self.exchange.receiving
        self.answer = self.receiver.answer(FileDescription(file=file))

    async def feed(self, data: bytes, *, ends: bool = False) -> None:
        self.ours, self.theirs = memory_pair()
        await self.receiver.start(self.theirs)
        await self.ours.send(data)
        if ends:
            await self.ours.send_eof()


def checksum(data: bytes, **options: Any) -> Checksum:
    return Checksum(
        name=NAME, file=File(hashes=(Hash(algo="sha-256", value=hashlib.sha256(data).digest()),)), **options
    )


HASH_USED = (HashUsed(algo="sha-256"),)


async def test_a_sender_without_any_hash_completes_at_once_and_is_not_verified(inbox: Path) -> None:
    """Dino: name and size only."""
    peer = Receiving(inbox, File(name="a.txt", size=5))
    assert peer.answer == FileDescription(file=File(name="a.txt", size=5))
    await peer.feed(b"hello")
    result = await peer.receiver.result()
    assert (result.is_verified, result.path) == (False, inbox / "a.txt")
    assert result.sha256 == hashlib.sha256(b"hello").hexdigest()
    assert peer.seen.reason == "success"
    assert peer.receiver.info(checksum(b"hello")), "a late checksum is acknowledged"


async def test_a_checksum_that_was_announced_and_never_comes_is_waited_for_and_forgiven(inbox: Path) -> None:
    peer = Receiving(inbox, File(name="a.txt", size=5, hashes_used=HASH_USED), checksum=0.1)
    await peer.feed(b"hello")
    assert not (await peer.receiver.result()).is_verified
    assert peer.seen.reason == "success"


@pytest.mark.parametrize("early", [True, False])
async def test_a_checksum_may_come_before_the_bytes_or_after(inbox: Path, early: bool) -> None:
    """stanza.io sends it behind the bytes; without creator as Conversations leaves it out."""
    peer = Receiving(inbox, File(name="a.txt", size=5, hashes_used=HASH_USED))
    if early:
        assert peer.receiver.info(checksum(b"hello"))
    await peer.feed(b"hello")
    if not early:
        await asyncio.sleep(0.02)
        assert peer.seen.done == []
        assert peer.receiver.info(checksum(b"hello", creator=Role.RESPONDER))
    assert (await peer.receiver.result()).is_verified


async def test_a_checksum_without_announcement_is_used_where_it_comes_in_time(inbox: Path) -> None:
    peer = Receiving(inbox, File(name="a.txt", size=5))
    assert peer.receiver.info(checksum(b"hello"))
    await peer.feed(b"hello")
    assert (await peer.receiver.result()).is_verified


async def test_a_file_of_unknown_size_ends_with_its_stream(inbox: Path) -> None:
    peer = Receiving(inbox, File(name="a.txt"))
    await peer.feed(b"hello" * 200_000, ends=True)
    result = await peer.receiver.result()
    assert result.size == 1_000_000
    assert peer.seen.progress[-1].total is None


async def test_a_sender_that_says_success_itself_is_waited_for(inbox: Path) -> None:
    """Psi ends the session as soon as it has written its last byte."""
    peer = Receiving(inbox, File(name="a.txt", size=5, hashes_used=HASH_USED))
    await peer.feed(b"hel")
    stopping = asyncio.create_task(peer.receiver.stop("success"))
    await asyncio.sleep(0.01)
    await peer.ours.send(b"lo")
    await stopping
    assert (await peer.receiver.result()).size == 5
    assert peer.seen.reasons == [], "it has ended already"


async def test_a_sender_that_says_success_and_sends_no_more_has_not_sent_the_file(inbox: Path) -> None:
    peer = Receiving(inbox, File(name="a.txt", size=5), drain=0.02)
    await peer.feed(b"hel")
    await until(lambda: peer.theirs.received == 3)
    await peer.receiver.stop("success")
    assert isinstance(await outcome(peer.receiver), SessionEnded)
    assert (inbox / "a.txt.part").read_bytes() == b"hel"


async def test_received_is_sent_only_where_it_is_asked_for(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, inbox, receiving={"sends_received": True})
    await exchange.run()
    assert exchange.receiving.infos == [Received(creator=Role.INITIATOR, name=NAME)]
    exchange = Exchange(source, inbox)
    await exchange.run()
    assert exchange.receiving.infos == []


async def test_received_confirms_without_an_end_of_the_session(source: Path, inbox: Path) -> None:
    exchange = Exchange(source, inbox, receiving={"sends_received": True})
    exchange.receiving.on_finish = lambda reason: None
    sent, _ = await exchange.run()
    assert isinstance(sent, FileResult)
    assert sent.is_verified


async def test_an_answer_may_leave_the_description_out(source: Path) -> None:
    """stanza.io: no `<description/>` in its session-accept."""
    for answer in (None, FileDescription(), FileDescription(file=File())):
        sender = FileSender(source, name=NAME)
        sender.accepted(answer)
        assert sender._range == ByteRange()
        await sender.stop()


async def test_infos_about_something_else_are_not_ours(source: Path) -> None:
    sender, receiver = FileSender(source, name=NAME), FileReceiver(name=NAME)
    for application in (sender, receiver):
        assert not application.info(Ringing())
        assert not application.info(Received(name="another"))
        assert not application.info(Checksum(name="another", file=File()))
    assert not sender.info(checksum(b""))
    assert not receiver.info(Received(name=NAME))
    for _ in range(1000):
        assert receiver.info(checksum(b""))
    assert len(receiver._checksums) <= 16
    with pytest.raises(RemoteProtocolError, match="32 bytes"):
        receiver.info(Checksum(name=NAME, file=File(hashes=(Hash(algo="sha-256", value=b"x"),))))
    for application in (sender, receiver):
        application.description_info(FileDescription(file=File()))
        with pytest.raises(RemoteProtocolError):
            application.description_info(Ringing())
        await application.stop()


async def test_a_receiver_that_never_confirms_is_given_up(source: Path) -> None:
    exchange = Exchange(source, Path("unused"), timing=replace(QUICK, confirm=0.2))
    exchange.sending.on_finish = lambda reason: None
    exchange.sender.accepted(None)
    ours, theirs = memory_pair(capacity=4_000_000)
    await exchange.sender.start(ours)
    failure = await outcome(exchange.sender)
    assert isinstance(failure, ApplicationFailed)
    assert failure.reason == "timeout"
    assert exchange.sending.reason == "timeout"
    buffer = memoryview(bytearray(4_000_000))
    assert await theirs.receive_into(buffer) == len(MEGABYTES)
    assert await theirs.receive_into(buffer) == 0, "it was told that nothing more follows"
    await exchange.sender.stop("timeout")


@pytest.mark.parametrize(("reason", "believed"), [("success", True), (None, False)])
async def test_an_end_of_the_session_confirms(source: Path, reason: str | None, believed: bool) -> None:
    """QXmpp gives no reason."""
    sender = FileSender(source, name=NAME, timing=QUICK)
    sender.accepted(None)
    ours, theirs = memory_pair(capacity=4_000_000)
    await sender.start(ours)
    buffer = memoryview(bytearray(4_000_000))
    while theirs.received < len(MEGABYTES):
        await theirs.receive_into(buffer)
    await until(lambda: sender._is_sent)
    await sender.stop(reason)
    result = await sender.result()
    assert result.is_verified is believed


async def test_a_session_that_ends_otherwise_does_not(source: Path) -> None:
    sender = FileSender(source, name=NAME, timing=QUICK)
    sender.accepted(None)
    await sender.start(memory_pair(capacity=4_000_000)[0])
    await until(lambda: sender._is_sent)
    await sender.stop("media-error", "the disk is full")
    failure = await outcome(sender)
    assert isinstance(failure, SessionEnded)
    assert (failure.reason, failure.text) == ("media-error", "the disk is full")


async def test_a_pipe_can_be_sent(inbox: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    with io.FileIO(reading) as read:
        exchange = Exchange(OutgoingFile.from_object(read, name="stdin.txt"), inbox)
        sent, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert isinstance(sent, FileResult)
    assert received.path is not None
    assert received.path.read_bytes() == b"through a pipe"
    assert received.is_verified
    assert sent.size == 14


@pytest.mark.parametrize("size", [0, 524_288, 1_048_577])
async def test_a_file_without_size_of_any_length(inbox: Path, size: int) -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    exchange = Exchange(OutgoingFile.from_object(Stream(MEGABYTES[:size]), name="x"), inbox)
    sent, received = await exchange.run()
    assert isinstance(received, FileResult)
    assert (received.size, received.is_verified) == (size, True)
    assert [info.file.hashes != () for info in exchange.sending.infos if isinstance(info, Checksum)] == [True]


# Requests


class Request:
    """We ask for a file; the other side has one."""

    def __init__(self, file: Path | OutgoingFile, target: Target, request: FileMetadata) -> None:
        self.exchange = Exchange(file, target, receiving={"request": request})

    def negotiate(self) -> None:
        asked = crossed(self.exchange.receiver.describe())
        self.exchange.receiver.accepted(crossed(self.exchange.sender.answer(asked)))


@pytest.mark.parametrize(
    "request_",
    [
        FileMetadata(name="report.pdf"),
        FileMetadata(size=3_000_001, media_type="application/pdf"),
        FileMetadata(digests={"sha-256": hashlib.sha256(MEGABYTES).digest()}),
    ],
)
async def test_a_file_can_be_requested(source: Path, inbox: Path, request_: FileMetadata) -> None:
    request = Request(source, Target(folder=inbox), request_)
    request.negotiate()
    await request.exchange.start()
    sent, received = await request.exchange.results()
    assert isinstance(received, FileResult)
    assert received.is_verified
    assert received.path == inbox / "report.pdf"
    await request.exchange.terminate("success")


async def test_a_file_that_is_not_there_cannot(source: Path) -> None:
    sender = FileSender(source, name=NAME)
    for asked in (File(name="other"), File(name="report.pdf", size=5), File()):
        with pytest.raises(ApplicationFailed) as caught:
            sender.answer(FileDescription(file=asked))
        assert (caught.value.reason, caught.value.condition) == ("failed-application", "file-not-available")
        assert "file-not-available" in to_string(end_reason(caught.value))
    with pytest.raises(ApplicationFailed, match="beyond"):
        sender.answer(FileDescription(file=File(name="report.pdf", range=Range(offset=3_000_002))))
    with pytest.raises(RemoteProtocolError):
        sender.answer(FileDescription())
    await sender.stop()


async def test_an_answer_about_another_file_is_refused(inbox: Path) -> None:
    wanted = FileMetadata(name="a", size=5, digests={"sha-256": bytes(32)})
    wrong = [
        File(name="a", size=6),
        File(name="a", hashes=(Hash(algo="sha-256", value=bytes([1] * 32)),)),
        File(name="a", range=Range(offset=3)),
        File(name="a", range=Range(length=3)),
    ]
    for answer in wrong:
        receiver = FileReceiver(Target(folder=inbox), name=NAME, request=wanted)
        receiver.describe()
        with pytest.raises(ApplicationFailed) as caught:
            receiver.accepted(FileDescription(file=answer))
        assert caught.value.reason == "incompatible-parameters"
        await receiver.stop()


async def test_an_answer_may_say_nothing(inbox: Path) -> None:
    receiver = FileReceiver(Target(folder=inbox), name=NAME, request=FileMetadata(name="a", size=5))
    receiver.describe()
    receiver.accepted(None)
    assert receiver.metadata == FileMetadata(name="a", size=5)
    ours, theirs = memory_pair()
    await receiver.start(theirs)
    await ours.send(b"hello")
    assert (await receiver.result()).path == inbox / "a"
    await receiver.stop("success")


# What the calling program may not do


async def test_what_is_out_of_order_is_the_callers_mistake(source: Path, inbox: Path) -> None:
    receiver = FileReceiver(name=NAME)
    sender = FileSender(source, name=NAME)
    stream, other = memory_pair()
    for call in (
        lambda: receiver.describe(),
        lambda: receiver.accepted(None),
        lambda: receiver.choose(Target(folder=inbox)),
    ):
        with pytest.raises(LocalProtocolError):
            call()
    for application in (receiver, sender):
        with pytest.raises(LocalProtocolError):
            await application.start(stream)
    receiver.answer(FileDescription(file=File(name="a", size=5)))
    with pytest.raises(LocalProtocolError):
        await receiver.start(other)  # no target yet
    assert receiver.choose(Target(folder=inbox)) == FileDescription(file=File(name="a", size=5))
    await receiver.start(other)
    with pytest.raises(LocalProtocolError):
        await receiver.start(other)
    with pytest.raises(LocalProtocolError):
        receiver.choose(Target(folder=inbox))
    await receiver.stop()
    sender.accepted(None)
    await sender.stop()
    with pytest.raises(LocalProtocolError):
        await sender.start(stream)


async def test_a_bug_of_ours_ends_the_transfer_and_is_logged(
    source: Path, inbox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange(source, inbox)
    exchange.negotiate()

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    exchange.receiver.progress.add = broken  # type: ignore[method-assign,assignment]
    await exchange.start()
    await outcome(exchange.receiver)
    assert exchange.receiving.reason == "general-error"
    assert "a bug" in caplog.text
    await exchange.terminate("general-error")
    assert no_threads()


def test_errors_become_reasons() -> None:
    assert end_reason(TransportFailed("x")).condition.value == "connectivity-error"
    assert end_reason(RemoteProtocolError("x")).condition.value == "failed-application"
    assert end_reason(SessionEnded("cancel")).condition.value == "general-error"
    assert end_reason(ApplicationFailed("x", reason="media-error")).extra == ()


def test_the_usual_patience_is_longer_than_the_tests() -> None:
    assert Timing().confirm >= 60
    assert Timing().checksum >= 2
