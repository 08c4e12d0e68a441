"""What aiortc makes of our SDP: its parser sees the same as in the original, and its connections connect."""

from __future__ import annotations

import asyncio

import aioice.ice
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from aiortc.sdp import SessionDescription

from jingle import sdp
from jingle.elements.core import Action, Jingle, Role
from jingle.elements.declare import from_string, to_string

from .cases import texts


def through_jingle(text: str, role: Role) -> str:
    action = Action.SESSION_INITIATE if role is Role.INITIATOR else Action.SESSION_ACCEPT
    jingle = from_string(to_string(sdp.to_jingle(sdp.parse(text), role=role, action=action, sid="s")))
    assert isinstance(jingle, Jingle)
    return sdp.format(sdp.from_jingle(jingle, role=role))


def understood(text: str) -> str | None:
    """The description as aiortc understands and would write it; `None` for one that it fails at."""
    try:
        return str(SessionDescription.parse(text))
    except (AssertionError, AttributeError, IndexError, KeyError, ValueError):
        return None


UNDERSTOOD = [(name, text) for name, text in texts() if understood(text) is not None]


def test_most_of_the_cases_are_understood() -> None:
    assert len(UNDERSTOOD) > 80


@pytest.mark.parametrize("text", [text for _, text in UNDERSTOOD], ids=[name for name, _ in UNDERSTOOD])
def test_aiortc_sees_no_difference(text: str) -> None:
    mapped = through_jingle(text, Role.INITIATOR)
    # aiortc knows no default direction, and the mapping says what goes without saying.
    expected = understood(sdp.format(sdp.parse(text).resolved()))
    assert expected is not None
    assert understood(mapped) == expected


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates on this machine only, whatever networks it has."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@pytest.mark.network
@pytest.mark.usefixtures("loopback")
async def test_a_connection_fed_through_the_mapping_connects_to_one_that_is_not() -> None:
    plain, mapped = RTCPeerConnection(), RTCPeerConnection()
    connected, heard = asyncio.Event(), asyncio.get_running_loop().create_future()
    try:
        plain.addTrack(AudioStreamTrack())
        plain.addTrack(VideoStreamTrack())
        channel = plain.createDataChannel("chat")
        channel.on("open", lambda: channel.send("hello"))

        @mapped.on("datachannel")
        def answer(theirs: object) -> None:
            theirs.on("message", heard.set_result)  # type: ignore[attr-defined]

        @mapped.on("connectionstatechange")
        def changed() -> None:
            if mapped.connectionState == "connected":
                connected.set()

        await plain.setLocalDescription(await plain.createOffer())
        offer = through_jingle(plain.localDescription.sdp, Role.INITIATOR)
        await mapped.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        mapped.addTrack(AudioStreamTrack())
        await mapped.setLocalDescription(await mapped.createAnswer())
        answer_text = through_jingle(mapped.localDescription.sdp, Role.RESPONDER)
        await plain.setRemoteDescription(RTCSessionDescription(sdp=answer_text, type="answer"))

        await asyncio.wait_for(connected.wait(), 20)
        assert await asyncio.wait_for(heard, 20) == "hello"
        assert [each.currentDirection for each in plain.getTransceivers()] == ["sendrecv", "sendonly"]
        receiver = mapped.getReceivers()[0]
        frame = await asyncio.wait_for(receiver.track.recv(), 20)
        assert frame.sample_rate == 48000  # type: ignore[union-attr]
    finally:
        await asyncio.gather(plain.close(), mapped.close())
