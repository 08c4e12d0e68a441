"""A session description and a `<jingle/>`: `to_jingle` and `from_jingle`.

The rules, one for each attribute, are in `rules_rtp` and `rules_transport`; `content` puts them together for one media
section, and this module for all of them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from ..elements import core
from ..elements.core import Action, Jingle, Role
from ..elements.declare import Element, from_string, serialize
from ..elements.sdp_extension import SdpSession
from ..errors import LocalProtocolError, RemoteProtocolError
from .content import PARTS, carried, carried_lines, content_of, media_of, read_carried
from .leftovers import ELEMENT, one_line
from .model import Attribute, Group, MediaDescription, Origin, SessionDescription
from .rules import NOT_IN_TOKEN, TOKEN, line, word
from .text import JINGLE_ONLY, format_origin, session_lines

NAME = "jingle-name"
"""The attribute that carries the name of a content which is no token, and so cannot be a mid."""


def to_jingle(
    description: SessionDescription,
    *,
    role: Role,
    action: Action,
    sid: str | None = None,
    creator: Role = Role.INITIATOR,
    initiator: str | None = None,
    responder: str | None = None,
) -> Jingle:
    """Say in Jingle what a session description says.

    Each media section becomes a content whose name is the mid. An action that is about descriptions or transports only
    (a description-info, a transport-info) gets only these. To add, change or remove single contents, give a
    description with `only` their sections.

    Args:
        description: What one side wrote.
        role: The side that wrote it; directions depend on that.
        action: What the result asks for.
        sid: The id of the session; `None` takes the one in `o=`.
        creator: Who created the contents.
        initiator: The JID of who began, to be told with the action.
        responder: The JID of the other side.

    Raises:
        LocalProtocolError: The action has no contents, or something is longer than an element may hold.
    """
    if action not in PARTS:
        raise LocalProtocolError(f"a {action.value} says nothing that a session description could")
    resolved = description.resolved()
    names = _names(resolved.media)
    contents = tuple(
        [content_of(media, name, role, action, creator) for media, name in zip(resolved.media, names, strict=True)]
    )
    whole = PARTS[action] == (True, True)
    by_mid = {media.mid: name for media, name in zip(resolved.media, names, strict=True)}
    groups = [
        core.Group.of(group.semantics, tuple([by_mid.get(mid, mid) for mid in group.mids])) for group in resolved.groups
    ]
    sid = sid if sid is not None else description.origin.session_id
    kept = [from_string(each.value or "") for each in resolved.attributes if each.name == ELEMENT]
    told = [each for each in kept if isinstance(each, core.Group)]
    reason = next((each for each in kept if isinstance(each, core.Reason)), None)
    shell = next((each for each in kept if isinstance(each, Jingle)), None)
    return Jingle(
        action=action,
        sid=sid,
        initiator=initiator,
        responder=responder,
        groups=tuple(_as_told(groups, told) if whole else told),
        contents=contents,
        payloads=(
            *(_session_to_elements(resolved, sid) if whole else ()),
            *(each for each in kept if each is not reason and not isinstance(each, (core.Group, Jingle))),
        ),
        extra_attributes=shell.extra_attributes if shell is not None else (),
        reason=reason,
    )


def from_jingle(jingle: Jingle, *, role: Role, offer: SessionDescription | None = None) -> SessionDescription:
    """Say in SDP what an action says.

    Each content becomes a media section whose mid is the name. What SDP has no word for is carried in attributes that
    begin with `jingle-`. A content that has no description, as in a transport-info, becomes the section that
    RFC 8840 section 9 has for fragments.

    Args:
        jingle: An action with contents.
        role: The side that wrote it; directions depend on that.
        offer: The description that the action answers: every section of it that the action does not mention is
            rejected, and the sections come in its order, as SDP demands (RFC 3264 section 6).

    Raises:
        RemoteProtocolError: It holds what SDP cannot carry, or contradicts itself.
    """
    mids = _mids(jingle)
    sections = _with_names(
        [media_of(content, mid, role, jingle.action) for content, mid in zip(jingle.contents, mids, strict=True)],
        jingle,
    )
    by_name = {content.name: mid for content, mid in zip(jingle.contents, mids, strict=True)}
    extension = next((each for each in jingle.payloads if isinstance(each, SdpSession)), SdpSession())
    fields = _session_fields(extension)
    fields["attributes"] = (
        *fields.get("attributes", ()),
        *(Attribute(name=ELEMENT, value=one_line(serialize(each))) for each in _unsaid(jingle, extension)),
    )
    return SessionDescription(
        **{"origin": origin_of(jingle.sid), **fields},
        groups=tuple([_group(group, by_name) for group in jingle.groups]),
        media=tuple(_answered(sections, offer) if offer is not None else sections),
    )


def _unsaid(jingle: Jingle, extension: SdpSession) -> list[Element]:
    """Return what an action holds beside its contents, as far as SDP cannot say it."""
    found: list[Element] = [jingle.reason] if jingle.reason is not None else []
    found += [each for each in jingle.payloads if each is not extension]
    is_whole = PARTS.get(jingle.action) == (True, True)
    if not is_whole or any(each != core.Group.of(each.semantics, each.names) for each in jingle.groups):
        found += jingle.groups
    if jingle.extra_attributes:
        found.append(Jingle(action=jingle.action, sid=jingle.sid, extra_attributes=jingle.extra_attributes))
    return found


def _as_told(groups: list[core.Group], told: list[core.Group]) -> list[core.Group]:
    """Return the groups with all that came along with them, in the order of those that say the same."""
    found = []
    for group in groups:
        same = next((each for each in told if (each.semantics, each.names) == (group.semantics, group.names)), group)
        told = [each for each in told if each is not same]
        found.append(same)
    return found


def only(description: SessionDescription, *mids: str) -> SessionDescription:
    """Return a description with these media sections alone, to say in a content-add or a content-modify."""
    return dataclasses.replace(description, media=tuple([each for each in description.media if each.mid in mids]))


def _names(sections: Sequence[MediaDescription]) -> list[str]:
    """Return the names of the contents: the mids, and where there is none, the media types."""
    taken = {media.mid for media in sections}
    names = []
    for media in sections:
        name = media.mid
        if media.attributes and (said := media.attribute(NAME)) is not None:
            name = urllib.parse.unquote(said)
        if name is None:
            token = NOT_IN_TOKEN.sub("-", media.media)
            numbered = (f"{token}-{number}" for number in range(2, len(taken) + 3))
            name = next(each for each in (token, *numbered) if each not in taken)
            taken.add(name)
        names.append(name)
    return names


def _mids(jingle: Jingle) -> list[str]:
    """Return the mids of the contents: the names, as far as they can be one."""
    names = [content.name for content in jingle.contents]
    if len(set(names)) != len(names):
        raise RemoteProtocolError("two contents have the same name, which SDP has no way to say")
    taken = set(names)
    mids = []
    for name in names:
        mid = name
        if not TOKEN.fullmatch(name):
            token = NOT_IN_TOKEN.sub("-", name) or "content"
            numbered = (f"{token}-{number}" for number in range(2, len(taken) + 3))
            mid = next(each for each in (token, *numbered) if each not in taken)
            taken.add(mid)
        mids.append(mid)
    return mids


def _with_names(sections: list[MediaDescription], jingle: Jingle) -> list[MediaDescription]:
    """Give sections whose mid does not tell the name of their content an attribute that does."""
    return [
        media
        if name == content.name
        else dataclasses.replace(
            media, attributes=(*media.attributes, Attribute(name=NAME, value=urllib.parse.quote(content.name)))
        )
        for media, content, name in zip(sections, jingle.contents, _names(sections), strict=True)
    ]


def _group(group: core.Group, by_name: dict[str, str]) -> Group:
    mids = [by_name.get(name, name) for name in group.names]
    return Group(semantics=word(group.semantics, "group"), mids=tuple([word(mid, "group") for mid in mids]))


def _answered(sections: list[MediaDescription], offer: SessionDescription) -> list[MediaDescription]:
    found = {media.mid: media for media in sections}
    offered = {media.mid for media in offer.media}
    answered = [found.get(media.mid) or _rejected(media) for media in offer.media]
    return answered + [media for media in sections if media.mid not in offered]


def _rejected(media: MediaDescription) -> MediaDescription:
    """Return the section that turns an offered one down (RFC 3264 section 6)."""
    return MediaDescription(
        media=media.media,
        port=0,
        profile=media.profile,
        formats=media.formats,
        payload_types=media.payload_types,
        mid=media.mid,
    )


def origin_of(sid: str) -> Origin:
    """Return the `o=` of a session that has told none, the same for the same session."""
    # SDP wants a number that fits into 63 bits (RFC 8829 section 5.2.1).
    if re.fullmatch("[1-9][0-9]{0,18}", sid) and int(sid) < 2**63:
        return Origin(session_id=sid)
    return Origin(session_id=str(int.from_bytes(hashlib.sha256(sid.encode()).digest()[:8], "big") >> 1))


# The session level.


def _session_to_elements(description: SessionDescription, sid: str) -> tuple[SdpSession, ...]:
    """Return our own element with what is said before the first media section, or nothing."""
    origin, name = description.origin, description.name
    fields: dict[str, Any] = {}
    if origin != origin_of(sid):
        fields["origin"] = format_origin(origin)
    if name != "-":
        fields["name"] = name
    lines = session_lines(description)
    if lines[:1] == ["t=0 0"] and not description.timing[1:]:
        del lines[0]
    said = carried([each for each in lines if not each.startswith(("a=group:", f"a={JINGLE_ONLY}"))])
    fields |= {field: value for field, value in said.items() if value}
    return (SdpSession(**fields),) if fields else ()


def _session_fields(extension: SdpSession) -> dict[str, Any]:
    """Return the fields of a description that our own element tells."""
    lines = [*carried_lines(extension)]
    if extension.origin is not None:
        lines.append(f"o={line(extension.origin, 'origin')}")
    if extension.name is not None:
        lines.append(f"s={line(extension.name, 'name')}")
    fields = read_carried(lines, "session")
    if "groups" in fields:
        raise RemoteProtocolError("groups have an element of their own")
    return fields
