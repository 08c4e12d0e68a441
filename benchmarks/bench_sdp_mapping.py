"""How long does an offer take from SDP to Jingle's XML text and back, and is that faster than stanza in Node?

A browser's offer of audio and video of 150 lines: parse, map, serialize, parse the XML, map back, format. The two take
turns in one run. The fastest round trip is the one that nothing else on the machine disturbed; Node's compiler has had
time to warm up by then.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from stanza_bridge import stanza

from jingle import sdp
from jingle.elements.core import Action, Jingle, Role
from jingle.elements.declare import from_string, to_string

OFFER = Path(__file__).parent.parent / "tests" / "sdp" / "cases" / "stanza" / "audio-video.sdp"


def round_trip(text: str) -> str:
    jingle = sdp.to_jingle(sdp.parse(text), role=Role.INITIATOR, action=Action.SESSION_INITIATE, sid="s")
    received = from_string(to_string(jingle))
    assert isinstance(received, Jingle)
    return sdp.format(sdp.from_jingle(received, role=Role.INITIATOR))


def ours(text: str, count: int) -> list[float]:
    """Milliseconds of each of so many round trips."""
    took = []
    for _ in range(count):
        begin = time.perf_counter()
        round_trip(text)
        took.append((time.perf_counter() - begin) * 1000)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--offer", type=Path, default=OFFER)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--count", type=int, default=40, help="round trips in a turn")
    arguments = parser.parse_args()
    text = arguments.offer.read_text().replace("\r\n", "\n")
    mine: list[float] = []
    others: list[float] = []
    with stanza() as other:
        for _ in range(arguments.rounds):
            mine += ours(text, arguments.count)
            if other is not None:
                others += other.ask(sdp=text.replace("\n", "\r\n"), count=arguments.count)["milliseconds"]
    trips = arguments.rounds * arguments.count
    print(f"{arguments.offer.name}, {text.count(chr(10))} lines, {trips} round trips each, milliseconds:")
    print(f"jingle.sdp: fastest {min(mine):.2f}, median {statistics.median(mine):.2f}")
    if others:
        print(f"stanza:     fastest {min(others):.2f}, median {statistics.median(others):.2f}")
        print(f"ratio:      fastest {min(mine) / min(others):.2f}, median {ratio(mine, others):.2f}")


def ratio(mine: list[float], others: list[float]) -> float:
    return statistics.median(mine) / statistics.median(others)


if __name__ == "__main__":
    main()
