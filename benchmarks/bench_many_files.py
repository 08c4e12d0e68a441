"""How much longer do 200 files of 10 kB take in one `jingle send` than one file of 2 MB?

Whole commands, from their start to their end, against one `jingle receive` over the loopback server, all warm.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FILES, SIZE = 200, 10_000
JINGLE = [sys.executable, "-m", "jingle"]


@contextlib.contextmanager
def running(command: Sequence[str], event: str) -> Iterator[dict[str, object]]:
    """Run a command as long as the block, from the event that says that it is ready."""
    with subprocess.Popen([*JINGLE, *command, "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            assert told["event"] == event, told
            # Or the pipe is full one day, and the command waits for somebody to read it.
            drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
            yield told
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            drain.wait()


def send(what: Path, options: Sequence[str]) -> float:
    """Seconds of one `jingle send`."""
    started = time.perf_counter()
    command = [*JINGLE, "send", str(what), "bob@localhost", "--jid", "alice@localhost", *options, "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--transport", help="instead of the best one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "many").mkdir()
        for number in range(FILES):
            (folder / "many" / f"{number:03}.bin").write_bytes(os.urandom(SIZE))
        (folder / "one.bin").write_bytes(os.urandom(FILES * SIZE))
        users = ["--user", "alice:secret", "--user", "bob:secret"]
        ca_file = str(folder / "ca.pem")
        server = stack.enter_context(running(["server", "--port", "0", "--ca-file", ca_file, *users], "listening"))
        options = ["--password", "secret", "--server", f"127.0.0.1:{server['port']}", "--ca-file", ca_file]
        options += ["--loopback", *(["--transport", arguments.transport] if arguments.transport else [])]
        inbox = folder / "inbox"
        stack.enter_context(running(["receive", str(inbox), "--jid", "bob@localhost", *options], "online"))
        send(folder / "one.bin", options)
        one, many = [], []
        for _ in range(arguments.rounds):
            one.append(send(folder / "one.bin", options))
            many.append(send(folder / "many", options))
        found = sum(path.stat().st_size for path in inbox.rglob("*.bin"))
        assert found == FILES * SIZE * (2 * arguments.rounds + 1), found
    a, b = statistics.median(one), statistics.median(many)
    print(f"one file of {FILES * SIZE} bytes: {a:.2f} s; {FILES} files of {SIZE} bytes: {b:.2f} s")
    print(f"many files / one file: {b / a:.2f}")


if __name__ == "__main__":
    main()
