"""Where ICE candidates come from: addresses of this machine, STUN and TURN servers (RFC 8445 section 5.1.1).

Nothing here waits for anything but the one server it asks: who calls decides what may take how long.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import itertools
import logging
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress

from aioice import stun, turn
from aioice.candidate import Candidate, candidate_priority
from aioice.ice import StunProtocol, get_host_addresses

from .base import IceServer
from .udp import DatagramsProtocol, UdpTransport, open_udp

log = logging.getLogger(__name__)

MAX_ADDRESSES = 8
"""Addresses of this machine that become candidates: each costs a socket and multiplies the pairs to check."""

TURN_ADDRESSES = 2
"""Addresses of one TURN server that are tried, one after the other."""

COMPONENT = 1
"""RTP and RTCP share one component (RFC 5761), so there is no second one."""

_UDP_BUFFER = 262144
_LOOPBACK = ("127.0.0.1", "::1")

# What a server can answer, a network can do, or a configured name can be, short of a success.
GATHERING_ERRORS = (OSError, stun.TransactionError, TimeoutError, ValueError, OverflowError)


class IceSocket(StunProtocol, DatagramsProtocol):
    """A local base: tells STUN from everything else, and lets nothing that arrives raise."""

    def datagram_received(self, data: bytes | str, addr: tuple[object, ...]) -> None:
        """Take one datagram, whoever sent it (RFC 7983 section 7 tells the protocols apart)."""
        if not data or isinstance(data, str):  # an empty datagram would raise further up, and anybody can send one
            return
        if data[0] > 3:
            self.receiver.data_received(data, COMPONENT)
            return
        try:
            stun.parse_message(data)  # aioice would hand what it cannot read up as data, or let struct.error through
        except (struct.error, LookupError, ValueError) as error:
            log.debug("unreadable STUN message from %s: %s", addr, error)
        else:
            super().datagram_received(data, addr)

    def datagrams_received(self, datagrams: list[bytes], address: tuple[object, ...]) -> None:
        """Take what came at once; everything but STUN stays together."""
        if len(datagrams) == 1 or any(datagram[0] <= 3 for datagram in datagrams):
            super().datagrams_received(datagrams, address)
        else:
            self.receiver.datagrams_received(datagrams)  # type: ignore[attr-defined]  # ours has it, aioice's has not

    def send_many(self, data: bytes, size: int, addr: tuple[str, int]) -> None:
        """Send `data` as datagrams of `size` bytes each, the last one possibly shorter; at most 64 KiB."""
        if isinstance(self.transport, UdpTransport):
            self.transport.send_many(data, size, addr)
        else:
            for start in range(0, len(data), size):
                self.transport.sendto(data[start : start + size], addr)


def host_addresses() -> list[str]:
    """All addresses of this machine, without loopback and those that mean nothing without a scope."""
    return [address for address in get_host_addresses(True, True) if not _is_loopback(address)]


def local_addresses(*, loopback: bool) -> list[str]:
    """The addresses of this machine to gather on, most wanted first, at most `MAX_ADDRESSES`.

    Link-local IPv6 addresses mean nothing without their scope and are left out. Loopback addresses come last, and
    only if asked for or if there is nothing else.
    """
    addresses = host_addresses()
    if loopback or not addresses:
        return [*addresses[: MAX_ADDRESSES - len(_LOOPBACK)], *_LOOPBACK]
    return addresses[:MAX_ADDRESSES]


def foundation(kind: str, base: str, server: str = "") -> str:
    """A foundation of digits only, since some peers read it as a number (RFC 8445 section 5.1.1.3)."""
    return str(zlib.crc32(f"{kind}|{base}|{server}".encode()))


def make_candidate(
    kind: str,
    address: tuple[str, int],
    *,
    base: str,
    rank: int,
    server: str = "",
    related: tuple[str, int] | None = None,
) -> Candidate:
    """A local candidate; `rank` 0 is the most wanted of its type (the local preference, RFC 8445 section 5.1.2.1)."""
    return Candidate(
        foundation=foundation(kind, base, server),
        component=COMPONENT,
        transport="udp",
        priority=candidate_priority(COMPONENT, kind, 65535 - rank),
        host=address[0],
        port=address[1],
        type=kind,
        related_address=related[0] if related else None,
        related_port=related[1] if related else None,
    )


async def open_host(protocol_factory: Callable[[], IceSocket], address: str, *, rank: int) -> IceSocket:
    """Bind a socket to `address`; the protocol that comes back carries its host candidate.

    Raises:
        OSError: The address cannot be bound to.
    """
    transport, protocol = await open_udp(protocol_factory, address)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER)
    bound = transport.get_extra_info("sockname")
    protocol.local_candidate = make_candidate("host", (bound[0], bound[1]), base=bound[0], rank=rank)
    return protocol


async def resolve(host: str, port: int) -> tuple[tuple[str, int], ...]:
    """Addresses of `host`, in the order of the system's resolver.

    Raises:
        OSError: The name does not resolve.
        UnicodeError: It is no host name at all.
    """
    with suppress(ValueError):
        return ((str(ipaddress.ip_address(host)), port),)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[tuple[str, int], ...]] = loop.create_future()

    def settle(result: tuple[tuple[str, int], ...] | Exception) -> None:
        if answer.done():
            return
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def ask() -> None:
        result: tuple[tuple[str, int], ...] | Exception
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            result = tuple(dict.fromkeys((str(entry[4][0]), port) for entry in found))
        except (OSError, UnicodeError) as error:
            result = error
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(settle, result)

    # Not the loop's thread pool: asyncio.run() waits for its threads, and a dead resolver holds one for half a minute.
    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    return await answer


async def ask_reflexive(protocol: StunProtocol, server: tuple[str, int], *, rank: int) -> Candidate | None:
    """Ask a STUN server how it sees the socket; `None` where nothing is translated, so nothing is gained.

    Raises:
        aioice.stun.TransactionError: It refused, or did not answer for about a minute.
        ValueError: Its answer carries no address.
    """
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    response, _ = await protocol.request(request, server)
    # Servers older than RFC 5389 only know the plain form.
    mapped = response.attributes.get("XOR-MAPPED-ADDRESS") or response.attributes.get("MAPPED-ADDRESS")
    if mapped is None:
        raise ValueError("the STUN server's answer carries no address")
    base = protocol.local_candidate
    if mapped == (base.host, base.port):
        return None
    return make_candidate("srflx", mapped, base=base.host, rank=rank, server=server[0], related=(base.host, base.port))


class RelaySocket(IceSocket):
    """A base on a TURN server, closed in bounded time."""

    client: turn.TurnClientProtocol

    async def close(self) -> None:
        """Delete the allocation if the server answers quickly, and free the socket in any case."""
        with suppress(TimeoutError, OSError, stun.TransactionError):
            # aioice would wait a minute for a server that is gone; the allocation expires by itself then.
            await asyncio.wait_for(self.client.delete(), 0.2)
        # Not close(): over TLS that waits half a minute for the server to say goodbye.
        self.client.transport.abort()
        await super().close()


@functools.cache
def system_trust() -> ssl.SSLContext:
    """Verify certificates by the system's authorities; loading them takes tens of milliseconds, so they are kept."""
    return ssl.create_default_context()


async def allocate(
    protocol_factory: Callable[[], RelaySocket],
    server: IceServer,
    *,
    tls: ssl.SSLContext | None,
    rank: int,
    hide_related: bool,
) -> RelaySocket:
    """Allocate a relayed address (RFC 8656 section 7); the protocol that comes back carries its candidate.

    Over UDP, TCP, or TLS with the server's certificate verified by `tls`. With `hide_related` the candidate does not
    tell which address of ours the TURN server saw (RFC 8839 section 5.1).

    Raises:
        OSError: The server cannot be resolved or reached, or its certificate is not trusted.
        aioice.stun.TransactionError: It refused or did not answer.
    """
    error: Exception = OSError(f"{server.host} has no address")
    for address in itertools.islice(_alternate_families(await resolve(server.host, server.port)), TURN_ADDRESSES):
        try:
            return await _allocate_at(protocol_factory, server, address, tls=tls, rank=rank, hide_related=hide_related)
        except GATHERING_ERRORS as failure:
            error = failure
    raise error


async def _allocate_at(
    protocol_factory: Callable[[], RelaySocket],
    server: IceServer,
    address: tuple[str, int],
    *,
    tls: ssl.SSLContext | None,
    rank: int,
    hide_related: bool,
) -> RelaySocket:
    client = await _connect(server, address, tls)
    try:
        relay = turn.TurnTransport(client)
        protocol = protocol_factory()
        protocol.client = client
        # aioice's own create_turn_endpoint() verifies a certificate against the address it connects to; the name
        # is needed for that, and the address for not resolving it in a thread that nobody can stop.
        await relay._connect(protocol)
    except BaseException:
        client.transport.abort()
        raise
    relayed, mapped = relay.get_extra_info("sockname"), relay.get_extra_info("related_address")
    if hide_related:
        mapped = ("0.0.0.0", 9) if ipaddress.ip_address(relayed[0]).version == 4 else ("::", 9)
    protocol.local_candidate = make_candidate(
        "relay",
        relayed,
        base=relayed[0],
        rank=rank,
        server=f"{server.scheme}/{server.transport}/{server.host}",
        related=mapped,
    )
    return protocol


async def _connect(server: IceServer, address: tuple[str, int], tls: ssl.SSLContext | None) -> turn.TurnClientProtocol:
    loop = asyncio.get_running_loop()
    secure = server.scheme == "turns"

    def client(kind: type[turn.TurnClientTcpProtocol | turn.TurnClientUdpProtocol]) -> turn.TurnClientProtocol:
        return kind(
            address,
            username=server.username,
            password=server.password,
            lifetime=turn.DEFAULT_ALLOCATION_LIFETIME,
            channel_refresh_time=turn.DEFAULT_CHANNEL_REFRESH_TIME,
        )

    protocol: turn.TurnClientProtocol
    if secure or server.transport == "tcp":
        _, protocol = await loop.create_connection(
            lambda: client(turn.TurnClientTcpProtocol),
            *address,
            ssl=tls if secure else None,
            server_hostname=server.host if secure else None,
        )
    else:
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: client(turn.TurnClientUdpProtocol), remote_addr=address
        )
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER)
    return protocol


def _alternate_families(addresses: tuple[tuple[str, int], ...]) -> Iterator[tuple[str, int]]:
    """The first address of each family before the second of any: a dead family must not hide the other."""
    seen: dict[bool, int] = {}
    ranked = []
    for address in addresses:
        family = ":" in address[0]
        seen[family] = seen.get(family, 0) + 1
        ranked.append((seen[family], address))
    return (address for _, address in sorted(ranked, key=lambda entry: entry[0]))


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback
