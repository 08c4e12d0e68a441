"""`jingle` as a client without TLS on byte streams has it: not announced, not offered, not understood."""

from __future__ import annotations

from jingle.cli.main import main
from jingle.client import connect

if __name__ == "__main__":
    connect.PRECONDITIONS = ()  # type: ignore[attr-defined]
    main()
