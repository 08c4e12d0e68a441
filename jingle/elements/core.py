"""XEP-0166: Jingle (v1.1.2) and XEP-0338: Jingle Grouping Framework (v1.0.0).

Deviations, each because deployed clients need it:

- A reason may carry a condition that the XEP does not know, or one spelled with underscores (Dino sends
  `<failed_transport/>`): it is read as `general-error` or as what it means, and written back as it came.
- `sid` is any short text, not an NMTOKEN: Conversations sends base64.
- `initiator`, `responder` and `senders` may be absent from any action, `creator` and `name` of a content may not.
"""

from __future__ import annotations

import enum

from .declare import Element, attr, child, children, choice, element, key, text

NS = "urn:xmpp:jingle:1"
NS_ERRORS = "urn:xmpp:jingle:errors:1"
NS_GROUPING = "urn:xmpp:jingle:apps:grouping:0"
FEATURE_GROUPING = "urn:ietf:rfc:5888"
"""What disco#info says about grouping (XEP-0338 section 3)."""


class Action(enum.Enum):
    """What a `<jingle/>` asks for (XEP-0166 section 7.2)."""

    CONTENT_ACCEPT = "content-accept"
    CONTENT_ADD = "content-add"
    CONTENT_MODIFY = "content-modify"
    CONTENT_REJECT = "content-reject"
    CONTENT_REMOVE = "content-remove"
    DESCRIPTION_INFO = "description-info"
    SECURITY_INFO = "security-info"
    SESSION_ACCEPT = "session-accept"
    SESSION_INFO = "session-info"
    SESSION_INITIATE = "session-initiate"
    SESSION_TERMINATE = "session-terminate"
    TRANSPORT_ACCEPT = "transport-accept"
    TRANSPORT_INFO = "transport-info"
    TRANSPORT_REJECT = "transport-reject"
    TRANSPORT_REPLACE = "transport-replace"


class Role(enum.Enum):
    """One of the two sides of a session."""

    INITIATOR = "initiator"
    RESPONDER = "responder"

    @property
    def other(self) -> Role:
        """The opposite side."""
        return Role.RESPONDER if self is Role.INITIATOR else Role.INITIATOR


class Senders(enum.Enum):
    """Who sends in a content (XEP-0166 section 7.3)."""

    BOTH = "both"
    INITIATOR = "initiator"
    RESPONDER = "responder"
    NONE = "none"


class ReasonCondition(enum.Enum):
    """Why something was done (XEP-0166 section 7.4)."""

    ALTERNATIVE_SESSION = "alternative-session"
    BUSY = "busy"
    CANCEL = "cancel"
    CONNECTIVITY_ERROR = "connectivity-error"
    DECLINE = "decline"
    EXPIRED = "expired"
    FAILED_APPLICATION = "failed-application"
    FAILED_TRANSPORT = "failed-transport"
    GENERAL_ERROR = "general-error"
    GONE = "gone"
    INCOMPATIBLE_PARAMETERS = "incompatible-parameters"
    MEDIA_ERROR = "media-error"
    SECURITY_ERROR = "security-error"
    SUCCESS = "success"
    TIMEOUT = "timeout"
    UNSUPPORTED_APPLICATIONS = "unsupported-applications"
    UNSUPPORTED_TRANSPORTS = "unsupported-transports"


@element(NS, "reason")
class Reason(Element):
    """Why an action is taken; an application-specific condition beside it is in `extra`."""

    condition: ReasonCondition = choice(unknown=ReasonCondition.GENERAL_ERROR)
    alternative_session: str | None = text("sid", inside="alternative-session", default=None)
    """The session to go on with; only with the condition `ALTERNATIVE_SESSION`."""

    text: str | None = text("text", default=None)
    """For a human."""


@element(NS_GROUPING, "content")
class GroupContent(Element):
    """A member of a group."""

    name: str = attr()
    """The name of a content of the session."""


@element(NS_GROUPING, "group")
class Group(Element):
    """Contents that belong together, such as those bundled on one transport (RFC 5888, RFC 8843)."""

    semantics: str = attr()
    """`BUNDLE`, `LS`, ..."""

    contents: tuple[GroupContent, ...] = children(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the contents, in order."""
        return tuple(content.name for content in self.contents)

    @classmethod
    def of(cls, semantics: str, names: tuple[str, ...]) -> Group:
        """Make the group of the contents with these names."""
        return cls(semantics=semantics, contents=tuple(GroupContent(name=name) for name in names))


@element(NS, "content")
class Content(Element):
    """One application on one transport."""

    creator: Role = attr()
    """Who created the content first; part of its identity for ever."""

    name: str = attr()
    senders: Senders | None = attr(default=None)
    disposition: str | None = attr(default=None)
    description: Element | None = child("description", any_namespace=True, default=None)
    transport: Element | None = child("transport", any_namespace=True, default=None)
    security: Element | None = child("security", any_namespace=True, default=None)

    @property
    def effective_senders(self) -> Senders:
        """`senders`, or what its absence means (XEP-0166 section 7.3)."""
        return self.senders or Senders.BOTH

    @property
    def effective_disposition(self) -> str:
        """`disposition`, or what its absence means (XEP-0166 section 7.3)."""
        return self.disposition if self.disposition is not None else "session"


@element(NS, "jingle")
class Jingle(Element):
    """An action in a session: the payload of an IQ-set."""

    action: Action = attr()
    sid: str = key()
    """The id of the session; what identifies it is the pair of the peer and this."""

    initiator: str | None = attr(default=None)
    """Who began, as the peer says; not to be trusted, the stanza's sender is what counts."""

    responder: str | None = attr(default=None)
    groups: tuple[Group, ...] = children(default=())
    contents: tuple[Content, ...] = children(default=())
    reason: Reason | None = child(default=None)
    payloads: tuple[Element, ...] = children(default=())
    """Every other child, such as what a session-info informs about."""


@element(NS_ERRORS, "out-of-order")
class OutOfOrder(Element):
    """The request cannot occur at this point of the session (XEP-0166 section 10)."""


@element(NS_ERRORS, "security-required")
class SecurityRequired(Element):
    """What was sent over XMPP belongs on the encrypted channel of the session (XEP-0166 section 9)."""


@element(NS_ERRORS, "tie-break")
class TieBreak(Element):
    """The request lost against one sent at the same time (XEP-0166 section 7.2.16)."""


@element(NS_ERRORS, "unknown-session")
class UnknownSession(Element):
    """The `sid` belongs to no session that the recipient knows (XEP-0166 section 10)."""


@element(NS_ERRORS, "unsupported-info")
class UnsupportedInfo(Element):
    """The recipient does not support the payload of a session-info (XEP-0166 section 10)."""
