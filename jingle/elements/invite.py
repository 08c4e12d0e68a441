"""XEP-0482: Call Invites (v0.1.0).

Dino adds `id` and `multi` to `<invite/>`; they stay in `extra_attributes`, and ways to join that other XEPs define
(such as Muji's room) in `extra`.
"""

from __future__ import annotations

from .declare import Element, attr, child, children, element, key, shape

NS = "urn:xmpp:call-invites:0"


@element(NS, "jingle")
class JingleWay(Element):
    """The call can be joined as this Jingle session."""

    sid: str = key()
    jid: str | None = attr(default=None)
    """Who will initiate it, where that is not the sender of the invite."""


@element(NS, "external")
class ExternalWay(Element):
    """The call can be joined at this address: a web page, a telephone number."""

    uri: str = attr()


@shape
class Ways(Element):
    """Ways to join a call."""

    jingle: JingleWay | None = child(default=None)
    externals: tuple[ExternalWay, ...] = children(default=())


@element(NS, "invite")
class Invite(Ways):
    """An invitation to a call, in one or more ways (section 2.1)."""

    video: bool | None = attr(default=None)
    audio: bool | None = attr(default=None)

    @property
    def effective_video(self) -> bool:
        """`video`, or what its absence means."""
        return bool(self.video)

    @property
    def effective_audio(self) -> bool:
        """`audio`, or what its absence means."""
        return self.audio is not False


@element(NS, "retract")
class InviteRetract(Element):
    """The invitation is taken back (section 2.2)."""

    id: str = key()


@element(NS, "accept")
class InviteAccept(Ways):
    """The invitation is accepted, in the way it names (section 2.3)."""

    id: str = key()


@element(NS, "reject")
class InviteReject(Element):
    """The invitation is declined (section 2.4)."""

    id: str = key()


@element(NS, "left")
class InviteLeft(Element):
    """The sender has left the call (section 2.5)."""

    id: str = key()
