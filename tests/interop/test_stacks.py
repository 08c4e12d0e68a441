"""Calls with media stacks that speak SDP and no Jingle, made into clients by the mapping, over Prosody.

We speak a tone of 440 Hz and the stack one of 1000 Hz, and each is measured at the other's end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aioice.ice
import av
import numpy as np
import pytest

from jingle.elements.core import Action, Reason, ReasonCondition
from tests.e2e.commands import Commands
from tests.e2e.conftest import World
from tests.e2e.sound import assert_tone
from tests.servers.prosody import Prosody

from .aiortc_stack import aiortc_stack
from .stack import WAIT, Stack, StackClient, stack_client
from .webrtcbin import webrtcbin

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

OURS = 440.0
"""Hz: what `--play tone` is."""

THEIRS = 1000
BLUE, RED = 0x1E32C8, 0xC81E1E
"""What we show, and what they do: far enough apart to be told from one another by whatever codec."""

STACKS: dict[str, Callable[..., AbstractAsyncContextManager[Stack]]] = {
    "aiortc": aiortc_stack,
    "webrtcbin": webrtcbin,
}


@pytest.fixture
def world(prosody_server: Prosody, run: Commands) -> World:
    """Alice is the one with the stack."""
    return World(prosody_server, run)


@pytest.fixture
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback alone, which aioice leaves out by itself."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.fixture(params=STACKS)
async def stack(request: pytest.FixtureRequest, on_loopback: None) -> AsyncIterator[Stack]:
    """Each test runs with each stack."""
    async with STACKS[request.param](THEIRS) as made:
        yield made


@pytest.fixture
async def alice(world: World, prosody_server: Prosody, stack: Stack) -> AsyncIterator[StackClient]:
    async with stack_client(prosody_server, world.alice, stack) as client:
        yield client
        assert client.refusals == []


@pytest.fixture(params=[(name, codec) for name in STACKS for codec in ("VP8", "H264")], ids="-".join)
async def showing(request: pytest.FixtureRequest, on_loopback: None) -> AsyncIterator[Stack]:
    """A stack that shows a colour, with one codec only."""
    name, codec = request.param
    async with STACKS[name](THEIRS, codec=codec, colour=RED) as made:
        yield made


def make_film(path: Path, colour: int) -> None:
    """Make a minute of one colour."""
    pixels = np.tile(np.array([colour >> 16, colour >> 8 & 255, colour & 255], np.uint8), (240, 320, 1))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(600):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def is_like(rgb: tuple[int, ...], colour: int) -> bool:
    """Whether it is that colour, up to what two codecs and two kinds of YUV make of it."""
    wanted = (colour >> 16, colour >> 8 & 255, colour & 255)
    return max(abs(one - other) for one, other in zip(rgb, wanted, strict=True)) < 60


async def assert_seen_there(stack: Stack) -> None:
    """Assert that our colour comes out of the stack."""
    deadline = time.monotonic() + WAIT
    while not is_like(seen := await stack.look(), BLUE):
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.1)


def assert_seen_here(path: Path) -> None:
    """Assert that a recording ends with the stack's colour."""
    with av.open(str(path)) as container:
        *_, last = container.decode(video=0)
    picture = last.to_ndarray(format="rgb24")
    rgb = tuple(int(value) for value in picture[picture.shape[0] // 2, picture.shape[1] // 2])
    assert is_like(rgb, RED), rgb


async def assert_heard_there(stack: Stack) -> None:
    """Assert that our tone comes out of the stack."""
    await stack.connected()
    deadline = time.monotonic() + WAIT
    heard = await stack.hear()
    while not heard.is_tone(OURS):
        assert time.monotonic() < deadline, heard
        await asyncio.sleep(0.1)
        heard = await stack.hear()


async def test_the_stack_calls(world: World, alice: StackClient, stack: Stack) -> None:
    """Directly, and it hangs up."""
    command = await world.answer("--play", "tone", "--record", "heard.wav", "--once")
    await alice.call((await command.event("online"))["jid"])
    await assert_heard_there(stack)
    alice.hang_up()
    assert (await command.event("ended"))["reason"] == "success", command
    assert await command.exit() == 0
    assert_tone(world.folder / "heard.wav", THEIRS, seconds=0.5)
    assert Action.SESSION_ACCEPT in alice.actions


async def test_we_call_the_stack(world: World, alice: StackClient, stack: Stack) -> None:
    """By a proposal to all its devices, and we hang up."""
    command = await world.call("--play", "tone", "--record", "heard.wav", to=world.alice, as_jid=world.bob)
    await assert_heard_there(stack)
    command.interrupt()
    reason = await asyncio.wait_for(alice.ended, WAIT)
    assert reason is not None
    assert reason.condition is ReasonCondition.SUCCESS
    assert await command.exit() == 130
    assert (await command.event("ended"))["reason"] == "success", command
    assert_tone(world.folder / "heard.wav", THEIRS, seconds=0.5)


async def test_pictures_of_a_stack_that_calls(world: World, prosody_server: Prosody, showing: Stack) -> None:
    """A colour sent is the colour seen, both ways, with the sound beside it on one transport."""
    make_film(world.folder / "blue.mp4", BLUE)
    shown = ("--video", str(world.folder / "blue.mp4"))
    command = await world.answer("--play", "tone", *shown, "--record", "heard.mkv", "--once")
    async with stack_client(prosody_server, world.alice, showing) as alice:
        await alice.call((await command.event("online"))["jid"])
        await assert_heard_there(showing)
        await assert_seen_there(showing)
        alice.hang_up()
        assert (await command.event("ended"))["reason"] == "success", command
        assert await command.exit() == 0
    assert (await command.event("connected"))["media"] == ["audio", "video"]
    assert_tone(world.folder / "heard.mkv", THEIRS, seconds=0.5)
    assert_seen_here(world.folder / "heard.mkv")


async def test_pictures_of_a_stack_that_is_called(world: World, prosody_server: Prosody, showing: Stack) -> None:
    make_film(world.folder / "blue.mp4", BLUE)
    shown = ("--video", str(world.folder / "blue.mp4"))
    async with stack_client(prosody_server, world.alice, showing) as alice:
        command = await world.call(
            *("--play", "tone"), *shown, *("--record", "heard.mkv"), to=world.alice, as_jid=world.bob
        )
        await assert_heard_there(showing)
        await assert_seen_there(showing)
        command.interrupt()
        assert await asyncio.wait_for(alice.ended, WAIT) == Reason(condition=ReasonCondition.SUCCESS)
        assert await command.exit() == 130
    assert_tone(world.folder / "heard.mkv", THEIRS, seconds=0.5)
    assert_seen_here(world.folder / "heard.mkv")
