"""Layer 2: the Session Description Protocol (RFC 8866), and the mapping between it and Jingle, without loss.

    description = sdp.parse(offer)
    jingle = sdp.to_jingle(description, role=Role.INITIATOR, action=Action.SESSION_INITIATE)
    sdp.format(sdp.from_jingle(jingle, role=Role.INITIATOR))

Pure functions, for whoever has a media stack that speaks SDP: a browser, a gateway, an `RTCPeerConnection`.
"""

from ..elements.rtp import Direction
from .fragments import (
    Trickled,
    candidate_from_jingle,
    candidate_to_jingle,
    format_candidate,
    from_transport_info,
    parse_candidate,
    to_transport_info,
)
from .mapping import from_jingle, only, to_jingle
from .model import (
    Attribute,
    Candidate,
    Connection,
    Fingerprint,
    Group,
    HeaderExtension,
    MediaDescription,
    Origin,
    RemoteCandidate,
    Rid,
    Rtcp,
    Section,
    SessionDescription,
    Simulcast,
)
from .text import format, parse

__all__ = [
    "Attribute",
    "Candidate",
    "Connection",
    "Direction",
    "Fingerprint",
    "Group",
    "HeaderExtension",
    "MediaDescription",
    "Origin",
    "RemoteCandidate",
    "Rid",
    "Rtcp",
    "Section",
    "SessionDescription",
    "Simulcast",
    "Trickled",
    "candidate_from_jingle",
    "candidate_to_jingle",
    "format",
    "format_candidate",
    "from_jingle",
    "from_transport_info",
    "only",
    "parse",
    "parse_candidate",
    "to_jingle",
    "to_transport_info",
]
