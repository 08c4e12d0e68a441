"""What sessions answer and make of answers where XEP-0166 leaves room, as tables and small decisions."""

from __future__ import annotations

from ..elements.core import Action, ReasonCondition
from ..elements.declare import Element, Unknown
from ..elements.jids import bare
from ..errors import RemoteProtocolError
from .state import INFORMATION

LATE = INFORMATION | {Action.SESSION_TERMINATE}
"""What is acknowledged in a session that has just ended. Section 6.7 wants unknown-session for everything, but a
checksum or the other side's own terminate regularly crosses the end, and clients report the error as a failed
transfer (Conversations issue 3786)."""

GONE = frozenset({"service-unavailable", "recipient-unavailable", "remote-server-not-found", "gone"})
"""Stanza errors by which a server says that the peer's device is not there."""

CHANGES = frozenset(
    {
        Action.CONTENT_ADD,
        Action.CONTENT_ACCEPT,
        Action.CONTENT_MODIFY,
        Action.CONTENT_REJECT,
        Action.CONTENT_REMOVE,
    }
)
"""Requests that a peer may leave unanswered without an end of what runs beside what they are about."""

REFUSALS: dict[str, ReasonCondition] = {
    **dict.fromkeys(GONE | {"item-not-found", "redirect"}, ReasonCondition.GONE),
    "conflict": ReasonCondition.ALTERNATIVE_SESSION,
    "feature-not-implemented": ReasonCondition.UNSUPPORTED_APPLICATIONS,
    "forbidden": ReasonCondition.DECLINE,
    "not-acceptable": ReasonCondition.SECURITY_ERROR,
    "remote-server-timeout": ReasonCondition.TIMEOUT,
    "resource-constraint": ReasonCondition.BUSY,
}
"""Stanza error on our session-initiate or session-accept to the reason the session ends with; any other is a
`general-error`."""


def is_known(payload: Element) -> bool:
    """Whether the payload of a session-info has a model of its own: what `Session` understands unless told better."""
    return not isinstance(payload, Unknown)


def answer_after_end(action: Action) -> RemoteProtocolError | None:
    """What a stanza gets that arrives shortly after the end of its session: `None` is an acknowledgement."""
    if action in LATE:
        return None
    return RemoteProtocolError("the session has ended", jingle="unknown-session")


def redirection(target: str | None, sender: str, local: str) -> str | None:
    """Return the address a stanza asks us to go on with, or `None` for that of its sender (section 13.5).

    Only another resource of the same account is followed. Movim names itself without a resource, or the wrong side.
    """
    if not target or target in (sender, local):
        return None
    account, _, resource = target.partition("/")
    return target if resource and account == bare(sender) else None
