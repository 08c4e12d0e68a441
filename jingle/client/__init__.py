"""The public face: `connect()`, `Peer`, calls, and where their sound comes from and goes."""

from ..media.base import Sink, Source
from ..media.devices import Microphone, Speaker
from ..media.sources import File, Frames
from ..media.synthetic import Silence, Tone
from ..peer.events import Event
from ..peer.live import Ending
from .call import Call
from .connect import DEFAULT_TRANSPORTS, connect
from .ice_servers import parse_ice_server
from .incoming import IncomingCall
from .opening import Opening
from .peer import Peer

__all__ = [
    "DEFAULT_TRANSPORTS",
    "Call",
    "Ending",
    "Event",
    "File",
    "Frames",
    "IncomingCall",
    "Microphone",
    "Opening",
    "Peer",
    "Silence",
    "Sink",
    "Source",
    "Speaker",
    "Tone",
    "connect",
    "parse_ice_server",
]
