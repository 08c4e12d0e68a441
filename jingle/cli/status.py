"""Exit statuses, and errors turned into one line of what happened and one of what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from ..errors import (
    ApplicationFailed,
    JingleError,
    LocalProtocolError,
    MediaError,
    SessionEnded,
    SignallingError,
    TransportFailed,
)


class Status(enum.IntEnum):
    """What the command's exit status says."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    NO_LOGIN = 3
    NOT_REACHED = 4
    NO_TRANSPORT = 5
    DAMAGED = 6
    INTERRUPTED = 130


LOGIN_CONDITIONS = {
    "not-authorized": "check the JID and the password",
    "certificate": "the server's certificate is not trusted; name its CA with --ca-file if you trust it",
    "remote-server-not-found": "check the domain of the JID, or the address given with --server HOST:PORT",
    "connection-failed": "the server closed the connection; check the address given with --server",
    "host-unknown": "the server does not serve this domain; check the JID",
    "no-mechanism": "the connection is not encrypted; check the address given with --server",
    "conflict": "another program logged in under the same full JID; give each a resource of its own",
}
UNREACHED = {
    "decline": "they declined",
    "busy": "they are in another call, or take none there; try again later",
    "timeout": "nobody answered; try again later",
    "gone": "they are offline, or do not show that they are there",
    "cancel": "they cancelled it",
    "expired": "the call had expired",
    "unsupported-applications": "none of theirs does that; `jingle answer` takes calls, `jingle receive` files",
}
TRANSPORT_REASONS = {"connectivity-error", "failed-transport", "unsupported-transports", "security-error"}


@dataclass(frozen=True)
class Explanation:
    """An error as the `error` event and the last lines on stderr tell it."""

    status: Status
    condition: str
    text: str
    advice: str


def explain(error: BaseException, *, online: bool = True) -> Explanation:
    """Say what an error means for the person at the terminal; `online` is whether login had succeeded."""
    match error:
        case SignallingError() if not online or error.condition in LOGIN_CONDITIONS:
            advice = LOGIN_CONDITIONS.get(error.condition, "check the account and the network; -v tells more")
            return Explanation(Status.NO_LOGIN, error.condition, str(error), advice)
        case SignallingError():
            return Explanation(
                Status.NOT_REACHED, error.condition, str(error), "is the address right, and are they online?"
            )
        case SessionEnded():
            return Explanation(ended_status(error.reason), error.reason, str(error), UNREACHED.get(error.reason, ""))
        case TransportFailed():
            advice = "a TURN server helps where networks keep peers apart: --turn turn:USER:PASS@HOST:PORT"
            tried = f" (tried: {', '.join(error.tried)})" if error.tried else ""
            return Explanation(Status.NO_TRANSPORT, error.reason, f"{error.text}{tried}", advice)
        case ApplicationFailed():
            return Explanation(Status.DAMAGED, error.reason, error.text, "")
        case MediaError():
            return Explanation(Status.USAGE, "media-error", str(error), "check the file or device")
        case LocalProtocolError():
            return Explanation(Status.USAGE, error.condition, error.text, "")
        case JingleError():
            return Explanation(Status.UNEXPECTED, "undefined-condition", str(error), "")
        case _:
            text = f"{type(error).__name__}: {error}"
            return Explanation(Status.UNEXPECTED, "internal-server-error", text, "please report this with --trace FILE")


def ended_status(reason: str) -> Status:
    """The exit status of a session that ended with `reason` before it was done."""
    if reason == "success":
        return Status.DONE
    if reason in TRANSPORT_REASONS:
        return Status.NO_TRANSPORT
    if reason in ("media-error", "failed-application"):
        return Status.DAMAGED
    if reason in UNREACHED or reason == "incompatible-parameters":
        return Status.NOT_REACHED
    return Status.UNEXPECTED
