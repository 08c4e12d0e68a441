"""The cameras of this machine, as Linux lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SYSTEM = Path("/sys/class/video4linux")


@dataclass(frozen=True, kw_only=True)
class ListedCamera:
    """One camera."""

    path: str
    """Its file, which `Camera` takes."""

    name: str


def list_cameras(system: Path = SYSTEM) -> list[ListedCamera]:
    """The devices that may give pictures, in the order of their numbers; empty where there is none, or no Linux.

    A camera often has a second one for what it says about its pictures: of those of one name the first is listed.
    """
    found: dict[str, ListedCamera] = {}
    for folder in sorted(system.glob("video[0-9]*"), key=lambda folder: int(folder.name.removeprefix("video"))):
        try:
            name = (folder / "name").read_text("utf-8", "replace").strip()
        except OSError:
            name = folder.name
        found.setdefault(name, ListedCamera(path=f"/dev/{folder.name}", name=name))
    return list(found.values())
