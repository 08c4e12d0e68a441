"""A transcript replayed to a whole client: the other side's stanzas are the recorded ones, ours are our own.

The client decides what the recorded side decided (it calls, accepts, declines, hangs up), and says it as it does.
Connections are made at once and carry nothing but the bytes of files, which no transcript has.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jingle
from jingle.elements.core import NS, Action, Jingle, Reason
from jingle.elements.declare import Element
from jingle.elements.file_transfer import FileDescription
from jingle.elements.ibb import IbbTransport
from jingle.elements.initiation import Accept, Initiation, Proceed, Propose, Reject, Retract
from jingle.elements.rtp import Mute, Ringing, RtpDescription
from jingle.elements.s5b import Socks5Transport
from tests.elements.transcripts import Line, lines
from tests.signalling.wire import Wire

from .far_end import US, WAIT, FarEnd, wired_client

HASHES = "{urn:xmpp:hashes:2}"
CAN_ALSO = {
    "urn:xmpp:jingle:transports:ice-udp:1": ("urn:xmpp:jingle:transports:dtls-sctp:1", "urn:xmpp:jingle:apps:dtls:0"),
    "urn:xmpp:jingle:transports:s5b:1": ("urn:xmpp:jingle:transports:ibb:1",),
}
"""What a client that can do the one can do as well."""

QUIET = {Action.TRANSPORT_INFO}
"""What each side sends as often as it has something to say."""


class Replay(FarEnd):
    """One transcript from one side.

    Attributes:
        recorded: What the recorded side sent.
        theirs: What the other side sent.
        errors: What we answered the recorded stanzas with that is no result, by the action.
    """

    def __init__(self, path: Path, side: str, wire: Wire, folder: Path) -> None:
        super().__init__(wire)
        self.lines = list(lines(path, side))
        self.errors: list[tuple[Action, ET.Element]] = []
        self.recorded = [line.payload for line in self.lines if line.sent and _counts(line)]
        self.theirs = [line.payload for line in self.lines if not line.sent and _counts(line)]
        self.features = self._features()
        self.is_reachable = not any(_has_failed(each) for each in self.recorded + self.theirs)
        self._folder = folder
        self._call: asyncio.Task[jingle.Call] | None = None
        self._transfer: asyncio.Task[jingle.Transfer] | None = None
        self._offer: jingle.IncomingCall | jingle.IncomingFile | None = None
        self._bytes: asyncio.Task[None] | None = None

    @property
    def began(self) -> bool:
        """Whether the recorded side is the initiator."""
        return next((line.sent for line in self.lines if _counts(line)), False)

    @property
    def was_accepted(self) -> bool:
        """Whether there is a session-accept, of whichever side."""
        return any(_is(each, Action.SESSION_ACCEPT) for each in self.recorded + self.theirs)

    @property
    def initiate(self) -> Jingle | None:
        """The recorded session-initiate, of whichever side."""
        return next((each for each in self.recorded + self.theirs if _is(each, Action.SESSION_INITIATE)), None)  # type: ignore[return-value]

    async def run(self, until: Action | None = None) -> None:
        """Play it to its end, or to the first stanza with an action."""
        for line in self.lines:
            if not _counts(line):
                continue
            if line.sent:
                await self._do(line)
            else:
                await self._give(line)
            if until is not None and _is(line.payload, until):
                break

    # What the recorded side did

    async def _do(self, line: Line) -> None:
        match line.payload:
            case Propose():
                self._call = asyncio.ensure_future(self._place(line.peer))
                await self.said(Propose)
            case Proceed():
                await self._accept()
                await self.said(Proceed)
            case Reject():
                await (await self._offered()).decline()
                await self.said(Reject)
            case Retract():
                await self._give_up()
                await self.said(Retract)
            case Jingle(action=Action.SESSION_INITIATE) as initiate:
                await self._begin(line.peer, initiate)
                await self.said(Action.SESSION_INITIATE)
            case Jingle(action=Action.SESSION_ACCEPT):
                await self._accept()
                await self.said(Action.SESSION_ACCEPT)
            case Jingle(action=Action.SESSION_INFO, payloads=(payload, *_)):
                await self._inform(payload)
            case Jingle(action=Action.SESSION_TERMINATE, reason=reason):
                await self._end(reason)
                await self.said(Action.SESSION_TERMINATE)
            case _:
                pass  # what we say when we have something to say: candidates, bytes, or something to our own devices

    async def _begin(self, to: str, initiate: Jingle) -> None:
        described = initiate.contents[0].description
        if isinstance(described, FileDescription) and described.file is not None:
            path = self._folder / str(described.file.name)
            path.write_bytes(self._content(described.file.size or 0))
            self._transfer = asyncio.ensure_future(self._send(to, path))
        elif self._call is None:
            self._call = asyncio.ensure_future(self._place(to))

    async def _place(self, to: str) -> jingle.Call:
        offered = self.initiate.contents if self.initiate is not None else ()
        media = [_medium(content.description) for content in offered] or None
        return await self.peer.call(to, media=media, connect_timeout=WAIT)

    async def _send(self, to: str, path: Path) -> jingle.Transfer:
        return await self.peer.send_file(to, path, accept_timeout=WAIT)

    async def _offered(self) -> jingle.IncomingCall | jingle.IncomingFile:
        self._offer = self._offer or await self.offered()
        return self._offer

    async def _accept(self) -> None:
        offer = await self._offered()
        if isinstance(offer, jingle.IncomingFile) and self._transfer is None:
            self._transfer = asyncio.ensure_future(_awaited(offer.accept(self._folder)))
            self._bytes = asyncio.ensure_future(self._feed(offer.size or 0))
        elif isinstance(offer, jingle.IncomingCall) and self._call is None:
            self._call = asyncio.ensure_future(_awaited(offer.accept(connect_timeout=WAIT)))

    async def _inform(self, payload: Element) -> None:
        if isinstance(payload, Ringing):
            await self.said(Ringing)
        elif self._call is not None:
            call = await asyncio.wait_for(self._call, WAIT)
            getattr(call, str(payload.NAME).replace("active", "unhold"))()
            await self.said(type(payload) if isinstance(payload, Mute) else Jingle)

    async def _end(self, reason: Reason | None) -> None:
        if self._transfer is not None:
            with contextlib.suppress(jingle.JingleError):
                await asyncio.wait_for(self._transfer, WAIT)
        elif self.was_accepted:
            assert self._call is not None
            await (await asyncio.wait_for(self._call, WAIT)).hang_up()
        elif self.began:
            await self._give_up()
        else:
            assert reason is not None
            await (await self._offered()).decline(reason.condition.value)

    async def _give_up(self) -> None:
        for task in (self._call, self._transfer):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    # What the other side did

    async def _give(self, line: Line) -> None:
        """Let a recorded stanza come in, as if it were about our session; an IQ's answer has to come."""
        stanza = self._as_ours(line.xml)
        payload = line.payload
        if isinstance(payload, Jingle) and payload.action is Action.SESSION_INFO and self._bytes is not None:
            await asyncio.wait([self._bytes])
        if _is(payload, Action.SESSION_TERMINATE) and self._transfer is not None and self.began and self.was_accepted:
            await self._drain()
        reply = await self.give(stanza, sender=line.peer)
        if reply is not None and reply.get("type") == "error" and isinstance(payload, Jingle):
            self.errors.append((payload.action, reply))

    def _as_ours(self, xml: ET.Element) -> ET.Element:
        """A stanza with our session's id and names of contents, and the checksum of our bytes."""
        stanza = copy.deepcopy(xml)
        for part in stanza.iter():
            if not part.tag.startswith("{"):
                part.tag = f"{{jabber:client}}{part.tag}"
            for name in ("sid", "id"):
                if part.get(name) in self._sids:
                    part.set(name, self._sids[part.get(name, "")])
            if part.get("name") in self._names and part.tag.rpartition("}")[2] in ("content", "checksum", "mute"):
                part.set("name", self._names[part.get("name", "")])
            if part.tag == f"{HASHES}hash":
                digest = hashlib.new(part.get("algo", "").replace("-", ""), self._sent_bytes)
                part.text = base64.b64encode(digest.digest()).decode()
        found = stanza.find(f"{{{NS}}}jingle")
        if self.began and found is not None:
            ours = set(self._names.values())
            for content in found.findall(f"{{{NS}}}content"):
                if content.get("name") not in ours:
                    found.remove(content)  # of a medium that we have not offered
        return stanza

    _sent_bytes = b""

    def _content(self, size: int) -> bytes:
        self._sent_bytes = bytes(number * 31 % 251 for number in range(251)) * (size // 251 + 1)
        self._sent_bytes = self._sent_bytes[:size]
        return self._sent_bytes

    @property
    def _sids(self) -> dict[str, str]:
        """The recorded id of the session, or the call, to ours."""
        ours = next((_id(each) for each in self.ours), None)
        if not self.began or ours is None:
            return {}
        recorded = {_id(each) for each in self.recorded + self.theirs}
        streams = zip(_streams(self.recorded), _streams(self.ours), strict=False)
        return {**dict.fromkeys(recorded, ours), **dict(streams)}

    @property
    def _names(self) -> dict[str, str]:
        """The recorded names of contents to ours: those of the same medium."""
        ours = next((each for each in self.ours if _is(each, Action.SESSION_INITIATE)), None)
        if not self.began or ours is None or self.initiate is None:
            return {}
        assert isinstance(ours, Jingle)
        by_medium = {_medium(content.description): content.name for content in ours.contents}
        found = {content.name: by_medium.get(_medium(content.description)) for content in self.initiate.contents}
        return {theirs: name for theirs, name in found.items() if name is not None}

    async def _feed(self, size: int) -> None:
        stream = await asyncio.wait_for(self.streams.get(), WAIT)
        await stream.send(self._content(size))
        await stream.send_eof()

    async def _drain(self) -> None:
        stream = await asyncio.wait_for(self.streams.get(), WAIT)
        buffer, received = memoryview(bytearray(1 << 16)), 0
        while received < len(self._sent_bytes):
            received += await asyncio.wait_for(stream.receive_into(buffer), WAIT)

    def _features(self) -> set[str]:
        """What the recorded peer can do, as far as the transcript shows it."""
        found = {NS}
        for content in self.initiate.contents if self.initiate is not None else ():
            for part in (content.description, content.transport):
                found.add(getattr(part, "NAMESPACE", ""))
        return found.union(*(CAN_ALSO.get(each, ()) for each in found))

    async def aclose(self) -> None:
        """Close the client."""
        for task in (self._call, self._transfer, self._bytes):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await super().aclose()


def names(said: Sequence[object]) -> list[str]:
    """What was said, by name and in order."""
    found = []
    for each in said:
        if isinstance(each, Initiation) and not isinstance(each, Accept):
            found.append(each.NAME)
        elif isinstance(each, Jingle) and each.action not in QUIET:
            inside = [getattr(payload, "NAME", "?") for payload in each.payloads if each.action is Action.SESSION_INFO]
            found.append(":".join([each.action.value, *inside]))
    return found


async def _awaited(opening: Any) -> Any:
    return await opening


def _counts(line: Line) -> bool:
    """Whether a stanza is one that a side decides to send."""
    return line.kind in ("set", "chat") and line.payload is not None


def _is(payload: object, *actions: Action) -> bool:
    return isinstance(payload, Jingle) and payload.action in actions


def _id(payload: object) -> str:
    return str(getattr(payload, "sid", getattr(payload, "id", "")))


def _streams(said: Sequence[object]) -> list[str]:
    """The ids of the byte streams that a session-initiate offers."""
    offer = next((each for each in said if _is(each, Action.SESSION_INITIATE)), None)
    contents = offer.contents if isinstance(offer, Jingle) else ()
    transports = [content.transport for content in contents]
    return [each.sid for each in transports if isinstance(each, (Socks5Transport, IbbTransport))]


def _medium(description: object) -> str:
    return description.media if isinstance(description, RtpDescription) else "file"


def _has_failed(payload: object) -> bool:
    contents = payload.contents if isinstance(payload, Jingle) else ()
    return any(getattr(content.transport, "candidate_error", False) for content in contents)


@contextlib.asynccontextmanager
async def replayed(path: Path, side: str, folder: Path, *, until: Action | None = None) -> AsyncIterator[Replay]:
    """Replay a transcript, see `Replay.run`; then the client is there until the block ends."""
    jid = side or next(
        (line.xml.get("to", "") if not line.sent else "" for line in lines(path, side) if not line.sent), ""
    )
    async with wired_client(jid if "/" in jid else US) as wire:
        replay = Replay(path, side, wire, folder)
        try:
            await replay.run(until)
            yield replay
        finally:
            await replay.aclose()
