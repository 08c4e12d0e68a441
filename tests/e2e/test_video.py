"""Calls with pictures between two processes."""

from __future__ import annotations

from .conftest import World
from .endings import ended_well
from .pictures import read_clip

IN_STEP = 0.080 - 1 / 25
"""Seconds that a picture may be off its sound, less those from one picture to the next: a flash begins in between."""


async def test_a_test_card_is_seen_at_the_other_end(world: World) -> None:
    bob = await world.answer("--once")
    alice = await world.call("--video", "test", "--seconds", "2")
    for command in (alice, bob):
        connected = await command.event("connected")
        assert connected["media"] == ["audio", "video"]
    await ended_well(alice, bob)
    sent, received = (command.told("ended")[0]["stats"]["video"] for command in (alice, bob))
    assert received["frames_received"] > 20
    assert received["size_received"] == sent["size_sent"] == [640, 480]
    assert sent["packets_received"] == received["packets_sent"] == 0


async def test_picture_and_sound_are_recorded_in_step(world: World) -> None:
    """The card flashes when it beeps, once a second; both are told by the reports of the caller."""
    bob = await world.answer("--once", "--record", "heard.mkv")
    alice = await world.call("--video", "test", "--play", "test", "--seconds", "5.5")
    await ended_well(alice, bob)
    clip = read_clip(world.folder / "heard.mkv")
    assert clip.size == (640, 480)
    assert len(clip.beeps) >= 4
    offsets = clip.offsets()
    assert len(offsets) >= 4
    assert max(abs(offset) for offset in offsets) < IN_STEP, offsets


async def test_pictures_both_ways_and_a_file_of_both_media(on_loopback: World) -> None:
    """Bob shows a file that alice's card was recorded in, with its sound; what she records of it is in step again."""
    folder = on_loopback.folder
    first = await on_loopback.answer("--once", "--record", "card.mp4")
    caller = await on_loopback.call("--video", "test", "--play", "test", "--seconds", "4.5")
    await ended_well(caller, first)
    bob = await on_loopback.run(
        "answer", "--once", "--video", str(folder / "card.mp4"), *on_loopback.server.options(on_loopback.bob)
    )
    await bob.event("online")
    alice = await on_loopback.call("--video", "test", "--record", "back.webm")
    await ended_well(bob, alice)  # at the end of the file
    for command in (alice, bob):
        video = command.told("ended")[0]["stats"]["video"]
        assert min(video["frames_sent"], video["frames_received"]) > 50
    clip = read_clip(folder / "back.webm")
    assert len(clip.offsets()) >= 3
    assert max(abs(offset) for offset in clip.offsets()) < IN_STEP, clip.offsets()
