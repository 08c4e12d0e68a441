"""A peer that is none of ours: aiortc's own `RTCPeerConnection` on unmodified aioice, with SDP in between.

It sends all candidates at once and their end, wants every fingerprint to match, and talks SCTP over our link.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import aioice.ice
import pytest
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCPeerConnection,
    RTCSctpTransport,
    RTCSessionDescription,
)

from jingle.elements import ice_udp
from jingle.elements.core import Role
from jingle.elements.declare import Element
from jingle.elements.ice_udp import CandidateType, Fingerprint, Setup
from jingle.testing.links import make_context, over_the_wire
from jingle.transports.ice_udp import IceUdpTransport
from jingle.transports.link import IceDtlsLink

from .conftest import FAST
from .ice_helpers import as_ice

pytestmark = pytest.mark.usefixtures("loopback_only")


@pytest.fixture
async def foreigner(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RTCPeerConnection]:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield peer
    await peer.close()


def to_transport(description: RTCSessionDescription) -> Element:
    def values(name: str) -> list[str]:
        return re.findall(rf"^a={name}:(.*?)\r?$", description.sdp, re.MULTILINE)

    fields = [value.split() for value in values("candidate")]
    return over_the_wire(
        ice_udp.IceUdpTransport(
            ufrag=values("ice-ufrag")[0],
            pwd=values("ice-pwd")[0],
            fingerprints=tuple(
                Fingerprint(hash=line.split()[0], setup=Setup(values("setup")[0]), value=line.split()[1])
                for line in values("fingerprint")
            ),
            candidates=tuple(
                ice_udp.Candidate(
                    foundation=field[0],
                    component=int(field[1]),
                    protocol=field[2],
                    priority=int(field[3]),
                    ip=field[4],
                    port=int(field[5]),
                    type=CandidateType(field[7]),
                )
                for field in fields
            ),
        )
    )


def to_sdp(element: Element) -> str:
    transport = as_ice(element)
    fingerprint = transport.fingerprints[0]
    assert fingerprint.setup is not None
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=sctp-port:5000",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.pwd}",
        f"a=fingerprint:{fingerprint.hash} {fingerprint.value}",
        f"a=setup:{fingerprint.setup.value}",
        *(
            f"a=candidate:{c.foundation} {c.component} {c.protocol} {c.priority} {c.ip} {c.port} typ {c.type.value}"
            for c in transport.candidates
        ),
        "a=end-of-candidates",
    ]
    return "\r\n".join([*lines, ""])


async def greet(link: IceDtlsLink, theirs: asyncio.Future[RTCDataChannel]) -> None:
    """Open a data channel on the link, and hear an echo."""
    sctp = RTCSctpTransport(link.dtls)
    await sctp.start(sctp.getCapabilities(), 5000)
    ours = RTCDataChannel(sctp, RTCDataChannelParameters(label="greeting"))
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ours.on("open", lambda: ours.send("wherefore"))
    ours.on("message", heard.set_result)
    channel = await asyncio.wait_for(theirs, 5)
    channel.on("message", lambda message: channel.send(message + " art thou"))
    assert await asyncio.wait_for(heard, 5) == "wherefore art thou"
    await sctp.stop()


@pytest.mark.parametrize("role", list(Role))
async def test_aiortc_is_understood(foreigner: RTCPeerConnection, role: Role) -> None:
    transport = IceUdpTransport(make_context(role, lambda info: None), settings=FAST)
    opened: asyncio.Future[RTCDataChannel] = asyncio.get_running_loop().create_future()
    foreigner.on("datachannel", opened.set_result)
    if role is Role.INITIATOR:
        await foreigner.setRemoteDescription(RTCSessionDescription(to_sdp(await transport.describe()), "offer"))
        await foreigner.setLocalDescription(await foreigner.createAnswer())
        await transport.accept(to_transport(foreigner.localDescription))
    else:
        foreigner.createDataChannel("theirs")
        await foreigner.setLocalDescription(await foreigner.createOffer())
        await transport.accept(to_transport(foreigner.localDescription))
        await foreigner.setRemoteDescription(RTCSessionDescription(to_sdp(await transport.describe()), "answer"))
    link = await transport.connect()
    await greet(link, opened)
    await foreigner.close()
    cause = await asyncio.wait_for(link.ended(), 2)
    assert cause is not None
    await transport.aclose()
