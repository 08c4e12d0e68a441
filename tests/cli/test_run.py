"""How a command runs: interrupts, errors, exit statuses; each in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from jingle.cli import run as module
from jingle.cli.main import main as cli
from jingle.cli.output import Output
from jingle.cli.status import Status
from jingle.client import Event
from jingle.errors import LocalProtocolError

PROGRAM = """
import asyncio, sys
from jingle.cli.output import Output
from jingle.cli.run import run
from jingle.cli.status import Status
from jingle.client import Event

output = Output(as_json=True, verbosity=0)

async def main():
    print("ready", flush=True)
    try:
        {body}
    except asyncio.CancelledError:
        {farewell}
        print("told the peer", flush=True)
        raise
    return Status.DONE

run(main, output)
"""


def start(body: str = "await asyncio.sleep(20)", farewell: str = "pass") -> subprocess.Popen[str]:
    program = PROGRAM.format(body=body, farewell=farewell)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=10)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_tells_the_peer(number: signal.Signals) -> None:
    process = start()
    process.send_signal(number)
    assert finish(process) == (130, "told the peer\n", "")


@pytest.mark.parametrize("arguments", [["call", "bob@localhost"], ["convert", "to-sdp"]])
def test_an_interrupt_before_there_is_a_loop(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, package: str | None = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jingle.cli.main.importlib.import_module", interrupted)
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, result.output) == (130, "")


def test_the_second_interrupt_leaves_at_once() -> None:
    process = start(farewell="print('wait', flush=True); await asyncio.sleep(20)")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "wait\n"
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    status, out, _ = finish(process)
    assert (status, out) == (130, "")
    assert time.monotonic() - before < 5


def test_a_reader_that_goes_is_as_an_interrupt() -> None:
    event = "output.event(Event(name='x', time=0.0, fields={}))"
    process = start(
        body=f"""await asyncio.sleep(0.3)
        while True:
            {event}
            await asyncio.sleep(0.01)""",
        farewell="sys.stderr.write('bye'); sys.stderr.flush()",
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(10) == 130
    assert err == "bye"
    process.stderr.close()


def run(outcome: Status | BaseException, *, verbosity: int = 0) -> int:
    async def main() -> Status:
        await asyncio.sleep(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    with pytest.raises(SystemExit) as caught:
        module.run(main, Output(as_json=False, verbosity=verbosity))
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize("status", list(Status))
def test_the_status_that_main_gives(status: Status) -> None:
    assert run(status) == status


def test_a_recording_that_broke_is_not_done(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {
        "condition": "media-error",
        "text": "recording has stopped: No space left on device",
        "advice": "",
    }
    output = Output(as_json=True, verbosity=0)

    async def main() -> Status:
        output.event(Event(name="error", time=0.0, fields=fields))
        return Status.DONE

    with pytest.raises(SystemExit) as caught:
        module.run(main, output)
    assert caught.value.code == 6
    assert json.loads(capsys.readouterr().out) == {"event": "error", "time": 0.0, **fields}


def test_an_error_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(LocalProtocolError("no such JID")) == Status.USAGE
    assert capsys.readouterr().err == "error: no such JID\n"


def test_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(KeyError("x")) == Status.UNEXPECTED
    err = capsys.readouterr().err
    assert "KeyError" in err
    assert "Traceback" not in err


def test_a_bug_for_those_who_want_to_see_it() -> None:
    async def main() -> Status:
        raise KeyError("x")

    with pytest.raises(KeyError):
        module.run(main, Output(as_json=False, verbosity=2))


def test_a_cancellation_that_nobody_asked_for_is_a_bug() -> None:
    async def main() -> Status:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        module.run(main, Output(as_json=False, verbosity=0))


def test_this_process_keeps_its_signals() -> None:
    before = signal.getsignal(signal.SIGINT)
    run(Status.DONE)
    assert signal.getsignal(signal.SIGINT) in (before, signal.default_int_handler)
    assert os.getpid()
