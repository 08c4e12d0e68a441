"""Devices listed and chosen by name, and what is said where there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from jingle.cli import devices as module
from jingle.cli.main import main
from jingle.cli.media import audio_source, ready_speaker
from jingle.client import Microphone
from jingle.errors import MediaError
from jingle.media.cameras import ListedCamera, list_cameras
from tests.media.fake_portaudio import fake_library


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = fake_library()
    monkeypatch.setitem(sys.modules, "sounddevice", found)
    return found


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "list_cameras", lambda: [ListedCamera(path="/dev/video2", name="C\x1b[31m920")])


@pytest.mark.usefixtures("library", "cameras")
def test_the_list() -> None:
    result = CliRunner().invoke(main, ["devices"])
    assert result.exit_code == 0
    assert result.stderr == ""
    assert [line.split(maxsplit=3) for line in result.stdout.splitlines()] == [
        ["microphone", "--play", "mic:0", "HDA Analog"],
        ["loudspeaker", "--speaker", "0", "HDA Analog  (default)"],
        ["microphone", "--play", "mic:1", "USB Headset  (default)"],
        ["loudspeaker", "--speaker", "1", "USB Headset"],
        ["loudspeaker", "--speaker", "2", "HDMI"],
        ["camera", "--video", "camera:/dev/video2", "C\N{REPLACEMENT CHARACTER}[31m920"],
    ]


@pytest.mark.usefixtures("library", "cameras")
def test_the_list_for_programs() -> None:
    result = CliRunner().invoke(main, ["devices", "--json"])
    listed = [json.loads(line) for line in result.stdout.splitlines()]
    expected = {
        "event": "device",
        "kind": "microphone",
        "name": "USB Headset",
        "option": "--play mic:1",
        "default": True,
    }
    assert listed[2] | expected == listed[2]
    assert (listed[2]["default"], type(listed[2]["time"])) == (True, float)
    assert [each["kind"] for each in listed].count("loudspeaker") == 3


@pytest.mark.usefixtures("library")
async def test_what_the_list_says_is_what_is_taken() -> None:
    result = CliRunner().invoke(main, ["devices", "--json"])
    for each in map(json.loads, result.stdout.splitlines()):
        option, _, value = each["option"].partition(" ")
        if option == "--play":
            source = audio_source(value)
            assert isinstance(source, Microphone)
            assert source._device.name == each["name"]
        elif option == "--speaker":
            speaker = await ready_speaker(value)
            assert speaker is not None
            assert speaker._stream.settings["device"] == int(value)
            await speaker.aclose()


@pytest.mark.usefixtures("library")
async def test_a_part_of_a_name_will_do() -> None:
    microphone = audio_source("mic:headset")
    assert isinstance(microphone, Microphone)
    assert microphone._device.index == 1
    for name, index in (("hdmi", 2), ("", 0)):
        speaker = await ready_speaker(name)
        assert speaker is not None
        assert speaker._stream.settings["device"] == index
        await speaker.aclose()
    assert await ready_speaker(None) is None
    with pytest.raises(MediaError, match="no loudspeaker 'Bose'; there are 0: HDA Analog"):
        await ready_speaker("Bose")
    with pytest.raises(MediaError, match="no microphone 'hdmi'"):
        audio_source("mic:hdmi")


def test_where_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.setattr(module, "list_cameras", list)
    result = CliRunner().invoke(main, ["devices"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "pip install 'jingle-toolkit[devices]'" in result.stderr
    assert "this machine has no camera" in result.stderr
    for kind in ("microphone", "loudspeaker"):  # which nobody has looked for
        assert f"no {kind}" not in result.stderr


@pytest.mark.parametrize("option", [("--speaker",), ("--play", "mic"), ("--play", "mic:7")])
def test_nobody_is_rung_without_the_device(monkeypatch: pytest.MonkeyPatch, option: tuple[str, ...]) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    arguments = ["call", "bob@localhost", "--jid", "alice@localhost", "--password", "x", "--server", "127.0.0.1:1"]
    result = CliRunner().invoke(main, [*arguments, *option])
    assert result.exit_code == 2
    assert "jingle-toolkit[devices]" in result.stderr


def test_cameras_as_linux_lists_them(tmp_path: Path) -> None:
    assert list_cameras(tmp_path / "nowhere") == []
    for number, name in ((0, "Webcam"), (1, "Webcam"), (10, "Capture"), (2, None)):
        (tmp_path / f"video{number}").mkdir()
        if name is not None:
            (tmp_path / f"video{number}" / "name").write_text(f"{name}\n")
    assert list_cameras(tmp_path) == [
        ListedCamera(path="/dev/video0", name="Webcam"),
        ListedCamera(path="/dev/video2", name="video2"),
        ListedCamera(path="/dev/video10", name="Capture"),
    ]
