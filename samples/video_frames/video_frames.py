"""Call someone, and look at the pictures that come back as NumPy arrays."""

from __future__ import annotations

import argparse
import asyncio

import numpy as np

import jingle


async def look(call: jingle.Call, count: int) -> None:
    seen = 0
    async for frame in call.video:
        picture = frame.to_ndarray(format="rgb24")
        height, width, _ = picture.shape
        red, green, blue = np.round(picture.mean(axis=(0, 1))).astype(int)
        print(f"{frame.time:.3f} s: {width}x{height}, red {red}, green {green}, blue {blue}", flush=True)
        seen += 1
        if seen == count:
            break


async def main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.server.rpartition(":")
    async with jingle.connect(
        arguments.jid,
        arguments.password,
        server=(host, int(port)) if host else None,
        ca_file=arguments.ca_file,
        loopback=bool(host),
    ) as me:
        async with me.call(arguments.to, audio=jingle.Silence(), media=("audio", "video")) as call:
            await look(call, arguments.frames)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jid")
    parser.add_argument("password")
    parser.add_argument("to", help="who is called")
    parser.add_argument("--frames", type=int, default=25, help="how many pictures to look at")
    parser.add_argument("--server", default="", help="HOST:PORT, instead of what DNS says")
    parser.add_argument("--ca-file", help="trust this CA for the server")
    try:
        asyncio.run(main(parser.parse_args()))
    except jingle.JingleError as error:
        raise SystemExit(f"nothing to see: {error}") from None
