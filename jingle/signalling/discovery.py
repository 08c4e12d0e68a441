"""XEP-0030 and XEP-0115: what we announce, what a peer's devices can do, and which of them to call."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from slixmpp import JID
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.stanza import Iq, Presence

from ..elements.jids import bare

log = logging.getLogger(__name__)

NS_JINGLE = "urn:xmpp:jingle:1"
NS_CAPS = "http://jabber.org/protocol/caps"
NS_INFO = "http://jabber.org/protocol/disco#info"
NS_JINGLE_MESSAGE = "urn:xmpp:jingle-message:0"

QUERY_TIMEOUT = 5.0
PRESENCE_GRACE = 1.0
"""Seconds after login in which the presence of a contact may still be on its way."""

PRESENCE_PAUSE = 0.1
"""Seconds within those in which another server, which tells of one device after the other, may tell of the next."""

MAX_KNOWN_DEVICES = 2000
"""Online devices of all others that are remembered; whoever was heard of first is forgotten first."""

MAX_DEVICES_ASKED = 16
"""Devices of one account that are asked what they can do; those of the highest priority."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """One online device of somebody."""

    jid: str
    """Full JID."""

    priority: int
    features: frozenset[str]
    """What its disco#info says; empty where it did not answer."""


@dataclass(frozen=True, eq=False)
class _Presence:
    """The last one of a device; two are told apart although they say the same."""

    priority: int
    caps: str | None
    """What stands for its features (XEP-0115); `None` where it does not say."""


class Discovery:
    """Features of ours and of others.

    Who is online is kept here and not taken from slixmpp's roster, which forgets it when the connection breaks although
    stream management goes on where it was and no presence comes again (XEP-0198).

    Attributes:
        may_see: Decides by JID who learns what we announced; everybody else gets the answer of a client without
            Jingle, as to a session-initiate (XEP-0166 section 6.3.2). Our own server always does.
    """

    def __init__(self, xmpp: BaseXMPP) -> None:
        self.xmpp = xmpp
        self.may_see: Callable[[str], bool] = lambda jid: True
        self._announced: frozenset[str] = frozenset()
        self._online: dict[str, _Presence] = {}
        self._features: dict[str, frozenset[str]] = {}
        self._arrived = asyncio.Event()
        self._settled_at = 0.0
        xmpp.add_filter("out_sync", self._hide)
        xmpp.add_event_handler("session_start", self._begin)
        xmpp.add_event_handler("presence", self._take_presence)

    def close(self) -> None:
        """Stop listening to presence; safe to call twice."""
        with contextlib.suppress(ValueError):
            self.xmpp.del_filter("out_sync", self._hide)
        self.xmpp.del_event_handler("session_start", self._begin)
        self.xmpp.del_event_handler("presence", self._take_presence)

    def announce(self, features: Iterable[str]) -> None:
        """Put features into our disco#info; the next presence carries the caps that follow from them."""
        self._announced = frozenset(features)
        for feature in sorted(self._announced):
            self.xmpp.plugin["xep_0030"].add_feature(feature)

    def _hide(self, stanza: Any) -> Any:
        """Leave what we announced out of an answer to somebody who may not see it."""
        if isinstance(stanza, Iq) and stanza["type"] == "result" and not self._is_visible_to(str(stanza["to"])):
            for place, query in enumerate(stanza.xml):
                if query.tag == f"{{{NS_INFO}}}query":
                    # A copy: slixmpp puts what it keeps itself into each answer.
                    stanza.xml[place] = shown = copy.copy(query)
                    shown[:] = [part for part in query if part.get("var") not in self._announced]
        return stanza

    def _is_visible_to(self, jid: str) -> bool:
        return jid in ("", self.xmpp.boundjid.domain) or self.may_see(jid)

    async def features_of(self, jid: str) -> frozenset[str]:
        """The features of a full JID or a server; empty where it does not answer in time."""
        known = self._features.get(jid)
        if known is not None:
            return known
        announced = self._online.get(jid)
        try:
            info = await self.xmpp.plugin["xep_0030"].get_info(jid=JID(jid), local=False, timeout=QUERY_TIMEOUT)
        except (IqError, IqTimeout) as exc:
            log.info("%s does not say what it can do: %s", jid, exc)
            return frozenset()
        found = frozenset(str(feature) for feature in info["disco_info"]["features"])
        # Only what a presence will tell us the end of is remembered, and not what was asked before the last presence.
        if announced is not None and self._online.get(jid) is announced:
            self._features[jid] = found
        return found

    async def devices(self, account: str, *, contact: bool) -> tuple[Device, ...]:
        """The online devices of `account` with their features, best priority first.

        Empty where their presence is not for us to see. Just after login, waits for that of a contact.
        """
        if contact:
            await self._wait_for_presence(account)
        online = self._devices_of(account)[:MAX_DEVICES_ASKED]
        features = await asyncio.gather(*(self.features_of(jid) for jid, _ in online))
        return tuple(
            Device(jid=jid, priority=priority, features=found)
            for (jid, priority), found in zip(online, features, strict=True)
        )

    def _devices_of(self, account: str) -> list[tuple[str, int]]:
        own = str(self.xmpp.boundjid.full)
        found = [
            (jid, presence.priority) for jid, presence in self._online.items() if bare(jid) == account and jid != own
        ]
        return sorted(found, key=lambda device: -device[1])

    async def _wait_for_presence(self, account: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._settled_at):
                while not self._devices_of(account):
                    self._arrived.clear()
                    await self._arrived.wait()
                known = 0
                while self._is_elsewhere(account) and len(self._devices_of(account)) > known:
                    known = len(self._devices_of(account))
                    await asyncio.sleep(PRESENCE_PAUSE)

    def _is_elsewhere(self, account: str) -> bool:
        return account.rpartition("@")[2] != self.xmpp.boundjid.domain

    def _begin(self, event: object) -> None:
        """A fresh session: whoever is online will be announced."""
        self._online.clear()
        self._features.clear()
        self._settled_at = asyncio.get_running_loop().time() + PRESENCE_GRACE

    def _take_presence(self, presence: Presence) -> None:
        jid, kind = str(presence["from"]), presence.xml.get("type")
        if kind not in (None, "unavailable"):
            return
        known, features = self._online.get(jid), self._features.get(jid)
        self._forget(jid)
        if kind is None:
            while len(self._online) >= MAX_KNOWN_DEVICES:
                self._forget(next(iter(self._online)))
            caps = presence.xml.find(f"{{{NS_CAPS}}}c")
            now = self._online[jid] = _Presence(
                presence["priority"], " ".join(sorted(caps.attrib.values())) if caps is not None else None
            )
            if known is not None and features is not None and known.caps == now.caps is not None:
                self._features[jid] = features
            self._arrived.set()

    def _forget(self, jid: str) -> None:
        self._online.pop(jid, None)
        self._features.pop(jid, None)


def best_device(devices: Iterable[Device], wanted: frozenset[str]) -> Device | None:
    """The device to call directly: the one of highest priority that has Jingle and all that is `wanted`."""
    return next(iter(able_devices(devices, wanted)), None)


def able_devices(devices: Iterable[Device], wanted: frozenset[str]) -> list[Device]:
    """The devices that have Jingle and all that is `wanted`, in their order."""
    return [device for device in devices if wanted | {NS_JINGLE} <= device.features]
