"""A slixmpp bot that calls back: send it `call`, and it calls you and plays a tone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
from typing import Any

import slixmpp

import jingle
import jingle.plugin


class Bot(slixmpp.ClientXMPP):
    def __init__(self, jid: str, password: str, *, loopback: bool, context: ssl.SSLContext) -> None:
        super().__init__(jid, password, ssl_context=context)
        self.register_plugin("xep_0166", {"loopback": loopback}, module=jingle.plugin)
        self.add_event_handler("session_start", self.started)
        self.add_event_handler("message", self.heard)

    async def started(self, _: Any) -> None:
        self.send_presence()
        await self.get_roster()
        print(f"{self.boundjid} is online", flush=True)

    async def heard(self, message: slixmpp.Message) -> None:
        if message["type"] not in ("chat", "normal") or not message["body"]:
            return
        if message["body"].strip() == "call":
            await self.call(message["from"])
        else:
            message.reply("Say 'call', and I call you.").send()

    async def call(self, to: slixmpp.JID) -> None:
        peer: jingle.Peer = self["xep_0166"].peer
        try:
            async with peer.call(to.full, audio=jingle.Tone(440)) as call:
                ending = await call.wait(10)
            text = "Goodbye." if ending is None else f"You have hung up: {ending.reason}."
        except jingle.JingleError as error:
            text = f"I could not call you: {error}"
        self.send_message(to, text, mtype="chat")


async def main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.server.rpartition(":")
    context = ssl.create_default_context(cafile=arguments.ca_file)
    bot = Bot(arguments.jid, arguments.password, loopback=bool(host), context=context)
    bot.enable_direct_tls = not host
    bot.connect(*((host, int(port)) if host else ()))
    await bot.disconnected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jid")
    parser.add_argument("password")
    parser.add_argument("--server", default="", help="HOST:PORT, instead of what DNS says")
    parser.add_argument("--ca-file", help="trust this CA for the server")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
