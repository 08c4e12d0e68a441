"""XEP-0261: Jingle In-Band Bytestreams Transport Method (v1.0): bytes in stanzas, the last resort that always works.

Deviations, each because deployed clients need it:

- The responder takes blocks without a preceding `<open/>`, and either side takes an `<open/>` whoever sends it.
- A `block-size` of the answer above that of the offer means that of the offer.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import ClassVar

from ..elements.core import Role
from ..elements.declare import Element
from ..elements.ibb import NS, IbbTransport, Open, StanzaKind
from ..errors import RemoteProtocolError, SignallingError, TransportFailed
from .base import CandidateSummary, Kind, Path, Security, TransportContext
from .ibb_router import IbbRouter
from .ibb_session import IbbSession

log = logging.getLogger(__name__)

BLOCK_SIZE = 42624
"""The most bytes of a block that we offer: as a stanza just under the 56 KiB that leave in seven whole records (see
`signalling.bursts`), with 500 bytes for the addresses. A stanza costs either end as much as 10 kB of bytes do, and
Prosody a third of that; no server is known to take less than 64 KiB by default."""

SMALLEST_BLOCK = 1024
"""Where lessening a block that the peer refuses ends."""

OPEN_TIMEOUT = 60.0
"""Seconds for `<open/>` to be answered, or to come."""


class IbbStreamTransport:
    """An in-band bytestream; see `Transport`."""

    namespace: ClassVar[str] = NS
    kind: ClassVar[Kind] = Kind.STREAMING
    name: ClassVar[str] = "ibb"
    priority: ClassVar[int] = 100
    features: ClassVar[tuple[str, ...]] = (NS,)
    security: ClassVar[Security] = Security.NONE

    def __init__(self, context: TransportContext) -> None:
        self._context = context
        self._sid: str | None = None
        self._block_size = BLOCK_SIZE
        self._session: IbbSession | None = None
        self._path: Path | None = None

    @property
    def path(self) -> Path | None:
        """Through both servers, once connected."""
        return self._path

    async def describe(self) -> Element:
        """The stream's name and the largest block."""
        if self._sid is None:
            self._sid = secrets.token_hex(8)
            if self._context.role is Role.RESPONDER:
                # We propose it in place of another: the peer opens the stream right behind its acceptance.
                self._listen(self._sid)
        return IbbTransport(block_size=self._block_size, sid=self._sid)

    async def accept(self, remote: Element) -> None:
        """Take the peer's terms; see `Transport.accept`."""
        if not isinstance(remote, IbbTransport):
            raise RemoteProtocolError("this is no in-band transport")
        if remote.effective_stanza is not StanzaKind.IQ:
            raise TransportFailed("in-band blocks in messages are not supported", reason="failed-transport")
        if self._sid not in (None, remote.sid):
            raise RemoteProtocolError("this is the sid of another stream", condition="item-not-found")
        self._sid = remote.sid
        self._block_size = min(self._block_size, remote.block_size)
        if self._session is None:
            # The peer may open the stream before we are asked to connect.
            self._listen(remote.sid)
        elif not self._session.opened.is_set():
            self._session.block_size = self._block_size

    def _listen(self, sid: str) -> None:
        session = IbbSession(self._context.port, self._context.remote, sid, self._block_size)
        session.on_closed = IbbRouter.add(self._context.port, session)
        self._session = session

    async def info(self, remote: Element) -> None:
        """Refuse a further stream in the session (section 2.4): nobody was seen to use one.

        Raises:
            RemoteProtocolError: Always.
        """
        raise RemoteProtocolError("one in-band stream is enough", condition="feature-not-implemented")

    async def connect(self) -> IbbSession:
        """Return the stream once it is open; see `Transport.connect`."""
        session = self._session
        if session is None:
            raise TransportFailed("the peer has not described its in-band transport")
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                if self._context.role is Role.INITIATOR:
                    await self._open(session)
                else:
                    await session.opened.wait()
        except TimeoutError as exc:
            await self.aclose()
            raise TransportFailed(f"no in-band stream was opened in {OPEN_TIMEOUT:g} s", last_error=exc) from exc
        except BaseException:
            await self.aclose()
            raise
        self._path = Path(
            local=CandidateSummary(type="in-band", address=self._context.local, protocol="xmpp"),
            remote=CandidateSummary(type="in-band", address=self._context.remote, protocol="xmpp"),
        )
        log.info("%s in-band stream open, blocks of %d bytes", self._context.sid, session.block_size)
        return session

    async def _open(self, session: IbbSession) -> None:
        size = session.block_size
        while True:
            try:
                await self._context.port.request(
                    self._context.remote, Open(block_size=size, sid=session.sid), timeout=OPEN_TIMEOUT
                )
            except SignallingError as exc:
                # The peer wants smaller blocks after all (XEP-0047 section 2.1).
                if exc.condition != "resource-constraint" or size <= SMALLEST_BLOCK:
                    raise TransportFailed(f"the peer opens no in-band stream: {exc}", last_error=exc) from exc
                size = 1 << (size - 1).bit_length() - 1  # the next smaller power of two, which is what limits are
            else:
                session.block_size = min(session.block_size, size)
                session.opened.set()
                return

    async def aclose(self) -> None:
        """Close the stream that `connect` returned, too."""
        if self._session is not None:
            await self._session.aclose()
