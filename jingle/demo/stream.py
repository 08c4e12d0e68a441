"""RFC 6120: one client's connection, from the TCP handshake to the bound session and to its end.

The order is fixed: stream, STARTTLS, stream, SASL, stream, then resource binding or XEP-0198 resumption.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from xml.etree import ElementTree as ET

from ..errors import RemoteProtocolError
from . import management, routing, sasl
from .bounded import BoundedConnection, Hub
from .domain import Account
from .framing import Closed, Frame, Header, Refused, Stanza, StreamParser
from .markup import STREAM_ERRORS, STREAM_NAMESPACE, attribute, error_element, payload, reply
from .session import Session

TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
STANZAS = frozenset({"jabber:client}message", "jabber:client}presence", "jabber:client}iq"})


class Connection(BoundedConnection):
    """A client-to-server stream.

    Each step of the negotiation sets `_handle` to what takes the next element; that is the whole state.
    """

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self._domain = hub.domain
        self._handle: Callable[[Stanza], None] = self._before_tls
        self._account: Account | None = None
        self._exchange: sasl.Exchange | None = None
        self._refusals = 0
        self._session: Session | None = None
        self._upgrade: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._greeted = False
        self._parser = self._new_parser()
        self._login_deadline = self._loop.call_later(self._limits.login_seconds, self.close, "connection-timeout")

    # The transport below

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is gone. During a TLS handshake asyncio may say so twice, or never."""
        super().connection_lost(exc)
        self._login_deadline.cancel()
        self._leave()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._upgrade is not None:
            # asyncio hands on what was decrypted before `start_tls` has returned the transport to answer by.
            self._early += data
            return
        if self._closing:
            return
        parser = self._parser
        for frame in parser.feed(data):
            self._take(frame)
            # Whatever came with the last element of a stream that starts anew belongs to neither: a request
            # that was slipped in before TLS must not be answered after it.
            if self._closing or self._parser is not parser:
                return
        self._hold_back()

    def eof_received(self) -> bool:
        """The client will send nothing more; without its closing tag that is a lost connection."""
        return False

    def close(self, condition: str | None = None, text: str | None = None) -> None:
        """Close the stream, with a stream error where a condition is named (RFC 6120 sections 4.4 and 4.9)."""
        if self._closing:
            return
        if self._upgrade is not None or self._transport is None:
            self.abort()
            return
        if not self._greeted:
            self._greet()
        if condition is not None:
            explanation = ""
            if text:
                # Nothing of the client's is quoted back here, so nothing needs escaping.
                explanation = f"<text xmlns='{STREAM_ERRORS}' xml:lang='en'>{text}</text>"
            self.write(f"<stream:error><{condition} xmlns='{STREAM_ERRORS}'/>{explanation}</stream:error>".encode())
        self.write(b"</stream:stream>")
        self._finish()

    def abort(self) -> None:
        """Cut the connection."""
        super().abort()
        if self._upgrade is not None:
            self._upgrade.cancel()
            self.connection_lost(None)

    def _postscript(self) -> list[bytes]:
        state = self._session.management if self._session is not None else None
        if state is None or not state.waiting:
            return []
        state.requested = True
        return [management.REQUEST]

    # Frames

    def _new_parser(self) -> StreamParser:
        logged_in = self._account is not None
        limit = self._limits.stanza_bytes if logged_in else self._limits.greeting_bytes
        return StreamParser(limit=limit, depth=self._limits.depth)

    def _take(self, frame: Frame) -> None:
        match frame:
            case Stanza():
                self._handle(frame)
            case Header():
                self._open(frame)
            case Closed():
                self._end()
            case Refused(condition, text):
                self.close(condition, text if condition == "policy-violation" else None)

    def _end(self) -> None:
        """The client said goodbye, so its session is over and cannot be resumed."""
        self._leave(lost=False)
        self.close()

    def _leave(self, *, lost: bool = True) -> None:
        session, self._session = self._session, None
        if session is None or session.wire is not self:
            return
        if lost:
            self._domain.detach(session)
        else:
            session.wire = None
            self._domain.end(session, lost=False)

    def _greet(self) -> None:
        self._greeted = True
        self.write(
            f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAM_NAMESPACE}'"
            f"{attribute('from', self._domain.name)} id='{secrets.token_hex(12)}' version='1.0' xml:lang='en'>".encode()
        )

    def _open(self, header: Header) -> None:
        self._greet()
        to = header.attributes.get("to", self._domain.name)
        if header.namespace != "jabber:client":
            self.close("invalid-namespace")
        elif header.attributes.get("version", "").partition(".")[0] != "1":
            self.close("unsupported-version")
        elif to.lower() != self._domain.name:
            self.close("host-unknown")
        else:
            self.write(f"<stream:features>{self._features()}</stream:features>".encode())

    def _features(self) -> str:
        if self._account is not None:
            sm = f"<sm xmlns='{management.NAMESPACE}'/>"
            session = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"
            return f"<bind xmlns='{BIND}'/>{session}{sm}"
        if self._handle == self._before_login:
            offered = "".join(f"<mechanism>{name}</mechanism>" for name in sasl.mechanisms(self._tls_unique()))
            return f"<mechanisms xmlns='{sasl.NAMESPACE}'>{offered}</mechanisms>"
        return f"<starttls xmlns='{TLS}'><required/></starttls>"

    # STARTTLS (RFC 6120 section 5)

    def _before_tls(self, stanza: Stanza) -> None:
        if stanza.tag != f"{TLS}}}starttls":
            self.close("policy-violation", "TLS comes first")
            return
        transport = self._transport
        assert transport is not None  # a frame was read from it
        transport.pause_reading()
        self.write(f"<proceed xmlns='{TLS}'/>".encode())
        self._flush()
        self._parser = self._new_parser()
        self._upgrade = self._hub.spawn(self._start_tls(transport))

    async def _start_tls(self, transport: asyncio.Transport) -> None:
        try:
            secured = await self._loop.start_tls(
                transport,
                self,
                self._hub.tls,
                server_side=True,
                ssl_handshake_timeout=self._limits.login_seconds,
                ssl_shutdown_timeout=self._limits.closing_seconds,
            )
        except OSError:
            secured = None  # they did not like the certificate, or speak no TLS: there is nobody left to tell
        finally:
            self._upgrade = None
        if secured is None:
            transport.abort()
            self.connection_lost(None)
            return
        self._transport, self._tcp = secured, transport
        secured.set_write_buffer_limits(high=self._limits.backlog_bytes)
        self._handle, self._greeted = self._before_login, False
        early, self._early = bytes(self._early), bytearray()
        if early:
            self.data_received(early)

    # SASL (RFC 6120 section 6)

    def _tls_unique(self) -> bytes | None:
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        # TLS 1.3 has no `tls-unique` (RFC 9266), though OpenSSL hands out bytes for it.
        return tls.get_channel_binding("tls-unique") if tls is not None and tls.version() == "TLSv1.2" else None

    def _before_login(self, stanza: Stanza) -> None:
        namespace, _, name = stanza.tag.partition("}")
        if namespace != sasl.NAMESPACE:
            self.close("not-authorized")
            return
        try:
            self._sasl_step(name, stanza)
        except RemoteProtocolError as error:
            self._exchange = None
            self._refusals += 1
            self.write(f"<failure xmlns='{sasl.NAMESPACE}'><{error.condition}/></failure>".encode())
            if self._refusals >= self._limits.login_attempts:
                self.close("policy-violation", "too many refused logins")

    def _sasl_step(self, name: str, stanza: Stanza) -> None:
        if name == "auth":
            mechanism = stanza.attributes.get("mechanism", "")
            self._exchange = sasl.Exchange(mechanism, self._credentials, self._tls_unique())
            if not stanza.inner:
                # The initial response is optional (section 6.4.2); without it the server asks for it.
                self.write(f"<challenge xmlns='{sasl.NAMESPACE}'/>".encode())
                return
        elif name == "abort":
            raise RemoteProtocolError("as they wish", condition="aborted")
        elif name != "response" or self._exchange is None:
            raise RemoteProtocolError("out of order", condition="malformed-request")
        answer = self._exchange.respond(stanza.inner)
        if self._exchange.username is None:
            self.write(f"<challenge xmlns='{sasl.NAMESPACE}'>{answer}</challenge>".encode())
            return
        self._account = self._domain.accounts[self._exchange.username.lower()]
        self._exchange = None
        self.write(f"<success xmlns='{sasl.NAMESPACE}'>{answer}</success>".encode())
        self._parser = self._new_parser()
        self._handle, self._greeted = self._before_session, False

    def _credentials(self, username: str) -> Mapping[str, sasl.Credentials] | None:
        account = self._domain.accounts.get(username.lower())
        return account.credentials if account is not None else None

    # Binding and resumption (RFC 6120 section 7, XEP-0198 section 5)

    def _before_session(self, stanza: Stanza) -> None:
        if stanza.tag == f"{management.NAMESPACE}}}resume":
            self._resume(stanza)
        elif stanza.tag == f"{management.NAMESPACE}}}enable":
            self.write(management.failed("unexpected-request"))
        elif stanza.tag == "jabber:client}iq" and stanza.type == "set" and stanza.children == [f"{BIND}}}bind"]:
            self._bind(stanza)
        else:
            self.close("not-authorized", "bind a resource first")

    def _bind(self, stanza: Stanza) -> None:
        assert self._account is not None  # this step comes after login
        id_ = stanza.attributes.get("id", "")
        wanted = stanza.element()[0].findtext(f"{{{BIND}}}resource")
        try:
            session = self._domain.bind(self._account, wanted, self)
        except RemoteProtocolError as error:
            content = error_element(error.condition, error.text)
            self.write(reply("iq", "error", id_=id_, sender=None, to=None, content=content))
            return
        bound = payload("bind", BIND)
        ET.SubElement(bound, "jid").text = session.jid
        self.write(reply("iq", "result", id_=id_, sender=None, to=None, content=bound))
        self._enter(session)

    def _resume(self, stanza: Stanza) -> None:
        session = self._domain.resumable.get(stanza.attributes.get("previd", ""))
        if session is None or session.account is not self._account or session.management is None:
            self.write(management.failed("item-not-found"))
            return
        try:
            session.management.acknowledge(stanza.attributes.get("h"))
        except RemoteProtocolError:
            self.write(management.failed("bad-request"))
            return
        self._domain.attach(session, self)
        self.write(management.resumed(session.management))
        for sent in session.management.unacked:
            self.write(sent.data)
        self._enter(session)

    def _enter(self, session: Session) -> None:
        self._session, self._handle = session, self._in_session
        self._login_deadline.cancel()

    # The session

    def _in_session(self, stanza: Stanza) -> None:
        session = self._session
        if session is None:
            return
        if stanza.tag in STANZAS:
            if session.management is not None:
                session.management.count()
            routing.route(self._domain, session, stanza)
        elif stanza.tag.startswith(management.NAMESPACE):
            self._manage(session, stanza)
        else:
            self.close("unsupported-stanza-type")

    def _manage(self, session: Session, stanza: Stanza) -> None:
        state = session.management
        if stanza.name == "enable":
            if state is not None:
                self.write(management.failed("unexpected-request"))
                return
            state = self._domain.manage(session, resume=stanza.attributes.get("resume") in ("true", "1"))
            self.write(management.enabled(state, self._limits.resume_seconds))
        elif state is None:
            self.write(management.failed("unexpected-request"))
        elif stanza.name == "r":
            self.write(state.answer())
        elif stanza.name == "a":
            try:
                state.acknowledge(stanza.attributes.get("h"))
            except RemoteProtocolError:
                self.close("undefined-condition", "acknowledged what was never sent")
                return
            if state.waiting:
                self._plan_flush()  # which asks again
