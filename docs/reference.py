"""Write the reference of the public API as HTML, from its docstrings: `python docs/reference.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc

import jingle

MODULES = ("jingle", "jingle.plugin", "jingle.sdp")
"""What programs import."""


def main(folder: Path) -> None:
    """Write the pages."""
    # pdoc looks into the namespace of the module, where nothing stands until it is first asked for.
    vars(jingle).update({name: getattr(jingle, name) for name in jingle.__all__})
    pdoc.render.configure(docformat="google")
    pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    print(f"the reference is in {sys.argv[1]}/index.html")
