"""SOCKS5 as XEP-0065 section 10 uses it: one method, one command, and a hash in the place of a host name (RFC 1928)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from collections.abc import Callable
from weakref import WeakKeyDictionary

from ..errors import TransportFailed
from .ice_gathering import resolve
from .socket_stream import Readiness, SocketStream

log = logging.getLogger(__name__)

VERSION = 5
NO_AUTHENTICATION, NO_METHOD = 0, 0xFF
CONNECT = 1
IPV4, DOMAIN_NAME, IPV6 = 1, 3, 4
SUCCEEDED, NOT_ALLOWED, COMMAND_UNKNOWN, ADDRESS_UNKNOWN = 0, 2, 7, 8

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that whoever connects to us may take for the handshake."""

MAX_HANDSHAKES = 8
"""Connections for each listener that may be in their handshake at a time; further ones are closed at once."""

BACKLOG = 64
"""Connections that the kernel keeps for us."""

MAX_ADDRESSES = 2
"""Addresses of one host name that are tried, one after the other."""

MAX_STREAMS = 4
"""Connections of the peer to one listener; it needs one, and a few to correct itself."""

_ADDRESS_LENGTH = {IPV4: 4, IPV6: 16}


def destination(sid: str, owner: str, other: str) -> str:
    """The hash that names a stream (XEP-0065 section 5.3.2): `owner` offered the candidate."""
    return hashlib.sha1(f"{sid}{owner}{other}".encode(), usedforsecurity=False).hexdigest()


class Refused(TransportFailed):
    """A SOCKS5 server was reached and does not know the destination."""


async def open_stream(host: str, port: int) -> SocketStream:
    """Connect by TCP to `host`, an address or a name; of a name's addresses the first that answers.

    Raises:
        TransportFailed: Nobody answers there.
    """
    loop = asyncio.get_running_loop()
    last: Exception = OSError("no address")
    try:
        addresses = await resolve(host, port)
    except (OSError, UnicodeError) as exc:
        raise TransportFailed(f"{host} does not resolve: {exc}", last_error=exc) from exc
    for address in addresses[:MAX_ADDRESSES]:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await loop.sock_connect(sock, address)
        except OSError as exc:
            sock.close()
            last = exc
        except BaseException:
            sock.close()
            raise
        else:
            return SocketStream(sock)
    raise TransportFailed(str(last), last_error=last)


async def _read(stream: SocketStream, count: int) -> bytes:
    buffer = bytearray(count)
    got = 0
    while got < count:
        more = await stream.receive_into(memoryview(buffer)[got:])
        if not more:
            raise Refused("the other side closed the connection within the SOCKS5 handshake")
        got += more
    return bytes(buffer)


async def _read_address(stream: SocketStream, kind: int) -> bytes:
    if kind == DOMAIN_NAME:
        return await _read(stream, (await _read(stream, 1))[0])
    if kind in _ADDRESS_LENGTH:
        return await _read(stream, _ADDRESS_LENGTH[kind])
    raise Refused(f"address type {kind} is unknown")


def _message(code: int, address: bytes, port: bytes = b"\0\0") -> bytes:
    """A request (with a command) or a reply (with a status): RFC 1928 sections 4 and 6 differ in nothing else."""
    return bytes((VERSION, code, 0, DOMAIN_NAME, len(address))) + address + port


async def ask_for(stream: SocketStream, name: str) -> None:
    """Ask the SOCKS5 server that `stream` leads to for the destination `name`; afterwards the stream is the peer's.

    Raises:
        Refused: It does not know the destination, or is no SOCKS5 server.
        TransportFailed: The connection broke.
    """
    await stream.send(bytes((VERSION, 1, NO_AUTHENTICATION)))
    if await _read(stream, 2) != bytes((VERSION, NO_AUTHENTICATION)):
        raise Refused("this is no SOCKS5 server that works without a login")
    await stream.send(_message(CONNECT, name.encode()))
    version, status, _, kind = await _read(stream, 4)
    if version != VERSION or status != SUCCEEDED:
        raise Refused(f"the SOCKS5 server answered with status {status}")
    # Which address comes back is of no use to anybody; XEP-0065 wants ours echoed, and not every server obeys.
    await _read_address(stream, kind)
    await _read(stream, 2)


async def connect(host: str, port: int, name: str) -> SocketStream:
    """Connect to the SOCKS5 server at `host` and `port`, and ask it for the destination `name`.

    Raises:
        Refused: The server does not know the destination.
        TransportFailed: It was not reached.
    """
    stream = await open_stream(host, port)
    try:
        await ask_for(stream, name)
    except BaseException:
        await stream.aclose()
        raise
    return stream


async def answer(stream: SocketStream, knows: Callable[[str], bool]) -> str:
    """Be the SOCKS5 server of a connection; return the destination that it asked for, one that `knows` has said yes to.

    Raises:
        Refused: It asked for something else, or speaks another protocol; it has been told.
        TransportFailed: The connection broke.
    """
    version, count = await _read(stream, 2)
    methods = await _read(stream, count) if version == VERSION else b""
    if NO_AUTHENTICATION not in methods:
        await stream.send(bytes((VERSION, NO_METHOD)))
        raise Refused("it offers no SOCKS5 without a login")
    await stream.send(bytes((VERSION, NO_AUTHENTICATION)))
    version, command, _, kind = await _read(stream, 4)
    if version != VERSION or kind not in (*_ADDRESS_LENGTH, DOMAIN_NAME):
        await stream.send(_message(ADDRESS_UNKNOWN, b""))
        raise Refused("its SOCKS5 request cannot be read")
    address, port = await _read_address(stream, kind), await _read(stream, 2)
    name = address.decode("ascii", "replace").lower()
    status = SUCCEEDED if command == CONNECT and kind == DOMAIN_NAME and knows(name) else NOT_ALLOWED
    # Dino compares the answer with what it asked for, byte by byte (XEP-0065 section 5.3.2 wants it the same).
    await stream.send(_message(status if command == CONNECT else COMMAND_UNKNOWN, address, port))
    if status != SUCCEEDED:
        raise Refused("it asks for a destination that is not known here")
    return name


_Place = tuple[str, str]
"""The owner of a listener and the address that it listens on."""


class Listener:
    """A place to listen; hands on the connections that name one of our destinations.

    Listeners of one owner on one address share a socket: many files at once would need many otherwise.

    Args:
        names: The destinations; nobody else gets further than the handshake.
        on_stream: Takes a connection after its handshake, and owns it from then on.
        owner: Whose listener it is. Two sides of a session in one process may know each other's destinations.
    """

    def __init__(self, names: frozenset[str], on_stream: Callable[[SocketStream], None], *, owner: str = "") -> None:
        self._names, self._on_stream, self._owner = names, on_stream, owner
        self._door: _Door | None = None
        self._streams = 0

    def listen(self, host: str) -> int:
        """Listen on a free port of the address `host`, and return the port.

        Raises:
            OSError: The address cannot be bound to.
        """
        doors = _doors.setdefault(asyncio.get_running_loop(), {})
        place = self._owner, host
        if place not in doors:
            doors[place] = _Door(place, doors)
        self._door = doors[place]
        self._door.listeners.append(self)
        return self._door.port

    async def aclose(self) -> None:
        """Stop listening; connections that have been handed on stay."""
        door, self._door = self._door, None
        if door is not None:
            door.listeners.remove(self)
            if not door.listeners:
                await door.aclose()

    def wants(self, name: str) -> bool:
        """Whether a connection to this destination would be taken."""
        return name in self._names and self._streams < MAX_STREAMS

    def take(self, stream: SocketStream) -> None:
        """Hand on a connection."""
        self._streams += 1
        self._on_stream(stream)


class _Door:
    """The socket of the listeners on one address; closed with the last of them."""

    def __init__(self, place: _Place, doors: dict[_Place, _Door]) -> None:
        self.listeners: list[Listener] = []
        self._place, self._doors = place, doors
        _, host = place
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, 0), family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._handshakes: dict[asyncio.Task[None], SocketStream] = {}
        self._accepting = asyncio.ensure_future(self._accept())

    async def aclose(self) -> None:
        """Stop listening."""
        if self._doors.get(self._place) is self:
            del self._doors[self._place]
        tasks = [*self._handshakes, self._accepting]
        for task in tasks:
            task.cancel()
        unfinished = list(self._handshakes.values())
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in unfinished:  # also where the task had no turn yet, and so no chance to close it
            await stream.aclose()
        self._socket.close()

    async def _accept(self) -> None:
        # Not `loop.sock_accept`: cancelled in the wrong moment, it loses the connection that it has just taken.
        readiness = Readiness(self._socket.fileno())
        while True:
            await readiness.readable()
            try:
                sock, address = self._socket.accept()
            except BlockingIOError:
                continue
            except OSError as exc:  # too many files are open, or the connection was gone before we took it
                log.warning("cannot accept a SOCKS5 connection: %s", exc)
                await asyncio.sleep(0.1)
                continue
            if len(self._handshakes) >= MAX_HANDSHAKES * len(self.listeners):
                sock.close()
                continue
            stream = SocketStream(sock)
            task = asyncio.ensure_future(self._shake_hands(stream, f"{address[0]}:{address[1]}"))
            self._handshakes[task] = stream
            task.add_done_callback(self._handshakes.pop)

    def _listener_for(self, name: str) -> Listener | None:
        return next((listener for listener in self.listeners if listener.wants(name)), None)

    async def _shake_hands(self, stream: SocketStream, address: str) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                name = await answer(stream, lambda name: self._listener_for(name) is not None)
            listener = self._listener_for(name)
            if listener is None:
                raise Refused("its destination has just been taken away")
        except (TransportFailed, TimeoutError) as exc:
            log.info("< SOCKS5 connection from %s refused: %s", address, exc)
            await stream.aclose()
        except BaseException:
            await stream.aclose()
            raise
        else:
            listener.take(stream)


_doors: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Place, _Door]] = WeakKeyDictionary()
