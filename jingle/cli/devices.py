"""`jingle devices`: the microphones, loudspeakers and cameras of this machine, under the names that options take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from ..client import Event
from ..errors import MediaError
from ..media.cameras import list_cameras
from ..media.devices import list_devices
from .output import Output, printable


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One device as it is printed."""

    kind: str
    name: str
    option: str
    """What to type, to use this one."""

    default: bool = False


@click.command(short_help="List microphones, loudspeakers and cameras.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for every device.")
def devices(as_json: bool) -> None:
    """List microphones, loudspeakers and cameras, with the option that chooses each.

    \b
    Example:
      jingle devices
    """
    found: list[Listed] = []
    looked_for = ["microphone", "loudspeaker", "camera"]
    try:
        found += _sound()
    except MediaError as exc:
        click.echo(f"no sound: {exc}", err=True)
        looked_for = ["camera"]
    found += [Listed(kind="camera", name=each.name, option=f"--video camera:{each.path}") for each in list_cameras()]
    for kind in looked_for:
        if not any(each.kind == kind for each in found):
            click.echo(f"this machine has no {kind}", err=True)
    if as_json:
        output = Output(as_json=True, verbosity=0)
        for each in found:
            output.event(Event(name="device", time=time.time(), fields=asdict(each)))
        return
    width = max((len(each.option) for each in found), default=0)
    for each in found:
        mark = "  (default)" if each.default else ""
        click.echo(f"{each.kind:<12} {each.option:<{width}}  {printable(each.name)}{mark}")


def _sound() -> Iterator[Listed]:
    """Microphones and loudspeakers.

    Raises:
        MediaError: The library for them is not installed.
    """
    for device in list_devices():
        if device.inputs:
            option = f"--play mic:{device.index}"
            yield Listed(kind="microphone", name=device.name, option=option, default=device.is_default_input)
        if device.outputs:
            option = f"--speaker {device.index}"
            yield Listed(kind="loudspeaker", name=device.name, option=option, default=device.is_default_output)
