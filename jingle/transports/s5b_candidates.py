"""XEP-0260 sections 2.2 to 2.4: which streamhosts to offer, which to try, and which of two to use."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable

from ..elements.core import Role
from ..elements.s5b import Streamhost, StreamhostCandidate, StreamhostType
from .socks5 import destination

TYPE_PREFERENCES = {
    StreamhostType.DIRECT: 126,
    StreamhostType.ASSISTED: 120,
    StreamhostType.TUNNEL: 110,
    StreamhostType.PROXY: 10,
}

LOCAL_PREFERENCE = 40_000
"""That of our most wanted candidate of a type; far from the round numbers that others use, see `priority_of`."""

MAX_CANDIDATES = 16
"""Candidates of the peer that are looked at. Each may cost a connection to wherever the peer likes."""

MAX_PROXIES = 4
"""Proxies that are offered."""


def priority_of(kind: StreamhostType, rank: int, taken: Collection[int]) -> int:
    """The priority of our candidate, `rank` 0 being the most wanted of its type (section 2.2).

    None of `taken` comes back. Where two candidates with one priority work, section 2.4 says which to use, and peers
    disagree about what it says; so there had better not be two.
    """
    value = (TYPE_PREFERENCES[kind] << 16) + LOCAL_PREFERENCE - 16 * rank
    while value in taken:
        value -= 1
    return value


def is_direct(candidate: StreamhostCandidate) -> bool:
    """Whether the candidate leads to its owner, and not to a proxy that has to be activated."""
    return candidate.effective_type is not StreamhostType.PROXY


def worth_trying(
    candidates: Iterable[StreamhostCandidate],
    *,
    loopback: bool,
    proxies_only: Collection[tuple[str, int]] | None = None,
) -> list[StreamhostCandidate]:
    """The peer's candidates to connect to, most wanted first.

    Args:
        candidates: All that the peer offered.
        loopback: Connect to this machine as well. Otherwise a peer could reach services that listen here only.
        proxies_only: With `relay_only`, the addresses of proxies that we know ourselves: anything else that calls
            itself a proxy may be the peer in disguise, and would see our address.
    """
    seen: set[tuple[str, int]] = set()
    usable = []
    for candidate in sorted(candidates, key=lambda candidate: -candidate.priority):
        where = (candidate.host, candidate.effective_port)
        if where in seen or not _may_connect(candidate, loopback=loopback):
            continue
        if proxies_only is not None and (is_direct(candidate) or where not in proxies_only):
            continue
        seen.add(where)
        usable.append(candidate)
    return usable[:MAX_CANDIDATES]


def _may_connect(candidate: StreamhostCandidate, *, loopback: bool) -> bool:
    if not candidate.effective_port:
        return False
    try:
        address = ipaddress.ip_address(candidate.host)
    except ValueError:
        # Names are for proxies. A client that offers itself knows its address; looking up whatever name the peer
        # likes would tell its name server who we are.
        return not is_direct(candidate) and 0 < len(candidate.host) <= 253 and candidate.host.isascii()
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast:
        return False
    if address.version == 6 and address.is_link_local:
        return False  # it means nothing without its scope, and the scope is ours to know
    return loopback or not address.is_loopback


def offerable(proxies: Iterable[Streamhost], offered: Collection[tuple[str, int]]) -> list[Streamhost]:
    """The proxies to offer: each once, and none that the peer has offered already (section 2.2)."""
    unique = {(proxy.host, proxy.effective_port): proxy for proxy in proxies if proxy.effective_port}
    return [proxy for where, proxy in unique.items() if where not in offered][:MAX_PROXIES]


def names_to_accept(stream_sid: str, session_sid: str, local: str, remote: str) -> frozenset[str]:
    """Every destination that the peer may ask our listener for.

    The candidate's owner comes first, but Gajim and others always put the initiator first; and some hash the sid of
    the session in place of the stream's.
    """
    return frozenset(
        destination(sid, first, second)
        for sid in (stream_sid, session_sid)
        for first, second in ((local, remote), (remote, local))
    )


def names_to_ask_for(
    stream_sid: str, session_sid: str, local: str, remote: str, role: Role, announced: str | None
) -> list[str]:
    """The destinations to ask one of the peer's candidates for, best first; the later ones after a refusal only."""
    initiator, responder = (local, remote) if role is Role.INITIATOR else (remote, local)
    names = [announced.strip().lower()] if announced and len(announced) <= 255 and announced.isascii() else []
    names.append(destination(stream_sid, remote, local))
    names += [destination(sid, initiator, responder) for sid in (stream_sid, session_sid)]
    return list(dict.fromkeys(names))


def nominate(
    role: Role, used_by_us: StreamhostCandidate | None, used_by_peer: StreamhostCandidate | None
) -> StreamhostCandidate | None:
    """The candidate to use, or `None` where neither side reached one (section 2.4).

    Args:
        role: Ours in the session.
        used_by_us: The candidate of the peer that we connected to.
        used_by_peer: The candidate of ours that the peer connected to.
    """
    if used_by_us is None or used_by_peer is None:
        return used_by_us or used_by_peer
    if used_by_us.priority != used_by_peer.priority:
        return max(used_by_us, used_by_peer, key=lambda candidate: candidate.priority)
    return used_by_us if role is Role.INITIATOR else used_by_peer
