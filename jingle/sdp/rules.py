"""What a mapping rule is, and how a direction and the two roles go together.

A rule is declared once: which attributes of SDP it is about, how their fields are said in an element, and how an
element's fields are said in SDP.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..elements.core import Role, Senders
from ..elements.rtp import Direction
from ..errors import RemoteProtocolError
from .model import MediaDescription

Fields = Mapping[str, Any]

LINE = re.compile("[^\x00-\x08\n\x0b-\x1f\x7f\x85\u2028\u2029]*")
WORD = re.compile("[^\x00-\x20\x7f\x85\u2028\u2029]+")
NAME = re.compile("[^\x00-\x20\x7f\x85\u2028\u2029:]+")
TOKEN = re.compile(r"[!#-'*+.0-9A-Z^-~-]+")
"""RFC 8866 section 9."""

NOT_IN_TOKEN = re.compile(r"[^!#-'*+.0-9A-Z^-~-]")


@dataclass(frozen=True, slots=True)
class MappingRule:
    """One rule, for both directions."""

    attributes: tuple[str, ...]
    """The attributes of the SDP it takes care of."""

    to_element: Callable[[MediaDescription, Role], Fields]
    to_media: Callable[[Any, Role], Fields]


def same(attribute: str, field: str, check: Callable[[Any], Any] = lambda value: value) -> MappingRule:
    """A rule where both sides have the same field; `check` returns what came from the peer, as SDP can carry it."""
    return MappingRule(
        (attribute,),
        lambda media, role: {field: getattr(media, field)},
        lambda element, role: {field: check(getattr(element, field))},
    )


def word(value: str, what: str) -> str:
    """Return a text of the peer that has to be one word in SDP.

    Raises:
        RemoteProtocolError: It is none.
    """
    if not WORD.fullmatch(value):
        raise RemoteProtocolError(f"the {what} {value[:40]!a} cannot be written as SDP")
    return value


def line(value: str, what: str) -> str:
    """Return a text of the peer that has to stay on one line.

    Raises:
        RemoteProtocolError: It does not.
    """
    if not LINE.fullmatch(value):
        raise RemoteProtocolError(f"the {what} {value[:40]!a} cannot be written as SDP")
    return value


_SENDERS = {
    (Role.INITIATOR, Direction.SENDRECV): Senders.BOTH,
    (Role.INITIATOR, Direction.SENDONLY): Senders.INITIATOR,
    (Role.INITIATOR, Direction.RECVONLY): Senders.RESPONDER,
    (Role.INITIATOR, Direction.INACTIVE): Senders.NONE,
    (Role.RESPONDER, Direction.SENDRECV): Senders.BOTH,
    (Role.RESPONDER, Direction.SENDONLY): Senders.RESPONDER,
    (Role.RESPONDER, Direction.RECVONLY): Senders.INITIATOR,
    (Role.RESPONDER, Direction.INACTIVE): Senders.NONE,
}
_DIRECTIONS = {(role, senders): direction for (role, direction), senders in _SENDERS.items()}


def senders_of(direction: Direction, role: Role) -> Senders:
    """Return who sends, where that side says so of itself (XEP-0167 section 6)."""
    return _SENDERS[role, direction]


def direction_of(senders: Senders, role: Role) -> Direction:
    """Return what that side says of itself, where these send."""
    return _DIRECTIONS[role, senders]
