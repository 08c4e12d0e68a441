"""RFC 7622: the parts of an address, as far as a server for one domain needs them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ..errors import RemoteProtocolError

# Section 3.3.1 excludes these from the local part; controls and spaces are excluded by PRECIS.
_LOCAL = re.compile(r"""[^\s"&'/:<>@\x00-\x1f\x7f]{1,1023}""")
_DOMAIN = re.compile(r"""[^\s"&'/<>@\x00-\x1f\x7f]{1,1023}""")
_RESOURCE = re.compile(r"""[^\x00-\x1f\x7f]{1,1023}""")


class Jid(NamedTuple):
    """An address in parts; `""` for a part that is missing."""

    local: str
    domain: str
    resource: str

    @property
    def bare(self) -> str:
        """Without the resource."""
        return f"{self.local}@{self.domain}" if self.local else self.domain


def parse_jid(text: str) -> Jid:
    """Take an address apart; case is folded where it does not matter.

    PRECIS is approximated by lower case: enough for one machine, not for the open network.

    Raises:
        RemoteProtocolError: It is not an address (`jid-malformed`).
    """
    if len(text) > 3071:  # checked before the cache, which must not keep megabytes
        raise RemoteProtocolError("the address is too long", condition="jid-malformed")
    return _parse(text)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Jid:
    bare, slash, resource = text.partition("/")
    local, at, domain = bare.rpartition("@")
    domain = domain.removesuffix(".")
    if (
        (at and not _LOCAL.fullmatch(local))
        or not _DOMAIN.fullmatch(domain)
        or (slash and not _RESOURCE.fullmatch(resource))
    ):
        raise RemoteProtocolError(f"not an address: {text[:80]!r}", condition="jid-malformed")
    return Jid(local.lower(), domain.lower(), resource)
