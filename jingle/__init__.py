"""Voice, video and file transfer over XMPP with Jingle.

    async with jingle.connect("alice@example.org", "secret") as me:
        async with me.call("bob@example.org", audio=jingle.File("hello.ogg")) as call:
            await call.record("bob.wav")

`connect` opens a `Peer`, which places and answers calls and sends and receives files.
"""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .client import (
        DEFAULT_TRANSPORTS,
        AddedMedia,
        Bridge,
        Call,
        Camera,
        Ending,
        Event,
        File,
        FileResult,
        Frames,
        IncomingCall,
        IncomingFile,
        IncomingRequest,
        Microphone,
        Offer,
        Opening,
        Peer,
        Screen,
        Silence,
        Sink,
        Source,
        Speaker,
        TestCard,
        Thumbnail,
        Tone,
        Transfer,
        Transfers,
        connect,
        parse_ice_server,
    )

__all__ = [
    "DEFAULT_TRANSPORTS",
    "AddedMedia",
    "ApplicationFailed",
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
    "JingleError",
    "LocalProtocolError",
    "MediaError",
    "Microphone",
    "Offer",
    "Opening",
    "Peer",
    "ProtocolError",
    "RemoteProtocolError",
    "Screen",
    "SessionEnded",
    "SignallingError",
    "Silence",
    "Sink",
    "Source",
    "Speaker",
    "TestCard",
    "Thumbnail",
    "Tone",
    "Transfer",
    "Transfers",
    "TransportFailed",
    "connect",
    "parse_ice_server",
]


def __getattr__(name: str) -> Any:
    """Import what goes online when it is first asked for (PEP 562): codecs and the like take most of a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import client

    return getattr(client, name)


def __dir__() -> list[str]:
    return __all__
