"""Candidate lines (RFC 8839 section 5.1), by themselves as browsers trickle them and as attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..elements.ice_udp import CandidateType, TcpType
from ..elements.values import POSITIVE, UNSIGNED_BYTE, UNSIGNED_INT, UNSIGNED_SHORT
from .draft import Malformed, bounded, number, shown, words
from .model import Candidate

TYPES = {kind.value: kind for kind in CandidateType}
TCP_TYPES = {kind.value: kind for kind in TcpType}


def read_candidate(value: str) -> Candidate | None:
    """Read the value of `a=candidate`.

    Returns:
        The candidate, or `None` for one of a type we do not know, which is to be kept as it is.

    Raises:
        Malformed: It is none.
    """
    parts = bounded(words(value, 8, "the candidate"))
    foundation, component, transport, priority, address, port, typ, type, *rest = parts
    if typ != "typ":
        raise Malformed(f"a candidate has {shown(typ)} in the place of 'typ'")
    if len(rest) % 2:
        raise Malformed(f"the extension {shown(rest[-1])} of a candidate has no value")
    fields: dict[str, Any] = {}
    extensions = []
    for name, raw in zip(rest[::2], rest[1::2], strict=True):
        reader = READERS.get(name)
        found = reader[1](raw) if reader is not None and reader[0] not in fields else None
        if reader is None or found is None:
            extensions.append((name, raw))
        else:
            fields[reader[0]] = found
    kind = TYPES.get(type)
    if kind is None:
        return None
    return Candidate(
        foundation=foundation,
        component=number(component, UNSIGNED_BYTE, "component"),
        transport=transport.lower(),
        priority=number(priority, POSITIVE, "priority"),
        address=address,
        port=number(port, UNSIGNED_SHORT, "port"),
        type=kind,
        extensions=tuple(extensions),
        **fields,
    )


def format_candidate(candidate: Candidate) -> str:
    """Write the value of `a=candidate`."""
    line = (
        f"{candidate.foundation} {candidate.component} {candidate.transport} {candidate.priority} "
        f"{candidate.address} {candidate.port} typ {candidate.type.value}"
    )
    if candidate.related_address is not None:
        line += f" raddr {candidate.related_address}"
    if candidate.related_port is not None:
        line += f" rport {candidate.related_port}"
    if candidate.tcp_type is not None:
        line += f" tcptype {candidate.tcp_type.value}"
    line += f" generation {candidate.generation}"
    if candidate.network is not None:
        line += f" network {candidate.network}"
    for name, value in candidate.extensions:
        line += f" {name} {value}"
    return line


READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "raddr": ("related_address", str),
    "rport": ("related_port", lambda raw: number(raw, UNSIGNED_SHORT, "related port")),
    "tcptype": ("tcp_type", TCP_TYPES.get),
    "generation": ("generation", lambda raw: number(raw, UNSIGNED_BYTE, "generation")),
    "network": ("network", lambda raw: number(raw, UNSIGNED_INT, "network")),
}
"""Extension to the field it is read into; what a reader has no word for stays an extension."""
