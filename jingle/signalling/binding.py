"""slixmpp stanzas to elements and back, for client and component streams (RFC 6120).

Everything above this module speaks `Element`s and JIDs as `str`. A payload that cannot be read becomes the IQ error
of its XEP here; everything that slixmpp raises becomes a `SignallingError` here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, Protocol, cast

from slixmpp import JID, InvalidJID
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.stanza import Iq, Message, Presence
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher.base import MatcherBase

from ..elements.core import NS, Jingle
from ..elements.declare import Element, parse, serialize
from ..errors import LocalProtocolError, ProtocolError, RemoteProtocolError, SignallingError
from .messages import ReceivedMessage, WantedMessages, received, unwrap
from .stanza_errors import error_of, no_such_client, reply_to, with_condition, xml_namespace
from .verbatim import verbatim

log = logging.getLogger(__name__)

XmppStream = BaseXMPP
"""A client or component stream of slixmpp."""

MAX_PENDING_REQUESTS = 256
"""IQ-sets of one namespace that may be worked on at once; more get `resource-constraint`, which ends an in-band stream.
Ten of those, each with sixteen blocks that wait for a slow disk, come to 160."""

IqKind = Literal["get", "set"]

_PASSWORD = re.compile(r"""(\bpassword=)(["']).*?\2""", re.DOTALL)


class Replier(Protocol):
    """How an IQ-set is answered, once."""

    def __call__(self, error: ProtocolError | None) -> None:
        """Acknowledge with `None`, or answer with the error."""
        ...


def address(text: str) -> str:
    """The JID in its normal form (RFC 7622), which is what arrives in stanzas and can be compared with them.

    Raises:
        LocalProtocolError: It is no JID (`jid-malformed`).
    """
    try:
        jid = str(JID(text))
    except InvalidJID:
        jid = ""
    if not jid:
        raise LocalProtocolError(f"{text!r} is not a JID", condition="jid-malformed")
    return jid


class _Payload(MatcherBase):
    """IQs of one type (`set` or `get`) with a child in one namespace."""

    def __init__(self, namespace: str, kind: str = "set") -> None:
        super().__init__(f"{{{namespace}}}")
        self._kind = kind

    def match(self, stanza: Any) -> bool:
        return bool(
            stanza.name == "iq"
            and stanza["type"] == self._kind
            and any(child.tag.startswith(self._criteria) for child in stanza.xml)
        )


class Binding:
    """Jingle on a slixmpp stream; implements `transports.base.StanzaPort`.

    Attributes:
        on_jingle: Called with (sender, jingle, reply) for each Jingle IQ-set that may reach us; must reply at once.
        on_message: Called for each message in one of the wanted namespaces.
        on_unavailable: Called with the full JID of whoever goes offline.
        proxies: Finds the SOCKS5 proxies of our server.
        may_reach: Decides by full JID who may send requests to `on_request` handlers, and who hears what is wrong
            with a malformed payload; everybody else gets the answer of a client without Jingle (XEP-0166 section
            6.3.2). Who may initiate sessions is for `on_jingle` to decide.
    """

    def __init__(self, xmpp: BaseXMPP, *, message_namespaces: Sequence[str]) -> None:
        self.xmpp = xmpp
        self.on_jingle: Callable[[str, Jingle, Replier], None] = lambda sender, jingle, reply: reply(
            RemoteProtocolError("no Jingle here", condition="service-unavailable")
        )
        self.on_message: Callable[[ReceivedMessage], None] = lambda message: None
        self.on_unavailable: Callable[[str], None] = lambda jid: None
        self.may_reach: Callable[[str], bool] = lambda sender: True
        self.proxies: Callable[[], Awaitable[Sequence[Any]]] = _none
        self._tasks: set[asyncio.Task[None]] = set()
        self._names: list[str] = []
        self._filters: list[tuple[str, Any]] = []
        self._wanted = frozenset(message_namespaces)
        self._handle("jingle", _Payload(NS), self._receive_jingle)
        self._handle("jingle messages", WantedMessages(self._wanted), self._receive_message)
        self._filter("in", with_condition)
        xmpp.add_event_handler("presence_unavailable", self._receive_unavailable)

    @property
    def local(self) -> str:
        """Our full JID (a component's own address)."""
        return str(self.xmpp.boundjid.full)

    @property
    def resumes(self) -> bool:
        """Whether the server would take this session up again after the connection broke (XEP-0198 section 5)."""
        plugins = self.xmpp.plugin
        return "xep_0198" in plugins and bool(plugins["xep_0198"].sm_id)

    async def aclose(self) -> None:
        """Take every handler off the stream and cancel what still runs; safe to call twice."""
        while self._names:
            self.xmpp.remove_handler(self._names.pop())
        while self._filters:
            self.xmpp.del_filter(*self._filters.pop())
        self.xmpp.del_event_handler("presence_unavailable", self._receive_unavailable)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def tap(self, observe: Callable[[str, str], None]) -> None:
        """Call `observe` with `>` or `<` and the XML of every stanza from now on."""

        def look(direction: str, stanza: Any) -> Any:
            # Only what a user could see in his client: nothing of the login, no relay's password.
            if isinstance(stanza, (Iq, Message, Presence)):
                observe(direction, _PASSWORD.sub(r"\1\2***\2", str(stanza)))
            return stanza

        def incoming(stanza: Any) -> Any:
            return look("<", stanza)

        def outgoing(stanza: Any) -> Any:
            return look(">", stanza)

        # First of all, so that what others keep out is seen too.
        self._filter("in", incoming, order=1)
        self._filter("out_sync", outgoing)

    def _filter(
        self, mode: Literal["in", "out_sync"], function: Callable[[Any], Any], *, order: int | None = None
    ) -> None:
        self.xmpp.add_filter(mode, function, order)
        self._filters.append((mode, function))

    async def request(
        self, to: str, payload: Element, *, kind: str = "set", timeout: float = 30, sender: str | None = None
    ) -> Element | None:
        """Send an IQ and return the payload of its result (`None` where it is empty).

        Where the stream is interrupted, the IQ waits for it to come back as long as `timeout` allows.

        Raises:
            SignallingError: An error came back (`condition`, `jingle`), or nothing did in time (`timeout`).
            RemoteProtocolError: The payload of the result cannot be read.
        """
        iq = self._iq(to, payload, kind, sender)
        try:
            result = await iq.send(timeout=timeout)
        except IqTimeout:
            raise SignallingError("timeout", f"{to} did not answer within {timeout:g} s") from None
        except IqError as exc:
            raise error_of(exc.iq) from None
        return parse(result.xml[0]) if len(result.xml) else None

    def send_request(
        self, to: str, payload: Element, on_answer: Callable[[SignallingError | None], None], *, timeout: float = 30
    ) -> None:
        """Send an IQ-set and call `on_answer` once: with `None` for a result, else with what came instead.

        The call happens while the answer is being received, before any stanza behind it is: the engine decides
        tie-breaks on what is still unanswered, so a later turn of the event loop would be too late.
        """

        def result(iq: Iq) -> None:
            on_answer(error_of(iq) if iq["type"] == "error" else None)

        def done(future: asyncio.Future[Any]) -> None:
            if not future.cancelled() and isinstance(future.exception(), IqTimeout):
                on_answer(SignallingError("timeout", f"{to} did not answer within {timeout:g} s"))

        self._iq(to, payload, "set", None).send(callback=result, timeout=timeout).add_done_callback(done)

    def _iq(self, to: str, payload: Element, kind: str, sender: str | None) -> Iq:
        iq = self.xmpp.make_iq(ito=JID(to), ifrom=self._from(sender), itype=cast(IqKind, kind))
        iq.append(verbatim(serialize(payload)))
        return iq

    def _from(self, sender: str | None) -> JID | None:
        """A client's server knows who it is; a component has to say so (XEP-0114)."""
        return JID(sender or self.local) if sender or self.xmpp.is_component else None

    def on_request(
        self, namespace: str, handler: Callable[[str, Element], Awaitable[Element | None]], *, kind: str = "set"
    ) -> Callable[[], None]:
        """Hand IQs of a `kind` in `namespace` to `handler`; see `StanzaPort`. One handler for each namespace."""
        pending: set[asyncio.Task[None]] = set()

        async def answer(iq: Iq, payload: Element) -> None:
            try:
                result = await handler(str(iq["from"]), payload)
            except ProtocolError as exc:
                reply_to(iq, exc)
            except asyncio.CancelledError:
                reply_to(iq, no_such_client())
                raise
            except Exception:
                # A bug of ours; whoever asked must not wait for ever.
                log.exception("< %s a request in %s that we failed to answer", iq["from"], namespace)
                reply_to(iq, RemoteProtocolError("", condition="internal-server-error"))
            else:
                reply_to(iq, None, result)

        def receive(iq: Iq) -> None:
            if not self.may_reach(str(iq["from"])):
                reply_to(iq, no_such_client())
                return
            payload = self._payload_of(iq, namespace)
            if payload is None:
                return
            if len(pending) >= MAX_PENDING_REQUESTS:
                reply_to(iq, RemoteProtocolError("too many requests at once", condition="resource-constraint"))
                return
            task = asyncio.get_running_loop().create_task(answer(iq, payload))
            for tasks in (pending, self._tasks):
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        name = f"jingle request {namespace}"
        self._handle(name, _Payload(namespace, kind), receive)

        def remove() -> None:
            for task in pending:
                task.cancel()
            if name in self._names:
                self._names.remove(name)
                self.xmpp.remove_handler(name)

        return remove

    async def find_proxies(self) -> Sequence[Any]:
        """The SOCKS5 proxies of our server (`signalling.proxies`); none where nobody looks for them."""
        return await self.proxies()

    def send_message(self, to: str, payloads: Sequence[Element], *, id: str, sender: str | None = None) -> None:
        """Send a message of type chat without a body; it waits where the stream is interrupted."""
        message = self.xmpp.make_message(mto=JID(to), mtype="chat", mfrom=self._from(sender))
        message["id"] = id
        for payload in payloads:
            message.append(serialize(payload))
        message.send()

    def send_presence(self, to: str, *, available: bool = True) -> None:
        """Directed presence, so that a peer outside the roster sees our features and sees us go (RFC 6121, 4.6)."""
        self.xmpp.send_presence(pto=JID(to), pfrom=self._from(None), ptype=None if available else "unavailable")

    def is_contact(self, jid: str) -> bool:
        """Whether `jid` is another device of ours or a contact whose presence we share, either way."""
        if self.xmpp.is_component:
            return False
        bare = JID(jid).bare
        if bare == self.xmpp.boundjid.bare:
            return True
        roster = self.xmpp.client_roster
        if bare not in roster.keys():
            return False
        item = roster[bare]
        return bool(item["to"] or item["from"])

    def _handle(self, name: str, matcher: MatcherBase, receive: Callable[[Any], None]) -> None:
        self.xmpp.register_handler(Callback(name, matcher, receive))
        self._names.append(name)

    def _payload_of(self, iq: Iq, namespace: str) -> Element | None:
        """The payload, or `None` after the error that its sender deserves has been sent."""
        child = next(child for child in iq.xml if xml_namespace(child) == namespace)
        try:
            return parse(child)
        except RemoteProtocolError as exc:
            log.info("< %s sent something malformed: %s", iq["from"], exc)
            # That we can read it at all is more than a stranger may learn.
            reply_to(iq, exc if self.may_reach(str(iq["from"])) else no_such_client())
            return None

    def _receive_jingle(self, iq: Iq) -> None:
        payload = self._payload_of(iq, NS)
        if payload is None:
            return
        if not isinstance(payload, Jingle):
            reply_to(iq, RemoteProtocolError(f"no such element in {NS}"))
            return
        self.on_jingle(str(iq["from"]), payload, lambda error: reply_to(iq, error))

    def _receive_message(self, stanza: Message) -> None:
        _, wrapping = unwrap(stanza.xml)
        if wrapping is not None and str(stanza["from"]) not in ("", self.xmpp.boundjid.bare):
            # XEP-0280 section 11: anybody can forge a copy; only our own account may send one, or read our archive.
            log.warning("< a copy (%s) from %s, who is not our own account", wrapping, stanza["from"])
            return
        self.on_message(received(stanza, self._wanted))

    def _receive_unavailable(self, presence: Presence) -> None:
        self.on_unavailable(str(presence["from"]))


async def _none() -> Sequence[Any]:
    return ()
