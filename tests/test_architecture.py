"""The import rule of the package: arrows point down, and siblings of layer 3 meet only in `transports.base`.

Checked from the source by walking the AST of every module, imports inside functions included.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "jingle"

BELOW_PEER = ("errors", "elements", "sdp", "session", "transports", "media", "applications", "signalling")
LAYER_4 = (*BELOW_PEER, "peer", "client", "testing")

# Package or module -> what of jingle it may import; "transports.base" allows that module only.
ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "elements": ("errors",),
    "sdp": ("errors", "elements"),
    "session": ("errors", "elements"),
    "transports": ("errors", "elements"),
    "media": ("errors",),
    "applications": ("errors", "elements", "sdp", "media", "transports.base"),
    "signalling": ("errors", "elements", "transports.base"),
    "peer": BELOW_PEER,
    "client": (*BELOW_PEER, "peer"),
    "testing": (*BELOW_PEER, "peer", "client"),
    "demo": ("errors", "elements"),
    "plugin": LAYER_4,
    "cli": (*LAYER_4, "demo"),
    "__init__": (*LAYER_4,),
    "__main__": ("cli",),
}
# Third party -> the layers that may import it; anything not named here is free for all but the pure layers.
OUTSIDE: dict[str, set[str]] = {
    "slixmpp": {"signalling", "component", "plugin"},
    "aioice": {"transports"},
    "av": {"media", "demo"},
    "aiortc": {"transports", "media", "applications"},
    "pylibsrtp": {"transports"},
    "OpenSSL": {"transports"},
    "numpy": {"media", "demo"},
    "click": {"cli"},
    "rich": {"cli"},
    "scramp": {"demo"},
    "cryptography": {"demo", "transports"},
    "sounddevice": {"media"},
}
PURE = {"errors", "elements", "sdp", "session"}
NOT_PURE = {"asyncio", "time", "datetime", "random", "secrets", "uuid", "socket", "threading", "os"}


def imported(path: Path) -> set[str]:
    here, names = ("jingle", *path.relative_to(ROOT).parts[:-1]), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def breaches(path: Path) -> list[str]:
    layer = path.relative_to(ROOT).with_suffix("").parts[0]
    if layer not in ALLOWED:
        return [f"{path.relative_to(ROOT)}: no rule for {layer!r}"]
    found = []
    for name in sorted(imported(path)):
        top, _, rest = name.partition(".")
        if top == "jingle":
            ok = rest == "" or any(f"{rest}.".startswith(f"{allowed}.") for allowed in (layer, *ALLOWED[layer]))
        else:
            ok = layer in OUTSIDE.get(top, {layer}) and not (top in NOT_PURE and layer in PURE)
        if not ok:
            found.append(f"{path.relative_to(ROOT)} imports {name}")
    return found


def test_imports_point_down() -> None:
    modules = list(ROOT.rglob("*.py"))
    assert len(modules) > 5
    assert [breach for path in modules for breach in breaches(path)] == []


def test_the_shapes_of_transports_are_one_module_to_everybody_else() -> None:
    """How `transports.base` is laid out inside is nobody's concern."""
    base = ROOT / "transports" / "base"
    inside = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in ROOT.rglob("*.py")
        if base not in path.parents
        for name in imported(path)
        if name.removeprefix("jingle.transports.base.").count(".") and name.startswith("jingle.transports.base.")
    ]
    assert inside == []


def test_a_breach_is_seen() -> None:
    """The walker itself: relative, absolute and third-party imports are all caught."""
    probe = ROOT / "elements" / "_probe.py"
    try:
        probe.write_text("from ..session import engine\nimport asyncio\nfrom jingle.media import sources\nimport av\n")
        assert len(breaches(probe)) == 4
    finally:
        probe.unlink()
