from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from jingle.errors import MediaError
from jingle.media.files import File
from jingle.media.framing import audio_frame
from jingle.media.sources import Frames

from .helpers import HELLO, at_once, cut, joined, likeness, pitch, play, read, run_virtual, sine, virtual, write

FORMATS = [
    ("tone.wav", "pcm_s16le", "s16", 8_000, "mono"),
    ("tone.wav", "pcm_u8", "u8", 22_050, "mono"),
    ("tone.wav", "pcm_f32le", "flt", 192_000, "mono"),
    ("tone.wav", "pcm_s24le", "s32", 44_100, "stereo"),
    ("tone.wav", "pcm_s16le", "s16", 48_000, "5.1"),
    ("tone.mp3", "libmp3lame", "fltp", 44_100, "stereo"),
    ("tone.mp3", "libmp3lame", "fltp", 16_000, "mono"),
    ("tone.flac", "flac", "s16", 96_000, "mono"),
    ("tone.flac", "flac", "s32", 48_000, "5.1"),
    ("tone.ogg", "libopus", "s16", 48_000, "stereo"),
    ("tone.ogg", "flac", "s16", 11_025, "mono"),
    ("tone.m4a", "aac", "fltp", 32_000, "5.1"),
    ("tone.mkv", "ac3", "fltp", 48_000, "5.1"),
    ("tone.au", "pcm_mulaw", "s16", 8_000, "mono"),
]


@pytest.mark.parametrize(("name", "codec", "form", "rate", "layout"), FORMATS)
async def test_any_file_has_its_pitch_and_length(
    tmp_path: Path, name: str, codec: str, form: str, rate: int, layout: str
) -> None:
    path = write(tmp_path / name, sine(440, 1.5, rate=rate), codec=codec, form=form, rate=rate, layout=layout)
    source = File(path)
    await source.open()
    frames = await play(source.track(pacer=at_once()))
    await asyncio.wait_for(source.ended(), 1)
    assert {frame.layout.name for frame in frames if isinstance(frame, AudioFrame)} == {
        "mono" if layout == "mono" else "stereo"
    }
    assert [frame.pts for frame in frames] == list(range(0, 960 * len(frames), 960))
    heard = joined(frames)
    # Encoders put up to two of their frames around the sound.
    assert len(heard) / 48_000 == pytest.approx(1.5, abs=0.15)
    middle = heard[24_000:-24_000]
    assert pitch(middle) == pytest.approx(440, abs=3)
    assert np.abs(middle).max() > 2000


async def test_the_sound_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=44_100, layout="mono")
        for _ in range(25):
            container.mux(video.encode(VideoFrame(64, 48, "yuv420p")))
        container.mux(audio.encode(audio_frame(sine(880, 1.0, rate=44_100), rate=44_100, pts=0)))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    source = File(path)
    await source.open()
    heard = joined(await play(source.track(pacer=at_once())))
    assert pitch(heard) == pytest.approx(880, abs=3)
    assert len(heard) / 48_000 == pytest.approx(1.0, abs=0.1)


async def test_the_sample_is_played_whole() -> None:
    source = File(HELLO)
    await source.open()
    heard = joined(await play(source.track(pacer=at_once())))
    _, original = read(HELLO)
    lag, alike = likeness(original, heard)
    assert lag == 0
    assert alike > 0.999
    assert len(heard) - 960 < len(original) <= len(heard)


async def test_a_loop_starts_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", sine(500, 0.3), codec="pcm_s16le", form="s16", rate=48_000)
    source = File(path, loop=True)
    await source.open()
    track = source.track(pacer=at_once())
    heard = joined(await play(track, 150))
    assert np.array_equal(heard[: 15 * 960], heard[15 * 960 : 30 * 960])
    assert [*range(0, 150 * 960, 960)][-1] == 149 * 960
    assert not track.played_out
    await source.aclose()
    assert track.readyState == "ended"


async def test_a_loop_ends_when_its_file_is_gone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", sine(500, 0.3), codec="pcm_s16le", form="s16", rate=48_000)
    source = File(path, loop=True)
    await source.open()
    track = source.track(pacer=at_once())
    await play(track, 1)
    path.unlink()
    await play(track)
    assert track.played_out


async def test_frames_come_in_real_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", sine(500, 0.3), codec="pcm_s16le", form="s16", rate=48_000)
    source = File(path)
    await source.open()
    track = source.track()
    started = asyncio.get_running_loop().time()
    await play(track)
    assert 0.28 <= asyncio.get_running_loop().time() - started < 1


async def test_a_file_can_be_stopped_at_any_moment(tmp_path: Path) -> None:
    source = File(HELLO)
    await source.open()
    for after in range(4):
        track = source.track()
        await play(track, after)
        reading = asyncio.create_task(track.recv())
        await asyncio.sleep(0)
        track.stop()
        # The frame may just have been ready; the next one never is.
        await asyncio.gather(reading, return_exceptions=True)
        with pytest.raises(MediaStreamError):
            await track.recv()
        assert not track.played_out
    for _ in range(50):
        if not descriptors_of(HELLO):
            break
        await asyncio.sleep(0.02)
    assert descriptors_of(HELLO) == 0


def descriptors_of(path: Path) -> int:
    links = Path("/proc/self/fd")
    if not links.exists():
        return 0
    return sum(os.path.realpath(link) == str(path.resolve()) for link in links.iterdir())


async def test_a_file_that_breaks_off_is_played_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "half.ogg"
    path.write_bytes(HELLO.read_bytes()[:20_000])
    source = File(path)
    await source.open()
    assert 3 < len(joined(await play(source.track(pacer=at_once())))) / 48_000 < 8


async def test_damage_in_the_middle_is_skipped(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.mp3", sine(440, 3.0), codec="libmp3lame", form="s16p", rate=48_000)
    data = bytearray(whole.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = os.urandom(2000)
    whole.write_bytes(data)
    source = File(whole)
    await source.open()
    assert len(joined(await play(source.track(pacer=at_once())))) / 48_000 > 2


async def test_names_that_look_like_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(HELLO, tmp_path / "concat:a.ogg")
    await File("concat:a.ogg").open()
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError):
        await File("list.m3u8").open()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.ogg", None, "no such file"),
        ("folder", "", "folder"),
        ("text.ogg", b"this is not sound\n" * 100, "not a media file"),
        ("empty.wav", b"", "not a media file"),
    ],
)
async def test_what_cannot_be_played(tmp_path: Path, name: str, content: bytes | str | None, said: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    source = File(path)
    with pytest.raises(MediaError, match=said) as caught:
        await source.open()
    assert str(path) in str(caught.value)
    with pytest.raises(MediaError, match="open"):
        source.track()


async def test_a_file_without_sound(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        container.mux(video.encode(VideoFrame(64, 48, "yuv420p")))
        container.mux(video.encode(None))
    with pytest.raises(MediaError, match="no sound"):
        await File(path).open()


async def test_a_file_with_a_header_only(tmp_path: Path) -> None:
    path = tmp_path / "header.wav"
    write(path, sine(440, 0.1), codec="pcm_s16le", form="s16", rate=48_000)
    path.write_bytes(path.read_bytes()[:78])
    with pytest.raises(MediaError, match="no sound"):
        await File(path).open()


async def test_pushed_frames_come_out_in_order_and_paced() -> None:
    source = Frames()
    tone = sine(440, 0.5, rate=16_000)
    for frame in cut(tone, rate=16_000, size=320):
        await source.push(frame)
    source.end()
    source.end()
    frames = await play(source.track(pacer=at_once()))
    await source.ended()
    assert len(frames) == 25
    assert [frame.pts for frame in frames] == list(range(0, 25 * 960, 960))
    assert pitch(joined(frames)) == pytest.approx(440, abs=3)


def test_pushing_waits_for_room() -> None:
    async def main() -> None:
        source = Frames(maxsize=5)
        track = source.track()
        pushing = asyncio.create_task(source.push(audio_frame(sine(440, 1.0))))
        await asyncio.sleep(10)
        assert not pushing.done()
        started = virtual().time()
        await play(track, 44)
        await asyncio.sleep(0)
        assert not pushing.done()
        await play(track, 2)
        await asyncio.sleep(0)
        assert pushing.done()
        assert virtual().time() - started == pytest.approx(0.9, abs=0.03)

    run_virtual(main())


def test_a_pause_of_the_application_is_no_burst_afterwards() -> None:
    async def main() -> None:
        source = Frames()
        track = source.track()
        await source.push(audio_frame(sine(440, 0.04)))
        await play(track, 2)
        reading = asyncio.create_task(play(track, 4))
        await asyncio.sleep(3)
        started = virtual().time()
        await source.push(audio_frame(sine(440, 0.08)))
        await reading
        assert virtual().time() - started == pytest.approx(0.06)

    run_virtual(main())


async def test_a_full_queue_refuses() -> None:
    source = Frames(maxsize=2)
    source.push_nowait(audio_frame(sine(440, 0.02)))
    source.push_nowait(audio_frame(sine(440, 0.06)))
    with pytest.raises(MediaError, match="room"):
        source.push_nowait(audio_frame(sine(440, 0.02)))


async def test_closing_frees_whoever_waits() -> None:
    source = Frames(maxsize=1)
    track = source.track()
    pushing = asyncio.create_task(source.push(audio_frame(sine(440, 0.1))))
    await asyncio.sleep(0)
    await source.aclose()
    with pytest.raises(MediaError, match="end"):
        await pushing
    with pytest.raises(MediaError, match="end"):
        source.push_nowait(audio_frame(sine(440, 0.1)))
    with pytest.raises(MediaStreamError):
        await track.recv()


async def test_frames_feed_one_call_of_their_own_kind() -> None:
    source = Frames()
    track = source.track()
    with pytest.raises(MediaError, match="already"):
        source.track()
    with pytest.raises(MediaError, match="audio"):
        await source.push(VideoFrame(64, 48, "yuv420p"))
    with pytest.raises(MediaError, match="smell"):
        Frames("smell")  # type: ignore[arg-type]
    track.stop()
    source.track()


async def test_pictures_pass_as_they_are() -> None:
    source = Frames("video")
    assert source.track().kind == "video"
    await source.aclose()
    source = Frames("video", maxsize=2)
    track = source.track()
    picture = VideoFrame(64, 48, "yuv420p")
    await source.push(picture)
    heard = await track.recv()
    assert heard is picture
    assert isinstance(heard.pts, int)
    assert heard.time_base is not None
    assert heard.time_base.denominator == 90_000
    with pytest.raises(MediaError, match="video"):
        source.push_nowait(audio_frame(sine(440, 0.02)))
