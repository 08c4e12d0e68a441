"""XEP-0176: Jingle ICE-UDP Transport Method (v1.1.1), with XEP-0320: DTLS in Jingle (v1.0.0). Unencrypted is refused.

Candidates are trickled both ways: the description carries the host candidates, those of STUN and TURN servers follow
in transport-infos, each with ufrag and pwd, which some clients need every time. Neither side's end of candidates is
waited for. We announce no `urn:ietf:rfc:3264`: a peer may trickle.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
import secrets
from typing import ClassVar

import aioice
from aioice.mdns import is_mdns_hostname
from aiortc import RTCDtlsFingerprint

from ..elements import ice_udp as elements
from ..elements.core import Role
from ..elements.declare import Element
from ..elements.ice_udp import NS, NS_DTLS, CandidateType, Setup
from ..errors import RemoteProtocolError, TransportFailed
from .base import IceServer, Kind, Path, Security, TransportContext
from .ice_gathering import COMPONENT
from .ice_settings import Credentials, IceSettings
from .link import DtlsRole, IceDtls, IceDtlsLink

log = logging.getLogger(__name__)

MAX_CANDIDATES = 50
"""Candidates that are read from one element."""

_BATCH = 0.02  # seconds in which candidates gather for one transport-info


class IceUdpTransport:
    """A DTLS-protected ICE path for one content, or shared with other contents (`bundle_with`)."""

    namespace: ClassVar[str] = NS
    kind: ClassVar[Kind] = Kind.DATAGRAM
    name: ClassVar[str] = "ice-udp"
    priority: ClassVar[int] = 100
    features: ClassVar[tuple[str, ...]] = (NS, NS_DTLS)
    security: ClassVar[Security] = Security.DTLS
    settings: ClassVar[IceSettings] = IceSettings()
    """Timing; what the user decided (`relay_only`, `loopback`) is taken from the context."""

    def __init__(self, context: TransportContext, *, settings: IceSettings | None = None) -> None:
        self._context = context
        self._settings = dataclasses.replace(
            settings or self.settings, relay_only=context.options.relay_only, loopback=context.options.loopback
        )
        self._described = False
        self._accepted = False
        self._closed = False
        self._unsent: list[tuple[Credentials, aioice.Candidate]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.shared = self._new_link()
        """ICE and DTLS, ours alone or that of the transport we are bundled with."""
        self.shared.users.append(self)

    def _new_link(self, like: IceDtls | None = None) -> IceDtls:
        async def configured() -> tuple[IceServer, ...]:
            return self._context.options.ice_servers

        return IceDtls(
            controlling=self._context.role is Role.INITIATOR,
            settings=self._settings,
            servers=(configured, self._context.ice_servers),
            addresses=self._context.addresses,
            report=self._context.report,
            like=like,
        )

    def hide(self) -> None:
        """Reveal no address of this machine; call it before `describe()`, and before other contents share the link."""
        self._settings = dataclasses.replace(self._settings, relay_only=True)
        if not self.is_bundled:
            self.shared.agent.hide()

    # BUNDLE

    @property
    def is_bundled(self) -> bool:
        """Whether another transport's link is used, and that transport announces its candidates."""
        return self.shared.users[:1] != [self]

    @property
    def is_shared(self) -> bool:
        """Whether several contents use the link."""
        return len(self.shared.users) > 1

    def shares_with(self, other: object) -> bool:
        """Whether it uses the same link as `other`."""
        return isinstance(other, IceUdpTransport) and self.shared is other.shared

    def is_bare(self, remote: Element) -> bool:
        """Whether the peer describes neither credentials nor candidates nor a fingerprint."""
        return isinstance(remote, elements.IceUdpTransport) and not (
            remote.ufrag or remote.candidates or remote.fingerprints
        )

    def is_meant_by(self, remote: Element) -> bool:
        """Whether the peer repeats credentials that it has told for this link, or describes nothing."""
        known = isinstance(remote, elements.IceUdpTransport) and remote.ufrag and self.shared.agent.knows(remote.ufrag)
        return bool(known) or self.is_bare(remote)

    async def bundle_with(self, other: IceUdpTransport) -> None:
        """Share the link of `other` (XEP-0338, RFC 9143); call it before `accept()`.

        The description then repeats the credentials and the fingerprint of `other`, without candidates, what the
        peer says about this content's transport is left aside, and `connect()` returns the link of `other`.
        """
        if self.shared is not other.shared:
            own, self.shared = self.shared, other.shared
            self.shared.users.append(self)
            self._unsent.clear()
            await own.leave(self)

    async def unbundle(self) -> None:
        """Use a link of our own after all: the peer did not accept the group; call it before `accept()`.

        Our credentials and fingerprint stay the announced ones; our candidates follow in transport-infos.
        """
        if self.is_bundled:
            shared, self.shared = self.shared, self._new_link(like=self.shared)
            self.shared.users.append(self)
            await shared.leave(self)
            if self._described:
                self.shared.restarts.watch()
                await self.shared.agent.gather()

    # Describing ourselves

    async def describe(self) -> Element:
        """Our `<transport/>` with host candidates; returns at once, however long servers take.

        Called before `accept()` it is an offer (`actpass`), after it the answer.
        """
        self.shared.restarts.watch()
        await self.shared.agent.gather()
        self._described = True
        return self._element(self._settled() if self._accepted else Setup.ACTPASS, candidates=self._take_unsent())

    def announce(self, local: Credentials, candidate: aioice.Candidate) -> None:
        """Tell the peer about a candidate of ours, with the description or after it."""
        self._unsent.append((local, candidate))
        if self._described and not (self._timer or self.shared.is_held or self._closed):
            self._timer = asyncio.get_running_loop().call_later(_BATCH, self._send_unsent)

    def flush(self) -> None:
        """Tell the peer about the candidates that could not be told yet."""
        if self._described and not self._timer:
            self._send_unsent()

    def _send_unsent(self) -> None:
        self._timer = None
        if self.shared.is_held or self._closed:
            return
        if candidates := self._take_unsent():
            self._context.send_info(self._element(None, candidates=candidates))

    def _take_unsent(self) -> tuple[elements.Candidate, ...]:
        unsent, self._unsent = self._unsent, []
        agent = self.shared.agent
        return tuple(_to_element(candidate, agent.generation) for local, candidate in unsent if local == agent.local)

    def _element(
        self, setup: Setup | None, *, candidates: tuple[elements.Candidate, ...] = ()
    ) -> elements.IceUdpTransport:
        local = self.shared.agent.local
        fingerprint = elements.Fingerprint(hash="sha-256", setup=setup, value=self.shared.fingerprint)
        return elements.IceUdpTransport(
            ufrag=local.ufrag,
            pwd=local.pwd,
            fingerprints=(fingerprint,) if setup else (),
            candidates=candidates,
        )

    def _settled(self) -> Setup:
        return Setup.PASSIVE if self.shared.role is DtlsRole.SERVER else Setup.ACTIVE

    # The peer

    async def accept(self, remote: Element) -> None:
        """Take the peer's `<transport/>`, from an offer or an answer.

        Raises:
            RemoteProtocolError: It is no ice-udp transport, or its credentials cannot be used.
            TransportFailed: An offer without a fingerprint (a late one is waited for in answers only), one whose
                hash is too weak, or one that differs from an earlier one; reason `security-error`.
        """
        transport = _checked(remote)
        is_offer = not self._described
        self._accepted = True
        if is_offer and not transport.fingerprints and transport.ufrag and not self.shared.is_expecting:
            raise TransportFailed("the offer has no DTLS fingerprint: it is not encrypted", reason="security-error")
        if not self.is_bundled and (transport.fingerprints or is_offer):
            self.shared.settle(dtls_role(transport.fingerprints, answering=is_offer))
        await self._take(transport)

    async def info(self, remote: Element) -> None:
        """Take a `<transport/>` of a transport-info: candidates, credentials or a fingerprint, in any order.

        New credentials restart ICE, unless they answer a restart of ours; we answer with ours.

        Raises:
            RemoteProtocolError: It is no ice-udp transport, or its credentials cannot be used.
            TransportFailed: A fingerprint that is too weak or differs from an earlier one; reason `security-error`.
        """
        transport = _checked(remote)
        if transport.fingerprints and self.shared.role is None and not self.is_bundled:
            self.shared.settle(dtls_role(transport.fingerprints, answering=not self._described))
        await self._take(transport)

    async def _take(self, transport: elements.IceUdpTransport) -> None:
        agent = self.shared.agent
        if not self.is_bundled:
            if transport.fingerprints:
                announced = [RTCDtlsFingerprint(f.hash, f.digest) for f in transport.fingerprints]
                self.shared.expect(tuple(announced))
            if transport.ufrag and transport.pwd:
                await self.shared.take_credentials(Credentials(ufrag=transport.ufrag, pwd=transport.pwd))
        for offered in transport.candidates[:MAX_CANDIDATES]:
            if candidate := usable(offered):
                await agent.add_remote(candidate, transport.ufrag)
        if transport.gathering_complete:
            log.debug("%s: the peer has no more candidates", self._context.sid)
            if self._context.role is Role.RESPONDER:
                # Only stanza.js says so in this namespace, and as an initiator it ends a call whose peer restarts.
                self.shared.restarts.refusal = "this peer takes restarts from the initiator only"

    # Restarts (section 5.9)

    async def restart(self) -> None:
        """Restart ICE, after a change of network for example, and return once the new path is in use.

        We send new credentials without candidates, which deployed clients take for the offer of a restart, and behind
        it the candidates, of a higher generation, which is what the XEP has. Meanwhile the link goes on over the old
        path, and if the restart fails, afterwards too.

        Raises:
            TransportFailed: No new path was found, or the peer knows no restarts.
        """
        await self.shared.restarts.ask()

    def announce_restart(self, *, answering: bool) -> None:
        """Tell the peer our new credentials, in an offer without candidates, in an answer with those that we have.

        An answer without candidates would be an offer to Conversations: then they go with the first candidate.
        """
        candidates = self._take_unsent() if answering else ()
        if candidates or not answering:
            self._context.send_info(
                self._element(self._settled() if answering else Setup.ACTPASS, candidates=candidates)
            )

    def crosses(self, remote: Element) -> bool:
        """Whether this is a restart that crosses ours, and ours stands because we are the initiator (XEP-0371 5.10)."""
        return (
            self._context.role is Role.INITIATOR
            and self.shared.agent.is_waiting
            and isinstance(remote, elements.IceUdpTransport)
            and bool(remote.ufrag and remote.pwd)
            and not self.shared.agent.knows(str(remote.ufrag))
            and not remote.candidates
            and all(fingerprint.setup in (None, Setup.ACTPASS) for fingerprint in remote.fingerprints)
        )

    async def refused(self, text: str) -> None:
        """Take it that the peer answered a transport-info with an error: it will not answer our restart either."""
        await self.shared.agent.forgo(text)

    # The link

    async def connect(self) -> IceDtlsLink:
        """Return the connected link once ICE has a pair and the peer's certificate was found to be the announced one.

        Raises:
            TransportFailed: No pair worked in time (`tried` lists them), or the peer is not who it announced to be
                or does not encrypt (reason `security-error`).

        Cancelling stops the waiting; `aclose()` stops the connecting.
        """
        return await self.shared.connect()

    @property
    def path(self) -> Path | None:
        """The selected pair once connected; a restart may change it."""
        return self.shared.agent.path

    async def aclose(self) -> None:
        """Free everything within half a second; a shared link when its last transport closes."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        await self.shared.leave(self)


def dtls_role(fingerprints: tuple[elements.Fingerprint, ...], *, answering: bool) -> DtlsRole:
    """Our part in the handshake, from what the peer's fingerprints say (RFC 5763 section 5).

    `actpass` leaves it to us, in an answer too, where gateways write it by mistake; so does nothing at all. Then the
    answerer starts: some clients never get a handshake done that they have to start themselves.

    Raises:
        TransportFailed: The peer wants no connection for now (`holdconn`).
    """
    theirs = next((fingerprint.setup for fingerprint in fingerprints if fingerprint.setup), None)
    if theirs is Setup.HOLDCONN:
        raise TransportFailed("the peer does not want DTLS to be connected (holdconn)", reason="security-error")
    if theirs is Setup.ACTIVE:
        return DtlsRole.SERVER
    if theirs is Setup.PASSIVE:
        return DtlsRole.CLIENT
    return DtlsRole.CLIENT if answering else DtlsRole.SERVER


def usable(candidate: elements.AnyCandidate) -> aioice.Candidate | None:
    """A candidate of the peer, or `None` if nothing can be sent to it: then others will do.

    That is TCP, a second component, an address that cannot be read or needs a scope, one that is no single host's,
    and port 0.
    """
    if candidate.component != COMPONENT or candidate.protocol.lower() != "udp" or candidate.port == 0:
        return None
    host = candidate.ip.strip()
    if not is_mdns_hostname(host):
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return None
        if address.is_multicast or address.is_unspecified or getattr(address, "ipv4_mapped", None):
            return None
        if address.version == 6 and (address.is_link_local or address.scope_id):
            return None
        host = str(address)
    # aioice knows peer reflexive candidates from checks only; one that was signalled is as good as a server's.
    kind = CandidateType.SRFLX if candidate.type is CandidateType.PRFLX else candidate.type
    return aioice.Candidate(
        foundation=candidate.foundation,
        component=COMPONENT,
        transport="udp",
        priority=candidate.priority,
        host=host,
        port=candidate.port,
        type=kind.value,
    )


def _to_element(candidate: aioice.Candidate, generation: int) -> elements.Candidate:
    return elements.Candidate(
        component=candidate.component,
        foundation=candidate.foundation,
        generation=generation,
        id=secrets.token_hex(5),
        ip=candidate.host,
        network=0,
        port=candidate.port,
        priority=candidate.priority,
        protocol=candidate.transport,
        rel_addr=candidate.related_address,
        rel_port=candidate.related_port,
        type=CandidateType(candidate.type),
    )


def _checked(remote: Element) -> elements.IceUdpTransport:
    if not isinstance(remote, elements.IceUdpTransport):
        raise RemoteProtocolError("not an ice-udp transport")
    for name, value in (("ufrag", remote.ufrag), ("pwd", remote.pwd)):
        # RFC 8445 section 5.3 bounds them; a colon would make the username of the checks ambiguous.
        if value is not None and not (1 <= len(value) <= 256 and value.isprintable() and ":" not in value):
            raise RemoteProtocolError(f"{name} is not an ICE {name}")
    return remote
