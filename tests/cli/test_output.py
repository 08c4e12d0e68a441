"""What is printed: one JSON object a line, or sentences that command no terminal; and the exit status that follows."""

from __future__ import annotations

import json
import time

import pytest

from jingle.cli.output import Output
from jingle.cli.status import Explanation, Status, ended_status, explain
from jingle.client import Event
from jingle.errors import (
    ApplicationFailed,
    JingleError,
    LocalProtocolError,
    MediaError,
    SessionEnded,
    SignallingError,
    TransportFailed,
)

CONNECTED = {
    "kind": "call",
    "peer": "bob@localhost/x",
    "sid": "s",
    "media": ["audio"],
    "transport": "ice-udp",
    "security": "dtls",
    "setup": 0.25,
    "local_candidate": "host",
    "remote_candidate": "relay",
}
AUDIO = {"packets_sent": 50, "packets_received": 49, "packets_lost": 1, "jitter": 0.0021}


@pytest.mark.parametrize(
    ("name", "fields", "sentence"),
    [
        ("online", {"jid": "alice@localhost/x"}, "online as alice@localhost/x"),
        ("incoming", {"kind": "call", "peer": "b", "media": ["audio", "video"]}, "audio+video call from b"),
        (
            "incoming",
            {"kind": "file", "peer": "b", "files": [{"name": "a", "size": 3}, {"name": "c", "size": None}]},
            "a (3 bytes), c from b",
        ),
        (
            "missed",
            {"peer": "b", "called_at": time.mktime((2026, 11, 29, 8, 5, 0, 0, 0, -1))},
            "missed call from b at 2026-11-29 08:05:00",
        ),
        ("refused", {"peer": "m", "reason": "not-allowed"}, "refused m: not-allowed"),
        ("ringing", {"peer": "b"}, "ringing at b"),
        (
            "connected",
            CONNECTED,
            "connected with bob@localhost/x in 0.25 s: audio over ice-udp (dtls), host to relay",
        ),
        ("dtmf", {"peer": "b", "digit": "7"}, "digit 7"),
        ("info", {"peer": "b", "state": "mute", "medium": "audio"}, "b: mute audio"),
        ("info", {"state": "hold"}, "peer: hold"),
        ("media", {"peer": "b", "medium": "video", "state": "added"}, "b: video added"),
        (
            "network",
            {"state": "restarting", "cause": "addresses"},
            "looking for another path (this machine's addresses have changed)",
        ),
        ("network", {"state": "restarted", "cause": "peer"}, "another path is in use (the other side wants it)"),
        (
            "network",
            {"state": "failed", "cause": "consent", "text": "no new path works"},
            "no other path was found, the call goes on over the old one (no new path works)",
        ),
        ("ended", {"peer": "b", "seconds": 2.0, "reason": "busy", "text": None}, "ended after 2.0 s: busy"),
        ("ended", {"peer": "b", "seconds": 2.0, "reason": "busy", "text": "no"}, "ended after 2.0 s: busy (no)"),
    ],
)
def test_a_sentence(name: str, fields: dict[str, object], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False, verbosity=0).event(Event(name=name, time=1.0, fields=fields))
    assert capsys.readouterr() == ("", f"{sentence}\n")


@pytest.mark.parametrize("verbosity", [0, 1])
def test_counters_are_for_those_who_ask(verbosity: int, capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False, verbosity=verbosity).event(Event(name="stats", time=1.0, fields={"audio": AUDIO}))
    expected = "sent 50, received 49, lost 1 packets, jitter 2.1 ms\n" if verbosity else ""
    assert capsys.readouterr().err == expected


def test_an_event_that_nobody_has_words_for(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False, verbosity=0).event(Event(name="new", time=1.0, fields={}))
    assert capsys.readouterr() == ("", "")


def test_json_is_one_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True, verbosity=0)
    output.event(Event(name="ended", time=1.5, fields={"text": "a\nb\u2028é", "seconds": 0.0}))
    output.error(Explanation(Status.NO_LOGIN, "timeout", "no answer", "try again"))
    out, err = capsys.readouterr()
    assert err == ""
    first, second = out.splitlines() if "\u2028" not in out else out.strip("\n").split("\n")
    assert json.loads(first) == {"event": "ended", "time": 1.5, "text": "a\nb\u2028é", "seconds": 0.0}
    error = json.loads(second)
    assert (error["event"], error["condition"], error["advice"]) == ("error", "timeout", "try again")
    assert error["time"] > 1e9


def test_nothing_a_peer_writes_commands_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\x1b[2J\x9b31m\r\nfake: line\u202e"
    fields = {"seconds": 0.0, "reason": "busy", "text": text}
    Output(as_json=False, verbosity=0).event(Event(name="ended", time=1.0, fields=fields))
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()


def test_an_error_and_what_to_do_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=False, verbosity=0)
    assert output.fail(Explanation(Status.USAGE, "x", "no such file", "check it")) is Status.USAGE
    output.error(Explanation(Status.USAGE, "x", "no such file", ""))
    assert capsys.readouterr().err == "error: no such file\n       check it\nerror: no such file\n"


@pytest.mark.parametrize(
    ("error", "online", "status"),
    [
        (SignallingError("not-authorized"), False, 3),
        (SignallingError("certificate"), False, 3),
        (SignallingError("anything"), False, 3),
        (SignallingError("conflict"), True, 3),
        (SignallingError("item-not-found"), True, 4),
        (SessionEnded("decline"), True, 4),
        (SessionEnded("busy"), True, 4),
        (SessionEnded("timeout"), True, 4),
        (SessionEnded("gone"), True, 4),
        (SessionEnded("cancel"), True, 4),
        (SessionEnded("expired"), True, 4),
        (SessionEnded("unsupported-applications"), True, 4),
        (SessionEnded("incompatible-parameters"), True, 4),
        (SessionEnded("connectivity-error"), True, 5),
        (SessionEnded("failed-transport"), True, 5),
        (SessionEnded("security-error"), True, 5),
        (SessionEnded("media-error"), True, 6),
        (SessionEnded("failed-application"), True, 6),
        (SessionEnded("general-error"), True, 1),
        (TransportFailed("no pair", tried=("a", "b")), True, 5),
        (ApplicationFailed("hash"), True, 6),
        (MediaError("no file"), True, 2),
        (LocalProtocolError("no JID"), True, 2),
        (JingleError("?"), True, 1),
        (KeyError("a bug"), True, 1),
    ],
)
def test_the_exit_status(error: Exception, online: bool, status: int) -> None:
    explanation = explain(error, online=online)
    assert explanation.status == status
    assert explanation.text
    assert explanation.condition


def test_what_was_tried_is_told() -> None:
    assert "tried: a, b" in explain(TransportFailed("no pair", tried=("a", "b"))).text


def test_a_call_that_was_had_is_a_success() -> None:
    assert ended_status("success") is Status.DONE


def test_what_happens_is_explained_with_advice() -> None:
    for reason in ("decline", "busy", "timeout", "gone"):
        assert explain(SessionEnded(reason)).advice
    for condition in ("not-authorized", "certificate", "remote-server-not-found", "no-mechanism", "conflict"):
        assert explain(SignallingError(condition), online=False).advice
