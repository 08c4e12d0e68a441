"""`jingle demo`, with less to say than in earnest."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from jingle.cli import demo as module
from jingle.cli.main import main
from jingle.demo.sound import RATE, SPEECH, read_sound
from tests.e2e.pictures import read_clip


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds of the speech, and a small file."""
    path = tmp_path / "short.wav"
    samples = (read_sound(SPEECH)[: 3 * RATE] * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.ascontiguousarray(samples).tobytes())
    monkeypatch.setattr(module, "SPEECH", path)
    monkeypatch.setattr(module, "FILE_SIZE", 2**20)
    # How well a call is heard is for the tests of calls to say; here the machine may be busy.
    monkeypatch.setattr(module, "ALIKE", 0.5)
    monkeypatch.setattr(module, "LONGEST_GAP", 0.5)


def test_it_works_and_leaves_everything_behind(short: None, tmp_path: Path) -> None:
    out = tmp_path / "out" / "deep"
    result = CliRunner().invoke(main, ["demo", "--out", str(out)])
    assert result.exit_code == 0, result.output
    for words in ("alice@localhost", "called bob@localhost", "opus", "ice-udp", "dtls", "packets", "likeness", "works"):
        assert words in result.stdout, words
    assert "VP8" in result.stdout
    assert "640x480" in result.stdout
    assert "alice calls bob" in result.stderr
    for name in ("alice", "bob"):
        assert 2.5 < len(read_sound(out / f"heard-by-{name}.wav")) / RATE < 6
    for picture in ("waveforms", "seen-by-alice", "seen-by-bob"):
        assert (out / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    clip = read_clip(out / "seen-by-bob.webm")
    assert clip.size == (640, 480)
    assert clip.times[-1] > 2
    ladder = (out / "ladder.txt").read_text("utf-8")
    for step in ("propose", "ringing", "proceed", "session-initiate", "session-accept", "session-terminate"):
        assert step in ladder, step
    assert "password" not in ladder


def test_what_was_heard_is_judged(short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALIKE", 1.01)
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 6, result.output
    assert "damaged" in result.stdout


def test_what_was_seen_is_judged(short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PICTURE_ALIKE", 1.01)
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path)])
    assert result.exit_code == 6, result.output


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2
    assert "--out" in result.stderr
