"""Fuzz one target with atheris: `python -m tests.fuzz.fuzz sdp -max_total_time=60 CORPUS SEEDS...`.

The options are libFuzzer's; what it finds worth keeping goes into CORPUS.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["jingle.sdp", "jingle.elements"]):
    from .targets import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
