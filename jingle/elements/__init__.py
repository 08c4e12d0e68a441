"""What is on the wire: frozen typed models of XML elements, one module per XEP family, no behaviour.

Importing the package registers every model, so what `declare.parse` makes of an element never depends on who
imported what before.
"""

from . import (
    bob,
    core,
    disco,
    file_transfer,
    hashes,
    ibb,
    ice_options,
    ice_udp,
    initiation,
    invite,
    messages,
    raw_udp,
    rtp,
    s5b,
    sdp_extension,
    security,
    services,
)

__all__ = [
    "bob",
    "core",
    "disco",
    "file_transfer",
    "hashes",
    "ibb",
    "ice_options",
    "ice_udp",
    "initiation",
    "invite",
    "messages",
    "raw_udp",
    "rtp",
    "s5b",
    "sdp_extension",
    "security",
    "services",
]
