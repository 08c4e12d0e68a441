"""What the fuzzers feed: both parsers and the mapping behind them, which may refuse but never fail in another way."""

from __future__ import annotations

from collections.abc import Callable

from jingle import sdp
from jingle.elements.core import Action, Jingle, Role
from jingle.elements.declare import from_string, to_string
from jingle.errors import RemoteProtocolError, SdpError


def sdp_text(data: bytes) -> None:
    """Read SDP; what can be read can be written, mapped, and mapped back."""
    try:
        description = sdp.parse(data.decode("utf-8", "replace"))
    except SdpError:
        return
    if sdp.parse(sdp.format(description)) != description:
        raise AssertionError("what was written is not what was read")
    try:
        jingle = sdp.to_jingle(description, role=Role.RESPONDER, action=Action.SESSION_ACCEPT, sid="x")
    except RemoteProtocolError:
        return  # an attribute that carries XML carries something else
    received = from_string(to_string(jingle))
    if not isinstance(received, Jingle) or received != jingle:
        raise AssertionError("what was received is not what was sent")
    if any(
        each.name.startswith("jingle-") for section in (description, *description.media) for each in section.attributes
    ):
        return  # it says in two places what may differ
    if sdp.from_jingle(received, role=Role.RESPONDER) != description.resolved():
        raise AssertionError("what came back is not what was said")


def jingle_xml(data: bytes) -> None:
    """Read XML; a session that SDP can carry is written as SDP that can be read."""
    try:
        jingle = from_string(data.decode("utf-8", "replace"))
    except RemoteProtocolError:
        return
    to_string(jingle)
    if not isinstance(jingle, Jingle):
        return
    try:
        description = sdp.from_jingle(jingle, role=Role.INITIATOR)
    except RemoteProtocolError:
        return
    if sdp.parse(sdp.format(description)).resolved() != description.resolved():
        raise AssertionError("what was written is not what was said")


TARGETS: dict[str, Callable[[bytes], None]] = {"sdp": sdp_text, "jingle": jingle_xml}
