"""Looking at a screen that nobody has, and at devices that are computed."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Iterator

import pytest
from aiortc.mediastreams import MediaStreamError
from av.video.frame import VideoFrame

from jingle.errors import MediaError
from jingle.media.grabbing import Camera, Grabber, Screen
from tests.conftest import require_program
from tests.transports.dtls_pair import eventually

COLOUR = (200, 40, 60)


def computed(filters: str) -> Grabber:
    """What FFmpeg computes in place of a camera."""
    return Grabber("camera", "lavfi", filters, {})


@contextlib.contextmanager
def screen(size: str) -> Iterator[str]:
    """An X11 server of one colour without a monitor; its display comes back."""
    server = subprocess.Popen(
        [require_program("Xvfb"), "-displayfd", "1", "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        display = f":{server.stdout.readline().strip()}"
        paint = [require_program("xsetroot"), "-display", display, "-solid", "#{:02x}{:02x}{:02x}".format(*COLOUR)]
        subprocess.run(paint, check=True, timeout=20)
        yield display
    finally:
        server.terminate()
        server.wait(10)
        assert server.stdout is not None
        server.stdout.close()


async def test_what_a_screen_shows() -> None:
    with screen("320x200") as display:
        source = Screen(display)
        await source.open()
        track = source.track()
        with pytest.raises(MediaError, match="already"):
            source.track()
        frames = [await track.recv() for _ in range(4)]
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()
        await eventually(lambda: not grabbing())
    for frame in frames:
        assert isinstance(frame, VideoFrame)
        assert (frame.width, frame.height) == (320, 200)
        corner = frame.reformat(format="rgb24").to_ndarray()[5, 5]
        assert all(abs(int(part) - wanted) < 6 for part, wanted in zip(corner, COLOUR, strict=True))
    assert frames[0].pts != frames[-1].pts


def grabbing() -> bool:
    return any(thread.name == "jingle-grabber" for thread in threading.enumerate())


async def test_only_the_newest_picture_waits() -> None:
    source = computed("testsrc=size=64x48:rate=25,realtime")
    await source.open()
    track = source.track()
    first = await track.recv()
    await asyncio.sleep(0.5)
    second = await track.recv()
    track.stop()
    assert second.time is not None
    assert first.time is not None
    assert second.time - first.time > 0.3
    await eventually(lambda: not grabbing())


async def test_a_device_that_goes_away_ends() -> None:
    source = computed("testsrc=size=64x48:rate=5:duration=1,realtime")
    track = source.track()
    for _ in range(5):
        await track.recv()
    with pytest.raises(MediaStreamError):
        await track.recv()
    async with asyncio.timeout(5):
        await source.ended()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (lambda: Camera("/dev/video99"), "there is no camera /dev/video99"),
        (lambda: Camera("/dev/null"), "camera /dev/null cannot be used"),
        (lambda: Screen(":999"), "screen :999 cannot be used"),
        (lambda: computed("nonsense"), "camera cannot be used|there is no camera"),
    ],
)
async def test_what_is_not_there_is_said_not_to_be(source: object, said: str) -> None:
    assert callable(source)
    with pytest.raises(MediaError, match=said):
        await source().open()


def test_without_a_display_there_is_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(MediaError, match="DISPLAY is not set"):
        Screen()


def test_elsewhere_cameras_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(MediaError, match="Linux only"):
        Camera()
