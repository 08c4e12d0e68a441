"""`jingle` as a client without TLS on byte streams has it: not announced, not offered, not understood."""

from __future__ import annotations

import importlib

from jingle.cli.main import main

if __name__ == "__main__":
    # Not by `from jingle.client import connect`, which is the function of that name.
    importlib.import_module("jingle.client.connect").PRECONDITIONS = ()  # type: ignore[attr-defined]
    main()
