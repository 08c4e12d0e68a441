"""Data channels through a real coturn, where no address may be shown (RFC 8656)."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from jingle.elements.declare import Element, serialize
from jingle.testing.streams import StreamPair, receive_all, send_all
from jingle.transports.base import IceServer, TransportOptions
from jingle.transports.datachannel import DataChannelTransport, WrappedDataChannelTransport

from .ice_helpers import coturn

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("nothing_left", "loopback_only")]


@pytest.mark.parametrize("kind", [DataChannelTransport, WrappedDataChannelTransport])
async def test_relay_only(kind: type[DataChannelTransport], tmp_path: Path) -> None:
    data = random.Random(1).randbytes(300_000)
    async with coturn(tmp_path) as port:
        server = IceServer(scheme="turn", host="127.0.0.1", port=port, username="user", password="secret")
        pair = StreamPair(kind, options=TransportOptions(relay_only=True, ice_servers=(server,)))
        async with asyncio.timeout(30), pair.connected() as (ours, theirs):
            _, received = await asyncio.gather(send_all(ours, data), receive_all(theirs))
            assert received == data
            path = pair.initiator.path
            assert path is not None
            assert (path.local.type, path.remote.type) == ("relay", "relay")
        shown: list[Element] = [info for _, info in pair.infos]
        assert shown
        assert not any('type="host"' in str(serialize(element)) for element in shown)
