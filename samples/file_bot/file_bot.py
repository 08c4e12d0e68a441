"""A slixmpp bot that sends files: `list` tells what there is, `get NAME` sends it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any

import slixmpp

import jingle
import jingle.plugin


class Bot(slixmpp.ClientXMPP):
    def __init__(self, jid: str, password: str, folder: Path, *, loopback: bool, context: ssl.SSLContext) -> None:
        super().__init__(jid, password, ssl_context=context)
        self.folder = folder
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
        files = {path.name: path for path in self.folder.iterdir() if path.is_file()}
        command, _, name = message["body"].strip().partition(" ")
        if command == "get" and name in files:
            await self.give(message["from"], files[name])
        else:
            message.reply(f"Say 'get NAME' for one of: {', '.join(sorted(files))}").send()

    async def give(self, to: slixmpp.JID, path: Path) -> None:
        peer: jingle.Peer = self["xep_0166"].peer
        try:
            result = await (await peer.send_file(to.full, path)).result()
            text = f"{path.name}: {result.size} bytes, sha-256 {result.sha256}"
        except jingle.JingleError as error:
            text = f"{path.name} did not reach you: {error}"
        self.send_message(to, text, mtype="chat")


async def main(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.server.rpartition(":")
    context = ssl.create_default_context(cafile=arguments.ca_file)
    bot = Bot(arguments.jid, arguments.password, arguments.folder, loopback=bool(host), context=context)
    bot.enable_direct_tls = not host
    bot.connect(*((host, int(port)) if host else ()))
    await bot.disconnected


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jid")
    parser.add_argument("password")
    parser.add_argument("folder", type=Path, help="the files to give away")
    parser.add_argument("--server", default="", help="HOST:PORT, instead of what DNS says")
    parser.add_argument("--ca-file", help="trust this CA for the server")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
