"""The public face: `connect()`, `Peer`, calls, and where their sound comes from and goes."""

from ..applications.file_transfer.transfer import FileResult
from ..applications.rtp.history import Sample
from ..applications.rtp.stats import MediaStats
from ..media.base import Sink, Source
from ..media.devices import Microphone, Speaker
from ..media.files import File
from ..media.grabbing import Camera, Screen
from ..media.sources import Frames
from ..media.synthetic import Silence, Tone
from ..media.test_card import TestCard
from ..peer.ending import Ending
from ..peer.events import Event
from .bridge import Bridge
from .call import Call
from .changes import AddedMedia
from .connect import DEFAULT_TRANSPORTS, RelayOnly, connect
from .ice_servers import parse_ice_server
from .incoming import IncomingCall
from .opening import Opening
from .peer import Offer, Peer
from .receiving import IncomingFile, IncomingRequest
from .sending import MAX_FILES
from .thumbnails import Thumbnail
from .transfer import Transfer, Transfers

__all__ = [
    "DEFAULT_TRANSPORTS",
    "MAX_FILES",
    "AddedMedia",
    "Bridge",
    "Call",
    "Camera",
    "Ending",
    "Event",
    "File",
    "FileResult",
    "Frames",
    "IncomingCall",
    "IncomingFile",
    "IncomingRequest",
    "MediaStats",
    "Microphone",
    "Offer",
    "Opening",
    "Peer",
    "RelayOnly",
    "Sample",
    "Screen",
    "Silence",
    "Sink",
    "Source",
    "TestCard",
    "Speaker",
    "Thumbnail",
    "Tone",
    "Transfer",
    "Transfers",
    "connect",
    "parse_ice_server",
]
