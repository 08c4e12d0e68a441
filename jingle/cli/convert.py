"""`jingle convert`: SDP to Jingle XML, and back."""

from __future__ import annotations

import sys
from typing import BinaryIO, NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

import click

from .. import sdp
from ..elements import core
from ..elements.core import Action, Jingle, Role
from ..elements.declare import parse, serialize
from ..elements.source import to_text
from ..errors import JingleError
from .status import Status

LONGEST = 2**22
"""Bytes of the input; a description of the longest kind is a quarter of it."""

ROLES = click.Choice([role.value for role in Role])


@click.group(short_help="SDP to Jingle XML, and back.")
def convert() -> None:
    """Convert session descriptions: SDP to Jingle XML, and back, without loss.

    \b
    Example:
      printf 'v=0\\no=- 1 2 IN IP4 127.0.0.1\\ns=-\\nt=0 0\\nm=audio 9 RTP/AVP 0\\n' |
          jingle convert to-jingle | jingle convert to-sdp
    """


@convert.command("to-jingle", short_help="Read SDP, print Jingle XML.")
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--role",
    type=ROLES,
    default=Role.INITIATOR.value,
    show_default=True,
    help="The side that wrote the description: the initiator's is a session-initiate, the other a session-accept.",
)
@click.option("--sid", metavar="ID", help="The id of the session; without it, the one in the line o=.")
def to_jingle(file: BinaryIO, role: str, sid: str | None) -> None:
    """Read SDP from FILE or stdin, and print the <jingle/> that says the same.

    \b
    Example:
      printf 'v=0\\no=- 1 2 IN IP4 127.0.0.1\\ns=-\\nt=0 0\\nm=audio 9 RTP/AVP 0\\n' | jingle convert to-jingle
    """
    writer = Role(role)
    action = Action.SESSION_INITIATE if writer is Role.INITIATOR else Action.SESSION_ACCEPT
    try:
        jingle = sdp.to_jingle(sdp.parse(_text(file)), role=writer, action=action, sid=sid)
        xml = serialize(jingle)
    except JingleError as exc:
        _fail(file, str(exc))
    ET.indent(xml)
    click.echo(to_text(xml))


@convert.command("to-sdp", short_help="Read Jingle XML, print SDP.")
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--role",
    type=ROLES,
    help="The side that sent the XML. [default: the responder for a session-accept, else the initiator]",
)
@click.option("--sid", metavar="ID", help="Convert the session with this id; without it, the first one in the XML.")
def to_sdp(file: BinaryIO, role: str | None, sid: str | None) -> None:
    """Read a <jingle/>, by itself or in other XML, from FILE or stdin, and print the SDP that says the same.

    \b
    Example:
      printf 'v=0\\no=- 1 2 IN IP4 127.0.0.1\\ns=-\\nt=0 0\\nm=audio 9 RTP/AVP 0\\n' > offer.sdp
      jingle convert to-jingle offer.sdp | jingle convert to-sdp
    """
    line, xml = _session(file, sid)
    try:
        jingle = parse(xml)
        assert isinstance(jingle, Jingle)
        answers = jingle.action in (Action.SESSION_ACCEPT, Action.CONTENT_ACCEPT)
        writer = Role(role) if role is not None else Role.RESPONDER if answers else Role.INITIATOR
        text = sdp.format(sdp.from_jingle(jingle, role=writer))
    except JingleError as exc:
        _fail(file, f"line {line}: {exc}")
    click.echo(text, nl=False)


def _text(file: BinaryIO) -> str:
    """Return what is in the file."""
    raw = file.read(LONGEST + 1)
    if len(raw) > LONGEST:
        _fail(file, f"there are more than {LONGEST} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        before = raw.count(b"\n", 0, exc.start)
        _fail(file, f"line {before + 1}: this is not UTF-8")


def _session(file: BinaryIO, sid: str | None) -> tuple[int, ET.Element]:
    """Return the `<jingle/>` in the file, and the line it begins on."""
    text = _text(file)
    if "<!DOCTYPE" in text:
        _fail(file, f"line {text[: text.index('<!DOCTYPE')].count(chr(10)) + 1}: a document type is not accepted")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as exc:
        _fail(file, f"line {exc.position[0]}: this is not well-formed XML")
    for line, found in zip(_lines(text), root.iter(f"{{{core.NS}}}jingle"), strict=True):
        if sid is None or found.get("sid") == sid:
            return line, found
    _fail(file, "line 1: there is no <jingle/> in it" if sid is None else f"line 1: there is no session {sid!r} in it")


def _lines(text: str) -> list[int]:
    """Return the lines on which a `<jingle/>` begins, in the order of the document; ElementTree tells none."""
    lines: list[int] = []
    reader = expat.ParserCreate(namespace_separator=" ")

    def begin(name: str, attributes: dict[str, str]) -> None:
        if name == f"{core.NS} jingle":
            lines.append(reader.CurrentLineNumber)

    reader.StartElementHandler = begin
    reader.Parse(text, True)
    return lines


def _fail(file: BinaryIO, text: str) -> NoReturn:
    """Say what is wrong with the input, and end."""
    click.echo(f"{getattr(file, 'name', '<stdin>')}: {text}", err=True)
    sys.exit(Status.USAGE)
