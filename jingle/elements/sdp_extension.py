"""What SDP says (RFC 8866) and neither a XEP nor any deployed client has an element for; a namespace of our own.

`<session/>` is a child of `<jingle/>`, `<media/>` of `<content/>`, `<extension/>` of `<candidate/>`. All of it may be
ignored: what it holds is either no matter of the media, or implied well enough by the rest.
"""

from __future__ import annotations

from .declare import Element, attr, children, element
from .values import UNSIGNED_SHORT

NS = "urn:jingle-toolkit:sdp:0"


@element(NS, "line")
class SdpLine(Element):
    """A line that is no attribute, such as `i=`."""

    type: str = attr(longest=1)
    value: str = attr()


@element(NS, "attribute")
class SdpAttribute(Element):
    """An attribute, `a=name:value` or `a=name`."""

    name: str = attr()
    value: str | None = attr(default=None)


@element(NS, "session")
class SdpSession(Element):
    """What is said before the first media section."""

    origin: str | None = attr(default=None)
    """The value of `o=`."""

    name: str | None = attr(default=None)
    """The value of `s=`, where it is not `-`."""

    lines: tuple[SdpLine, ...] = children(default=())
    attributes: tuple[SdpAttribute, ...] = children(default=())


@element(NS, "media")
class SdpMedia(Element):
    """What is said in a media section; an absent attribute is what the rest of the content implies."""

    media: str | None = attr(default=None)
    port: int | None = attr(default=None, within=UNSIGNED_SHORT)
    port_count: int | None = attr(default=None, within=UNSIGNED_SHORT)
    profile: str | None = attr(default=None)
    formats: str | None = attr(default=None)
    connection: str | None = attr(default=None)
    """The value of `c=`; empty where the section has none."""

    rtcp: str | None = attr(default=None)
    """The value of `a=rtcp`; empty where the section has none."""

    mid: bool | None = attr(default=None)
    """False where the section has no `a=mid`, and the name of the content was made up."""

    lines: tuple[SdpLine, ...] = children(default=())
    attributes: tuple[SdpAttribute, ...] = children(default=())


@element(NS, "extension")
class CandidateExtension(Element):
    """A name and a value at the end of a candidate line (RFC 8839 section 5.1), such as `network-id 1`."""

    name: str = attr()
    value: str = attr()
