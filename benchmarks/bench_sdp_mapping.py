"""How long does an offer take from SDP to Jingle's XML text and back, and is that faster than stanza in Node?

A browser's offer of audio and video of 150 lines: parse, map, serialize, parse the XML, map back, format. The two take
turns in one run. The fastest round trip is the one that nothing else on the machine disturbed; Node's compiler has had
time to warm up by then. Each of our round trips is that of another session: ids, credentials, sources and fingerprints
are new, only what all browsers say in the same words is the same.
"""

from __future__ import annotations

import argparse
import re
import secrets
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


def another(text: str) -> str:
    """The offer as the same browser would make it for the next session."""
    text = re.sub("(?<=a=ice-ufrag:).*", secrets.token_hex(2), text)
    text = re.sub("(?<=a=ice-pwd:).*", secrets.token_hex(12), text)
    text = re.sub("(?<=a=fingerprint:sha-256 ).*", secrets.token_hex(32).upper(), text)
    text = re.sub("(?<=cname:).*", secrets.token_hex(8), text)
    for ssrc in set(re.findall("(?<=a=ssrc:)[0-9]+", text)):
        text = text.replace(ssrc, str(secrets.randbelow(2**32)))
    return re.sub("(?<=^o=)(\\S+) [0-9]+", f"\\1 {secrets.randbelow(2**62)}", text, flags=re.MULTILINE)


def ours(text: str, count: int) -> list[float]:
    """Milliseconds of each of so many round trips."""
    took = []
    for each in [another(text) for _ in range(count)]:
        begin = time.perf_counter()
        round_trip(each)
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
