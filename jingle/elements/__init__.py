"""What is on the wire: frozen typed models of XML elements, one module per XEP family, no behaviour.

Importing the package registers every model, so what `declare.parse` makes of an element never depends on who
imported what before.
"""

from . import core, ice_udp, initiation, rtp, services

__all__ = ["core", "ice_udp", "initiation", "rtp", "services"]
