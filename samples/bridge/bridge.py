"""Call two people, and let them talk to each other."""

from __future__ import annotations

import argparse
import asyncio

import jingle


async def main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.server.rpartition(":")
    async with jingle.connect(
        arguments.jid,
        arguments.password,
        server=(host, int(port)) if host else None,
        ca_file=arguments.ca_file,
        loopback=bool(host),
    ) as me:
        print(f"calling {arguments.first}", flush=True)
        async with me.call(arguments.first, audio=jingle.Tone(440)) as first:  # so that they know somebody is there
            print(f"calling {arguments.second}", flush=True)
            async with me.call(arguments.second, audio=jingle.Silence()) as second:
                async with first.bridge(second) as bridge:
                    print("they talk", flush=True)
                    ends = [asyncio.ensure_future(call.wait(arguments.seconds)) for call in (first, second)]
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                    for end in ends:
                        end.cancel()
                encoded = ", ".join(bridge.encoded) or "nothing"
                print(f"{bridge.packets} packets passed through, {encoded} encoded again", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jid")
    parser.add_argument("password")
    parser.add_argument("first", help="who is called first")
    parser.add_argument("second", help="and then")
    parser.add_argument("--seconds", type=float, help="part them after so long")
    parser.add_argument("--server", default="", help="HOST:PORT, instead of what DNS says")
    parser.add_argument("--ca-file", help="trust this CA for the server")
    try:
        asyncio.run(main(parser.parse_args()))
    except jingle.JingleError as error:
        raise SystemExit(f"nobody to talk to: {error}") from None
