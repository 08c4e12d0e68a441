"""What two ends agree on against loss: RTCP feedback (XEP-0293), repeated packets (RFC 4588, XEP-0339). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...elements.rtp import Feedback, Parameter, PayloadType, RtpDescription, SourceGroup

RTX = "rtx"
"""The name of the payload types that lost packets are repeated in (RFC 4588 section 8.6)."""

APT = "apt"
"""The parameter that says which payload type's packets are repeated."""

FID = "FID"
"""The semantics of a group of a source and the one that repeats its lost packets (RFC 5576 section 4.2)."""

USABLE_IDS = range(96, 128)


def feedback_of(names: Iterable[str]) -> tuple[Feedback, ...]:
    """The elements for kinds of feedback that are named by type and subtype, such as `nack pli`."""
    parts = (name.partition(" ") for name in names)
    return tuple(Feedback(type=type, subtype=subtype or None) for type, _, subtype in parts)


def common_feedback(ours: Iterable[str], described: PayloadType, description: RtpDescription) -> frozenset[str]:
    """The kinds of feedback that both sides understand; those of the whole description count for each payload type."""
    theirs = {
        f"{each.type} {each.subtype}" if each.subtype else each.type
        for each in (*described.feedback, *description.feedback)
    }
    return frozenset(theirs.intersection(ours))


def repair_type(id: int, repeats: int, clock_rate: int) -> PayloadType:
    """The payload type in which lost packets of the one called `repeats` come once more."""
    return PayloadType(id=id, name=RTX, clockrate=clock_rate, parameters=(Parameter(name=APT, value=str(repeats)),))


def repair_types(description: RtpDescription) -> Mapping[int, int]:
    """By id of a payload type, that of the one which repeats its lost packets; the first counts."""
    found: dict[int, int] = {}
    for each in description.payload_types:
        if (each.name or "").lower() == RTX and each.id in USABLE_IDS:
            wanted = next((one.value or "" for one in each.parameters if one.name == APT), "")
            if wanted.isascii() and wanted.isdigit() and len(wanted) < 4:
                found.setdefault(int(wanted), each.id)
    return found


def repair_sources(groups: Iterable[SourceGroup]) -> dict[int, int]:
    """By source of repeated packets, the source that it repeats."""
    return {
        group.sources[1].ssrc: group.sources[0].ssrc
        for group in groups
        if group.semantics.upper() == FID and len(group.sources) == 2
    }
