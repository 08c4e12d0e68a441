"""Other paths for a session that runs: who is asked to find one, ties, refusals, and what the program hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from jingle.elements.core import Action, Content, Role
from jingle.elements.declare import Element
from jingle.errors import SignallingError, TransportFailed
from jingle.transports.base import CandidateSummary, Path, PathChange
from tests.peer.parts import PEER, FakeTransport, Stage, settle, stage
from tests.session.helpers import SID, jingle, transport


class RestartingTransport(FakeTransport):
    """One that can find another path; `outcomes` says what comes of it, content after content."""

    outcomes: ClassVar[list[TransportFailed | None]]
    shared_by: ClassVar[list[RestartingTransport]]

    restarts = 0
    stands = False
    refusal: str | None = None

    @property
    def is_bundled(self) -> bool:
        return self in self.shared_by[1:]

    @property
    def is_shared(self) -> bool:
        return self in self.shared_by

    def shares_with(self, other: object) -> bool:
        return other in self.shared_by

    def is_bare(self, remote: Element) -> bool:
        return False

    def is_meant_by(self, remote: Element) -> bool:
        return False

    async def bundle_with(self, other: object) -> None:
        raise AssertionError("nobody asks for that here")

    async def unbundle(self) -> None:
        raise AssertionError("nobody asks for that here")

    async def restart(self) -> None:
        self.restarts += 1
        await asyncio.sleep(0)
        if self.outcomes and (outcome := self.outcomes.pop()) is not None:
            raise outcome

    def crosses(self, remote: Element) -> bool:
        return self.stands

    async def refused(self, text: str) -> None:
        self.refusal = text


@pytest.fixture
async def it() -> AsyncIterator[Stage]:
    RestartingTransport.outcomes, RestartingTransport.shared_by = [], []
    async with stage((RestartingTransport,)) as it:
        yield it


def ways(it: Stage) -> list[RestartingTransport]:
    return [each for each in it.transports if isinstance(each, RestartingTransport)]


async def test_every_transport_finds_another_path(it: Stage) -> None:
    live = await it.initiated("voice", "picture")
    await live.paths.restart()
    assert [way.restarts for way in ways(it)] == [1, 1]
    RestartingTransport.outcomes = [TransportFailed("no other path"), None]
    with pytest.raises(TransportFailed, match="no other path"):
        await live.paths.restart()
    assert live.is_running


async def test_those_that_share_a_link_find_one(it: Stage) -> None:
    live = await it.initiated("voice", "picture")
    RestartingTransport.shared_by = ways(it)
    await live.paths.restart()
    assert [way.restarts for way in ways(it)] == [1, 0]


async def test_what_is_said_of_a_shared_link_is_said_at_once(it: Stage) -> None:
    """stanza.js looks at the first content of a transport-info only, and Conversations at whether all agree."""
    live = await it.initiated("voice", "picture")
    it.accepted("voice", "picture")
    await settle()
    RestartingTransport.shared_by = ways(it)
    for name in ("voice", "picture"):
        live.send_transport_info(name, transport("new"))
    live.send_transport_info("voice", transport("more"))
    await asyncio.sleep(0.05)
    infos = [sent.jingle for sent in it.binding.sent if sent.jingle.action is Action.TRANSPORT_INFO]
    assert [[(each.name, each.transport) for each in info.contents] for info in infos] == [
        [("voice", transport("new")), ("picture", transport("new"))],
        [("voice", transport("more"))],
    ]


async def test_a_session_without_such_a_transport() -> None:
    async with stage() as it:
        live = await it.initiated()
        with pytest.raises(TransportFailed, match="no transport that could be restarted"):
            await live.paths.restart()
        assert live.is_running


async def test_a_restart_that_crosses_ours(it: Stage) -> None:
    await it.initiated()
    it.accepted()
    await settle()
    (way,) = ways(it)
    way.stands = True
    about = Content(creator=Role.INITIATOR, name="voice", transport=transport("theirs"))
    reply = it.receive(jingle(Action.TRANSPORT_INFO, about))
    assert reply.error is not None
    assert reply.error.jingle == "tie-break"
    way.stands = False
    assert it.receive(jingle(Action.TRANSPORT_INFO, about)).error is None
    await settle()
    assert way.informed == [transport("theirs")]


@pytest.mark.parametrize("jingle_condition", [None, "tie-break"])
async def test_an_info_of_ours_that_is_refused(it: Stage, jingle_condition: str | None) -> None:
    """Monal refuses restarts, which ends nothing but our waiting; a tie-break says that the peer's own stands."""
    live = await it.initiated()
    it.accepted()
    await settle()
    live.send_transport_info("voice", transport("new"))
    it.last(Action.TRANSPORT_INFO).answer(SignallingError("not-authorized", jingle=jingle_condition))
    await settle()
    assert live.is_running
    (way,) = ways(it)
    assert (way.refusal is None) is (jingle_condition is not None)


async def test_the_program_hears_of_it(it: Stage) -> None:
    await it.initiated()
    (way,) = ways(it)
    path = Path(
        local=CandidateSummary(type="host", address="192.0.2.1:5000"),
        remote=CandidateSummary(type="relay", address="192.0.2.2:5000"),
    )
    way.context.report(PathChange(state="restarting", cause="addresses"))
    way.context.report(PathChange(state="failed", cause="addresses", seconds=1.23456, text="no other", path=path))
    about = {"peer": PEER, "sid": SID, "cause": "addresses"}
    assert [(each.name, dict(each.fields)) for each in it.happened if each.name == "network"] == [
        ("network", {**about, "state": "restarting"}),
        (
            "network",
            {
                **about,
                "state": "failed",
                "seconds": 1.235,
                "text": "no other",
                "local_candidate": "host",
                "remote_candidate": "relay",
            },
        ),
    ]
