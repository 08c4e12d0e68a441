"""Two kinds of clients for the loopback server: slixmpp, and one that writes whatever a test wants on the wire."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from typing import Any, Literal, cast

import scramp
from slixmpp import JID, ClientXMPP

from jingle.demo import LoopbackServer

HEADER = b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
SASL = b"urn:ietf:params:xml:ns:xmpp-sasl"
PATIENCE = 5


class Client(ClientXMPP):
    """slixmpp as an application uses it; what arrives is queued for the test to take."""

    def __init__(self, server: LoopbackServer, jid: str, password: str = "secret") -> None:
        # With a context of its own slixmpp does not read the whole system's certificates, which takes 0.1 s.
        super().__init__(jid, password, ssl_context=ssl.create_default_context(cafile=server.ca_file))
        self.loopback = server
        self.enable_direct_tls = False
        self.happened: dict[str, asyncio.Queue[Any]] = {}
        for name in ("session_start", "failed_all_auth", "message", "disconnected", "ssl_invalid_chain"):
            self.queue(name)
        for plugin in ("xep_0030", "xep_0198", "xep_0199", "xep_0280"):
            self.register_plugin(plugin)

    def queue(self, event: str) -> None:
        self.happened[event] = asyncio.Queue()
        self.add_event_handler(event, self.happened[event].put_nowait)

    async def take(self, event: str) -> Any:
        if event not in self.happened:
            self.queue(event)
        return await asyncio.wait_for(self.happened[event].get(), PATIENCE)

    def dial(self) -> None:
        self.connect(self.loopback.host, self.loopback.port)

    async def go_online(self, *, presence: bool = True, priority: int = 0) -> Client:
        self.dial()
        await self.take("session_start")
        await self.get_roster()
        if presence:
            self.queue("presence_available")
            self.send_presence(ppriority=priority)
            while (await self.take("presence_available"))["from"] != self.boundjid:
                pass
        return self

    def write_to(self, jid: str, body: str, type_: Literal["chat", "normal"] = "normal") -> None:
        self.send_message(JID(jid), body, mtype=type_)

    async def ping(self, jid: str = "localhost") -> float:
        seconds: float = await self.plugin["xep_0199"].ping(JID(jid))
        return seconds

    async def info(self, jid: str, node: str | None = None) -> Any:
        return await self.plugin["xep_0030"].get_info(JID(jid), node)

    async def hang_up(self) -> None:
        self.cancel_connection_attempt()
        if self.transport is not None:
            await self.disconnect()
        filters = self._run_out_filters
        if filters is not None:
            filters.cancel()
            await asyncio.wait([filters])


class Wire:
    """A connection that sends bytes as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, server: LoopbackServer, *, receive_buffer: int | None = None) -> Wire:
        """Connect; with a small `receive_buffer` a client that does not read is soon felt by the server."""
        connection = socket.socket()
        if receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (server.host, server.port))
        return cls(*await asyncio.open_connection(sock=connection, limit=1 << 24))

    def read_nothing(self) -> None:
        self._transport.pause_reading()

    def read_again(self) -> None:
        self._transport.resume_reading()

    @property
    def _transport(self) -> asyncio.Transport:
        return cast(asyncio.Transport, self.writer.transport)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def until(self, token: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(token), PATIENCE)

    async def rest(self) -> bytes:
        """All that still comes until the server has closed."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def open(self) -> bytes:
        self.send(HEADER)
        return await self.until(b"</stream:features>")

    async def start_tls(self, server: LoopbackServer, *, version: ssl.TLSVersion | None = None) -> bytes:
        """Open, secure, open again; returns the features that are offered then."""
        await self.open()
        self.send(STARTTLS)
        await self.until(b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        context = ssl.create_default_context(cafile=server.ca_file)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        await self.writer.start_tls(context, server_hostname="localhost")
        return await self.open()

    async def authenticate(self, user: str, password: str = "secret", mechanism: str = "SCRAM-SHA-256") -> bytes:
        """Returns `<success/>` or `<failure/>`."""
        binding = None
        if mechanism.endswith("-PLUS"):
            tls = self.writer.get_extra_info("ssl_object")
            binding = ("tls-unique", tls.get_channel_binding("tls-unique"))
        client = scramp.ScramClient([mechanism], user, password, channel_binding=binding)
        first = base64.b64encode(client.get_client_first().encode())
        self.send(b"<auth xmlns='%b' mechanism='%b'>%b</auth>" % (SASL, mechanism.encode(), first))
        challenge = await self.until(b"</challenge>")
        client.set_server_first(base64.b64decode(challenge.split(b">")[1].split(b"<")[0]).decode())
        final = base64.b64encode(client.get_client_final().encode())
        self.send(b"<response xmlns='%b'>%b</response>" % (SASL, final))
        answer = await self.until(b">")
        answer += await self.until(b"</failure>" if answer.startswith(b"<failure") else b"</success>")
        if answer.startswith(b"<success"):
            client.set_server_final(base64.b64decode(answer.split(b">")[1].split(b"<")[0]).decode())
        return answer

    async def bind(self, resource: str) -> bytes:
        iq = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>"
        self.send((iq % resource).encode())
        return await self.until(b"</iq>")

    async def log_in(self, server: LoopbackServer, user: str, resource: str | None = "raw") -> Wire:
        await self.start_tls(server)
        assert (await self.authenticate(user)).startswith(b"<success")
        await self.open()
        if resource is not None:
            assert b"</jid>" in await self.bind(resource)
        return self

    def cut(self) -> None:
        self._transport.abort()

    async def aclose(self) -> None:
        self.cut()
        try:
            await self.writer.wait_closed()
        except (OSError, ssl.SSLError):
            return  # it was cut, after all
