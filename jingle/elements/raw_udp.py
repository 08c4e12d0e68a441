"""XEP-0177: Jingle Raw UDP Transport Method (v1.1.1).

Deviation: `id` and `generation` of a candidate may be absent, as in ICE-UDP.
"""

from __future__ import annotations

from .declare import Element, attr, children, element
from .ice_udp import CandidateType
from .values import UNSIGNED_BYTE, UNSIGNED_SHORT

NS = "urn:xmpp:jingle:transports:raw-udp:1"


@element(NS, "candidate")
class RawCandidate(Element):
    """The one address of a component, to be used without any check."""

    component: int = attr(within=UNSIGNED_BYTE)
    generation: int | None = attr(default=None, within=UNSIGNED_BYTE)
    id: str | None = attr(default=None)
    ip: str = attr()
    port: int = attr(within=UNSIGNED_SHORT)
    type: CandidateType | None = attr(default=None)


@element(NS, "transport")
class RawUdpTransport(Element):
    """An address for RTP, and one for RTCP."""

    candidates: tuple[RawCandidate, ...] = children(default=())
