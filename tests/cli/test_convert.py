"""`jingle convert`, as it is typed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from jingle import sdp
from jingle.cli.main import main

from ..sdp.cases import CASES, meaning

OFFER = CASES / "chromium" / "av-call-offer.sdp"
SHORT = "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 9 RTP/AVP 0\na=mid:voice\na=sendonly\n"
JINGLE = "<jingle xmlns='urn:xmpp:jingle:1' action='session-accept' sid='{sid}'>{inside}</jingle>"

SAME = "<content creator='initiator' name='a'/>" * 2


def convert(*arguments: str, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["convert", *arguments], input=given)


def test_there_and_back(tmp_path: Path) -> None:
    there = convert("to-jingle", str(OFFER), "--sid", "abc")
    assert (there.exit_code, there.stderr) == (0, "")
    assert there.stdout.startswith("<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='abc'>\n  <group")
    assert "\n      <payload-type " in there.stdout, "it is for people to read"
    (tmp_path / "offer.xml").write_text(there.stdout)
    back = convert("to-sdp", str(tmp_path / "offer.xml"))
    assert (back.exit_code, back.stderr) == (0, "")
    assert meaning(back.stdout) == meaning(OFFER.read_text())


@pytest.mark.parametrize("dash", [(), ("-",)])
def test_standard_input(dash: tuple[str, ...]) -> None:
    there = convert("to-jingle", *dash, given=SHORT)
    assert "sid='1'" in there.stdout
    back = convert("to-sdp", *dash, given=there.stdout)
    assert sdp.parse(back.stdout_bytes.decode()).resolved() == sdp.parse(SHORT).resolved()
    assert back.stdout_bytes.count(b"\r\n") == back.stdout_bytes.count(b"\n")


def test_the_role_decides_the_action_and_the_senders() -> None:
    initiator, responder = (
        convert("to-jingle", "--role", role, given=SHORT).stdout for role in ("initiator", "responder")
    )
    assert "action='session-initiate'" in initiator
    assert "senders='initiator'" in initiator
    assert "action='session-accept'" in responder
    assert "senders='responder'" in responder
    assert "a=sendonly" in convert("to-sdp", given=responder).stdout, (
        "an accept is the responder's, unless said otherwise"
    )
    assert "a=recvonly" in convert("to-sdp", "--role", "initiator", given=responder).stdout


def test_a_session_in_a_stream_of_others() -> None:
    content = (
        "<content creator='initiator' name='{}'><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'/></content>"
    )
    sessions = [JINGLE.format(sid=name, inside=content.format(name)) for name in ("one", "two")]
    log = f"<log><iq>{sessions[0]}</iq><iq>{sessions[1]}</iq></log>"
    assert "a=mid:one" in convert("to-sdp", given=log).stdout
    assert "a=mid:two" in convert("to-sdp", "--sid", "two", given=log).stdout
    assert "there is no session 'three'" in convert("to-sdp", "--sid", "three", given=log).stderr


@pytest.mark.parametrize(
    ("arguments", "given", "complaint"),
    [
        (["to-jingle"], "v=0\nhello", "line 2: 'hello' is not of the form x=..."),
        (["to-jingle"], SHORT + "a=mid:other\n", "line 8: the section has said otherwise before"),
        (["to-jingle"], b"v=0\n\xff", "line 2: this is not UTF-8"),
        (["to-jingle"], "v=0\n" * 2**21, "more than 4194304 bytes"),
        (["to-jingle", "--sid", ""], SHORT, "<jingle sid=''/> is empty"),
        (["to-sdp"], "<a>\n<b>\n</a>", "line 3: this is not well-formed XML"),
        (["to-sdp"], "\n<!DOCTYPE a>\n<a/>", "line 2: a document type is not accepted"),
        (["to-sdp"], "<a/>", "line 1: there is no <jingle/> in it"),
        (["to-sdp", "--sid", "2"], JINGLE.format(sid="1", inside=""), "line 1: there is no session '2' in it"),
        (["to-sdp"], "<a>\n<jingle xmlns='urn:xmpp:jingle:1'/></a>", "line 2: <jingle/> lacks the attribute 'action'"),
        (
            ["to-sdp", "--sid", "2"],
            f"<a>{JINGLE.format(sid='1', inside='')}\n\n<b>{JINGLE.format(sid='2', inside=SAME)}</b></a>",
            "line 3: two contents have the same name",
        ),
    ],
)
def test_what_is_wrong_is_said_on_stderr(arguments: list[str], given: str | bytes, complaint: str) -> None:
    result = convert(*arguments, given=given)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("<stdin>: ")


def test_a_file_that_is_not_there() -> None:
    result = convert("to-jingle", "/nowhere.sdp")
    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_the_example_in_the_help_works() -> None:
    text = convert("to-jingle", "--help").stdout
    found = re.search(r"Example:\s+(printf .*?) \| jingle", text, re.DOTALL)
    assert found is not None
    command = re.sub(r"\s*\n\s*", " ", found[1])
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert ET.fromstring(convert("to-jingle", given=made).stdout).get("sid") == "1"
