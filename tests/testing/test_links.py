from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from jingle.elements.core import Role
from jingle.elements.declare import Element
from jingle.elements.ice_udp import IceUdpTransport
from jingle.errors import SignallingError, TransportFailed
from jingle.testing.links import NoStanzas, linked_pair, make_context, over_the_wire
from jingle.transports.ice_settings import IceSettings


async def test_a_linked_pair_is_connected_and_closed() -> None:
    async with linked_pair() as (ours, theirs):
        assert ours.dtls.state == theirs.dtls.state == "connected"
        assert {ours.dtls._role, theirs.dtls._role} == {"client", "server"}
    assert ours.dtls.state == theirs.dtls.state == "closed"
    assert await ours.ended() is None


async def test_a_lossy_pair_loses_what_is_asked_and_counts_only_the_rest() -> None:
    asked: list[bytes] = []

    def lost(datagram: bytes) -> bool:
        asked.append(datagram)
        return datagram[0] >= 128

    async with linked_pair(lost=lost) as (ours, theirs):
        before = ours.bytes_sent
        await ours.dtls._send_rtp(b"\x80\x60" + bytes(30))
        await asyncio.sleep(0.01)
        assert asked[-1][:2] == b"\x80\x60"
        assert ours.bytes_sent == before == theirs.bytes_received


async def test_a_pair_that_loses_everything_fails() -> None:
    with pytest.raises(TransportFailed):
        async with linked_pair(lost=lambda datagram: True, settings=IceSettings(connect_timeout=0.3)):
            pass


async def test_no_stanzas() -> None:
    port = NoStanzas()
    with pytest.raises(SignallingError, match="item-not-found"):
        await port.request("juliet@capulet.example", IceUdpTransport())
    assert await port.find_proxies() == ()


def test_both_sides_know_each_other() -> None:
    sent: list[Element] = []
    ours, theirs = (make_context(role, sent.append) for role in Role)
    assert (ours.local, ours.remote, ours.sid) == (theirs.remote, theirs.local, theirs.sid)


def test_what_crosses_the_wire_is_equal_but_another() -> None:
    sent = IceUdpTransport(ufrag="8hhy", pwd="asd88fgpdd777uzjYhagZg")
    assert over_the_wire(sent) == sent
    assert over_the_wire(sent) is not sent


CONNECT = """
import asyncio
from jingle.testing.links import TransportPair
from jingle.transports.base import TransportOptions

async def main():
    pair = TransportPair(options=TransportOptions())
    ours, _ = await pair.connect()
    print(ours.path.local.address.rpartition(":")[0])
    await pair.aclose()

asyncio.run(main())
"""
_NAMESPACE = ("unshare", "--net", "--map-root-user")


def _can_unshare() -> bool:
    try:
        return subprocess.run([*_NAMESPACE, "true"], capture_output=True, timeout=5).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not _can_unshare(), reason="this system allows no network namespaces")
@pytest.mark.parametrize(
    "setup", ["ip link set lo up", "sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link set lo up"]
)
def test_a_machine_that_has_only_loopback_connects(setup: str) -> None:
    """Nobody asked for loopback: it is used because there is nothing else."""
    command = [*_NAMESPACE, "sh", "-c", f'{setup} && exec "$0" -c "$1"', sys.executable, CONNECT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.stdout.strip() in ("127.0.0.1", "[::1]"), done.stderr
