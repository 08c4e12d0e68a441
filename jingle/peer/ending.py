"""How sessions end, and the reasons that are told (XEP-0166 section 7.4)."""

from __future__ import annotations

from dataclasses import dataclass

from ..elements.core import Reason, ReasonCondition
from ..errors import LocalProtocolError


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a session ended."""

    reason: str
    """The name of the XEP-0166 section 7.4 reason; `success` where the peer gave none."""

    text: str | None
    by_peer: bool
    seconds: float
    """From connected to ended; 0 where it never connected."""


def told(reason: Reason | None) -> tuple[str | None, str | None]:
    """The name of a reason and what was written with it."""
    return (reason.condition.value, reason.text) if reason is not None else (None, None)


def reason_of(name: str, text: str | None = None) -> Reason:
    """The element for a reason's name.

    Raises:
        LocalProtocolError: XEP-0166 section 7.4 knows no such reason.
    """
    try:
        return Reason(condition=ReasonCondition(name), text=text)
    except ValueError:
        raise LocalProtocolError(f"{name!r} is no reason to end a session with") from None
