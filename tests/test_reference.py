"""`make docs`: the reference has every public name, and its examples are code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jingle

ROOT = Path(__file__).parent.parent


def test_the_reference(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "docs" / "reference.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "jingle.html").read_text()
    told = set(re.findall(r'id="([\w.]+)"', page))
    assert set(jingle.__all__) <= told
    assert {f"Peer.{name}" for name in vars(jingle.Peer) if not name.startswith("_")} <= told
    assert "<pre><code>async with" in page, "an example is no code"
    assert 'id="XEP_0166.peer"' in (tmp_path / "jingle" / "plugin.html").read_text()
    assert 'id="to_jingle"' in (tmp_path / "jingle" / "sdp.html").read_text()
