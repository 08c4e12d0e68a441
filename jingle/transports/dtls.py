"""aiortc's DTLS transport, many datagrams at a time: with `sctp`, what makes data channels fast.

Private parts of aiortc and pyOpenSSL that are used, and why:

- `RTCDtlsTransport._recv_next`: its pump takes one datagram each time the event loop comes round; ours takes all that
  have arrived. Until the handshake has ended, and for all that is no data, the original's ways are kept.
- `SSL.Connection._ssl`, `_into_ssl`, `_from_ssl` and `OpenSSL._util`: pyOpenSSL's own `send` and `recv` take longer
  than OpenSSL takes to encrypt or decrypt a packet, with checks that `bytes` do not need.
- `_ssl`, `_state`, `_data_receiver`, `_rx_srtp`, `_write_ssl`: the same as in the original.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import pylibsrtp
from aiortc import RTCCertificate, RTCDtlsTransport, RTCIceTransport, clock
from aiortc.rtcdtlstransport import State
from aiortc.rtp import is_rtcp
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

APPLICATION_DATA = 23
RECORD_HEADER = 13
"""A DTLS record up to version 1.2: its first byte when it has data, and its header's length (RFC 6347 section 4.1)."""

MAX_RECORD = 1 << 14

MAX_RUN = 40
"""Packets that leave in one system call at most."""

MAX_RUN_SIZE = 1 << 16
"""Bytes of those, encrypted; the kernel takes that many."""


class BatchingDtls(RTCDtlsTransport):
    """Takes everything that has arrived at once, and sends several packets at once.

    Attributes:
        on_packets: Takes decrypted packets; without it they go to aiortc's receiver of data, one by one.
    """

    on_packets: Callable[[Sequence[bytes]], Awaitable[None]] | None = None
    _settled = False

    def __init__(self, transport: RTCIceTransport, certificates: list[RTCCertificate]) -> None:
        super().__init__(transport, certificates)
        self._record, self._run = ffi.new("char[]", MAX_RECORD), ffi.new("char[]", MAX_RUN_SIZE)
        self._record_view, self._run_view = ffi.buffer(self._record), ffi.buffer(self._run)

    def send_packets(self, packets: Sequence[bytes]) -> None:
        """Encrypt and send, with as few system calls as the system allows.

        Raises:
            ConnectionError: There is no association, or no path.
        """
        ssl, write = self._connected(), lib.SSL_write
        pointer = ssl._ssl
        for run in _runs(packets):
            for packet in run:
                if write(pointer, packet, len(packet)) <= 0:
                    lib.ERR_clear_error()
                    raise ConnectionError("DTLS cannot send")
            size = lib.BIO_read(ssl._from_ssl, self._run, MAX_RUN_SIZE)
            overhead = (size - sum(map(len, run))) // len(run)
            self.transport.send_many(self._run_view[:size], len(run[0]) + overhead)  # type: ignore[attr-defined]

    def _connected(self) -> SSL.Connection:
        if self._state is not State.CONNECTED or self._ssl is None:
            raise ConnectionError("DTLS is not connected")
        return self._ssl

    async def _recv_next(self) -> None:
        if not self._settled:
            # DTLS 1.3 may have to repeat its last flight after the handshake, which the original knows how to do.
            if self._state is not State.CONNECTED or self._connected().DTLSv1_get_timeout() is not None:
                return await super()._recv_next()
            self._settled = True
        await self._take(await self.transport.receive_many())  # type: ignore[attr-defined]

    async def _take(self, datagrams: Sequence[bytes]) -> None:
        packets: list[bytes] = []
        ssl, record, view = self._connected(), self._record, self._record_view
        pointer, bio, put, read = ssl._ssl, ssl._into_ssl, lib.BIO_write, lib.SSL_read
        try:
            for datagram in datagrams:
                size, first = len(datagram), datagram[0]
                if first == APPLICATION_DATA and size > RECORD_HEADER:
                    put(bio, datagram, size)
                    if size == RECORD_HEADER + (datagram[11] << 8 | datagram[12]):
                        count = read(pointer, record, MAX_RECORD)
                        if count > 0:
                            packets.append(view[:count])
                            continue
                        lib.ERR_clear_error()
                    await self._read(ssl, packets)
                elif 19 < first < 64:
                    put(bio, datagram, size)
                    await self._read(ssl, packets)
                elif 127 < first < 192 and self._rx_srtp:
                    await self._unprotect(datagram)
        finally:  # what came before a goodbye counts
            await self._deliver(packets)

    async def _read(self, ssl: SSL.Connection, packets: list[bytes]) -> None:
        """Read what is not just one record with data: several, or none, or the end."""
        try:
            while True:
                packets.append(ssl.recv(MAX_RECORD))
        except SSL.ZeroReturnError:
            raise ConnectionError("the peer has ended DTLS") from None
        except SSL.Error:
            await self._write_ssl()  # nothing more to read, or nothing that can be; there may be an answer to send

    async def _unprotect(self, datagram: bytes) -> None:
        try:
            if is_rtcp(datagram):
                await self._handle_rtcp_data(self._rx_srtp.unprotect_rtcp(datagram))
            else:
                await self._handle_rtp_data(self._rx_srtp.unprotect(datagram), arrival_time_ms=clock.current_ms())
        except pylibsrtp.Error:
            return  # forged, damaged, or repeated: as if it had not come

    async def _deliver(self, packets: list[bytes]) -> None:
        if self.on_packets is not None and packets:
            await self.on_packets(packets)
        elif self._data_receiver is not None:
            for packet in packets:
                await self._data_receiver._handle_data(packet)


def _runs(packets: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Packets that can leave in one system call: of one size, the last of them possibly shorter."""
    sizes, start = list(map(len, packets)), 0
    while start < len(packets):
        size = sizes[start]
        same = sizes[start : start + MAX_RUN]
        end = start + len(same)
        if same.count(size) < len(same):
            end = start + next(place for place, other in enumerate(same) if other != size)
            if sizes[end] < size:
                end += 1
        yield packets[start:end]
        start = end
