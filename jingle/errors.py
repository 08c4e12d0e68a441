"""Every exception of the package.

```
JingleError
  ProtocolError(condition, jingle)     what to answer: stanza condition + urn:xmpp:jingle:errors:1
    LocalProtocolError                 we may not do that now                     -> raised to the caller
    RemoteProtocolError                the peer may not do that, or sent nonsense -> becomes the IQ error
      SdpError(line, reason)           a session description cannot be read
  SessionEnded(reason, text)           declined, busy, gone, timeout, ...: one class, the XEP's reason inside
  TransportFailed                      no candidate worked (attributes: tried, last_error)
  ApplicationFailed(reason)            no common codec, hash mismatch, disk full
  MediaError                           a source cannot be read, a sink cannot be written, a device is not there
  SignallingError(condition, text)     the XMPP side: IQ errors and timeouts, no login, disconnects
```
"""

from __future__ import annotations

JINGLE_CONDITIONS = {
    "out-of-order": ("unexpected-request", "wait"),
    "tie-break": ("conflict", "cancel"),
    "unknown-session": ("item-not-found", "cancel"),
    "unsupported-info": ("feature-not-implemented", "modify"),
    "security-required": ("not-acceptable", "cancel"),
}
"""Jingle condition to the stanza condition and error type that go with it (XEP-0166 sections 6 to 10)."""

ERROR_TYPES = {
    "bad-request": "modify",
    "forbidden": "auth",
    "jid-malformed": "modify",
    "not-acceptable": "modify",
    "not-authorized": "auth",
    "policy-violation": "modify",
    "recipient-unavailable": "wait",
    "redirect": "modify",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "unexpected-request": "wait",
}
"""Stanza condition to error type where that is not `cancel` (RFC 6120 section 8.3.3)."""


class JingleError(Exception):
    """Base class of everything this package raises on purpose."""


class ProtocolError(JingleError):
    """A breach of the protocol, with the answer it deserves.

    Attributes:
        text: What is wrong, in a sentence for a human.
        condition: The stanza error condition (RFC 6120 section 8.3.3); without one, that of the Jingle condition, and
            `bad-request` where there is neither.
        jingle: The Jingle condition (XEP-0166 section 10), or `None`.
        type: The stanza error type: `cancel`, `modify`, `wait` or `auth`.
    """

    def __init__(self, text: str, *, condition: str | None = None, jingle: str | None = None) -> None:
        super().__init__(text)
        usual_condition, usual_type = JINGLE_CONDITIONS.get(jingle or "", ("bad-request", None))
        self.text = text
        self.condition = condition or usual_condition
        self.jingle = jingle
        self.type = usual_type or ERROR_TYPES.get(self.condition, "cancel")


class LocalProtocolError(ProtocolError):
    """We may not do that now: a mistake of the calling program."""


class RemoteProtocolError(ProtocolError):
    """The peer may not do that, or sent something that cannot be read."""


class SdpError(RemoteProtocolError):
    """A session description (RFC 8866) cannot be read.

    Attributes:
        line: The number of the line, from 1.
        reason: What is wrong with it.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class SessionEnded(JingleError):
    """The session ended before what was asked for could happen.

    Attributes:
        reason: The name of the XEP-0166 section 7.4 reason, such as `decline`, `busy`, `gone` or `timeout`.
        text: What the peer wrote with it, or our own explanation.
    """

    def __init__(self, reason: str, text: str | None = None) -> None:
        super().__init__(f"{reason}: {text}" if text else reason)
        self.reason = reason
        self.text = text


class TransportFailed(JingleError):
    """No way was found to move bits to the peer, or the way broke.

    Attributes:
        tried: What was tried, one line each.
        last_error: The last underlying error, if there was one.
        reason: The XEP-0166 reason the session ends with.
    """

    def __init__(
        self,
        text: str,
        *,
        tried: tuple[str, ...] = (),
        last_error: BaseException | None = None,
        reason: str = "connectivity-error",
    ) -> None:
        super().__init__(text)
        self.text = text
        self.tried = tried
        self.last_error = last_error
        self.reason = reason


class ApplicationFailed(JingleError):
    """The application cannot go on: no common codec, a damaged file, a full disk.

    Attributes:
        text: What is wrong, in a sentence for a human.
        reason: The XEP-0166 reason the session or content ends with.
        condition: The name of the application's own condition beside it, such as `file-too-large`, or `None`.
    """

    def __init__(self, text: str, *, reason: str = "failed-application", condition: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason
        self.condition = condition


class MediaError(JingleError):
    """A source cannot be read, a sink cannot be written, or a device is not there."""


class SignallingError(JingleError):
    """The XMPP side failed: an IQ error, an IQ without answer, no login, no connection.

    Attributes:
        condition: The stanza or stream error condition; `timeout` where nobody answered,
            `not-authorized` for a refused password, `certificate` for an untrusted server.
        text: What the server or peer wrote with it.
        jingle: The Jingle condition beside it (XEP-0166 section 10), or `None`.
    """

    def __init__(self, condition: str, text: str | None = None, *, jingle: str | None = None) -> None:
        super().__init__(f"{condition}: {text}" if text else condition)
        self.condition = condition
        self.text = text
        self.jingle = jingle
