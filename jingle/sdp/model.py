"""The Session Description Protocol as values (RFC 8866), frozen like the elements of `jingle.elements`.

What XEP-0167 and its kin say in the words of SDP has one type here and there: payload types, feedback, sources and
their groups, bandwidths, SDES keys, streams, SCTP maps. What they say in other words (a direction that depends on who
wrote it, candidates in one of two namespaces) has a type of its own. Attributes without any meaning to us are kept.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from ..elements import ice_udp, rtp
from ..elements.ice_udp import CandidateType, Setup, TcpType
from ..elements.rtp import Direction


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Who wrote the description (`o=`, RFC 8866 section 5.2)."""

    username: str = "-"
    session_id: str
    version: str = "2"
    """Grows with every change. Browsers begin with 2."""

    network_type: str = "IN"
    address_type: str = "IP4"
    address: str = "127.0.0.1"
    """Browsers do not tell their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """Where to send to (`c=`, RFC 8866 section 5.7)."""

    network_type: str = "IN"
    address_type: str = "IP4"
    address: str = "0.0.0.0"
    """The value for "see the candidates" (RFC 8840 section 4.1.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribute:
    """An attribute that is kept as it is."""

    name: str
    value: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Media sections that belong together (RFC 5888, RFC 8843)."""

    semantics: str
    mids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """The hash of the certificate that DTLS will show (RFC 8122)."""

    hash: str
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaderExtension:
    """An RTP header extension (RFC 8285)."""

    id: int
    uri: str
    direction: Direction | None = None
    attributes: tuple[rtp.HeaderExtensionParameter, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rtcp:
    """Where to send RTCP (RFC 3605); without an address, where RTP is sent to."""

    port: int
    connection: Connection | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rid:
    """A stream of a simulcast by its name (RFC 8851)."""

    id: str
    direction: str
    """`send` or `recv`."""

    restrictions: tuple[tuple[str, str | None], ...] = ()
    """Such as `("pt", "96,97")` and `("max-width", "1280")`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulcast:
    """The streams of a simulcast (RFC 8853): for each stream its alternatives, the names of rids; `~` marks a pause."""

    send: tuple[tuple[str, ...], ...] = ()
    receive: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """An address that may be reachable (RFC 8839 section 5.1)."""

    foundation: str
    component: int
    transport: str
    """`udp` or `tcp`, in lower case."""

    priority: int
    address: str
    """An address, or an mDNS name ending in `.local`."""

    port: int
    type: CandidateType
    related_address: str | None = None
    related_port: int | None = None
    tcp_type: TcpType | None = None
    generation: int = 0
    network: int | None = None
    """XEP-0176's attribute of that name; browsers write `network-id`, which is among the extensions."""

    extensions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteCandidate:
    """A candidate of the other side that the controlling agent has selected (RFC 8839 section 5.2)."""

    component: int
    address: str
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """What may stand both before the first media section and in one."""

    connection: Connection | None = None
    bandwidths: tuple[rtp.Bandwidth, ...] = ()
    direction: Direction | None = None
    ice_ufrag: str | None = None
    ice_pwd: str | None = field(default=None, repr=False)
    ice_options: tuple[str, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: Setup | None = None
    end_of_candidates: bool = False
    header_extensions: tuple[HeaderExtension, ...] = ()
    extmap_allow_mixed: bool = False
    lines: tuple[tuple[str, str], ...] = ()
    """Lines that are no attributes and have no field, as type and value: `("i", "A talk on SDP")`."""

    attributes: tuple[Attribute, ...] = ()
    """Attributes without a field."""

    def attribute(self, name: str) -> str | None:
        """Return the value of an attribute without a field, `""` where it has none, `None` where it is not there."""
        return next((kept.value or "" for kept in self.attributes if kept.name == name), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaDescription(Section):
    """A media section: one `m=` line and all up to the next."""

    media: str
    """`audio`, `video`, `application`, ..."""

    port: int = 9
    """9 where the candidates say it all, 0 where the section is rejected, or bundle-only."""

    port_count: int | None = None
    profile: str
    """`UDP/TLS/RTP/SAVPF`, `RTP/AVP`, `UDP/DTLS/SCTP`, ..."""

    formats: tuple[str, ...] = ()
    """The formats of a section that is not RTP; those of RTP are the `payload_types`."""

    payload_types: tuple[rtp.PayloadType, ...] = ()
    """In order of preference; their `ptime` and `maxptime` are not used, the two fields here are."""

    ptime: int | None = None
    """Milliseconds of media in a packet."""

    maxptime: int | None = None
    mid: str | None = None
    bundle_only: bool = False
    rtcp: Rtcp | None = None
    rtcp_mux: bool = False
    rtcp_reduced_size: bool = False
    feedback: tuple[rtp.Feedback, ...] = ()
    """Feedback for every payload type (`a=rtcp-fb:*`)."""

    feedback_interval: rtp.FeedbackInterval | None = None
    streams: tuple[rtp.MediaStream, ...] = ()
    source_groups: tuple[rtp.SourceGroup, ...] = ()
    sources: tuple[rtp.Source, ...] = ()
    rids: tuple[Rid, ...] = ()
    simulcast: Simulcast | None = None
    cryptos: tuple[rtp.Crypto, ...] = field(default=(), repr=False)
    candidates: tuple[Candidate, ...] = ()
    remote_candidates: tuple[RemoteCandidate, ...] = ()
    sctp_port: int | None = None
    sctp_map: ice_udp.SctpMap | None = None
    """The SCTP association in the way of drafts before RFC 8841, which FreeSWITCH and old browsers speak."""

    max_message_size: int | None = None
    """Bytes of the largest data channel message; 0 is without limit."""

    @property
    def is_rtp(self) -> bool:
        """Whether the section carries RTP."""
        return "RTP" in self.profile.split("/")

    @property
    def is_rejected(self) -> bool:
        """Whether the section is turned down (RFC 8829 section 5.3.1)."""
        return self.port == 0 and not self.bundle_only


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionDescription(Section):
    """A whole description."""

    origin: Origin
    name: str = "-"
    timing: tuple[tuple[str, str], ...] = (("t", "0 0"),)
    """The lines `t=`, `r=` and `z=`, in order, as type and value."""

    groups: tuple[Group, ...] = ()
    ice_lite: bool = False
    media: tuple[MediaDescription, ...] = ()

    def resolved(self) -> SessionDescription:
        """Return the description with the defaults that the session level gives filled in at every section.

        What the session level says of addresses, direction, ICE, DTLS and header extensions holds for each media
        section that does not say it itself (RFC 8866 section 5.13), so two descriptions that resolve to the same mean
        the same.
        """
        if not self.media:
            return self
        rtp_sections = any(media.is_rtp for media in self.media)
        defaults: dict[str, Any] = {
            "connection": None,
            "direction": None,
            "ice_ufrag": None,
            "ice_pwd": None,
            "ice_options": (),
            "fingerprints": (),
            "setup": None,
            "end_of_candidates": False,
        }
        if rtp_sections:
            defaults |= {"header_extensions": (), "extmap_allow_mixed": False}
        if all(getattr(self, field) == empty for field, empty in defaults.items()):
            # Browsers say everything at each section; making a section anew takes longer than all the rest.
            if all(media.direction is not None for media in self.media):
                return self
        media = tuple([self._resolved(media) for media in self.media])
        return dataclasses.replace(self, **defaults, media=media)

    def _resolved(self, media: MediaDescription) -> MediaDescription:
        ice = media if media.ice_ufrag is not None or media.ice_pwd is not None else self
        return dataclasses.replace(
            media,
            connection=media.connection or self.connection,
            direction=media.direction or self.direction or Direction.SENDRECV,
            ice_ufrag=ice.ice_ufrag,
            ice_pwd=ice.ice_pwd,
            ice_options=media.ice_options or self.ice_options,
            fingerprints=media.fingerprints or self.fingerprints,
            setup=media.setup or self.setup,
            end_of_candidates=media.end_of_candidates or self.end_of_candidates,
            header_extensions=self.header_extensions + media.header_extensions
            if media.is_rtp
            else media.header_extensions,
            extmap_allow_mixed=media.extmap_allow_mixed or (media.is_rtp and self.extmap_allow_mixed),
        )
