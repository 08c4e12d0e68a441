"""How much longer do 200 files of 10 kB take in one `jingle send` than one file of 2 MB?

Whole commands, from their start to their end, against one `jingle receive` over the loopback server, all warm. The CPU
seconds of both ends together tell the same on a machine that is busy with something else.
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
def running(command: Sequence[str], event: str) -> Iterator[tuple[int, dict[str, object]]]:
    """Run a command as long as the block, from the event that says that it is ready; its process id and that event."""
    with subprocess.Popen([*JINGLE, *command, "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            assert told["event"] == event, told
            # Or the pipe is full one day, and the command waits for somebody to read it.
            drain = subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL)
            yield process.pid, told
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            drain.wait()


def cpu_of(pid: int) -> float:
    """CPU seconds of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def send(what: Path, options: Sequence[str], receiver: int) -> tuple[float, float]:
    """Seconds of one `jingle send`, and CPU seconds of both ends."""
    before, started = cpu_of(receiver), time.perf_counter()
    command = [*JINGLE, "send", str(what), "bob@localhost", "--jid", "alice@localhost", *options, "--json"]
    sender = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(sender.pid, 0)
    sender.returncode = os.waitstatus_to_exitcode(status)
    assert sender.returncode == 0, command
    seconds = time.perf_counter() - started
    return seconds, used.ru_utime + used.ru_stime + cpu_of(receiver) - before


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
        _, server = stack.enter_context(running(["server", "--port", "0", "--ca-file", ca_file, *users], "listening"))
        options = ["--password", "secret", "--server", f"127.0.0.1:{server['port']}", "--ca-file", ca_file]
        options += ["--loopback", *(["--transport", arguments.transport] if arguments.transport else [])]
        inbox = folder / "inbox"
        receive = ["receive", str(inbox), "--jid", "bob@localhost", *options]
        receiver, _ = stack.enter_context(running(receive, "online"))
        send(folder / "one.bin", options, receiver)
        one, many = [], []
        for _ in range(arguments.rounds):
            one.append(send(folder / "one.bin", options, receiver))
            many.append(send(folder / "many", options, receiver))
        found = sum(path.stat().st_size for path in inbox.rglob("*.bin"))
        assert found == FILES * SIZE * (2 * arguments.rounds + 1), found
    a, b = (statistics.median(seconds for seconds, _ in runs) for runs in (one, many))
    cpu = min(used for _, used in many) / min(used for _, used in one)
    print(f"one file of {FILES * SIZE} bytes: {a:.2f} s; {FILES} files of {SIZE} bytes: {b:.2f} s")
    print(f"many files / one file: {b / a:.2f} (by CPU seconds of both ends {cpu:.2f})")


if __name__ == "__main__":
    main()
