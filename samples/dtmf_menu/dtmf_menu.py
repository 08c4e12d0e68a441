"""A menu for the telephone: 1 plays a low tone, 2 a high one, # says goodbye."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections import defaultdict

import jingle

TONES = {"1": 440, "2": 880}

keys: defaultdict[str, asyncio.Queue[str]] = defaultdict(asyncio.Queue)
"""What the callers press, by the id of the call."""


def happened(event: jingle.Event) -> None:
    if event.name == "dtmf":
        keys[event.fields["sid"]].put_nowait(event.fields["digit"])
    elif event.name == "ended":
        keys[event.fields["sid"]].put_nowait("#")


async def serve(offer: jingle.IncomingCall) -> None:
    async with offer.accept(audio=jingle.Silence()) as call:
        print(f"{call.peer} calls", flush=True)
        while (key := await keys[call.sid].get()) != "#":
            print(f"{call.peer} presses {key}", flush=True)
            if key in TONES:
                await call.play(jingle.Tone(TONES[key]))
    print(f"{call.peer} is gone", flush=True)


async def talk(offer: jingle.IncomingCall) -> None:
    try:
        await serve(offer)
    except jingle.JingleError as error:
        print(f"the call of {offer.peer} ended: {error}", flush=True)
    finally:
        keys.pop(offer.sid, None)


async def main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.server.rpartition(":")
    async with jingle.connect(
        arguments.jid,
        arguments.password,
        server=(host, int(port)) if host else None,
        ca_file=arguments.ca_file,
        loopback=bool(host),
        on_event=happened,
    ) as me:
        print(f"{me.jid} is online", flush=True)
        async with asyncio.TaskGroup() as calls:
            async for offer in me.incoming():
                if isinstance(offer, jingle.IncomingCall):
                    calls.create_task(talk(offer))
                else:
                    await offer.decline()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jid")
    parser.add_argument("password")
    parser.add_argument("--server", default="", help="HOST:PORT, instead of what DNS says")
    parser.add_argument("--ca-file", help="trust this CA for the server")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
