"""A media section and a `<content/>`: which transport it has, what goes without saying, and what is carried along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..elements import ice_udp, raw_udp, rtp
from ..elements.core import Action, Content, Role, Senders
from ..elements.declare import Element
from ..elements.rtp import Direction
from ..elements.sdp_extension import SdpAttribute, SdpLine, SdpMedia, SdpSession
from ..errors import RemoteProtocolError
from .attributes import format_connection, format_rtcp, read_connection, read_rtcp
from .draft import Malformed, split
from .leftovers import ELEMENT, bare, collect, find_remarkable, is_said, restore
from .model import Attribute, Connection, MediaDescription, Rtcp
from .rules import NAME, direction_of, line, senders_of, word
from .rules_rtp import RTP_RULES, describe, read_description, uneven
from .rules_transport import (
    ICE_MODELS,
    NETWORK,
    connection_to,
    has_ice,
    ice_transport,
    raw_transport,
    read_ice,
    read_raw,
    rtcp_of,
    sctp_of,
    usual_namespace,
)
from .text import ATTRIBUTES, JINGLE_ONLY, read_lines

TRANSPORT = "jingle-transport"
"""The attribute that tells the namespace of the transport where it is not the usual one; `none` where there is none."""

PARTS: dict[Action, tuple[bool, bool]] = {
    Action.SESSION_INITIATE: (True, True),
    Action.SESSION_ACCEPT: (True, True),
    Action.CONTENT_ADD: (True, True),
    Action.CONTENT_ACCEPT: (True, True),
    Action.CONTENT_MODIFY: (False, False),
    Action.CONTENT_REJECT: (False, False),
    Action.CONTENT_REMOVE: (False, False),
    Action.DESCRIPTION_INFO: (True, False),
    Action.TRANSPORT_INFO: (False, True),
    Action.TRANSPORT_REPLACE: (False, True),
    Action.TRANSPORT_ACCEPT: (False, True),
    Action.TRANSPORT_REJECT: (False, True),
}
"""Whether the contents of an action have a description, and a transport (XEP-0166 section 7.2)."""

CARRIED = ("bundle-only", "rid", "simulcast", "max-message-size")
"""Attributes that no element but our own carries."""

RTP_ATTRIBUTES = tuple(dict.fromkeys(name for rule in RTP_RULES for name in rule.attributes))


@dataclass(frozen=True, slots=True)
class Implied:
    """What the description and the transport of a content make likely of the `m=` line and the addresses."""

    media: str
    profile: str
    formats: tuple[str, ...]
    port: int
    connection: Connection
    rtcp: Rtcp | None


def implied(description: Element | None, transport: Element | None) -> Implied:
    """Return what goes without saying, and so is neither carried nor needed."""
    port, connection, rtcp = 9, NETWORK, None
    if isinstance(transport, raw_udp.RawUdpTransport):
        first, second = read_raw(transport)
        if first is not None:
            port, connection = first.port, connection_to(word(first.ip, "address"))
            rtcp = rtcp_of(first, second) if second is not None else None
    ice = ice_of(transport)
    if isinstance(description, rtp.RtpDescription):
        if ice is not None:
            rtcp = Rtcp(port=9, connection=NETWORK)  # RFC 8829 section 5.2.1
        profile = _profile(description, ice is not None and bool(ice.fingerprints))
        return Implied(description.media, profile, (), port, connection, rtcp)
    sctp = sctp_map_of(transport)
    formats = (word(sctp.protocol, "protocol") if sctp is not None else "webrtc-datachannel",)
    return Implied("application", "UDP/DTLS/SCTP", formats, port, connection, rtcp)


def _profile(description: rtp.RtpDescription, is_dtls: bool) -> str:
    if is_dtls:
        return "UDP/TLS/RTP/SAVPF"  # whatever feedback there is (RFC 8829 section 5.1.2)
    kinds = description.payload_types
    extended = (
        description.feedback
        or description.feedback_interval
        or any(kind.feedback or kind.feedback_interval for kind in kinds)
    )
    secure = description.encryption is not None and description.encryption.cryptos
    return f"RTP/{'S' if secure else ''}AVP{'F' if extended else ''}"


def ice_of(transport: Element | None) -> ice_udp.AnyIceTransport | None:
    """Return the ICE transport in a transport, if there is one."""
    if isinstance(transport, ice_udp.DataChannelTransport):
        return transport.transport
    return transport if isinstance(transport, ice_udp.AnyIceTransport) else None


def sctp_map_of(transport: Element | None) -> ice_udp.SctpMap | None:
    """Return the SCTP association in a transport, if there is one."""
    if isinstance(transport, ice_udp.DataChannelTransport):
        return ice_udp.SctpMap(number=transport.sctp_port, protocol="webrtc-datachannel")
    return transport.sctp_map if isinstance(transport, ice_udp.AnyIceTransport) else None


# To Jingle.


def content_of(media: MediaDescription, name: str, role: Role, action: Action, creator: Role) -> Content:
    """Return the `<content/>` of a media section."""
    with_description, with_transport = PARTS[action]
    description = describe(media, role) if media.is_rtp else None
    transport = _transport(media, role)
    senders = Senders.NONE if media.is_rejected else senders_of(media.direction or Direction.SENDRECV, role)
    whole = with_description and with_transport
    content = Content(
        creator=creator,
        name=name,
        # XEP-0166 wants it in a content-modify; elsewhere it goes without saying, and several clients leave it out.
        senders=senders if action is Action.CONTENT_MODIFY or (whole and senders is not Senders.BOTH) else None,
        description=description if with_description else None,
        transport=transport if with_transport else None,
        extra=_extension(media, description, transport) if whole else (),
    )
    kept = [each.value or "" for each in media.attributes if each.name == ELEMENT]
    return restore(content, kept) if kept else content


def _transport(media: MediaDescription, role: Role) -> Element | None:
    wanted = media.attribute(TRANSPORT) if media.attributes else None
    if wanted == ice_udp.NS_DATACHANNEL and media.sctp_port is not None and media.max_message_size is not None:
        inner = replace(ice_transport(media, role, ice_udp.NS), sctp_map=None)
        assert isinstance(inner, ice_udp.IceUdpTransport)
        return ice_udp.DataChannelTransport(
            sctp_port=media.sctp_port, max_message_size=media.max_message_size, transport=inner
        )
    usual = usual_namespace(media)
    if wanted in ICE_MODELS or (has_ice(media) and usual == ice_udp.NS):
        return ice_transport(media, role, wanted if wanted in ICE_MODELS else usual)
    if wanted == "none":
        return None
    if wanted == raw_udp.NS or usual == raw_udp.NS:
        return raw_transport(media)
    return ice_transport(media, role, usual)


def _extension(media: MediaDescription, description: Element | None, transport: Element | None) -> tuple[SdpMedia, ...]:
    """Return our own element with all that the others could not take, or nothing."""
    usual = implied(description, transport)
    fields: dict[str, Any] = {}
    if media.media != usual.media:
        fields["media"] = media.media
    if media.port != usual.port:
        fields["port"] = media.port
    if media.port_count is not None:
        fields["port_count"] = media.port_count
    if media.profile != usual.profile:
        fields["profile"] = media.profile
    if media.formats != usual.formats:
        fields["formats"] = " ".join(media.formats)
    if media.connection != usual.connection:
        fields["connection"] = format_connection(media.connection) if media.connection is not None else ""
    if media.rtcp != usual.rtcp:
        fields["rtcp"] = format_rtcp(media.rtcp) if media.rtcp is not None else ""
    if media.mid is None:
        fields["mid"] = False
    fields |= {name: value for name, value in carried(_carried_lines(media, transport)).items() if value}
    return (SdpMedia(**fields),) if fields else ()


def _carried_lines(media: MediaDescription, transport: Element | None) -> list[str]:
    lines = [f"{kind}={value}" for kind, value in media.lines]
    names = [*CARRIED]
    if not media.is_rtp:
        lines += [f"b={each.type}:{each.value}" for each in media.bandwidths]
        names += RTP_ATTRIBUTES
    elif not media.payload_types:
        names += ["ptime", "maxptime"]
    ice = ice_of(transport)
    if ice is None or not media.fingerprints:
        names.append("setup")
    if media.ice_options and (ice is None or media.ice_options != read_ice(ice, Role.INITIATOR)["ice_options"]):
        names.append("ice-options")
    if (media.sctp_port, media.sctp_map) != sctp_of(sctp_map_of(transport), media.profile):
        names += ["sctp-port", "sctpmap"]
    if media.is_rejected and media.direction is not Direction.INACTIVE:
        names += [each.value for each in Direction]
    if isinstance(transport, ice_udp.DataChannelTransport):
        names.remove("max-message-size")
    for name in names:
        ATTRIBUTES["media"][name].write(media, lines)
    kept = [each for each in media.attributes if not each.name.startswith(JINGLE_ONLY)]
    return lines + [f"a={each.name}" if each.value is None else f"a={each.name}:{each.value}" for each in kept]


# From Jingle.


def media_of(content: Content, mid: str, role: Role, action: Action) -> MediaDescription:
    """Return the media section of a `<content/>`.

    Raises:
        RemoteProtocolError: It holds what SDP cannot carry, or contradicts itself.
    """
    of_description, of_transport = find_remarkable(content.description), find_remarkable(content.transport)
    description = bare(content.description, of_description)
    transport = bare(content.transport, of_transport) if is_said(content.transport) else None
    if description is None and action in (Action.TRANSPORT_INFO, Action.TRANSPORT_REPLACE, Action.TRANSPORT_ACCEPT):
        # What a fragment says in the place of an `m=` line that it does not know (RFC 8840 section 9).
        description = rtp.RtpDescription(media="audio", payload_types=(rtp.PayloadType(id=0),))
    usual = implied(description, transport)
    extension = next((each for each in content.extra if isinstance(each, SdpMedia)), SdpMedia())
    profile = word(extension.profile, "profile") if extension.profile is not None else usual.profile
    ice = ice_of(transport)
    fields: dict[str, Any] = {
        "media": word(extension.media if extension.media is not None else usual.media, "media type"),
        "profile": profile,
        "port": extension.port if extension.port is not None else usual.port,
        "port_count": extension.port_count,
        "connection": _said(extension.connection, read_connection, usual.connection),
        "rtcp": _said(extension.rtcp, read_rtcp, usual.rtcp),
        "mid": mid if extension.mid is not False else None,
        "direction": direction_of(content.effective_senders, role),
        **dict(zip(("sctp_port", "sctp_map"), sctp_of(sctp_map_of(transport), profile), strict=True)),
    }
    if isinstance(description, rtp.RtpDescription):
        fields |= read_description(description, role)
    else:
        fields["formats"] = (
            tuple(split(line(extension.formats, "formats"))) if extension.formats is not None else usual.formats
        )
    if ("RTP" in profile.split("/")) is not isinstance(description, rtp.RtpDescription):
        raise RemoteProtocolError(f"the profile {profile[:40]!a} does not go with the description")
    if ice is not None:
        fields |= read_ice(ice, role)
    if isinstance(transport, ice_udp.DataChannelTransport):
        fields["max_message_size"] = transport.max_message_size
    _read_extension(fields, extension)
    media = MediaDescription(**fields)
    told = PARTS.get(action, (False, False))
    remarkable = [*(of_description if told[0] else ()), *(of_transport if told[1] else ())]
    only = _jingle_only(content, remarkable, media, action)
    return replace(media, attributes=(*media.attributes, *only)) if only else media


def _said(raw: str | None, read: Any, usual: Any) -> Any:
    """Return a value of our own element: absent is the usual one, empty is none."""
    if raw is None:
        return usual
    try:
        return read(line(raw, "address")) if raw else None
    except Malformed as exc:
        raise RemoteProtocolError(str(exc)) from None


def _read_extension(fields: dict[str, Any], extension: SdpMedia) -> None:
    if not extension.lines and not extension.attributes:
        return
    formats = [kind.id for kind in fields.get("payload_types", ())]
    found = read_carried([*carried_lines(extension)], "media", formats)
    if "mid" in found:
        raise RemoteProtocolError("the name of a content is said by the content alone")
    if "sctp_port" in found or "sctp_map" in found:
        fields["sctp_port"] = fields["sctp_map"] = None
    fields |= found


def carried_lines(extension: SdpMedia | SdpSession) -> Iterator[str]:
    """Yield the lines that one of our own elements carries.

    Raises:
        RemoteProtocolError: SDP could not have one of them.
    """
    for each in extension.lines:
        yield f"{word(each.type, 'line')}={line(each.value, 'value')}"
    for kept in extension.attributes:
        if not NAME.fullmatch(kept.name) or kept.name.startswith(JINGLE_ONLY):
            raise RemoteProtocolError(f"there is no attribute {kept.name[:40]!a} in SDP")
        yield f"a={kept.name}" if kept.value is None else f"a={kept.name}:{line(kept.value, 'value')}"


def carried(lines: Iterable[str]) -> dict[str, Any]:
    """Return the fields of our own elements for these lines."""
    found = [(text[0], text[2:]) for text in lines]
    attributes = [value.partition(":") for kind, value in found if kind == "a"]
    return {
        "lines": tuple([SdpLine(type=kind, value=value) for kind, value in found if kind != "a"]),
        "attributes": tuple(
            [SdpAttribute(name=name, value=value if colon else None) for name, colon, value in attributes]
        ),
    }


def read_carried(lines: Iterable[str], level: str, formats: Iterable[int] = ()) -> dict[str, Any]:
    """Return the fields of a section that these lines tell.

    Raises:
        RemoteProtocolError: One of them cannot be read.
    """
    try:
        return read_lines(lines, level, formats)
    except Malformed as exc:
        raise RemoteProtocolError(str(exc)) from None


def _jingle_only(
    content: Content, remarkable: list[Element], media: MediaDescription, action: Action
) -> list[Attribute]:
    """Return the attributes that carry what Jingle says and SDP has no word for."""
    found = []
    transport = content.transport
    told = PARTS.get(action, (False, False))
    if told[1]:
        namespace = transport.NAMESPACE if transport is not None and is_said(transport) else "none"
        if namespace != usual_namespace(media):
            found.append(Attribute(name=TRANSPORT, value=namespace))
    if isinstance(content.description, rtp.RtpDescription):
        found += [Attribute(name=name, value=value) for name, value in uneven(content.description)]
    kept = collect(
        content,
        remarkable,
        told=told,
        has_senders=action is Action.CONTENT_MODIFY or told == (True, True),
        of_sctp_map=_unsaid_of_sctp_map(sctp_map_of(transport), media),
    )
    return found + [Attribute(name=ELEMENT, value=each) for each in kept]


def _unsaid_of_sctp_map(found: ice_udp.SctpMap | None, media: MediaDescription) -> dict[str, str]:
    """Return the attributes of a `<sctpmap/>` that neither `a=sctp-port` nor the `m=` line tells."""
    if found is None or media.sctp_map is not None:
        return {}
    kept = {} if found.streams is None else {"streams": str(found.streams)}
    if found.protocol != next(iter(media.formats), "webrtc-datachannel"):
        kept["protocol"] = found.protocol
    return kept
