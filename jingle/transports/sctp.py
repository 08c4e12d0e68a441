"""An SCTP association on DTLS (RFC 8261): the handshake, resets and channels of aiortc, with a data path of our own.

aiortc's data path handles each packet with its own acknowledgement, walks its whole window for each of those, and
ignores the receiver's window in both directions. What is replaced is in `sctp_sending` and `sctp_receiving`; here they
are put in the place of aiortc's. With `dtls`, the only file that touches private parts of `RTCSctpTransport`:

- `_handle_data`, `_receive_chunk`: packets come many at a time, chunks are checked before aiortc sees them, since it
  trusts every length; DATA and SACK go another way;
- `_send`, `_transmit`, `_send_chunk`, `_t3_*`: what leaves goes through our window; `_local_tsn` is kept for resets;
- `_last_received_tsn`, `_reset_deferred_streams`, `_data_channel_close`: a stream that the peer resets ends its own
  direction only, until we end ours (RFC 8831 section 6.7 leaves open when);
- `_data_channel_receive`, `_data_channel_queue`, `_data_channels`: as in the original, within bounds;
- `_set_state`, `_association_state`: to hear of the end.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Sequence
from typing import Any

from aiortc import RTCDataChannel, RTCDataChannelParameters, RTCSctpCapabilities, RTCSctpTransport
from aiortc import rtcsctptransport as aiortc_sctp
from aiortc.exceptions import InvalidStateError

from ..errors import TransportFailed
from .dtls import BatchingDtls
from .sctp_packets import (
    ABORT,
    COOKIE_ACK,
    COOKIE_ECHO,
    DATA,
    DATA_AT,
    DATA_HEADER,
    ERROR,
    FIRST,
    HEARTBEAT,
    IMMEDIATE,
    INIT,
    INIT_ACK,
    PACKET_HEADER,
    RECONFIG,
    SACK,
    SHUTDOWN,
    SHUTDOWN_COMPLETE,
    Envelope,
    Malformed,
    check_parameters,
    chunks,
    is_init,
    read_data,
    read_sack,
)
from .sctp_receiving import WINDOW, Data, Inbound
from .sctp_sending import RTO_INITIAL, Outbound

log = logging.getLogger(__name__)

DCEP, STRING, BINARY, STRING_EMPTY, BINARY_EMPTY = 50, 51, 53, 56, 57
"""Payload protocol identifiers of data channels (RFC 8831 section 8)."""

MAX_CHANNELS = 16
"""Channels that a peer may open; one is usual."""

MAX_CONTROL = 1 << 10
"""Bytes of a channel's opening message: its label and its protocol are in it (RFC 8832 section 5.1)."""

SACK_DELAY = 0.04
"""Seconds that a single packet may go unacknowledged; RFC 9260 allows 0.2."""

_BODY_SIZES = {INIT: 16, INIT_ACK: 16, SHUTDOWN: 4, COOKIE_ECHO: 1}
_PARAMETERS_AT = {INIT: 16, INIT_ACK: 16, HEARTBEAT: 0, ERROR: 0, RECONFIG: 0}
_CONTROL = {INIT, INIT_ACK, HEARTBEAT, ABORT, SHUTDOWN, SHUTDOWN_COMPLETE, ERROR, COOKIE_ECHO, COOKIE_ACK, RECONFIG}

# What aiortc raises when it reads what a peer made up.
_NONSENSE = (Malformed, struct.error, ValueError, LookupError, AssertionError, InvalidStateError)


class ChannelListener:
    """Who is told what happens on the channels of an association; every method is called on the event loop."""

    def channel_opened(self, channel: RTCDataChannel) -> None:
        """The peer has opened a channel."""

    def received(self, stream: int, flags: int, protocol: int, payload: bytes) -> None:
        """A part of a message has come, in order; its bytes count as held until `SctpAssociation.release`."""

    def reset(self, stream: int) -> None:
        """The peer has ended its direction of a channel, and all it sent on it was `received`."""

    def progressed(self) -> None:
        """Something of ours has arrived, or a channel may have opened or ended."""

    def ended(self, cause: TransportFailed) -> None:
        """The association is over."""


class SctpAssociation(RTCSctpTransport):
    """One association; both sides start it (RFC 8841 section 9.3).

    Args:
        dtls: Connected.
        listener: Who is told what happens.
        port: Our SCTP port.
    """

    def __init__(self, dtls: BatchingDtls, listener: ChannelListener, *, port: int = 5000) -> None:
        super().__init__(dtls, port)
        self._dtls, self._listener = dtls, listener
        self._clock = asyncio.get_running_loop()
        self._local_partial_reliability = False  # a file wants all of itself; so no FORWARD TSN has to be understood
        self._advertised_rwnd = WINDOW
        self._rto = RTO_INITIAL
        self.outbound = Outbound(self._local_tsn)
        self._inbound: Inbound | None = None
        self._known_init: tuple[int, int] | None = None
        self._envelope = self._expected = Envelope(0, 0, 0)
        self._control: dict[int, bytes] = {}
        self._resetting = False
        self._outgoing: list[bytes] = []
        self._batching = False
        self._retransmission: asyncio.TimerHandle | None = None
        self._delayed_sack: asyncio.TimerHandle | None = None
        self._over = False

    async def associate(self, remote_port: int, max_message_size: int) -> None:
        """Begin the handshake; channels can be opened at once."""
        self._expected = Envelope(remote_port, self.port, self._local_verification_tag)
        self._dtls.on("statechange", self._dtls_changed)
        await self.start(RTCSctpCapabilities(maxMessageSize=max_message_size), remote_port)
        self._dtls.on_packets = self.receive_packets

    def open_channel(self, label: str, protocol: str, negotiated: int | None) -> RTCDataChannel:
        """Open an ordered, reliable channel; one that was `negotiated` by its id needs no opening message."""
        parameters = RTCDataChannelParameters(
            label=label, protocol=protocol, negotiated=negotiated is not None, id=negotiated
        )
        return RTCDataChannel(self, parameters)

    # Sending

    def send(self, stream: int, message: bytes) -> None:
        """Queue a binary message; `outbound.queued` tells how much waits."""
        self.outbound.put(stream, BINARY, message)

    def flush(self) -> None:
        """Send what may leave now."""
        if self._over or self._batching or self._inbound is None:
            return
        self._outgoing += self.outbound.take(self._clock.time())
        self._local_tsn = self.outbound.next_tsn
        if self._retransmission is None and self.outbound.is_flying:
            self._retransmission = self._clock.call_at(self.outbound.deadline, self._timed_out)
        outgoing, self._outgoing = self._outgoing, []
        if outgoing:
            try:
                self._dtls.send_packets(outgoing)
            except ConnectionError as error:
                self._end(TransportFailed(f"the data channel broke: {error}", last_error=error))

    def _timed_out(self) -> None:
        self._retransmission = None
        now = self._clock.time()
        if self.outbound.is_flying:
            if now >= self.outbound.deadline:
                self.outbound.on_timeout(now)
            else:
                self._retransmission = self._clock.call_at(self.outbound.deadline, self._timed_out)
            self.flush()

    async def _send(  # aiortc's own channel messages
        self,
        stream_id: int,
        pp_id: int,
        user_data: bytes,
        expiry: float | None = None,
        max_retransmits: int | None = None,
        ordered: bool = True,
    ) -> None:
        self.outbound.put(stream_id, pp_id, user_data)
        self.flush()

    async def _send_chunk(self, chunk: aiortc_sctp.Chunk) -> None:
        self._send_control(chunk)

    def _send_control(self, chunk: aiortc_sctp.Chunk) -> None:
        assert self._remote_port is not None
        envelope = Envelope(self.port, self._remote_port, self._remote_verification_tag)
        packet = envelope.seal(bytes(chunk))
        try:
            self._dtls.send_packets([packet])
        except ConnectionError as error:
            log.debug("control chunk not sent: %s", error)  # the end of DTLS ends us too

    async def _transmit(self) -> None:
        self.flush()

    # Receiving

    async def _handle_data(self, data: bytes) -> None:
        await self.receive_packets((data,))

    async def receive_packets(self, packets: Sequence[bytes]) -> None:
        """Take decrypted packets, in the order they came."""
        self._batching = True
        opens, inbound = self._expected.opens, self._inbound
        try:
            for packet in packets:
                if self._over:
                    return
                if opens(packet):
                    if inbound is None or packet[PACKET_HEADER] != DATA or not self._receive_next(packet, inbound):
                        await self._receive_packet(packet)
                        inbound = self._inbound
                elif is_init(packet) and Envelope(*struct.unpack_from("!HHL", packet)).opens(packet):
                    await self._receive_packet(packet)
        except _NONSENSE as error:
            self.fail(TransportFailed(f"the peer sent what is no SCTP: {error or type(error).__name__}"))
        finally:
            self._batching = False
        if self._inbound is not None and not self._over:
            await self._received()
            if self._inbound.sack_due and self._delayed_sack is None:
                self._delayed_sack = self._clock.call_later(SACK_DELAY, self._sack_late)
            self.flush()

    def _receive_next(self, packet: bytes, inbound: Inbound) -> bool:
        """Take a packet of the usual kind: one part of a message, which is the next. `False` if it is another."""
        _, flags, length, tsn, stream, _, protocol = read_data(packet)
        size = length - DATA_HEADER
        if protocol != BINARY or size <= 0 or (length + 3) & ~3 != len(packet) - PACKET_HEADER:
            return False
        if not inbound.takes_next(tsn, size):
            return False
        self._listener.received(stream, flags, protocol, packet[DATA_AT : DATA_AT + size])
        if flags & IMMEDIATE:
            inbound.mark()
        if inbound.wants_sack:
            self._outgoing.append(self._envelope.seal(inbound.sack()))
        return True

    async def _receive_packet(self, packet: bytes) -> None:
        has_data = False
        if self._inbound is not None:
            self._last_received_tsn = self._inbound.cumulative
        for kind, flags, start, end in chunks(packet):
            if kind == DATA:
                await self._receive_data(packet, flags, start, end)
                has_data = True
            elif kind == SACK:
                self._receive_sack(packet[start:end])
            elif kind in _CONTROL:
                await self._receive_control(packet, kind, flags, packet[start:end])
        inbound = self._inbound
        if inbound is not None:
            if has_data:
                inbound.count_packet()
            if inbound.wants_sack:
                self._outgoing.append(self._envelope.seal(inbound.sack()))

    async def _receive_data(self, packet: bytes, flags: int, start: int, end: int) -> None:
        if end - start <= DATA_HEADER - 4:
            raise Malformed("a DATA chunk without data")
        inbound = self._inbound
        if inbound is None:
            return
        tsn, stream, _, protocol = struct.unpack_from("!LHHL", packet, start)
        ready = inbound.receive(tsn, Data(stream, flags, protocol, packet[start + 12 : end]))
        if flags & IMMEDIATE:
            inbound.mark()
        for data in ready:
            if data.protocol == DCEP:
                self.release(len(data.payload), 1)
                await self._receive_opening(data)
            else:
                self._listener.received(data.stream, data.flags, data.protocol, data.payload)
        self._last_received_tsn = inbound.cumulative

    async def _received(self) -> None:
        """All of a batch has been taken: a reset that waited for it can be done."""
        assert self._inbound is not None
        self._last_received_tsn = self._inbound.cumulative
        if self._reconfig_deferred is not None:
            await self._reset_deferred_streams()

    async def _receive_opening(self, data: Data) -> None:
        message = (b"" if data.flags & FIRST else self._control.pop(data.stream, b"")) + data.payload
        if len(message) > MAX_CONTROL:
            raise Malformed("a channel's opening message that is too long")
        if not data.flags & aiortc_sctp.SCTP_DATA_LAST_FRAG:
            if len(self._control) >= MAX_CHANNELS:
                raise Malformed("too many channels")
            self._control[data.stream] = message
            return
        known = data.stream in self._data_channels
        if not known and len(self._data_channels) >= MAX_CHANNELS:
            raise Malformed("too many channels")
        await self._data_channel_receive(data.stream, DCEP, message)
        if not known and data.stream in self._data_channels:
            self._listener.channel_opened(self._data_channels[data.stream])
        self._listener.progressed()

    def _receive_sack(self, body: bytes) -> None:
        self.outbound.on_sack(*read_sack(body), self._clock.time())
        self._listener.progressed()

    async def _receive_control(self, packet: bytes, kind: int, flags: int, body: bytes) -> None:
        if len(body) < _BODY_SIZES.get(kind, 0):
            raise Malformed(f"chunk of type {kind} that is too short")
        if kind in _PARAMETERS_AT:
            check_parameters(body, _PARAMETERS_AT[kind])
        if kind in (INIT, INIT_ACK):
            await self._receive_init(kind, flags, body)
        else:
            chunk = aiortc_sctp.CHUNK_TYPES[kind](flags=flags, body=b"" if kind == ABORT else body)
            await super()._receive_chunk(chunk)
            if kind == RECONFIG:
                self._listener.progressed()

    async def _receive_init(self, kind: int, flags: int, body: bytes) -> None:
        tag, window, _, _, tsn = struct.unpack_from("!LLHHL", body)
        if tag == 0:
            raise Malformed("an initiate tag of 0")
        if kind == INIT_ACK and self._association_state != self.State.COOKIE_WAIT:
            return
        if self._known_init is not None and self._known_init != (tag, tsn):
            if self._association_state == self.State.ESTABLISHED:
                return  # a restart (RFC 9260 section 5.2.2): nobody does that within one DTLS association
        kept = self._reconfig_response_seq
        await super()._receive_chunk(aiortc_sctp.CHUNK_TYPES[kind](flags=flags, body=body))
        if self._known_init == (tag, tsn) and self._inbound is not None:
            # It came twice, which may be in the middle of everything: only the answer was wanted.
            self._reconfig_response_seq, self._last_received_tsn = kept, self._inbound.cumulative
            return
        self._known_init = (tag, tsn)
        self._inbound = Inbound(tsn)
        assert self._remote_port is not None
        self._envelope = Envelope(self.port, self._remote_port, tag)
        self.outbound.open(self._envelope, window)

    @property
    def held(self) -> int:
        """Bytes of the peer that the application has not taken, with what each packet costs beside."""
        return self._inbound.held if self._inbound is not None else 0

    def release(self, size: int, count: int) -> None:
        """The application has taken `size` received bytes that came in `count` parts."""
        if self._inbound is not None and self._inbound.release(size, count) and not self._over:
            self._outgoing.append(self._envelope.seal(self._inbound.sack()))
            self.flush()

    def _sack_late(self) -> None:
        self._delayed_sack = None
        if self._inbound is not None and self._inbound.sack_due and not self._over:
            self._outgoing.append(self._envelope.seal(self._inbound.sack()))
            self.flush()

    # Channels that end

    async def _reset_deferred_streams(self) -> None:
        request = self._reconfig_deferred
        self._resetting = True
        try:
            await super()._reset_deferred_streams()
        finally:
            self._resetting = False
        if request is not None and self._reconfig_deferred is None:
            for stream in request.streams:
                self._listener.reset(stream)

    def close_channel(self, stream: int) -> None:
        """End our direction of a channel; all that was sent on it has to have arrived."""
        channel = self._data_channels.get(stream)
        if channel is not None:
            channel.close()

    def is_told(self, stream: int) -> bool:
        """Whether the peer knows that our direction of a channel has ended."""
        return stream in self._data_channel_outbound_reset or stream not in self._data_channels

    def _data_channel_close(self, channel: RTCDataChannel) -> None:
        if not self._resetting:  # else it is the peer that ends its direction: ours ends when our side says so
            super()._data_channel_close(channel)

    # The end

    def _set_state(self, state: Any) -> None:
        super()._set_state(state)
        if state == self.State.CLOSED:
            self._end(TransportFailed("the peer ended the data channel"))
        else:
            self._listener.progressed()

    def _dtls_changed(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            self._end(TransportFailed("the connection below the data channel has ended"))

    def _end(self, cause: TransportFailed) -> None:
        if self._over:
            return
        self._over = True
        for timer in (self._retransmission, self._delayed_sack):
            if timer is not None:
                timer.cancel()
        self._dtls.on_packets = None
        self._dtls.remove_listener("statechange", self._dtls_changed)
        self._dtls._unregister_data_receiver(self)
        super()._set_state(self.State.CLOSED)
        self._listener.ended(cause)

    def fail(self, cause: TransportFailed) -> None:
        """End the association at once, and tell the peer: what has not arrived is lost."""
        if not self._over:
            self._send_control(aiortc_sctp.AbortChunk())
            self._end(cause)
