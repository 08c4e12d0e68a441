"""The rules of transports: a media section and the `<transport/>` of XEP-0176 (with 0320 and 0343) or XEP-0177."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from ..elements import ice_udp, raw_udp
from ..elements.core import Role
from ..elements.declare import Element
from ..elements.ice_options import Renomination, Trickle
from ..elements.sdp_extension import CandidateExtension
from ..errors import RemoteProtocolError
from .model import Candidate, Connection, Fingerprint, MediaDescription, RemoteCandidate, Rtcp
from .rules import WORD, Fields, MappingRule, word

NETWORK = Connection()
"""The address that says "see the candidates", with port 9 (RFC 8840 section 4.1.1)."""

CANDIDATE_ID = "jingle-id"
"""The extension of a candidate line that carries the id which Jingle gave it."""

OPTIONS: dict[str, type[Element]] = {"trickle": Trickle, "renomination": Renomination}


def candidate_id(candidate: Candidate) -> str:
    """Return the id of a candidate that Jingle has not named: the same address has the same id."""
    said = f"{candidate.foundation} {candidate.component} {candidate.transport} {candidate.address} {candidate.port}"
    return f"c{hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest()[:12]}"


def candidate_to_element(candidate: Candidate, model: type[ice_udp.AnyCandidate]) -> ice_udp.AnyCandidate:
    """Return the `<candidate/>` that says the same as a candidate line."""
    id = next((value for name, value in candidate.extensions if name == CANDIDATE_ID), None)
    extensions = [each for each in candidate.extensions if each[0] != CANDIDATE_ID]
    return model(
        component=candidate.component,
        foundation=candidate.foundation,
        # XEP-0176 demands the generation and the id, and Monal refuses a candidate without the former.
        generation=candidate.generation,
        id=id or candidate_id(candidate),
        ip=candidate.address,
        network=candidate.network,
        port=candidate.port,
        priority=candidate.priority,
        protocol=candidate.transport,
        rel_addr=candidate.related_address,
        rel_port=candidate.related_port,
        tcptype=candidate.tcp_type,
        type=candidate.type,
        extra=tuple([CandidateExtension(name=name, value=value) for name, value in extensions]),
    )


def candidate_from_element(element: ice_udp.AnyCandidate) -> Candidate:
    """Return the candidate line that says the same as a `<candidate/>`.

    Raises:
        RemoteProtocolError: It holds what SDP cannot carry.
    """
    extensions = [
        (word(each.name, "extension"), word(each.value, "extension"))
        for each in element.extra
        if isinstance(each, CandidateExtension)
    ]
    made = Candidate(
        foundation=word(element.foundation, "foundation"),
        component=element.component,
        transport=word(element.protocol, "protocol").lower(),
        priority=element.priority,
        address=word(element.ip, "address"),
        port=element.port,
        type=element.type,
        related_address=None if element.rel_addr is None else word(element.rel_addr, "address"),
        related_port=element.related_port,
        tcp_type=element.tcptype,
        generation=element.effective_generation,
        network=element.network,
        extensions=tuple(extensions),
    )
    if element.id is None or element.id == candidate_id(made):
        return made
    return replace(made, extensions=(*made.extensions, (CANDIDATE_ID, word(element.id, "candidate's id"))))


def _credentials(element: ice_udp.AnyIceTransport, role: Role) -> Fields:
    if element.pwd is not None and not WORD.fullmatch(element.pwd):
        raise RemoteProtocolError("the password cannot be written as SDP")  # and is not to be told to a log
    return {
        "ice_ufrag": None if element.ufrag is None else word(element.ufrag, "ufrag"),
        "ice_pwd": element.pwd,
    }


def _dtls_to_element(media: MediaDescription, role: Role) -> Fields:
    return {
        "fingerprints": tuple(
            [ice_udp.Fingerprint(hash=each.hash, setup=media.setup, value=each.value) for each in media.fingerprints]
        )
    }


def _dtls_to_media(element: ice_udp.AnyIceTransport, role: Role) -> Fields:
    setups = {each.setup for each in element.fingerprints} - {None}
    if len(setups) > 1:
        raise RemoteProtocolError("the fingerprints of a transport contradict each other in 'setup'")
    found = [
        Fingerprint(hash=word(each.hash, "hash"), value=word("".join(each.value.split()), "fingerprint"))
        for each in element.fingerprints
    ]
    return {"fingerprints": tuple(found), "setup": next(iter(setups), None)}


def _remote_to_media(element: ice_udp.AnyIceTransport, role: Role) -> Fields:
    found = [
        RemoteCandidate(component=each.component, address=word(each.ip, "address"), port=each.port)
        for each in element.remote_candidates
    ]
    return {"remote_candidates": tuple(found)}


def _sctp_to_element(media: MediaDescription, role: Role) -> Fields:
    if media.sctp_map is not None or media.sctp_port is None:
        return {"sctp_map": media.sctp_map}
    protocol = media.formats[0] if media.formats else "webrtc-datachannel"
    return {"sctp_map": ice_udp.SctpMap(number=media.sctp_port, protocol=protocol)}


def _options_to_element(media: MediaDescription, role: Role) -> Fields:
    return {"extra": tuple([OPTIONS[each]() for each in media.ice_options if each in OPTIONS])}


def _options_to_media(element: ice_udp.AnyIceTransport, role: Role) -> Fields:
    kinds = [type(each) for each in element.extra]
    return {"ice_options": tuple([name for name, kind in OPTIONS.items() if kind in kinds])}


ICE_RULES: tuple[MappingRule, ...] = (
    MappingRule(
        ("ice-ufrag", "ice-pwd"), lambda media, role: {"ufrag": media.ice_ufrag, "pwd": media.ice_pwd}, _credentials
    ),
    MappingRule(("fingerprint", "setup"), _dtls_to_element, _dtls_to_media),
    MappingRule(
        ("end-of-candidates",),
        lambda media, role: {"gathering_complete": media.end_of_candidates},
        lambda element, role: {"end_of_candidates": element.gathering_complete},
    ),
    MappingRule(
        ("candidate",),
        lambda media, role: {"candidates": media.candidates},
        lambda element, role: {"candidates": tuple([candidate_from_element(each) for each in element.candidates])},
    ),
    MappingRule(
        ("remote-candidates",), lambda media, role: {"remote_candidates": media.remote_candidates}, _remote_to_media
    ),
    MappingRule(("ice-options",), _options_to_element, _options_to_media),
    # Which of the two it is in SDP depends on the `m=` line: see `sctp_of`.
    MappingRule(("sctp-port", "sctpmap"), _sctp_to_element, lambda element, role: {}),
)

ICE_MODELS: dict[str, tuple[type[ice_udp.AnyIceTransport], type[Any], type[Any]]] = {
    ice_udp.NS: (ice_udp.IceUdpTransport, ice_udp.Candidate, ice_udp.RemoteCandidate),
    ice_udp.NS_ICE: (ice_udp.IceTransport, ice_udp.IceCandidate, ice_udp.IceRemoteCandidate),
}
"""Namespace of an ICE transport to its models, and those of its candidates."""


def has_ice(media: MediaDescription) -> bool:
    """Whether a section says anything that only an ICE transport can carry."""
    return bool(
        media.ice_ufrag is not None
        or media.ice_pwd is not None
        or media.ice_options
        or media.candidates
        or media.remote_candidates
        or media.end_of_candidates
        or media.fingerprints
        or media.sctp_port is not None
        or media.sctp_map is not None
    )


def usual_namespace(media: MediaDescription) -> str:
    """Return the namespace of the transport that a section has where nothing else is said."""
    if has_ice(media) or not {"TLS", "DTLS"}.isdisjoint(media.profile.split("/")):
        return ice_udp.NS
    return raw_udp.NS


def ice_transport(media: MediaDescription, role: Role, namespace: str) -> ice_udp.AnyIceTransport:
    """Return the ICE `<transport/>` of a section, in one of the two namespaces."""
    fields: dict[str, Any] = {}
    for rule in ICE_RULES:
        fields.update(rule.to_element(media, role))
    model, candidate, remote = ICE_MODELS[namespace]
    fields["candidates"] = tuple([candidate_to_element(each, candidate) for each in media.candidates])
    fields["remote_candidates"] = tuple(
        [remote(component=each.component, ip=each.address, port=each.port) for each in media.remote_candidates]
    )
    return model(**fields)


def read_ice(transport: ice_udp.AnyIceTransport, role: Role) -> dict[str, Any]:
    """Return the fields of a media section that an ICE `<transport/>` tells.

    Raises:
        RemoteProtocolError: It holds what SDP cannot carry, or contradicts itself.
    """
    fields: dict[str, Any] = {}
    for rule in ICE_RULES:
        fields.update(rule.to_media(transport, role))
    return fields


def sctp_of(found: ice_udp.SctpMap | None, profile: str) -> tuple[int | None, ice_udp.SctpMap | None]:
    """Return the port and the map that a `<sctpmap/>` tells: old sections have the map, newer ones the port."""
    if found is None or profile == "DTLS/SCTP":
        return None, found
    return found.number, None


def raw_transport(media: MediaDescription) -> raw_udp.RawUdpTransport:
    """Return the raw UDP `<transport/>` of a section: what `m=`, `c=` and `a=rtcp` say of addresses."""
    connection = media.connection or NETWORK
    if media.port == 0 or connection == NETWORK or not is_plain(connection):
        return raw_udp.RawUdpTransport()
    addresses = [(1, connection, media.port)]
    if media.rtcp is not None:
        addresses.append((2, media.rtcp.connection or connection, media.rtcp.port))
    return raw_udp.RawUdpTransport(
        candidates=tuple(
            [
                raw_udp.RawCandidate(
                    component=component, generation=0, id=raw_id(component, to.address, port), ip=to.address, port=port
                )
                for component, to, port in addresses
                if is_plain(to)
            ]
        )
    )


def read_raw(transport: raw_udp.RawUdpTransport) -> tuple[raw_udp.RawCandidate | None, raw_udp.RawCandidate | None]:
    """Return the candidates for RTP and for RTCP that SDP has a place for."""
    found = {each.component: each for each in reversed(transport.candidates) if "/" not in each.ip}
    media = found.get(1)
    return media, found.get(2) if media is not None else None


def raw_id(component: int, address: str, port: int) -> str:
    """Return the id of a raw candidate that Jingle has not named."""
    return f"c{hashlib.sha1(f'{component} {address} {port}'.encode(), usedforsecurity=False).hexdigest()[:12]}"


def connection_to(address: str) -> Connection:
    """Return the `c=` line of a plain address."""
    return Connection(address_type="IP6" if ":" in address else "IP4", address=address)


def is_plain(connection: Connection) -> bool:
    """Whether a `c=` line says no more than an address; those of groups have a scope behind a slash."""
    return "/" not in connection.address and connection == connection_to(connection.address)


def rtcp_of(media: raw_udp.RawCandidate, rtcp: raw_udp.RawCandidate) -> Rtcp:
    """Return the `a=rtcp` line of the second of two raw candidates."""
    return Rtcp(port=rtcp.port, connection=None if rtcp.ip == media.ip else connection_to(word(rtcp.ip, "address")))
