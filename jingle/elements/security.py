"""XMPP Transport Layer Security (ProtoXEP, v0.0.4): the security precondition of a Jingle content.

Deviation: `algo` says which hash made the fingerprint, which the draft leaves open; without it both sides have to
know.
"""

from __future__ import annotations

from .declare import Element, attr, child, children, element, text

NS = "urn:xmpp:jingle:security:xtls:0"


@element(NS, "fingerprint")
class CertificateFingerprint(Element):
    """The hash of the certificate that TLS will show."""

    algo: str | None = attr(default=None)
    """`sha-256`, ..."""

    value: str = text()

    @property
    def digest(self) -> str:
        """`value` in capitals and without white space and colons, so that two spellings compare equal."""
        return "".join(self.value.split()).replace(":", "").upper()


@element(NS, "method")
class SecurityMethod(Element):
    """A way to authenticate the TLS handshake."""

    name: str = attr()
    """`x509`, `srp`."""


@element(NS, "security")
class XtlsSecurity(Element):
    """TLS on the transport of a content."""

    fingerprint: CertificateFingerprint | None = child(default=None)
    methods: tuple[SecurityMethod, ...] = children(default=())
