"""A small XMPP server in the process, and what the demo makes of a call: a stanza ladder, a picture, a number."""

from .limits import Limits
from .server import LoopbackServer

__all__ = ["Limits", "LoopbackServer"]
