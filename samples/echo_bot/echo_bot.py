"""Answer every call, and say back what the caller says."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

import jingle


async def echo(offer: jingle.IncomingCall) -> None:
    back = jingle.Frames()
    async with offer.accept(audio=back) as call:
        print(f"{call.peer} calls", flush=True)
        async for frame in call.audio:
            await back.push(frame)
    print(f"{call.peer} has hung up", flush=True)


async def main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.server.rpartition(":")
    async with jingle.connect(
        arguments.jid,
        arguments.password,
        server=(host, int(port)) if host else None,
        ca_file=arguments.ca_file,
        loopback=bool(host),
    ) as me:
        print(f"{me.jid} is online", flush=True)
        async with asyncio.TaskGroup() as calls:
            async for offer in me.incoming():
                if isinstance(offer, jingle.IncomingCall):
                    calls.create_task(talk(offer))
                else:
                    await offer.decline()


async def talk(offer: jingle.IncomingCall) -> None:
    try:
        await echo(offer)
    except jingle.JingleError as error:
        print(f"the call of {offer.peer} failed: {error}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jid")
    parser.add_argument("password")
    parser.add_argument("--server", default="", help="HOST:PORT, instead of what DNS says")
    parser.add_argument("--ca-file", help="trust this CA for the server")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
