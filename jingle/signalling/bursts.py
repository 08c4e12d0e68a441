"""Stanzas that leave in bursts, in the pieces that servers read fastest.

Prosody reads 8 KiB at a time and, wherever more is left of what TLS has decrypted, sleeps a millisecond before it goes
on, which holds a stream to a few megabytes a second however fast both ends are. Nothing is left when all that comes
are TLS records of that size, the last of a burst filled up with the white space that may stand between stanzas (RFC
6120 section 4.6.1). A shorter one shifts what is right behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from slixmpp import ClientXMPP

RECORD = 8192
"""Bytes that a server reads at a time."""

LITTLE = 2048
"""Bytes below which a stanza is no part of a burst that begins."""

COMPANY_TIMEOUT = 0.02
"""Seconds that a small stanza waits for a burst to go with."""

BURST_PAUSE = 0.05
"""Seconds after a burst in which the next one is expected."""

FILLING_PAUSE = 0.5
"""Seconds in which two bursts make a stream of them, where the next may come before the last has been read: a small
stanza that went as it is would shift all that follow it, until the server has caught up."""


class BurstClient(ClientXMPP):
    """A slixmpp client that writes what is sent in one turn of the event loop together, if it is much.

    Little leaves without any delay, unless much has just left. Nothing is held on a stream without TLS.
    """

    def __init__(self, jid: str, password: str, *, ssl_context: ssl.SSLContext) -> None:
        super().__init__(jid, password, ssl_context=ssl_context)
        self._held: list[bytes] = []
        self._held_size = 0
        self._is_among_bursts = False
        self._held_for: asyncio.BaseTransport | None = None
        self._flushing: asyncio.Handle | None = None
        self._burst_at = self._burst_before = float("-inf")

    def send_raw(self, data: str | bytes) -> None:
        """Write `data`, or hold it until the rest of its burst is there; see `XMLStream.send_raw`."""
        if self.transport is not self._held_for:
            self._drop()  # it was on its way when the connection broke; XEP-0198 sends it again
            self._held_for = self.transport
        raw = data.encode() if isinstance(data, str) else data
        now = self.loop.time()
        is_company_near = now < self._burst_at + BURST_PAUSE
        is_behind_burst = is_company_near or now < self._burst_before + FILLING_PAUSE
        if not self._is_encrypted or not (self._held or is_behind_burst or len(raw) >= LITTLE):
            super().send_raw(raw)
            return
        was_burst = self._held_size >= RECORD
        self._held.append(raw)
        self._held_size += len(raw)
        self._is_among_bursts = self._is_among_bursts or is_behind_burst or self._held_size >= RECORD
        if self._held_size >= RECORD and not was_burst:
            self._flush_with(self.loop.call_soon(self._flush))
        elif self._flushing is None:
            wait = COMPANY_TIMEOUT if is_company_near else 0
            self._flush_with(self.loop.call_later(wait, self._flush))

    def data_received(self, data: bytes | str) -> None:
        """Take what has come; see `XMLStream.data_received`."""
        # A server whose TCP waits until what it sent before is acknowledged (RFC 896), as Prosody's does, must not wait
        # for our kernel to delay that, which it does for up to 40 ms. Linux forgets what it was told, so each time.
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is not None and hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):  # no TCP, or just closed: slixmpp hears of that by itself
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        super().data_received(data)

    @property
    def _is_encrypted(self) -> bool:
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    def _flush_with(self, handle: asyncio.Handle) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
        self._flushing = handle

    def _flush(self) -> None:
        burst, transport, is_filled = b"".join(self._held), self._held_for, self._is_among_bursts
        self._drop()
        if transport is not self.transport or not isinstance(transport, asyncio.WriteTransport):
            return
        if len(burst) >= RECORD:
            self._burst_at, self._burst_before = self.loop.time(), self._burst_at
        if is_filled:
            burst += b" " * (-len(burst) % RECORD)
        with memoryview(burst) as view:
            transport.writelines([view[start : start + RECORD] for start in range(0, len(view), RECORD)])

    def _drop(self) -> None:
        self._held.clear()
        self._held_size = 0
        self._is_among_bursts = False
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
