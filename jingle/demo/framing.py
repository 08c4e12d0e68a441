"""RFC 6120 sections 4 and 11: cut a client's byte stream into first-level elements.

No tree is built. A server forwards nearly everything it reads, so an element is kept as the bytes the
client wrote; only its own attributes and the names of its children are looked at, which is all that
routing asks for. A 64 KiB in-band block costs two callbacks.

Restricted XML (section 11.1) is refused: document types (and with them every entity declaration),
comments, processing instructions. So is what is too large, too deep, or not UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree import ElementTree as ET
from xml.parsers import expat

from .markup import STREAM_NAMESPACE, attribute

STREAM_TAG = f"{STREAM_NAMESPACE}}}stream"

# Expat remembers every name it ever saw, so a parser that lives as long as its stream can be filled up
# with invented names. It is replaced after this many bytes.
RENEW_BYTES = 4 << 20

_STREAM_PREFIX = (b"xmlns:stream", STREAM_NAMESPACE.encode())
_START_TAG = re.compile(rb"""<[^>"']*(?:(?:"[^"]*"|'[^']*')[^>"']*)*>""")
_ATTRIBUTE = re.compile(rb"""\s([^\s=<>"']+)\s*=\s*("[^"]*"|'[^']*')""")


@dataclass(frozen=True, slots=True)
class Header:
    """The opening tag of the stream."""

    attributes: dict[str, str]
    namespace: str
    """The default namespace that was declared, `""` for none."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The closing tag of the stream."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was read breaks the rules; nothing more comes from this parser."""

    condition: str
    """The stream error condition (RFC 6120 section 4.9.3)."""
    text: str


class Stanza:
    """A first-level element: its tag, its attributes, the tags of its children, and the bytes inside.

    Tags are spelled `namespace}name`, as expat hands them out.
    """

    __slots__ = ("attributes", "children", "declarations", "inner", "tag", "type")

    def __init__(
        self, tag: str, attributes: dict[str, str], children: list[str], inner: bytes, declarations: bytes = b""
    ) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children = children
        self.inner = inner
        self.declarations = declarations
        self.type = attributes.get("type")

    @property
    def name(self) -> str:
        """The tag without its namespace."""
        return self.tag.rpartition("}")[2]

    def serialize(self, *, sender: str | None = None, to: str | None = None, namespace: str = "") -> bytes:
        """Write the stanza anew with the `from` the server vouches for.

        Args:
            sender: The `from` attribute; whatever the client wrote there is never used.
            to: The `to` attribute, `None` to leave the client's.
            namespace: The `xmlns` to declare, for use outside a stream.

        Only the five attributes of RFC 6120 section 8.1 go on.
        """
        name, given = self.name, self.attributes
        head = [f"<{name}"]
        if namespace:
            head.append(attribute("xmlns", namespace))
        if sender is not None:
            head.append(attribute("from", sender))
        if to is None:
            to = given.get("to")
        if to is not None:
            head.append(attribute("to", to))
        for key, written in (("type", "type"), ("id", "id"), ("http://www.w3.org/XML/1998/namespace}lang", "xml:lang")):
            if key in given:
                head.append(attribute(written, given[key]))
        opening = "".join(head).encode() + self.declarations
        return b"%b>%b</%b>" % (opening, self.inner, name.encode()) if self.inner else opening + b"/>"

    def element(self) -> ET.Element:
        """Build the tree, for the few stanzas the server itself has to understand."""
        return ET.fromstring(b"%b%b</stream:stream>" % (_opening(b""), self.serialize()))[0]


Frame: TypeAlias = Header | Stanza | Closed | Refused


class _Refusal(Exception):
    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.frame = Refused(condition, text)


class StreamParser:
    """Bytes in, frames out. One parser reads one stream; a restarted stream needs a new one.

    Attributes:
        limit: Bytes one first-level element may have; may be raised after login.
    """

    def __init__(self, *, limit: int, depth: int) -> None:
        self.limit = limit
        self._max_depth = depth
        self._frames: list[Frame] = []
        self._prefixes = b""  # what the stream header declared, repeated on every stanza that leaves the stream
        self._refused = False
        self._begin()

    def feed(self, data: bytes) -> list[Frame]:
        """Read more bytes; returns what they completed, a `Refused` last if they broke the rules."""
        if self._refused:
            return []
        self._buffer += data
        self._parse(data)
        if self._depth == 1 and self._buffer.isspace():
            self._cut(len(self._buffer))  # a keepalive (RFC 6120 section 4.6.1)
        if not self._refused and len(self._buffer) > self.limit:
            self._refuse(Refused("policy-violation", f"more than {self.limit} bytes in one element"))
        if not self._refused and self._fed > RENEW_BYTES and self._depth:
            self._renew()
        frames, self._frames = self._frames, []
        return frames

    def _begin(self) -> None:
        parser = expat.ParserCreate("utf-8", "}")
        # Later releases of expat may keep a finished tag back in the hope of more bytes; a stanza that waits
        # for the next one is a deadlock. The sizes are bounded here, so there is nothing to defer for.
        if defer := getattr(parser, "SetReparseDeferralEnabled", None):
            defer(False)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = parser.CommentHandler = parser.ProcessingInstructionHandler = self._restricted
        self._parser = parser
        self._buffer = bytearray()
        self._base = 0  # the parser's index of the buffer's first byte
        self._fed = 0
        self._depth = 0
        self._begun = 0
        self._tag = ""
        self._attributes: dict[str, str] = {}
        self._children: list[str] = []

    def _parse(self, data: bytes) -> None:
        self._fed += len(data)
        try:
            self._parser.Parse(data, False)
        except _Refusal as refusal:
            self._refuse(refusal.frame)
        except expat.ExpatError as error:
            self._refuse(Refused("not-well-formed", str(error)))

    def _refuse(self, frame: Refused) -> None:
        self._refused = True
        self._frames.append(frame)
        self._buffer.clear()

    def _renew(self) -> None:
        """Go on with a fresh parser, which reads the unfinished element again."""
        pending = bytes(self._buffer)
        header = _opening(self._prefixes)
        self._begin()
        self._buffer += header
        self._parse(header)
        self._frames.pop()
        self._buffer += pending
        self._parse(pending)

    def _restricted(self, *_: object) -> None:
        raise _Refusal("restricted-xml", "document types, comments and processing instructions are not XMPP")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        depth = self._depth
        self._depth = depth + 1
        if depth == 2:
            self._children.append(tag)
        elif depth == 1:
            self._begun = self._parser.CurrentByteIndex
            self._tag, self._attributes, self._children = tag, attributes, []
        elif depth == 0:
            self._open(tag, attributes)
        elif depth >= self._max_depth:
            raise _Refusal("policy-violation", f"elements nest deeper than {self._max_depth}")

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        if tag != STREAM_TAG:
            raise _Refusal("invalid-namespace", f"a stream was expected, not {tag}")
        begun = self._parser.CurrentByteIndex - self._base
        match = _START_TAG.match(self._buffer, begun)
        if match is None:  # pragma: no cover - expat has read the tag, so it is there
            raise _Refusal("not-well-formed", "no start tag")
        declared = _declarations(match[0])
        namespace = declared.pop(b"xmlns", b'""')[1:-1].decode()
        # The one prefix that every stream declares alike need not travel with the stanzas.
        declared = {name: value for name, value in declared.items() if (name, value[1:-1]) != _STREAM_PREFIX}
        self._prefixes = _merge(b"", declared)
        self._cut(match.end())
        self._frames.append(Header(attributes, namespace))

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            self._complete()
        elif self._depth == 0:
            self._frames.append(Closed())

    def _complete(self) -> None:
        begun, buffer = self._begun - self._base, self._buffer
        if buffer[:begun].strip():
            raise _Refusal("bad-format", "text between stanzas")
        match = _START_TAG.match(buffer, begun)
        if match is None:  # pragma: no cover - as above
            raise _Refusal("not-well-formed", "no start tag")
        head = match[0]
        if head.endswith(b"/>"):
            inner, end = b"", match.end()
        else:
            closing = self._parser.CurrentByteIndex - self._base
            inner, end = bytes(buffer[match.end() : closing]), buffer.index(b">", closing) + 1
        if end - begun > self.limit:
            raise _Refusal("policy-violation", f"more than {self.limit} bytes in one element")
        declarations = self._prefixes
        if b"xmlns" in head:
            declared = _declarations(head)
            # The stanza is written anew under `jabber:client`, so another default would change what is inside.
            default = declared.pop(b"xmlns", None)
            if default is not None and self._tag.startswith("jabber:client}") and default[1:-1] != b"jabber:client":
                raise _Refusal("invalid-namespace", "a stanza with a foreign default namespace")
            declarations = _merge(self._prefixes, declared)
        self._cut(end)
        self._frames.append(Stanza(self._tag, self._attributes, self._children, inner, declarations))

    def _cut(self, end: int) -> None:
        del self._buffer[:end]
        self._base += end


def _opening(prefixes: bytes) -> bytes:
    """A stream header to parse stanzas under."""
    return b'<stream:stream xmlns="jabber:client" %b="%b"%b>' % (*_STREAM_PREFIX, prefixes)


def _declarations(head: bytes) -> dict[bytes, bytes]:
    """The namespace declarations of a start tag, quotes and all."""
    return {name: value for name, value in _ATTRIBUTE.findall(head) if name == b"xmlns" or name.startswith(b"xmlns:")}


def _merge(inherited: bytes, own: dict[bytes, bytes]) -> bytes:
    merged = {**_declarations(b"<x" + inherited + b">"), **own}
    return b"".join(b" %b=%b" % item for item in merged.items())
