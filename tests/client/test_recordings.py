"""Recorded exchanges replayed to a whole client, as either party: what it answers is what the other side needs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jingle.elements.core import Action, Content, Group, Jingle, Senders
from jingle.elements.file_transfer import FileDescription
from jingle.elements.ibb import IbbTransport
from jingle.elements.ice_udp import IceUdpTransport, Setup
from jingle.elements.rtp import RtpDescription
from jingle.elements.s5b import Socks5Transport
from tests.elements.transcripts import WIRE, sides
from tests.transports.ice_helpers import only_loopback

from .replay import Replay, names, replayed

MORE = {"ringing", "session-info:ringing", "session-info:checksum"}
"""What we say where the recorded client says nothing of the kind."""

FALLBACK = WIRE / "dino" / "file-fallback.xml"
VP9 = WIRE / "stanza" / "codec-vp9.alice.xml"
"""The caller offered VP9 alone and was answered so: no answer to an offer of ours."""

SIDES = [(path, side) for path, side in sides() if path not in (FALLBACK, VP9)]
CODECS = ("opus", "PCMU", "VP8", "H264")
HASHES = ("md5", "sha-1", "sha-256", "sha-512")
"""What stanza.js knows; it fails for ever at an offer whose first hash is another one."""


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    only_loopback(monkeypatch)


@pytest.mark.parametrize(("path", "side"), SIDES, ids=lambda value: getattr(value, "name", value))
async def test_a_recording(path: Path, side: str, tmp_path: Path) -> None:
    """Of stanza.js and of Dino; `cases/ORIGIN.md` tells more."""
    async with replayed(path, side, tmp_path) as replay:
        assert replay.errors == []
        assert said(replay) == expected(replay, path)
        for action in (Action.SESSION_INITIATE, Action.SESSION_ACCEPT):
            for ours in _of(replay.ours, action):
                assert_like(ours, replay)


def said(replay: Replay) -> list[str]:
    """What we said of what a client of that time said, in order."""
    recorded = names(replay.recorded)
    return [name for name in names(replay.ours) if name in recorded or name not in MORE]


def expected(replay: Replay, path: Path) -> list[str]:
    """What the recorded side said, in our words."""
    recorded = [name.replace(":active", ":unhold") for name in names(replay.recorded)]
    # Dino tells its own devices what the server's copies tell ours.
    recorded = [name for name, _ in itertools.groupby(recorded)]
    if path.name == "file-ibb.xml" and not replay.began:
        # Dino never ends a transfer that it receives in-band, although all is there.
        recorded.append("session-terminate")
    return recorded


def _of(said: Sequence[object], action: Action) -> list[Jingle]:
    return [each for each in said if isinstance(each, Jingle) and each.action is action]


# What the other side needs


def assert_like(ours: Jingle, replay: Replay) -> None:
    """Assert that an offer or answer of ours has all that the recorded one has for the other side to go on."""
    [recorded] = _of(replay.recorded, ours.action)
    offer = replay.initiate
    assert offer is not None
    if ours.action is Action.SESSION_ACCEPT:
        assert [(each.creator, each.name) for each in ours.contents] == [
            (each.creator, each.name) for each in recorded.contents
        ]
        assert set(ours.groups) <= {Group.of(each.semantics, each.names) for each in offer.groups}
        for content, asked in zip(ours.contents, offer.contents, strict=True):
            if any(codec.name in CODECS for codec in getattr(asked.description, "payload_types", ())):
                assert content.senders is not Senders.NONE, "a bad request to Dino, and nothing that Monal can read"
            assert_answer(content, asked)
    for content in ours.contents:
        assert_complete(content, ours.action)


def assert_answer(content: Content, asked: Content) -> None:
    """Assert that an answer holds nothing that was not asked for."""
    assert type(content.transport) is type(asked.transport)
    match content.description, asked.description:
        case RtpDescription() as answer, RtpDescription() as offer:
            offered = {(each.id, each.name, each.clockrate) for each in offer.payload_types}
            assert {(each.id, each.name, each.clockrate) for each in answer.payload_types} <= offered
            assert {each.uri for each in answer.header_extensions} <= {each.uri for each in offer.header_extensions}
            assert (answer.media, answer.rtcp_mux) == (offer.media, offer.rtcp_mux)
            assert answer.encryption is None, "Dino would encrypt twice"
        case FileDescription(file=file), FileDescription(file=wanted):
            assert file is not None
            assert wanted is not None
            assert (file.name, file.size) == (wanted.name, wanted.size)
        case _:
            raise AssertionError(content.description)
    match content.transport, asked.transport:
        case Socks5Transport(sid=sid), Socks5Transport(sid=wanted_sid):
            assert sid == wanted_sid
        case IbbTransport(sid=sid, block_size=size), IbbTransport(sid=wanted_sid, block_size=most):
            assert sid == wanted_sid
            assert size <= most


def assert_complete(content: Content, action: Action) -> None:
    """Assert that nothing is missing which one of the recorded clients cannot do without."""
    match content.description:
        case RtpDescription() as description:
            assert description.payload_types
            assert all(each.name and each.clockrate for each in description.payload_types)
            assert description.rtcp_mux
        case FileDescription(file=file):
            assert file is not None
            assert file.name
            assert file.size is not None
            told = [*(each.algo for each in file.hashes), *(each.algo for each in file.hashes_used)]
            assert action is Action.SESSION_ACCEPT or told[0] in HASHES
    match content.transport:
        case IceUdpTransport() as transport:
            assert transport.ufrag
            assert transport.pwd
            [fingerprint] = transport.fingerprints
            assert fingerprint.hash == "sha-256"
            assert fingerprint.setup is (Setup.ACTPASS if action is Action.SESSION_INITIATE else Setup.ACTIVE)
            assert isinstance(content.description, RtpDescription) or transport.sctp_map is not None
        case Socks5Transport() as transport:
            assert transport.candidates
            assert transport.dstaddr, "Dino asks for it"
        case IbbTransport() as transport:
            assert transport.block_size <= (4096 if action is Action.SESSION_ACCEPT else 65535)
        case _:
            raise AssertionError(content.transport)


# What goes otherwise


@pytest.mark.parametrize("side", [side for path, side in sides() if path == FALLBACK])
async def test_the_fallback_that_dino_fails_at(side: str, tmp_path: Path) -> None:
    """Nobody is reached over SOCKS5. Dino's responder wants SOCKS5 again, its initiator gives up; we go in-band."""
    async with replayed(FALLBACK, side, tmp_path, until=Action.TRANSPORT_REPLACE) as replay:
        if replay.began:
            # Ours wins where both come at once, and nobody replaces what is being replaced (XEP-0166 section 7.2.16).
            await replay.said(Action.TRANSPORT_REPLACE)
            [replace] = _of(replay.ours, Action.TRANSPORT_REPLACE)
            transport = replace.contents[0].transport
            assert isinstance(transport, IbbTransport)
            refusals = [ET.tostring(error, "unicode") for _, error in replay.errors]
            assert all("tie-break" in each or "out-of-order" in each for each in refusals), refusals
        else:
            # Replacing is the initiator's task (XEP-0260 section 3).
            assert said(replay) == ["session-accept"]
