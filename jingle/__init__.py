"""Voice, video and file transfer over XMPP with Jingle.

async with jingle.connect("alice@example.org", "secret") as me:
    async with me.call("bob@example.org", audio=jingle.File("hello.ogg")) as call:
        await call.record("bob.wav")
"""

from .client import (
    DEFAULT_TRANSPORTS,
    Call,
    Ending,
    Event,
    File,
    FileResult,
    Frames,
    IncomingCall,
    IncomingFile,
    Microphone,
    Opening,
    Peer,
    Silence,
    Sink,
    Source,
    Speaker,
    Tone,
    Transfer,
    Transfers,
    connect,
    parse_ice_server,
)
from .errors import (
    ApplicationFailed,
    JingleError,
    LocalProtocolError,
    MediaError,
    ProtocolError,
    RemoteProtocolError,
    SessionEnded,
    SignallingError,
    TransportFailed,
)

__all__ = [
    "DEFAULT_TRANSPORTS",
    "ApplicationFailed",
    "Call",
    "Ending",
    "Event",
    "File",
    "FileResult",
    "Frames",
    "IncomingCall",
    "IncomingFile",
    "JingleError",
    "LocalProtocolError",
    "MediaError",
    "Microphone",
    "Opening",
    "Peer",
    "ProtocolError",
    "RemoteProtocolError",
    "SessionEnded",
    "SignallingError",
    "Silence",
    "Sink",
    "Source",
    "Speaker",
    "Tone",
    "Transfer",
    "Transfers",
    "TransportFailed",
    "connect",
    "parse_ice_server",
]
