"""What does stanza lose of the same descriptions that come back from our mapping as they were?

Counts the lines of the cases that a round trip through Jingle does not bring back, by their attribute. Lines that only
say what goes without saying are not counted, nor is the order of lines.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench_sdp_mapping import round_trip
from stanza_bridge import stanza

from tests.sdp.cases import meaning, texts


def lost(before: str, after: str) -> Counter[str]:
    """The lines that are missing, by what stands before the colon."""
    gone: Counter[str] = Counter()
    sections = meaning(after)
    for number, (first, lines) in enumerate(meaning(before)):
        there = sections[number] if number < len(sections) else ("", Counter[str]())
        if first != there[0]:
            gone[first[:2]] += 1
        for line, count in (lines - there[1]).items():
            gone[re.split("[: ]", line)[0] if line.startswith("a=") else line[:2]] += count
    return gone


def main() -> None:
    total, mine, others, failed = 0, Counter[str](), Counter[str](), 0
    with stanza() as other:
        for name, text in texts():
            if "/" in name and name.split("/")[0] not in ("aiortc", "chromium", "stanza", "made"):
                continue
            total += len(text.split("\n"))
            mine += lost(text, round_trip(text))
            if other is not None:
                answer = other.ask(sdp=text.strip().replace("\r", "").replace("\n", "\r\n") + "\r\n")
                if "error" in answer:
                    failed += 1
                else:
                    others += lost(text, answer["sdp"])
    print(f"{total} lines; lost by jingle.sdp: {sum(mine.values())}")
    print(f"lost by stanza: {sum(others.values())}, and it refuses {failed} descriptions altogether")
    for name, count in others.most_common():
        print(f"  {count:4} {name}")


if __name__ == "__main__":
    main()
