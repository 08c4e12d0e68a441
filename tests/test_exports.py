"""The public names: what programs import, and nothing else."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import jingle

NAMES = {
    # Going online
    *("connect", "Opening", "Peer", "Event", "parse_ice_server", "DEFAULT_TRANSPORTS"),
    # Calls
    *("Call", "AddedMedia", "IncomingCall", "Ending", "Offer", "Bridge"),
    # Sound and pictures
    *("Source", "Sink", "File", "Frames", "Microphone", "Silence", "Speaker", "Tone"),
    *("Camera", "Screen", "TestCard"),
    # Files
    *("IncomingFile", "IncomingRequest", "Transfer", "Transfers", "FileResult", "Thumbnail"),
    # What goes wrong
    *("JingleError", "ProtocolError", "LocalProtocolError", "RemoteProtocolError", "SessionEnded"),
    *("TransportFailed", "ApplicationFailed", "MediaError", "SignallingError"),
}


def test_the_public_names() -> None:
    assert set(jingle.__all__) == NAMES


def test_nothing_else_looks_public() -> None:
    """Modules are there because Python puts them there; everything else in the namespace is in `__all__`."""
    found = {name for name, value in vars(jingle).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert found - {"TYPE_CHECKING", "Any"} <= NAMES
    assert set(dir(jingle)) == NAMES


def test_each_is_there() -> None:
    assert all(getattr(jingle, name) is not None for name in NAMES)
    with pytest.raises(AttributeError, match="nothing_such"):
        getattr(jingle, "nothing_such")  # noqa: B009 - mypy knows that it is not there


def test_what_goes_online_is_imported_when_it_is_needed() -> None:
    """Whoever converts descriptions, or looks at errors, waits for no codec."""
    heavy = "{'av', 'aiortc', 'numpy', 'slixmpp'}"
    program = f"import sys, jingle, jingle.sdp, jingle.cli.convert; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_each_says_what_it_is() -> None:
    undocumented = [name for name in NAMES if inspect.isclass(it := getattr(jingle, name)) and not it.__doc__]
    assert undocumented == []
    assert jingle.__doc__
