"""The server's memory: accounts with their contacts and devices, and the sessions waiting to be resumed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..errors import LocalProtocolError, RemoteProtocolError
from .framing import Stanza
from .jids import Jid, parse_jid
from .limits import Limits
from .management import StreamManagement
from .sasl import Credentials, make_credentials
from .session import Session, Wire

Observer: TypeAlias = Callable[[str, str, str, float], None]
"""Called as `observer(direction, jid, xml, time)`: `received` from the client `jid` or `delivered` to it."""


@dataclass(slots=True)
class Contact:
    """An entry of a roster (RFC 6121 section 2)."""

    name: str = ""
    groups: tuple[str, ...] = ()
    to: bool = False
    """We see their presence."""
    from_: bool = False
    """They see ours."""
    ask: bool = False
    """We asked to see theirs and were not answered yet."""

    @property
    def subscription(self) -> str:
        """The two directions in the one word the roster uses."""
        return ("none", "to", "from", "both")[self.to + 2 * self.from_]


@dataclass(slots=True, eq=False)
class Account:
    """A user: the password's keys, the roster, the devices that are there."""

    jid: str
    credentials: Mapping[str, Credentials]
    roster: dict[str, Contact] = field(default_factory=dict)
    requests: dict[str, Stanza] = field(default_factory=dict)
    """Who asked to see our presence and has no answer yet."""
    sessions: dict[str, Session] = field(default_factory=dict)

    def available(self) -> list[Session]:
        """The devices that have sent presence."""
        return [session for session in self.sessions.values() if session.presence is not None]

    def contact(self, jid: str, limits: Limits) -> Contact:
        """The roster entry for a bare JID, made when it is missing.

        Raises:
            RemoteProtocolError: The roster is full (`resource-constraint`).
        """
        if jid not in self.roster:
            if len(self.roster) >= limits.contacts:
                raise RemoteProtocolError("the roster is full", condition="resource-constraint")
            self.roster[jid] = Contact()
        return self.roster[jid]


class Domain:
    """Everything the server knows about its one domain.

    Attributes:
        name: The domain.
        accounts: By local part.
        services: What XEP-0215 offers, see `LoopbackServer.services`.
        resumable: Sessions by SM-ID.
        observer: Called for every stanza; see `Observer`.
        farewell: Called as `farewell(session, lost)` when a session has ended; `lost` where it was not
            closed in good order.
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.limits = limits
        self.accounts: dict[str, Account] = {}
        self.services: list[Any] = []
        self.resumable: dict[str, Session] = {}
        self.observer: Observer | None = None
        self.farewell: Callable[[Session, bool], None] = lambda session, lost: None

    def add_account(self, user: str, password: str) -> Account:
        """Make an account.

        Raises:
            LocalProtocolError: The name cannot stand before the `@`, or is taken.
        """
        try:
            jid = parse_jid(f"{user}@{self.name}")
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"{user!r} is not a user name") from error
        if "@" in user or "/" in user or jid.local in self.accounts:
            raise LocalProtocolError(f"{user!r} is taken, or not a user name")
        account = self.accounts[jid.local] = Account(jid.bare, make_credentials(password))
        return account

    def account(self, jid: str) -> Account | None:
        """The account of a bare or full JID, `None` where it is unknown or of another domain."""
        parts = parse_jid(jid)
        return self.accounts.get(parts.local) if parts.domain == self.name else None

    def session(self, jid: Jid) -> Session | None:
        """The device of a full JID."""
        account = self.accounts.get(jid.local) if jid.domain == self.name else None
        return account.sessions.get(jid.resource) if account else None

    def observe(self, direction: str, jid: str, data: bytes) -> None:
        """Tell the observer."""
        if self.observer is not None:
            self.observer(direction, jid, data.decode(), time.time())

    # Sessions

    def bind(self, account: Account, wanted: str | None, wire: Wire) -> Session:
        """Give a connection its resource (RFC 6120 section 7).

        A name in use is left to the device that has it, and the newcomer gets another; only a device whose
        connection is lost gives its name up.

        Raises:
            RemoteProtocolError: The name is no resource (`bad-request`), or there are too many devices already.
        """
        if wanted:
            try:
                wanted = parse_jid(f"{account.jid}/{wanted}").resource
            except RemoteProtocolError as error:
                raise RemoteProtocolError(error.text) from error
        holder = account.sessions.get(wanted) if wanted else None
        if holder is not None and holder.wire is None:
            self.end(holder, lost=True)
            holder = None
        if len(account.sessions) >= self.limits.resources:
            raise RemoteProtocolError("too many devices", condition="resource-constraint")
        resource = wanted if wanted and holder is None else secrets.token_hex(8)
        session = account.sessions[resource] = Session(self, account, resource, wire)
        return session

    def manage(self, session: Session, *, resume: bool) -> StreamManagement:
        """Start stream management for a session (XEP-0198 section 3)."""
        session.management = StreamManagement(secrets.token_hex(16) if resume else None, self.limits)
        if session.management.resume_id is not None:
            self.resumable[session.management.resume_id] = session
        return session.management

    def detach(self, session: Session) -> None:
        """The connection under a session is gone: keep the session for a while if it may be resumed."""
        session.wire = None
        if not self._holds(session):
            return
        if session.management is None or session.management.resume_id is None:
            self.end(session, lost=True)
            return
        session.management.requested = False
        loop = asyncio.get_running_loop()
        session.expiry = loop.call_later(self.limits.resume_seconds, lambda: self.end(session, lost=True))

    def attach(self, session: Session, wire: Wire) -> None:
        """A session goes on over another connection; the old one, if it is still there, is closed."""
        self._stop_waiting(session)
        session.wire, old = wire, session.wire
        if old is not None:
            old.close("conflict")

    def end(self, session: Session, *, lost: bool) -> None:
        """End a session for good; what it never acknowledged goes back to where it came from if it was `lost`."""
        if not self._holds(session):
            return
        self._stop_waiting(session)
        if session.management is not None and session.management.resume_id is not None:
            self.resumable.pop(session.management.resume_id, None)
        del session.account.sessions[session.resource]
        self.farewell(session, lost)

    def _holds(self, session: Session) -> bool:
        return session.account.sessions.get(session.resource) is session

    def _stop_waiting(self, session: Session) -> None:
        if session.expiry is not None:
            session.expiry.cancel()
            session.expiry = None
