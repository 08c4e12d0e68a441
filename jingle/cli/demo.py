"""`jingle demo`: a server, two peers, a call with pictures and a file between them, here, in half a minute."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ..client import Call, Event, File, FileResult, IncomingCall, IncomingFile, Opening, Peer, TestCard, connect
from ..demo import LoopbackServer
from ..demo.ladder import Observed, draw_ladder
from ..demo.likeness import Likeness, likeness
from ..demo.sound import RATE, SPEECH, read_sound
from ..demo.waveform import draw_waveforms
from ..errors import JingleError
from .options import set_up_logging
from .output import Output
from .run import run
from .status import Status, explain

ALIKE = 0.8
"""The likeness from which on a call counts as heard. A quiet machine gives 0.98; a busy one, whose clock stumbles, 0.9;
sound with holes in it stays far below."""

LONGEST_GAP = 0.06
"""Seconds of silence in the middle of speech that nobody would notice."""


PICTURE_ALIKE = 0.9
"""The likeness to the test card from which on a picture counts as seen; a coded one has 0.99, a grey one 0.55."""

CARD_RATE = 15
"""Pictures a second: two are drawn, encoded, decoded and one recorded by the same small machine."""

FILE_SIZE = 64 * 2**20
"""Bytes of the file that is sent."""


@dataclass
class Record:
    """What the demo saw."""

    stanzas: list[Observed] = field(default_factory=list)
    events: dict[str, list[Event]] = field(default_factory=dict)
    first_sound: dict[str, float | None] = field(default_factory=dict)
    pictures: dict[str, float] = field(default_factory=dict)
    """How alike what each saw is to the test card."""

    sent: FileResult | None = None
    received: FileResult | None = None

    def last(self, name: str, event: str) -> Event:
        """The last event of that name that a peer was told."""
        return [each for each in self.events[name] if each.name == event][-1]

    def of(self, name: str, event: str, kind: str) -> Mapping[str, Any]:
        """The fields of the event of that name about the call or about the file."""
        return next(each.fields for each in self.events[name] if each.name == event and each.fields["kind"] == kind)


@click.command(short_help="A call and a file between two peers on this machine.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("jingle-demo"),
    show_default=True,
    help="Where to leave the recordings, the pictures and the stanza ladder.",
)
@click.option("-v", "--verbose", "verbosity", count=True, help="Talk more.")
def demo(out: Path, verbosity: int) -> None:
    """Place a real call and send a file between two peers on this machine; needs no account, no server, no root.

    \b
    Example:
      jingle demo --out /tmp/jingle-demo
    """
    output = Output(as_json=False, verbosity=verbosity)
    set_up_logging(verbosity)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise click.BadParameter(f"cannot make {out}: {exc.strerror}", param_hint="--out") from None
    run(lambda: _demo(out, output), output)


async def _demo(out: Path, output: Output) -> Status:
    record = Record()
    say = Console(stderr=True, highlight=False)
    try:
        say.print("[bold]jingle demo[/bold]: a voice and video call and a file between two peers on this machine")
        async with LoopbackServer(users={"alice": "wonderland", "bob": "builder"}) as server:
            server.subscribe("alice", "bob")
            server.stanzas = lambda *seen: record.stanzas.append(Observed(*seen))
            say.print(f"  an XMPP server is up on {server.host}:{server.port} (for this demo only)")
            async with (
                _peer(server, record, "bob", "builder") as bob,
                _peer(server, record, "alice", "wonderland") as alice,
            ):
                say.print(f"  {bob.jid.partition('/')[0]} and {alice.jid.partition('/')[0]} are online")
                await _talk(alice, bob, out, record, say)
                await _send(alice, bob, record, say)
    except JingleError as exc:
        return output.fail(explain(exc))
    return await asyncio.to_thread(_report, out, record)


def _peer(server: LoopbackServer, record: Record, name: str, password: str) -> Opening[Peer]:
    told = record.events.setdefault(name, [])
    return connect(
        f"{name}@{server.domain}",
        password,
        server=(server.host, server.port),
        ca_file=server.ca_file,
        on_event=told.append,
    )


async def _talk(alice: Peer, bob: Peer, out: Path, record: Record, say: Console) -> None:
    async def answer() -> None:
        async for offer in bob.incoming():
            if not isinstance(offer, IncomingCall):
                continue
            async with offer.accept(
                audio=File(SPEECH), video=TestCard(rate=CARD_RATE), record=_heard(out, "bob"), hang_up_at_end=False
            ) as call:
                await _attend("bob", call, out, record, clip=out / CLIP)
            return

    bob.listen()
    answering = asyncio.ensure_future(answer())
    say.print("  alice calls bob; both play ten seconds of speech, show a test card, and record what they get ...")
    try:
        async with alice.call(
            bob.jid.partition("/")[0],
            audio=File(SPEECH),
            video=TestCard(rate=CARD_RATE),
            record=_heard(out, "alice"),
        ) as call:
            await _attend("alice", call, out, record)
        await answering
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def _send(alice: Peer, bob: Peer, record: Record, say: Console) -> None:
    """A file from alice to bob, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await asyncio.to_thread(_make_file, folder / "random.bin")
        (folder / "inbox").mkdir()
        say.print(f"  alice sends bob a file of {FILE_SIZE // 2**20} MiB ...")

        async def take() -> FileResult:
            async for offer in bob.incoming():
                if isinstance(offer, IncomingFile):
                    async with offer.accept(folder / "inbox") as transfer:
                        return await transfer.result()
            raise AssertionError

        taking = asyncio.ensure_future(take())
        try:
            async with alice.send_file(bob.jid, folder / "random.bin") as transfer:
                record.sent = await transfer.result()
            record.received = await taking
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)


def _make_file(path: Path) -> None:
    block = os.urandom(2**20)
    with path.open("wb") as file:
        for _ in range(FILE_SIZE // len(block)):
            file.write(block)


async def _attend(name: str, call: Call, out: Path, record: Record, clip: Path | None = None) -> None:
    """Hear and see until the call ends: the first sound, a picture in the middle, and all of it where `clip` says."""
    recording = asyncio.ensure_future(call.record(clip)) if clip is not None else None
    record.first_sound[name] = await call.first_sound()
    await call.wait(LOOK)
    record.pictures[name] = TestCard().likeness(await call.video.snapshot(_seen(out, name)))
    await call.wait()
    if recording is not None:
        await recording


CLIP = "seen-by-bob.webm"
LOOK = 1.5
"""Seconds into the call a picture is kept from."""


def _heard(out: Path, name: str) -> Path:
    return out / f"heard-by-{name}.wav"


def _seen(out: Path, name: str) -> Path:
    return out / f"seen-by-{name}.png"


def _report(out: Path, record: Record) -> Status:
    (out / "ladder.txt").write_text(draw_ladder(record.stanzas), encoding="utf-8")
    played = read_sound(SPEECH)
    heard = {name: read_sound(_heard(out, name)) for name in ("bob", "alice")}
    traces = {"played": played, "heard by bob": heard["bob"], "heard by alice": heard["alice"]}
    (out / "waveforms.png").write_bytes(draw_waveforms(traces, RATE))
    alike = {name: likeness(played, samples, RATE) for name, samples in heard.items()}
    console = Console(highlight=False, width=100)
    console.print(_table(record, alike))
    alike_files = (
        record.sent is not None and record.received is not None and record.sent.sha256 == record.received.sha256
    )
    fine = (
        alike_files
        and all(each.correlation >= ALIKE and each.longest_gap_seconds <= LONGEST_GAP for each in alike.values())
        and all(record.pictures.get(name, 0.0) >= PICTURE_ALIKE for name in heard)
    )
    console.print("[bold green]It works.[/bold green]" if fine else "[bold red]What arrived is damaged.[/bold red]")
    console.print(
        f"In {out}/: heard-by-bob.wav, heard-by-alice.wav, waveforms.png, seen-by-bob.png, seen-by-alice.png, {CLIP}, "
        "ladder.txt (who sent what, when)"
    )
    return Status.DONE if fine else Status.DAMAGED


def _table(record: Record, alike: dict[str, Likeness]) -> Table:
    connected = record.of("alice", "connected", "call")
    ended = record.of("alice", "ended", "call")
    began = next(each.time for each in record.stanzas if "<propose" in each.xml)
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_row("who", f"{record.last('alice', 'online').fields['jid']} called {connected['peer']}")
    table.add_row("rang after", f"{1000 * (record.last('alice', 'ringing').time - began):.0f} ms")
    table.add_row("connected", f"{1000 * connected['setup']:.0f} ms after bob accepted")
    first = record.first_sound["alice"]
    table.add_row("first sound", f"{1000 * first:.0f} ms after bob accepted" if first is not None else "never")
    table.add_row("codecs", ", ".join(str(each["codec"]) for each in ended["stats"].values()))
    table.add_row(
        "path",
        f"{connected['transport']}, {connected['local_candidate']} to {connected['remote_candidate']}, "
        f"encrypted ({connected['security']})",
    )
    table.add_row("talked", f"{ended['seconds']:.1f} s, ended with {ended['reason']!r}")
    for name, other in (("bob", "alice"), ("alice", "bob")):
        stats, heard = record.of(name, "ended", "call")["stats"]["audio"], alike[name]
        table.add_row(
            f"{name} heard {other}",
            f"{stats['packets_received']} packets, {stats['packets_lost']} lost, "
            f"jitter {1000 * stats['jitter']:.1f} ms, round trip {1000 * (stats['rtt'] or 0):.1f} ms",
        )
        table.add_row(
            "",
            f"likeness {heard.correlation:.3f} (1 is identical), longest gap {1000 * heard.longest_gap_seconds:.0f} ms",
        )
    for name, other in (("bob", "alice"), ("alice", "bob")):
        told = record.of(name, "ended", "call")
        stats, seconds = told["stats"]["video"], max(told["seconds"], 0.001)
        width, height = stats["size_received"] or (0, 0)
        rate, bits = stats["frames_received"] / seconds, stats["bytes_received"] * 8e-3 / seconds
        table.add_row(
            f"{name} saw {other}",
            f"{stats['frames_received']} pictures of {width}x{height}, {rate:.1f} a second, {bits:.0f} kbit/s, "
            f"likeness {record.pictures[name]:.3f}",
        )
    if record.received is not None:
        carried = record.of("alice", "connected", "file")
        rate = record.received.size / record.received.seconds / 1e6
        table.add_row("file", f"{record.received.size} bytes in {record.received.seconds:.2f} s, {rate:.0f} MB/s")
        table.add_row("", f"{carried['transport']}, {carried['local_candidate']}, encrypted ({carried['security']})")
        table.add_row("", f"sha256 {record.received.sha256}")
    return table
