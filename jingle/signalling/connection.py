"""One XMPP client connection: log in, stay on, come back (RFC 6120, XEP-0198, XEP-0199).

A running call must outlive its XMPP connection, so a connection that breaks is not an event for anybody above as
long as stream management can resume it: stanzas wait in slixmpp's queue and leave when the stream is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slixmpp import JID
from slixmpp.exceptions import IqError, IqTimeout

from ..errors import LocalProtocolError, SignallingError
from .binding import address
from .bursts import BurstClient

log = logging.getLogger(__name__)

LOGIN_TIMEOUT = 30.0
KEEPALIVE_INTERVAL = 60.0
KEEPALIVE_TIMEOUT = 15.0
NEW_NETWORK_TIMEOUT = 3.0
"""Seconds for the server to answer when the machine has got another address: the old way may lead nowhere now."""

RECONNECT_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds between attempts to come back; the last one repeats until `aclose()`."""

FINAL = frozenset({"conflict", "not-authorized"})
"""Why a connection that broke is not opened again: another program took our resource (RFC 6120 section 4.9.3.3 warns
of the two throwing each other out in turn), or the password was changed."""

CAPS_NODE = "urn:jingle-toolkit"
"""Names this software in presence (XEP-0115 section 4)."""

ACK_EVERY = 16
"""Stanzas after which the server is asked what has reached it; until then a copy of each is kept."""

PLUGINS: dict[str, dict[str, Any] | None] = {
    "xep_0030": None,
    "xep_0115": {"caps_node": CAPS_NODE},
    "xep_0198": {"window": ACK_EVERY},
    "xep_0199": None,
    "xep_0280": None,
}


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who logs in, and where."""

    jid: str
    """Bare or full JID; a bare one gets a resource from us."""

    password: str = field(repr=False)
    server: tuple[str, int] | None = None
    """Connect here instead of what DNS SRV says."""

    ca_file: Path | None = None
    """Trust this CA for the server instead of the system's."""


class XmppConnection:
    """A slixmpp client that is logged in and stays so.

    Attributes:
        xmpp: The slixmpp client; `signalling.binding` puts Jingle on it.
        on_state: Called with `online`, `interrupted`, `resumed`, `restarted` or `offline` as the connection changes.
        on_lost: Called when the connection broke for good, with the reason.

    Raises:
        LocalProtocolError: The account's JID is none (`jid-malformed`).
        SignallingError: The CA file cannot be read (`certificate`).
    """

    def __init__(self, account: Account, *, resource: str) -> None:
        self.account = account
        jid = address(account.jid)
        if "@" not in jid:
            raise LocalProtocolError(f"{account.jid!r} names no account of a server", condition="jid-malformed")
        jid = jid if "/" in jid else f"{jid}/{resource}"
        self.xmpp = BurstClient(jid, account.password, ssl_context=_ssl_context(account.ca_file))
        for plugin, options in PLUGINS.items():
            self.xmpp.register_plugin(plugin, pconfig=options)
        # slixmpp would ask everybody whose presence arrives what he can do, and a question tells a stranger that we are
        # online; `Discovery` asks those whom we call.
        self.xmpp.remove_handler("Entity Capabilities")
        self.xmpp.plugin["xep_0030"].add_identity(category="client", itype="pc", name="jingle")
        if account.server is not None:
            # A given address speaks one of both; trying TLS first on a STARTTLS port would cost a round trip and a
            # warning in every server's log.
            direct = account.server[1] == 5223
            self.xmpp.enable_direct_tls, self.xmpp.enable_starttls = direct, not direct
        self.on_state: Callable[[str], None] = lambda state: None
        self.on_lost: Callable[[SignallingError], None] = lambda error: None
        self._is_up = False
        self._returning: asyncio.Task[None] | None = None
        self._failure: SignallingError | None = None
        self._started: asyncio.Future[None] | None = None
        self._closing = False
        self._attempts = 0
        self._tasks: set[asyncio.Task[None]] = set()
        for event, handler in (
            ("session_start", self._on_session_start),
            ("session_resumed", self._on_session_resumed),
            ("disconnected", self._on_disconnected),
            ("connection_failed", self._on_connection_failed),
            ("reconnect_delay", self._on_reconnect_delay),
            ("failed_auth", self._on_failed_auth),
            ("failed_all_auth", self._on_no_way_to_log_in),
            ("ssl_invalid_chain", self._on_untrusted),
            ("stream_error", self._on_stream_error),
        ):
            self.xmpp.add_event_handler(event, handler)

    @property
    def jid(self) -> str:
        """Our full JID."""
        return str(self.xmpp.boundjid.full)

    async def open(self, timeout: float = LOGIN_TIMEOUT) -> None:
        """Log in, fetch the roster, enable carbons and send presence; returns once that is done.

        Raises:
            SignallingError: `not-authorized` for a refused password, `certificate` for an untrusted server,
                `remote-server-not-found` where nothing answers, `timeout`.
        """
        self._started = asyncio.get_running_loop().create_future()
        self._connect()
        try:
            async with asyncio.timeout(timeout):
                await self._started
                await self._settle()
        except TimeoutError:
            await self.aclose()
            raise SignallingError("timeout", f"no login within {timeout:g} s") from None
        except BaseException:
            await self.aclose()
            raise
        self._spawn(self._keep_alive())
        self.on_state("online")

    async def aclose(self) -> None:
        """Say goodbye and free everything; safe to call twice."""
        if self._closing:
            return
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.xmpp.cancel_connection_attempt()
        if self.xmpp.transport is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                # A last presence: contacts see us leave at once, also where the server would hibernate the stream.
                if self._is_up:
                    self.xmpp.send_presence(ptype="unavailable")
                await asyncio.wait_for(self.xmpp.disconnect(wait=1.0), timeout=2.0)
            self.xmpp.abort()
        sender = self.xmpp._run_out_filters  # slixmpp leaves its sending task running for a next connect()
        if sender is not None:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        for name in list(self.xmpp.scheduled_events):
            self.xmpp.cancel_schedule(name)
        self.on_state("offline")

    def _connect(self) -> None:
        attempt = self.xmpp.connect(*(self.account.server or ()))
        attempt.add_done_callback(self._on_attempt_done)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _settle(self) -> None:
        """What a fresh session needs: the roster, carbons, presence."""
        try:
            await self.xmpp.get_roster(timeout=10)
        except (IqError, IqTimeout) as exc:
            log.warning("the server gave no roster: %s", exc)
        try:
            await self.xmpp.plugin["xep_0280"].enable(timeout=10)
        except (IqError, IqTimeout):
            log.info("the server has no message carbons (XEP-0280): other devices will not hear of our answers")
        await self.xmpp.plugin["xep_0115"].update_caps(broadcast=False)
        # Priority 0, not lower: a proposal goes to the bare JID, and servers pass negative priorities over.
        self.xmpp.send_presence()

    async def _keep_alive(self) -> None:
        """A TCP connection can die without a word; a ping that nobody answers says so (XEP-0199)."""
        while True:
            await asyncio.sleep(KEEPALIVE_INTERVAL)
            if self._is_up:
                await self._ping(KEEPALIVE_TIMEOUT)

    async def _ping(self, timeout: float) -> None:
        try:
            await self.xmpp.plugin["xep_0199"].ping(JID(self.xmpp.boundjid.domain), timeout=timeout)
        except IqTimeout:
            log.warning("the XMPP server does not answer: reconnecting")
            self.xmpp.abort()
        except IqError as exc:
            log.debug("ping answered with %s, which is an answer too", exc)

    def addresses_changed(self, gone: frozenset[str], new: frozenset[str]) -> None:
        """Take it that the machine's addresses have changed: what broke with that is noticed and mended at once."""
        if self._closing or self._is_logging_in:
            return
        if self._is_up:
            if self._address in gone:
                self.xmpp.abort()
            elif new:
                self._spawn(self._ping(NEW_NETWORK_TIMEOUT))
        elif new and self.xmpp.transport is None and self._returning is not None:
            self._returning.cancel()
            self.xmpp.cancel_connection_attempt()
            self._returning, self._attempts = None, 0
            self._come_back()

    @property
    def _address(self) -> str | None:
        """The address of this machine that the stream uses."""
        name = self.xmpp.transport.get_extra_info("sockname") if self.xmpp.transport is not None else None
        return str(name[0]) if name else None

    def _come_back(self) -> None:
        if not self._closing and (self._returning is None or self._returning.done()):
            self._returning = self._spawn(self._connect_after_a_while())

    async def _connect_after_a_while(self) -> None:
        delay = RECONNECT_DELAYS[min(self._attempts, len(RECONNECT_DELAYS) - 1)]
        self._attempts += 1
        await asyncio.sleep(delay)
        self._connect()

    @property
    def _is_logging_in(self) -> bool:
        """Whether `open` waits for the first session."""
        return self._started is not None and not self._started.done()

    def _fail(self, error: SignallingError) -> None:
        if self._started is not None and not self._started.done():
            self._started.set_exception(error)

    def _on_session_start(self, event: Any) -> None:
        is_first = self._is_logging_in
        self._come_up()
        if self._started is not None and is_first:
            self._started.set_result(None)
        elif not self._closing:
            self.on_state("restarted")
            self._spawn(self._settle())

    def _on_session_resumed(self, event: Any) -> None:
        self._come_up()
        self.on_state("resumed")

    def _come_up(self) -> None:
        self._is_up, self._attempts, self._failure = True, 0, None

    def _on_disconnected(self, reason: Any) -> None:
        was_up, self._is_up = self._is_up, False
        if self._closing:
            return
        self._keep_unsent()
        if isinstance(reason, ssl.SSLCertVerificationError):  # after STARTTLS, slixmpp tells of the end first
            self._failure = _untrusted(reason)
        if self._is_logging_in:
            self._fail(self._failure or SignallingError("connection-failed", str(reason or "the server hung up")))
            return
        if was_up:
            self.on_state("interrupted")
        if self._failure is not None and self._failure.condition in FINAL:
            log.error("the XMPP connection is lost: %s", self._failure)
            self.on_lost(self._failure)
        else:
            self._come_back()

    def _keep_unsent(self) -> None:
        """Hand in again what slixmpp was about to send and would lose: it waits for the stream to be back then."""
        queue = self.xmpp.waiting_queue
        for _ in range(queue.qsize()):
            stanza, use_filters = queue.get_nowait()
            queue.task_done()
            self.xmpp.send(stanza, use_filters)

    def _on_attempt_done(self, attempt: asyncio.Future[Any]) -> None:
        error = None if attempt.cancelled() else attempt.exception()
        if error is not None:
            # Such as a domain that no resolver takes; what fails in an orderly way comes as connection_failed.
            self._failure = SignallingError("remote-server-not-found", str(error))
            self._on_reconnect_delay(None)

    def _on_connection_failed(self, error: Any) -> None:
        if isinstance(error, ssl.SSLCertVerificationError):
            self._failure = _untrusted(error)
        elif self.account.server is not None:
            # What slixmpp says of names is about the domain of the JID.
            host, port = self.account.server
            why = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
            self._failure = SignallingError("remote-server-not-found", f"{host}:{port} cannot be reached{why}")
        else:
            self._failure = SignallingError("remote-server-not-found", str(error))

    def _on_reconnect_delay(self, seconds: Any) -> None:
        # slixmpp retries for ever, and in the end every five minutes. At login the first round over all addresses is
        # the answer, and later a call cannot wait that long.
        self.xmpp.cancel_connection_attempt()
        if self._is_logging_in:
            self._fail(self._failure or SignallingError("remote-server-not-found"))
        else:
            self._come_back()

    def _on_failed_auth(self, stanza: Any) -> None:
        condition = str(stanza["condition"])
        if condition == "temporary-auth-failure":
            self._failure = SignallingError(condition, "the server cannot check passwords at the moment")
        else:
            self._failure = SignallingError("not-authorized", "the server refused this name and password")

    def _on_no_way_to_log_in(self, event: Any) -> None:
        self._failure = self._failure or SignallingError(
            "no-mechanism", "the server offers no way to log in that keeps the password secret"
        )
        self._fail(self._failure)

    def _on_untrusted(self, error: Any) -> None:
        self._failure = _untrusted(error)
        self._fail(self._failure)
        self.xmpp.disconnect(wait=0)

    def _on_stream_error(self, error: Any) -> None:
        self._failure = SignallingError(str(error["condition"]), str(error["text"]) or None)


def _untrusted(error: Any) -> SignallingError:
    return SignallingError("certificate", getattr(error, "verify_message", None) or str(error))


def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    except (OSError, ssl.SSLError) as exc:
        raise SignallingError("certificate", f"cannot read the CA file {ca_file}: {exc}") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
