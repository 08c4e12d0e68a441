"""The samples, each run with the command of its README, against the loopback server."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shlex
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import slixmpp

import jingle
from jingle.demo import LoopbackServer

from .media.helpers import pitch, read, sine, until_heard

ROOT = Path(__file__).parent.parent
SAMPLES = sorted((ROOT / "samples").glob("*/*.py"))
LONGEST = 80

pytestmark = pytest.mark.network


def command_of(name: str) -> list[str]:
    """The command in a sample's README, as words."""
    text = (ROOT / "samples" / name / "README.md").read_text()
    found = re.search(r"```sh\npython (.*?)\n```", text, re.DOTALL)
    assert found is not None, f"the README of {name} tells no command"
    return shlex.split(found[1])


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_a_sample_is_one_short_file_with_a_readme(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST
    assert [each.name for each in path.parent.glob("*.py")] == [path.name]
    assert command_of(path.parent.name)[0] == path.relative_to(ROOT).as_posix()


class Sample:
    """A sample that runs; its lines come out one by one."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, pattern: str, patience: float = 20) -> re.Match[str]:
        """Wait for a line in which this is."""
        seen = []
        assert self.process.stdout is not None
        async with asyncio.timeout(patience):
            while raw := await self.process.stdout.readline():
                seen.append(raw.decode())
                if found := re.search(pattern, seen[-1]):
                    return found
        raise AssertionError(f"it ended without {pattern!r}: {''.join(seen)}")


class World:
    """Bob is a sample, Alice and Carol are in this process."""

    def __init__(self, server: LoopbackServer, stack: contextlib.AsyncExitStack) -> None:
        self.server = server
        self.told: list[jingle.Event] = []
        self._stack = stack

    async def start(self, name: str, **exchanged: str) -> Sample:
        """Run a sample as its README says, where this server is, with some words exchanged."""
        words = {"127.0.0.1:5222": f"127.0.0.1:{self.server.port}", "jingle-ca.pem": str(self.server.ca_file)}
        words |= {key.replace("_at_", "@"): value for key, value in exchanged.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *[words.get(word, word) for word in command_of(name)],
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._stack.push_async_callback(self._end, process)
        return Sample(process)

    @staticmethod
    async def _end(process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.kill()
        await process.communicate()

    async def online(self, name: str) -> jingle.Peer:
        peer = jingle.connect(
            f"{name}@localhost",
            "secret",
            server=(self.server.host, self.server.port),
            ca_file=self.server.ca_file,
            loopback=True,
            on_event=self.told.append,
        )
        return await self._stack.enter_async_context(peer)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    users = dict.fromkeys(("alice", "bob", "carol"), "secret")
    async with LoopbackServer(users=users, contacts="all") as server, contextlib.AsyncExitStack() as stack:
        yield World(server, stack)


async def hears(call: jingle.Call, hertz: float) -> None:
    async with asyncio.timeout(15):
        await until_heard(call.audio, hertz)


async def test_echo_bot(world: World) -> None:
    bot = await world.start("echo_bot")
    await bot.line("bob@localhost/.* is online")
    alice, carol = await world.online("alice"), await world.online("carol")
    async with alice.call("bob@localhost", audio=jingle.Tone(500)) as first:
        async with carol.call("bob@localhost", audio=jingle.Tone(700)) as second:
            await asyncio.gather(hears(first, 500), hears(second, 700))
    await bot.line("has hung up")


async def test_answering_machine(world: World, tmp_path: Path) -> None:
    greeting, messages = tmp_path / "greeting.wav", tmp_path / "messages"
    with wave.open(str(greeting), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(sine(300, 1).tobytes())
    exchanged: dict[str, str] = {"jingle/demo/hello.ogg": str(greeting), "messages": str(messages)}
    machine = await world.start("answering_machine", **exchanged)
    await machine.line("is online")
    alice = await world.online("alice")
    async with alice.call("bob@localhost", audio=jingle.Tone(500)) as call:
        await hears(call, 300)
        await hears(call, 1000)
        await call.wait(1.5)
    recorded = Path((await machine.line("recorded (.*)"))[1])
    assert recorded.parent == messages
    _, signal = read(recorded)
    assert len(signal) > 24_000
    assert pitch(signal[:24_000]) == pytest.approx(500, abs=5)


async def test_dtmf_menu(world: World) -> None:
    menu = await world.start("dtmf_menu")
    await menu.line("is online")
    alice = await world.online("alice")
    async with alice.call("bob@localhost", audio=jingle.Silence()) as call:
        await call.send_dtmf("1")
        await menu.line("presses 1")
        await hears(call, 440)
        await call.send_dtmf("2")
        await hears(call, 880)
        await call.send_dtmf("#")
        ending = await call.wait(5)
        assert ending is not None
        assert ending.reason == "success"
    await menu.line("is gone")


async def say(peer: jingle.Peer, text: str) -> asyncio.Queue[str]:
    """Send the bot a message; what it says comes out of the queue."""
    xmpp: Any = peer.pump.binding.xmpp
    answers: asyncio.Queue[str] = asyncio.Queue()
    xmpp.add_event_handler("message", lambda message: answers.put_nowait(message["body"]))
    bot = slixmpp.JID("bob@localhost")
    xmpp.send_message(bot, text, mtype="chat")
    return answers


async def test_slixmpp_bot(world: World) -> None:
    bot = await world.start("slixmpp_bot")
    await bot.line("bob@localhost/.* is online")
    alice = await world.online("alice")
    alice.listen()
    answers = await say(alice, "call")
    offer = await asyncio.wait_for(anext(alice.incoming()), 10)
    assert isinstance(offer, jingle.IncomingCall)
    async with offer.accept(audio=jingle.Silence()) as call:
        await hears(call, 440)
    assert await asyncio.wait_for(answers.get(), 10) == "You have hung up: success."


async def test_file_bot(world: World, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "secret.txt").write_text("not for you")
    (tmp_path / "given" / "report.txt").write_text("hello" * 1000)
    bot = await world.start("file_bot", docs=str(tmp_path / "given"))
    await bot.line("is online")
    alice = await world.online("alice")
    alice.listen()
    answers = await say(alice, "get ../secret.txt")
    assert await asyncio.wait_for(answers.get(), 10) == "Say 'get NAME' for one of: report.txt"
    answers = await say(alice, "get report.txt")
    offer = await asyncio.wait_for(anext(alice.incoming()), 10)
    assert isinstance(offer, jingle.IncomingFile)
    result = await (await offer.accept(tmp_path / "got.txt")).result()
    assert (tmp_path / "got.txt").read_text() == "hello" * 1000
    assert await asyncio.wait_for(answers.get(), 10) == f"report.txt: 5000 bytes, sha-256 {result.sha256}"


async def test_bridge(world: World) -> None:
    alice, carol = await world.online("alice"), await world.online("carol")

    async def answer(peer: jingle.Peer, own: float, other: float) -> None:
        offer = await anext(peer.incoming())
        assert isinstance(offer, jingle.IncomingCall)
        async with offer.accept(audio=jingle.Tone(own)) as call:
            await hears(call, other)
            await both.wait()

    both = asyncio.Barrier(2)
    alice.listen()
    carol.listen()
    answering = asyncio.gather(answer(alice, 500, 700), answer(carol, 700, 500))
    bridge = await world.start("bridge")
    await bridge.line("they talk")
    await answering
    told = await bridge.line(r"([0-9]+) packets passed through, (.*) encoded again")
    assert int(told[1]) > 10
    assert told[2] == "nothing"
    assert await asyncio.wait_for(bridge.process.wait(), 10) == 0


async def test_video_frames(world: World) -> None:
    alice = await world.online("alice")
    alice.listen()
    sample = await world.start("video_frames")
    offer = await asyncio.wait_for(anext(alice.incoming()), 20)
    assert isinstance(offer, jingle.IncomingCall)
    assert set(offer.media) == {"audio", "video"}
    async with offer.accept(audio=jingle.Silence(), video=jingle.TestCard()) as call:
        found = await sample.line(r"([0-9.]+) s: 640x480, red ([0-9]+), green ([0-9]+), blue ([0-9]+)")
        assert all(20 < int(found[part]) < 235 for part in (2, 3, 4)), "a test card is neither black nor white"
        await call.wait(10)
        assert call.ending is not None, "it hangs up when it has seen enough"
    assert await asyncio.wait_for(sample.process.wait(), 10) == 0
