"""Partial input: one candidate line, and the transport-info that trickles it (RFC 8838, XEP-0176 section 5.9)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..elements import ice_udp
from ..elements.core import Action, Content, Jingle, Role
from ..errors import RemoteProtocolError, SdpError
from .candidates import format_candidate as format_value
from .candidates import read_candidate
from .content import ice_of
from .draft import SPACE, Malformed
from .model import Candidate
from .rules_transport import ICE_MODELS, candidate_from_element, candidate_to_element, read_ice
from .text import FORBIDDEN


@dataclass(frozen=True, kw_only=True, slots=True)
class Trickled:
    """What one side has found out since its description: candidates of one media section."""

    mid: str
    candidates: tuple[Candidate, ...] = ()
    ice_ufrag: str | None = None
    """Other than before, it begins an ICE restart."""

    ice_pwd: str | None = field(default=None, repr=False)
    end_of_candidates: bool = False


def parse_candidate(line: str) -> Candidate:
    """Read `candidate:...`, as browsers trickle it, or the same with `a=` in front.

    Raises:
        SdpError: It is none, or of a type that nobody knows.
    """
    found = FORBIDDEN.search(line.rstrip("\r\n"))
    if found:
        raise SdpError(1, f"there is the character {found.group()!a}")
    name, _, value = line.strip(f"{SPACE}\r\n").removeprefix("a=").partition(":")
    try:
        candidate = read_candidate(value) if name == "candidate" and "\n" not in value else None
    except Malformed as exc:
        raise SdpError(1, str(exc)) from None
    if candidate is None:
        raise SdpError(1, "this is no candidate of a known type")
    return candidate


def format_candidate(candidate: Candidate) -> str:
    """Write `candidate:...`, as browsers want it."""
    return f"candidate:{format_value(candidate)}"


def candidate_to_jingle(candidate: Candidate) -> ice_udp.Candidate:
    """Return the `<candidate/>` of ice-udp that says the same."""
    made = candidate_to_element(candidate, ice_udp.Candidate)
    assert isinstance(made, ice_udp.Candidate)
    return made


def candidate_from_jingle(element: ice_udp.AnyCandidate) -> Candidate:
    """Return the candidate that a `<candidate/>` tells, in either ICE namespace.

    Raises:
        RemoteProtocolError: It holds what SDP cannot carry.
    """
    return candidate_from_element(element)


def to_transport_info(
    trickled: Trickled, *, sid: str, creator: Role = Role.INITIATOR, namespace: str = ice_udp.NS
) -> Jingle:
    """Say in Jingle what was trickled; Monal demands the ufrag and the pwd with every candidate.

    Args:
        trickled: What one side has found out.
        sid: The id of the session.
        creator: Who created the content.
        namespace: That of the ICE transport of the content.
    """
    transport, candidate, _ = ICE_MODELS[namespace]
    content = Content(
        creator=creator,
        name=trickled.mid,
        transport=transport(
            ufrag=trickled.ice_ufrag,
            pwd=trickled.ice_pwd,
            candidates=tuple([candidate_to_element(each, candidate) for each in trickled.candidates]),
            gathering_complete=trickled.end_of_candidates,
        ),
    )
    return Jingle(action=Action.TRANSPORT_INFO, sid=sid, contents=(content,))


def from_transport_info(jingle: Jingle) -> tuple[Trickled, ...]:
    """Return what an action trickles, one for each content with an ICE transport.

    Raises:
        RemoteProtocolError: It holds what SDP cannot carry.
    """
    found = []
    for content in jingle.contents:
        ice = ice_of(content.transport)
        if ice is None:
            raise RemoteProtocolError(f"the content {content.name[:40]!a} has no ICE transport")
        fields = read_ice(ice, Role.INITIATOR)
        known = ("candidates", "ice_ufrag", "ice_pwd", "end_of_candidates")
        found.append(Trickled(mid=content.name, **{name: fields[name] for name in known}))
    return tuple(found)
