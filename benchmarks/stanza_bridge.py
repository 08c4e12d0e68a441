"""The npm package stanza as a subprocess: its own mapping between SDP and Jingle, for comparison."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent / "sdp_stanza"


class Stanza:
    """Asks the process one thing after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps(command)}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def stanza() -> Iterator[Stanza | None]:
    """Run it as long as the block; `None` where there is no Node."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        print("node and npm are not installed: nothing to compare with")
        yield None
        return
    if not (PACKAGE / "node_modules" / "stanza").exists():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund", "--silent"], cwd=PACKAGE, check=True)
    command = [node, str(PACKAGE / "round_trips.cjs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Stanza(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
